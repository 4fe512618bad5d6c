"""Things to order for requests that are still to come, faults above all."""

import re
import threading
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(kw_only=True, slots=True)
class Order(Generic[T]):
    """`what` is due to requests in which `pattern` is found: not the first `after`, but the next `times` ones."""

    pattern: re.Pattern[str]
    what: T
    times: int
    after: int
    matched: int = 0

    @property
    def exhausted(self) -> bool:
        """Has it been due as often as it should?"""
        return self.matched >= self.after + self.times

    def strikes(self, request: str) -> bool:
        """Is it due to this request? Counts the request if it matches."""
        if self.exhausted or not self.pattern.search(request):
            return False
        self.matched += 1
        return self.matched > self.after


class Orders(Generic[T]):
    """Orders, some of them still to be filled."""

    def __init__(self) -> None:
        self._orders: list[Order[T]] = []
        self._lock = threading.Lock()

    def add(self, pattern: str, what: T, *, times: int, after: int) -> Order[T]:
        """Order `what`."""
        order = Order(pattern=re.compile(pattern), what=what, times=times, after=after)
        with self._lock:
            self._orders.append(order)
        return order

    def due(self, request: str) -> T | None:
        """What is due to this request, the thing ordered first if there are several."""
        with self._lock:
            return next((order.what for order in self._orders if order.strikes(request)), None)
