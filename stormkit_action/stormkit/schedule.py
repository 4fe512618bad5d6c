"""When to poll next, and how long builds usually take. Pure.

Polls find the end of a build late by half the pause between them, on average. For a given number of polls the mean
delay is least when the rate of polling is proportional to sqrt(f / S): f is how likely the build ends at a moment, S
how likely it still runs then, and f / S the hazard. So polls are sparse while only an early failure could end the build
and dense around its usual duration.
"""

import functools
import math
from collections.abc import Iterable
from typing import NamedTuple

from stormkit_action.stormkit.models import TIME_LIMIT_S, Deployment, Status

# How many of the newest successful builds decide what is usual.
HISTORY = 10

# No pause is longer while a build runs.
MAX_PAUSE_S = 15.0

# Prior for the relative spread, weighted like ASSUMED_BUILDS observations; LEAST_SPREAD is the floor.
ASSUMED_SPREAD = 0.15
ASSUMED_BUILDS = 2
LEAST_SPREAD = 0.03

# Prior for the share of builds that fail early, weighted like ASSUMED_ENDS builds that have ended.
ASSUMED_FAILURES = 0.15
ASSUMED_ENDS = 12

# The share of builds that are outliers, which may take any length of time.
OUTLIER_SHARE = 0.01

# How many polls a build of one second would get; one of 100 seconds gets ten times as many. Builds from 15 s to 10 min
# then cost less than 1.5 times the requests of a loop with pauses of 5 s (measured in tools/bench/polling.py).
POLLS_PER_ROOT_SECOND = 3.9

# How late Stormkit's own time limit may end a build, and how often it is polled then.
TIME_LIMIT_LAG_S = 75.0
TIME_LIMIT_PAUSE_S = 5.0

# A longer duration is not that of a build: a week.
MAX_BUILD_S = 7 * 24 * 3600.0


class UsualDuration(NamedTuple):
    """How long this environment's builds usually take: `seconds` is the median of `builds` builds.

    `spread` is the relative spread around it (the standard deviation of the durations' logarithms) within which the
    next build is expected; it is wider the fewer builds there were. `failures` is the share that is expected to fail,
    at any moment before the usual end.
    """

    seconds: float
    builds: int
    spread: float = ASSUMED_SPREAD
    failures: float = ASSUMED_FAILURES

    @classmethod
    def of(cls, deployments: Iterable[Deployment]) -> "UsualDuration | None":
        """What is usual, from deployments newest first; None without a successful build whose duration is known."""
        ended = [deployment for deployment in deployments if 0 < deployment.duration <= MAX_BUILD_S]
        successes = (deployment for deployment in ended if deployment.status is Status.SUCCESS)
        durations = [max(1.0, deployment.duration) for deployment in successes][:HISTORY]
        if not durations:
            return None
        failed = sum(deployment.status is Status.FAILED for deployment in ended)
        seconds = _median(durations)
        return cls(
            seconds=seconds,
            builds=len(durations),
            spread=_spread(durations, seconds),
            failures=(failed + ASSUMED_ENDS * ASSUMED_FAILURES) / (failed + len(durations) + ASSUMED_ENDS),
        )


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


# What is expected of a first build: with this spread, two of three take between 34 s and 5.2 min.
UNKNOWN = UsualDuration(seconds=103, builds=0, spread=1.1)

# Without a history a build may end at once, so its first seconds are polled as often as allowed.
MOMENT_S = 1.5


def pause(elapsed: float, *, shortest: float, usual: UsualDuration | None = None) -> float:
    """Seconds until the next poll, `elapsed` seconds after the build began; never less than `shortest`.

    It ends when the polls that are due since `elapsed` add up to one, or where Stormkit's own time limit ends builds.
    """
    waited = min(elapsed, MAX_BUILD_S) if elapsed > 0 else 0.0
    if usual is None and waited < MOMENT_S:
        return shortest
    longest = min(MAX_PAUSE_S, _until_time_limit(waited))
    return max(shortest, _until_next(waited, usual or UNKNOWN, longest))


def _until_time_limit(elapsed: float) -> float:
    """Seconds until the next poll that Stormkit's own time limit calls for."""
    if elapsed < TIME_LIMIT_S:
        return TIME_LIMIT_S - elapsed
    return TIME_LIMIT_PAUSE_S if elapsed < TIME_LIMIT_S + TIME_LIMIT_LAG_S else math.inf


def _until_next(elapsed: float, usual: UsualDuration, longest: float) -> float:
    """Seconds in which the polls that are due add up to one, at most `longest`."""
    step = usual.seconds * min(usual.spread, 1.0) / 20
    polls = POLLS_PER_ROOT_SECOND * math.sqrt(usual.seconds) / _expected_polls(usual)
    due, ahead = 0.0, 0.0
    while ahead < longest:
        density, survival = density_and_survival(elapsed + ahead + step / 2, usual)
        rate = polls * math.sqrt(density / survival)
        if due + rate * step >= 1:
            return min(longest, ahead + (1 - due) / rate)
        due += rate * step
        ahead += step
    return longest


@functools.cache
def _expected_polls(usual: UsualDuration) -> float:
    """How many polls a build gets on average if their rate is sqrt(density / survival)."""
    step = usual.seconds * min(usual.spread, 1.0) / 20
    moments = (step * (number + 0.5) for number in range(round(usual.seconds * (1 + 4 * usual.spread) / step)))
    return math.fsum(
        step * math.sqrt(density * survival)
        for density, survival in (density_and_survival(at, usual) for at in moments)
    )


def density_and_survival(elapsed: float, usual: UsualDuration) -> tuple[float, float]:
    """The density of a build's end `elapsed` (> 0) seconds after it began, per second, and the chance of a later end.

    Most durations are log-normal around the usual one; a share of builds fails at any moment before it, evenly; and a
    few are outliers, with a chance of 1 / (1 + x) to take longer than x times the usual.
    """
    share = elapsed / usual.seconds
    distance = math.log(share) / usual.spread
    usually = 1 - usual.failures - OUTLIER_SHARE
    density = (
        usually * math.exp(-(distance**2) / 2) / (share * usual.spread * math.sqrt(2 * math.pi))
        + (usual.failures if share < 1 else 0)
        + OUTLIER_SHARE / (1 + share) ** 2
    )
    survival = (
        usually * math.erfc(distance / math.sqrt(2)) / 2
        + usual.failures * max(0, 1 - share)
        + OUTLIER_SHARE / (1 + share)
    )
    return density / usual.seconds, survival
