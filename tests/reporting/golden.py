"""Compares reports with golden files, word for word.

`UPDATE_GOLDEN=1 .venv/bin/pytest tests/reporting` rewrites the files; read the difference before you commit it.
"""

import os
from pathlib import Path

FILES = Path(__file__).parent / "golden"


def check(name: str, markdown: str) -> None:
    """Compare `markdown` with the file, or rewrite the file if UPDATE_GOLDEN is set."""
    file = FILES / f"{name}.md"
    if os.environ.get("UPDATE_GOLDEN"):
        file.write_text(markdown, encoding="utf-8", newline="\n")
    assert markdown == file.read_text(encoding="utf-8"), f"UPDATE_GOLDEN=1 rewrites {file.name}"
