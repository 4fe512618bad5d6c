"""Masks secrets as GitHub's runner does: whole values, each of their lines, and common encodings of both."""

import base64
import json
import re
from collections.abc import Callable
from urllib.parse import quote
from xml.sax.saxutils import escape

MASK = "***"


def _base64(value: str, shift: int = 0) -> str:
    # A secret inside a longer text (`user:secret`) can begin at any of base64's three byte positions.
    data = value.encode()
    return base64.b64encode(data[shift:] if len(data) > shift else data).decode()


def _without_quotes(value: str) -> str:
    return value[1:-1] if len(value) > 8 and value.startswith('"') and value.endswith('"') else ""


# Source: actions/runner, Runner.Common/HostContext.cs. Its two rules for PowerShell are left out.
_ENCODINGS: tuple[Callable[[str], str], ...] = (
    _base64,
    lambda value: _base64(value, 1),
    lambda value: _base64(value, 2),
    lambda value: value.replace('"', '\\"'),
    lambda value: value.replace("'", "''"),
    lambda value: json.dumps(value, ensure_ascii=False)[1:-1],
    lambda value: quote(value, safe="-._~"),
    lambda value: escape(value, {'"': "&quot;", "'": "&apos;"}),
    _without_quotes,
)


def lines_of(value: str) -> list[str]:
    """The lines of a secret. Each one is masked too, because logs are processed line by line."""
    return [line.strip() for line in re.split(r"[\r\n]+", value) if line.strip()]


class SecretMasker:
    """Replaces the secrets of a job in texts."""

    def __init__(self) -> None:
        self._variants: set[str] = set()

    def add(self, value: str) -> None:
        """Mask `value` and each of its lines from now on."""
        if not value.strip():
            return
        for secret in (value, *lines_of(value)):
            self._variants.add(secret)
            self._variants.update(filter(None, (encode(secret) for encode in _ENCODINGS)))

    def contains_secret(self, text: str) -> bool:
        """Whether `text` contains a secret."""
        return any(variant in text for variant in self._variants)

    def mask(self, text: str) -> str:
        """`text` with each secret replaced by `***`; secrets that overlap or adjoin are replaced together."""
        parts, end = [], 0
        for start, stop in _merged(self._positions(text)):
            parts += [text[end:start], MASK]
            end = stop
        return "".join([*parts, text[end:]])

    def _positions(self, text: str) -> list[tuple[int, int]]:
        positions = []
        for variant in self._variants:
            start = text.find(variant)
            while start >= 0:
                positions.append((start, start + len(variant)))
                start = text.find(variant, start + 1)
        return positions


def _merged(positions: list[tuple[int, int]]) -> list[tuple[int, int]]:
    merged: list[tuple[int, int]] = []
    for start, stop in sorted(positions):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(stop, merged[-1][1]))
        else:
            merged.append((start, stop))
    return merged
