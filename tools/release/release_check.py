"""Checks that tag, package and changelog name one version: `python -m tools.release.release_check v1.2.3`."""

import re
import sys

from stormkit_action import __version__
from tools.release.release_notes import CHANGELOG, notes

_TAG = re.compile(r"v(?P<version>(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*))")


def problems(tag: str, package_version: str, changelog: str) -> list[str]:
    """What keeps `tag` from being released, a sentence each."""
    match = _TAG.fullmatch(tag)
    if not match:
        return [f"The tag {tag!r} is not vX.Y.Z."]
    found = []
    if match["version"] != package_version:
        found.append(f"The tag says {match['version']}, stormkit_action/__init__.py says {package_version}.")
    try:
        notes(changelog, match["version"])
    except ValueError as error:
        found.append(f"CHANGELOG.md: {error}.")
    return found


def main(arguments: list[str]) -> None:
    """Exit with what is wrong."""
    (tag,) = arguments
    found = problems(tag, __version__, CHANGELOG.read_text(encoding="utf-8"))
    if found:
        sys.exit("\n".join(found))


if __name__ == "__main__":
    main(sys.argv[1:])
