"""Writes the tables of inputs and outputs into README.md and docs/: `python -m tools.doc_tables`.

A table stands between `<!-- inputs -->` and `<!-- /inputs -->`, and so do the outputs. The rest of a file is left as it
is. With `--check` nothing is written, and a file that would change is an error.
"""

import re
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from stormkit_action.input_table import INPUTS
from stormkit_action.reporting.outputs import OUTPUTS

ROOT = Path(__file__).parents[1]
FILES = ("README.md", "docs/inputs.md", "docs/outputs.md")

_BLOCK = re.compile(r"(?P<open><!-- (?P<name>inputs|outputs) -->\n).*?(?P<close><!-- /(?P=name) -->)", re.DOTALL)


def inputs() -> str:
    """Every input with its default and meaning."""
    rows = []
    for each in INPUTS:
        # "Default: …" in a meaning says what an empty value stands for; the column says the rest.
        default = f"`{each.default}`" if each.default else "required" if each.name == "api-key" else ""
        rows.append((f"`{each.name}`", default, each.help))
    return _table(("input", "default", "meaning"), rows)


def outputs() -> str:
    """Every output with its meaning."""
    return _table(("output", "meaning"), [(f"`{name}`", meaning) for name, meaning in OUTPUTS.items()])


TABLES: Mapping[str, Callable[[], str]] = {"inputs": inputs, "outputs": outputs}


def filled(text: str) -> str:
    """`text` with its tables as they are now."""
    return _BLOCK.sub(lambda block: f"{block['open']}{TABLES[block['name']]()}{block['close']}", text)


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    cells = ([cell.replace("|", "\\|") for cell in line] for line in lines)
    return "".join(f"| {' | '.join(line)} |\n" for line in cells)


def main(arguments: list[str]) -> None:
    """Rewrite the files, or with `--check` say which differ."""
    stale = []
    for path in (ROOT / name for name in FILES):
        old = path.read_text(encoding="utf-8")
        new = filled(old)
        if new == old:
            continue
        stale.append(str(path.relative_to(ROOT)))
        if "--check" not in arguments:
            path.write_text(new, encoding="utf-8")
    if stale and "--check" in arguments:
        sys.exit(f"Out of date: {', '.join(stale)}. Run: python -m tools.doc_tables")


if __name__ == "__main__":
    main(sys.argv[1:])
