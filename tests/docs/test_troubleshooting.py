"""The texts that docs/troubleshooting.md explains are those that the package prints."""

import ast
import re

import pytest

from tools.doc_tables import ROOT

HEADINGS = re.findall(r"^### (.+)$", (ROOT / "docs/troubleshooting.md").read_text(encoding="utf-8"), re.MULTILINE)
# A symptom without a text of its own.
SYMPTOMS = {"Each push is built twice"}


def texts() -> list[str]:
    """Every string of the package, with `…` for what is filled in, and no quotes around that."""
    found = []
    # That module has the headings themselves.
    for path in {*(ROOT / "stormkit_action").rglob("*.py")} - {ROOT / "stormkit_action/troubleshooting.py"}:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.JoinedStr):
                parts = (part.value if isinstance(part, ast.Constant) else "…" for part in node.values)
                found.append("".join(map(str, parts)))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.append(node.value)
    return found


@pytest.mark.parametrize("heading", [heading for heading in HEADINGS if heading not in SYMPTOMS])
def test_the_package_says_so(heading):
    # An input's name is filled in as well.
    wanted = (heading, re.sub(r"^Input [a-z-]+:", "…:", heading))
    assert [text for text in texts() if any(part in text for part in wanted)], f"no text of the package holds {heading}"
