"""Rules that apply an effect, mostly a fault, to some of a server's future requests."""

import re
import threading
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(kw_only=True, slots=True)
class Rule(Generic[T]):
    """Applies `effect` to requests in which `pattern` is found: skips `after` of them, then applies to `times`."""

    pattern: re.Pattern[str]
    effect: T
    times: int
    after: int
    matched: int = 0

    @property
    def exhausted(self) -> bool:
        """Whether the effect has been applied `times` times."""
        return self.matched >= self.after + self.times

    def applies_to(self, request: str) -> bool:
        """Count the request if it matches, and return whether the effect applies to it."""
        if self.exhausted or not self.pattern.search(request):
            return False
        self.matched += 1
        return self.matched > self.after


class Rules(Generic[T]):
    """The rules of one server, oldest first. Thread-safe."""

    def __init__(self) -> None:
        self._rules: list[Rule[T]] = []
        self._lock = threading.Lock()

    def add(self, pattern: str, effect: T, *, times: int, after: int) -> Rule[T]:
        """Add a rule."""
        rule = Rule(pattern=re.compile(pattern), effect=effect, times=times, after=after)
        with self._lock:
            self._rules.append(rule)
        return rule

    def effect_on(self, request: str) -> T | None:
        """The effect of the oldest rule that applies to this request, or None."""
        with self._lock:
            return next((rule.effect for rule in self._rules if rule.applies_to(request)), None)
