"""Measures a step that deploys several environments: `python -m tools.bench.environments` prints markdown.

The action runs as a process, against a local Stormkit and a local GitHub with latency.
"""

import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from sandbox.github.server import GitHub
from sandbox.runner.runner import Runner
from sandbox.stormkit.server import USER_KEY, Stormkit
from tools.bench.section import Section

ENVIRONMENT_COUNTS = (1, 10, 50)

# The durations of a step's builds are spread evenly between these two.
SHORTEST_BUILD_S, LONGEST_BUILD_S = 15.0, 20.0

# The delay of each answer of Stormkit and GitHub.
LATENCY_S = 0.05


@dataclass(frozen=True, kw_only=True, slots=True)
class Measured:
    """One step: the seconds from its start to its exit, and the requests to Stormkit and GitHub per environment."""

    seconds: float
    stormkit: float
    github: float


def deploy(number: int) -> Measured:
    """Deploy `number` environments, with the comment and a GitHub Deployment for each."""
    with tempfile.TemporaryDirectory() as directory, Stormkit() as stormkit, GitHub() as github:
        stormkit.latency = github.latency = LATENCY_S
        names = {str(1000 + index): f"site {index:02}" for index in range(number)}
        for index, (env_id, name) in enumerate(names.items()):
            stormkit.add_environment(env_id, name=name)
            stormkit.next_build(seconds=LONGEST_BUILD_S - (LONGEST_BUILD_S - SHORTEST_BUILD_S) * index / number)
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
        statuses = Counter(deployment.status for deployment in stormkit.deployments)
        assert finished.exit_code == 0, finished.log
        assert statuses == {"success": number}, statuses
        return Measured(
            seconds=finished.seconds,
            stormkit=len(stormkit.requests) / number,
            github=len(github.requests) / number,
        )


def section() -> Section:
    """Measure, and describe the results."""
    measured = {number: deploy(number) for number in ENVIRONMENT_COUNTS}
    largest = ENVIRONMENT_COUNTS[-1]
    return Section(
        title="Several `environments` in one step",
        answer=f"{largest} environments in one step take {measured[largest].seconds / LONGEST_BUILD_S:.2f} times as"
        " long as the slowest of their builds.",
        details=[
            "From the step's start to its exit, with the comment and a GitHub Deployment for each environment. Builds"
            f" take {SHORTEST_BUILD_S:.0f} to {LONGEST_BUILD_S:.0f} s, no earlier build is known, and each answer takes"
            f" {1000 * LATENCY_S:.0f} ms.",
            "",
            "| environments | time / slowest build's | requests to Stormkit for each | to GitHub for each |",
            "|---:|---:|---:|---:|",
            *(
                f"| {number} | {step.seconds / LONGEST_BUILD_S:.2f} | {step.stormkit:.1f} | {step.github:.1f} |"
                for number, step in measured.items()
            ),
        ],
    )


if __name__ == "__main__":
    print(section().whole())
