"""Parses workflow commands in a step's log by the rules of GitHub's runner.

Source: actions/runner, Runner.Common/ActionCommand.cs. It accepts two syntaxes: `::name key=value,…::data` at the start
of a line, and the older `##[name key=value;…]data` anywhere in a line.
"""

from collections.abc import Collection
from dataclasses import dataclass, field

REGISTERED = frozenset(
    {
        "add-mask",
        "add-matcher",
        "add-path",
        "debug",
        "echo",
        "endgroup",
        "error",
        "group",
        "notice",
        "remove-matcher",
        "save-state",
        "set-env",
        "set-output",
        "stop-commands",
        "warning",
    }
)

# Replaced in this order, so that `%250A` becomes `%0A` and not a newline.
_DATA = (("%0D", "\r"), ("%0A", "\n"), ("%25", "%"))
_PROPERTY = (("%0D", "\r"), ("%0A", "\n"), ("%3A", ":"), ("%2C", ","), ("%25", "%"))
_BRACKET = (("%3B", ";"), ("%0D", "\r"), ("%0A", "\n"), ("%5D", "]"), ("%25", "%"))


@dataclass(frozen=True, kw_only=True, slots=True)
class Command:
    """A workflow command that the runner has executed."""

    name: str
    properties: dict[str, str] = field(default_factory=dict)
    value: str = ""

    def property(self, name: str) -> str:
        """The value of a property, "" if it is missing. Names are not case-sensitive."""
        return next((value for key, value in self.properties.items() if key.lower() == name.lower()), "")


def parse(line: str, registered: Collection[str] = REGISTERED) -> Command | None:
    """The command in `line`, None unless its name is one of `registered` (in lower case)."""
    return _parse_colons(line, registered) or _parse_brackets(line, registered)


def _parse_colons(line: str, registered: Collection[str]) -> Command | None:
    line = line.lstrip()
    end = line.find("::", 2)
    if not line.startswith("::") or end < 0:
        return None
    name, _, properties = line[2:end].partition(" ")
    if name.lower() not in registered:
        return None
    return Command(
        name=name.lower(),
        properties=_properties(properties.strip(), ",", _PROPERTY),
        value=_unescape(line[end + 2 :], _DATA),
    )


def _parse_brackets(line: str, registered: Collection[str]) -> Command | None:
    # The runner looks only at the first `##[` of a line.
    start = line.find("##[")
    end = line.find("]", start)
    if start < 0 or end < 0:
        return None
    name, _, properties = line[start + 3 : end].partition(" ")
    if name.lower() not in registered:
        return None
    return Command(
        name=name.lower(),
        properties=_properties(properties, ";", _BRACKET),
        value=_unescape(line[end + 1 :], _BRACKET),
    )


def _properties(text: str, separator: str, escapes: tuple[tuple[str, str], ...]) -> dict[str, str]:
    """The properties that have both a name and a value; the runner ignores others."""
    properties = {}
    for pair in text.split(separator):
        name, _, value = pair.lstrip("=").partition("=")
        if name and value.lstrip("="):
            properties[name] = _unescape(value.lstrip("="), escapes)
    return properties


def _unescape(text: str, escapes: tuple[tuple[str, str], ...]) -> str:
    for escaped, character in escapes:
        text = text.replace(escaped, character)
    return text
