"""Measures what happens when many jobs write the same pull request comment at the same moment.

    python -m tools.bench.comment_race --rounds 100 --jobs 16

Each round starts a new local GitHub with latency and lost answers. Each job has its own thread and connection. A job
writes its row with the state "building", and a moment later with its final state. A round passes if it ends with one
comment that shows every job's final state. The exit code is 1 if a round fails.
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

# Each answer takes LATENCY_S, and up to JITTER_S more. LOST_SHARE of the answers is lost.
LATENCY_S, JITTER_S, LOST_SHARE = 0.05, 0.1, 0.05


class _Clock(SystemClock):
    """A clock that runs faster than real time, by the factor `speed`."""

    def __init__(self, speed: float) -> None:
        super().__init__(Cancellation())
        self._speed = speed

    def monotonic(self) -> float:
        return super().monotonic() * self._speed

    def sleep(self, seconds: float) -> None:
        super().sleep(seconds / self._speed)


@dataclass(frozen=True, kw_only=True, slots=True)
class Round:
    """The result of a round. `problems` is empty if it passed."""

    problems: tuple[str, ...]
    requests: tuple[int, ...]
    comments: int
    seconds: float


def run(seed: int, *, jobs: int, latency: float, jitter: float, lost: float, apart: float, speed: float = 1.0) -> Round:
    """Run one round. The share `lost` of all answers is lost; the jobs start within `apart` seconds.

    `speed` divides all times, latency as well as the jobs' pauses.
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
        written = comment.write(_row(number, State.READY), deadline=Deadline.after(clock, 45.0))
        if not written.settled:
            problems.append(f"job {number} could not confirm its row")
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
    """Run a round for each seed. A round mostly waits, so `at_once` rounds run in parallel, each in its own process."""
    run_seed = functools.partial(run, jobs=jobs, latency=latency, jitter=jitter, lost=lost, apart=apart)
    with ProcessPoolExecutor(at_once) as pool:
        yield from zip(seeds, pool.map(run_seed, seeds), strict=True)


def section(*, rounds: int = 12, jobs: int = 16) -> Section:
    """Measure, and describe the results."""
    seeds = range(1, rounds + 1)
    results = play(seeds, at_once=4, jobs=jobs, latency=LATENCY_S, jitter=JITTER_S, lost=LOST_SHARE, apart=0.0)
    played = [result for _, result in results]
    passed = len([result for result in played if not result.problems])
    requests = [count for result in played for count in result.requests]
    return Section(
        title=f"One comment, {jobs} jobs at once",
        answer=f"When {jobs} jobs write the same comment at once, no job's state is lost and no comment is left over in"
        f" {passed} of {rounds} rounds.",
        details=[
            f"Every job writes its row twice. Each answer takes {1000 * LATENCY_S:.0f} to"
            f" {1000 * (LATENCY_S + JITTER_S):.0f} ms, and {100 * LOST_SHARE:.0f} % of them are lost.",
            "",
            "| rounds | without a loss | mean requests of a job | most |",
            "|---:|---:|---:|---:|",
            f"| {rounds} | {passed} | {statistics.mean(requests):.1f} | {max(requests)} |",
        ],
    )


def main() -> int:
    """Run the rounds and print their results."""
    parser = argparse.ArgumentParser(description="Let many jobs write one comment at the same moment.")
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--jobs", type=int, default=16)
    parser.add_argument(
        "--latency", type=float, default=LATENCY_S, help="delay of each answer in seconds (%(default)s)"
    )
    parser.add_argument(
        "--jitter", type=float, default=JITTER_S, help="largest random extra delay in seconds (%(default)s)"
    )
    parser.add_argument("--lost", type=float, default=LOST_SHARE, help="share of answers that are lost (%(default)s)")
    parser.add_argument("--apart", type=float, default=0.0, help="seconds within which the jobs start (%(default)s)")
    parser.add_argument("--at-once", type=int, default=4, help="rounds that run in parallel (%(default)s)")
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
    for seed, result in played:
        rounds.append(result)
        if result.problems:
            print(f"round with seed {seed}: {'; '.join(result.problems)}", flush=True)
    passed = len([result for result in rounds if not result.problems])
    requests = [count for result in rounds for count in result.requests]
    seconds = [result.seconds for result in rounds]
    print(f"{passed} of {len(rounds)} rounds ended with one comment and {options.jobs} rows")
    print(f"requests per job: mean {statistics.mean(requests):.1f}, maximum {max(requests)}")
    print(f"comments created per round: mean {statistics.mean(result.comments for result in rounds):.1f}")
    print(f"seconds per round: median {statistics.median(seconds):.1f}, maximum {max(seconds):.1f}")
    return 0 if passed == len(rounds) else 1


if __name__ == "__main__":
    sys.exit(main())
