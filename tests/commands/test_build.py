"""A build on its way and how it ends, on a clock of its own, against the sandbox's Stormkit over real HTTP."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

from sandbox.clock import FakeClock
from sandbox.events import HEAD_BRANCH
from sandbox.stormkit.server import ENV_KEY, Generation, Step, Stormkit
from stormkit_action import inputs as action_inputs
from stormkit_action.clock import Deadline
from stormkit_action.commands import build as building
from stormkit_action.commands import deploy
from stormkit_action.context import Context
from stormkit_action.event import Event
from stormkit_action.inputs import Command, Environment
from stormkit_action.main import stormkit_client
from stormkit_action.plan import Plan
from stormkit_action.result import DeploymentResult, Outcome
from stormkit_action.stormkit.models import Deployment, Status
from stormkit_action.stormkit.send_gate import SendGate
from stormkit_action.stormkit.waiting import Progress


@dataclass(kw_only=True)
class RecordingReporter:
    """A Reporter that remembers."""

    lines: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    told: list[Progress] = field(default_factory=list)
    logs: list[tuple[Deployment, bool]] = field(default_factory=list)

    def log(self, text: str) -> None:
        self.lines.append(text)

    def warning(self, text: str) -> None:
        self.warnings.append(text)

    def triggering(self, environment: Environment) -> None: ...

    def started(self, result: DeploymentResult) -> None: ...

    def progress(self, result: DeploymentResult, progress: Progress) -> None:
        self.told.append(progress)

    def build_log(self, result: DeploymentResult, *, complete: bool) -> None:
        assert result.deployment is not None
        self.logs.append((result.deployment, complete))


@dataclass(kw_only=True)
class Scene:
    """A Stormkit whose builds take virtual time, and a step that deploys to it."""

    stormkit: Stormkit
    clock: FakeClock
    heard: RecordingReporter = field(default_factory=RecordingReporter)

    def context(self, **inputs: str) -> Context:
        environ = {"INPUT_API-KEY": ENV_KEY, "INPUT_API-URL": self.stormkit.url}
        environ |= {f"INPUT_{name.upper().replace('_', '-')}": value for name, value in inputs.items()}
        parsed = action_inputs.read(environ)
        environment = Environment(name="", env_id=parsed.env_id)
        return Context(
            inputs=parsed,
            event=Event(),
            plan=Plan(command=Command.DEPLOY, branch=HEAD_BRANCH),
            environment=environment,
            stormkit=stormkit_client(parsed, self.clock, environment),
            github=None,
            clock=self.clock,
            deadline=Deadline.after(self.clock, parsed.timeout.total_seconds()),
            reporter=self.heard,
        )

    def deploy(self, **inputs: str) -> DeploymentResult:
        return deploy.deploy(self.context(**inputs))

    def stop(self, deployment_id: str) -> None:
        """As a person would on the dashboard."""
        self.context().client.stop(deployment_id)


@pytest.fixture(params=list(Generation))
def scene(request) -> Iterator[Scene]:
    clock = FakeClock()
    with Stormkit(generation=request.param, clock=clock.monotonic) as stormkit:
        yield Scene(stormkit=stormkit, clock=clock)


def test_a_build_that_succeeds(scene):
    scene.stormkit.next_build(seconds=60)
    result = scene.deploy()
    assert (result.status, result.reason) == (Outcome.SUCCESS, "")
    assert 60 <= scene.clock.passed <= 66


def test_a_build_that_fails_says_where_and_brings_its_log(scene):
    scene.stormkit.next_build(seconds=60, outcome="failed")
    result = scene.deploy()
    assert result.status is Outcome.FAILED
    assert result.reason == "The build of deployment 8241 failed in npm run build: exit status 2"
    assert result.failing_step is not None
    assert "error TS2322" in result.failing_step.message


@pytest.mark.parametrize("build_log", ["failure", "stream"])
def test_a_failure_whose_log_can_not_be_read_is_told_without_it(scene, build_log):
    def lose_logs() -> None:
        if scene.clock.passed >= 60:
            # The state is read once more, then the log.
            scene.stormkit.fault("read", "500", times=100, after=1)

    scene.stormkit.next_build(seconds=60, outcome="failed")
    scene.stormkit.before_answer("poll", lose_logs, times=1000)
    result = scene.deploy(build_log=build_log, job_summary="false")
    assert result.status is Outcome.FAILED
    if build_log == "failure":
        [line] = scene.heard.lines
        assert line.startswith("The build log could not be read. Stormkit")


def test_a_usual_duration_places_the_polls_and_costs_one_request(scene):
    for _ in range(10):
        scene.stormkit.add_deployment(duration=300)
    scene.stormkit.next_build(seconds=300)
    result = scene.deploy()
    assert result.status is Outcome.SUCCESS
    assert scene.clock.passed - 300 <= 4
    assert len([each for each in scene.stormkit.requests if each.path == "/v1/deployments"]) == 1
    assert any(each.usual and each.usual.seconds == 300 for each in scene.heard.told)


@pytest.mark.parametrize(
    ("happens", "status", "reason"),
    [
        (
            lambda scene: scene.stop("8241"),
            Outcome.STOPPED,
            "Deployment 8241 was stopped by hand or by another program.",
        ),
        (
            lambda scene: scene.context().client.delete("8241"),
            Outcome.STOPPED,
            "Deployment 8241 was deleted on Stormkit while it ran.",
        ),
    ],
)
def test_a_deployment_that_somebody_ends(scene, happens: Callable[[Scene], None], status, reason):
    scene.stormkit.next_build(seconds=600)
    scene.stormkit.before_answer("read", lambda: happens(scene), after=2)
    result = scene.deploy()
    assert (result.status, result.reason) == (status, reason)


def test_a_deployment_that_a_newer_one_superseded(scene):
    def supersede() -> None:
        scene.clock.advance(5)
        newer = scene.context().client.start_deploy(HEAD_BRANCH, gate=SendGate()).wait(10)
        scene.clock.advance(2)
        assert newer == "8242"
        scene.stop("8241")

    scene.stormkit.next_build(seconds=600)
    scene.stormkit.before_answer("poll", supersede, after=2)
    result = scene.deploy()
    assert result.status is Outcome.STOPPED
    assert result.reason == "Deployment 8241 was stopped: deployment 8242 of the same branch superseded it."


BEGAN = datetime(2026, 3, 14, 9, tzinfo=UTC)
STOPPED = Deployment(
    id="2", status=Status.STOPPED, created_at=BEGAN, stopped_at=BEGAN + timedelta(seconds=50), branch="topic"
)


@pytest.mark.parametrize(
    ("other", "supersedes"),
    [
        (STOPPED._replace(id="3", created_at=BEGAN + timedelta(seconds=49)), True),
        (STOPPED._replace(id="3", created_at=BEGAN + timedelta(seconds=51)), True),  # whole seconds
        (STOPPED._replace(id="3", created_at=BEGAN + timedelta(seconds=60)), False),  # after it was stopped
        (STOPPED._replace(id="1", created_at=BEGAN - timedelta(seconds=1)), False),
        (STOPPED._replace(id="2", created_at=BEGAN + timedelta(seconds=20)), False),
        (STOPPED._replace(id="3", created_at=None), False),
    ],
)
def test_which_deployment_supersedes_another(other, supersedes):
    assert building._supersedes(other, STOPPED) is supersedes


def test_a_refused_key_decides_at_once_and_the_reason_says_that_the_build_may_still_run(scene):
    scene.stormkit.next_build(seconds=600)
    scene.stormkit.fault("read", "403")
    result = scene.deploy()
    assert result.status is Outcome.FAILED
    assert "refused the API key (403)" in result.reason
    assert f"Deployment {result.deployment_id} may still be building: nothing has stopped it." in result.reason
    assert scene.clock.passed < 5


def test_a_deployment_that_is_not_found_twice_in_a_row_was_deleted(scene):
    scene.stormkit.next_build(seconds=600)
    scene.stormkit.fault("read", "404", times=2)
    result = scene.deploy()
    assert result.status is Outcome.STOPPED
    assert "was deleted before it could be read" in result.reason
    assert scene.clock.passed < 5


@pytest.mark.parametrize("operation", ["read", "poll"])
def test_a_deployment_that_is_not_found_once_is_waited_for(scene, operation):
    scene.stormkit.next_build(seconds=60)
    scene.stormkit.fault(operation, "404")
    assert scene.deploy().status is Outcome.SUCCESS


@pytest.mark.parametrize(
    "kind", ["answer-lost", "500", "502-html", "503", "429-header", "429-body", "garbage", "empty-object"]
)
@pytest.mark.parametrize("operation", ["read", "poll", "list"])
def test_other_faults_while_it_builds_do_not_decide(scene, kind, operation):
    scene.stormkit.next_build(seconds=60)
    scene.stormkit.fault(operation, kind, times=3)
    assert scene.deploy().status is Outcome.SUCCESS
    assert scene.stormkit.builds == 1


class TestTimeout:
    def test_leaves_it(self, scene):
        scene.stormkit.next_build(seconds=600)
        result = scene.deploy(timeout="60s")
        assert result.status is Outcome.TIMED_OUT
        assert (
            result.reason
            == "Ran out of time: deployment 8241 had not ended after 1m 00s; it was left running (on-timeout: leave)."
        )
        assert not result.may_still_run
        assert scene.clock.passed == pytest.approx(60, abs=0.1)
        assert scene.stormkit.deployment("8241").status == "running"

    def test_stops_it_and_reads_back(self, scene):
        scene.stormkit.next_build(seconds=600)
        result = scene.deploy(timeout="60s", on_timeout="stop")
        assert result.reason == "Ran out of time: deployment 8241 had not ended after 1m 00s; it was stopped."
        assert not result.may_still_run
        assert scene.stormkit.deployment("8241").status != "running"

    def test_that_can_not_stop_it_says_so_and_leaves_the_rest_to_the_post_step(self, scene):
        scene.stormkit.next_build(seconds=600)
        scene.stormkit.fault("stop", "500", times=100)
        result = scene.deploy(timeout="60s", on_timeout="stop")
        assert result.status is Outcome.TIMED_OUT
        assert "stopping it was not confirmed: Stormkit failed (500)" in result.reason
        assert ".." not in result.reason
        assert result.may_still_run
        assert scene.clock.passed < 75

    def test_that_a_stop_does_not_end_is_told(self, scene):
        scene.stormkit.next_build(seconds=600)
        scene.stormkit.fault("stop", "empty-object", times=100)
        scene.stormkit.answers.overrides = {"status": "running"}
        result = scene.deploy(timeout="60s", on_timeout="stop")
        assert "it was asked to stop, but Stormkit still reports it as running" in result.reason
        assert result.may_still_run
        assert scene.clock.passed < 75

    @pytest.mark.parametrize("kind", ["502-json", "503", "429-header"])
    def test_a_stop_is_tried_again_within_its_bound_although_a_gateway_asks_for_a_minute(self, scene, kind):
        scene.stormkit.next_build(seconds=600)
        scene.stormkit.fault("stop", kind, seconds=60, times=2)
        result = scene.deploy(timeout="60s", on_timeout="stop")
        assert result.reason.endswith("; it was stopped.")
        assert scene.clock.passed < 60 + building.TIMEOUT_STOP_BUDGET_S

    @pytest.mark.parametrize("kind", ["502-json", "503", "429-header"])
    @pytest.mark.parametrize("operations", [("stop",), ("stop", "read"), ("stop", "read", "poll", "list")])
    def test_a_stop_ends_within_its_bound_although_a_gateway_asks_for_a_minute(self, scene, kind, operations):
        scene.stormkit.next_build(seconds=600)
        for operation in operations:
            scene.stormkit.fault(operation, kind, seconds=60, times=1000, after=0 if operation == "stop" else 3)
        result = scene.deploy(timeout="60s", on_timeout="stop")
        assert result.status is Outcome.TIMED_OUT
        assert scene.clock.passed <= 60 + building.TIMEOUT_STOP_BUDGET_S

    def test_a_build_that_was_never_read_and_is_gone_when_it_is_stopped_no_longer_runs(self, scene):
        def delete() -> None:
            scene.stormkit.clear_faults()
            scene.context().client.delete("8241")

        scene.stormkit.next_build(seconds=600)
        scene.stormkit.fault("read", "500", times=1000)
        scene.stormkit.before_answer("stop", delete)
        result = scene.deploy(timeout="60s", on_timeout="stop")
        assert result.reason.endswith("; it was stopped.")
        assert not result.may_still_run

    def test_of_a_build_that_had_just_ended(self, scene):
        scene.stormkit.next_build(seconds=59)
        scene.stormkit.fault("poll", "500", times=1000)
        result = scene.deploy(timeout="60s", on_timeout="stop")
        assert result.status is Outcome.TIMED_OUT
        assert "it ended just before it could be stopped (success)" in result.reason
        assert not result.may_still_run


class TestRetries:
    def test_a_failed_build_is_built_again_as_a_new_deployment(self, scene):
        scene.stormkit.next_build(seconds=30, outcome="failed")
        scene.stormkit.next_build(seconds=40)
        result = scene.deploy(retries="2")
        assert (result.status, result.deployment_id) == (Outcome.SUCCESS, "8242")
        assert scene.heard.warnings == [
            "The build of deployment 8241 failed in npm run build: exit status 2. Building it again as a new deployment"
            " (2 left)."
        ]
        assert scene.stormkit.builds == 2

    def test_a_build_that_keeps_failing_is_built_until_no_try_is_left(self, scene):
        for _ in range(3):
            scene.stormkit.next_build(seconds=30, outcome="failed")
        result = scene.deploy(retries="2")
        assert result.status is Outcome.FAILED
        assert scene.stormkit.builds == 3

    def test_a_stopped_build_is_not_built_again(self, scene):
        scene.stormkit.next_build(seconds=600)
        scene.stormkit.before_answer("poll", lambda: scene.stop("8241"), after=1)
        assert scene.deploy(retries="2").status is Outcome.STOPPED
        assert scene.stormkit.builds == 1

    def test_a_retry_is_no_orphan_of_the_first_trigger(self, scene):
        scene.stormkit.fault("trigger", "never-arrived")
        scene.stormkit.next_build(seconds=5, outcome="failed")
        scene.stormkit.next_build(seconds=600)
        result = scene.deploy(retries="1", timeout="80s")
        assert (result.status, result.deployment_id) == (Outcome.TIMED_OUT, "8242")
        assert scene.stormkit.deployment("8242").status == "running"

    def test_a_cancel_stops_the_retry_and_what_an_earlier_trigger_started_late(self, scene):
        scene.stormkit.fault("trigger", "502-json-late", seconds=45)
        scene.stormkit.next_build(seconds=5, outcome="failed")
        for _ in range(2):
            scene.stormkit.next_build(seconds=600)
        scene.clock.cancel_after = 60
        result = scene.deploy(retries="1")
        assert result.status is Outcome.CANCELLED
        assert len(scene.stormkit.deployments) == 3
        assert [deployment.id for deployment in scene.stormkit.deployments if deployment.status == "running"] == []


class TestStream:
    STEPS = (Step(title="npm install", message="one\ntwo\n"), Step(title="build", message="three\nfour"))

    def test_the_log_is_told_while_it_grows_and_at_its_end(self, scene):
        scene.stormkit.next_build(seconds=60, steps=self.STEPS)
        scene.deploy(build_log="stream")
        assert len(scene.heard.logs) > 5
        assert [complete for _, complete in scene.heard.logs[:-1]] == [False] * (len(scene.heard.logs) - 1)
        last, complete = scene.heard.logs[-1]
        assert complete
        assert [step.title for step in last.logs] == ["npm install", "build", "deploy"]

    def test_what_is_held_back_is_told_after_a_timeout(self, scene):
        scene.stormkit.next_build(seconds=600, steps=self.STEPS)
        scene.deploy(build_log="stream", timeout="60s")
        assert scene.heard.logs[-1][1]

    def test_and_after_a_cancel(self, scene):
        scene.stormkit.next_build(seconds=600, steps=self.STEPS)
        scene.clock.cancel_after = 45
        assert scene.deploy(build_log="stream").status is Outcome.CANCELLED
        assert scene.heard.logs[-1][1]

    def test_each_of_several_tries(self, scene):
        scene.stormkit.next_build(seconds=30, outcome="failed")
        scene.stormkit.next_build(seconds=30)
        scene.deploy(build_log="stream", retries="1")
        assert [deployment.status for deployment, complete in scene.heard.logs if complete] == ["failed", "success"]
