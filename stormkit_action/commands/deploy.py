"""`deploy` and `restart`: trigger, build, check what was built, publish; and what a cancel undoes."""

import contextlib

from stormkit_action.commands import find
from stormkit_action.commands.build import Build
from stormkit_action.commands.cleanup import stop_and_delete
from stormkit_action.commands.stop import stop_superseded
from stormkit_action.context import Context
from stormkit_action.errors import ActionError, Cancelled, CommandError, GitHubError, StormkitError
from stormkit_action.github_api.api import GitHubApi
from stormkit_action.inputs import OnGivingUp
from stormkit_action.names import Names
from stormkit_action.result import DeploymentResult, Outcome
from stormkit_action.stormkit import confirm, health
from stormkit_action.stormkit.models import CONFIGURATION, Deployment, Status
from stormkit_action.stormkit.session import PATIENCE_S
from stormkit_action.stormkit.trigger import Trigger

# How long GitHub is asked whether the pull request is still open: a GitHub that is away must not hold up the verdict.
GITHUB_PATIENCE_S = 5.0


def deploy(context: Context) -> DeploymentResult:
    """Deploy one environment. Never raises an ActionError: that is in the result."""
    return Deploy(context).run()


def restart(context: Context) -> DeploymentResult:
    """Build the named deployment, or the branch's newest failed one, again; then go on as `deploy` does.

    One that has neither failed nor been stopped is left as it is.
    """
    return Deploy(context).restart(find.named_or_newest(context, "failed deployment", find.is_failed))


class Deploy:
    """One deployment in progress. It records how far it got, so that a cancel knows what to undo."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._trigger: Trigger | None = None
        self._build = Build(context)
        # The build before the one that is being tried.
        self._failed_build: DeploymentResult | None = None
        self._is_publishing = False

    def run(self) -> DeploymentResult:
        """The deployment's result, whatever happens."""
        try:
            built = self._build_with_retries()
            self._stop_orphans()
            return self._removed_for_closed_pull_request(built) or self._finish(built)
        except Cancelled:
            return self._cancelled()
        except ActionError as error:
            return self._failed(error)

    def restart(self, deployment: Deployment) -> DeploymentResult:
        """The same from a failed or stopped deployment on: restart it, then go on."""
        if deployment.status not in (Status.FAILED, Status.STOPPED):
            return self._context.refusal(
                deployment,
                f"Deployment {deployment.id} can't be restarted: its status is {deployment.status}, and Stormkit"
                " restarts only failed or stopped builds. Nothing was changed. Deploy again instead.",
            )
        try:
            self._build.begin(deployment.id)
            self._build.restart(deployment)
            if not self._context.inputs.wait:
                return self._build.read_once()
            return self._finish(self._build.wait(restarted=deployment))
        except Cancelled:
            return self._cancelled()
        except ActionError as error:
            return self._failed(error)

    def _build_with_retries(self) -> DeploymentResult:
        """Trigger and wait; after a failed build again, as a new deployment, as often as `retries` allows.

        Never by a restart: real servers drop the environment's variables, commands and status checks then.
        """
        context = self._context
        known = frozenset[str]()
        if context.inputs.stop_superseded:
            known = stop_superseded(context, context.deadline.within(PATIENCE_S))
        # One for all tries, so that it knows its own builds from what lost answers may have started.
        self._trigger = Trigger(
            client=context.client, branch=context.plan.branch, clock=context.clock, known=known, log=context.log
        )
        result = self._build_once(self._trigger)
        for left in range(context.inputs.retries, 0, -1):
            if result.status is not Outcome.FAILED or context.deadline.over:
                break
            context.warn(f"{result.reason}. Building it again as a new deployment ({left} left).")
            self._failed_build = result
            try:
                result = self._build_once(self._trigger)
            except StormkitError as error:
                if self._build.is_known:
                    raise
                return result._replace(reason=f"{result.reason}. Building it again did not work: {error.text}")
        return result

    def _build_once(self, trigger: Trigger) -> DeploymentResult:
        context = self._context
        self._build = Build(context)
        context.reporter.triggering(context.environment)
        self._build.begin(trigger.run(patience=context.deadline.within(PATIENCE_S).remaining))
        return self._build.wait() if context.inputs.wait else self._build.read_once()

    def _failed(self, error: ActionError) -> DeploymentResult:
        """The result of an error. A wrong build is stopped; any other that may still run is reported."""
        reason = error.text
        is_wrong = self._build.is_known and isinstance(error, CommandError)
        if self._build.is_known:
            self._stop_orphans()
            if is_wrong:
                reason = f"{reason} {self._stop_wrong_build()}".rstrip()
        result = self._build.result(Outcome.FAILED, reason)
        if is_wrong and result.deployment is not None:
            # The build may have finished meanwhile; don't link to it.
            result = result._replace(deployment=result.deployment._replace(preview_url=""))
        if self._build.may_be_running:
            still = f"Deployment {result.deployment_id} may still be building: nothing has stopped it."
            return result._replace(reason=f"{reason} {still}")
        return result

    def _stop_wrong_build(self) -> str:
        """Stop a build that must not be used: another environment's, or one without its configuration."""
        if not self._build.may_be_running:
            return ""
        try:
            self._build.stop(self._context.deadline.within(PATIENCE_S))
        except ActionError:
            return ""
        return "Its build was stopped and nothing was published."

    def _removed_for_closed_pull_request(self, built: DeploymentResult) -> DeploymentResult | None:
        """The result where the pull request was closed meanwhile: the deployment is stopped and deleted.

        None where it is open, or not known. The event `closed` has passed by then: nothing else would remove it.
        """
        context = self._context
        if context.github is None or context.inputs.branch or not built.deployment_id or built.live:
            return None
        try:
            number = self._closed_pull_request(context.github.within(context.deadline.within(GITHUB_PATIENCE_S)))
        except GitHubError:
            return None
        if number is None:
            return None
        reason = f"Pull request #{number} is closed: deployment {built.deployment_id} was stopped and deleted."
        try:
            stop_and_delete(context, built.deployment_id, is_running=self._build.may_be_running)
        except ActionError as error:
            return built._replace(status=Outcome.FAILED, reason=f"Pull request #{number} is closed. {error.text}")
        return built._replace(status=Outcome.SKIPPED, reason=reason, deleted=1, ended_ids=(built.deployment_id,))

    def _closed_pull_request(self, github: GitHubApi) -> int | None:
        """The number of the pull request if it is closed. Raises GitHubError."""
        event, plan = self._context.event, self._context.plan
        if plan.pull_request is not None:
            pull_request = github.pull_request(plan.pull_request)
            return plan.pull_request if pull_request is not None and pull_request.closed else None
        if not event.follows_pull_request_run:
            return None
        # The payload of a `workflow_run` names open pull requests only.
        found = [
            pull_request
            for pull_request in github.pull_requests_of_commit(event.sha)
            if (pull_request.head_ref, pull_request.head_sha) == (plan.branch, event.sha)
        ]
        is_closed = bool(found) and all(pull_request.closed for pull_request in found)
        return found[0].number if is_closed else None

    def _finish(self, built: DeploymentResult) -> DeploymentResult:
        """Everything after a successful build: the commit, the health check, and only then publishing."""
        context = self._context
        deployment = built.deployment
        if built.status is not Outcome.SUCCESS or deployment is None:
            return built
        built = built._replace(warning=_warning(built))
        refusal = _why_not_published(built, deployment, context.names) if context.inputs.publish else ""
        if refusal or built.warning:
            context.warn(refusal or built.warning)
        if context.inputs.health_check:
            unhealthy = self._unhealthy(deployment)
            if unhealthy:
                status = Outcome.TIMED_OUT if context.deadline.over else Outcome.FAILED
                return built._replace(status=status, reason=unhealthy)
        if not context.inputs.publish:
            return built
        if refusal:
            return built._replace(reason=refusal, warning=built.warning or refusal)
        self._is_publishing = True
        try:
            live = confirm.publish(context.client, deployment, deadline=context.deadline, log=context.log)
        except ActionError as error:
            status = Outcome.TIMED_OUT if context.deadline.over else Outcome.FAILED
            return built._replace(status=status, reason=error.text)
        # It was read back without its log, which the reports show.
        live = live._replace(logs=deployment.logs, status_checks=deployment.status_checks)
        return built._replace(deployment=live, live=live.published is True)

    def _unhealthy(self, deployment: Deployment) -> str:
        context, names = self._context, self._context.names
        if not deployment.preview_url:
            return (
                f"Deployment {deployment.id} has no preview URL, so its health can't be checked. Set up a preview"
                f" domain on the Stormkit instance, or drop {names('health-check')}."
            )
        url = health.check_url(deployment.preview_url, context.inputs.health_check)
        context.log(f"Health check: waiting for {url}")
        checked = health.wait_until_healthy(
            url,
            deployment_id=deployment.id,
            accepted=context.inputs.health_check_status,
            clock=context.clock,
            deadline=context.deadline.within(context.inputs.health_check_timeout.total_seconds()),
        )
        if checked.health is health.Health.HEALTHY:
            return ""
        kept = " Nothing was published." if context.inputs.publish else ""
        if checked.health is health.Health.UNKNOWN:
            return (
                f"The health of {url} is not known: {checked.reason}.{kept} Drop {names('health-check')}, or make the"
                " path public."
            )
        if context.deadline.over:
            return (
                f"Ran out of time: the health check of {url} had not passed: {checked.reason}.{kept} Raise"
                f" {names('timeout')}."
            )
        return (
            f"The health check of {url} failed: {checked.reason}.{kept} Open the URL, or adjust"
            f" {names('health-check')}, {names('health-check-status')} and {names('health-check-timeout')}."
        )

    def _stop_orphans(self) -> None:
        """Stop deployments that abandoned triggers started during the build."""
        if self._trigger is not None:
            with contextlib.suppress(Cancelled):
                self._trigger.stop_orphans()

    def _cancelled(self) -> DeploymentResult:
        result = self._build.result(Outcome.CANCELLED)
        trigger = self._trigger
        if trigger is not None:
            trigger.keep_back()
        is_unacknowledged = trigger is not None and trigger.unacknowledged
        if not self._build.is_known and not is_unacknowledged:
            what = "anything was triggered" if self._failed_build is None else "the build was tried again"
            reason = f"The job was cancelled before {what}."
            return (self._failed_build or result)._replace(status=Outcome.CANCELLED, reason=reason)
        if _has_ended(result) and not is_unacknowledged:
            return self._cancelled_too_late(result)
        if self._context.inputs.on_cancel is OnGivingUp.LEAVE:
            return result._replace(reason=self._context.left_running)
        stopped = self._build.stop_after_cancel(trigger)
        result = self._build.result(Outcome.CANCELLED)
        if not stopped:
            reason = "The job was cancelled, but Stormkit did not confirm the stop in time."
            return result._replace(reason=reason, may_still_run=True)
        if _has_ended(result) and not self._build.restart_unacknowledged:
            return self._cancelled_too_late(result)
        ended = result.deployment and result.deployment._replace(status=Status.STOPPED, preview_url="")
        return result._replace(
            deployment=ended,
            deployment_id=result.deployment_id or stopped,
            reason=f"The job was cancelled and deployment {stopped} was stopped.",
            # A restart that nobody has answered may still come.
            may_still_run=self._build.restart_unacknowledged,
        )

    def _cancelled_too_late(self, result: DeploymentResult) -> DeploymentResult:
        is_live = self._build.is_live_after_cancel() if self._is_publishing else result.live
        reason = "The job was cancelled after the build had ended; nothing was stopped."
        if is_live:
            reason += " It is live."
        elif self._is_publishing:
            reason += f" Deployment {result.deployment_id} was being published and may still go live."
        return result._replace(live=is_live, reason=reason)


def _has_ended(result: DeploymentResult) -> bool:
    """Whether the build came to an end of its own."""
    return result.deployment is not None and result.deployment.status in (Status.SUCCESS, Status.FAILED)


def _warning(built: DeploymentResult) -> str:
    """What a person should know of a build that succeeded."""
    if built.commit_matches is False:
        return (
            f"Stormkit built commit {built.commit_sha[:7]}, not the expected {built.expected_sha[:7]}: the branch"
            f" {built.branch} has moved on. See the run for its newest commit."
        )
    if built.deployment is not None and built.deployment.configuration_lost:
        return (
            f"A restart built deployment {built.deployment_id} without the environment's configuration"
            f" ({CONFIGURATION}). Deploy again."
        )
    if built.deployment is not None and built.deployment.error:
        return f"Stormkit calls the build successful, but reports an error: {built.deployment.error}"
    return ""


def _why_not_published(built: DeploymentResult, deployment: Deployment, names: Names) -> str:
    """Why a successful build must not be published; empty when it may be."""
    if built.warning:
        return f"Not published: {built.warning}"
    if built.expected_sha and built.commit_matches is None:
        return (
            f"Not published: Stormkit does not say which commit it built, and {built.expected_sha[:7]} was expected."
            f" Set {names('branch')} without {names('sha')} to publish whatever is built."
        )
    if deployment.status_checks_passed is False:
        return "Not published: a status check failed. Look at its log on the dashboard."
    return ""
