"""Reads an action's metadata file without a YAML library: the sandbox needs no more than the action itself.

It knows the part of YAML that such a file needs, and refuses what else there is with the line's number:
mappings by indentation, and plain, quoted, folded (`>`) or literal (`|`) texts. Every scalar is a text, as it
is for the action itself.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

Node: TypeAlias = "dict[str, Node] | str"

_KEY = re.compile(r"(?P<key>[A-Za-z0-9_][A-Za-z0-9_ -]*|'[^']*'|\"[^\"]*\"):(?:\s+(?P<value>.*))?")
_BLOCK = re.compile(r"(?P<style>[>|])(?P<chomp>-?)\s*(#.*)?")


class ActionYmlError(ValueError):
    """The file holds something that this reader doesn't understand."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Input:
    """An input that the action declares."""

    description: str = ""
    required: bool = False
    default: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class ActionYml:
    """An action's metadata."""

    name: str
    description: str = ""
    inputs: dict[str, Input] = field(default_factory=dict)
    outputs: dict[str, str] = field(default_factory=dict)
    runs: dict[str, str] = field(default_factory=dict)

    @property
    def post_entrypoint(self) -> str:
        """Executable that runs after the job's steps, or ""."""
        return self.runs.get("post-entrypoint", "")


def load(path: Path) -> ActionYml:
    """Metadata in the file at `path`."""
    tree = read(path.read_text(encoding="utf-8"))
    return ActionYml(
        name=_text(tree.get("name", "")),
        description=_text(tree.get("description", "")),
        inputs={name: _input(node) for name, node in _mapping(tree.get("inputs", "")).items()},
        outputs={
            name: _text(_mapping(node).get("description", ""))
            for name, node in _mapping(tree.get("outputs", "")).items()
        },
        runs={name: node for name, node in _mapping(tree.get("runs", "")).items() if isinstance(node, str)},
    )


def read(text: str) -> dict[str, Node]:
    """The whole file as nested mappings of texts."""
    lines = _Lines(text)
    tree = _read_mapping(lines, 0)
    if lines.peek() is not None:
        raise lines.error("is indented less than the mapping that it is in")
    return tree


class _Lines:
    """Lines of the file with a place in them. Comments are skipped between entries, but not inside texts."""

    def __init__(self, text: str) -> None:
        self._lines = text.split("\n")
        self._next = 0

    def peek(self) -> str | None:
        """Next line with content, or None at the end."""
        while self._next < len(self._lines):
            line = self._lines[self._next].rstrip()
            if line and not line.lstrip().startswith("#") and line != "---":
                return line
            self._next += 1
        return None

    def skip(self) -> None:
        self._next += 1

    def block(self, indent: int) -> Iterator[str]:
        """Lines of a folded or literal text: blank, or indented deeper than `indent`."""
        while self._next < len(self._lines):
            line = self._lines[self._next].rstrip()
            if line and _indent(line) <= indent:
                return
            self._next += 1
            yield line

    def error(self, what: str) -> ActionYmlError:
        return ActionYmlError(f"line {self._next + 1} {what}: {self._lines[self._next].strip()!r}")


def _read_mapping(lines: _Lines, indent: int) -> dict[str, Node]:
    mapping: dict[str, Node] = {}
    while (line := lines.peek()) is not None and _indent(line) >= indent:
        match = _KEY.fullmatch(line.strip())
        if _indent(line) > indent or match is None or "\t" in line:
            raise lines.error("is no `key: value` of this mapping")
        key = match["key"].strip("'\"")
        if key in mapping:
            raise lines.error(f"has the key {key!r} a second time")
        mapping[key] = _read_value(lines, indent, (match["value"] or "").strip())
    return mapping


def _read_value(lines: _Lines, indent: int, value: str) -> Node:
    if block := _BLOCK.fullmatch(value):
        lines.skip()
        return _block_text(list(lines.block(indent)), folded=block["style"] == ">", stripped=bool(block["chomp"]))
    if value and not value.startswith("#"):
        scalar = _scalar(lines, value)
        lines.skip()
        return scalar
    lines.skip()
    following = lines.peek()
    return _read_mapping(lines, _indent(following)) if following and _indent(following) > indent else ""


def _scalar(lines: _Lines, value: str) -> str:
    if quoted := re.fullmatch(r"'((?:[^']|'')*)'\s*(#.*)?", value):
        return quoted[1].replace("''", "'")
    if quoted := re.fullmatch(r'("(?:[^"\\]|\\.)*")\s*(#.*)?', value):
        try:
            return str(json.loads(quoted[1]))
        except json.JSONDecodeError:
            raise lines.error("has an escape that this reader doesn't know") from None
    plain = re.split(r"\s#", value, maxsplit=1)[0].strip()
    if plain[0] in "'\"[]{}&*!%@`|>?," or plain.startswith("- ") or ": " in plain or plain.endswith(":"):
        raise lines.error("has a value that this reader doesn't know")
    return plain


def _block_text(block: list[str], *, folded: bool, stripped: bool) -> str:
    while block and not block[-1]:
        block.pop()
    indent = next((_indent(line) for line in block if line), 0)
    rows = [line[indent:] for line in block]
    if folded and any(row.startswith(" ") for row in rows):
        raise ActionYmlError(f"a folded text has a line that is indented deeper: {rows!r}")
    text = "\n".join(rows)
    if folded:
        # One line end is a space, and of several the first one goes.
        text = re.sub(r"\n+", lambda ends: "\n" * (len(ends[0]) - 1) or " ", text)
    return text if stripped or not text else f"{text}\n"


def _input(node: Node) -> Input:
    values = _mapping(node)
    return Input(
        description=_text(values.get("description", "")),
        required=_text(values.get("required", "")).lower() == "true",
        default=_text(values.get("default", "")),
    )


def _mapping(node: Node) -> dict[str, Node]:
    # An empty value is how YAML writes a mapping without entries.
    if isinstance(node, str) and node:
        raise ActionYmlError(f"{node!r} stands where a mapping belongs")
    return node if isinstance(node, dict) else {}


def _text(node: Node) -> str:
    if not isinstance(node, str):
        raise ActionYmlError(f"a mapping stands where a text belongs: {node!r}")
    return node


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip(" "))
