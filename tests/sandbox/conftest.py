"""Local Stormkits of each generation on a fake clock, and the sandbox as a process."""

import subprocess
import sys

import pytest

from sandbox.clock import FakeClock
from sandbox.runner.runner import ACTION
from sandbox.stormkit.server import Generation, Stormkit


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture(params=list(Generation))
def stormkit(request, clock):
    with Stormkit(generation=request.param, clock=clock.monotonic) as server:
        yield server


@pytest.fixture
def newer(clock):
    with Stormkit(generation=Generation.NEWER, clock=clock.monotonic) as server:
        yield server


@pytest.fixture
def older(clock):
    with Stormkit(generation=Generation.OLDER, clock=clock.monotonic) as server:
        yield server


@pytest.fixture
def april(clock):
    with Stormkit(generation=Generation.APRIL, clock=clock.monotonic) as server:
        yield server


@pytest.fixture
def serve():
    """Start `python -m sandbox` with the given arguments; it is killed after the test."""
    started = []

    def start(*arguments: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-m", "sandbox", *arguments],
            cwd=ACTION,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()
