"""Prepares a release on a branch: `python -m tools.release.set_version 1.2.3 2026-01-31`.

It writes the version into the package, the date into the changelog, and the version's tag into all files that name the
action, an image or a file of this repository at a version: reusable workflows, templates, examples and pages. The
release workflow can't do that itself, because GitHub rejects a push with GITHUB_TOKEN that changes a workflow file.
"""

import re
import sys
from datetime import date
from pathlib import Path

ROOT = Path(__file__).parents[2]
REPOSITORY = "octocat/stormkit_action"
REUSABLE_WORKFLOWS = (".github/workflows/preview.yml", ".github/workflows/production.yml")
PINNED = ("templates/*.yml", "examples/*", "docs/*.md", "README.md", "SECURITY.md")
"""Files that may name an image or a file of the repository at a version."""

_VERSION = re.compile(r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)")
_USES = re.compile(rf"^(?P<uses> +uses: {re.escape(REPOSITORY)})@(?P<tag>\S+)$", re.MULTILINE)
_PIN = re.compile(rf"(?P<name>{re.escape(REPOSITORY)}[:/]|stormkit_action/preview@)(?P<tag>v\d+\.\d+\.\d+)\b")


def with_tag(workflow: str, tag: str) -> str:
    """The reusable workflow with the action at `tag`. Raises ValueError unless exactly one step uses the action."""
    found = len(_USES.findall(workflow))
    if found != 1:
        raise ValueError(f"there are {found} steps that use the action, not one")
    return _USES.sub(rf"\g<uses>@{tag}", workflow)


def tag_in(workflow: str) -> str:
    """The tag at which a reusable workflow uses the action, "" if it does not use it."""
    match = _USES.search(workflow)
    return match["tag"] if match else ""


def with_pins(text: str, tag: str) -> str:
    """`text` with `tag` in every name of an image or file of the repository."""
    return _PIN.sub(rf"\g<name>{tag}", text)


def pins_in(text: str) -> set[str]:
    """The tags in the names of images and files of the repository in `text`."""
    return {match["tag"] for match in _PIN.finditer(text)}


def pinned_files(root: Path) -> list[Path]:
    """The files that may name an image or file of the repository."""
    return sorted(path for pattern in PINNED for path in root.glob(pattern))


def with_version(changelog: str, version: str, day: date) -> str:
    """The changelog with the unreleased changes moved under a heading for `version`.

    Raises ValueError unless there is exactly one heading `## [Unreleased]`.
    """
    heading = "## [Unreleased]\n"
    if changelog.count(heading) != 1:
        raise ValueError("there is not exactly one heading '## [Unreleased]'")
    return changelog.replace(heading, f"{heading}\n## [{version}] - {day.isoformat()}\n")


def main(arguments: list[str], root: Path = ROOT) -> None:
    """Rewrite the files."""
    version, day = arguments
    if not _VERSION.fullmatch(version):
        sys.exit(f"{version!r} is not X.Y.Z")
    package, changelog = root / "stormkit_action/__init__.py", root / "CHANGELOG.md"
    text = re.sub(r'__version__ = ".*"', f'__version__ = "{version}"', package.read_text(encoding="utf-8"))
    package.write_text(text, encoding="utf-8")
    released = with_version(changelog.read_text(encoding="utf-8"), version, date.fromisoformat(day))
    changelog.write_text(released, encoding="utf-8")
    for name in REUSABLE_WORKFLOWS:
        path = root / name
        path.write_text(with_tag(path.read_text(encoding="utf-8"), f"v{version}"), encoding="utf-8")
    for path in pinned_files(root):
        path.write_text(with_pins(path.read_text(encoding="utf-8"), f"v{version}"), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
