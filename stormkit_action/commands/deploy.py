"""`deploy`: trigger, wait, check what was built, publish if asked."""

import contextlib
from dataclasses import replace

from stormkit_action.commands import build as building
from stormkit_action.commands import publish as publishing
from stormkit_action.commands import starting
from stormkit_action.commands.starting import Started
from stormkit_action.context import Context
from stormkit_action.errors import ActionError, Cancelled
from stormkit_action.inputs import OnGivingUp
from stormkit_action.result import DeploymentResult, Outcome
from stormkit_action.stormkit import health
from stormkit_action.stormkit.models import Deployment, Status
from stormkit_action.stormkit.trigger import Trigger


def run(context: Context, started: Started | None = None) -> DeploymentResult:
    """Deploy one environment, `started` before or not. Never raises an ActionError: that is in the result."""
    return Deploy(context).run(started)


class Deploy:
    """One deployment on its way, so that a cancel finds out how far it got."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._trigger: Trigger | None = None
        self._build = building.Build(context)
        self._publishing = False

    def run(self, started: Started | None) -> DeploymentResult:
        """The deployment's result, whatever happens."""
        try:
            built = self._deploy(started or starting.start(self._context))
            self._stop_strays()
            return self._finish(built)
        except Cancelled:
            return self._cancelled()
        except ActionError as error:
            if self._build.known:
                self._stop_strays()
            return self._build.result(Outcome.FAILED, reason=error.text)

    def restart(self, deployment: Deployment) -> DeploymentResult:
        """The same from a failed deployment on: restart it, then wait as `deploy` does.

        Raises CommandError when it has not failed; then nothing is changed, and nothing told of it on GitHub.
        """
        building.check_restartable(deployment)
        try:
            self._build.adopt(deployment.id)
            self._build.restart(deployment)
            return self._finish(self._build.wait(restarted=deployment))
        except Cancelled:
            return self._cancelled()
        except ActionError as error:
            return self._build.result(Outcome.FAILED, reason=error.text)

    def _deploy(self, started: Started) -> DeploymentResult:
        self._trigger = started.trigger
        if started.problem is not None:
            raise started.problem
        self._build.adopt(started.deployment_id)
        if not self._context.inputs.wait:
            return self._build.read_once()
        return self._build.wait()

    def _finish(self, built: DeploymentResult) -> DeploymentResult:
        """Everything after a successful build: the commit, the health check, and only then publishing."""
        context = self._context
        deployment = built.deployment
        if built.status is not Outcome.SUCCESS or deployment is None:
            return built
        built = replace(built, warning=_commit_warning(built))
        refusal = _why_not_published(built) if context.inputs.publish else ""
        if refusal or built.warning:
            context.reporter.warning(refusal or built.warning)
        if context.inputs.health_check:
            unhealthy = self._unhealthy(deployment)
            if unhealthy:
                return replace(built, status=Outcome.FAILED, reason=unhealthy)
        if not context.inputs.publish:
            return built
        if refusal:
            return replace(built, reason=refusal)
        self._publishing = True
        try:
            live = publishing.publish(context, deployment)
        except ActionError as error:
            status = Outcome.TIMED_OUT if context.deadline.over else Outcome.FAILED
            return replace(built, status=status, reason=error.text)
        # It was read back without its log, which the reports show.
        live = replace(live, logs=deployment.logs, status_checks=deployment.status_checks)
        return replace(built, deployment=live, live=live.published is True)

    def _unhealthy(self, deployment: Deployment) -> str:
        context = self._context
        if not deployment.preview_url:
            return (
                f"Deployment {deployment.id} has no preview URL, so its health can't be checked. Set up a preview"
                " domain on the Stormkit instance, or drop health-check."
            )
        url = health.check_url(deployment.preview_url, context.inputs.health_check)
        context.reporter.line(f"Health check: waiting for {url}")
        problem = health.wait_until_healthy(
            url,
            accepted=context.inputs.health_check_status,
            clock=context.clock,
            deadline=context.deadline.within(context.inputs.health_check_timeout.total_seconds()),
        )
        if not problem:
            return ""
        kept = " Nothing was published." if context.inputs.publish else ""
        return (
            f"The health check of {url} failed: {problem}.{kept} Open the URL, or adjust health-check,"
            " health-check-status and health-check-timeout."
        )

    def _stop_strays(self) -> None:
        """A trigger that was given up on may have been carried out while the build went on."""
        if self._trigger is not None:
            with contextlib.suppress(Cancelled):
                self._trigger.stop_strays()

    def _cancelled(self) -> DeploymentResult:
        result = self._build.result(Outcome.CANCELLED)
        if _has_ended(result) and not (self._trigger and self._trigger.in_doubt):
            return self._cancelled_too_late(result)
        if self._context.inputs.on_cancel is OnGivingUp.LEAVE:
            return replace(result, reason="The job was cancelled; the deployment goes on (input on-cancel).")
        stopped = self._build.stop_after_cancel(self._trigger)
        result = self._build.result(Outcome.CANCELLED)
        if stopped is None:
            return replace(result, reason="The job was cancelled before anything was triggered.")
        if not stopped:
            reason = "The job was cancelled, but Stormkit did not confirm the stop in time."
            return replace(result, reason=reason, loose=True)
        if _has_ended(result) and not self._build.restarting:
            return self._cancelled_too_late(result)
        ended = result.deployment and replace(result.deployment, status=Status.STOPPED, preview_url="")
        return replace(
            result,
            deployment=ended,
            deployment_id=result.deployment_id or stopped,
            reason=f"The job was cancelled and deployment {stopped} stopped.",
            # A restart that nobody has answered may still come.
            loose=self._build.restarting,
        )

    def _cancelled_too_late(self, result: DeploymentResult) -> DeploymentResult:
        live = self._build.live_after_cancel() if self._publishing else result.live
        reason = "The job was cancelled after the build had ended; nothing was stopped."
        return replace(result, live=live, reason=f"{reason} It is live." if live else reason)


def _has_ended(result: DeploymentResult) -> bool:
    """Whether the build came to an end of its own."""
    return result.deployment is not None and result.deployment.status in (Status.SUCCESS, Status.FAILED)


def _commit_warning(built: DeploymentResult) -> str:
    if built.commit_matches is not False:
        return ""
    return (
        f"Stormkit built commit {built.commit_sha[:7]}, not the expected {built.expected_sha[:7]}: the branch"
        f" {built.branch} has moved on. A run for its newest commit shows that one."
    )


def _why_not_published(built: DeploymentResult) -> str:
    """Why a successful build must not be published; empty when it may be."""
    deployment = built.deployment
    if deployment is None or deployment.status is not Status.SUCCESS:
        return "Not published: the build did not succeed."
    if built.commit_matches is False:
        return f"Not published: {built.warning}"
    if built.expected_sha and built.commit_matches is None:
        return (
            f"Not published: Stormkit does not tell which commit it built, and {built.expected_sha[:7]} was expected."
            " Give branch without sha to publish whatever is built."
        )
    if deployment.status_checks_passed is False and any(not check.ok for check in deployment.status_checks):
        return "Not published: a status check failed. Look at its log on the dashboard."
    return ""
