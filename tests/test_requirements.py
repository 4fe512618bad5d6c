"""The dependencies: named once in two files, and locked with their hashes."""

import re
import tomllib

import pytest

from sandbox.runner.runner import ACTION

LOCKS = ("requirements.txt", "requirements-dev.txt")


def read(name: str) -> str:
    return (ACTION / name).read_text(encoding="utf-8")


def locked(name: str) -> dict[str, str]:
    """What stands after each pinned `name==version`: its marker and its hashes."""
    entries = re.split(r"^(?=\S)", read(name), flags=re.MULTILINE)
    return {entry.split()[0]: entry for entry in entries if entry.strip()}


def test_pyproject_and_requirements_in_name_the_same_dependencies():
    dependencies = tomllib.loads(read("pyproject.toml"))["project"]["dependencies"]
    assert read("requirements.in").split() == dependencies


@pytest.mark.parametrize("name", LOCKS)
def test_everything_locked_is_pinned_and_has_its_hashes_alone(name):
    for pin, entry in locked(name).items():
        assert re.fullmatch(r"[a-z0-9.-]+==[\w.!+]+", pin)
        lines = entry.rstrip().splitlines()
        assert lines[1:], f"{pin} has no hash"
        # So no address of a registry either.
        assert all(re.fullmatch(r" {4}--hash=sha256:[0-9a-f]{64}( \\)?", line) for line in lines[1:]), pin


def test_development_runs_with_what_is_shipped():
    assert set(locked("requirements.txt")) <= set(locked("requirements-dev.txt"))
