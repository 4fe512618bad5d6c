"""The notes of a GitHub release, and the checks that can prevent one."""

import pytest

from tools.release import release_check, release_notes
from tools.release.release_check import problems
from tools.release.release_notes import CHANGELOG, notes

TEXT = """\
# Changelog

## [Unreleased]

### Added
- Not yet.

## [1.1.0] - 2026-02-03

### Added
- `health-check`, [as described](docs/inputs.md).

### Fixed
- A link.

## [1.0.0] - 2026-01-02

- First.

## [0.9.0] - 2026-01-01

## [0.8.0] - soon

- Early.

[Unreleased]: https://example.com/compare/v1.1.0...HEAD
[1.1.0]: https://example.com/compare/v1.0.0...v1.1.0
"""


def test_the_notes_are_the_changelog_s_section_of_the_version():
    expected = "### Added\n- `health-check`, [as described](docs/inputs.md).\n\n### Fixed\n- A link.\n"
    assert notes(TEXT, "1.1.0") == expected
    assert notes(TEXT, "1.0.0") == "- First.\n"


def test_the_notes_of_the_last_version_do_not_contain_the_file_s_link_list():
    assert notes(TEXT.replace("soon", "2025-12-31"), "0.8.0") == "- Early.\n"


@pytest.mark.parametrize(
    ("version", "problem"),
    [
        ("2.0.0", "0 headings"),
        ("1.1", "0 headings"),
        ("1.1.0] - 2026-02-03", "0 headings"),
        ("Unreleased", "has no date"),
        ("0.9.0", "nothing under"),
        ("0.8.0", "has no date"),
    ],
)
def test_a_missing_undated_or_empty_section_is_an_error(version, problem):
    with pytest.raises(ValueError, match=problem):
        notes(TEXT, version)


def test_a_version_with_two_sections_is_an_error():
    with pytest.raises(ValueError, match="2 headings"):
        notes(TEXT + TEXT, "1.0.0")


def test_a_consistent_version_has_no_problems():
    workflows = {"preview.yml": "      uses: octocat/stormkit_action@v1.1.0\n"}
    pinned = {"README.md": "Deploys.\n", "gitlab-ci.yml": "  image: ghcr.io/octocat/stormkit_action:v1.1.0\n"}
    assert problems("v1.1.0", "1.1.0", TEXT, workflows, pinned) == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("image: ghcr.io/octocat/stormkit_action:v1.0.0\n", "PAGE names v1.0.0, not v1.1.0."),
        (
            "remote: https://example.com/octocat/stormkit_action/v1.0.0/templates/a.yml",
            "PAGE names v1.0.0, not v1.1.0.",
        ),
        ("> Nothing is released yet, and so on.\n", 'PAGE says "Nothing is released yet".'),
    ],
)
def test_a_page_that_names_another_version_is_a_problem(text, found):
    assert problems("v1.1.0", "1.1.0", TEXT, {}, {"PAGE": text}) == [found]


@pytest.mark.parametrize(
    ("tag", "package", "found"),
    [
        ("1.1.0", "1.1.0", ["The tag '1.1.0' is not vX.Y.Z."]),
        ("v1.1", "1.1", ["The tag 'v1.1' is not vX.Y.Z."]),
        ("v01.1.0", "01.1.0", ["The tag 'v01.1.0' is not vX.Y.Z."]),
        ("v1.1.0\n", "1.1.0", ["The tag 'v1.1.0\\n' is not vX.Y.Z."]),
        ("v1.1.0", "1.0.0", ["The tag says 1.1.0, stormkit_action/__init__.py says 1.0.0."]),
        ("v0.9.0", "0.9.0", ["CHANGELOG.md: there is nothing under version 0.9.0."]),
        (
            "v2.0.0",
            "1.1.0",
            [
                "The tag says 2.0.0, stormkit_action/__init__.py says 1.1.0.",
                "CHANGELOG.md: there are 0 headings '## [2.0.0] - YYYY-MM-DD', not one.",
            ],
        ),
    ],
)
def test_every_problem_of_a_tag_is_reported_at_once(tag, package, found):
    assert problems(tag, package, TEXT, {}, {}) == found


def test_the_commands_print_notes_or_exit_with_the_problem(tmp_path, monkeypatch, capsys):
    path = tmp_path / "CHANGELOG.md"
    path.write_text(TEXT, encoding="utf-8")
    monkeypatch.setattr(release_notes, "CHANGELOG", path)
    release_notes.main(["1.0.0"])
    assert capsys.readouterr().out == "- First.\n"
    with pytest.raises(SystemExit, match="0 headings"):
        release_notes.main(["3.0.0"])
    with pytest.raises(SystemExit, match=r"is not vX\.Y\.Z"):
        release_check.main(["main"])


def test_every_released_version_in_the_changelog_has_notes():
    text = CHANGELOG.read_text(encoding="utf-8")
    assert text.startswith("# Changelog\n")
    assert text.count("## [Unreleased]\n") == 1
    versions = [heading["version"] for heading in release_notes._HEADING.finditer(text)]
    assert versions[0] == "Unreleased"
    for version in versions[1:]:
        assert notes(text, version)
