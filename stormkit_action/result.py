"""The results that commands return and every report reads."""

from collections.abc import Sequence
from enum import StrEnum
from typing import NamedTuple
from urllib.parse import urljoin

from stormkit_action.stormkit.models import Deployment, LogStep, Status, commits_match


class Outcome(StrEnum):
    """How a deployment, or the whole step, ended. `running` means that the step did not wait for the end."""

    SUCCESS = "success"
    FAILED = "failed"
    STOPPED = "stopped"
    TIMED_OUT = "timed-out"
    CANCELLED = "cancelled"
    SKIPPED = "skipped"
    RUNNING = "running"


class DeploymentResult(NamedTuple):
    """The result in one environment. `Context.result` makes it.

    - `reason` is one line, empty on plain success; `warning` is what a person should know although it went well.
    - `label` is what people call the environment, `name` what the inputs call it.
    - `env_id` is the environment that Stormkit answered, `requested_env_id` the one that the inputs name.
    - `live` is whether the deployment is published, as read back.
    - `deleted` counts the deployments that were deleted; `removed` is whether nothing of the branch is left.
    - `ended_ids` are the deployments that the command stopped or deleted; `may_still_run` is whether one that was to
      be stopped may still be running.
    - `refused` is whether the command could not do all that it was asked: the deployment is as it was read.
    """

    status: Outcome
    reason: str = ""
    warning: str = ""
    label: str = ""
    name: str = ""
    env_id: str = ""
    requested_env_id: str = ""
    deployment_id: str = ""
    branch: str = ""
    expected_sha: str = ""
    deployment: Deployment | None = None
    dashboard_url: str = ""
    elapsed: float = 0.0
    live: bool = False
    deleted: int = 0
    removed: bool = False
    ended_ids: tuple[str, ...] = ()
    may_still_run: bool = False
    refused: bool = False

    @property
    def commit_sha(self) -> str:
        """The commit that was built, as Stormkit reports it; empty while unknown."""
        return (self.deployment and self.deployment.commit.sha) or ""

    @property
    def commit_matches(self) -> bool | None:
        """Whether the expected commit was built; None when none was expected or nothing is known."""
        return commits_match(self.commit_sha, self.expected_sha)

    @property
    def preview_url(self) -> str:
        """Where the deployment can be seen; empty where there is nothing to see.

        Empty until the build has succeeded: a preview that is opened earlier stays "not found" on real servers for ten
        minutes after the last request.
        """
        if self.deployment is None or self.deployment.status is not Status.SUCCESS or self.deleted:
            return ""
        return self.deployment.preview_url

    @property
    def outlived_cancel(self) -> bool:
        """Whether the build had already succeeded when the job was cancelled: the preview exists then."""
        has_succeeded = self.deployment is not None and self.deployment.status is Status.SUCCESS
        return self.status is Outcome.CANCELLED and has_succeeded and not (self.deleted or self.removed)

    @property
    def changes_what_is_shown(self) -> bool:
        """Whether the command did something, or found a deployment to report."""
        return bool(self.ended_ids) or (self.deployment is not None and not self.refused)

    @property
    def details_url(self) -> str:
        """Its page on the dashboard; empty where the dashboard's address is not known, or nothing is left to see."""
        if self.deployment is None or self.deleted or not self.deployment.details_path or not self.dashboard_url:
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
        """The step that failed the build, as far as the log shows it."""
        deployment = self.deployment
        if self.status is not Outcome.FAILED or deployment is None:
            return None
        if deployment.failing_step is not None:
            return deployment.failing_step
        # An error of one line stands in the reason already.
        text = deployment.failure_summary or (deployment.error if "\n" in deployment.error.strip() else "")
        return LogStep(title="the build", message=text, ok=False, duration=0.0) if text else None


class Result(NamedTuple):
    """The whole step's result.

    `problem` is the complete text of an error, where one ended the step. `main` is the deployment that the scalar
    outputs describe. `listing` marks deployments that were only looked up.
    """

    status: Outcome
    reason: str = ""
    problem: str = ""
    deployments: tuple[DeploymentResult, ...] = ()
    main: DeploymentResult | None = None
    exit_code: int = 0
    listing: bool = False

    @property
    def deleted(self) -> int:
        """How many deployments were deleted."""
        return sum(result.deleted for result in self.deployments)

    @property
    def listed(self) -> tuple[DeploymentResult, ...]:
        """Those of a listing that could be read: an environment that failed has a result without a deployment."""
        return tuple(result for result in self.deployments if result.deployment is not None)


def exit_code(status: Outcome) -> int:
    """The exit code of a step that ends with `status`."""
    if status is Outcome.CANCELLED:
        return 130
    return 0 if status in (Outcome.SUCCESS, Outcome.SKIPPED, Outcome.RUNNING) else 1


def failed(text: str, *, status: Outcome = Outcome.FAILED) -> Result:
    """The result of an expected error: its first line is the reason."""
    return Result(status=status, reason=text.split("\n", maxsplit=1)[0], problem=text, exit_code=exit_code(status))


def cancelled_after_the_work(result: Result) -> Result:
    """The result when the job is cancelled after everything but reporting was done; a failure stays one."""
    if result.exit_code:
        return result
    reason = "The job was cancelled after the work was done; nothing was undone."
    deployments = tuple(
        deployment._replace(status=Outcome.CANCELLED, reason=reason) for deployment in result.deployments
    )
    return of_deployments(deployments)._replace(status=Outcome.CANCELLED, reason=reason, exit_code=130)


def skipped(reason: str) -> Result:
    """The result of having nothing to do."""
    return Result(status=Outcome.SKIPPED, reason=reason)


def of_deployments(deployments: Sequence[DeploymentResult]) -> Result:
    """The step's result from its environments': what the first unsuccessful one says, else the first.

    Results that fail the step take precedence over other unsuccessful ones.
    """
    if not deployments:
        return Result(status=Outcome.SUCCESS)
    main = max(deployments, key=_weight)
    return Result(
        status=main.status,
        reason=main.reason,
        deployments=tuple(deployments),
        main=main,
        exit_code=exit_code(main.status),
    )


def _weight(result: DeploymentResult) -> int:
    """How much an environment's result counts for the step's: `max` takes the first of the heaviest."""
    if result.status is Outcome.CANCELLED:
        return 3
    if exit_code(result.status):
        return 2
    return 0 if result.status is Outcome.SUCCESS else 1


def of_listing(deployments: Sequence[DeploymentResult]) -> Result:
    """The result of having listed `deployments`, newest first: a success, whatever became of them."""
    return Result(
        status=Outcome.SUCCESS,
        deployments=tuple(deployments),
        main=deployments[0] if deployments else None,
        listing=True,
    )
