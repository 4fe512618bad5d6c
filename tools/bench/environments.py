"""Several environments in one step: `python -m tools.bench.environments` prints markdown.

The action runs as a process, against a local Stormkit and a local GitHub that take a while to answer.
"""

import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from sandbox.github.server import GitHub
from sandbox.runner.runner import Runner
from sandbox.stormkit.server import USER_KEY, Stormkit
from tools.bench.section import Section

NUMBERS = (1, 10, 50)

# The slowest build of a step takes LONGEST, the others down to SHORTEST, evenly. Seconds.
SHORTEST, LONGEST = 15.0, 20.0

# What every answer of Stormkit and GitHub takes. Seconds.
LATENCY = 0.05


@dataclass(frozen=True, kw_only=True, slots=True)
class Measured:
    """One step. `seconds` is from its start to its exit; the others are requests an environment."""

    seconds: float
    stormkit: float
    github: float


def deploy(number: int) -> Measured:
    """Deploy so many environments, with the comment and a GitHub Deployment each."""
    with tempfile.TemporaryDirectory() as directory, Stormkit() as stormkit, GitHub() as github:
        stormkit.latency = github.latency = LATENCY
        names = {str(1000 + each): f"site {each:02}" for each in range(number)}
        for each, (env_id, name) in enumerate(names.items()):
            stormkit.add_environment(env_id, name=name)
            stormkit.next_build(seconds=LONGEST - (LONGEST - SHORTEST) * each / number)
        finished = Runner(
            event="pull_request_opened",
            inputs={
                "api-key": USER_KEY,
                "api-url": stormkit.url,
                "environments": "\n".join(f"{name}: {env_id}" for env_id, name in names.items()),
                "github-deployment": "true",
            },
            directory=Path(directory),
            github_url=github.url,
            secrets=[USER_KEY],
        ).run(timeout=300)
        statuses = Counter(each.status for each in stormkit.deployments)
        assert finished.exit_code == 0, finished.log
        assert statuses == {"success": number}, statuses
        return Measured(
            seconds=finished.seconds,
            stormkit=len(stormkit.requests) / number,
            github=len(github.requests) / number,
        )


def section() -> Section:
    """Measure, and describe the result."""
    measured = {number: deploy(number) for number in NUMBERS}
    return Section(
        title="Several `environments` in one step",
        answer=f"{NUMBERS[-1]} environments in one step take {measured[NUMBERS[-1]].seconds / LONGEST:.2f} times as"
        " long as the slowest of their builds.",
        details=[
            "From the step's start to its exit, with the comment and a GitHub Deployment for each environment. Builds"
            f" take {SHORTEST:.0f} to {LONGEST:.0f} s, no earlier build is known, and each answer takes"
            f" {1000 * LATENCY:.0f} ms.",
            "",
            "| environments | time / slowest build's | requests to Stormkit for each | to GitHub for each |",
            "|---:|---:|---:|---:|",
            *(
                f"| {number} | {each.seconds / LONGEST:.2f} | {each.stormkit:.1f} | {each.github:.1f} |"
                for number, each in measured.items()
            ),
        ],
    )


if __name__ == "__main__":
    print(section().whole())
