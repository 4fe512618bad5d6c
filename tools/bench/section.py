"""A section of docs/performance.md: one sentence with the answer, and details with the tables."""

from collections.abc import Iterable
from typing import NamedTuple


class Section(NamedTuple):
    """`answer` is a sentence with the measured numbers, `details` are lines of markdown."""

    title: str
    answer: str
    details: Iterable[str]

    def folded(self) -> str:
        """The details as a <details> element, whose summary is the title."""
        return "\n".join(
            ["<details>", f"<summary>{self.title}</summary>", "", *self.details, "", "</details>", ""],
        )

    def whole(self) -> str:
        """Title, answer and details, for a terminal."""
        return "\n".join([f"## {self.title}", "", self.answer, "", *self.details])
