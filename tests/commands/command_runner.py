"""Runs commands against a local Stormkit, on a fake clock."""

from dataclasses import dataclass, field, replace

from sandbox.clock import FakeClock
from sandbox.events import HEAD_BRANCH
from sandbox.stormkit.server import ENV_KEY, Generation, Stormkit
from sandbox.web import ReceivedRequest, Reply
from stormkit_action import inputs as action_inputs
from stormkit_action.clock import Deadline
from stormkit_action.commands import dispatch
from stormkit_action.context import Context
from stormkit_action.event import Event
from stormkit_action.inputs import Environment, Inputs
from stormkit_action.main import stormkit_client
from stormkit_action.plan import Plan
from stormkit_action.result import DeploymentResult, Result
from stormkit_action.stormkit.models import Deployment
from stormkit_action.stormkit.waiting import Progress


@dataclass(kw_only=True)
class RecordingReporter:
    """A Reporter that records what it is given."""

    lines: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    progress_reports: list[Progress] = field(default_factory=list)
    build_logs: list[tuple[Deployment, bool]] = field(default_factory=list)

    def log(self, text: str) -> None:
        self.lines.append(text)

    def warning(self, text: str) -> None:
        self.warnings.append(text)

    def triggering(self, environment: Environment) -> None: ...

    def started(self, result: DeploymentResult) -> None: ...

    def progress(self, result: DeploymentResult, progress: Progress) -> None:
        self.progress_reports.append(progress)

    def build_log(self, result: DeploymentResult, *, complete: bool) -> None:
        assert result.deployment is not None
        self.build_logs.append((result.deployment, complete))


def command_context(
    inputs: Inputs, plan: Plan, environment: Environment, *, clock: FakeClock, reporter: RecordingReporter
) -> Context:
    """What a command gets outside GitHub, with a deadline on the fake clock."""
    return Context(
        inputs=inputs,
        event=Event(),
        plan=plan,
        environment=environment,
        stormkit=stormkit_client(inputs, clock, environment),
        github=None,
        clock=clock,
        deadline=Deadline.after(clock, inputs.timeout.total_seconds()),
        reporter=reporter,
    )


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
        plan = Plan(command=parsed.command, branch=parsed.branch)
        return dispatch.run(
            [
                command_context(parsed, plan, environment, clock=self.clock, reporter=self.reporter)
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
