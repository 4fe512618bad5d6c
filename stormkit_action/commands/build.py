"""A build on its way: waiting for it, restarting it, stopping it, and what to call its end."""

import contextlib
from dataclasses import replace
from datetime import timedelta

from stormkit_action.clock import Deadline
from stormkit_action.context import Context
from stormkit_action.errors import ActionError, Busy, CommandError, NotFound, StormkitError
from stormkit_action.inputs import BuildLog, OnGivingUp
from stormkit_action.result import DeploymentResult, Outcome
from stormkit_action.retry import Retries
from stormkit_action.stormkit import confirm as stopping
from stormkit_action.stormkit.models import Deployment, Status
from stormkit_action.stormkit.session import PATIENCE
from stormkit_action.stormkit.trigger import Trigger
from stormkit_action.stormkit.waiting import BuildWait, Progress, with_logs
from stormkit_action.text import duration

# After a cancel GitHub kills the step within ten seconds; the remote stop gets this much of it. Seconds.
CANCEL_BUDGET = 2.0

# What a stop after a timeout gets. Seconds.
TIMEOUT_STOP_BUDGET = 10.0


class Build:
    """One deployment that is being built. Knows at every moment what can be said about it."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._id = ""
        self._last: Deployment | None = None
        self._streamed: Deployment | None = None
        self.restarting = False
        self._began = context.clock.monotonic()

    @property
    def known(self) -> bool:
        """Whether there is a deployment."""
        return bool(self._id)

    def adopt(self, deployment_id: str) -> None:
        """From now on this is about `deployment_id`."""
        self._id = deployment_id
        self._context.reporter.triggered(self._context.environment, deployment_id)

    def result(self, status: Outcome, *, reason: str = "") -> DeploymentResult:
        """A result with everything that is known."""
        context = self._context
        return DeploymentResult(
            status=status,
            reason=reason,
            label=label(context, self._last),
            name=context.environment.name,
            env_id=context.environment.env_id or (self._last.env_id if self._last else ""),
            deployment_id=self._id,
            branch=context.plan.branch or (self._last.branch if self._last else ""),
            expected_sha=context.plan.expected_sha,
            deployment=self._last,
            dashboard_url=context.inputs.dashboard_url,
            elapsed=context.clock.monotonic() - self._began,
            live=bool(self._last and self._last.published),
        )

    def read_once(self) -> DeploymentResult:
        """Its result without waiting for the end."""
        with contextlib.suppress(StormkitError):
            self._last = self._context.client.deployment(self._id, patience=5.0)
        return self.result(Outcome.RUNNING)

    def wait(self, *, restarted: Deployment | None = None) -> DeploymentResult:
        """Wait for its end, restarting it after a failure as often as `retries` allows.

        `restarted` is how it had failed, where it was restarted before.
        """
        context = self._context
        wait = BuildWait(
            client=context.client,
            deployment_id=self._id,
            clock=context.clock,
            deadline=context.deadline,
            shortest_pause=context.inputs.poll_interval.total_seconds(),
            report=self._report,
            live_log=self._live_log if context.inputs.build_log is BuildLog.STREAM else None,
            # The job summary draws the steps of a build that succeeded too.
            log_at_end=context.inputs.job_summary or context.inputs.build_log is BuildLog.ALWAYS,
        )
        try:
            ended = self._wait_once(wait, restarted)
            for left in range(context.inputs.retries, 0, -1):
                if ended is None or ended.status is not Status.FAILED or context.deadline.over:
                    break
                context.reporter.warning(f"The build of deployment {ended.id} failed: restarting it ({left} left).")
                self.restart(ended)
                ended = self._wait_once(wait, ended)
        except NotFound as error:
            return self._gone(error)
        finally:
            self._end_live_log()
        return self._ended()

    def restart(self, failed: Deployment) -> None:
        """Build a failed deployment again. Raises CommandError when that can't be done."""
        # From here on it may be running.
        self._last, self.restarting = replace(failed, status=Status.RUNNING), True
        try:
            restart(self._context, failed)
        except StormkitError as error:
            self._last = failed
            raise CommandError(f"{why_failed(failed)}. Restarting it did not work: {error.text}") from None
        self.restarting = False

    def _wait_once(self, wait: BuildWait, restarted: Deployment | None) -> Deployment | None:
        """One build's end, with its log where somebody will read it."""
        context = self._context
        ended = wait.run(restarted=restarted)
        self._last = ended or self._last
        if ended is None or ended.running or wait.log_is_read:
            return ended
        in_log = ended.status is Status.FAILED or context.inputs.build_log in (BuildLog.ALWAYS, BuildLog.STREAM)
        if in_log or context.inputs.job_summary:
            read = with_logs(context.client, ended, context.deadline)
            if read is ended and in_log:
                context.reporter.line(f"The build log of deployment {ended.id} could not be read; see the dashboard.")
            elif context.inputs.build_log is BuildLog.STREAM:
                self._live_log(read)
            self._last = ended = read
        return ended

    def stop_after_cancel(self, trigger: Trigger | None) -> str | None:
        """Stop it although everything else has ended: the ids, or "" when it could not be confirmed.

        None when nothing had been triggered.
        """
        deadline = Deadline.after(self._context.clock.uncancelled(), CANCEL_BUDGET)
        stopped = [self._id] if self._id and self._stopped_for_certain(deadline) else []
        if trigger is not None and trigger.in_doubt:
            stopped += trigger.undo(deadline)
        elif not self._id:
            return None
        return ", ".join(stopped) if stopped and (not self._id or self._id in stopped) else ""

    def _stopped_for_certain(self, deadline: Deadline) -> bool:
        try:
            self._last = stopping.stop(self._context.environment.client, self._id, deadline)
        except NotFound:
            return True
        except ActionError:
            return False
        return True

    def live_after_cancel(self) -> bool:
        """Whether it is live after a cancel while it was being published; False where nobody tells in time."""
        deadline = Deadline.after(self._context.clock.uncancelled(), CANCEL_BUDGET)
        try:
            read = self._context.environment.client.within(deadline).deployment(self._id, patience=CANCEL_BUDGET)
        except StormkitError:
            return False
        return read.published is True

    def _report(self, progress: Progress) -> None:
        self._last = progress.deployment or self._last
        self._context.reporter.progress(self._context.environment, progress)

    def _live_log(self, deployment: Deployment) -> None:
        self._last = self._streamed = deployment
        self._context.reporter.build_log(self._context.environment, deployment, complete=not deployment.running)

    def _end_live_log(self) -> None:
        """Show what was held back of a log that is not read any further."""
        if self._streamed is not None and self._streamed.running:
            self._context.reporter.build_log(self._context.environment, self._streamed, complete=True)

    def _gone(self, error: NotFound) -> DeploymentResult:
        """The result when Stormkit no longer knows the deployment."""
        if self._last is None:
            return self.result(
                Outcome.STOPPED, reason=f"Deployment {self._id} was deleted before it could be read. {error.text}"
            )
        self._last = replace(self._last, status=Status.STOPPED, preview_url="")
        return self.result(Outcome.STOPPED, reason=f"Deployment {self._id} was deleted on Stormkit while it ran.")

    def _ended(self) -> DeploymentResult:
        last = self._last
        if last is None or last.running:
            return self._timed_out()
        if last.status is Status.SUCCESS:
            return self.result(Outcome.SUCCESS)
        if last.status is Status.STOPPED:
            return self.result(Outcome.STOPPED, reason=self._who_stopped(last))
        return self.result(Outcome.FAILED, reason=why_failed(last))

    def _timed_out(self) -> DeploymentResult:
        limit = duration(self._context.inputs.timeout.total_seconds())
        leave = self._context.inputs.on_timeout is OnGivingUp.LEAVE
        fate = "it goes on (input on-timeout)" if leave else self._stopped_in_time()
        result = self.result(
            Outcome.TIMED_OUT,
            reason=f"Deployment {self._id} had not ended after {limit} (input timeout); {fate}.",
        )
        return replace(result, loose=not leave and (self._last is None or self._last.running))

    def _stopped_in_time(self) -> str:
        """Stop it after a timeout; what came of that, as read back."""
        deadline = Deadline.after(self._context.clock, TIMEOUT_STOP_BUDGET)
        try:
            self._last = stopping.stop(self._context.environment.client, self._id, deadline)
        except NotFound:
            self._last = self._last and replace(self._last, status=Status.STOPPED, preview_url="")
            return "it was deleted on Stormkit"
        except CommandError:
            return "it was told to stop, but Stormkit still reports it as running"
        except StormkitError as error:
            return f"stopping it was not confirmed: {error.text.removesuffix('.')}"
        if self._last.status is Status.STOPPED:
            return "it was stopped"
        return f"when it was to be stopped it had just ended ({self._last.status})"

    def _who_stopped(self, last: Deployment) -> str:
        with contextlib.suppress(StormkitError):
            page = self._context.client.deployments(branch=last.branch, patience=5.0)
            for each in page.deployments:
                if _supersedes(each, last):
                    return f"Deployment {last.id} was stopped: deployment {each.id} of the same branch superseded it."
        return f"Deployment {last.id} was stopped by hand or by another program."


def _supersedes(other: Deployment, stopped: Deployment) -> bool:
    """Whether `other` is newer than `stopped` and was there when that was stopped, as far as whole seconds tell."""
    if other.id == stopped.id or other.created_at is None or stopped.created_at is None:
        return False
    in_time = stopped.stopped_at is None or other.created_at <= stopped.stopped_at + timedelta(seconds=1)
    return other.created_at > stopped.created_at and in_time


def label(context: Context, deployment: Deployment | None) -> str:
    """What people call it: the name in `environments`, else the input, else what Stormkit calls it."""
    told = deployment.name if deployment else ""
    return context.environment.name or context.inputs.label or told


def check_restartable(deployment: Deployment) -> None:
    """Raises CommandError unless `deployment` has failed: Stormkit restarts no other."""
    if deployment.status is not Status.FAILED:
        raise CommandError(
            f"Deployment {deployment.id} can't be restarted: it is {deployment.status}, and Stormkit restarts only"
            " failed builds. Nothing was changed. Deploy again instead."
        )


def restart(context: Context, deployment: Deployment) -> None:
    """Build a failed deployment again.

    A lost answer is settled by reading back: a restart that took is `running` again, or has a new `createdAt`. Like a
    trigger it is given up after about a minute.
    """
    give_up = context.deadline.within(PATIENCE)
    retries = Retries(give_up, floor=1.0)
    while True:
        try:
            context.client.restart(deployment.id)
        except StormkitError as error:
            if error.retryable and not isinstance(error, Busy):
                seen = context.client.deployment(deployment.id, patience=max(1.0, give_up.remaining))
                if seen.running or seen.created_at != deployment.created_at:
                    return
            retries.wait(error)
        else:
            return


def why_failed(last: Deployment) -> str:
    """One line on a failed build: the step, and Stormkit's own words."""
    where = f" in {last.failing_step.title}" if last.failing_step and last.failing_step.title else ""
    said = f": {last.error}" if last.error else ""
    return f"The build of deployment {last.id} failed{where}{said}"
