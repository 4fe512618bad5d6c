"""GitHubReport when GitHub refuses, limits, delays or loses requests, and when writes overlap."""

import threading

import pytest

from sandbox.clock import TODAY
from sandbox.github.server import GitHub
from sandbox.web import ReceivedRequest, Reply
from stormkit_action import result as results
from stormkit_action.cancellation import Cancellation
from stormkit_action.clock import SystemClock
from stormkit_action.reporting.comment_body import read_rows
from stormkit_action.reporting.github_report import BUDGET_S
from stormkit_action.reporting.rows import State, row_of
from stormkit_action.result import Outcome
from tests.reporting.github_step import (
    ReportingStep,
    deployment_states,
    recorded_requests,
    result,
    row_states,
    status_histories,
)


@pytest.mark.parametrize(("switch", "is_warning"), [("auto", False), ("true", True)])
def test_a_missing_permission_is_a_warning_only_if_reporting_was_asked_for(github, switch, is_warning):
    github.state.add_token("ghs_reader", permissions={"contents": "read"})
    step = ReportingStep(github, {"comment": switch, "github-deployment": switch}, token="ghs_reader")
    step.begin()
    step.end()
    assert [problem.is_warning for problem in step.report.problems()] == [is_warning, is_warning]


class FastClock(SystemClock):
    """A real clock on which a minute takes a second."""

    def __init__(self) -> None:
        super().__init__(Cancellation())

    def monotonic(self) -> float:
        return 60 * super().monotonic()

    def sleep(self, seconds: float) -> None:
        super().sleep(seconds / 60)


class WriteLimitedGitHub(GitHub):
    """A GitHub that accepts 80 writes a minute on the step's clock, which is GitHub's limit for content."""

    def __init__(self, clock: FastClock) -> None:
        super().__init__()
        self.clock = clock
        self.writes: list[float] = []
        self.refused = 0

    def handle(self, request: ReceivedRequest) -> Reply:
        if request.method == "GET" or request.path == "/graphql":
            return super().handle(request)
        now = self.clock.monotonic()
        if len([at for at in self.writes if now - 60 < at]) >= 80:
            self.refused += 1
            body = {"message": "You have exceeded a secondary rate limit."}
            return Reply(status=403, headers={"retry-after": "60"}, body=body)
        self.writes.append(now)
        return super().handle(request)


@pytest.mark.parametrize("rounds", [1, 2])
def test_64_environments_are_all_reported_within_80_writes_a_minute(rounds):
    clock = FastClock()
    names = [f"site-{number:02}" for number in range(64)]
    inputs = {"environments": "\n".join(f"{name}: {300 + number}" for number, name in enumerate(names))}
    with WriteLimitedGitHub(clock) as github:
        for run in range(7, 7 + rounds):
            step = ReportingStep(github, inputs, run=run, clock=clock)
            outcomes = []
            for number, name in enumerate(names):
                running = result(Outcome.RUNNING, name, str(300 + number), deployment_id=f"{run}{number:03}")
                step.report.building(name, row_of(running, run=step.run, now=TODAY))
                step.report.started(running)
                outcomes.append(running._replace(status=Outcome.SUCCESS))
            step.wait_for_writes()
            clock.sleep(4)
            written = step.end(*outcomes, budget=BUDGET_S)
            assert list(step.report.problems()) == []
            assert written.settled
            clock.sleep(60)
        [comment] = github.state.comments()
        assert {row.state for row in read_rows(comment.body)} == {State.READY}
        states = deployment_states(github)
        assert states == ["inactive"] * 64 * (rounds - 1) + ["success"] * 64
        assert github.refused <= 8 * 2 * rounds


def test_github_deployments_that_could_not_be_updated_in_time_are_one_warning(github):
    step = ReportingStep(github, {"environments": "docs: 305\nshop: 306\nblog: 307"})
    deployments = [
        result(Outcome.SUCCESS, name, env_id, deployment_id=env_id)
        for name, env_id in (("docs", "305"), ("shop", "306"), ("blog", "307"))
    ]
    for deployment in deployments:
        step.report.started(deployment)
    step.wait_for_writes()
    github.fault("POST .*/statuses", "secondary-limit", times=100, seconds=600)
    written = step.end(*deployments)
    [problem] = step.report.problems()
    assert problem.is_warning
    assert problem.text.startswith("GitHub Deployment: 3 of 3 are not up to date. GitHub refused setting")
    assert not written.settled
    assert row_states(github) == {"docs": State.READY, "shop": State.READY, "blog": State.READY}


@pytest.mark.parametrize("kind", ["answer-lost", "never-arrived", "500"])
def test_a_lost_answer_to_the_creation_leads_to_one_github_deployment(github, kind):
    github.fault("POST .*/deployments$", kind)
    step = ReportingStep(github)
    step.begin()
    step.end()
    assert status_histories(github) == [["success"]]


@pytest.mark.parametrize("kind", ["answer-lost", "500", "502-html", "429", "secondary-limit"])
def test_a_state_is_set_despite_transient_faults(github, kind):
    github.fault("POST .*/statuses", kind, times=2, seconds=3)
    step = ReportingStep(github)
    step.begin()
    step.end()
    assert github.state.deployments[0].state == "success"
    assert step.report.deployments.problem == ""


def test_a_github_deployment_that_could_not_be_created_is_created_at_the_end(github):
    github.fault("POST .*/deployments$", "500", times=2)
    step = ReportingStep(github)
    step.begin()
    assert "(500)" in step.report.deployments.problem
    written = step.end()
    assert (status_histories(github), step.report.deployments.problem, written.settled) == ([["success"]], "", True)


def test_a_github_deployment_deleted_by_hand_does_not_affect_the_others(github):
    step = ReportingStep(github, {"environments": "docs: 305\nshop: 306"})
    for name, env_id in (("docs", "305"), ("shop", "306")):
        step.begin(name, env_id, env_id)
    del github.state.repository().deployments[0]
    step.end(
        result(Outcome.SUCCESS, "docs", "305", deployment_id="305"),
        result(Outcome.SUCCESS, "shop", "306", deployment_id="306"),
    )
    assert status_histories(github) == [["success"]]
    assert "(404)" in step.report.deployments.problem


def test_a_used_up_rate_limit_is_reported_and_costs_few_requests(github):
    github.state.add_token("ghs_limited", limit=1)
    github.state.tokens["ghs_limited"].used = 1
    step = ReportingStep(github, token="ghs_limited")
    step.begin()
    step.end()
    assert recorded_requests(github) == ["GET /issues/42/comments", "POST /deployments"] * 2
    for problem in (step.report.deployments.problem, step.report.comment.problem):
        assert "rate limit exceeded" in problem
        assert "permission" not in problem


def test_without_permission_for_deployments_the_comment_is_still_written(github):
    github.state.add_token("ghs_commenter", permissions={"pull_requests": "write"})
    step = ReportingStep(github, token="ghs_commenter")
    step.begin()
    written = step.end()
    assert "permissions: { deployments: write }" in step.report.deployments.problem
    assert written.github_deployment_ids == {}
    assert written.settled
    assert row_states(github) == {"hello-world / production": State.READY}
    assert sum("/deployments" in request for request in recorded_requests(github)) == 1


def test_the_final_row_is_not_overwritten_by_a_write_under_way(github):
    clock = SystemClock(Cancellation())
    step = ReportingStep(github, {"github-deployment": "false"}, clock=clock)
    github.fault("POST .*/comments", "slow", seconds=0.4)
    running = result(Outcome.RUNNING)
    step.report.building("", row_of(running, run=step.run, now=TODAY))
    while not github.received("POST", "/comments"):
        clock.sleep(0.01)
    step.end()
    assert row_states(github) == {"hello-world / production": State.READY}


def test_the_final_row_does_not_wait_for_an_earlier_write_s_rate_limit(github):
    clock = SystemClock(Cancellation())
    step = ReportingStep(github, {"github-deployment": "false"}, clock=clock)
    github.fault("POST .*/comments", "secondary-limit", seconds=20)
    step.report.building("", row_of(result(Outcome.RUNNING), run=step.run, now=TODAY))
    while not github.received("POST", "/comments"):
        clock.sleep(0.01)
    began = clock.monotonic()
    step.end()
    assert clock.monotonic() - began < 10
    assert row_states(github) == {"hello-world / production": State.READY}


def test_after_a_cancel_the_write_under_way_is_awaited_and_then_corrected(github):
    cancellation = Cancellation()
    clock = SystemClock(cancellation)
    step = ReportingStep(github, clock=clock)
    github.fault("POST .*/deployments$", "slow", seconds=0.5)
    step.report.started(result(Outcome.RUNNING))
    while not github.received("POST", "/deployments"):
        clock.sleep(0.01)
    cancellation.request()
    free = clock.uncancelled()
    began = free.monotonic()
    cancelled = results.of_deployments((result(Outcome.CANCELLED, reason="The job was cancelled."),))
    written = step.report.finish(cancelled, now=TODAY, clock=free, budget=2.5)
    assert free.monotonic() - began < 2.5
    assert status_histories(github) == [["inactive"]]
    assert row_states(github) == {"hello-world / production": State.CANCELLED}
    assert written.settled


def test_a_hanging_github_does_not_delay_the_end_of_the_step(github):
    clock = SystemClock(Cancellation())
    step = ReportingStep(github, clock=clock)
    github.fault(".*", "slow", times=100, seconds=30)
    began = clock.monotonic()
    written = step.end(result(Outcome.CANCELLED), budget=1.0)
    assert clock.monotonic() - began < 2.0
    assert not written.settled


class GitHubWithSimultaneousEdits(GitHub):
    """A GitHub that carries out the next edits of two tokens only when both have arrived, that of `first` first."""

    def __init__(self) -> None:
        super().__init__()
        self.first = ""
        self.both_arrived = threading.Barrier(2, timeout=10)
        self.first_is_done = threading.Event()
        self.waiting: set[str] = set()

    def handle(self, request: ReceivedRequest) -> Reply:
        caller = request.headers["authorization"].split()[-1]
        if request.method != "PATCH" or caller not in self.waiting:
            return super().handle(request)
        self.waiting.discard(caller)
        self.both_arrived.wait()
        if caller != self.first:
            assert self.first_is_done.wait(10)
        reply = super().handle(request)
        self.first_is_done.set()
        return reply


@pytest.mark.parametrize("first", ["old site", "new site"])
@pytest.mark.parametrize("inputs", [{}, {"github-deployment": "false"}], ids=["with deployments", "comment alone"])
def test_no_row_is_lost_if_one_site_begins_while_another_ends(first, inputs):
    with GitHubWithSimultaneousEdits() as github:
        for token in ("old site", "new site"):
            github.state.add_token(token.replace(" ", "_"))
        earlier = ReportingStep(github, inputs, run=7)
        earlier.begin()
        earlier.end()
        old = ReportingStep(github, inputs, run=8, token="old_site")
        old.begin()
        new = ReportingStep(github, inputs, run=8, token="new_site")
        github.first, github.waiting = first.replace(" ", "_"), {"old_site", "new_site"}
        ending = threading.Thread(target=old.end)
        ending.start()
        new.begin("docs", "306", "8108")
        ending.join(10)
        assert not github.waiting
        new.end(result(Outcome.SUCCESS, "docs", "306", deployment_id="8108"))
        assert row_states(github) == {"hello-world / production": State.READY, "docs": State.READY}
        [comment] = github.state.comments()
        assert {row.deployment_id for row in read_rows(comment.body)} == {"8008", "8108"}
