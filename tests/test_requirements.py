"""The dependencies: the same in pyproject.toml and requirements.in, and locked completely with hashes."""

import importlib.metadata
import itertools
import re
import tomllib
from functools import cache

import pytest
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from sandbox.runner.runner import ACTION

LOCKS = ("requirements.txt", "requirements-dev.txt")

ENVIRONMENTS = [
    default_environment()
    | {"python_version": python, "python_full_version": f"{python}.0", "implementation_version": f"{python}.0"}
    | {"sys_platform": platform, "platform_system": system, "os_name": os_name, "platform_machine": machine}
    for python, (platform, system, os_name, machine) in itertools.product(
        ("3.11", "3.12", "3.13", "3.14"),
        [
            ("linux", "Linux", "posix", "x86_64"),
            ("linux", "Linux", "posix", "aarch64"),
            ("darwin", "Darwin", "posix", "arm64"),
            ("win32", "Windows", "nt", "AMD64"),
        ],
    )
]
"""The Python versions and platforms that a lock must serve."""


def read(name: str) -> str:
    return (ACTION / name).read_text(encoding="utf-8")


def locked(name: str) -> dict[str, str]:
    """The entries of a lock (pin, marker and hashes) by their pinned `name==version`."""
    entries = re.split(r"^(?=\S)", read(name), flags=re.MULTILINE)
    return {entry.split()[0]: entry for entry in entries if entry.strip()}


def test_pyproject_and_requirements_in_have_the_same_dependencies():
    dependencies = tomllib.loads(read("pyproject.toml"))["project"]["dependencies"]
    assert read("requirements.in").split() == dependencies


@pytest.mark.threat("The supply chain")
@pytest.mark.parametrize("name", LOCKS)
def test_every_locked_package_is_pinned_and_has_nothing_but_hashes(name):
    for pin, entry in locked(name).items():
        assert re.fullmatch(r"[a-z0-9.-]+(\[[a-z0-9,-]+\])?==[\w.!+]+", pin)
        lines = entry.rstrip().splitlines()
        assert lines[1:], f"{pin} has no hash"
        # Nothing but hashes is allowed, so no registry's address either.
        assert all(re.fullmatch(r" {4}--hash=sha256:[0-9a-f]{64}( \\)?", line) for line in lines[1:]), pin


def test_the_development_lock_contains_the_shipped_lock():
    assert set(locked("requirements.txt")) <= set(locked("requirements-dev.txt"))


def pins(lock: str) -> list[str]:
    return [entry.partition(" \\")[0] for entry in locked(lock).values()]


def direct(lock: str) -> list[str]:
    """The requirements that a lock is made from."""
    found = []
    for line in read(lock.replace(".txt", ".in")).splitlines():
        found += direct(line.removeprefix("-r ")) if line.startswith("-r ") else [line]
    return found


@cache
def parsed(requirement: str) -> Requirement:
    return Requirement(requirement)


@cache
def dependencies(pin: str) -> list[str]:
    """The requirements of a locked package, from its installed distribution's metadata."""
    package = parsed(pin)
    try:
        distribution = importlib.metadata.distribution(package.name)
    except importlib.metadata.PackageNotFoundError:
        # A package for other platforms is not installed here.
        assert package.marker, f"{pin} is not installed: run make .venv/ready"
        assert not package.marker.evaluate(), f"{pin} is not installed: run make .venv/ready"
        return []
    assert package.specifier.contains(distribution.version), f"{distribution.version} is installed instead of {pin}"
    return distribution.requires or []


@cache
def applies(requirement: str, environment: int, extras: frozenset[str] = frozenset()) -> bool:
    marker = parsed(requirement).marker
    return not marker or any(marker.evaluate(ENVIRONMENTS[environment] | {"extra": extra}) for extra in ("", *extras))


@cache
def meets(pin: str, requirement: str) -> bool:
    (version,) = parsed(pin).specifier
    wanted = parsed(requirement)
    return wanted.specifier.contains(version.version, prereleases=True) and wanted.extras <= parsed(pin).extras


def unmet(locked_pins: list[str], wanted: list[str]) -> list[str]:
    """Requirements, also of locked packages, that no locked package meets in one of the environments."""
    found = []
    for environment in range(len(ENVIRONMENTS)):
        installed = {canonicalize_name(parsed(pin).name): pin for pin in locked_pins if applies(pin, environment)}
        required = [requirement for requirement in wanted if applies(requirement, environment)]
        for pin in installed.values():
            extras = frozenset(parsed(pin).extras)
            required += [requirement for requirement in dependencies(pin) if applies(requirement, environment, extras)]
        for requirement in required:
            pin = installed.get(canonicalize_name(parsed(requirement).name), "")
            if not pin or not meets(pin, requirement):
                found.append(requirement)
    return found


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_contains_everything_its_packages_require(lock):
    assert unmet(pins(lock), direct(lock)) == []


@pytest.mark.parametrize(("lock", "pin"), [(lock, pin) for lock in LOCKS for pin in pins(lock)])
def test_a_lock_without_one_of_its_packages_is_incomplete(lock, pin):
    assert unmet([kept for kept in pins(lock) if kept != pin], direct(lock))


@pytest.mark.parametrize(("lock", "pin"), [(lock, pin) for lock in LOCKS for pin in pins(lock) if parsed(pin).extras])
def test_a_lock_without_an_extra_is_incomplete(lock, pin):
    without = re.sub(r"\[.*?\]", "", pin)
    assert unmet([without if kept == pin else kept for kept in pins(lock)], direct(lock))


def test_the_dockerfile_pins_its_base_image_by_digest():
    images = re.findall(r"^FROM (\S+)", read("Dockerfile"), re.MULTILINE)
    pinned = [image for image in images if not image.startswith("$")]
    assert len(pinned) == 1
    assert re.fullmatch(r"python:3\.13-slim@sha256:[0-9a-f]{64}", pinned[0])
