"""Exactly one build: a trigger whose answer is lost is reconciled, never repeated blindly.

Stormkit stores a deployment first and queues its build second, and the call is not idempotent. So a lost answer may
hide a running build, and a 5xx may leave a deployment that never builds. Before a second trigger this module
therefore always looks for what the first one left, and once more later, for a request that arrived late.

Nothing in a deployment says which request it came from. What counts as ours is what appeared since our first
unacknowledged trigger on the same branch and is not an auto-deploy, and at most one for each of these triggers.
"""

import contextlib
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta

from stormkit_action.cancellation import Pending
from stormkit_action.clock import Clock, Deadline
from stormkit_action.errors import NoAnswer, NotFound, ServerFault, StormkitError
from stormkit_action.retry import Retries
from stormkit_action.stormkit.client import StormkitClient
from stormkit_action.stormkit.models import Deployment, Page, Status
from stormkit_action.stormkit.send_gate import SendGate
from stormkit_action.stormkit.session import EXCHANGE_TIMEOUT_S, PATIENCE_S

# How long to look for a deployment after an answer was lost: the server may still be working on it.
SEARCH_S = 12.0
SEARCH_PAUSE_S = 1.0

# By how much `createdAt` (whole seconds, the database's clock) may precede the moment the trigger was sent, by the
# server's own Date header (whole seconds, the web server's clock).
CLOCK_TOLERANCE_S = 2.0

# `createdAt` is truncated to seconds, so even on one clock it may precede our request by up to 1 s.
TRUNCATION_S = 1.0

# After this many seconds a new deployment can no longer come from a request we gave up on; it may belong to a newer
# push.
MAX_DELAY_S = 90.0

# A network that repeats a request makes two deployments of one trigger: created this close to each other.
TOGETHER = timedelta(seconds=1)

# What stopping an orphan may take.
STOP_PATIENCE_S = 10.0

# Cancelled while the trigger is in flight: wait this long for its response (which names the deployment) before
# searching the list.
CANCEL_ANSWER_S = 0.5
CANCEL_PAUSE_S = 0.25


class Trigger:
    """Starts builds of `branch`: one for each run(), all from one step.

    `known` are ids of deployments that were there before; `log` adds a line to the log.
    """

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
        self._accounted_for = set(known)
        self._first_sent = self._last_sent = 0.0
        self._unacknowledged = 0
        # Triggers that were given up on before they had an answer.
        self._pending: dict[Pending[str], SendGate] = {}
        self._log = log

    @classmethod
    def sent_before(cls, seconds: float, *, client: StormkitClient, branch: str, clock: Clock) -> "Trigger":
        """One that another process sent `seconds` ago, for stop_after_cancel() and orphans()."""
        trigger = cls(client=client, branch=branch, clock=clock)
        trigger._first_sent = trigger._last_sent = clock.monotonic() - seconds
        trigger._unacknowledged = 1
        return trigger

    @property
    def unacknowledged(self) -> bool:
        """Whether a trigger may have started a build that no answer has named."""
        return self._unacknowledged > 0

    def run(self, *, patience: float = PATIENCE_S) -> str:
        """Start one build and return its deployment's id. Raises StormkitError without one after `patience` seconds."""
        give_up = Deadline.after(self._clock, patience)
        retries = Retries(give_up)
        has_logged = False
        while True:
            try:
                ours = self._send(give_up)
            except StormkitError as error:
                if error.retryable and not has_logged:
                    # The log would be silent for up to a minute.
                    has_logged = True
                    self._log(f"Still trying. {error.text}")
                adopted = self._reconcile(error, give_up) if self.unacknowledged else None
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

    def stop_orphans(self) -> None:
        """Stop what unacknowledged triggers have started besides the deployment that run() returned.

        To be called again later, as a request may arrive late. Where more has appeared than our triggers explain,
        another workflow's deployment may be among it: then nothing is stopped.
        """
        if not self.unacknowledged:
            return
        with contextlib.suppress(StormkitError):
            answered = self._late_answers()
            if answered:
                orphans = [[deployment] for deployment in answered]
            else:
                rows = self._candidates(self._client.deployments(branch=self._branch, patience=0.0))
                rows = [row for row in rows if row.running]
                orphans = self._attribute(rows)
                if sum(len(group) for group in orphans) < len(rows):
                    self._log(
                        f"One of the deployments {', '.join(row.id for row in rows)} may be a second build of this"
                        " step, from a trigger whose answer was lost; which one is not known, so none was stopped."
                    )
                    self._accounted_for.update(row.id for row in rows)
                    return
            for group in orphans:
                if self._stop_all(group, "which an earlier trigger of this step had started late"):
                    self._acknowledge(deployment.id for deployment in group)

    def keep_back(self) -> None:
        """After a cancel: drop triggers that are still connecting, so that they are never sent."""
        for pending, gate in list(self._pending.items()):
            if not pending.done and gate.close():
                del self._pending[pending]
                self._unacknowledged -= 1

    def stop_after_cancel(self, deadline: Deadline) -> tuple[str, ...]:
        """After a cancel in flight: stop what the triggers started. The ids that were stopped.

        `deadline` is on a clock that the cancel does not end.
        """
        self._client, self._clock = self._client.within(deadline), deadline.clock
        in_flight = any(not pending.done for pending in self._pending)
        answer_first = deadline.within(CANCEL_ANSWER_S if in_flight else 0.0)
        stopped: list[str] = []
        while self.unacknowledged:
            groups = [[deployment] for deployment in self._late_answers()]
            if not groups and self.unacknowledged and answer_first.over:
                with contextlib.suppress(StormkitError):
                    groups = self._find(self._client, running=True)
            for group in groups:
                ids = [deployment.id for deployment in group]
                results = [self._stop(deployment_id) for deployment_id in ids]
                if all(results):
                    stopped += ids
                    self._acknowledge(ids)
            if not self.unacknowledged or deadline.remaining < CANCEL_PAUSE_S:
                break
            self._clock.sleep(CANCEL_PAUSE_S)
        return tuple(stopped)

    def orphans(self) -> tuple[str, ...]:
        """Ids of what the unacknowledged triggers have started, whatever became of it since. Raises StormkitError."""
        return tuple(deployment.id for group in self._find(self._client) for deployment in group)

    def _send(self, give_up: Deadline) -> str:
        self._last_sent = self._clock.monotonic()
        if not self.unacknowledged:
            self._first_sent = self._last_sent
        limit = max(1.0, min(EXCHANGE_TIMEOUT_S, give_up.remaining))
        gate = SendGate()
        pending = self._client.start_deploy(self._branch, gate=gate, limit=limit)
        self._unacknowledged += 1
        self._pending[pending] = gate
        try:
            ours = pending.wait(limit)
        except TimeoutError:
            raise NoAnswer(
                f"Stormkit did not finish its answer within {limit:.3g} s while triggering the deployment of"
                f" {self._branch}.",
                may_have_arrived=True,
            ) from None
        except StormkitError as error:
            del self._pending[pending]
            if not may_have_started(error):
                self._unacknowledged -= 1
            raise
        del self._pending[pending]
        self._acknowledge([ours])
        return ours

    def _acknowledge(self, ids: Iterable[str]) -> None:
        """Count one trigger as answered: it started the deployments `ids`."""
        self._accounted_for.update(ids)
        self._unacknowledged = max(0, self._unacknowledged - 1)

    def _late_answers(self) -> list[Deployment]:
        """Deployments named by late answers to abandoned triggers, but for those already acknowledged."""
        late: list[Deployment] = []
        for pending in [pending for pending in self._pending if pending.done]:
            try:
                deployment_id = pending.result()
            except StormkitError as error:
                del self._pending[pending]
                if not may_have_started(error):
                    self._unacknowledged = max(0, self._unacknowledged - 1)
                continue
            if deployment_id in self._accounted_for:
                del self._pending[pending]
            else:
                late.append(Deployment(id=deployment_id, status=Status.RUNNING))
        return late

    def _reconcile(self, error: StormkitError, give_up: Deadline) -> str | None:
        """The deployment to adopt after `error`; None when there is certainly none to wait for."""
        is_refused = left_a_row(error)
        try:
            groups = self._search(error, give_up, SEARCH_S if is_lost(error) else 0.0)
        except StormkitError:
            if is_refused:
                return None  # the refusal is certain, whatever became of its row
            raise
        if is_refused or (isinstance(error, ServerFault) and error.from_stormkit):
            groups = self._stop_unqueued(groups)
        if not groups:
            return None
        # Adopt the newest. Should one belong to another workflow, we never stop a newer commit for an older one.
        found = [deployment for group in groups for deployment in group]
        running = [deployment for deployment in found if deployment.status is not Status.STOPPED]
        adopted = (running or found)[-1].id
        self._log(f"The answer to the trigger was lost; found its deployment {adopted}.")
        for group in groups:
            self._stop_all(
                [deployment for deployment in group if deployment.id != adopted], "a second build of the same trigger"
            )
            self._acknowledge(deployment.id for deployment in group)
        return adopted

    def _stop_unqueued(self, groups: list[list[Deployment]]) -> list[list[Deployment]]:
        """Those of `groups` that are being built, after Stormkit said that it could not queue what it had stored.

        What never gets queued would stay `running` forever, or be built later, so it is stopped. What can't be
        stopped stays unacknowledged, for stop_orphans().
        """
        if not groups:
            self._unacknowledged -= 1
        built: list[list[Deployment]] = []
        for group in groups:
            if any(deployment.commit.sha is not None for deployment in group):
                built.append(group)
                continue
            running = [deployment for deployment in group if deployment.running]
            if self._stop_all(running, "which Stormkit had failed to queue"):
                self._acknowledge(deployment.id for deployment in group)
        return built

    def _search(self, error: StormkitError, give_up: Deadline, seconds: float) -> list[list[Deployment]]:
        """Search the list for what the triggers started, until something shows or `seconds` have passed.

        Raises when the list can't be read before `give_up`: then nobody knows, and a second trigger could be a
        second build.
        """
        enough = give_up.within(seconds)
        retries = Retries(give_up)
        client = self._client.within(give_up)
        while True:
            try:
                # Use the clock tolerance only once time is up: until then a certain match may still appear.
                groups = self._find(client, tolerant=enough.over)
            except StormkitError as problem:
                try:
                    retries.wait(problem)
                except StormkitError:
                    raise unknown_whether_started(self._branch, error) from None
                continue
            if groups or enough.over:
                return groups
            self._clock.sleep(max(0.05, min(SEARCH_PAUSE_S, enough.remaining)))

    def _find(self, client: StormkitClient, *, running: bool = False, tolerant: bool = True) -> list[list[Deployment]]:
        """What our unacknowledged triggers explain, oldest first, a group for each trigger.

        With `running` only deployments that are still running count.
        """
        late = self._late_answers()
        if late:
            return [[deployment] for deployment in late]
        page = client.deployments(branch=self._branch, patience=0.0)
        candidates = self._candidates(page, tolerant=tolerant)
        return self._attribute([deployment for deployment in candidates if deployment.running or not running])

    def _candidates(self, page: Page, *, tolerant: bool = True) -> list[Deployment]:
        """What can be ours: this branch's deployments since the first unacknowledged trigger, oldest first."""
        moment, now = self._clock.monotonic(), page.server_date or self._clock.now()
        since = now - timedelta(seconds=moment - self._first_sent + CLOCK_TOLERANCE_S)
        until = now - timedelta(seconds=moment - self._last_sent - MAX_DELAY_S)
        rows = [row for row in reversed(page.deployments) if self._can_be_ours(row, since, until)]
        likely = since + timedelta(seconds=CLOCK_TOLERANCE_S - TRUNCATION_S)
        ours = [row for row in rows if row.created_at and row.created_at >= likely]
        if ours or not tolerant:
            return ours
        return [row for row in rows if row.stopped_at is None or row.stopped_at > likely]

    def _can_be_ours(self, deployment: Deployment, since: datetime, until: datetime) -> bool:
        return (
            deployment.id not in self._accounted_for
            and deployment.is_auto_deploy is not True
            and deployment.branch in ("", self._branch)
            and deployment.created_at is not None
            and since <= deployment.created_at <= until
        )

    def _attribute(self, rows: list[Deployment]) -> list[list[Deployment]]:
        """The oldest of `rows`: a deployment for each unacknowledged trigger, and what was created together with it."""
        groups: list[list[Deployment]] = []
        for row in rows:
            if groups and _created_together(row, groups[-1][-1]):
                groups[-1].append(row)
            elif len(groups) < self._unacknowledged:
                groups.append([row])
        return groups

    def _stop_all(self, deployments: list[Deployment], what: str) -> bool:
        """Whether all of them are stopped."""
        all_stopped = True
        for deployment in deployments:
            if self._stop(deployment.id):
                self._log(f"Stopped deployment {deployment.id}, {what}.")
            else:
                all_stopped = False
        return all_stopped

    def _stop(self, deployment_id: str) -> bool:
        try:
            self._client.stop(deployment_id, patience=STOP_PATIENCE_S)
        except StormkitError as error:
            self._log(f"Could not stop deployment {deployment_id}: {error.text}")
            return False
        return True


def may_have_started(error: StormkitError) -> bool:
    """Whether a build may have been started although the trigger raised `error`."""
    if isinstance(error, NoAnswer):
        return error.may_have_arrived
    return isinstance(error, ServerFault) or left_a_row(error)


def left_a_row(error: StormkitError) -> bool:
    """Whether the trigger was refused, but may have left a deployment that never builds.

    Newer servers store the deployment before they look for the repository's credentials, and then answer 404 with a
    message.
    """
    return isinstance(error, NotFound) and not error.from_handler


def is_lost(error: StormkitError) -> bool:
    """Whether Stormkit itself has not said what became of the trigger: it may still be working on it."""
    if isinstance(error, ServerFault):
        return not error.from_stormkit
    return isinstance(error, NoAnswer) and error.may_have_arrived


def unknown_whether_started(branch: str, error: StormkitError) -> NoAnswer:
    """The error when neither the trigger nor the list answers."""
    why = f"Whether a build of {branch} was started is not known, because the list of deployments gave no answer either"
    return _look_at_dashboard(f"{error.text} {why}")


def may_still_start(branch: str, error: StormkitError) -> NoAnswer:
    """The error when the list shows no build, but the trigger may still arrive."""
    return _look_at_dashboard(
        f"{error.text} No build of {branch} was started so far, but the request may still be carried out"
    )


def _look_at_dashboard(text: str) -> NoAnswer:
    return NoAnswer(f"{text}: look at the dashboard before running again.", may_have_arrived=True)


def _created_together(one: Deployment, other: Deployment) -> bool:
    if one.created_at is None or other.created_at is None:
        return False
    return abs(one.created_at - other.created_at) <= TOGETHER
