"""Runs commands against a local Stormkit, on a fake clock."""

from dataclasses import replace

from sandbox.clock import FakeClock
from sandbox.events import HEAD_BRANCH
from sandbox.stormkit.server import ENV_KEY, Generation, Stormkit
from sandbox.web import ReceivedRequest, Reply
from stormkit_action import inputs as action_inputs
from stormkit_action.clock import Deadline
from stormkit_action.commands import dispatch
from stormkit_action.context import Context
from stormkit_action.event import Event
from stormkit_action.inputs import Environment
from stormkit_action.main import stormkit_client
from stormkit_action.plan import Plan
from stormkit_action.result import Result
from tests.commands.test_build import RecordingReporter


class CommandRunner:
    """Runs commands against a local Stormkit, on a fake clock."""

    def __init__(self, stormkit: Stormkit, clock: FakeClock) -> None:
        self.stormkit = stormkit
        self.clock = clock
        self.reporter = RecordingReporter()

    def run(self, command: str = "deploy", *, key: str = ENV_KEY, **inputs: str) -> Result:
        values = {"api-key": key, "api-url": self.stormkit.url, "command": command, "branch": HEAD_BRANCH}
        values |= {name.replace("_", "-"): value for name, value in inputs.items()}
        parsed = action_inputs.read({f"INPUT_{name.upper()}": value for name, value in values.items()})
        environments = parsed.environments or (Environment(name="", env_id=parsed.env_id),)
        return dispatch.run(
            [
                Context(
                    inputs=parsed,
                    event=Event(),
                    plan=Plan(command=parsed.command, branch=parsed.branch),
                    environment=environment,
                    stormkit=stormkit_client(parsed, self.clock, environment),
                    github=None,
                    clock=self.clock,
                    deadline=Deadline.after(self.clock, parsed.timeout.total_seconds()),
                    reporter=self.reporter,
                )
                for environment in environments
            ]
        )


class FakeClockStormkit(Stormkit):
    """A Stormkit v2026.04.17 whose slow answers advance the fake clock instead of taking real time."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__(generation=Generation.APRIL, clock=clock.monotonic)
        self._clock = clock

    def handle(self, request: ReceivedRequest) -> Reply:
        reply = super().handle(request)
        self._clock.advance(reply.delay)
        return replace(reply, delay=0.0)
