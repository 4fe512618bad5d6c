"""How late the end of a build is noticed, and for how many requests: `python -m tools.bench.polling` prints markdown.

The program's own wait (stormkit_action.stormkit.waiting) runs on a virtual clock against a Stormkit that answers at
once. It is compared with the loop of Stormkit's documentation, which polls every 5 seconds, and with a plain
exponential backoff; and with the best that any schedule could do that knew the durations' distribution.
"""

import math
import random
import statistics
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, cast

from sandbox.clock import FakeClock
from stormkit_action.clock import Deadline
from stormkit_action.stormkit.client import StormkitClient
from stormkit_action.stormkit.models import Commit, Deployment, Page, PolledStatus, Status
from stormkit_action.stormkit.schedule import HISTORY
from stormkit_action.stormkit.waiting import BuildWait
from tools.bench.section import Section

BUILDS = 1500
SHORTEST_USUAL, LONGEST_USUAL = 15.0, 600.0
SPREADS = (0.05, 0.1, 0.2)
USUAL_SPREAD = 0.1

# The share of builds that fail early, and between which parts of the usual duration.
FAILURES = 0.15
EARLY = (0.02, 0.9)
SEED = 20260314

# The documentation's loop.
LOOP = 5.0

# The commit is known once the build has checked it out, that many seconds after its beginning.
CHECKED_OUT = 3.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Build:
    """One build to come, and the environment's builds before it, newest first, as Stormkit tells: in whole seconds."""

    seconds: float
    fails: bool
    history: tuple[tuple[int, bool], ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Noticed:
    """How long after its end a build was known to have ended, and the requests that were made about it until then.

    `after` counts those that fetched the result then, `lists` those for the durations of earlier builds.
    """

    lag: float
    requests: int
    after: int = 0
    lists: int = 0


Strategy = Callable[[Build], Noticed]


def builds(spread: float, *, history: int = HISTORY, failures: float = FAILURES, count: int = BUILDS) -> list[Build]:
    """Builds with log-normal durations around usual ones that are spread evenly on a logarithmic scale.

    A share of them, and of the builds before them, fails early.
    """
    chance = random.Random(f"{SEED}:{spread}:{history}:{failures}")
    return [_build(chance, spread, history, failures) for _ in range(count)]


def _build(chance: random.Random, spread: float, history: int, failures: float) -> Build:
    usual = math.exp(chance.uniform(math.log(SHORTEST_USUAL), math.log(LONGEST_USUAL)))

    def one() -> tuple[float, bool]:
        if chance.random() < failures:
            return usual * chance.uniform(*EARLY), True
        return usual * math.exp(chance.gauss(0, spread)), False

    seconds, fails = one()
    # createdAt and stoppedAt are whole seconds, so their difference is off by up to one.
    earlier = (
        (max(1, math.floor(seconds + chance.random())), fails) for seconds, fails in (one() for _ in range(history))
    )
    return Build(seconds=seconds, fails=fails, history=tuple(earlier))


class InstantStormkit:
    """A StormkitClient whose one build runs on a virtual clock; it answers at once and counts what it is asked."""

    def __init__(self, build: Build, clock: FakeClock) -> None:
        self._build = build
        self._clock = clock
        self.noticed_at: float | None = None
        self.requests, self.after, self.lists = 0, 0, 0

    def within(self, _: Deadline) -> "InstantStormkit":
        return self

    def deployment(self, deployment_id: str, **_: Any) -> Deployment:
        status = self._status()
        sha = "16ab41e8" if self._clock.passed >= CHECKED_OUT else None
        return Deployment(id=deployment_id, status=status, commit=Commit(sha=sha))

    def poll(self, _: str, **__: Any) -> PolledStatus:
        return PolledStatus(status=self._status())

    def deployments(self, **_: Any) -> Page:
        self.lists += 1
        rows = (
            Deployment(id=str(number), status=Status.FAILED if fails else Status.SUCCESS, duration=seconds)
            for number, (seconds, fails) in enumerate(self._build.history)
        )
        return Page(deployments=tuple(rows), has_next=False)

    def _status(self) -> Status:
        if self.noticed_at is not None:
            self.after += 1
        else:
            self.requests += 1
        if self._clock.passed < self._build.seconds:
            return Status.RUNNING
        self.noticed_at = self.noticed_at or self._clock.passed
        return Status.SUCCESS


def this_action(poll_interval: float) -> Strategy:
    """The program's own wait."""

    def wait(build: Build) -> Noticed:
        clock = FakeClock()
        stormkit = InstantStormkit(build, clock)
        BuildWait(
            client=cast(StormkitClient, stormkit),
            deployment_id="8241",
            clock=clock,
            deadline=Deadline.after(clock, 24 * 3600.0),
            shortest_pause=poll_interval,
            report=lambda _: None,
        ).run()
        assert stormkit.noticed_at is not None
        lag = stormkit.noticed_at - build.seconds
        return Noticed(lag=lag, requests=stormkit.requests, after=stormkit.after, lists=stormkit.lists)

    return wait


def polling_at(times: Callable[[], Iterator[float]]) -> Strategy:
    """A loop that polls at those times."""

    def wait(build: Build) -> Noticed:
        for number, time in enumerate(times(), start=1):
            if time >= build.seconds:
                return Noticed(lag=time - build.seconds, requests=number, after=1)
        raise AssertionError("a loop does not end before the build")

    return wait


def every(seconds: float) -> Iterator[float]:
    """The documentation's loop: a poll, then a sleep."""
    time = 0.0
    while True:
        yield time
        time += seconds


def backoff() -> Iterator[float]:
    """Plain exponential backoff: pauses from 1 s on, each twice the last, up to 30 s."""
    time, pause = 0.0, 1.0
    while True:
        yield time
        time, pause = time + pause, min(2 * pause, 30.0)


def optimum(spread: float, failures: float, polls: float) -> tuple[float, float, float]:
    """The least mean lag, in seconds, of any schedule that knows usual duration, spread and share of failures.

    Of all builds, of usual ends and of early failures. With a rate of c * sqrt(f / S) a build takes on average c * I
    polls and is noticed I / (2 * c) late, where I is the integral of sqrt(f * S). The same c for all builds is best;
    here it is the one that spends `polls` a build on average.
    """
    # For a usual duration m, I is sqrt(m) times that for a usual duration of 1.
    step = spread / 200
    moments = [(number + 0.5) * step for number in range(round((1 + 6 * spread) / step))]
    all_ends = (_end(moment, spread, failures) for moment in moments)
    ends = [(usual, early, longer) for usual, early, longer in all_ends if usual + early > 1e-9]
    whole = step * math.fsum(math.sqrt((usual + early) * longer) for usual, early, longer in ends)
    of_usual = step * math.fsum(usual * math.sqrt(longer / (usual + early)) for usual, early, longer in ends)
    of_early = step * math.fsum(early * math.sqrt(longer / (usual + early)) for usual, early, longer in ends)
    low, high = SHORTEST_USUAL, LONGEST_USUAL
    mean_root = 2 * (math.sqrt(high) - math.sqrt(low)) / math.log(high / low)
    late = whole * mean_root**2 / (2 * polls)
    return late * whole, late * of_usual / (1 - failures), late * of_early / failures


def _end(moment: float, spread: float, failures: float) -> tuple[float, float, float]:
    """The density of usual ends and of early failures, and the probability of a longer build, where 1 is usual."""
    distance = math.log(moment) / spread
    usual = (1 - failures) * math.exp(-(distance**2) / 2) / (moment * spread * math.sqrt(2 * math.pi))
    first, last = EARLY
    early = failures / (last - first) if first <= moment < last else 0.0
    to_fail = failures * min(1.0, max(0.0, last - moment) / (last - first))
    return usual, early, (1 - failures) * math.erfc(distance / math.sqrt(2)) / 2 + to_fail


@dataclass(frozen=True, kw_only=True, slots=True)
class Measured:
    """Means over many builds: the lag of all, of usual ends and of early failures, and the requests. Seconds.

    `late` is the lag that one build in twenty exceeds. `requests` are all about the deployment, and the list.
    """

    lag: float
    usual: float
    early: float
    late: float
    requests: float

    @classmethod
    def of(cls, strategy: Strategy, sample: Sequence[Build]) -> "Measured":
        """What `strategy` does with each build."""
        noticed = [(build, strategy(build)) for build in sample]
        lags = sorted(each.lag for _, each in noticed)
        return cls(
            lag=statistics.fmean(lags),
            usual=statistics.fmean(each.lag for build, each in noticed if not build.fails),
            early=statistics.fmean(each.lag for build, each in noticed if build.fails),
            late=lags[int(0.95 * len(lags))],
            requests=statistics.fmean(each.requests + each.after + each.lists for _, each in noticed),
        )


STRATEGIES: dict[str, Strategy] = {
    "the loop": polling_at(lambda: every(LOOP)),
    "exponential backoff, 1 s to 30 s": polling_at(backoff),
    "this action, `poll-interval: 0.5s` (default)": this_action(0.5),
    "this action, `poll-interval: 2s`": this_action(2.0),
}
LOOP_NAME, _, ACTION_NAME, _ = STRATEGIES


def measure(sample: Sequence[Build]) -> dict[str, Measured]:
    """Every strategy over the same builds."""
    return {name: Measured.of(strategy, sample) for name, strategy in STRATEGIES.items()}


def table(measured: dict[str, Measured], spread: float) -> Iterator[str]:
    """Every strategy as a markdown table, in ratios to the loop's, and the optimum for durations of that spread."""
    yield from _head("how")
    loop = measured[LOOP_NAME]
    for name, strategy in measured.items():
        yield _row(name, strategy, loop)
    requests = measured[ACTION_NAME].requests
    best = optimum(spread, FAILURES, requests)
    ratios = (lag / of_loop for lag, of_loop in zip(best, (loop.lag, loop.usual, loop.early), strict=True))
    yield f"| the optimum | {' | '.join(f'{ratio:.2f}' for ratio in ratios)} | | {requests / loop.requests:.2f} |"


def _head(first: str) -> Iterator[str]:
    yield f"| {first} | mean lag | usual ends | early failures | 95 % within | requests |"
    yield "|---|---:|---:|---:|---:|---:|"


def _row(name: str, measured: Measured, loop: Measured) -> str:
    return (
        f"| {name} | {measured.lag / loop.lag:.2f} | {measured.usual / loop.usual:.2f}"
        f" | {measured.early / loop.early:.2f} | {measured.late:.1f} s | {measured.requests / loop.requests:.2f} |"
    )


def section() -> Section:
    """Measure, and describe the result."""
    known = {spread: measure(builds(spread)) for spread in SPREADS}
    loop, action = known[USUAL_SPREAD][LOOP_NAME], known[USUAL_SPREAD][ACTION_NAME]
    others = {f"spread {spread}": measured for spread, measured in known.items() if spread != USUAL_SPREAD}
    others[f"spread {USUAL_SPREAD}, nothing known yet"] = measure(builds(USUAL_SPREAD, history=0))
    details = [
        *_introduction(),
        f"\n**Spread {USUAL_SPREAD}**\n",
        *table(known[USUAL_SPREAD], USUAL_SPREAD),
        "\n**This action with other builds**\n",
        *_head("builds"),
        *(_row(name, measured[ACTION_NAME], measured[LOOP_NAME]) for name, measured in others.items()),
    ]
    return Section(
        title="From the build's end until the step notices it",
        answer=f"A build's end is noticed after {action.lag:.1f} s on average, with"
        f" {action.requests / loop.requests:.1f} times the requests of the 5-second loop in Stormkit's documentation,"
        f" which takes {loop.lag:.1f} s. Early failures, too, are noticed no later on average.",
        details=details,
    )


def _introduction() -> Iterable[str]:
    return (
        f"Lag and requests are ratios to the loop's, which polls every {LOOP:.0f} seconds. Each figure is from"
        f" {BUILDS:,} simulated builds with {HISTORY} earlier builds known: durations are log-normal around usual ones"
        f" from {SHORTEST_USUAL:.0f} s to {LONGEST_USUAL / 60:.0f} min, and {FAILURES:.0%} of the builds fail early, at"
        " any moment before 0.9 of the usual duration. Answers take no time. The *optimum* is the least lag possible"
        " with this action's requests if the distribution were known exactly.",
    )


if __name__ == "__main__":
    print(section().whole())
