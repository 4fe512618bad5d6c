"""How late the end of a build is noticed, and for how many requests: `python -m tools.bench.polling` prints markdown.

The program's own wait (stormkit_action.stormkit.waiting) runs on a virtual clock against a Stormkit that answers at
once. It is compared with the loop of Stormkit's documentation, which polls every 5 seconds, and with a plain
exponential backoff; and with the best that any schedule could do that knew the durations' distribution.
"""

import math
import random
import statistics
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

from sandbox.clock import FakeClock
from stormkit_action.clock import Deadline
from stormkit_action.stormkit.client import StormkitClient
from stormkit_action.stormkit.models import Commit, Deployment, Page, PolledStatus, Status
from stormkit_action.stormkit.schedule import HISTORY
from stormkit_action.stormkit.waiting import BuildWait

BUILDS = 1500
SHORTEST_USUAL, LONGEST_USUAL = 15.0, 600.0
SPREADS = (0.05, 0.1, 0.2)
SEED = 20260314

# The documentation's loop.
LOOP = 5.0

# The commit is known once the build has checked it out, that many seconds after its beginning.
CHECKED_OUT = 3.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Build:
    """One build to come, and how long the environment's builds before it took, as Stormkit tells: in whole seconds."""

    usual: float
    seconds: float
    history: tuple[int, ...]


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


def early_failures(spread: float, *, count: int = BUILDS) -> list[Build]:
    """Builds that fail at any moment before the last tenth of the usual time, whose predecessors did not."""
    chance = random.Random(f"{SEED}:early")
    return [replace(each, seconds=each.usual * chance.uniform(0.02, 0.9)) for each in builds(spread, count=count)]


def builds(spread: float, *, history: int = HISTORY, count: int = BUILDS) -> list[Build]:
    """Builds with log-normal durations around usual ones that are spread evenly on a logarithmic scale."""
    chance = random.Random(f"{SEED}:{spread}:{history}")
    return [_build(chance, spread, history) for _ in range(count)]


def _build(chance: random.Random, spread: float, history: int) -> Build:
    usual = math.exp(chance.uniform(math.log(SHORTEST_USUAL), math.log(LONGEST_USUAL)))

    def seconds() -> float:
        return usual * math.exp(chance.gauss(0, spread))

    # createdAt and stoppedAt are whole seconds, so their difference is off by up to one.
    return Build(
        usual=usual,
        seconds=seconds(),
        history=tuple(max(1, math.floor(seconds() + chance.random())) for _ in range(history)),
    )


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
            Deployment(id=str(i), status=Status.SUCCESS, duration=each) for i, each in enumerate(self._build.history)
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


def optimum(spread: float, polls: float) -> float:
    """The least mean lag, in seconds, of any schedule that knows the usual duration and the spread.

    With pauses of c * sqrt(S/f) a build takes on average I/c polls and is noticed c * I/2 late, where I is the integral
    of sqrt(f * S). The same c for all builds is best; here it is the one that spends `polls` a build on average.
    """
    # For a usual duration m, I is sqrt(m) times that for a usual duration of 1, which is summed over log(duration).
    step = spread / 500
    durations = (math.exp((number + 0.5) * step) for number in range(-4000, 4000))
    standard = step * sum(_root_of_density_and_rest(each, spread) * each for each in durations)
    low, high = SHORTEST_USUAL, LONGEST_USUAL
    mean_root = 2 * (math.sqrt(high) - math.sqrt(low)) / math.log(high / low)
    return (standard * mean_root) ** 2 / (2 * polls)


def _root_of_density_and_rest(seconds: float, spread: float) -> float:
    distance = math.log(seconds) / spread
    density = math.exp(-(distance**2) / 2) / (seconds * spread * math.sqrt(2 * math.pi))
    return math.sqrt(density * math.erfc(distance / math.sqrt(2)) / 2)


@dataclass(frozen=True, kw_only=True, slots=True)
class Measured:
    """Means over many builds; `late` is the lag that one build in twenty exceeds. Seconds."""

    lag: float
    late: float
    requests: float
    everything: float

    @classmethod
    def of(cls, noticed: Sequence[Noticed]) -> "Measured":
        """The means."""
        lags = sorted(each.lag for each in noticed)
        return cls(
            lag=statistics.fmean(lags),
            late=lags[int(0.95 * len(lags))],
            requests=statistics.fmean(each.requests for each in noticed),
            everything=statistics.fmean(each.requests + each.after + each.lists for each in noticed),
        )


LOOP_NAME = "documentation's 5-second loop"
STRATEGIES: dict[str, Strategy] = {
    LOOP_NAME: polling_at(lambda: every(LOOP)),
    "exponential backoff, 1 s to 30 s": polling_at(backoff),
    "this action, `poll-interval: 0.5s` (default)": this_action(0.5),
    "this action, `poll-interval: 0.2s`": this_action(0.2),
}


def measure(sample: Sequence[Build]) -> dict[str, Measured]:
    """Every strategy over the same builds."""
    return {name: Measured.of([strategy(each) for each in sample]) for name, strategy in STRATEGIES.items()}


def table(measured: dict[str, Measured], *, spread: float | None = None) -> Iterator[str]:
    """Rows of a markdown table, with the optimum for durations of that spread."""
    yield "| how | mean lag | of the loop's | 95 % within | requests until known | requests in all |"
    yield "|---|---:|---:|---:|---:|---:|"
    loop = measured[LOOP_NAME]
    for name, each in measured.items():
        yield (
            f"| {name} | {each.lag:.2f} s | {each.lag / loop.lag:.2f} | {each.late:.2f} s | {each.requests:.1f}"
            f" | {each.everything:.1f} |"
        )
    if spread is None:
        return
    best = optimum(spread, loop.requests)
    yield f"| optimum for the loop's requests | {best:.2f} s | {best / loop.lag:.2f} | | {loop.requests:.1f} | |"


def section() -> Iterator[str]:
    """The section, line by line."""
    yield from _introduction()
    for spread in SPREADS:
        yield f"\n### Relative spread {spread}, {HISTORY} earlier builds known\n"
        yield from table(measure(builds(spread)), spread=spread)
    yield "\n### First builds: nothing known, relative spread 0.1\n"
    yield from table(measure(builds(0.1, history=0)), spread=0.1)
    yield "\n### Builds that fail early: at any moment before 0.9 of the usual time, 10 earlier builds known\n"
    yield from table(measure(early_failures(0.1)))


def _introduction() -> Iterable[str]:
    return (
        "## From the build's end to the step knowing",
        "",
        f"{BUILDS:,} simulated builds a table on a virtual clock, made by `python -m tools.bench.polling`. Durations"
        f" are log-normal around usual ones from {SHORTEST_USUAL:.0f} s to {LONGEST_USUAL / 60:.0f} min (evenly spread"
        " on a logarithmic scale). Answers take no time here: a real one adds its own to every row.",
        "",
        "*Requests until known* are all requests about the deployment, the first read and the poll that sees the end"
        " included. *Requests in all* adds the one read that fetches the result then (the loop needs it too) and, for"
        " this action, the one list of earlier deployments.",
        "",
        "The *optimum* is the least mean lag that any schedule could have that spends as many requests as the loop and"
        " knows the usual duration and the spread exactly: pauses of c·sqrt(S/f), where f is the density of the"
        " duration and S the probability of a longer one, give a mean lag of (∫sqrt(f·S))²/2 over the number of polls,"
        " with one c for short and long builds. This action only knows the durations of earlier builds, and keeps some"
        " polls for builds that fail early or take longer than ever. With the default `poll-interval` of 0.5 s no"
        " schedule can be less than about 0.25 s late on average.",
    )


if __name__ == "__main__":
    print("\n".join(section()))
