"""A build on its way: waiting for it, restarting it, stopping it, and what to call its end."""

import contextlib
from dataclasses import replace

from stormkit_action.clock import Deadline
from stormkit_action.errors import Busy, CommandError, NoAnswer, NotFound, ServerFault, StormkitError
from stormkit_action.inputs import BuildLog, Remote
from stormkit_action.result import DeploymentResult, Outcome
from stormkit_action.stormkit.models import Deployment, Status
from stormkit_action.stormkit.trigger import Trigger
from stormkit_action.stormkit.waiting import BuildWait, Progress, with_logs
from stormkit_action.text import duration
from stormkit_action.work import Work

# After a cancel GitHub kills the step within ten seconds; the remote stop gets this much of it. Seconds.
CANCEL_BUDGET = 2.5

# What a stop after a timeout gets. Seconds.
TIMEOUT_STOP_BUDGET = 10.0


class Build:
    """One deployment that is being built. Knows at every moment what can be said about it."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self._id = ""
        self._last: Deployment | None = None
        self._began = work.clock.monotonic()

    def adopt(self, deployment_id: str) -> None:
        """From now on this is about `deployment_id`."""
        self._id = deployment_id
        self._work.watcher.triggered(self._work.site, deployment_id)

    def result(self, status: Outcome, *, reason: str = "") -> DeploymentResult:
        """A result with everything that is known."""
        work = self._work
        return DeploymentResult(
            status=status,
            reason=reason,
            label=label(work, self._last),
            name=work.site.name,
            env_id=work.site.env_id or (self._last.env_id if self._last else ""),
            deployment_id=self._id,
            branch=work.plan.branch or (self._last.branch if self._last else ""),
            expected_sha=work.plan.expected_sha,
            deployment=self._last,
            dashboard_url=work.inputs.dashboard_url,
            elapsed=work.clock.monotonic() - self._began,
            live=bool(self._last and self._last.published),
        )

    def read_once(self) -> DeploymentResult:
        """Its result without waiting for the end."""
        with contextlib.suppress(StormkitError):
            self._last = self._work.client.deployment(self._id, patience=5.0)
        return self.result(Outcome.RUNNING)

    def wait(self) -> DeploymentResult:
        """Wait for its end, restarting it after a failure as often as `retries` allows."""
        work = self._work
        try:
            for left in range(work.inputs.retries, -1, -1):
                ended = self._wait_once()
                if ended is None or ended.status is not Status.FAILED or not left or work.deadline.over:
                    break
                work.watcher.warning(f"The build of deployment {ended.id} failed: restarting it ({left} left).")
                restart(work, ended)
        except NotFound:
            # It was there when it was triggered, so somebody deleted it.
            self._last = self._last and replace(self._last, status=Status.STOPPED, preview_url="")
            return self.result(Outcome.STOPPED, reason=f"Deployment {self._id} was deleted on Stormkit while it ran.")
        return self._ended()

    def _wait_once(self) -> Deployment | None:
        work = self._work
        wait = BuildWait(
            client=work.client,
            deployment_id=self._id,
            clock=work.clock,
            began=work.clock.monotonic(),
            deadline=work.deadline,
            shortest_pause=work.inputs.poll_interval.total_seconds(),
            report=self._report,
        )
        self._last = wait.run() or self._last
        return self._last

    def _report(self, progress: Progress) -> None:
        self._last = progress.deployment or self._last
        self._work.watcher.progress(self._work.site, progress)

    def _ended(self) -> DeploymentResult:
        work, last = self._work, self._last
        if last is None or last.running:
            return self._timed_out()
        if last.status is Status.FAILED or work.inputs.build_log in (BuildLog.ALWAYS, BuildLog.STREAM):
            self._last = last = with_logs(work.client, last, work.deadline)
        if last.status is Status.SUCCESS:
            return self.result(Outcome.SUCCESS)
        if last.status is Status.STOPPED:
            return self.result(Outcome.STOPPED, reason=self._who_stopped(last))
        return self.result(Outcome.FAILED, reason=why_failed(last))

    def _timed_out(self) -> DeploymentResult:
        work = self._work
        limit = duration(work.inputs.timeout.total_seconds())
        if work.inputs.on_timeout is Remote.LEAVE:
            fate = "it goes on (input on-timeout)"
        else:
            deadline = Deadline.after(work.clock, TIMEOUT_STOP_BUDGET)
            try:
                work.site.client.within(deadline).stop(self._id)
                fate = "it was stopped"
            except StormkitError as error:
                fate = f"stopping it failed: {error.text}"
        return self.result(
            Outcome.TIMED_OUT,
            reason=f"Deployment {self._id} had not ended after {limit} (input timeout); {fate}.",
        )

    def _who_stopped(self, last: Deployment) -> str:
        with contextlib.suppress(StormkitError):
            page = self._work.client.deployments(branch=last.branch, patience=5.0)
            for each in page.deployments:
                if each.id != last.id and each.created_at and last.created_at and each.created_at > last.created_at:
                    return f"Deployment {last.id} was stopped: deployment {each.id} of the same branch superseded it."
        return f"Deployment {last.id} was stopped by hand or by another program."


def label(work: Work, deployment: Deployment | None) -> str:
    """What people call it: the name in `environments`, else the input, else what Stormkit calls it."""
    told = deployment.name if deployment else ""
    return work.site.name or work.inputs.label or told


def restart(work: Work, deployment: Deployment) -> None:
    """Build a failed deployment again. Raises CommandError for any other.

    A lost answer is settled by reading back: a restart that took is `running` again, or has a new `createdAt`.
    """
    if deployment.status is not Status.FAILED:
        raise CommandError(
            f"Deployment {deployment.id} can't be restarted: it is {deployment.status}, and Stormkit restarts only"
            " failed builds. Deploy again instead."
        )
    while True:
        try:
            work.client.restart(deployment.id)
        except Busy as error:
            pause = max(1.0, error.retry_after)
            if pause >= work.deadline.remaining:
                raise
            work.clock.sleep(pause)
        except (NoAnswer, ServerFault) as error:
            if isinstance(error, NoAnswer) and error.permanent:
                raise
            seen = work.client.deployment(deployment.id)
            if seen.running or seen.created_at != deployment.created_at:
                return
            if work.deadline.over:
                raise
            work.clock.sleep(1.0)
        else:
            return


def stop_after_cancel(work: Work, deployment_id: str, trigger: Trigger | None) -> str | None:
    """Stop the remote deployment although everything else has ended: the ids, or "" when it could not be confirmed.

    None when nothing had been triggered.
    """
    clock = work.clock.uncancelled()
    deadline = Deadline.after(clock, CANCEL_BUDGET)
    if deployment_id:
        try:
            work.site.client.within(deadline).stop(deployment_id, patience=CANCEL_BUDGET)
        except StormkitError:
            return ""
        return deployment_id
    if trigger is None or not trigger.in_doubt:
        return None
    return ", ".join(trigger.undo(deadline))


def why_failed(last: Deployment) -> str:
    """One line on a failed build: the step, and Stormkit's own words."""
    where = f" in {last.failing_step.title}" if last.failing_step and last.failing_step.title else ""
    said = f": {last.error}" if last.error else ""
    return f"The build of deployment {last.id} failed{where}{said}"
