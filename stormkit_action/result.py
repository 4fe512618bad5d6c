"""What came of it: the one thing that commands return and that every reporter reads."""

from dataclasses import dataclass, replace
from enum import StrEnum
from urllib.parse import urljoin

from stormkit_action.stormkit.models import Deployment, LogStep, Status, commits_match


class Outcome(StrEnum):
    """How a deployment, or the whole step, ended. `running` is no end: nobody waited for one."""

    SUCCESS = "success"
    FAILED = "failed"
    STOPPED = "stopped"
    TIMED_OUT = "timed-out"
    CANCELLED = "cancelled"
    SKIPPED = "skipped"
    RUNNING = "running"


@dataclass(frozen=True, kw_only=True, slots=True)
class DeploymentResult:
    """One environment's result.

    `label` is what people call it, `name` and `env_id` what the inputs call the environment. `reason` is one line,
    empty on plain success. `live` is whether it is published, as read back; `warning` is what a person should know
    although it went well. `removed` marks an environment whose deployments were cleaned up, `loose` a deployment that
    may go on although it was to be stopped. `ended_ids` are the deployments that the command stopped or deleted.
    """

    status: Outcome
    reason: str = ""
    warning: str = ""
    label: str = ""
    name: str = ""
    env_id: str = ""
    deployment_id: str = ""
    branch: str = ""
    expected_sha: str = ""
    deployment: Deployment | None = None
    dashboard_url: str = ""
    elapsed: float = 0.0
    live: bool = False
    removed: bool = False
    loose: bool = False
    ended_ids: tuple[str, ...] = ()

    @property
    def commit_sha(self) -> str:
        """The commit that was built, as Stormkit tells it; empty while unknown."""
        return (self.deployment and self.deployment.commit.sha) or ""

    @property
    def commit_matches(self) -> bool | None:
        """Whether the expected commit was built; None when none was expected or nothing is known."""
        return commits_match(self.commit_sha, self.expected_sha)

    @property
    def preview_url(self) -> str:
        """Where it can be seen; empty where there is nothing to see, or the server has no preview domain."""
        deployment = self.deployment
        if deployment is None or deployment.status in (Status.FAILED, Status.STOPPED):
            return ""  # the server may tell a URL all the same
        return deployment.preview_url

    @property
    def details_url(self) -> str:
        """Its page on the dashboard, absolute."""
        if self.deployment is None or not self.deployment.details_path:
            return ""
        return urljoin(self.dashboard_url, self.deployment.details_path)

    @property
    def duration(self) -> float | None:
        """Seconds the build took, by Stormkit's count, else how long this step waited for it; None without one."""
        if self.deployment is None or self.deployment.running:
            return None
        return self.deployment.duration or self.elapsed or None

    @property
    def failing_step(self) -> LogStep | None:
        """The step that failed the build, as far as the log tells."""
        deployment = self.deployment
        if self.status is not Outcome.FAILED or deployment is None:
            return None
        if deployment.failing_step is not None:
            return deployment.failing_step
        text = deployment.failure_summary or deployment.error
        return LogStep(title="the build", message=text, ok=False, duration=0.0) if text else None


@dataclass(frozen=True, kw_only=True, slots=True)
class Result:
    """The whole step's result. `problem` is the complete text of an error, where one ended it.

    `main` is the deployment that the scalar outputs describe. `listing` marks deployments that were only looked up.
    """

    status: Outcome
    reason: str = ""
    problem: str = ""
    deployments: tuple[DeploymentResult, ...] = ()
    main: DeploymentResult | None = None
    deleted: int = 0
    exit_code: int = 0
    listing: bool = False


def exit_code(status: Outcome) -> int:
    """The exit code of a step that was to bring a deployment there."""
    if status is Outcome.CANCELLED:
        return 130
    return 0 if status in (Outcome.SUCCESS, Outcome.SKIPPED, Outcome.RUNNING) else 1


def failed(text: str, *, status: Outcome = Outcome.FAILED) -> Result:
    """The result of an expected error: its first line is the reason."""
    return Result(status=status, reason=text.split("\n", maxsplit=1)[0], problem=text, exit_code=exit_code(status))


def cancelled_late(result: Result) -> Result:
    """The result when the job is cancelled after everything but reporting was done; a failure stays one."""
    if result.exit_code:
        return result
    reason = "The job was cancelled after the work was done; nothing was stopped."
    deployments = tuple(replace(each, status=Outcome.CANCELLED, reason=reason) for each in result.deployments)
    return replace(
        of_deployments(deployments, deleted=result.deleted), status=Outcome.CANCELLED, reason=reason, exit_code=130
    )


def skipped(reason: str) -> Result:
    """The result of having nothing to do."""
    return Result(status=Outcome.SKIPPED, reason=reason)


def of_deployments(deployments: tuple[DeploymentResult, ...], *, deleted: int = 0) -> Result:
    """The step's result from its environments': what the first unsuccessful one says, else the first.

    Among unsuccessful ones those come first that fail the step.
    """
    if not deployments:
        return Result(status=Outcome.SUCCESS, deleted=deleted)
    main = max(deployments, key=lambda each: (exit_code(each.status), each.status is not Outcome.SUCCESS))
    return Result(
        status=main.status,
        reason=main.reason,
        deployments=deployments,
        main=main,
        deleted=deleted,
        exit_code=exit_code(main.status),
    )


def of_listing(deployments: tuple[DeploymentResult, ...]) -> Result:
    """The result of having listed `deployments`, newest first: a success, whatever became of them."""
    return Result(status=Outcome.SUCCESS, deployments=deployments, main=next(iter(deployments), None), listing=True)
