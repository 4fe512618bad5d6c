"""How `deploy` waits for a build and reports its end: a fake clock, and the sandbox's Stormkit over real HTTP."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

from sandbox.clock import FakeClock
from sandbox.events import HEAD_BRANCH
from sandbox.stormkit.server import ENV_KEY, Generation, Step, Stormkit
from stormkit_action import inputs as action_inputs
from stormkit_action.commands import build as building
from stormkit_action.commands import deploy
from stormkit_action.context import Context
from stormkit_action.inputs import Command, Environment
from stormkit_action.plan import Plan
from stormkit_action.result import DeploymentResult, Outcome
from stormkit_action.stormkit.models import Deployment, Status
from stormkit_action.stormkit.send_gate import SendGate
from tests.commands.command_runner import RecordingReporter, command_context


@dataclass(kw_only=True)
class SimulatedStep:
    """A step that deploys to a local Stormkit, both on one fake clock."""

    stormkit: Stormkit
    clock: FakeClock
    reporter: RecordingReporter = field(default_factory=RecordingReporter)

    def context(self, **inputs: str) -> Context:
        environ = {"INPUT_API-KEY": ENV_KEY, "INPUT_API-URL": self.stormkit.url}
        environ |= {f"INPUT_{name.upper().replace('_', '-')}": value for name, value in inputs.items()}
        parsed = action_inputs.read(environ)
        plan = Plan(command=Command.DEPLOY, branch=HEAD_BRANCH)
        environment = Environment(name="", env_id=parsed.env_id)
        return command_context(parsed, plan, environment, clock=self.clock, reporter=self.reporter)

    def deploy(self, **inputs: str) -> DeploymentResult:
        return deploy.deploy(self.context(**inputs))

    def stop(self, deployment_id: str) -> None:
        """Stop a deployment as a person would on the dashboard."""
        self.context().client.stop(deployment_id)


@pytest.fixture(params=list(Generation))
def step(request) -> Iterator[SimulatedStep]:
    clock = FakeClock()
    with Stormkit(generation=request.param, clock=clock.monotonic) as stormkit:
        yield SimulatedStep(stormkit=stormkit, clock=clock)


def test_a_success_is_noticed_within_a_tenth_of_the_build_s_duration(step):
    step.stormkit.next_build(seconds=60)
    result = step.deploy()
    assert (result.status, result.reason) == (Outcome.SUCCESS, "")
    assert 60 <= step.clock.passed <= 66


def test_a_failed_build_names_the_failing_step_and_its_output(step):
    step.stormkit.next_build(seconds=60, outcome="failed")
    result = step.deploy()
    assert result.status is Outcome.FAILED
    assert result.reason == "The build of deployment 8241 failed in npm run build: exit status 2"
    assert result.failing_step is not None
    assert "error TS2322" in result.failing_step.message


@pytest.mark.parametrize("build_log", ["failure", "stream"])
def test_a_failure_is_reported_even_if_its_log_cannot_be_read(step, build_log):
    def lose_logs() -> None:
        if step.clock.passed >= 60:
            # The state is read once more, then the log.
            step.stormkit.fault("read", "500", times=100, after=1)

    step.stormkit.next_build(seconds=60, outcome="failed")
    step.stormkit.before_answer("poll", lose_logs, times=1000)
    result = step.deploy(build_log=build_log, job_summary="false")
    assert result.status is Outcome.FAILED
    if build_log == "failure":
        [line] = step.reporter.lines
        assert line.startswith("The build log could not be read. Stormkit")


def test_earlier_builds_time_the_polls_and_cost_one_request(step):
    for _ in range(10):
        step.stormkit.add_deployment(duration=300)
    step.stormkit.next_build(seconds=300)
    result = step.deploy()
    assert result.status is Outcome.SUCCESS
    assert step.clock.passed - 300 <= 4
    assert len([request for request in step.stormkit.requests if request.path == "/v1/deployments"]) == 1
    assert any(progress.usual and progress.usual.seconds == 300 for progress in step.reporter.progress_reports)


@pytest.mark.parametrize(
    ("end_deployment", "status", "reason"),
    [
        (
            lambda step: step.stop("8241"),
            Outcome.STOPPED,
            "Deployment 8241 was stopped by hand or by another program.",
        ),
        (
            lambda step: step.context().client.delete("8241"),
            Outcome.STOPPED,
            "Deployment 8241 was deleted on Stormkit while it ran.",
        ),
    ],
    ids=["stopped", "deleted"],
)
def test_a_deployment_that_someone_else_ends_is_reported_as_stopped(
    step, end_deployment: Callable[[SimulatedStep], None], status, reason
):
    step.stormkit.next_build(seconds=600)
    step.stormkit.before_answer("read", lambda: end_deployment(step), after=2)
    result = step.deploy()
    assert (result.status, result.reason) == (status, reason)


def test_a_superseded_deployment_names_the_one_that_superseded_it(step):
    def supersede() -> None:
        step.clock.advance(5)
        newer = step.context().client.start_deploy(HEAD_BRANCH, gate=SendGate()).wait(10)
        step.clock.advance(2)
        assert newer == "8242"
        step.stop("8241")

    step.stormkit.next_build(seconds=600)
    step.stormkit.before_answer("poll", supersede, after=2)
    result = step.deploy()
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
        (STOPPED._replace(id="3", created_at=BEGAN + timedelta(seconds=51)), True),  # times are truncated to seconds
        (STOPPED._replace(id="3", created_at=BEGAN + timedelta(seconds=60)), False),  # after it was stopped
        (STOPPED._replace(id="1", created_at=BEGAN - timedelta(seconds=1)), False),
        (STOPPED._replace(id="2", created_at=BEGAN + timedelta(seconds=20)), False),
        (STOPPED._replace(id="3", created_at=None), False),
    ],
    ids=["before the stop", "in the second after it", "ten seconds after it", "older", "itself", "without a time"],
)
def test_only_a_newer_deployment_created_before_the_stop_supersedes(other, supersedes):
    assert building._supersedes(other, STOPPED) is supersedes


def test_a_refused_key_ends_the_wait_at_once_and_says_that_the_build_may_still_run(step):
    step.stormkit.next_build(seconds=600)
    step.stormkit.fault("read", "403")
    result = step.deploy()
    assert result.status is Outcome.FAILED
    assert "refused the API key (403)" in result.reason
    assert f"Deployment {result.deployment_id} may still be building: nothing has stopped it." in result.reason
    assert step.clock.passed < 5


def test_a_deployment_not_found_twice_in_a_row_counts_as_deleted(step):
    step.stormkit.next_build(seconds=600)
    step.stormkit.fault("read", "404", times=2)
    result = step.deploy()
    assert result.status is Outcome.STOPPED
    assert "was deleted before it could be read" in result.reason
    assert step.clock.passed < 5


@pytest.mark.parametrize("operation", ["read", "poll"])
def test_a_deployment_not_found_once_is_still_waited_for(step, operation):
    step.stormkit.next_build(seconds=60)
    step.stormkit.fault(operation, "404")
    assert step.deploy().status is Outcome.SUCCESS


@pytest.mark.parametrize(
    "kind", ["answer-lost", "500", "502-html", "503", "429-header", "429-body", "garbage", "empty-object"]
)
@pytest.mark.parametrize("operation", ["read", "poll", "list"])
def test_api_faults_during_a_build_do_not_change_its_outcome(step, kind, operation):
    step.stormkit.next_build(seconds=60)
    step.stormkit.fault(operation, kind, times=3)
    assert step.deploy().status is Outcome.SUCCESS
    assert step.stormkit.builds == 1


class TestTimeout:
    def test_a_timeout_leaves_the_build_running_by_default(self, step):
        step.stormkit.next_build(seconds=600)
        result = step.deploy(timeout="60s")
        assert result.status is Outcome.TIMED_OUT
        assert (
            result.reason
            == "Ran out of time: deployment 8241 had not ended after 1m 00s; it was left running (on-timeout: leave)."
        )
        assert not result.may_still_run
        assert step.clock.passed == pytest.approx(60, abs=0.1)
        assert step.stormkit.deployment("8241").status == "running"

    def test_on_timeout_stop_stops_the_build(self, step):
        step.stormkit.next_build(seconds=600)
        result = step.deploy(timeout="60s", on_timeout="stop")
        assert result.reason == "Ran out of time: deployment 8241 had not ended after 1m 00s; it was stopped."
        assert not result.may_still_run
        assert step.stormkit.deployment("8241").status != "running"

    def test_a_stop_that_fails_is_reported_and_left_to_the_post_step(self, step):
        step.stormkit.next_build(seconds=600)
        step.stormkit.fault("stop", "500", times=100)
        result = step.deploy(timeout="60s", on_timeout="stop")
        assert result.status is Outcome.TIMED_OUT
        assert "stopping it was not confirmed: Stormkit failed (500)" in result.reason
        assert ".." not in result.reason
        assert result.may_still_run
        assert step.clock.passed < 75

    def test_a_stop_that_has_no_effect_is_reported(self, step):
        step.stormkit.next_build(seconds=600)
        step.stormkit.fault("stop", "empty-object", times=100)
        step.stormkit.answers.overrides = {"status": "running"}
        result = step.deploy(timeout="60s", on_timeout="stop")
        assert "it was asked to stop, but Stormkit still reports it as running" in result.reason
        assert result.may_still_run
        assert step.clock.passed < 75

    @pytest.mark.parametrize("kind", ["502-json", "503", "429-header"])
    def test_a_stop_is_retried_within_its_budget_even_if_a_gateway_asks_for_a_minute(self, step, kind):
        step.stormkit.next_build(seconds=600)
        step.stormkit.fault("stop", kind, seconds=60, times=2)
        result = step.deploy(timeout="60s", on_timeout="stop")
        assert result.reason.endswith("; it was stopped.")
        assert step.clock.passed < 60 + building.TIMEOUT_STOP_BUDGET_S

    @pytest.mark.parametrize("kind", ["502-json", "503", "429-header"])
    @pytest.mark.parametrize("operations", [("stop",), ("stop", "read"), ("stop", "read", "poll", "list")])
    def test_stopping_ends_within_its_budget_even_if_a_gateway_asks_for_a_minute(self, step, kind, operations):
        step.stormkit.next_build(seconds=600)
        for operation in operations:
            step.stormkit.fault(operation, kind, seconds=60, times=1000, after=0 if operation == "stop" else 3)
        result = step.deploy(timeout="60s", on_timeout="stop")
        assert result.status is Outcome.TIMED_OUT
        assert step.clock.passed <= 60 + building.TIMEOUT_STOP_BUDGET_S

    def test_a_deployment_that_is_gone_when_it_is_stopped_does_not_still_run(self, step):
        def delete() -> None:
            step.stormkit.clear_faults()
            step.context().client.delete("8241")

        step.stormkit.next_build(seconds=600)
        step.stormkit.fault("read", "500", times=1000)
        step.stormkit.before_answer("stop", delete)
        result = step.deploy(timeout="60s", on_timeout="stop")
        assert result.reason.endswith("; it was stopped.")
        assert not result.may_still_run

    def test_a_build_that_ends_just_before_the_stop_is_reported_as_ended(self, step):
        step.stormkit.next_build(seconds=59)
        step.stormkit.fault("poll", "500", times=1000)
        result = step.deploy(timeout="60s", on_timeout="stop")
        assert result.status is Outcome.TIMED_OUT
        assert "it ended just before it could be stopped (success)" in result.reason
        assert not result.may_still_run


class TestRetries:
    def test_a_failed_build_is_retried_as_a_new_deployment(self, step):
        step.stormkit.next_build(seconds=30, outcome="failed")
        step.stormkit.next_build(seconds=40)
        result = step.deploy(retries="2")
        assert (result.status, result.deployment_id) == (Outcome.SUCCESS, "8242")
        assert step.reporter.warnings == [
            "The build of deployment 8241 failed in npm run build: exit status 2. Building it again as a new deployment"
            " (2 left)."
        ]
        assert step.stormkit.builds == 2

    def test_a_build_that_keeps_failing_is_retried_until_no_retry_is_left(self, step):
        for _ in range(3):
            step.stormkit.next_build(seconds=30, outcome="failed")
        result = step.deploy(retries="2")
        assert result.status is Outcome.FAILED
        assert step.stormkit.builds == 3

    def test_a_stopped_build_is_not_retried(self, step):
        step.stormkit.next_build(seconds=600)
        step.stormkit.before_answer("poll", lambda: step.stop("8241"), after=1)
        assert step.deploy(retries="2").status is Outcome.STOPPED
        assert step.stormkit.builds == 1

    def test_a_retry_is_no_orphan_of_the_first_trigger(self, step):
        step.stormkit.fault("trigger", "never-arrived")
        step.stormkit.next_build(seconds=5, outcome="failed")
        step.stormkit.next_build(seconds=600)
        result = step.deploy(retries="1", timeout="80s")
        assert (result.status, result.deployment_id) == (Outcome.TIMED_OUT, "8242")
        assert step.stormkit.deployment("8242").status == "running"

    def test_a_cancel_stops_the_retry_and_what_an_earlier_trigger_started_late(self, step):
        step.stormkit.fault("trigger", "502-json-late", seconds=45)
        step.stormkit.next_build(seconds=5, outcome="failed")
        for _ in range(2):
            step.stormkit.next_build(seconds=600)
        step.clock.cancel_after = 60
        result = step.deploy(retries="1")
        assert result.status is Outcome.CANCELLED
        assert len(step.stormkit.deployments) == 3
        assert [deployment.id for deployment in step.stormkit.deployments if deployment.status == "running"] == []


class TestStream:
    STEPS = (Step(title="npm install", message="one\ntwo\n"), Step(title="build", message="three\nfour"))

    def test_a_streamed_log_is_reported_as_it_grows_and_in_full_at_the_end(self, step):
        step.stormkit.next_build(seconds=60, steps=self.STEPS)
        step.deploy(build_log="stream")
        assert len(step.reporter.build_logs) > 5
        *earlier, (last, complete) = step.reporter.build_logs
        assert not any(complete for _, complete in earlier)
        assert complete
        assert [log_step.title for log_step in last.logs] == ["npm install", "build", "deploy"]

    def test_the_rest_of_a_streamed_log_is_reported_after_a_timeout(self, step):
        step.stormkit.next_build(seconds=600, steps=self.STEPS)
        step.deploy(build_log="stream", timeout="60s")
        _, complete = step.reporter.build_logs[-1]
        assert complete

    def test_the_rest_of_a_streamed_log_is_reported_after_a_cancel(self, step):
        step.stormkit.next_build(seconds=600, steps=self.STEPS)
        step.clock.cancel_after = 45
        assert step.deploy(build_log="stream").status is Outcome.CANCELLED
        _, complete = step.reporter.build_logs[-1]
        assert complete

    def test_the_log_of_every_retry_is_streamed(self, step):
        step.stormkit.next_build(seconds=30, outcome="failed")
        step.stormkit.next_build(seconds=30)
        step.deploy(build_log="stream", retries="1")
        assert [deployment.status for deployment, complete in step.reporter.build_logs if complete] == [
            "failed",
            "success",
        ]
