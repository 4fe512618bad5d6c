"""Exactly one build: a trigger whose answer is lost is reconciled, never repeated blindly.

Stormkit stores a deployment first and queues its build second, and the call is not idempotent. So a lost answer may
hide a running build, and a 5xx may leave a deployment that never builds. Before a second trigger this module
therefore always looks for what the first one left.

What it looks for carries no mark of ours: it is a deployment of this branch and environment, not an auto-deployment,
that appeared since the trigger was sent. Another step that deploys the same branch to the same environment in the same
seconds can't be told apart. So among several the newest is kept and the older ones are stopped, as `stop-superseded`
does: whoever they belong to, the newest commit is what gets built, and never is a newer build stopped for an older
one. A deployment whose build has begun is never taken for one that was not queued.
"""

import contextlib
from collections.abc import Iterator
from datetime import datetime, timedelta

from stormkit_action.clock import Clock, Deadline
from stormkit_action.errors import Busy, NoAnswer, NotFound, Refused, ServerFault, StormkitError
from stormkit_action.stormkit.client import StormkitClient, Triggered
from stormkit_action.stormkit.models import Deployment, Status
from stormkit_action.stormkit.transport import EXCHANGE_LIMIT, PATIENCE, jittered_pauses

# Seconds to keep looking for a deployment after an answer was lost: the server may still be working on it.
LOOK = 12.0

# Seconds by which `createdAt` (whole seconds, the database's clock) may lie before the moment the trigger was sent,
# reckoned by the server's own Date header (whole seconds, the web server's clock).
CLOCK_TOLERANCE = 2.0


class Trigger:
    """One build of `branch`. `known` are ids of deployments that were there before."""

    def __init__(
        self, *, client: StormkitClient, branch: str, clock: Clock, known: frozenset[str] = frozenset()
    ) -> None:
        self._client = client
        self._branch = branch
        self._clock = clock
        self._not_ours = set(known)
        self._sent_at: float | None = None
        self._sends = 0
        # Ids out of answers that came after their call was given up: these are certainly ours.
        self._late: list[str] = []
        self.notes: list[str] = []

    @classmethod
    def sent_before(cls, seconds: float, *, client: StormkitClient, branch: str, clock: Clock) -> "Trigger":
        """One that another process sent `seconds` ago, to be undone."""
        trigger = cls(client=client, branch=branch, clock=clock)
        trigger._sent_at, trigger._sends = clock.monotonic() - seconds, 1
        return trigger

    @property
    def in_doubt(self) -> bool:
        """Whether a trigger was sent at all, so that a build may exist that nobody has told us of."""
        return self._sent_at is not None

    def run(self, *, patience: float = PATIENCE) -> str:
        """The id of the one deployment. Raises StormkitError when there is none after `patience` seconds."""
        give_up = Deadline.after(self._clock, patience)
        pauses = jittered_pauses()
        doubt = False
        while True:
            try:
                triggered = self._send(give_up)
            except (NoAnswer, Busy, ServerFault) as error:
                if isinstance(error, NoAnswer) and error.permanent:
                    raise
                doubt = doubt or may_have_started(error)
                found = self._settle(error, give_up) if doubt else None
                if found is not None:
                    return found
                self._pause(error, give_up, pauses)
                continue
            if doubt:
                self._stop_others(triggered.id, give_up)
            return triggered.id

    def undo(self, deadline: Deadline) -> tuple[str, ...]:
        """After a cancel in flight: stop what the trigger started. The ids that were stopped.

        `deadline` is on a clock that the cancel does not end.
        """
        if not self.in_doubt:
            return ()
        self._client, self._clock = self._client.within(deadline), deadline.clock
        while True:
            found = list(self._late)
            if len(found) < self._sends:
                with contextlib.suppress(StormkitError):
                    seen = self._look_once(patience=min(1.5, deadline.remaining))
                    found += [each.id for each in seen if each.running and each.id not in found]
            if found:
                return tuple(deployment_id for deployment_id in found if self._stop(deployment_id, deadline))
            if deadline.remaining < 0.25:
                return ()
            self._clock.sleep(0.25)

    def _send(self, give_up: Deadline) -> Triggered:
        if self._sent_at is None:
            self._sent_at = self._clock.monotonic()
        self._sends += 1
        limit = max(1.0, min(EXCHANGE_LIMIT, give_up.remaining))
        return self._client.deploy(self._branch, limit=limit, late=lambda triggered: self._late.append(triggered.id))

    def _settle(self, error: StormkitError, give_up: Deadline) -> str | None:
        """The deployment to adopt after `error`, None when there is certainly none to wait for."""
        found = self._look(error, give_up, LOOK if _may_still_come(error) else 0.0)
        if isinstance(error, ServerFault) and error.by_server and not self._late:
            found = self._without_ghosts(found, give_up)
        if not self._late and not found:
            return None
        adopted = self._late[0] if self._late else _best(found).id
        self._stop_all_but(adopted, found, give_up)
        self.notes.append(f"The answer to the trigger was lost; found its deployment {adopted}.")
        return adopted

    def _without_ghosts(self, found: list[Deployment], give_up: Deadline) -> list[Deployment]:
        """Those of `found` that are being built. The server says that it could not queue what it had stored.

        That would stay `running` for ever, so it is stopped.
        """
        for each in found:
            if each.commit.sha is None:
                self._not_ours.add(each.id)
                if each.running and self._stop(each.id, give_up):
                    self.notes.append(f"Stormkit failed to queue deployment {each.id}: stopped it.")
        return [each for each in found if each.commit.sha is not None]

    def _look(self, error: StormkitError, give_up: Deadline, seconds: float) -> list[Deployment]:
        """What the trigger left, looked for until something shows or `seconds` are over.

        Raises when the list can't be read before `give_up`: then nobody knows, and a second trigger could be a
        second build.
        """
        enough = give_up.within(seconds)
        pauses = jittered_pauses()
        while True:
            try:
                found = self._look_once()
            except StormkitError as problem:
                if self._late:
                    return []
                if isinstance(problem, NotFound | Refused):
                    raise
                pause = max(next(pauses), problem.retry_after)
                if pause >= give_up.remaining:
                    raise unknown_whether_started(self._branch, error) from None
                self._clock.sleep(pause)
                continue
            if found or self._late or enough.over:
                return found
            self._clock.sleep(min(1.0, enough.remaining))

    def _stop(self, deployment_id: str, deadline: Deadline) -> bool:
        try:
            self._client.stop(deployment_id, patience=max(1.0, deadline.remaining))
        except StormkitError as error:
            self.notes.append(f"Could not stop deployment {deployment_id}: {error.text}")
            return False
        return True

    def _look_once(self, *, patience: float = 0.0) -> list[Deployment]:
        """This branch's deployments that appeared since the trigger was sent, newest first."""
        page = self._client.deployments(branch=self._branch, patience=patience)
        elapsed = self._clock.monotonic() - (self._sent_at or 0.0)
        since = (page.server_date or self._clock.now()) - timedelta(seconds=elapsed + CLOCK_TOLERANCE)
        return [deployment for deployment in page.deployments if self._is_ours(deployment, since)]

    def _is_ours(self, deployment: Deployment, since: datetime) -> bool:
        return (
            deployment.id not in self._not_ours
            and deployment.is_auto_deploy is not True
            and deployment.branch in ("", self._branch)
            and deployment.created_at is not None
            and deployment.created_at >= since
        )

    def _stop_others(self, ours: str, give_up: Deadline) -> None:
        """After a second trigger: the first one may have shown up late.

        Raises nothing: there is a deployment, and it is known.
        """
        with contextlib.suppress(StormkitError):
            found = self._look(NoAnswer("", sent=True), give_up.within(LOOK), 0.0)
            self._stop_all_but(ours, found, give_up)
        for late in self._late:
            if late != ours:
                self._stop(late, give_up)

    def _stop_all_but(self, ours: str, found: list[Deployment], give_up: Deadline) -> None:
        for other in found:
            if other.id != ours and other.running and self._stop(other.id, give_up):
                self.notes.append(f"Stopped deployment {other.id}: {ours} is built instead.")

    def _pause(self, error: StormkitError, give_up: Deadline, pauses: Iterator[float]) -> None:
        pause = max(next(pauses), error.retry_after)
        if pause >= give_up.remaining:
            raise error
        self._clock.sleep(pause)


def may_have_started(error: StormkitError) -> bool:
    """Whether a build may have been started although the trigger raised `error`."""
    return isinstance(error, ServerFault) or (isinstance(error, NoAnswer) and error.sent)


def _may_still_come(error: StormkitError) -> bool:
    """Whether the server may still be at it: nothing came back, or a gateway answered in its place."""
    return isinstance(error, NoAnswer) or error.status in (502, 504)


def _best(found: list[Deployment]) -> Deployment:
    """The newest, if possible one that nobody has stopped."""
    return next((each for each in found if each.status is not Status.STOPPED), found[0])


def unknown_whether_started(branch: str, error: StormkitError) -> NoAnswer:
    """The error when neither the trigger nor the list answers."""
    return NoAnswer(
        f"{error.text} Whether a build of {branch} was started is not known, because the list of deployments gave no"
        " answer either: look at the dashboard before running again.",
        sent=True,
    )
