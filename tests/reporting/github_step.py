"""A step's report to a local GitHub on a fake clock, its results, and what GitHub shows afterwards."""

import threading
from collections.abc import Mapping
from datetime import UTC, datetime

from sandbox.clock import TODAY, FakeClock
from sandbox.events import HEAD_BRANCH, HEAD_SHA
from sandbox.github.server import TOKEN, GitHub
from stormkit_action import inputs as action_inputs
from stormkit_action import result as results
from stormkit_action.event import Event, Run
from stormkit_action.github_api.api import GitHubApi
from stormkit_action.inputs import Command
from stormkit_action.plan import Plan
from stormkit_action.reporting.comment_body import read_rows
from stormkit_action.reporting.console import GitHubConsole
from stormkit_action.reporting.github_report import GitHubReport
from stormkit_action.reporting.rows import State, row_of
from stormkit_action.result import DeploymentResult, Outcome
from stormkit_action.stormkit.models import Commit, Deployment, Status

URL = "https://docs.example.com"


class ReportingStep:
    """One step that reports to GitHub, on a fake clock unless another one is given."""

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
        action: str = "opened",
        resumed: bool = False,
        token: str = TOKEN,
        clock: FakeClock | None = None,
        branch: str = HEAD_BRANCH,
        began: float | None = None,
    ) -> None:
        self.clock = clock or FakeClock()
        values = {"api-key": "SK_sandbox", "github-token": token, **(inputs or {})}
        self.inputs = action_inputs.read({f"INPUT_{name.upper()}": text for name, text in values.items()})
        url = f"https://github.com/octocat/hello-world/actions/runs/{run}"
        self.run = Run(id=run, attempt=attempt, job="preview", url=url)
        self.report = GitHubReport(
            github=GitHubApi(token=token, repository="octocat/hello-world", api_url=github.url, clock=self.clock),
            inputs=self.inputs,
            event=Event(name=event, action=action, repository="octocat/hello-world", sha=sha, run=self.run),
            plan=Plan(command=command, branch=branch, expected_sha=sha, pull_request=pull_request),
            clock=self.clock,
            console=GitHubConsole(),
            resumed=resumed,
            # Steps of later runs begin later.
            began=TODAY.timestamp() + run if began is None else began,
        )

    def begin(self, name: str = "", env_id: str = "305", deployment_id: str = "") -> None:
        """Report a running build, as after the trigger and the first read, and wait for the writes."""
        running = result(Outcome.RUNNING, name, env_id, deployment_id=deployment_id or self.default_id)
        self.report.building(name, row_of(running, run=self.run, now=TODAY, usual=60, elapsed=5))
        self.report.started(running)
        self.wait_for_writes()

    @property
    def default_id(self) -> str:
        return str(8000 + self.run.id)

    def wait_for_writes(self) -> None:
        """Wait for the reporting thread to finish its writes."""
        for thread in threading.enumerate():
            if thread.name == "github":
                thread.join(10)

    def end(self, *outcomes: DeploymentResult, budget: float = 45.0):
        """Report the end of the step, a success unless results are given."""
        deployments = outcomes or (result(Outcome.SUCCESS, deployment_id=self.default_id),)
        step_result = results.of_deployments(deployments)
        return self.report.finish(step_result, now=datetime.now(UTC), clock=self.clock, budget=budget)


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


def ended_result(*deployment_ids: str, env_id: str = "305", **more) -> DeploymentResult:
    """The result of a command that ended these deployments."""
    return result(Outcome.SUCCESS, env_id=env_id, deployment_id=deployment_ids[0], ended_ids=deployment_ids, **more)


def removed_result(name: str = "", env_id: str = "305") -> DeploymentResult:
    """The result of a cleanup that removed everything of the branch."""
    label = name or "hello-world / production"
    return DeploymentResult(status=Outcome.SUCCESS, label=label, name=name, env_id=env_id, removed=True)


def status_histories(github: GitHub) -> list[list[str]]:
    """All states that each GitHub Deployment has had."""
    return [[status.state for status in deployment.statuses] for deployment in github.state.deployments]


def deployment_states(github: GitHub) -> list[str]:
    """The current state of each GitHub Deployment."""
    return [deployment.state for deployment in github.state.deployments]


def recorded_requests(github: GitHub) -> list[str]:
    """The requests since the last call, as method and path without numbers at the end."""
    prefix = "/repos/octocat/hello-world"
    seen = [f"{request.method} {request.path.removeprefix(prefix)}".rstrip("0123456789") for request in github.requests]
    github.requests.clear()
    return seen


def row_states(github: GitHub) -> dict[str, State]:
    """The states of the rows in the bot's only comment, by label."""
    [comment] = [comment for comment in github.state.comments() if comment.login.endswith("[bot]")]
    return {row.label: row.state for row in read_rows(comment.body)}
