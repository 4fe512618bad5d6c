"""Many jobs write the same pull request comment at the same moment: does every row survive, and at what price?

    python -m tools.bench.comment_race --rounds 100 --jobs 16

Each round starts a fresh local GitHub with latency and lost answers. Each job has a connection and a thread of its own;
it writes its building row and, a moment later, its last word. A round holds when exactly one comment is left, with
everybody's last word. The exit code is 1 when a round did not hold.
"""

import argparse
import functools
import random
import statistics
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass

from sandbox.github.server import TOKEN, GitHub
from stormkit_action.cancellation import Cancellation
from stormkit_action.clock import Deadline, SystemClock
from stormkit_action.errors import GitHubError
from stormkit_action.github_api.api import GitHubApi
from stormkit_action.reporting.comment import StickyComment
from stormkit_action.reporting.comment_body import read_rows
from stormkit_action.reporting.rows import Change, Row, State
from tools.bench.section import Section

RUN = 4242

# What each answer takes and up to how much more, in seconds, and the share of answers that are lost.
LATENCY, JITTER, LOST = 0.05, 0.1, 0.05


class _Clock(SystemClock):
    """A clock that goes faster."""

    def __init__(self, speed: float) -> None:
        super().__init__(Cancellation())
        self._speed = speed

    def monotonic(self) -> float:
        return super().monotonic() * self._speed

    def sleep(self, seconds: float) -> None:
        super().sleep(seconds / self._speed)


@dataclass(frozen=True, kw_only=True, slots=True)
class Round:
    """What came of a round. `problems` is empty when it held."""

    problems: tuple[str, ...]
    requests: tuple[int, ...]
    comments: int
    seconds: float


def run(seed: int, *, jobs: int, latency: float, jitter: float, lost: float, apart: float, speed: float = 1.0) -> Round:
    """One round. Of all answers the share `lost` never comes back; jobs start within `apart` seconds.

    At a higher `speed` everything takes less time by that factor, latency and pauses alike.
    """
    chance = random.Random(seed)
    with GitHub() as github:
        github.latency, github.jitter = latency / speed, jitter / speed
        for number in range(jobs):
            github.state.add_token(f"{TOKEN}_{number}")
        for _ in range(int(lost * jobs * 8)):
            github.fault(r"(POST|PATCH|GET) .*comments", "answer-lost", after=chance.randrange(jobs * 8))
        problems: list[str] = []
        starts = [chance.uniform(0.0, apart) for _ in range(jobs)]
        threads = [
            threading.Thread(target=_job, args=(github, number, starts[number], _Clock(speed), problems))
            for number in range(jobs)
        ]
        began = time.monotonic()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        seconds = time.monotonic() - began
        problems += _problems(github, jobs)
        callers = Counter(request.headers["authorization"] for request in github.requests)
        written = len(github.state.comments()) + len(github.state.repository().deleted_comments)
    return Round(
        problems=tuple(problems), requests=tuple(callers.values()), comments=written, seconds=round(seconds, 2)
    )


def _job(github: GitHub, number: int, start: float, clock: _Clock, problems: list[str]) -> None:
    api = GitHubApi(token=f"{TOKEN}_{number}", repository="octocat/hello-world", api_url=github.url, clock=clock)
    comment = StickyComment(github=api, number=42, key="stormkit")
    clock.sleep(start)
    try:
        comment.write(_row(number, State.BUILDING), deadline=Deadline.after(clock, 45.0), confirm=False)
        clock.sleep(0.3)
        told = comment.write(_row(number, State.READY), deadline=Deadline.after(clock, 45.0))
        if not told.settled:
            problems.append(f"job {number} is not sure of its row")
    except GitHubError as error:
        problems.append(f"job {number}: {error.text}")


def _row(number: int, state: State) -> Change:
    row = Row(
        label=f"site {number:02}",
        state=state,
        run_id=RUN,
        job="preview",
        deployment_id=str(8000 + number),
        preview_url=f"https://{number}.example.com" if state is State.READY else "",
        updated=int(time.time()),
    )
    return Change(rows=(row,))


def _problems(github: GitHub, jobs: int) -> list[str]:
    bodies = [comment.body for comment in github.state.comments()]
    if len(bodies) != 1:
        return [f"{len(bodies)} comments"]
    states = {row.label: row.state for row in read_rows(bodies[0])}
    missing = [number for number in range(jobs) if states.get(f"site {number:02}") is not State.READY]
    return [f"row {number} is {states.get(f'site {number:02}', 'missing')}" for number in missing]


def play(
    seeds: Sequence[int], *, at_once: int, jobs: int, latency: float, jitter: float, lost: float, apart: float
) -> Iterator[tuple[int, Round]]:
    """Rounds with those seeds. They mostly wait, so `at_once` go on at the same time, each in a process of its own."""
    one = functools.partial(run, jobs=jobs, latency=latency, jitter=jitter, lost=lost, apart=apart)
    with ProcessPoolExecutor(at_once) as pool:
        yield from zip(seeds, pool.map(one, seeds), strict=True)


def section(*, rounds: int = 12, jobs: int = 16) -> Section:
    """Measure, and describe the result."""
    seeds = range(1, rounds + 1)
    played = [one for _, one in play(seeds, at_once=4, jobs=jobs, latency=LATENCY, jitter=JITTER, lost=LOST, apart=0.0)]
    held = sum(not each.problems for each in played)
    requests = [count for each in played for count in each.requests]
    return Section(
        title=f"One comment, {jobs} jobs at once",
        answer=f"When {jobs} jobs write the same comment at once, no job's state is lost and no comment is left over in"
        f" {held} of {rounds} rounds.",
        details=[
            f"Every job writes its row twice. Each answer takes {1000 * LATENCY:.0f} to"
            f" {1000 * (LATENCY + JITTER):.0f} ms, and {100 * LOST:.0f} % of them are lost.",
            "",
            "| rounds | without a loss | mean requests of a job | most |",
            "|---:|---:|---:|---:|",
            f"| {rounds} | {held} | {statistics.mean(requests):.1f} | {max(requests)} |",
        ],
    )


def main() -> int:
    """Run the rounds and print what they cost."""
    parser = argparse.ArgumentParser(description="Let many jobs write one comment at the same moment.")
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--jobs", type=int, default=16)
    parser.add_argument("--latency", type=float, default=LATENCY, help="seconds of every answer (%(default)s)")
    parser.add_argument("--jitter", type=float, default=JITTER, help="up to so many seconds more (%(default)s)")
    parser.add_argument("--lost", type=float, default=LOST, help="share of answers that are lost (%(default)s)")
    parser.add_argument("--apart", type=float, default=0.0, help="seconds within which the jobs start (%(default)s)")
    parser.add_argument("--at-once", type=int, default=4, help="rounds that go on at the same time (%(default)s)")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    played = play(
        range(options.seed, options.seed + options.rounds),
        at_once=options.at_once,
        jobs=options.jobs,
        latency=options.latency,
        jitter=options.jitter,
        lost=options.lost,
        apart=options.apart,
    )
    rounds = []
    for seed, one in played:
        rounds.append(one)
        if one.problems:
            print(f"round with seed {seed}: {'; '.join(one.problems)}", flush=True)
    held = sum(not each.problems for each in rounds)
    requests = [count for each in rounds for count in each.requests]
    print(f"{held} of {len(rounds)} rounds: one comment, {options.jobs} rows")
    print(f"requests a job: {statistics.mean(requests):.1f} on average, {max(requests)} at most")
    print(f"comments created a round: {statistics.mean(each.comments for each in rounds):.1f} on average")
    seconds = [each.seconds for each in rounds]
    print(f"seconds a round: {statistics.median(seconds):.1f} usually, {max(seconds):.1f} at most")
    return 0 if held == len(rounds) else 1


if __name__ == "__main__":
    sys.exit(main())
