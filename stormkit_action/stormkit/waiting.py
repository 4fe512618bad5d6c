"""Waiting for a build to end. Errors while polling never decide the outcome, except those that can't pass."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from stormkit_action.clock import Clock, Deadline
from stormkit_action.errors import NotFound, Refused, StormkitError
from stormkit_action.stormkit.client import StormkitClient
from stormkit_action.stormkit.models import Deployment
from stormkit_action.stormkit.schedule import Usual, pause

# Something is said at least this often while waiting. Seconds.
HEARTBEAT = 30.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Progress:
    """How a build stands: `elapsed` seconds after it was triggered; `usual` once known.

    `deployment` is None until it has been read once. `trouble` is why the last look failed.
    """

    deployment: Deployment | None
    elapsed: float
    usual: Usual | None = None
    trouble: str = ""


class BuildWait:
    """Waits for one deployment until it has ended or `deadline` is over.

    `report` is called with a Progress when something changed and at least every 30 seconds.
    `began` is the clock's monotonic time at which the build was triggered.
    """

    def __init__(
        self,
        *,
        client: StormkitClient,
        deployment_id: str,
        clock: Clock,
        began: float,
        deadline: Deadline,
        shortest_pause: float,
        report: Callable[[Progress], None],
    ) -> None:
        self._client = client
        self._id = deployment_id
        self._clock = clock
        self._began = began
        self._deadline = deadline
        self._shortest_pause = shortest_pause
        self._report = report
        self._last: Deployment | None = None
        self._usual: Usual | None = None
        self._asked_for_usual = False
        self._trouble = ""
        self._asked_to_wait = 0.0
        self._said: tuple[object, ...] | None = None
        self._said_at = 0.0

    def run(self) -> Deployment | None:
        """The deployment as last read: ended, or still running when the deadline is over.

        None when it could not be read once. Raises Refused and NotFound (it was deleted), which no waiting mends.
        """
        while True:
            self._look()
            self._speak()
            if self._last is not None and not self._last.running:
                return self._last
            if self._deadline.over:
                return self._last
            if not self._asked_for_usual and not self._trouble:
                self._learn_usual()
            self._sleep()

    def _look(self) -> None:
        """One look. Until the commit is known it reads the deployment, then the cheaper poll serves."""
        try:
            if self._last is None or self._last.commit.sha is None or self._last.unknown_status:
                self._last = self._client.deployment(self._id, patience=0.0)
            else:
                polled = self._client.poll(self._id, patience=0.0)
                self._last = replace(self._last, unknown_status=polled.unknown_status)
                if polled.status is not self._last.status:
                    self._last = self._client.deployment(self._id, patience=0.0)
        except (Refused, NotFound):
            raise
        except StormkitError as error:
            self._trouble = error.text
            self._asked_to_wait = error.retry_after
        else:
            self._trouble = ""
            self._asked_to_wait = 0.0

    def _learn_usual(self) -> None:
        self._asked_for_usual = True
        try:
            history = self._client.deployments(patience=0.0).deployments
        except StormkitError:
            return  # it only serves the progress line
        self._usual = Usual.of(history)

    def _sleep(self) -> None:
        """Until the next look is due, saying something in time."""
        due = max(pause(self._clock.monotonic() - self._began, shortest=self._shortest_pause), self._asked_to_wait)
        until = self._deadline.within(due)
        while not until.over:
            silence = HEARTBEAT - (self._clock.monotonic() - self._said_at)
            self._clock.sleep(min(until.remaining, max(0.0, silence)))
            self._speak()

    def _speak(self) -> None:
        last = self._last
        state = (last and (last.status, last.commit, last.unknown_status), self._usual, self._trouble)
        now = self._clock.monotonic()
        if state == self._said and now - self._said_at < HEARTBEAT:
            return
        self._said, self._said_at = state, now
        self._report(Progress(deployment=last, elapsed=now - self._began, usual=self._usual, trouble=self._trouble))


def with_logs(client: StormkitClient, deployment: Deployment, deadline: Deadline) -> Deployment:
    """`deployment` read again with its build log; as it is when the log can't be had."""
    try:
        return client.deployment(deployment.id, logs=True, patience=min(15.0, max(1.0, deadline.remaining)))
    except StormkitError:
        return deployment
