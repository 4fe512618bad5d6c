"""Prints the release notes of a version, its section of CHANGELOG.md: `python -m tools.release.release_notes 1.2.3`."""

import re
import sys
from datetime import date
from pathlib import Path

CHANGELOG = Path(__file__).parents[2] / "CHANGELOG.md"

_HEADING = re.compile(r"^## \[(?P<version>[^]]+)\](?: - (?P<date>\S+))?[ \t]*$", re.MULTILINE)
_LINK = re.compile(r"^\[[^]]+\]: \S+$", re.MULTILINE)


def notes(changelog: str, version: str) -> str:
    """The text under the heading `## [version] - date`.

    Raises ValueError if there is not exactly one such heading, or if it has no date or no text.
    """
    headings = list(_HEADING.finditer(changelog))
    found = [index for index, heading in enumerate(headings) if heading["version"] == version]
    if len(found) != 1:
        raise ValueError(f"there are {len(found)} headings '## [{version}] - YYYY-MM-DD', not one")
    heading = headings[found[0]]
    try:
        date.fromisoformat(heading["date"] or "")
    except ValueError:
        raise ValueError(f"version {version} has no date: it is not released yet") from None
    end = headings[found[0] + 1].start() if found[0] + 1 < len(headings) else len(changelog)
    text = _LINK.sub("", changelog[heading.end() : end]).strip()
    if not text:
        raise ValueError(f"there is nothing under version {version}")
    return f"{text}\n"


def main(arguments: list[str]) -> None:
    """Print the notes."""
    (version,) = arguments
    try:
        sys.stdout.write(notes(CHANGELOG.read_text(encoding="utf-8"), version))
    except ValueError as error:
        sys.exit(f"CHANGELOG.md: {error}")


if __name__ == "__main__":
    main(sys.argv[1:])
