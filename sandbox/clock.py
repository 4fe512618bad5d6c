"""A clock that nobody waits for: time passes by being slept through."""

import math
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from stormkit_action.cancellation import Pending
from stormkit_action.errors import Cancelled

T = TypeVar("T")

# Not zero, so that a moment taken for "never" shows.
BEGIN = 1000.0
TODAY = datetime(2026, 3, 14, 9, 26, 53, tzinfo=UTC)


class FakeClock:
    """A `stormkit_action.clock.Clock` whose `sleep` moves both clocks on and returns at once.

    `slept` holds every sleep in seconds, in order. `passed` is how much time has gone by. With `cancel_after` the job
    is cancelled that many seconds after the beginning (`cancel()` does it now): whoever sleeps or calls then gets
    Cancelled at that very moment. `advance` lets time pass without waiting, for a server that takes its time.
    """

    def __init__(self, *, today: datetime = TODAY, cancel_after: float = math.inf) -> None:
        self.today = today
        self.slept: list[float] = []
        self.cancel_after = cancel_after
        self._time = _Time()

    @property
    def passed(self) -> float:
        return self._time.passed

    @property
    def cancelled(self) -> bool:
        return self.passed >= self.cancel_after

    def cancel(self) -> None:
        self.cancel_after = self.passed

    def advance(self, seconds: float) -> None:
        with self._time.lock:
            self._time.passed += seconds

    def monotonic(self) -> float:
        return BEGIN + self.passed

    def now(self) -> datetime:
        return self.today + timedelta(seconds=self.passed)

    def sleep(self, seconds: float) -> None:
        wait = max(0.0, seconds)
        with self._time.lock:
            self.slept.append(wait)
            until = self._time.passed + wait
            if until >= self.cancel_after:
                self._time.passed = max(self._time.passed, self.cancel_after)
                raise Cancelled
            self._time.passed = until

    def check(self) -> None:
        if self.cancelled:
            raise Cancelled

    def start(self, function: Callable[[], T]) -> "FakePending[T]":
        """Run `function` here and now. Where it advances the clock too far, whoever waits has given up on it."""
        self.check()
        return FakePending(function, self)

    def uncancelled(self) -> "FakeClock":
        """The same time, without the cancel."""
        other = FakeClock(today=self.today)
        other._time, other.slept = self._time, self.slept
        return other

    def _give_up(self, end: float) -> None:
        with self._time.lock:
            passed = self._time.passed
            if passed < min(end, self.cancel_after):
                return
            if self.cancel_after <= end:
                self._time.passed = self.cancel_after
                raise Cancelled
            if passed > end:
                self._time.passed = end
                raise TimeoutError


class FakePending(Pending[T]):
    """A call that runs when it is started. Its waiter decides whether it was in time, and `done` follows the clock."""

    def __init__(self, function: Callable[[], T], clock: FakeClock) -> None:
        self._clock = clock
        self._began = clock.passed
        self._error: BaseException | None = None
        try:
            self._value = function()
        except BaseException as error:
            self._error = error
        self._finished_at = clock.passed

    def wait(self, timeout: float) -> T:
        self._clock._give_up(self._began + timeout)
        return self.result()

    @property
    def done(self) -> bool:
        return self._clock.passed >= self._finished_at


class _Time:
    """What a clock and its uncancelled one share."""

    def __init__(self) -> None:
        self.passed = 0.0
        self.lock = threading.Lock()
