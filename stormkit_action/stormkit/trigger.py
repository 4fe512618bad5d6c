"""Exactly one build: a trigger whose answer is lost is reconciled, never repeated blindly.

Stormkit stores a deployment first and queues its build second, and the call is not idempotent. So a lost answer may
hide a running build, and a 5xx may leave a deployment that never builds. Before a second trigger this module
therefore always looks for what the first one left; and once more later, for a request that arrived late.

Nothing in a deployment tells which request it came from. What counts as ours is what appeared since our first trigger,
of the same branch and no auto-deployment; and of that no more than our triggers in doubt explain.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from stormkit_action.clock import Clock, Deadline
from stormkit_action.errors import ServerFault, StormkitError
from stormkit_action.retry import Retries
from stormkit_action.stormkit.client import StormkitClient
from stormkit_action.stormkit.doubt import is_lost, may_have_started, may_still_start, unknown_whether_started
from stormkit_action.stormkit.session import EXCHANGE_LIMIT, PATIENCE

if TYPE_CHECKING:
    from stormkit_action.stormkit.models import Deployment, Page

# Seconds to keep looking for a deployment after an answer was lost: the server may still be working on it.
LOOK = 12.0

# Seconds by which `createdAt` (whole seconds, the database's clock) may lie before the moment the trigger was sent,
# reckoned by the server's own Date header (whole seconds, the web server's clock).
CLOCK_TOLERANCE = 2.0

# On one and the same clock it can lie before it only because it is cut to whole seconds.
WHOLE_SECOND = 1.0

# A request that was given up on may still be carried out for so long, in seconds. What appears later is no stray of
# ours: it may be a newer push's.
LATEST = 90.0

# A network that repeats a request makes two deployments of one trigger. Created within so many seconds of each other
# (`createdAt` has whole ones) they count as that.
TOGETHER = timedelta(seconds=1)

# What stopping a surplus build may take. Seconds.
STOP_PATIENCE = 10.0

# After a cancel in flight: for how long the answer itself, which tells for certain, goes before the list. Seconds.
ANSWER_FIRST = 0.5
UNDO_PAUSE = 0.25


class Trigger:
    """One build of `branch`. `known` are ids of deployments that were there before; `say` puts a line into the log."""

    def __init__(
        self,
        *,
        client: StormkitClient,
        branch: str,
        clock: Clock,
        known: frozenset[str] = frozenset(),
        log: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._client = client
        self._branch = branch
        self._clock = clock
        self._not_ours = set(known)
        self._first_sent = self._last_sent = 0.0
        self._doubts = 0
        self._in_flight = False
        self._late: list[Deployment] = []
        self._say = log
        self._said_trying = False

    @classmethod
    def sent_before(cls, seconds: float, *, client: StormkitClient, branch: str, clock: Clock) -> Trigger:
        """One that another process sent `seconds` ago, to be undone."""
        trigger = cls(client=client, branch=branch, clock=clock)
        trigger._first_sent = trigger._last_sent = clock.monotonic() - seconds
        trigger._doubts = 1
        return trigger

    @property
    def unacknowledged(self) -> bool:
        """Whether a build may exist that nobody has told us of."""
        return self._doubts > 0

    def run(self, *, patience: float = PATIENCE) -> str:
        """The id of the one deployment. Raises StormkitError when there is none after `patience` seconds."""
        give_up = Deadline.after(self._clock, patience)
        retries = Retries(give_up)
        while True:
            try:
                ours = self._send(give_up)
            except StormkitError as error:
                self._say_trying(error)
                adopted = self._settle(error, give_up) if self.unacknowledged else None
                if adopted is not None:
                    return adopted
                if not error.retryable:
                    raise
                try:
                    retries.wait(error)
                except StormkitError:
                    raise may_still_start(self._branch, error) if self.unacknowledged else error from None
            else:
                self.stop_orphans()
                return ours

    def _say_trying(self, error: StormkitError) -> None:
        """Say once that it did not go through at once: the log would be silent for up to a minute."""
        if error.retryable and not self._said_trying:
            self._said_trying = True
            self._say(f"Still trying. {error.text}")

    def stop_orphans(self) -> None:
        """Stop what a trigger in doubt has started besides the deployment that run() returned.

        To be called again later, as a request may arrive late. Where more has appeared than our triggers explain,
        another workflow's may be among it: then nothing is stopped.
        """
        if not self.unacknowledged:
            return
        with contextlib.suppress(StormkitError):
            rows = self._appeared(self._client.deployments(branch=self._branch, patience=0.0))
            rows = [each for each in rows if each.running]
            strays = self._explained(rows)
            if sum(map(len, strays)) < len(rows):
                self._say(
                    f"One of the deployments {', '.join(each.id for each in rows)} may be a second build of this step,"
                    " of a trigger whose answer was lost; which one is not known, so none was stopped."
                )
                self._not_ours |= {each.id for each in rows}
                return
            for one in strays:
                if self._stop_surplus(one, "which an earlier trigger of this step had started late"):
                    self._settled(each.id for each in one)

    def stop_after_cancel(self, deadline: Deadline) -> tuple[str, ...]:
        """After a cancel in flight: stop what the trigger started. The ids that were stopped.

        `deadline` is on a clock that the cancel does not end.
        """
        self._client, self._clock = self._client.within(deadline), deadline.clock
        answer_first = deadline.within(ANSWER_FIRST if self._in_flight else 0.0)
        stopped: list[str] = []
        while self.unacknowledged:
            found: list[list[Deployment]] = []
            if self._late or answer_first.over:
                with contextlib.suppress(StormkitError):
                    found = self._look_once(self._client, running=True)
            for one in found:
                if all([self._stop(each.id) for each in one]):
                    stopped += [each.id for each in one]
                    self._settled(each.id for each in one)
            if self.unacknowledged and deadline.remaining < UNDO_PAUSE:
                break
            self._clock.sleep(UNDO_PAUSE if self.unacknowledged else 0.0)
        return tuple(stopped)

    def orphans(self) -> tuple[str, ...]:
        """Ids of what the triggers in doubt have started, whatever became of it since. Raises StormkitError."""
        return tuple(each.id for one in self._look_once(self._client) for each in one)

    def _send(self, give_up: Deadline) -> str:
        self._last_sent = self._clock.monotonic()
        self._first_sent = self._first_sent or self._last_sent
        limit = max(1.0, min(EXCHANGE_LIMIT, give_up.remaining))
        self._doubts += 1
        self._in_flight = True
        try:
            ours = self._client.deploy(
                self._branch, limit=limit, late=lambda late: self._late.append(_known_by_its_id(late))
            )
        except StormkitError as error:
            self._in_flight = False
            if not may_have_started(error):
                self._doubts -= 1
            raise
        self._in_flight = False
        self._settled([ours])
        return ours

    def _settled(self, one: Iterable[str]) -> None:
        """What one trigger has started is accounted for."""
        self._not_ours.update(one)
        self._late = [each for each in self._late if each.id not in self._not_ours]
        self._doubts = max(0, self._doubts - 1)

    def _settle(self, error: StormkitError, give_up: Deadline) -> str | None:
        """The deployment to adopt after `error`, None when there is certainly none to wait for."""
        told = not is_lost(error)
        found = self._look(error, give_up, 0.0 if told else LOOK)
        if isinstance(error, ServerFault) and error.from_stormkit:
            found = self._without_ghosts(found)
        if not found:
            return None
        from stormkit_action.stormkit.models import Status  # noqa: PLC0415 - after the trigger, like all of it

        # The newest: if one of them is another workflow's after all, no newer commit is stopped for an older one.
        newest = [each for one in found for each in one]
        adopted = next((each.id for each in reversed(newest) if each.status is not Status.STOPPED), newest[-1].id)
        self._say(f"The answer to the trigger was lost; found its deployment {adopted}.")
        for one in found:
            self._stop_surplus([each for each in one if each.id != adopted], "a second build of the same trigger")
            self._settled(each.id for each in one)
        return adopted

    def _without_ghosts(self, found: list[list[Deployment]]) -> list[list[Deployment]]:
        """Those of `found` that are being built. The server says that it could not queue what it had stored.

        That would stay `running` for ever, so it is stopped.
        """
        if not found:
            self._doubts -= 1
        for one in found:
            if all(each.commit.sha is None for each in one):
                self._stop_surplus([each for each in one if each.running], "which Stormkit had failed to queue")
                self._settled(each.id for each in one)
        return [one for one in found if any(each.commit.sha is not None for each in one)]

    def _look(self, error: StormkitError, give_up: Deadline, seconds: float) -> list[list[Deployment]]:
        """What the triggers left, looked for until one shows or `seconds` are over.

        Raises when the list can't be read before `give_up`: then nobody knows, and a second trigger could be a
        second build.
        """
        enough = give_up.within(seconds)
        retries = Retries(give_up)
        client = self._client.within(give_up)
        while True:
            try:
                # What only the tolerance lets in is not taken while what is surely ours may still show.
                found = self._look_once(client, tolerant=enough.over)
            except StormkitError as problem:
                try:
                    retries.wait(problem)
                except StormkitError:
                    raise unknown_whether_started(self._branch, error) from None
                continue
            if found or enough.over:
                return found
            self._clock.sleep(max(0.05, min(1.0, enough.remaining)))

    def _look_once(
        self, client: StormkitClient, *, running: bool = False, tolerant: bool = True
    ) -> list[list[Deployment]]:
        """What our triggers in doubt explain, oldest first, a list for each trigger; if so only what is `running`."""
        if self._late:
            return [[each] for each in self._late]
        page = client.deployments(branch=self._branch, patience=0.0)
        return self._explained(
            [each for each in self._appeared(page, tolerant=tolerant) if each.running or not running]
        )

    def _appeared(self, page: Page, *, tolerant: bool = True) -> list[Deployment]:
        """What can be ours: this branch's deployments that appeared since the first trigger, oldest first."""
        moment, now = self._clock.monotonic(), page.server_date or self._clock.now()
        since = now - timedelta(seconds=moment - self._first_sent + CLOCK_TOLERANCE)
        until = now - timedelta(seconds=moment - self._last_sent - LATEST)
        rows = [each for each in reversed(page.deployments) if self._can_be_ours(each, since, until)]
        likely = since + timedelta(seconds=CLOCK_TOLERANCE - WHOLE_SECOND)
        ours = [each for each in rows if each.created_at and each.created_at >= likely]
        if ours or not tolerant:
            return ours
        return [each for each in rows if each.stopped_at is None or each.stopped_at > likely]

    def _can_be_ours(self, deployment: Deployment, since: datetime, until: datetime) -> bool:
        return (
            deployment.id not in self._not_ours
            and deployment.is_auto_deploy is not True
            and deployment.branch in ("", self._branch)
            and deployment.created_at is not None
            and since <= deployment.created_at <= until
        )

    def _explained(self, rows: list[Deployment]) -> list[list[Deployment]]:
        """The oldest of `rows`: for each trigger in doubt a deployment, and what was created together with it."""
        ours: list[list[Deployment]] = []
        for each in rows:
            if ours and _together(each, ours[-1][-1]):
                ours[-1].append(each)
            elif len(ours) < self._doubts:
                ours.append([each])
        return ours

    def _stop_surplus(self, surplus: list[Deployment], what: str) -> bool:
        """Whether all of them are stopped."""
        stopped = [each.id for each in surplus if self._stop(each.id)]
        for each in stopped:
            self._say(f"Stopped deployment {each}, {what}.")
        return len(stopped) == len(surplus)

    def _stop(self, deployment_id: str) -> bool:
        try:
            self._client.stop(deployment_id, patience=STOP_PATIENCE)
        except StormkitError as error:
            self._say(f"Could not stop deployment {deployment_id}: {error.text}")
            return False
        return True


def _known_by_its_id(deployment_id: str) -> Deployment:
    from stormkit_action.stormkit.models import Deployment, Status  # noqa: PLC0415

    return Deployment(id=deployment_id, status=Status.RUNNING)


def _together(one: Deployment, other: Deployment) -> bool:
    if one.created_at is None or other.created_at is None:
        return False
    return abs(one.created_at - other.created_at) <= TOGETHER
