"""Evaluates the part of GitHub's expression language that the recipes use; anything else is an error."""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

_TOKEN = re.compile(r"\s*(?:(?P<text>'(?:[^']|'')*')|(?P<name>[A-Za-z_][\w.*-]*)|(?P<sign>\(|\)|,|==|!=|!|&&|\|\|))")
_EXPRESSION = re.compile(r"\$\{\{(.*?)\}\}", re.DOTALL)
_CONSTANTS: Mapping[str, Any] = {"true": True, "false": False, "null": None}


def filled(text: str, context: Mapping[str, Any]) -> str:
    """`text` with every `${{ }}` replaced by its value."""
    return _EXPRESSION.sub(lambda match: as_text(evaluate(match[1], context)), text)


def condition(text: str, context: Mapping[str, Any]) -> bool:
    """Whether an `if` is true; the braces are optional there."""
    match = _EXPRESSION.fullmatch(text.strip())
    return bool(evaluate(match[1] if match else text, context))


def as_text(value: object) -> str:
    """A value as GitHub inserts it into text."""
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


def evaluate(text: str, context: Mapping[str, Any]) -> Any:
    """The value of one expression."""
    parser = _Parser(text, context)
    value = parser.either()
    if parser.tokens:
        raise ValueError(f"{text!r}: {parser.tokens[0]!r} is not expected")
    return value


class _Parser:
    def __init__(self, text: str, context: Mapping[str, Any]) -> None:
        self.tokens = _tokens(text)
        self._context = context

    def either(self) -> Any:
        value = self._both()
        while self._take("||"):
            other = self._both()
            value = value or other
        return value

    def _both(self) -> Any:
        value = self._compared()
        while self._take("&&"):
            other = self._compared()
            value = value and other
        return value

    def _compared(self) -> Any:
        value = self._single()
        for sign in ("==", "!="):
            if self._take(sign):
                # GitHub ignores case when it compares strings.
                same = as_text(value).lower() == as_text(self._single()).lower()
                return same if sign == "==" else not same
        return value

    def _single(self) -> Any:
        if self._take("!"):
            return not self._single()
        if self._take("("):
            value = self.either()
            self._need(")")
            return value
        token = self.tokens.pop(0)
        if token.startswith("'"):
            return token[1:-1].replace("''", "'")
        if self._take("("):
            return self._called(token)
        return _CONSTANTS[token] if token in _CONSTANTS else _looked_up(self._context, token)

    def _called(self, name: str) -> Any:
        arguments = []
        while not self._take(")"):
            arguments.append(self.either())
            self._take(",")
        return _FUNCTIONS[name](*arguments)

    def _take(self, token: str) -> bool:
        if self.tokens[:1] != [token]:
            return False
        self.tokens.pop(0)
        return True

    def _need(self, token: str) -> None:
        if not self._take(token):
            raise ValueError(f"{token!r} is missing")


def _tokens(text: str) -> list[str]:
    found, position = [], 0
    text = text.rstrip()
    while position < len(text):
        match = _TOKEN.match(text, position)
        if not match:
            raise ValueError(f"{text!r}: {text[position:]!r} is more than this reads")
        found.append(match[0].strip())
        position = match.end()
    return found


def _looked_up(value: Any, path: str) -> Any:
    """The property at `path`, or None as on GitHub; an unknown context (the first name) is an error."""
    names = path.split(".")
    if names[0] not in value:
        raise ValueError(f"there is no context {names[0]!r}")
    for index, name in enumerate(names):
        if name == "*":
            rest = ".".join(names[index + 1 :])
            return [_looked_up({"entry": entry}, f"entry.{rest}") for entry in value or []]
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def _contains(where: Any, what: Any) -> bool:
    if isinstance(where, list):
        return as_text(what).lower() in [as_text(member).lower() for member in where]
    return as_text(what).lower() in as_text(where).lower()


_FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    "always": lambda: True,
    "contains": _contains,
    "fromJSON": json.loads,
}
