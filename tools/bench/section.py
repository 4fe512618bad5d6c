"""One measurement as docs/performance.md shows it: the answer in a sentence, and the tables behind it."""

from collections.abc import Iterable
from typing import NamedTuple


class Section(NamedTuple):
    """`answer` is what a user wants to know, with the measured numbers; `details` are lines of markdown."""

    title: str
    answer: str
    details: Iterable[str]

    def folded(self) -> str:
        """The details, folded away under the title."""
        return "\n".join(
            ["<details>", f"<summary>{self.title}</summary>", "", *self.details, "", "</details>", ""],
        )

    def whole(self) -> str:
        """All of it, for a terminal."""
        return "\n".join([f"## {self.title}", "", self.answer, "", *self.details])
