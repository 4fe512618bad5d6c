"""When to poll next, and how long builds usually take. Pure.

Polls find the end of a build late by half the pause between them, on average. Where pauses may differ, the mean delay
for a given number of polls is least when each pause is proportional to the square root of S(t)/f(t): f is how likely
the build ends at t, S how likely it still runs then, and f/S the hazard. So polls are sparse while an end is unlikely
and dense around the usual duration.
"""

import math
from collections.abc import Iterable
from typing import NamedTuple

from stormkit_action.stormkit.models import TIME_LIMIT_S, Deployment, Status

# How many of the newest successful builds decide what is usual.
HISTORY = 10

# The longest pauses: where nothing is known about a build, and while its usual end is far off.
MAX_PAUSE_S = 15.0
MAX_SPARSE_PAUSE_S = 30.0

# Prior for the relative spread, weighted like ASSUMED_BUILDS observations; LEAST_SPREAD is the floor.
ASSUMED_SPREAD = 0.15
ASSUMED_BUILDS = 2
LEAST_SPREAD = 0.03

# Pauses in units of sqrt(spread / hazard). It sets how many polls are spent around the usual end: about
# 2 * sqrt(usual seconds), whatever the spread. With the few before it, builds from 15 s to 10 min cost on average no
# more requests than a loop with pauses of 5 s (measured in tools/bench/polling.py).
PAUSE_FACTOR = 0.74

# The probability that a build is unlike those before: it fails early, or its duration has changed for good.
ODD = 0.01

# How late Stormkit's own time limit may end a build, and how often it is polled then.
TIME_LIMIT_LAG_S = 75.0
TIME_LIMIT_PAUSE_S = 5.0

# A longer duration is not that of a build: a week.
MAX_BUILD_S = 7 * 24 * 3600.0


class UsualDuration(NamedTuple):
    """How long this environment's builds usually take: `seconds` is the median of `builds` builds.

    `spread` is the relative spread around it (the standard deviation of the durations' logarithms) within which the
    next build is expected; it is wider the fewer builds there were.
    """

    seconds: float
    builds: int
    spread: float = ASSUMED_SPREAD

    @classmethod
    def of(cls, deployments: Iterable[Deployment]) -> "UsualDuration | None":
        """What is usual, from deployments newest first; None without a successful build whose duration is known."""
        durations = [
            max(1.0, deployment.duration)
            for deployment in deployments
            if deployment.status is Status.SUCCESS and 0 < deployment.duration <= MAX_BUILD_S
        ][:HISTORY]
        if not durations:
            return None
        seconds = _median(durations)
        return cls(seconds=seconds, builds=len(durations), spread=_spread(durations, seconds))


def _median(durations: list[float]) -> float:
    """The median. (The statistics module loads fractions and decimals, which costs more than all of this module.)"""
    ordered = sorted(durations)
    middle = len(ordered) // 2
    if len(ordered) % 2:
        return ordered[middle]
    return (ordered[middle - 1] + ordered[middle]) / 2


def _spread(durations: list[float], median: float) -> float:
    """The spread to expect of the next build.

    From the mean distance to the median, which one odd build sways less than a standard deviation; drawn towards the
    assumed spread, and widened by what a median of few builds may be off. Durations are whole seconds, so it is never
    narrower than their rounding.
    """
    count = len(durations)
    distance = math.fsum(abs(math.log(duration / median)) for duration in durations) / count
    seen = distance * math.sqrt(math.pi / 2)
    drawn = math.sqrt((count * seen**2 + ASSUMED_BUILDS * ASSUMED_SPREAD**2) / (count + ASSUMED_BUILDS))
    widened = drawn * math.sqrt(1 + math.pi / 2 / count)
    return max(widened, LEAST_SPREAD, 0.4 / median)


def pause(elapsed: float, *, shortest: float, usual: UsualDuration | None = None) -> float:
    """Seconds until the next poll, `elapsed` seconds after the build began; never less than `shortest`.

    Without a usual duration: a tenth of the time already waited, at most 15 seconds. With one: sparse far from the
    usual end, dense around it, and as without one once the build is overdue. Either way dense again where Stormkit's
    own time limit ends builds.
    """
    waited = elapsed if math.isfinite(elapsed) and elapsed > 0 else 0.0
    planned = min(waited / 10, MAX_PAUSE_S) if usual is None else _until_next(waited, usual, shortest)
    return max(shortest, min(planned, _until_time_limit(waited)))


def _until_time_limit(elapsed: float) -> float:
    """Seconds until the next poll that Stormkit's own time limit calls for."""
    if elapsed < TIME_LIMIT_S:
        return TIME_LIMIT_S - elapsed
    return TIME_LIMIT_PAUSE_S if elapsed < TIME_LIMIT_S + TIME_LIMIT_LAG_S else math.inf


def _until_next(elapsed: float, usual: UsualDuration, shortest: float) -> float:
    """Seconds in which the polls that are due add up to one."""
    step = usual.seconds * usual.spread / 20
    due, ahead = 0.0, 0.0
    while True:
        rate = polls_per_second(elapsed + ahead + step / 2, usual, shortest)
        if due + rate * step >= 1:
            return ahead + (1 - due) / rate
        due += rate * step
        ahead += step


def polls_per_second(elapsed: float, usual: UsualDuration, shortest: float) -> float:
    """How densely polls are placed `elapsed` (more than 0) seconds after the build began.

    The build is a usual one, whose duration is log-normal, or with the small probability ODD one of any duration. What
    has not ended long after the usual time is surely odd, and is polled like a build of which nothing is known.
    """
    distance = math.log(elapsed / usual.seconds) / usual.spread
    still_usual = (1 - ODD) * math.erfc(distance / math.sqrt(2)) / 2
    still_odd = ODD / (1 + elapsed / usual.seconds)
    odd = still_odd / (still_usual + still_odd)
    ends_now = (1 - ODD) * math.exp(-(distance**2) / 2) / (elapsed * usual.spread * math.sqrt(2 * math.pi))
    hazard = ends_now / (still_usual + still_odd)
    around_the_end = math.sqrt(hazard / usual.spread) / PAUSE_FACTOR
    # Detect an early failure within about half its age. Polls that a larger `shortest` saves near the usual end are
    # spent here.
    sparse = max((2 + min(shortest, 2.0)) / (elapsed + usual.seconds / 10), 1 / MAX_SPARSE_PAUSE_S)
    unknown = max(10 / elapsed, 1 / MAX_PAUSE_S)
    return around_the_end + (1 - odd) * sparse + odd * unknown
