"""Writes the inputs and outputs into action.yml and docs/: `python -m tools.doc_tables`.

In Markdown it replaces what is between `<!-- inputs -->` and `<!-- /inputs -->`, and the same for outputs. In
action.yml it replaces the blocks `inputs:` and `outputs:`. It also writes the headings of docs/troubleshooting.md into
the module that links to them. With `--check` it writes nothing, and fails if a file is out of date.
"""

import json
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from stormkit_action.inputs import INPUTS
from stormkit_action.reporting.outputs import OUTPUTS

ROOT = Path(__file__).parents[1]
FILES = ("action.yml", "docs/inputs.md", "docs/outputs.md", "stormkit_action/troubleshooting.py")

_TABLE = re.compile(
    r"(?P<open><!-- (?P<name>inputs|outputs|sections) -->\n).*?(?P<close>(?:    # )?<!-- /(?P=name) -->)", re.DOTALL
)
_YAML = re.compile(r"^(?P<open>(?P<name>inputs|outputs):\n)(?:(?: .*)?\n)*?(?P<close>\n*(?=^\S|\Z))", re.MULTILINE)


def inputs_table() -> str:
    """The Markdown table of the inputs, with their defaults and meanings."""
    rows = []
    for spec in INPUTS:
        # What an empty default stands for is part of the meaning, as "Default: …".
        default = f"`{spec.default}`" if spec.default else "required" if spec.name == "api-key" else ""
        rows.append((f"`{spec.name}`", default, spec.help))
    return _table(("input", "default", "meaning"), rows)


def outputs_table() -> str:
    """The Markdown table of the outputs, with their meanings."""
    return _table(("output", "meaning"), [(f"`{name}`", meaning) for name, meaning in OUTPUTS.items()])


def inputs_yaml() -> str:
    """The block `inputs:` of action.yml, without its first line."""
    lines = []
    for spec in INPUTS:
        lines += [f"  {spec.name}:", f"    description: {_quoted(spec.help)}"]
        if spec.name == "api-key":
            lines.append("    required: true")
        else:
            lines += ["    required: false", f"    default: {_quoted(spec.default)}"]
    return "".join(f"{line}\n" for line in lines)


def outputs_yaml() -> str:
    """The block `outputs:` of action.yml, without its first line."""
    return "".join(f"  {name}:\n    description: {_quoted(meaning)}\n" for name, meaning in OUTPUTS.items())


def sections() -> str:
    """The headings of docs/troubleshooting.md, as the lines of a Python tuple."""
    page = (ROOT / "docs/troubleshooting.md").read_text(encoding="utf-8")
    headings = re.findall(r"^### (.+)$", page, re.MULTILINE)
    return "".join(f"    {json.dumps(heading, ensure_ascii=False)},\n" for heading in headings)


TABLES: Mapping[str, Callable[[], str]] = {"inputs": inputs_table, "outputs": outputs_table, "sections": sections}
BLOCKS: Mapping[str, Callable[[], str]] = {"inputs": inputs_yaml, "outputs": outputs_yaml}


def filled(text: str, *, yaml: bool = False) -> str:
    """`text` with all tables, or with `yaml` all blocks of action.yml, replaced by current ones."""
    pattern, contents = (_YAML, BLOCKS) if yaml else (_TABLE, TABLES)

    def replace(block: re.Match[str]) -> str:
        return f"{block['open']}{contents[block['name']]()}{block['close']}"

    return pattern.sub(replace, text)


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    cells = ([cell.replace("|", "\\|") for cell in line] for line in lines)
    return "".join(f"| {' | '.join(line)} |\n" for line in cells)


def _quoted(text: str) -> str:
    """A single-quoted YAML string."""
    return "'" + text.replace("'", "''") + "'"


def main(arguments: list[str]) -> None:
    """Rewrite the files, or with `--check` exit with the names of those that are out of date."""
    stale = []
    for path in (ROOT / name for name in FILES):
        old = path.read_text(encoding="utf-8")
        new = filled(old, yaml=path.suffix == ".yml")
        if new == old:
            continue
        stale.append(str(path.relative_to(ROOT)))
        if "--check" not in arguments:
            path.write_text(new, encoding="utf-8")
    if stale and "--check" in arguments:
        sys.exit(f"Out of date: {', '.join(stale)}. Run: python -m tools.doc_tables")


if __name__ == "__main__":
    main(sys.argv[1:])
