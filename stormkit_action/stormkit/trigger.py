"""Exactly one build: a trigger whose answer is lost is reconciled, never repeated blindly.

Stormkit stores a deployment first and queues its build second, and the call is not idempotent. So a lost answer may
hide a running build, and a 5xx may leave a deployment that never builds. Before a second trigger this module
therefore always looks for what the first one left.
"""

import contextlib
from collections.abc import Iterator
from datetime import datetime, timedelta

from stormkit_action.clock import Clock, Deadline
from stormkit_action.errors import Busy, NoAnswer, NotFound, Refused, ServerFault, StormkitError
from stormkit_action.stormkit.client import StormkitClient, Triggered
from stormkit_action.stormkit.models import Deployment
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
        self._late: list[str] = []
        self.notes: list[str] = []

    @classmethod
    def sent_before(cls, seconds: float, *, client: StormkitClient, branch: str, clock: Clock) -> "Trigger":
        """One that another process sent `seconds` ago, to be undone."""
        trigger = cls(client=client, branch=branch, clock=clock)
        trigger._sent_at = clock.monotonic() - seconds
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
            found: list[str] = []
            with contextlib.suppress(StormkitError):
                found = self._look_once(patience=min(1.5, deadline.remaining))
            if found:
                return tuple(deployment_id for deployment_id in found if self._stop(deployment_id, deadline))
            if deadline.remaining < 0.25:
                return ()
            self._clock.sleep(0.25)

    def _send(self, give_up: Deadline) -> Triggered:
        if self._sent_at is None:
            self._sent_at = self._clock.monotonic()
        limit = max(1.0, min(EXCHANGE_LIMIT, give_up.remaining))
        return self._client.deploy(self._branch, limit=limit, late=lambda triggered: self._late.append(triggered.id))

    def _settle(self, error: StormkitError, give_up: Deadline) -> str | None:
        """The deployment to adopt after `error`, None when there is certainly none to wait for."""
        queue_failed = isinstance(error, ServerFault) and error.by_server
        found = self._look(error, give_up, LOOK if isinstance(error, NoAnswer) else 0.0)
        if not found:
            return None
        if queue_failed:
            # The server says that it could not queue the build: what it stored would stay `running` for ever.
            for ghost in found:
                self._stop(ghost, give_up)
                self._not_ours.add(ghost)
                self.notes.append(f"Stormkit failed to queue deployment {ghost}; it is stopped and triggered again.")
            return None
        adopted, *others = found
        for other in others:
            self._stop(other, give_up)
            self.notes.append(f"Stopped deployment {other}, a second build of the same trigger.")
        self.notes.append(f"The answer to the trigger was lost; found its deployment {adopted}.")
        return adopted

    def _look(self, error: StormkitError, give_up: Deadline, seconds: float) -> list[str]:
        """Ids of what the trigger left, looked for until one shows or `seconds` are over.

        Raises when the list can't be read before `give_up`: then nobody knows, and a second trigger could be a
        second build.
        """
        enough = give_up.within(seconds)
        pauses = jittered_pauses()
        while True:
            try:
                found = self._look_once()
            except (NotFound, Refused):
                raise
            except StormkitError as problem:
                pause = max(next(pauses), problem.retry_after)
                if pause >= give_up.remaining:
                    raise unknown_whether_started(self._branch, error) from None
                self._clock.sleep(pause)
                continue
            if found or enough.over:
                return found
            self._clock.sleep(min(1.0, enough.remaining))

    def _stop(self, deployment_id: str, deadline: Deadline) -> bool:
        try:
            self._client.stop(deployment_id, patience=max(1.0, deadline.remaining))
        except StormkitError as error:
            self.notes.append(f"Could not stop deployment {deployment_id}: {error.text}")
            return False
        return True

    def _look_once(self, *, patience: float = 0.0) -> list[str]:
        """Ids of this branch's deployments that appeared since the trigger was sent, oldest first."""
        if self._late:
            return list(self._late)
        page = self._client.deployments(branch=self._branch, patience=patience)
        elapsed = self._clock.monotonic() - (self._sent_at or 0.0)
        since = (page.server_date or self._clock.now()) - timedelta(seconds=elapsed + CLOCK_TOLERANCE)
        return [deployment.id for deployment in reversed(page.deployments) if self._is_ours(deployment, since)]

    def _is_ours(self, deployment: Deployment, since: datetime) -> bool:
        return (
            deployment.id not in self._not_ours
            and deployment.is_auto_deploy is not True
            and deployment.branch in ("", self._branch)
            and deployment.created_at is not None
            and deployment.created_at >= since
        )

    def _stop_others(self, ours: str, give_up: Deadline) -> None:
        """After a second trigger: the first one may have shown up late."""
        for other in self._look(NoAnswer("", sent=True), give_up, 0.0):
            if other != ours:
                self._stop(other, give_up)
                self.notes.append(f"Stopped deployment {other}, which an earlier trigger had started late.")

    def _pause(self, error: StormkitError, give_up: Deadline, pauses: Iterator[float]) -> None:
        pause = max(next(pauses), error.retry_after)
        if pause >= give_up.remaining:
            raise error
        self._clock.sleep(pause)


def may_have_started(error: StormkitError) -> bool:
    """Whether a build may have been started although the trigger raised `error`."""
    return isinstance(error, ServerFault) or (isinstance(error, NoAnswer) and error.sent)


def unknown_whether_started(branch: str, error: StormkitError) -> NoAnswer:
    """The error when neither the trigger nor the list answers."""
    return NoAnswer(
        f"{error.text} Whether a build of {branch} was started is not known, because the list of deployments gave no"
        " answer either: look at the dashboard before running again.",
        sent=True,
    )
