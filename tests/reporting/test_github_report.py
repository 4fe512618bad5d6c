"""What a step tells GitHub, from the trigger to its end: GitHub Deployments and the comment, and what both cost."""

import threading
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

import pytest

from sandbox.clock import TODAY, FakeClock
from sandbox.events import HEAD_BRANCH, HEAD_SHA
from sandbox.github.server import TOKEN, GitHub
from sandbox.web import ReceivedRequest, Reply
from stormkit_action import inputs as action_inputs
from stormkit_action import result as results
from stormkit_action.cancellation import Cancellation
from stormkit_action.clock import SystemClock
from stormkit_action.event import Event, Run
from stormkit_action.github_api.api import GitHubApi
from stormkit_action.inputs import Command
from stormkit_action.plan import Plan
from stormkit_action.reporting.comment_body import read_rows, render
from stormkit_action.reporting.console import GitHubConsole
from stormkit_action.reporting.github_report import BUDGET_S, GitHubReport
from stormkit_action.reporting.rows import State, row_of
from stormkit_action.result import DeploymentResult, Outcome
from stormkit_action.stormkit.models import Commit, Deployment, Status

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
        attempt: int = 1,
        command: Command = Command.DEPLOY,
        sha: str = HEAD_SHA,
        pull_request: int | None = 42,
        event: str = "pull_request",
        resumed: bool = False,
        token: str = TOKEN,
        clock: FakeClock | None = None,
        branch: str = HEAD_BRANCH,
        began: float | None = None,
    ) -> None:
        self.clock = clock or FakeClock()
        given = {"api-key": "SK_sandbox", "github-token": token, **(inputs or {})}
        self.inputs = action_inputs.read({f"INPUT_{name.upper()}": text for name, text in given.items()})
        url = f"https://github.com/octocat/hello-world/actions/runs/{run}"
        self.run = Run(id=run, attempt=attempt, job="preview", url=url)
        self.report = GitHubReport(
            github=GitHubApi(token=token, repository="octocat/hello-world", api_url=github.url, clock=self.clock),
            inputs=self.inputs,
            event=Event(name=event, repository="octocat/hello-world", sha=sha, run=self.run),
            plan=Plan(command=command, branch=branch, expected_sha=sha, pull_request=pull_request),
            clock=self.clock,
            console=GitHubConsole(),
            resumed=resumed,
            # Steps of later runs begin later.
            began=TODAY.timestamp() + run if began is None else began,
        )

    def begin(self, name: str = "", env_id: str = "305", deployment_id: str = "") -> None:
        """The trigger, and the first look at the build."""
        running = result(Outcome.RUNNING, name, env_id, deployment_id=deployment_id or self.default_id)
        self.report.building(name, row_of(running, run=self.run, now=TODAY, usual=60, elapsed=5))
        self.report.started(running)
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


def result(status: Outcome, name: str = "", env_id: str = "305", **more) -> DeploymentResult:
    deployment_id = more.pop("deployment_id", "8007")
    deployment = Deployment(
        id=deployment_id,
        status={
            Outcome.RUNNING: Status.RUNNING,
            Outcome.FAILED: Status.FAILED,
            Outcome.CANCELLED: Status.STOPPED,
            Outcome.STOPPED: Status.STOPPED,
        }.get(status, Status.SUCCESS),
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
    return [[status.state for status in deployment.statuses] for deployment in github.state.deployments]


def deployment_states(github: GitHub) -> list[str]:
    return [deployment.state for deployment in github.state.deployments]


def requests(github: GitHub) -> list[str]:
    """The requests since the last look."""
    prefix = "/repos/octocat/hello-world"
    seen = [f"{each.method} {each.path.removeprefix(prefix)}".rstrip("0123456789") for each in github.requests]
    github.requests.clear()
    return seen


def rows(github: GitHub) -> dict[str, State]:
    [comment] = [each for each in github.state.comments() if each.login.endswith("[bot]")]
    return {row.label: row.state for row in read_rows(comment.body)}


def test_a_plain_first_deploy_takes_seven_requests(github):
    step = Step(github)
    step.begin()
    assert states(github) == [[]]
    assert rows(github) == {"hello-world / production": State.BUILDING}
    written = step.end()
    assert states(github) == [["success"]]
    assert rows(github) == {"hello-world / production": State.READY}
    assert written.settled
    assert written.github_deployment_ids == {"": str(github.state.deployments[0].id)}
    assert len(requests(github)) == 7


def test_a_later_deploy_takes_one_more_to_end_the_preview_that_it_replaces(github):
    for run in (7, 8, 9):
        requests(github)
        step = Step(github, run=run)
        step.begin()
        step.end()
    assert len(requests(github)) == 8
    assert deployment_states(github) == ["inactive", "inactive", "success"]


def test_a_deploy_after_a_failed_one_takes_no_more(github):
    for run, outcome in ((7, Outcome.SUCCESS), (8, Outcome.FAILED), (9, Outcome.SUCCESS)):
        requests(github)
        step = Step(github, run=run)
        step.begin()
        step.end(result(outcome, deployment_id=step.default_id))
    assert len(requests(github)) == 8
    assert deployment_states(github) == ["inactive", "failure", "success"]


def test_a_github_deployment_is_created_once_stormkit_has_told_the_environment(github):
    step = Step(github)
    running = result(Outcome.RUNNING)
    step.report.started(running._replace(env_id="", deployment=None))
    step.settle()
    assert github.state.deployments == []
    step.report.building("", row_of(running, run=step.run, now=TODAY))
    step.settle()
    assert github.state.deployments[0].payload["env-id"] == "305"


def test_a_build_of_any_length_takes_no_more_requests(github):
    step = Step(github)
    step.begin()
    for elapsed in range(0, 600, 20):
        running = result(Outcome.RUNNING, deployment_id=step.default_id)
        step.report.building("", row_of(running, run=step.run, now=TODAY, usual=300, elapsed=elapsed))
        step.settle()
    step.end()
    assert len(requests(github)) == 7
    assert len(github.state.comments()[0].history) == 2


def test_the_comment_comes_before_the_github_deployment(github):
    step = Step(github)
    step.begin()
    assert requests(github) == ["GET /issues/42/comments", "POST /issues/42/comments", "POST /deployments"]
    step.end()
    assert requests(github)[:3] == ["GET /issues/42/comments", "PATCH /issues/comments/", "GET /issues/42/comments"]


def test_the_commit_that_is_expected_is_shown_until_stormkit_tells_it(github):
    step = Step(github)
    running = result(Outcome.RUNNING)
    waiting = running._replace(deployment=running.deployment._replace(commit=Commit()))
    step.report.building("", row_of(waiting, run=step.run, now=TODAY))
    step.settle()
    assert read_rows(github.state.comments()[0].body)[0].sha == HEAD_SHA


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
    [ended] = deployment.statuses
    assert (ended.log_url, ended.environment_url) == ("https://github.com/octocat/hello-world/actions/runs/7", URL)
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
    assert deployment.statuses[-1].description == "Said why."


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
    assert states(github) == [["success"], ["failure"], ["success"]]
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
    assert deployment_states(github) == ["inactive", "failure", "inactive", "success"]


def test_what_a_killed_run_left_in_progress_is_replaced_too(github):
    Step(github).begin()
    later = Step(github, run=8)
    later.begin()
    later.end()
    assert deployment_states(github) == ["inactive", "success"]


def create_production(github: GitHub, clock: FakeClock, **more):
    """A live GitHub Deployment to production."""
    others = GitHubApi(token=TOKEN, repository="octocat/hello-world", api_url=github.url, clock=clock)
    given = {"task": "deploy", "payload": {}, **more}
    created = others.create_deployment(sha=HEAD_SHA, environment="Production", description="", production=True, **given)
    others.set_deployment_state(created.id, "success", description="")
    return github.state.deployments[-1]


@pytest.mark.threat("A hostile comment author")
def test_a_forged_row_makes_nothing_inactive_that_is_no_preview_of_the_branch(github):
    """The comment's account is shared by all workflows of the repository: another may have written the row."""
    step = Step(github)
    step.begin()
    step.end()
    production = create_production(github, step.clock, payload={"deployment-id": "666", "env-id": "305"})
    [comment] = github.state.comments()
    [row] = read_rows(comment.body)
    forged = render([row._replace(good_id="666", deployment_id="666")], "stormkit")
    step.report._github.edit_comment(42, comment.id, forged)
    later = Step(github, run=8)
    later.begin()
    later.end()
    assert deployment_states(github) == ["inactive", "success", "success"]
    assert production.state == "success"


@pytest.mark.parametrize("comment", ["true", "false"])
def test_a_preview_of_the_branch_that_is_live_leaves_its_production_deployment_alone(github, comment):
    live = Step(github, {"publish": "true", "comment": comment})
    live.begin()
    live.end(result(Outcome.SUCCESS, live=True))
    preview = Step(github, {"comment": comment}, run=8)
    preview.begin()
    preview.end()
    assert deployment_states(github) == ["success", "success"]


def test_of_several_published_pushes_only_the_live_one_stays_active(github):
    for run, branch in ((7, "main"), (8, "main"), (9, "hotfix")):
        step = Step(github, {"publish": "true"}, run=run, branch=branch, pull_request=None, event="push")
        step.begin()
        step.end(result(Outcome.SUCCESS, deployment_id=step.default_id, live=True))
    assert deployment_states(github) == ["inactive", "inactive", "success"]


def test_what_somebody_else_deployed_to_production_is_left_alone(github):
    step = Step(github, {"publish": "true"})
    theirs = create_production(github, step.clock, task="deploy:other", payload={"env-id": "305"})
    step.begin()
    step.end(result(Outcome.SUCCESS, live=True))
    assert theirs.state == "success"


def test_another_environments_production_is_left_alone(github):
    for run, env_id in ((7, "305"), (8, "306")):
        step = Step(github, {"publish": "true", "comment": "false"}, run=run)
        step.begin(env_id=env_id)
        step.end(result(Outcome.SUCCESS, env_id=env_id, deployment_id=step.default_id, live=True))
    assert deployment_states(github) == ["success", "success"]


@pytest.mark.parametrize("inputs", [{"comment": "false"}, {}])
def test_two_sites_with_a_key_each_leave_each_other_alone_without_env_id_and_label(github, inputs):
    """What tells them apart is the environment that Stormkit answered."""
    for run, env_id in ((7, "305"), (8, "306"), (9, "305")):
        step = Step(github, inputs, run=run)
        step.begin(env_id=env_id)
        step.end(result(Outcome.SUCCESS, env_id=env_id, deployment_id=step.default_id))
    assert deployment_states(github) == ["inactive", "success", "success"]
    if not inputs:
        [comment] = github.state.comments()
        found = {row.env_id: row.deployment_id for row in read_rows(comment.body)}
        assert found == {"305": "8009", "306": "8008"}
        assert "hello-world / production (305)" in comment.body.replace("&#40;", "(").replace("&#41;", ")")


def test_an_older_build_that_ends_later_does_not_come_back(github):
    older = Step(github, run=7)
    older.begin()
    newer = Step(github, run=8)
    newer.begin()
    newer.end(result(Outcome.SUCCESS, deployment_id="8008"))
    older.end()
    assert deployment_states(github) == ["inactive", "success"]
    assert read_rows(github.state.comments()[0].body)[0].deployment_id == "8008"


def test_the_log_says_when_a_row_is_left_to_a_step_that_began_later(github, capsys):
    newer = Step(github, run=8)
    newer.begin()
    newer.end()
    older = Step(github, run=9, began=TODAY.timestamp())
    older.end()
    told = "Left the comment's row of hello-world / production as it is: run 8 (attempt 1) began later."
    assert told in capsys.readouterr().out


def test_a_rerun_of_an_old_run_is_newer_than_what_it_finds(github):
    first = Step(github, run=100, began=1000)
    first.begin()
    first.end()
    closed = Step(github, run=101, began=2000, command=Command.CLEANUP)
    closed.end(removed(env_id="305"))
    assert rows(github) == {"hello-world / production": State.REMOVED}
    rerun = Step(github, run=100, attempt=2, began=3000)
    rerun.begin(deployment_id="8300")
    rerun.end(result(Outcome.SUCCESS, deployment_id="8300"))
    assert rows(github) == {"hello-world / production": State.READY}
    assert deployment_states(github) == ["inactive", "success"]


def test_a_build_that_is_tried_again_is_another_github_deployment(github):
    step = Step(github)
    step.begin(deployment_id="8241")
    step.begin(deployment_id="8242")
    step.end(result(Outcome.SUCCESS, deployment_id="8242"))
    assert deployment_states(github) == ["failure", "success"]
    assert [each.payload["deployment-id"] for each in github.state.deployments] == ["8241", "8242"]


def ended(*deployment_ids: str, env_id: str = "305", **more) -> DeploymentResult:
    return result(Outcome.SUCCESS, env_id=env_id, deployment_id=deployment_ids[0], ended_ids=deployment_ids, **more)


def test_what_delete_removed_is_offered_nowhere(github):
    step = Step(github)
    step.begin()
    step.end()
    Step(github, run=8, command=Command.DELETE).end(result(Outcome.SUCCESS))
    assert rows(github) == {"hello-world / production": State.REMOVED}
    assert URL not in github.state.comments()[0].body
    assert deployment_states(github) == ["inactive"]


def test_delete_of_another_deployment_leaves_what_is_shown(github):
    step = Step(github)
    step.begin()
    step.end()
    Step(github, run=8, command=Command.DELETE).end(ended("8241"))
    assert rows(github) == {"hello-world / production": State.READY}
    assert deployment_states(github) == ["success"]


@pytest.mark.parametrize("command", [Command.DELETE, Command.STOP])
def test_a_command_that_was_refused_leaves_what_is_shown(github, command):
    step = Step(github)
    step.begin()
    step.end()
    Step(github, run=8, command=command).end(result(Outcome.FAILED, reason="It is published."))
    assert rows(github) == {"hello-world / production": State.READY}
    assert deployment_states(github) == ["success"]


def test_what_stop_stopped_is_shown_as_stopped(github):
    step = Step(github)
    step.begin()
    step.end(result(Outcome.RUNNING))
    Step(github, run=8, command=Command.STOP).end(result(Outcome.STOPPED, ended_ids=("8007",)))
    assert rows(github) == {"hello-world / production": State.STOPPED}
    assert deployment_states(github) == ["inactive"]


QUEUE = "gh-readonly-queue/main/pr-42-" + "a" * 40


def test_a_merge_group_leaves_the_pull_requests_row_alone_and_nothing_active_behind(github):
    step = Step(github)
    step.begin()
    step.end()
    before = github.state.comments()[0].body
    queue = Step(github, run=8, branch=QUEUE, event="merge_group")
    queue.begin()
    built = result(Outcome.SUCCESS, deployment_id="8008")
    built = built._replace(deployment=built.deployment._replace(branch=QUEUE))
    queue.end(built)
    assert deployment_states(github) == ["success", "success"]
    Step(github, run=8, branch=QUEUE, event="merge_group", command=Command.DELETE).end(
        built._replace(ended_ids=("8008",))
    )
    assert github.state.comments()[0].body == before
    assert deployment_states(github) == ["success", "inactive"]


def test_delete_ends_the_github_deployment_of_another_branch_than_the_events(github):
    queue = Step(github, branch=QUEUE, event="merge_group")
    queue.begin()
    queue.end()
    gone = ended("8007")
    gone = gone._replace(deployment=gone.deployment._replace(branch=QUEUE))
    Step(github, run=8, command=Command.DELETE, branch="main", event="push", pull_request=None).end(gone)
    assert deployment_states(github) == ["inactive"]


def test_a_deployment_of_a_pull_request_that_was_closed_meanwhile_leaves_nothing_behind(github):
    step = Step(github)
    step.begin()
    step.end(result(Outcome.SKIPPED, reason="Pull request #42 is closed.", ended_ids=("8007",)))
    assert rows(github) == {"hello-world / production": State.REMOVED}
    assert deployment_states(github) == ["inactive"]


def test_two_pull_requests_of_one_branch_both_get_the_comment(github):
    github.state.add_pull_request(43, base_ref="develop")
    step = Step(github, pull_request=None, event="push")
    step.begin()
    step.end()
    for number in (42, 43):
        [comment] = github.state.comments(number)
        assert [row.state for row in read_rows(comment.body)] == [State.READY]


def test_pull_requests_that_get_no_comment_are_named(github, capsys):
    for number in (43, 44, 45):
        github.state.add_pull_request(number)
    step = Step(github, pull_request=None, event="push")
    step.end()
    assert "Pull request #45 has the same branch, but did not get the comment." in capsys.readouterr().out


def test_the_run_of_a_tag_gets_no_row_in_the_pull_request_of_its_commit(github):
    step = Step(github, pull_request=None, event="workflow_run", branch="v1.2.3")
    step.end(result(Outcome.FAILED))
    assert github.state.comments() == []
    assert "no open pull request of v1.2.3" in step.report.comment.problem


def test_the_pull_request_of_a_workflow_run_is_found_by_its_commit(github):
    Step(github, pull_request=None, event="workflow_run").end()
    assert rows(github) == {"hello-world / production": State.READY}


@pytest.mark.parametrize(("switch", "is_warning"), [("auto", False), ("true", True)])
def test_without_permission_auto_says_so_in_one_plain_line(github, switch, is_warning):
    github.state.add_token("ghs_reader", permissions={"contents": "read"})
    step = Step(github, {"comment": switch, "github-deployment": switch}, token="ghs_reader")
    step.begin()
    step.end()
    assert [problem.is_warning for problem in step.report.problems()] == [is_warning, is_warning]


class FastClock(SystemClock):
    """The real time, in which a minute takes a second."""

    def __init__(self) -> None:
        super().__init__(Cancellation())

    def monotonic(self) -> float:
        return 60 * super().monotonic()

    def sleep(self, seconds: float) -> None:
        super().sleep(seconds / 60)


class ContentLimit(GitHub):
    """A GitHub that takes 80 writes a minute, as GitHub does, counted by a step's clock."""

    def __init__(self, clock: FastClock) -> None:
        super().__init__()
        self.clock = clock
        self.writes: list[float] = []
        self.refused = 0

    def handle(self, request: ReceivedRequest) -> Reply:
        if request.method == "GET" or request.path == "/graphql":
            return super().handle(request)
        now = self.clock.monotonic()
        if sum(now - 60 < at for at in self.writes) >= 80:
            self.refused += 1
            body = {"message": "You have exceeded a secondary rate limit."}
            return Reply(status=403, headers={"retry-after": "60"}, body=body)
        self.writes.append(now)
        return super().handle(request)


@pytest.mark.parametrize("rounds", [1, 2])
def test_64_environments_are_all_told_with_80_writes_a_minute(rounds):
    clock = FastClock()
    names = [f"site-{number:02}" for number in range(64)]
    inputs = {"environments": "\n".join(f"{name}: {300 + number}" for number, name in enumerate(names))}
    with ContentLimit(clock) as github:
        for run in range(7, 7 + rounds):
            step = Step(github, inputs, run=run, clock=clock)
            outcomes = []
            for number, name in enumerate(names):
                made = result(Outcome.RUNNING, name, str(300 + number), deployment_id=f"{run}{number:03}")
                step.report.building(name, row_of(made, run=step.run, now=TODAY))
                step.report.started(made)
                outcomes.append(made._replace(status=Outcome.SUCCESS))
            step.settle()
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


def test_what_could_not_be_written_in_time_is_one_warning(github):
    step = Step(github, {"environments": "docs: 305\nshop: 306\nblog: 307"})
    made = [
        result(Outcome.SUCCESS, name, env_id, deployment_id=env_id)
        for name, env_id in (("docs", "305"), ("shop", "306"), ("blog", "307"))
    ]
    for deployment in made:
        step.report.started(deployment)
    step.settle()
    github.fault("POST .*/statuses", "secondary-limit", times=100, seconds=600)
    written = step.end(*made)
    [problem] = step.report.problems()
    assert problem.is_warning
    assert problem.text.startswith("GitHub Deployment: 3 of 3 are not up to date. GitHub refused setting")
    assert not written.settled
    assert rows(github) == {"docs": State.READY, "shop": State.READY, "blog": State.READY}


def removed(name: str = "", env_id: str = "305") -> DeploymentResult:
    label = name or "hello-world / production"
    return DeploymentResult(status=Outcome.SUCCESS, label=label, name=name, env_id=env_id, removed=True)


def test_a_cleanup_sets_all_of_the_branch_inactive(github):
    for run in (7, 8, 9):
        step = Step(github, run=run)
        step.begin()
    cleanup = Step(github, run=11, command=Command.CLEANUP)
    written = cleanup.end(removed())
    assert deployment_states(github) == ["inactive"] * len(github.state.deployments)
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
    assert deployment_states(github) == ["inactive", ""]


def test_a_cleanup_that_kept_something_says_nothing(github):
    step = Step(github)
    step.begin()
    step.end()
    kept = DeploymentResult(status=Outcome.SUCCESS, label="hello-world / production")
    Step(github, run=8, command=Command.CLEANUP).end(kept)
    assert deployment_states(github) == ["success"]
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
    assert states(github) == [["inactive"]]
    assert rows(github) == {"hello-world / production": State.CANCELLED}


def test_the_post_step_creates_nothing_and_touches_no_other_run(github):
    Step(github, run=6).begin()
    Step(github, resumed=True).end(result(Outcome.CANCELLED))
    assert states(github) == [[]]


@pytest.mark.parametrize("kind", ["answer-lost", "never-arrived", "500"])
def test_a_lost_creation_makes_one_deployment(github, kind):
    github.fault("POST .*/deployments$", kind)
    step = Step(github)
    step.begin()
    step.end()
    assert states(github) == [["success"]]


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
    assert states(github) == [["success"]]
    assert "(404)" in step.report.deployments.problem


def test_when_the_hours_requests_are_used_up_it_says_so_and_asks_no_more_than_it_must(github):
    github.state.add_token("ghs_poor", limit=1)
    github.state.tokens["ghs_poor"].used = 1
    step = Step(github, token="ghs_poor")
    step.begin()
    step.end()
    assert requests(github) == ["GET /issues/42/comments", "POST /deployments"] * 2
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


@pytest.mark.parametrize("expected", ["", HEAD_SHA[:9]])
def test_without_a_whole_commit_there_is_no_deployment_before_stormkit_names_it(github, expected):
    step = Step(github, {"comment": "false"}, sha=expected)
    step.begin()
    assert requests(github) == []
    step.end()
    [deployment] = github.state.deployments
    assert (deployment.sha, deployment.state) == (HEAD_SHA, "success")


def test_without_any_commit_there_is_no_deployment(github):
    step = Step(github, {"comment": "false"}, sha="")
    ended = result(Outcome.SUCCESS, deployment_id=step.default_id)
    step.end(ended._replace(deployment=ended.deployment._replace(commit=Commit())))
    assert requests(github) == []
    assert "did not say which commit" in step.report.deployments.problem


def test_of_several_things_to_say_about_a_row_the_newest_is_said(github):
    github.latency = 0.05
    step = Step(github, {"github-deployment": "false"})
    for usual in range(20):
        running = result(Outcome.RUNNING, deployment_id=str(8000 + usual))
        step.report.building("", row_of(running, run=step.run, now=TODAY))
    step.settle()
    [comment] = github.state.comments()
    assert read_rows(comment.body)[0].deployment_id == "8019"
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
    step.report.started(result(Outcome.RUNNING))
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


class SameMoment(GitHub):
    """A GitHub at which the next edits of two tokens are both on their way before the first of them is carried out."""

    def __init__(self) -> None:
        super().__init__()
        self.first = ""
        self.together = threading.Barrier(2, timeout=10)
        self.first_is_done = threading.Event()
        self.waiting: set[str] = set()

    def handle(self, request: ReceivedRequest) -> Reply:
        caller = request.headers["authorization"].split()[-1]
        if request.method != "PATCH" or caller not in self.waiting:
            return super().handle(request)
        self.waiting.discard(caller)
        self.together.wait()
        if caller != self.first:
            assert self.first_is_done.wait(10)
        reply = super().handle(request)
        self.first_is_done.set()
        return reply


@pytest.mark.parametrize("first", ["old site", "new site"])
@pytest.mark.parametrize("inputs", [{}, {"github-deployment": "false"}], ids=["with deployments", "comment alone"])
def test_no_row_is_lost_when_a_new_site_begins_as_the_only_other_one_ends(first, inputs):
    with SameMoment() as github:
        for token in ("old site", "new site"):
            github.state.add_token(token.replace(" ", "_"))
        earlier = Step(github, inputs, run=7)
        earlier.begin()
        earlier.end()
        old = Step(github, inputs, run=8, token="old_site")
        old.begin()
        new = Step(github, inputs, run=8, token="new_site")
        github.first, github.waiting = first.replace(" ", "_"), {"old_site", "new_site"}
        ending = threading.Thread(target=old.end)
        ending.start()
        new.begin("docs", "306", "8108")
        ending.join(10)
        assert not github.waiting
        new.end(result(Outcome.SUCCESS, "docs", "306", deployment_id="8108"))
        assert rows(github) == {"hello-world / production": State.READY, "docs": State.READY}
        [comment] = github.state.comments()
        assert {row.deployment_id for row in read_rows(comment.body)} == {"8008", "8108"}
