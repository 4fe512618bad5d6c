"""The shell scripts of release.yml, run against a local Git origin and a `gh` that only records its arguments."""

import json
import os
import shutil
import subprocess
import sys

import pytest

from sandbox.runner.runner import ACTION
from tests.workflows.linting import is_own_action, load, uses
from tools.release import set_version

STEPS = {
    step["name"]: step["run"]
    for job in load(ACTION / ".github/workflows/release.yml")["jobs"].values()
    for step in job["steps"]
    if "run" in step and "name" in step
}
IMAGE = "ghcr.io/octocat/stormkit_action:v1.2.3@sha256:" + "0123456789abcdef" * 4
GH = """#!{python}
import json, pathlib, sys
notes = [pathlib.Path(word).read_text() for word in sys.argv if word.endswith("notes.md")]
with open({log!r}, "a") as file:
    file.write(json.dumps([sys.argv[1:], *notes]) + "\\n")
"""
CHANGELOG = "# Changelog\n\n## [Unreleased]\n\n### Added\n- Something.\n"


class Repository:
    """A checkout of main and its origin, prepared to release version 1.2.3."""

    def __init__(self, root):
        self.root = root / "checkout"
        self.origin = root / "origin.git"
        self.gh_calls = root / "gh.jsonl"
        self._bin = root / "bin"
        self._temp = root / "temp"
        for directory in (self.root, self._bin, self._temp):
            directory.mkdir()
        (self._bin / "gh").write_text(GH.format(python=sys.executable, log=str(self.gh_calls)), encoding="utf-8")
        (self._bin / "gh").chmod(0o755)
        (self._bin / "python").symlink_to(sys.executable)
        shutil.copy(ACTION / "action.yml", self.root)
        (self.root / ".github/workflows").mkdir(parents=True)
        for name in set_version.REUSABLE_WORKFLOWS:
            shutil.copy(ACTION / name, self.root / name)
        for package in ("tools", "stormkit_action", "templates", "examples"):
            shutil.copytree(ACTION / package, self.root / package, ignore=shutil.ignore_patterns("__pycache__"))
        (self.root / "CHANGELOG.md").write_text(CHANGELOG, encoding="utf-8")
        set_version.main(["1.2.3", "2026-01-02"], self.root)
        self.git("init", "--quiet", "--bare", "--initial-branch=main", str(self.origin))
        self.git("init", "--quiet", "--initial-branch=main")
        self.git("remote", "add", "origin", str(self.origin))
        self.git("add", ".")
        self.git("-c", "user.name=monalisa", "-c", "user.email=monalisa@example.com", "commit", "--quiet", "-mMain")
        self.git("push", "--quiet", "origin", "main")

    def git(self, *arguments: str) -> str:
        """Run git in the checkout and return what it prints."""
        done = self._completed(["git", *arguments])
        assert done.returncode == 0, done.stdout
        return done.stdout.strip()

    def at_origin(self, *arguments: str) -> str:
        """Run git in the origin and return what it prints."""
        return self.git("--git-dir", str(self.origin), *arguments)

    def run(self, *names: str) -> str:
        """Run steps of the workflow, which must succeed, and return what they print."""
        printed = ""
        for name in names:
            done = self._completed(["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", STEPS[name]])
            assert done.returncode == 0, f"{name}: {done.stdout}"
            printed += done.stdout
        return printed

    def run_failing(self, name: str) -> str:
        """Run a step of the workflow, which must fail, and return what it prints."""
        done = self._completed(["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", STEPS[name]])
        assert done.returncode, f"{name}: {done.stdout}"
        return done.stdout

    def _completed(self, command: list[str]) -> subprocess.CompletedProcess[str]:
        environment = {
            "PATH": f"{self._bin}:{os.environ['PATH']}",
            "HOME": str(self._temp),
            "GIT_CONFIG_NOSYSTEM": "1",
            "RUNNER_TEMP": str(self._temp),
            "VERSION": "1.2.3",
            "IMAGE": IMAGE,
            "GITHUB_REPOSITORY": "Octocat/stormkit_action",
            "GITHUB_OUTPUT": str(self._temp / "output"),
        }
        return subprocess.run(
            command,
            cwd=self.root,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=60,
            check=False,
        )


@pytest.fixture
def repository(tmp_path):
    """A repository whose version 1.2.3 is ready to be released."""
    return Repository(tmp_path)


PUBLISH = (
    "Release notes",
    "Pin the image, commit, tag",
    "Push the tag and announce it",
    "Move the major version's tag",
)


def test_a_release_is_one_changed_line_on_top_of_main_with_two_tags_and_notes(repository):
    repository.run("Check that all files name the version", "Check that the tag does not exist", *PUBLISH)
    main = repository.at_origin("rev-parse", "main")
    released = repository.at_origin("rev-parse", "v1.2.3^{commit}")
    assert repository.at_origin("rev-parse", "v1.2.3~1") == main
    assert repository.at_origin("rev-parse", "v1^{commit}") == released
    changed = repository.at_origin("diff", "--unified=0", main, released).splitlines()
    assert [line for line in changed if line.startswith(("+ ", "- ", "+++", "---"))] == [
        "--- a/action.yml",
        "+++ b/action.yml",
        "-  image: Dockerfile",
        f"+  image: docker://{IMAGE}",
    ]
    setup, release = map(json.loads, repository.gh_calls.read_text(encoding="utf-8").splitlines())
    assert setup == [["auth", "setup-git"]]
    assert release[0][:4] == ["release", "create", "v1.2.3", "--verify-tag"]
    assert release[1] == "### Added\n- Something.\n"


def test_the_next_release_moves_the_major_version_s_tag(repository):
    repository.git("push", "--quiet", "origin", "main:refs/tags/v1")
    repository.run(*PUBLISH)
    assert repository.at_origin("rev-parse", "v1^{commit}") == repository.at_origin("rev-parse", "v1.2.3^{commit}")


def test_the_released_reusable_workflows_use_the_action_at_their_own_tag(repository):
    repository.run("Check that all files name the version", *PUBLISH)
    for name in set_version.REUSABLE_WORKFLOWS:
        released = repository.at_origin("show", f"v1.2.3:{name}")
        assert released.count("uses: octocat/stormkit_action@v1.2.3\n") == 1


def test_prepared_reusable_workflows_use_the_action_at_the_new_tag(repository):
    for name in set_version.REUSABLE_WORKFLOWS:
        [used] = uses(load(repository.root / name))
        assert used.endswith("@v1.2.3")
        assert is_own_action(used)


def test_every_pinned_file_names_the_new_tag(repository):
    files = {path: set_version.pins_in(path.read_text("utf-8")) for path in set_version.pinned_files(repository.root)}
    named = {str(path.relative_to(repository.root)): tags for path, tags in files.items() if tags}
    assert {"templates/preview.yml", "examples/gitlab-ci.yml", "examples/Jenkinsfile"} <= named.keys()
    assert set().union(*named.values()) == {"v1.2.3"}


def test_a_template_of_another_version_is_not_released(repository):
    path = repository.root / "templates/preview.yml"
    path.write_text(set_version.with_pins(path.read_text(encoding="utf-8"), "v1.2.2"), encoding="utf-8")
    printed = repository.run_failing("Check that all files name the version")
    assert "templates/preview.yml names v1.2.2, not v1.2.3." in printed


@pytest.mark.parametrize("name", set_version.REUSABLE_WORKFLOWS)
def test_a_reusable_workflow_that_uses_another_tag_is_not_released(repository, name):
    path = repository.root / name
    path.write_text(path.read_text(encoding="utf-8").replace("@v1.2.3", "@v1"), encoding="utf-8")
    printed = repository.run_failing("Check that all files name the version")
    assert f"{name} uses the action at v1, not at v1.2.3." in printed


@pytest.mark.parametrize("workflow", ["", "    uses: octocat/stormkit_action@v1\n" * 2])
def test_a_workflow_without_exactly_one_use_of_the_action_is_refused(workflow):
    with pytest.raises(ValueError, match="not one"):
        set_version.with_tag(workflow, "v1.2.3")


def test_a_version_is_not_released_twice(repository):
    repository.run(*PUBLISH)
    assert "v1.2.3 is released already" in repository.run_failing("Check that the tag does not exist")


def test_a_version_other_than_the_package_s_is_not_released(repository):
    (repository.root / "stormkit_action/__init__.py").write_text('__version__ = "1.2.2"\n', encoding="utf-8")
    assert "says 1.2.2" in repository.run_failing("Check that all files name the version")


def test_the_image_s_name_is_in_lower_case(repository, tmp_path):
    repository.run("The image's name")
    assert (tmp_path / "temp/output").read_text(encoding="utf-8") == "name=ghcr.io/octocat/stormkit_action\n"
