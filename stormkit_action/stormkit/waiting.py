"""Waiting for a build to end. Errors while polling never decide the outcome, except those that can't pass."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from stormkit_action.clock import Clock, Deadline
from stormkit_action.errors import NotFound, Refused, StormkitError
from stormkit_action.stormkit.client import StormkitClient
from stormkit_action.stormkit.models import Deployment, Status
from stormkit_action.stormkit.schedule import UsualDuration, pause

# Progress is reported at least this often while waiting.
HEARTBEAT_S = 30.0

# What a poll, or a read without the log, may take: one that hangs must not hold up the next progress report.
LOOK_TIMEOUT_S = 10.0

# While the build log is shown live it is read every LIVE_PAUSE_S, or sooner where a poll is due anyway, but never twice
# within LOG_PAUSE_S. It is fetched whole every time, so fetching it may take LOG_SHARE of the time, and the pause
# doubles while the log does not grow.
LOG_PAUSE_S = 2.0
LIVE_PAUSE_S = 5.0
MAX_LOG_PAUSE_S = 20.0
LOG_SHARE = 0.05

# For how long after a restart the failure before it may still be read.
RESTART_LAG_S = 30.0

# Floor for one sleep: clock rounding must not turn a wait into a busy loop.
_MIN_SLEEP_S = 0.001


@dataclass(frozen=True, kw_only=True, slots=True)
class Progress:
    """The state of a build `elapsed` seconds after it was triggered; `usual` once known.

    `deployment` is None until it has been read once. `trouble` is why the last look failed.
    """

    deployment: Deployment | None
    elapsed: float
    usual: UsualDuration | None = None
    trouble: str = ""


class BuildWait:
    """Waits for one deployment until it has ended or `deadline` is over.

    `report` is called with a Progress when something changed and at least every 30 seconds. `live_log`, where given, is
    called with the deployment each time its log was read. `log_at_end` reads the result with its log; a failure's is
    read with it anyway.
    """

    def __init__(
        self,
        *,
        client: StormkitClient,
        deployment_id: str,
        clock: Clock,
        deadline: Deadline,
        shortest_pause: float,
        report: Callable[[Progress], None],
        live_log: Callable[[Deployment], None] | None = None,
        log_at_end: bool = False,
    ) -> None:
        self._client = client
        self._id = deployment_id
        self._clock = clock
        self._deadline = deadline
        self._shortest_pause = shortest_pause
        self._report = report
        self._live_log = live_log
        self._log_at_end = log_at_end or live_log is not None
        self._usual: UsualDuration | None = None
        self._asked_for_usual = False
        self._begin(None)

    def _begin(self, restarted: Deployment | None) -> None:
        self._began = self._clock.monotonic()
        self._before = restarted
        self._last: Deployment | None = None
        self._trouble = ""
        self._asked_to_wait = 0.0
        self._reported: tuple[object, ...] | None = None
        self._reported_at = 0.0
        self._log_due = 0.0
        self._log_pause = LOG_PAUSE_S
        self._log_size = -1
        self.log_is_read = False

    def run(self, *, restarted: Deployment | None = None) -> Deployment | None:
        """The deployment as last read: ended, or still running when the deadline is over.

        None when it could not be read once. `restarted` is how it had failed before it was restarted.
        `log_is_read` tells afterwards whether it came with its build log. Raises Refused and NotFound (it was
        deleted), which no waiting mends.
        """
        self._begin(restarted)
        while True:
            self._look()
            ended = self._last is not None and not self._last.running
            if not (ended or self._trouble or self._asked_for_usual):
                self._learn_usual()
            self._report_progress()
            if ended or self._deadline.over:
                return self._last
            self._sleep()

    def _look(self) -> None:
        """One look. Until the commit is known it reads the deployment, then the cheaper poll serves."""
        try:
            if self._live_log is not None and self._clock.monotonic() >= self._log_due:
                self._read(logs=True)
            elif self._last is None or self._last.commit.sha is None or self._last.unknown_status:
                self._read()
            else:
                self._poll(self._last)
        except (Refused, NotFound):
            raise
        except StormkitError as error:
            self._trouble = error.text
            self._asked_to_wait = error.retry_after
        else:
            self._trouble = ""
            self._asked_to_wait = 0.0

    @property
    def _brief(self) -> StormkitClient:
        return self._client.within(self._deadline.within(LOOK_TIMEOUT_S))

    def _poll(self, last: Deployment) -> None:
        polled = self._brief.poll(self._id, patience=0.0)
        self._last = replace(last, unknown_status=polled.unknown_status)
        if polled.status is Status.RUNNING:
            return
        if self._log_at_end or polled.status is not Status.SUCCESS:
            try:
                self._read(logs=True)
            except (Refused, NotFound):
                raise
            except StormkitError:
                pass  # an answer without the log is more likely to come through
            else:
                return
        self._read()

    def _read(self, *, logs: bool = False) -> None:
        began = self._clock.monotonic()
        try:
            client = self._client if logs else self._brief
            read = client.deployment(self._id, logs=logs, patience=0.0)
            if logs:
                self._note_size(read)
        finally:
            if logs:
                now = self._clock.monotonic()
                self._log_due = now + max(self._log_pause, (now - began) / LOG_SHARE)
        if self._is_before_restart(read):
            return
        if self._last is not None and not logs:
            read = replace(read, logs=self._last.logs, status_checks=self._last.status_checks)
        self._last, self.log_is_read = read, logs
        if logs and self._live_log is not None:
            self._live_log(read)

    def _note_size(self, read: Deployment) -> None:
        """Look at a log that does not grow less and less often."""
        steps = (*read.logs, *read.status_checks)
        size = len(steps) + sum(len(step.message) for step in steps)
        self._log_pause = min(2 * self._log_pause, MAX_LOG_PAUSE_S) if size == self._log_size else LOG_PAUSE_S
        self._log_size = size

    def _is_before_restart(self, read: Deployment) -> bool:
        """Whether `read` is still the failure that a restart has ended: that keeps the id and sets createdAt."""
        before = self._before
        return (
            before is not None
            and not read.running
            and (read.created_at, read.stopped_at) == (before.created_at, before.stopped_at)
            and self._clock.monotonic() - self._began < RESTART_LAG_S
        )

    def _learn_usual(self) -> None:
        self._asked_for_usual = True
        try:
            history = self._brief.deployments(patience=0.0).deployments
        except StormkitError:
            return  # without it there is no estimate, and the polls are placed without one
        self._usual = UsualDuration.of(history)

    def _pause(self) -> float:
        elapsed = self._clock.monotonic() - self._began
        planned = pause(elapsed, shortest=self._shortest_pause, usual=self._usual)
        if self._live_log is not None:
            planned = min(planned, max(self._shortest_pause, self._log_pause, LIVE_PAUSE_S))
        return max(planned, self._asked_to_wait)

    def _sleep(self) -> None:
        """Wait until the next look is due, reporting progress in time."""
        until = self._deadline.within(self._pause())
        while not until.over:
            silence = HEARTBEAT_S - (self._clock.monotonic() - self._reported_at)
            self._clock.sleep(max(_MIN_SLEEP_S, min(until.remaining, silence)))
            # Nothing can be reported during the next look, which may take a while.
            self._report_progress(after=HEARTBEAT_S - (LOOK_TIMEOUT_S if until.over else 0.0))

    def _report_progress(self, *, after: float = HEARTBEAT_S) -> None:
        """Report what has changed, and the unchanged state once the last report is `after` seconds old."""
        last = self._last
        # Consecutive errors are one state: report the first, not every different text.
        state = (last and (last.status, last.commit, last.unknown_status), self._usual, bool(self._trouble))
        now = self._clock.monotonic()
        if state == self._reported and now - self._reported_at < after:
            return
        self._reported, self._reported_at = state, now
        self._report(Progress(deployment=last, elapsed=now - self._began, usual=self._usual, trouble=self._trouble))


def with_logs(client: StormkitClient, deployment: Deployment, deadline: Deadline) -> Deployment:
    """`deployment` read again with its build log; as it is when the log can't be had."""
    try:
        return client.deployment(deployment.id, logs=True, patience=min(15.0, max(1.0, deadline.remaining)))
    except StormkitError:
        return deployment
