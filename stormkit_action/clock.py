"""Time, and everything that waits for it. Tests bring a clock of their own and wait for nothing."""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import NamedTuple, Protocol, TypeVar

from stormkit_action.cancellation import Cancellation, Pending

T = TypeVar("T")


class Clock(Protocol):
    """What the program needs of time. Every wait raises Cancelled when the job is cancelled."""

    def monotonic(self) -> float:
        """Seconds on a clock that never goes back."""
        ...

    def now(self) -> datetime:
        """The wall clock, UTC."""
        ...

    def sleep(self, seconds: float) -> None:
        """Wait `seconds`."""
        ...

    def check(self) -> None:
        """Raise Cancelled if the job was cancelled."""
        ...

    def start(self, function: Callable[[], T]) -> Pending[T]:
        """Run `function` in a thread of its own; `Pending.wait` waits for its result."""
        ...

    def uncancelled(self) -> "Clock":
        """A clock whose waits a cancel doesn't end, for what has to be done because of it."""
        ...


class SystemClock:
    """The real time; its waits end with `cancellation`."""

    def __init__(self, cancellation: Cancellation) -> None:
        self._cancellation = cancellation

    def monotonic(self) -> float:
        return time.monotonic()

    def now(self) -> datetime:
        return datetime.now(UTC)

    def sleep(self, seconds: float) -> None:
        self._cancellation.sleep(seconds)

    def check(self) -> None:
        self._cancellation.check()

    def start(self, function: Callable[[], T]) -> Pending[T]:
        return self._cancellation.start(function)

    def uncancelled(self) -> "SystemClock":
        return SystemClock(Cancellation())


class Deadline(NamedTuple):
    """A moment on a clock; `at` is in the clock's monotonic seconds."""

    clock: Clock
    at: float

    @classmethod
    def after(cls, clock: Clock, seconds: float) -> "Deadline":
        """The moment `seconds` from now."""
        return cls(clock=clock, at=clock.monotonic() + seconds)

    @property
    def remaining(self) -> float:
        """Seconds left, never negative."""
        return max(0.0, self.at - self.clock.monotonic())

    @property
    def over(self) -> bool:
        """Whether the moment has passed."""
        return self.remaining <= 0.0

    def within(self, seconds: float) -> "Deadline":
        """This deadline, or `seconds` from now if that is sooner."""
        return Deadline(clock=self.clock, at=min(self.at, self.clock.monotonic() + seconds))
