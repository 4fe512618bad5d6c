"""Fixtures for the tests of the image, which are skipped if no Docker engine answers."""

import contextlib
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator

import pytest

from sandbox.runner.container import ContainerRunner, docker
from tests.image.building import Builder

KEY = "SK_sandbox"

Python = Callable[[str], str]
MakeJob = Callable[..., ContainerRunner]


@pytest.fixture(scope="session")
def builder(tmp_path_factory) -> Iterator[Builder]:
    """The Builder of the test run's images; skips the test if no Docker engine answers."""
    if shutil.which("docker") is None:
        pytest.skip("needs a Docker engine: there is no docker client")
    asked = subprocess.run(["docker", "version"], capture_output=True, text=True, timeout=60, check=False)
    if asked.returncode:
        pytest.skip(f"needs a Docker engine: {asked.stderr.strip()}")
    directory = tmp_path_factory.getbasetemp()
    with contextlib.closing(Builder(directory.parent if "PYTEST_XDIST_WORKER" in os.environ else directory)) as builder:
        yield builder


@pytest.fixture(scope="session")
def built_image(builder) -> str:
    """The name of the image built from this checkout."""
    builder.build()
    return builder.image


@pytest.fixture(scope="session")
def image(request) -> str:
    """The name of the image to test: STORMKIT_ACTION_IMAGE (set by a release), or the one built from this checkout."""
    return os.environ.get("STORMKIT_ACTION_IMAGE") or request.getfixturevalue("built_image")


@pytest.fixture(scope="session")
def python(image) -> Python:
    """Run a script with the image's Python and return what it prints."""

    def run(script: str) -> str:
        return docker("run", "--rm", "--network=none", "--entrypoint=/opt/venv/bin/python", image, "-Ec", script)

    return run


@pytest.fixture
def job(image, stormkit, github, tmp_path) -> MakeJob:
    """Create a job that deploys with the image; its containers are removed after the test."""
    with contextlib.ExitStack() as ending:

        def make(*, inputs: dict[str, str] | None = None, image: str = image, **options) -> ContainerRunner:
            values = {"api-key": KEY, "api-url": stormkit.url, "poll-interval": "0.1s", **(inputs or {})}
            options = {"event": "pull_request_opened", "github_url": github.url, "secrets": [KEY]} | options
            return ending.enter_context(
                ContainerRunner(image=image, inputs=values, directory=tmp_path / "job", **options)
            )

        yield make
