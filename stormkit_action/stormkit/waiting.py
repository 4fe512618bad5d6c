"""Waiting for a build to end. Errors while polling never decide the outcome, except those that can't pass."""

from collections.abc import Callable
from typing import NamedTuple

from stormkit_action.clock import Clock, Deadline
from stormkit_action.errors import NotFound, Refused, ServerFault, StormkitError
from stormkit_action.retry import LONGEST_RETRY_AFTER_S
from stormkit_action.stormkit.client import GONE_PAUSE_S, StormkitClient
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

# A log that could not be read in this time is not asked for again: a server gives up after 30 s, and a log only grows.
LOG_GIVE_UP_S = 25.0

# For how long after a restart the failure before it may still be read.
RESTART_LAG_S = 30.0

# Floor for one sleep: clock rounding must not turn a wait into a busy loop.
_MIN_SLEEP_S = 0.001


class Progress(NamedTuple):
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
    called with the deployment each time its log was read. With `log_at_end` the result is read with its log, with
    `log_of_failure` that of a build that did not succeed; without either no log is asked for.
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
        log_of_failure: bool = True,
    ) -> None:
        self._client = client
        self._id = deployment_id
        self._clock = clock
        self._deadline = deadline
        self._shortest_pause = shortest_pause
        self._report = report
        self._live_log = live_log
        self._log_at_end = log_at_end or live_log is not None
        self._log_of_failure = log_of_failure
        self._usual: UsualDuration | None = None
        self._has_asked_for_usual = False
        # The oldest servers have no /poll: then the deployment is read instead.
        self._has_poll = True
        self._begin(None)

    def _begin(self, restarted: Deployment | None) -> None:
        self._began = self._clock.monotonic()
        self._before = restarted
        self._last: Deployment | None = None
        self._trouble = ""
        self._requested_pause = 0.0
        self._missing_since: float | None = None
        self._reported: tuple[object, ...] | None = None
        self._reported_at = 0.0
        self._log_due = 0.0
        self._log_pause = LOG_PAUSE_S
        self._log_size = -1
        self.log_is_read = False
        self.log_problem = ""

    def run(self, *, restarted: Deployment | None = None) -> Deployment | None:
        """The deployment as last read: ended, or still running when the deadline is over.

        None when it could not be read once. `restarted` is how it had failed before it was restarted. Afterwards
        `log_is_read` is whether it came with its build log, and `log_problem` why it could not be had. Raises Refused,
        and NotFound once the deployment is gone for certain.
        """
        self._begin(restarted)
        while True:
            self._look()
            ended = self._last is not None and not self._last.running
            if not (ended or self._trouble or self._has_asked_for_usual):
                self._learn_usual()
            if ended and self._live_log is not None:
                # The last lines of a live log come before the word that its build has ended.
                self._read_final_log()
            self._report_progress()
            if ended:
                self._read_final_log()
                return self._last
            if self._deadline.over:
                return self._last
            self._sleep()

    def _look(self) -> None:
        """Look once. Until the commit is known the deployment is read, then the cheaper poll is enough."""
        last = self._last
        try:
            if self._live_log is not None and not self.log_problem and self._clock.monotonic() >= self._log_due:
                self._read_live_log()
            elif (
                last is None
                or last.commit.sha is None
                or last.unknown_status
                or self._missing_since is not None
                or not self._has_poll
            ):
                self._read()
            else:
                self._poll(last)
        except Refused:
            raise
        except NotFound as error:
            self._trouble, self._requested_pause = error.text, 0.0
            self._note_missing(error)
        except StormkitError as error:
            self._trouble, self._requested_pause = error.text, error.retry_after
        else:
            self._trouble, self._requested_pause = "", 0.0
            self._missing_since = None

    def _note_missing(self, error: NotFound) -> None:
        """Raise `error` once Stormkit has not found the deployment twice, with a pause between.

        The first time may be a replica that lags, and somebody in between may answer 404 too.
        """
        now = self._clock.monotonic()
        if not error.from_handler:
            return
        if self._missing_since is None:
            self._missing_since = now
        elif now - self._missing_since >= GONE_PAUSE_S:
            raise error

    @property
    def _brief(self) -> StormkitClient:
        return self._client.within(self._deadline.within(LOOK_TIMEOUT_S))

    def _poll(self, last: Deployment) -> None:
        try:
            polled = self._brief.poll(self._id, patience=0.0)
        except ServerFault as error:
            if error.status != 404:
                raise
            self._read()
            self._has_poll = False
            return
        if polled.status is Status.RUNNING:
            self._last = last._replace(unknown_status=polled.unknown_status)
        else:
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
            read = read._replace(logs=self._last.logs, status_checks=self._last.status_checks)
        self._last, self.log_is_read = read, logs
        if logs and self._live_log is not None:
            self._live_log(read)

    def _read_live_log(self) -> None:
        """Read the deployment with its log; without it where the server can't deliver that."""
        began = self._clock.monotonic()
        try:
            self._read(logs=True)
        except StormkitError as error:
            if not error.retryable or self._clock.monotonic() - began < LOG_GIVE_UP_S:
                raise
            self.log_problem = error.text
            self._read()

    def _read_final_log(self) -> None:
        """Read the log of the build that has ended, once, if it will be shown."""
        last = self._last
        if last is None or self.log_is_read or self.log_problem:
            return
        if not self._log_at_end and not (self._log_of_failure and last.status is not Status.SUCCESS):
            return
        try:
            read = self._client.deployment(self._id, logs=True, patience=0.0)
        except StormkitError as error:
            self.log_problem = error.text
            return
        self._last, self.log_is_read = last._replace(logs=read.logs, status_checks=read.status_checks), True
        if self._live_log is not None:
            self._live_log(self._last)

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
        self._has_asked_for_usual = True
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
        if self._missing_since is not None:
            planned = max(self._shortest_pause, GONE_PAUSE_S)
        return max(planned, min(self._requested_pause, LONGEST_RETRY_AFTER_S))

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
        facts = (last.status, last.commit, last.unknown_status) if last is not None else None
        # Consecutive errors are one state: report the first, not every different text.
        state = (facts, self._usual, bool(self._trouble))
        now = self._clock.monotonic()
        if state == self._reported and now - self._reported_at < after:
            return
        self._reported, self._reported_at = state, now
        self._report(Progress(deployment=last, elapsed=now - self._began, usual=self._usual, trouble=self._trouble))


def with_logs(client: StormkitClient, deployment: Deployment) -> Deployment:
    """`deployment` with its build log, which is asked for once. Raises StormkitError when it can't be had."""
    read = client.deployment(deployment.id, logs=True)
    return deployment._replace(logs=read.logs, status_checks=read.status_checks)
