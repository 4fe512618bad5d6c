"""A fake clock for tests: sleeping moves its time forward and returns at once."""

import math
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from stormkit_action.cancellation import Pending
from stormkit_action.errors import Cancelled

T = TypeVar("T")

# Not zero, so that code that confuses 0.0 with "never" fails.
START_S = 1000.0
TODAY = datetime(2026, 3, 14, 9, 26, 53, tzinfo=UTC)


class FakeClock:
    """A `stormkit_action.clock.Clock` whose `sleep` advances the monotonic and the wall clock and returns at once.

    `slept` lists the sleeps in seconds, in order. `passed` is the number of seconds since the clock was created. The
    job is cancelled when `passed` reaches `cancel_after`, or by `cancel()`: a sleep or call that is under way then
    raises Cancelled. `advance` adds time without a sleep, such as the time a server takes to answer.
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
        return START_S + self.passed

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
        """Run `function` at once. If it advances the clock beyond a waiter's timeout, the waiter gets TimeoutError."""
        self.check()
        return FakePending(function, self)

    def uncancelled(self) -> "FakeClock":
        """A clock that shares this one's time but is never cancelled."""
        other = FakeClock(today=self.today)
        other._time, other.slept = self._time, self.slept
        return other

    def _end_wait(self, end: float) -> None:
        """Raise what a wait until `end` would have raised, with the clock set back to when it raised."""
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
    """A call that has run already. `wait` and `done` behave as if it had taken the time that it added to the clock."""

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
        self._clock._end_wait(self._began + timeout)
        return self.result()

    @property
    def done(self) -> bool:
        return self._clock.passed >= self._finished_at


class _Time:
    """The time that a clock shares with its `uncancelled()` copy."""

    def __init__(self) -> None:
        self.passed = 0.0
        self.lock = threading.Lock()
