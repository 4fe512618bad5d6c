"""What a command works with, and where it reports its progress."""

from typing import NamedTuple, Protocol

from stormkit_action.clock import Clock, Deadline
from stormkit_action.errors import CommandError
from stormkit_action.event import Event
from stormkit_action.github_api.api import GitHubApi
from stormkit_action.inputs import BuildLog, Environment, Inputs
from stormkit_action.names import Names
from stormkit_action.plan import Plan
from stormkit_action.result import DeploymentResult, Outcome
from stormkit_action.stormkit.client import StormkitClient
from stormkit_action.stormkit.models import Deployment
from stormkit_action.stormkit.waiting import Progress
from stormkit_action.text import site_prefix


class WrongEnvironment(CommandError):
    """The API key belongs to the environment of `deployment`, not to the one that the inputs name."""

    def __init__(self, text: str, deployment: Deployment) -> None:
        super().__init__(text)
        self.deployment = deployment


class Reporter(Protocol):
    """Receives a command's progress. Nothing it does may fail the command."""

    def log(self, text: str) -> None:
        """Write a line into the log."""
        ...

    def warning(self, text: str) -> None:
        """Write something into the log that a person should look at."""
        ...

    def triggering(self, environment: Environment) -> None:
        """A trigger is about to be sent: from now on a build may exist."""
        ...

    def started(self, result: DeploymentResult) -> None:
        """A deployment was triggered, or one that our trigger had started was found."""
        ...

    def progress(self, result: DeploymentResult, progress: Progress) -> None:
        """How the build stands."""
        ...

    def build_log(self, result: DeploymentResult, *, complete: bool) -> None:
        """The build log as far as it has come; no more comes once it is `complete`."""
        ...


class Context(NamedTuple):
    """Everything a command gets: inputs and plan, API clients, deadline and reporter.

    `environment` is the Stormkit environment as the inputs name it: both of its fields are empty where the API key
    alone says which one it is. `github` is None outside of GitHub. `clock`'s waits end when the job is cancelled;
    `deadline` is the step's timeout.
    """

    inputs: Inputs
    event: Event
    plan: Plan
    environment: Environment
    stormkit: StormkitClient
    github: GitHubApi | None
    clock: Clock
    deadline: Deadline
    reporter: Reporter

    def log(self, text: str) -> None:
        """Write a line about this environment into the log."""
        self.reporter.log(f"{site_prefix(self.environment.name)}{text}")

    def warn(self, text: str) -> None:
        """Write something about this environment into the log that a person should look at."""
        self.reporter.warning(f"{site_prefix(self.environment.name)}{text}")

    @property
    def names(self) -> Names:
        """What messages call inputs."""
        return self.stormkit.names

    @property
    def client(self) -> StormkitClient:
        """Stormkit, every call to which ends with the step's deadline."""
        return self.stormkit.within(self.deadline)

    def result(
        self,
        deployment: Deployment | None,
        status: Outcome | None = None,
        reason: str = "",
        *,
        deployment_id: str = "",
        elapsed: float = 0.0,
    ) -> DeploymentResult:
        """The result that `deployment` stands for, as Stormkit reports it unless `status` says otherwise.

        The only constructor of results. `deployment` is None where nothing was read; `deployment_id` names one that
        could not be read. `elapsed` is how many seconds this step has waited for it.
        """
        if deployment and self.inputs.build_log is BuildLog.NEVER:
            deployment = deployment.without_output()
        requested = self.environment.env_id
        env_id = (deployment.env_id if deployment else "") or requested
        # With a wrong API key the deployment has another environment's name.
        reported_name = deployment.name if deployment and requested in ("", env_id) else ""
        status_read = Outcome(deployment.status.value) if deployment else Outcome.SUCCESS
        branch = (deployment.branch if deployment else "") or self.plan.branch
        return DeploymentResult(
            status=status or status_read,
            reason=reason,
            label=self.environment.name or self.inputs.label or reported_name,
            name=self.environment.name,
            env_id=env_id,
            requested_env_id=requested,
            deployment_id=deployment.id if deployment else deployment_id or self.inputs.deployment_id,
            branch=branch,
            expected_sha=self.plan.expected_sha if branch == self.plan.branch else "",
            deployment=deployment,
            dashboard_url=self.inputs.dashboard_url,
            elapsed=elapsed,
            live=bool(deployment and deployment.published),
        )

    def result_of_environment(
        self, newest: Deployment | None, status: Outcome, reason: str = "", *, deployment_id: str = ""
    ) -> DeploymentResult:
        """A result about the environment itself; its `newest` deployment only provides name and id."""
        return self.result(newest, status, reason)._replace(
            deployment=None, deployment_id=deployment_id, branch=self.plan.branch, live=False
        )

    @property
    def left_running(self) -> str:
        """The reason for a cancelled deployment that was left running on purpose."""
        return f"The job was cancelled; the deployment was left running ({self.names.setting('on-cancel', 'leave')})."

    def refusal(self, deployment: Deployment, reason: str) -> DeploymentResult:
        """The result of a command that could not do what it was asked with `deployment`, which it has read."""
        return self.result(deployment, Outcome.FAILED, reason)._replace(refused=True)

    def check_environment(self, deployment: Deployment) -> None:
        """Raise WrongEnvironment where `deployment` is of another environment than the one that the inputs name.

        Stormkit ignores `envId` with an environment's own key and uses the key's environment, but every answer carries
        the `envId` that it is about.
        """
        wanted, actual = self.environment.env_id, deployment.env_id
        if wanted and actual and wanted != actual:
            raise WrongEnvironment(
                f"This API key belongs to environment {actual}, not to {wanted}. Use the key of environment {wanted},"
                " or correct the id.",
                deployment,
            )
