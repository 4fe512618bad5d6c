"""Checks that all files name the version to be released: `python -m tools.release.release_check v1.2.3`."""

import re
import sys
from collections.abc import Mapping

from stormkit_action import __version__
from tools.release.release_notes import CHANGELOG, notes
from tools.release.set_version import REUSABLE_WORKFLOWS, ROOT, pinned_files, pins_in, tag_in

UNRELEASED = "Nothing is released yet"
"""The beginning of a note in README.md, which must be removed for the first release."""

_TAG = re.compile(r"v(?P<version>(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*))")


def problems(
    tag: str, package_version: str, changelog: str, workflows: Mapping[str, str], pinned: Mapping[str, str]
) -> list[str]:
    """The reasons why `tag` can't be released, as sentences.

    `workflows` are the reusable workflows, `pinned` the other files that may name a version. Both are contents by path.
    """
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
    for path, workflow in workflows.items():
        if tag_in(workflow) != tag:
            found.append(f"{path} uses the action at {tag_in(workflow) or 'no tag'}, not at {tag}.")
    for path, text in pinned.items():
        found += [f"{path} names {other}, not {tag}." for other in sorted(pins_in(text) - {tag})]
        if UNRELEASED in text:
            found.append(f'{path} says "{UNRELEASED}".')
    return found


def main(arguments: list[str]) -> None:
    """Exit with the problems, if there are any."""
    (tag,) = arguments
    workflows = {path: (ROOT / path).read_text(encoding="utf-8") for path in REUSABLE_WORKFLOWS}
    pinned = {str(path.relative_to(ROOT)): path.read_text(encoding="utf-8") for path in pinned_files(ROOT)}
    found = problems(tag, __version__, CHANGELOG.read_text(encoding="utf-8"), workflows, pinned)
    if found:
        sys.exit("\n".join(found))


if __name__ == "__main__":
    main(sys.argv[1:])
