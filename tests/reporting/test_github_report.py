"""What a step tells GitHub, from the trigger to its end: GitHub Deployments and the comment, and what both cost."""

import threading
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from sandbox.clock import TODAY, FakeClock
from sandbox.events import HEAD_BRANCH, HEAD_SHA
from sandbox.github.server import TOKEN, GitHub
from stormkit_action import input_table
from stormkit_action import result as results
from stormkit_action.cancellation import Cancellation
from stormkit_action.clock import SystemClock
from stormkit_action.context import Environment
from stormkit_action.event import Event, Run
from stormkit_action.github_api.api import GitHubApi
from stormkit_action.inputs import Command
from stormkit_action.plan import Plan
from stormkit_action.reporting.comment_body import read_rows, render
from stormkit_action.reporting.console import GitHubConsole
from stormkit_action.reporting.github_report import GitHubReport
from stormkit_action.reporting.rows import State, row_of
from stormkit_action.result import DeploymentResult, Outcome
from stormkit_action.stormkit.client import StormkitClient
from stormkit_action.stormkit.models import Commit, Deployment, Status
from stormkit_action.stormkit.session import Transport

URL = "https://docs.example.com"


@pytest.fixture
def github() -> Iterator[GitHub]:
    with GitHub() as server:
        yield server


class Step:
    """One step's report, with a clock that nobody waits for."""

    def __init__(
        self,
        github: GitHub,
        inputs: Mapping[str, str] | None = None,
        *,
        run: int = 7,
        command: Command = Command.DEPLOY,
        sha: str = HEAD_SHA,
        pull_request: int | None = 42,
        event: str = "pull_request",
        resumed: bool = False,
        token: str = TOKEN,
        clock: FakeClock | None = None,
    ) -> None:
        self.clock = clock or FakeClock()
        given = {"api-key": "SK_sandbox", "github-token": token, **(inputs or {})}
        self.inputs = input_table.from_environment({f"INPUT_{name.upper()}": text for name, text in given.items()})
        self.run = Run(id=run, job="preview", url=f"https://github.com/octocat/hello-world/actions/runs/{run}")
        self.report = GitHubReport(
            github=GitHubApi(token=token, repository="octocat/hello-world", api_url=github.url, clock=self.clock),
            inputs=self.inputs,
            event=Event(name=event, repository="octocat/hello-world", sha=sha, run=self.run),
            plan=Plan(command=command, branch=HEAD_BRANCH, expected_sha=sha, pull_request=pull_request),
            clock=self.clock,
            console=GitHubConsole(),
            resumed=resumed,
        )

    def begin(self, name: str = "", env_id: str = "", deployment_id: str = "") -> None:
        """The trigger, and the first look at the build."""
        deployment_id = deployment_id or self.default_id
        transport = Transport(origin="https://api.example.com", api_key="SK", clock=self.clock, secrets=())
        environment = Environment(client=StormkitClient(transport, env_id=env_id), name=name, env_id=env_id)
        self.report.triggered(environment, deployment_id)
        running = result(Outcome.RUNNING, name, env_id, deployment_id=deployment_id)
        self.report.building(name, row_of(running, run=self.run, now=TODAY, usual=60, elapsed=5))
        self.settle()

    @property
    def default_id(self) -> str:
        return str(8000 + self.run.id)

    def settle(self) -> None:
        """Wait for the thread beside the work."""
        for thread in threading.enumerate():
            if thread.name == "github":
                thread.join(10)

    def end(self, *outcomes: DeploymentResult, budget: float = 45.0):
        deployments = outcomes or (result(Outcome.SUCCESS, deployment_id=self.default_id),)
        whole = results.of_deployments(deployments)
        return self.report.finish(whole, now=datetime.now(UTC), clock=self.clock, budget=budget)


def result(status: Outcome, name: str = "", env_id: str = "", **more) -> DeploymentResult:
    deployment_id = more.pop("deployment_id", "8007")
    deployment = Deployment(
        id=deployment_id,
        status=Status.RUNNING if status is Outcome.RUNNING else Status.SUCCESS,
        commit=Commit(sha=HEAD_SHA),
        preview_url=URL,
        app_name="hello-world",
        env_name=name or "production",
    )
    return DeploymentResult(
        status=status,
        label=name or deployment.name,
        name=name,
        env_id=env_id,
        deployment_id=deployment_id,
        branch=HEAD_BRANCH,
        expected_sha=HEAD_SHA,
        deployment=deployment,
        **more,
    )


def states(github: GitHub) -> list[list[str]]:
    return [[status.state for status in each.statuses] for each in github.state.deployments]


def requests(github: GitHub) -> list[str]:
    """The requests since the last look."""
    prefix = "/repos/octocat/hello-world"
    seen = [f"{each.method} {each.path.removeprefix(prefix)}".rstrip("0123456789") for each in github.requests]
    github.requests.clear()
    return seen


def rows(github: GitHub) -> dict[str, State]:
    [comment] = [each for each in github.state.comments() if each.login.endswith("[bot]")]
    return {row.label: row.state for row in read_rows(comment.body)}


def test_a_plain_first_deploy_takes_eight_requests(github):
    step = Step(github)
    step.begin()
    assert states(github) == [["in_progress"]]
    assert rows(github) == {"hello-world / production": State.BUILDING}
    written = step.end()
    assert states(github) == [["in_progress", "success"]]
    assert rows(github) == {"hello-world / production": State.READY}
    assert written.settled
    assert written.github_deployment_ids == {"": str(github.state.deployments[0].id)}
    assert len(requests(github)) == 8


def test_a_later_deploy_takes_two_more_to_end_the_preview_that_it_replaces(github):
    for run in (7, 8, 9):
        requests(github)
        step = Step(github, run=run)
        step.begin()
        step.end()
    assert len(requests(github)) == 10


def test_what_a_preview_looks_like(github):
    step = Step(github)
    step.begin(env_id="305")
    step.end(result(Outcome.SUCCESS, env_id="305", warning="w" * 300))
    [deployment] = github.state.deployments
    assert (deployment.ref, deployment.sha, deployment.environment) == (HEAD_SHA, HEAD_SHA, "Preview")
    assert deployment.task.startswith("deploy:stormkit:")
    assert deployment.transient_environment
    assert not deployment.production_environment
    assert deployment.payload == {
        "branch": HEAD_BRANCH,
        "pull-request": 42,
        "site": "",
        "env-id": "305",
        "deployment-id": "8007",
        "run-id": 7,
        "attempt": 1,
    }
    begun, ended = deployment.statuses
    assert begun.log_url == ended.log_url == "https://github.com/octocat/hello-world/actions/runs/7"
    assert (begun.environment_url, ended.environment_url) == ("", URL)
    assert len(ended.description) == 140


@pytest.mark.parametrize(
    ("outcome", "live", "state"),
    [(Outcome.SUCCESS, True, "success"), (Outcome.SUCCESS, False, "inactive"), (Outcome.FAILED, False, "failure")],
)
def test_publishing_is_a_deployment_to_production(github, outcome, live, state):
    step = Step(github, {"publish": "true"})
    step.begin()
    step.end(result(outcome, live=live, reason="" if live else "Not published: the branch has moved on."))
    [deployment] = github.state.deployments
    assert deployment.environment == "Production"
    assert deployment.production_environment
    assert not deployment.transient_environment
    assert deployment.state == state
    assert deployment.statuses[-1].environment_url == (URL if live else "")


@pytest.mark.parametrize(
    ("outcome", "state"),
    [
        (Outcome.FAILED, "failure"),
        (Outcome.TIMED_OUT, "failure"),
        (Outcome.STOPPED, "inactive"),
        (Outcome.CANCELLED, "inactive"),
        (Outcome.SKIPPED, "inactive"),
        (Outcome.RUNNING, "in_progress"),
    ],
)
def test_what_becomes_of_it(github, outcome, state):
    step = Step(github)
    step.begin()
    step.end(result(outcome, reason="Said why."))
    [deployment] = github.state.deployments
    assert deployment.state == state
    assert deployment.statuses[-1].environment_url == ""
    assert outcome is Outcome.RUNNING or deployment.statuses[-1].description == "Said why."


@pytest.mark.parametrize(
    ("inputs", "names"),
    [
        ({"environment": "Staging"}, [""]),
        ({"environments": "docs: 305\nshop: 306"}, ["docs", "shop"]),
        ({"environments": "docs: 305"}, ["docs"]),
    ],
)
def test_names_of_environments(github, inputs, names):
    step = Step(github, inputs)
    for name in names:
        step.begin(name, env_id="305")
    base = inputs.get("environment", "Preview")
    expected = [f"{base} ({name})" if len(names) > 1 else base for name in names]
    assert [each.environment for each in github.state.deployments] == expected


def test_several_environments_at_once(github):
    step = Step(github, {"environments": "docs: 305\nshop: 306\nblog: 307"})
    for name, env_id in (("docs", "305"), ("shop", "306"), ("blog", "307")):
        step.begin(name, env_id, deployment_id=env_id)
    written = step.end(
        result(Outcome.SUCCESS, "docs", "305", deployment_id="305"),
        result(Outcome.FAILED, "shop", "306", deployment_id="306"),
        result(Outcome.SUCCESS, "blog", "307", deployment_id="307"),
    )
    assert states(github) == [["in_progress", end] for end in ("success", "failure", "success")]
    assert rows(github) == {"docs": State.READY, "shop": State.FAILED, "blog": State.READY}
    ids = [str(each.id) for each in github.state.deployments]
    assert written.github_deployment_ids == dict(zip(("docs", "shop", "blog"), ids, strict=True))


def test_a_build_that_ends_before_anything_was_told_is_told_at_the_end(github):
    written = Step(github).end()
    assert states(github) == [["success"]]
    assert written.github_deployment_ids[""]
    assert len(requests(github)) == 5


def test_a_build_that_nobody_waits_for_stays_in_progress(github):
    step = Step(github)
    step.end(result(Outcome.RUNNING))
    assert states(github) == [["in_progress"]]
    assert rows(github) == {"hello-world / production": State.BUILDING}


@pytest.mark.parametrize("comment", ["true", "false"])
def test_a_new_preview_replaces_the_earlier_one(github, comment):
    for run, outcome in ((7, Outcome.SUCCESS), (8, Outcome.FAILED), (9, Outcome.CANCELLED), (10, Outcome.SUCCESS)):
        step = Step(github, {"comment": comment}, run=run)
        step.begin()
        step.end(result(outcome, deployment_id=step.default_id))
        first = github.state.deployments[0]
        assert first.state == ("inactive" if run == 10 else "success")
    assert [each.state for each in github.state.deployments] == ["inactive", "failure", "inactive", "success"]


def test_what_a_killed_run_left_in_progress_is_replaced_too(github):
    Step(github).begin()
    later = Step(github, run=8)
    later.begin()
    later.end()
    assert [each.state for each in github.state.deployments] == ["inactive", "success"]


def test_a_forged_row_makes_nothing_inactive_that_is_no_preview_of_the_branch(github):
    """The comment's account is shared by all workflows of the repository: another may have written the row."""
    step = Step(github)
    step.begin()
    step.end()
    others = GitHubApi(token=TOKEN, repository="octocat/hello-world", api_url=github.url, clock=step.clock)
    production = others.create_deployment(
        sha=HEAD_SHA, task="deploy", environment="Production", description="", payload={}, production=True
    )
    others.set_deployment_state(production.id, "success", description="")
    [comment] = github.state.comments()
    [row] = read_rows(comment.body)
    forged = render([replace(row, active_ids=f"{row.active_ids},{production.id}")], "stormkit")
    others.edit_comment(42, comment.id, forged)
    later = Step(github, run=8)
    later.begin()
    later.end()
    assert [each.state for each in github.state.deployments] == ["inactive", "success", "success"]


def test_other_sites_and_branches_are_left_alone(github):
    for name, env_id in (("docs", "305"), ("shop", "306")):
        step = Step(github, {"label": name, "env-id": env_id, "comment": "false"})
        step.begin(env_id=env_id)
        step.end(result(Outcome.SUCCESS, env_id=env_id))
    assert [each.state for each in github.state.deployments] == ["success", "success"]


def test_an_older_run_that_ends_later_does_not_end_the_newer_ones(github):
    older = Step(github, run=7)
    older.begin()
    newer = Step(github, run=8)
    newer.begin()
    newer.end()
    older.end()
    assert github.state.deployments[1].state == "success"


def removed(name: str = "", env_id: str = "") -> DeploymentResult:
    label = name or "hello-world / production"
    return DeploymentResult(status=Outcome.SUCCESS, label=label, name=name, env_id=env_id, removed=True)


def test_a_cleanup_sets_all_of_the_branch_inactive(github):
    for run in (7, 8, 9):
        step = Step(github, run=run)
        step.begin()
    Step(github, run=10).end(removed())
    cleanup = Step(github, run=11, command=Command.CLEANUP)
    written = cleanup.end(removed())
    assert [each.state for each in github.state.deployments] == ["inactive"] * 3
    assert rows(github) == {"hello-world / production": State.REMOVED}
    assert written.comment_url
    requests(github)
    Step(github, run=12, command=Command.CLEANUP).end(removed())
    assert "POST" not in {each.split()[0] for each in requests(github) if "graphql" not in each}


def test_a_cleanup_of_one_site_leaves_the_others(github):
    both = {"environments": "docs: 305\nshop: 306"}
    step = Step(github, both)
    step.begin("docs", "305", "1")
    step.begin("shop", "306", "2")
    Step(github, {"env-id": "305", "label": "docs"}, run=8, command=Command.CLEANUP).end(removed("", "305"))
    assert [each.state for each in github.state.deployments] == ["inactive", "in_progress"]


def test_a_cleanup_that_kept_something_says_nothing(github):
    step = Step(github)
    step.begin()
    step.end()
    kept = DeploymentResult(status=Outcome.SUCCESS, label="hello-world / production")
    Step(github, run=8, command=Command.CLEANUP).end(kept)
    assert [each.state for each in github.state.deployments] == ["success"]
    assert rows(github) == {"hello-world / production": State.READY}


def test_a_publish_command_records_what_it_made_live(github):
    step = Step(github, command=Command.PUBLISH, sha="1" * 40)
    step.end(result(Outcome.SUCCESS, live=True))
    [deployment] = github.state.deployments
    assert (deployment.sha, deployment.environment, deployment.state) == (HEAD_SHA, "Production", "success")


def test_the_post_step_ends_what_a_killed_step_began(github):
    Step(github).begin()
    later = Step(github, resumed=True)
    later.end(result(Outcome.CANCELLED, reason="The job was cancelled."))
    assert states(github) == [["in_progress", "inactive"]]
    assert rows(github) == {"hello-world / production": State.CANCELLED}


def test_the_post_step_creates_nothing_and_touches_no_other_run(github):
    Step(github, run=6).begin()
    Step(github, resumed=True).end(result(Outcome.CANCELLED))
    assert states(github) == [["in_progress"]]


@pytest.mark.parametrize("kind", ["answer-lost", "never-arrived", "500"])
def test_a_lost_creation_makes_one_deployment(github, kind):
    github.fault("POST .*/deployments$", kind)
    step = Step(github)
    step.begin()
    step.end()
    assert states(github) == [["in_progress", "success"]]


@pytest.mark.parametrize("kind", ["answer-lost", "500", "502-html", "429", "secondary-limit"])
def test_a_state_is_set_in_spite_of(github, kind):
    github.fault("POST .*/statuses", kind, times=2, seconds=3)
    step = Step(github)
    step.begin()
    step.end()
    assert github.state.deployments[0].state == "success"
    assert step.report.deployments.problem == ""


def test_what_failed_at_the_beginning_may_go_right_at_the_end(github):
    github.fault("POST .*/deployments$", "500", times=2)
    step = Step(github)
    step.begin()
    assert "(500)" in step.report.deployments.problem
    written = step.end()
    assert (states(github), step.report.deployments.problem, written.settled) == ([["success"]], "", True)


def test_one_that_was_deleted_by_hand_leaves_the_others_alone(github):
    step = Step(github, {"environments": "docs: 305\nshop: 306"})
    for name, env_id in (("docs", "305"), ("shop", "306")):
        step.begin(name, env_id, env_id)
    del github.state.repository().deployments[0]
    step.end(
        result(Outcome.SUCCESS, "docs", "305", deployment_id="305"),
        result(Outcome.SUCCESS, "shop", "306", deployment_id="306"),
    )
    assert states(github) == [["in_progress", "success"]]
    assert "(404)" in step.report.deployments.problem


def test_when_the_hours_requests_are_used_up_it_says_so_and_asks_no_more_than_it_must(github):
    github.state.add_token("ghs_poor", limit=1)
    github.state.tokens["ghs_poor"].used = 1
    step = Step(github, token="ghs_poor")
    step.begin()
    step.end()
    assert requests(github) == [
        "POST /deployments",
        "GET /issues/42/comments",
        "POST /deployments",
        "GET /issues/42/comments",
    ]
    for problem in (step.report.deployments.problem, step.report.comment.problem):
        assert "rate limit exceeded" in problem
        assert "permission" not in problem


def test_without_the_permission_it_asks_once_and_the_comment_is_written(github):
    github.state.add_token("ghs_commenter", permissions={"pull_requests": "write"})
    step = Step(github, token="ghs_commenter")
    step.begin()
    written = step.end()
    assert "permissions: { deployments: write }" in step.report.deployments.problem
    assert written.github_deployment_ids == {}
    assert written.settled
    assert rows(github) == {"hello-world / production": State.READY}
    assert sum("/deployments" in each for each in requests(github)) == 1


@pytest.mark.parametrize(
    ("inputs", "options"),
    [
        ({"github-deployment": "false", "comment": "false"}, {}),
        ({}, {"event": ""}),
        ({}, {"command": Command.STATUS}),
    ],
)
def test_where_nothing_is_wanted_nothing_is_asked(github, inputs, options):
    step = Step(github, inputs, **options)
    step.begin()
    written = step.end()
    assert (written.comment_url, written.github_deployment_ids, requests(github)) == ("", {}, [])


def test_without_a_commit_there_is_no_deployment(github):
    step = Step(github, {"comment": "false"}, sha="")
    step.begin()
    step.end()
    assert requests(github) == []
    assert "commit is not known" in step.report.deployments.problem


def test_of_several_things_to_say_about_a_row_the_newest_is_said(github):
    github.latency = 0.05
    step = Step(github, {"github-deployment": "false"})
    for usual in range(20):
        running = result(Outcome.RUNNING)
        step.report.building("", row_of(running, run=step.run, now=TODAY, usual=usual + 60))
    step.settle()
    [comment] = github.state.comments()
    assert read_rows(comment.body)[0].usual == 79
    assert len(comment.history) < 5


def test_the_last_word_is_not_overtaken_by_what_is_under_way(github):
    clock = SystemClock(Cancellation())
    step = Step(github, {"github-deployment": "false"}, clock=clock)
    github.fault("POST .*/comments", "slow", seconds=0.4)
    running = result(Outcome.RUNNING)
    step.report.building("", row_of(running, run=step.run, now=TODAY))
    while not github.received("POST", "/comments"):
        clock.sleep(0.01)
    step.end()
    assert rows(github) == {"hello-world / production": State.READY}


def test_the_last_word_does_not_wait_for_a_pause_that_github_asked_for(github):
    clock = SystemClock(Cancellation())
    step = Step(github, {"github-deployment": "false"}, clock=clock)
    github.fault("POST .*/comments", "secondary-limit", seconds=20)
    step.report.building("", row_of(result(Outcome.RUNNING), run=step.run, now=TODAY))
    while not github.received("POST", "/comments"):
        clock.sleep(0.01)
    began = clock.monotonic()
    step.end()
    assert clock.monotonic() - began < 10
    assert rows(github) == {"hello-world / production": State.READY}


def test_after_a_cancel_it_waits_for_what_is_under_way_but_begins_nothing_more(github):
    cancellation = Cancellation()
    clock = SystemClock(cancellation)
    step = Step(github, clock=clock)
    github.fault("POST .*/deployments$", "slow", seconds=0.5)
    environment = Environment(client=StormkitClient(Transport(origin=URL, api_key="SK", clock=clock, secrets=())))
    step.report.triggered(environment, "8007")
    step.report.building("", row_of(result(Outcome.RUNNING), run=step.run, now=TODAY))
    while not github.received("POST", "/deployments"):
        clock.sleep(0.01)
    cancellation.request()
    free = clock.uncancelled()
    began = free.monotonic()
    told = results.of_deployments((result(Outcome.CANCELLED, reason="The job was cancelled."),))
    written = step.report.finish(told, now=TODAY, clock=free, budget=2.5)
    assert free.monotonic() - began < 2.5
    assert states(github) == [["inactive"]]
    assert rows(github) == {"hello-world / production": State.CANCELLED}
    assert written.settled


def test_a_github_that_hangs_holds_up_nothing(github):
    clock = SystemClock(Cancellation())
    step = Step(github, clock=clock)
    github.fault(".*", "slow", times=100, seconds=30)
    began = clock.monotonic()
    written = step.end(result(Outcome.CANCELLED), budget=1.0)
    assert clock.monotonic() - began < 2.0
    assert not written.settled
