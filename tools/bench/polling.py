"""Measures how late the end of a build is noticed, and with how many requests.

`python -m tools.bench.polling` prints markdown. The action's own code for waiting (stormkit_action.stormkit.waiting)
runs on a fake clock against a Stormkit that answers at once. It is compared with the loop of Stormkit's documentation,
which polls every 5 seconds, with plain exponential backoff, and with the optimum: the best possible schedule for the
known distribution of durations.
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
SHORTEST_USUAL_S, LONGEST_USUAL_S = 15.0, 600.0
SPREADS = (0.05, 0.1, 0.2)
# The spread for which the page shows all strategies.
USUAL_SPREAD = 0.1

# The share of builds that fail early, and the range of when they fail, as a part of the usual duration.
FAILURE_SHARE = 0.15
EARLY_FAILURE_RANGE = (0.02, 0.9)
SEED = 20260314

# The interval at which the loop of Stormkit's documentation polls.
LOOP_INTERVAL_S = 5.0

# The time from the start of a build until its commit is known.
CHECKOUT_S = 3.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Build:
    """A simulated build, and the environment's earlier builds.

    `history` has the duration of each earlier build in whole seconds, as Stormkit reports it, and whether the build
    failed, newest first.
    """

    seconds: float
    fails: bool
    history: tuple[tuple[int, bool], ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Noticed:
    """How many seconds after its end a build was noticed to have ended, and the requests until then.

    `after` counts the requests that then fetched the result, `lists` those for the durations of earlier builds.
    """

    lag: float
    requests: int
    after: int = 0
    lists: int = 0


Strategy = Callable[[Build], Noticed]


def builds(
    spread: float, *, history: int = HISTORY, failures: float = FAILURE_SHARE, count: int = BUILDS
) -> list[Build]:
    """Random builds. A share of them, and of their earlier builds, fails early.

    Usual durations are spread evenly on a logarithmic scale; durations are log-normal around the usual one.
    """
    chance = random.Random(f"{SEED}:{spread}:{history}:{failures}")
    return [_build(chance, spread, history, failures) for _ in range(count)]


def _build(chance: random.Random, spread: float, history: int, failures: float) -> Build:
    usual = math.exp(chance.uniform(math.log(SHORTEST_USUAL_S), math.log(LONGEST_USUAL_S)))

    def duration_and_failure() -> tuple[float, bool]:
        if chance.random() < failures:
            return usual * chance.uniform(*EARLY_FAILURE_RANGE), True
        return usual * math.exp(chance.gauss(0, spread)), False

    seconds, fails = duration_and_failure()
    earlier = []
    for _ in range(history):
        earlier_seconds, earlier_fails = duration_and_failure()
        # createdAt and stoppedAt are truncated to seconds, so their difference can be off by up to one.
        earlier.append((max(1, math.floor(earlier_seconds + chance.random())), earlier_fails))
    return Build(seconds=seconds, fails=fails, history=tuple(earlier))


class InstantStormkit:
    """A StormkitClient with one build that runs on a fake clock. It answers at once and counts its calls."""

    def __init__(self, build: Build, clock: FakeClock) -> None:
        self._build = build
        self._clock = clock
        self.noticed_at: float | None = None
        self.requests, self.after, self.lists = 0, 0, 0

    def within(self, _: Deadline) -> "InstantStormkit":
        return self

    def deployment(self, deployment_id: str, **_: Any) -> Deployment:
        status = self._status()
        sha = "16ab41e8" if self._clock.passed >= CHECKOUT_S else None
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
    """The action's own code for waiting."""

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
    """A loop that polls at the given times."""

    def wait(build: Build) -> Noticed:
        for number, time in enumerate(times(), start=1):
            if time >= build.seconds:
                return Noticed(lag=time - build.seconds, requests=number, after=1)
        raise AssertionError("the loop ended before the build")

    return wait


def every(seconds: float) -> Iterator[float]:
    """The times of a loop that polls, then sleeps for `seconds`."""
    time = 0.0
    while True:
        yield time
        time += seconds


def backoff() -> Iterator[float]:
    """The times of plain exponential backoff, whose pauses double from 1 s up to 30 s."""
    time, pause = 0.0, 1.0
    while True:
        yield time
        time, pause = time + pause, min(2 * pause, 30.0)


def optimum(spread: float, failures: float, polls: float) -> tuple[float, float, float]:
    """The least mean lag that a schedule can have if it knows usual duration, spread and share of failures.

    Returns the lag of all builds, of usual ends and of early failures, in seconds. Let f be the density of ends and S
    the probability that a build takes longer. The best rate of polls is c * sqrt(f / S). A build then takes c * I polls
    on average and is noticed I / (2 * c) late, where I is the integral of sqrt(f * S). It is best to use the same c for
    all builds; here it is the c that makes `polls` polls per build on average.
    """
    # I for a usual duration of m seconds is sqrt(m) times I for 1 second.
    step = spread / 200
    moments = [(number + 0.5) * step for number in range(round((1 + 6 * spread) / step))]
    all_ends = (_end(moment, spread, failures) for moment in moments)
    ends = [(usual, early, longer) for usual, early, longer in all_ends if usual + early > 1e-9]
    whole = step * math.fsum(math.sqrt((usual + early) * longer) for usual, early, longer in ends)
    of_usual = step * math.fsum(usual * math.sqrt(longer / (usual + early)) for usual, early, longer in ends)
    of_early = step * math.fsum(early * math.sqrt(longer / (usual + early)) for usual, early, longer in ends)
    low, high = SHORTEST_USUAL_S, LONGEST_USUAL_S
    mean_root = 2 * (math.sqrt(high) - math.sqrt(low)) / math.log(high / low)
    late = whole * mean_root**2 / (2 * polls)
    return late * whole, late * of_usual / (1 - failures), late * of_early / failures


def _end(moment: float, spread: float, failures: float) -> tuple[float, float, float]:
    """At a moment, the density of usual ends and of early failures, and the probability that the build takes longer.

    The unit of time is the usual duration.
    """
    distance = math.log(moment) / spread
    usual = (1 - failures) * math.exp(-(distance**2) / 2) / (moment * spread * math.sqrt(2 * math.pi))
    first, last = EARLY_FAILURE_RANGE
    early = failures / (last - first) if first <= moment < last else 0.0
    to_fail = failures * min(1.0, max(0.0, last - moment) / (last - first))
    return usual, early, (1 - failures) * math.erfc(distance / math.sqrt(2)) / 2 + to_fail


@dataclass(frozen=True, kw_only=True, slots=True)
class Measured:
    """Means over many builds: the lag of all, of usual ends and of early failures in seconds, and the requests.

    `late` is the lag that one build in twenty exceeds. `requests` includes those for the list of earlier deployments.
    """

    lag: float
    usual: float
    early: float
    late: float
    requests: float

    @classmethod
    def of(cls, strategy: Strategy, sample: Sequence[Build]) -> "Measured":
        """Run `strategy` on each build of the sample."""
        runs = [(build, strategy(build)) for build in sample]
        lags = sorted(noticed.lag for _, noticed in runs)
        return cls(
            lag=statistics.fmean(lags),
            usual=statistics.fmean(noticed.lag for build, noticed in runs if not build.fails),
            early=statistics.fmean(noticed.lag for build, noticed in runs if build.fails),
            late=lags[int(0.95 * len(lags))],
            requests=statistics.fmean(noticed.requests + noticed.after + noticed.lists for _, noticed in runs),
        )


STRATEGIES: dict[str, Strategy] = {
    "the loop": polling_at(lambda: every(LOOP_INTERVAL_S)),
    "exponential backoff, 1 s to 30 s": polling_at(backoff),
    "this action, `poll-interval: 0.5s` (default)": this_action(0.5),
    "this action, `poll-interval: 2s`": this_action(2.0),
}
LOOP_NAME, _, ACTION_NAME, _ = STRATEGIES


def measure(sample: Sequence[Build]) -> dict[str, Measured]:
    """Measure every strategy with the same builds."""
    return {name: Measured.of(strategy, sample) for name, strategy in STRATEGIES.items()}


def table(measured: dict[str, Measured], spread: float) -> Iterator[str]:
    """The rows of a markdown table with every strategy and the optimum for `spread`, as ratios to the loop's."""
    yield from _head("how")
    loop = measured[LOOP_NAME]
    for name, means in measured.items():
        yield _row(name, means, loop)
    requests = measured[ACTION_NAME].requests
    best = optimum(spread, FAILURE_SHARE, requests)
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
    """Measure, and describe the results."""
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
        f"Lag and requests are ratios to the loop's, which polls every {LOOP_INTERVAL_S:.0f} seconds. Each figure is"
        f" from {BUILDS:,} simulated builds with {HISTORY} earlier builds known: durations are log-normal around usual"
        f" ones from {SHORTEST_USUAL_S:.0f} s to {LONGEST_USUAL_S / 60:.0f} min, and {FAILURE_SHARE:.0%} of the builds"
        " fail early, at any moment before 0.9 of the usual duration. Answers take no time. The *optimum* is the least"
        " lag possible with this action's requests if the distribution were known exactly.",
    )


if __name__ == "__main__":
    print(section().whole())
