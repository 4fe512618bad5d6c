"""Texts of megabytes: kept compressed, read a piece at a time, so that a build log never stands in memory whole."""

import zlib
from collections.abc import Iterable, Iterator

# Characters of the end that can be had at once.
TAIL = 32 * 1024

# Longer lines are given in parts of this many characters.
LINE = 64 * 1024


class LongText:
    """A text that only grows; `size` is in characters."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._tail = ""
        self.size = 0

    def __repr__(self) -> str:
        return f"LongText({len(self._pieces)} pieces)"

    def append(self, text: str) -> None:
        """Add `text`, which holds no lone surrogates."""
        if text:
            self._pieces.append(zlib.compress(text.encode(), 1))
            self.size += len(text)
            self._tail = (self._tail + text)[-TAIL:]

    @property
    def tail(self) -> str:
        """Its last characters."""
        return self._tail

    def pieces(self) -> Iterator[str]:
        """All of it, in pieces."""
        for piece in self._pieces:
            yield zlib.decompress(piece).decode()


def lines(pieces: Iterable[str]) -> Iterator[str]:
    """The lines of a text that comes in pieces, without their ends.

    The last one has no end yet; it is empty if the text ends in a line end. A line of more than LINE characters comes
    in parts, which are the same however the text was cut into pieces.
    """
    held = ""
    for piece in pieces:
        *whole, held = (held + piece).split("\n")
        for line in whole:
            *parts, last = _parts(line)
            yield from parts
            yield last.removesuffix("\r")
        *parts, held = _parts(held)
        yield from parts
    yield held.removesuffix("\r")


def _parts(line: str) -> list[str]:
    return [line[start : start + LINE] for start in range(0, max(1, len(line)), LINE)]
