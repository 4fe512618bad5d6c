"""One build: wait for it, stop it, and turn its end into a result."""

import contextlib
from datetime import timedelta

from stormkit_action.clock import Deadline
from stormkit_action.context import Context
from stormkit_action.errors import ActionError, CommandError, NotFound, StormkitError
from stormkit_action.inputs import BuildLog, OnGivingUp
from stormkit_action.result import DeploymentResult, Outcome
from stormkit_action.stormkit import confirm
from stormkit_action.stormkit.models import CONFIGURATION, Deployment, Status, failure_reason
from stormkit_action.stormkit.trigger import Trigger
from stormkit_action.stormkit.waiting import BuildWait, Progress
from stormkit_action.text import duration

# After a cancel GitHub kills the step within ten seconds; the remote stop gets this much of it.
CANCEL_BUDGET_S = 2.0

# What a stop after a timeout gets.
TIMEOUT_STOP_BUDGET_S = 10.0


class Build:
    """One deployment while it is built. `result` can be called at any time."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._id = ""
        self._last: Deployment | None = None
        self._streamed: Deployment | None = None
        self._began = context.clock.monotonic()
        self.restart_unacknowledged = False
        self._was_restarted = False
        self._is_gone = False

    @property
    def is_known(self) -> bool:
        """Whether there is a deployment."""
        return bool(self._id)

    @property
    def may_be_running(self) -> bool:
        """Whether there is a deployment that was not seen to end."""
        has_ended = self._is_gone or (self._last is not None and not self._last.running)
        return self.is_known and not has_ended

    def begin(self, deployment_id: str) -> None:
        """Track `deployment_id` from now on, and report it as started."""
        self._id = deployment_id
        self._context.reporter.started(self.result(Outcome.RUNNING))

    def result(self, status: Outcome, reason: str = "") -> DeploymentResult:
        """A result with everything that is known."""
        elapsed = self._context.clock.monotonic() - self._began
        return self._context.result(self._last, status, reason, deployment_id=self._id, elapsed=elapsed)

    def read_once(self) -> DeploymentResult:
        """Read the deployment once and return it as running, without waiting. Raises CommandError as `wait` does."""
        with contextlib.suppress(StormkitError):
            self._last = self._context.client.deployment(self._id, patience=5.0)
        if self._last is not None:
            self._check(self._last)
        return self.result(Outcome.RUNNING)

    def wait(self, *, restarted: Deployment | None = None) -> DeploymentResult:
        """Wait for the build's end. `restarted` is how it had failed, where it was restarted before.

        Raises CommandError for a build of another environment, or one that a restart left without its configuration.
        """
        inputs = self._context.inputs
        wait = BuildWait(
            client=self._context.client,
            deployment_id=self._id,
            clock=self._context.clock,
            deadline=self._context.deadline,
            shortest_pause=inputs.poll_interval.total_seconds(),
            report=self._report,
            live_log=self._show_live_log if inputs.build_log is BuildLog.STREAM else None,
            log_at_end=_shows_log_of_success(self._context),
            log_of_failure=inputs.build_log is not BuildLog.NEVER,
        )
        try:
            ended = wait.run(restarted=restarted)
            self._last = ended or self._last
            if wait.log_problem:
                self._context.log(f"The build log could not be read. {wait.log_problem}")
        except NotFound as error:
            return self._gone(error)
        finally:
            self._end_live_log()
        return self._ended()

    def restart(self, failed: Deployment) -> None:
        """Build a failed or stopped deployment again. Raises CommandError when that can't be done."""
        # From here on it may be running.
        self._was_restarted = True
        self._last, self.restart_unacknowledged = failed._replace(status=Status.RUNNING), True
        try:
            confirm.restart(self._context.client, failed, deadline=self._context.deadline)
        except StormkitError as error:
            self._last = failed
            raise CommandError(f"{_why_restarted(failed)}. Restarting it did not work: {error.text}") from None
        self.restart_unacknowledged = False

    def stop(self, deadline: Deadline) -> None:
        """Stop it, and keep what was read back. Raises ActionError when that could not be confirmed by `deadline`."""
        try:
            self._last = confirm.stop(self._context.stormkit, self._id, deadline)
        except NotFound:
            self._is_gone = True
            self._last = self._last and self._last._replace(status=Status.STOPPED, preview_url="")

    def stop_after_cancel(self, trigger: Trigger | None) -> str:
        """Stop the build after a cancel. Return the ids that were stopped, or "" when that could not be confirmed."""
        deadline = Deadline.after(self._context.clock.uncancelled(), CANCEL_BUDGET_S)
        stopped = [self._id] if self._id and self._is_stopped(deadline) else []
        if trigger is not None and trigger.unacknowledged:
            stopped += trigger.stop_after_cancel(deadline)
        return ", ".join(stopped) if stopped and (not self._id or self._id in stopped) else ""

    def _is_stopped(self, deadline: Deadline) -> bool:
        try:
            self.stop(deadline)
        except ActionError:
            return False
        return True

    def is_live_after_cancel(self) -> bool:
        """Whether a deployment whose publishing was cancelled is live; False when Stormkit does not answer in time."""
        deadline = Deadline.after(self._context.clock.uncancelled(), CANCEL_BUDGET_S)
        try:
            read = self._context.stormkit.within(deadline).deployment(self._id, patience=CANCEL_BUDGET_S)
        except StormkitError:
            return False
        return read.published is True

    def _report(self, progress: Progress) -> None:
        self._last = progress.deployment or self._last
        if progress.deployment is not None:
            self._check(progress.deployment)
        self._context.reporter.progress(self.result(Outcome.RUNNING), progress)

    def _check(self, deployment: Deployment) -> None:
        """Raise CommandError for a build that must not be used."""
        self._context.check_environment(deployment)
        if self._was_restarted and deployment.configuration_lost:
            raise CommandError(
                f"Stormkit restarted deployment {self._id} without the environment's configuration ({CONFIGURATION}),"
                " so it can't build what was asked for. Deploy again instead."
            )

    def _show_live_log(self, deployment: Deployment) -> None:
        self._last = self._streamed = deployment
        self._context.reporter.build_log(self._context.result(deployment), complete=not deployment.running)

    def _end_live_log(self) -> None:
        """Print the unfinished last line of a log that will not be read again."""
        if self._streamed is not None and self._streamed.running:
            self._context.reporter.build_log(self._context.result(self._streamed), complete=True)

    def _gone(self, error: NotFound) -> DeploymentResult:
        """The result when Stormkit no longer knows the deployment."""
        if self._last is None:
            return self.result(
                Outcome.STOPPED, f"Deployment {self._id} was deleted before it could be read. {error.text}"
            )
        self._last = self._last._replace(status=Status.STOPPED, preview_url="")
        return self.result(Outcome.STOPPED, f"Deployment {self._id} was deleted on Stormkit while it ran.")

    def _ended(self) -> DeploymentResult:
        last = self._last
        if last is None or last.running:
            return self._timed_out()
        if last.status is Status.SUCCESS:
            return self.result(Outcome.SUCCESS)
        if last.status is Status.STOPPED:
            return self.result(Outcome.STOPPED, self._why_stopped(last))
        return self.result(Outcome.FAILED, failure_reason(last))

    def _timed_out(self) -> DeploymentResult:
        limit = duration(self._context.inputs.timeout.total_seconds())
        is_left = self._context.inputs.on_timeout is OnGivingUp.LEAVE
        left = f"it was left running ({self._context.names.setting('on-timeout', 'leave')})"
        fate = left if is_left else self._stop_after_timeout()
        result = self.result(
            Outcome.TIMED_OUT, f"Ran out of time: deployment {self._id} had not ended after {limit}; {fate}."
        )
        return result._replace(may_still_run=not is_left and self.may_be_running)

    def _stop_after_timeout(self) -> str:
        """Stop it after a timeout. Returns the outcome as the end of a sentence."""
        try:
            self.stop(Deadline.after(self._context.clock, TIMEOUT_STOP_BUDGET_S))
        except CommandError:
            return "it was asked to stop, but Stormkit still reports it as running"
        except StormkitError as error:
            return f"stopping it was not confirmed: {error.text.removesuffix('.')}"
        if self._last is None or self._last.status is Status.STOPPED:
            return "it was stopped"
        return f"it ended just before it could be stopped ({self._last.status})"

    def _why_stopped(self, last: Deployment) -> str:
        with contextlib.suppress(StormkitError):
            page = self._context.client.deployments(branch=last.branch, patience=5.0)
            for deployment in page.deployments:
                if _supersedes(deployment, last):
                    return (
                        f"Deployment {last.id} was stopped: deployment {deployment.id} of the same branch superseded"
                        " it."
                    )
        return f"Deployment {last.id} was stopped by hand or by another program."


def _shows_log_of_success(context: Context) -> bool:
    """Whether the log of a successful build is shown anywhere; the job summary uses it for its steps."""
    build_log = context.inputs.build_log
    if build_log is BuildLog.NEVER:
        return False
    return context.inputs.job_summary or build_log in (BuildLog.ALWAYS, BuildLog.STREAM)


def _why_restarted(before: Deployment) -> str:
    """How the deployment had ended before it was restarted, without a full stop at its end."""
    return f"Deployment {before.id} had been stopped" if before.status is Status.STOPPED else failure_reason(before)


def _supersedes(other: Deployment, stopped: Deployment) -> bool:
    """Whether `other` is newer than `stopped` and was there when that was stopped, as far as whole seconds tell."""
    if other.id == stopped.id or other.created_at is None or stopped.created_at is None:
        return False
    is_in_time = stopped.stopped_at is None or other.created_at <= stopped.stopped_at + timedelta(seconds=1)
    return other.created_at > stopped.created_at and is_in_time
