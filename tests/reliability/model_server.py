"""A model of Stormkit that loses, delays and repeats triggers and their answers, on a fake clock."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from sandbox.clock import FakeClock
from stormkit_action.cancellation import Pending
from stormkit_action.clock import Deadline
from stormkit_action.errors import Busy, NoAnswer, NotFound, Refused, ServerFault, StormkitError
from stormkit_action.stormkit.models import Deployment, Page, Status
from stormkit_action.stormkit.send_gate import SendGate

BRANCH = "feature/preview-links"
READ_TIMEOUT_S = 20.0


class Answer(StrEnum):
    """What happens to the answer to a trigger."""

    OK = "ok"
    RESET = "reset"
    SILENCE = "silence"
    BAD_GATEWAY = "502"
    GARBAGE = "garbage"
    NOT_QUEUED = "500"
    QUEUED_LATER = "500, although its build is queued later"
    GATEWAY_JSON = "504 with JSON"
    NO_REPOSITORY = "404, with a row that never builds"
    BUSY = "429"
    REFUSED_CONNECTION = "refused connection"
    NO_MINUTES = "402"


# Answers that mean that the trigger was not carried out.
TURNED_AWAY = frozenset((Answer.BUSY, Answer.REFUSED_CONNECTION, Answer.NO_MINUTES))


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """What happens to one trigger. Times are seconds after it was sent; stored after infinity, it was lost.

    `times` is how many deployments it creates, because a network in between may repeat the request.
    """

    answer: Answer = Answer.OK
    stored_after: float = 0.1
    answer_after: float = 0.2
    times: int = 1


@dataclass(kw_only=True)
class Stored:
    """A deployment on the server; `ours` is False if another workflow or a push started it."""

    id: str
    at: float
    branch: str = BRANCH
    unqueued: bool = False
    auto: bool = False
    ours: bool = True
    stopped: bool = False


@dataclass(kw_only=True)
class ModelServer:
    """The server. Reads and stops fail until `clock.passed` is `reads_from`; its clock is `skew` seconds ahead."""

    clock: FakeClock
    deliveries: list[Delivery] = field(default_factory=list)
    reads_from: float = 0.0
    skew: float = 0.0
    sends_date: bool = True
    stored: list[Stored] = field(default_factory=list)
    triggers: list[float] = field(default_factory=list)

    def within(self, deadline: Deadline) -> "ModelServer":
        """The same server, on the clock of `deadline`."""
        return ModelServer(
            **{name: getattr(self, name) for name in ("deliveries", "reads_from", "skew", "sends_date")},
            clock=deadline.clock,
            stored=self.stored,
            triggers=self.triggers,
        )  # type: ignore[arg-type]

    def add(self, at: float, **more: object) -> Stored:
        stored = Stored(id=str(8000 + len(self.stored)), at=at, **more)  # type: ignore[arg-type]
        self.stored.append(stored)
        return stored

    def start_deploy(self, branch: str, *, gate: SendGate, limit: float) -> Pending[str]:
        assert branch == BRANCH
        gate.enter()
        now = self.clock.passed
        self.triggers.append(now)
        delivery = self.deliveries.pop(0) if self.deliveries else Delivery()
        created: list[Stored] = []
        if delivery.stored_after < math.inf and delivery.answer not in TURNED_AWAY:
            unqueued = delivery.answer in (Answer.NOT_QUEUED, Answer.NO_REPOSITORY)
            created = [self.add(now + delivery.stored_after, unqueued=unqueued) for _ in range(delivery.times)]
        answered_after = max(delivery.answer_after, delivery.stored_after if created else 0.0)
        return self.clock.start(lambda: self._exchange(delivery, created, answered_after))

    def _exchange(self, delivery: Delivery, created: list[Stored], answered_after: float) -> str:
        silent = delivery.answer is Answer.SILENCE or (delivery.answer is Answer.OK and not created)
        if silent or answered_after > READ_TIMEOUT_S:
            self.clock.advance(READ_TIMEOUT_S)
            raise NoAnswer("the request timed out", may_have_arrived=True)
        self.clock.advance(answered_after)
        if delivery.answer is Answer.OK:
            return created[0].id
        raise _ERRORS[delivery.answer]()

    def deployments(self, *, branch: str, patience: float) -> Page:
        self._wait_for_answer()
        rows = [
            self._row(stored) for stored in self.stored if stored.at <= self.clock.passed and stored.branch == branch
        ]
        rows.sort(key=lambda row: (row.created_at, int(row.id)), reverse=True)
        date = datetime.fromtimestamp(math.floor(self._wall(self.clock.passed)), UTC) if self.sends_date else None
        return Page(deployments=tuple(rows[:20]), has_next=len(rows) > 20, server_date=date)

    def stop(self, deployment_id: str, *, patience: float) -> None:
        self._wait_for_answer()
        (stored,) = (stored for stored in self.stored if stored.id == deployment_id)
        assert stored.at <= self.clock.passed
        stored.stopped = True

    def building(self) -> list[str]:
        """Ids of our builds that are still running."""
        return [stored.id for stored in self.stored if stored.ours and not stored.unqueued and not stored.stopped]

    def _wait_for_answer(self) -> None:
        self.clock.start(lambda: self.clock.advance(0.05)).wait(10)
        if self.clock.passed < self.reads_from:
            raise NoAnswer("the connection broke", may_have_arrived=True)

    def _row(self, stored: Stored) -> Deployment:
        created_at = datetime.fromtimestamp(math.floor(self._wall(stored.at)), UTC)
        return Deployment(
            id=stored.id,
            status=Status.STOPPED if stored.stopped else Status.RUNNING,
            branch=stored.branch,
            is_auto_deploy=stored.auto,
            created_at=created_at,
        )

    def _wall(self, passed: float) -> float:
        return (self.clock.today + timedelta(seconds=passed + self.skew)).timestamp()


_ERRORS: dict[Answer, Callable[[], StormkitError]] = {
    Answer.RESET: lambda: NoAnswer("the connection broke", may_have_arrived=True),
    Answer.BAD_GATEWAY: lambda: ServerFault("502", status=502),
    Answer.GARBAGE: lambda: ServerFault("no JSON", status=201),
    Answer.NOT_QUEUED: lambda: ServerFault("500", status=500, from_stormkit=True),
    Answer.QUEUED_LATER: lambda: ServerFault("500", status=500, from_stormkit=True),
    Answer.GATEWAY_JSON: lambda: ServerFault("504", status=504, retry_after=60.0),
    Answer.NO_REPOSITORY: lambda: NotFound("404", server_message="Repository is not found or is inaccessible."),
    Answer.BUSY: lambda: Busy("429", status=429, retry_after=2.0),
    Answer.REFUSED_CONNECTION: lambda: NoAnswer("refused", may_have_arrived=False),
    Answer.NO_MINUTES: lambda: Refused("402", status=402),
}
