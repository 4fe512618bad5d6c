"""A local Stormkit v2026.04.17 to run commands against."""

from collections.abc import Iterator

import pytest

from sandbox.clock import FakeClock
from tests.commands.command_runner import CommandRunner, FakeClockStormkit


@pytest.fixture
def april() -> Iterator[CommandRunner]:
    clock = FakeClock()
    with FakeClockStormkit(clock) as stormkit:
        yield CommandRunner(stormkit, clock)
