"""Orders for future requests: mostly faults."""

import re
import threading
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(kw_only=True, slots=True)
class Order(Generic[T]):
    """`what` happens to requests that contain `pattern`: to the next `times` ones after the first `after`."""

    pattern: re.Pattern[str]
    what: T
    times: int
    after: int
    matched: int = 0

    @property
    def exhausted(self) -> bool:
        """Whether it has happened `times` times."""
        return self.matched >= self.after + self.times

    def strikes(self, request: str) -> bool:
        """Whether it happens to this request, which is counted if it matches."""
        if self.exhausted or not self.pattern.search(request):
            return False
        self.matched += 1
        return self.matched > self.after


class Orders(Generic[T]):
    """The orders that were placed. Thread-safe."""

    def __init__(self) -> None:
        self._orders: list[Order[T]] = []
        self._lock = threading.Lock()

    def add(self, pattern: str, what: T, *, times: int, after: int) -> Order[T]:
        """Place an order."""
        order = Order(pattern=re.compile(pattern), what=what, times=times, after=after)
        with self._lock:
            self._orders.append(order)
        return order

    def due(self, request: str) -> T | None:
        """What happens to this request: the earliest of several orders; None without one."""
        with self._lock:
            return next((order.what for order in self._orders if order.strikes(request)), None)
