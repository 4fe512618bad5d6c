"""Measures `cleanup` of a branch with many deployments: `python -m tools.bench.cleanup` prints markdown.

The action runs as a process. It is compared with a loop that lists the branch's deployments and deletes them in
sequence over one connection. The loop checks neither whether a deployment is live by then nor whether it is deleted.
"""

import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import requests

from sandbox.events import HEAD_BRANCH
from sandbox.runner.runner import Runner
from sandbox.stormkit.server import ENV_KEY, Stormkit
from tools.bench.section import Section

DEPLOYMENT_COUNTS = (100, 1000)

# The delay of each answer.
LATENCY_S = 0.02


@dataclass(frozen=True, kw_only=True, slots=True)
class Measured:
    """How long it took to delete all deployments, and with how many requests."""

    seconds: float
    requests: int


def action(number: int) -> Measured:
    """Measure the whole step, from its start to its exit."""
    with tempfile.TemporaryDirectory() as directory, _stormkit(number) as stormkit:
        finished = Runner(
            event="pull_request_closed",
            inputs={
                "api-key": ENV_KEY,
                "api-url": stormkit.url,
                "command": "cleanup",
                "comment": "false",
                "github-deployment": "false",
                "github-token": "",
            },
            directory=Path(directory),
            secrets=[ENV_KEY],
        ).run(timeout=300)
        assert finished.exit_code == 0, finished.log
        assert finished.outputs["deleted"] == str(number), finished.log
        assert all(deployment.deleted for deployment in stormkit.deployments)
        return Measured(seconds=finished.seconds, requests=len(stormkit.requests))


def loop(number: int) -> Measured:
    """Measure the loop."""
    with _stormkit(number) as stormkit, requests.Session() as session:
        session.headers["Authorization"] = ENV_KEY
        began = time.monotonic()
        found: list[str] = []
        has_next = True
        while has_next:
            query = {"branch": HEAD_BRANCH, "from": str(len(found))}
            page = session.get(f"{stormkit.url}/v1/deployments", params=query, timeout=30).json()
            found += [deployment["id"] for deployment in page["deployments"]]
            has_next = page["hasNextPage"]
        for deployment_id in found:
            session.delete(f"{stormkit.url}/v1/deployments/{deployment_id}", timeout=30).raise_for_status()
        seconds = time.monotonic() - began
        assert all(deployment.deleted for deployment in stormkit.deployments)
        return Measured(seconds=seconds, requests=len(stormkit.requests))


def _stormkit(number: int) -> Stormkit:
    stormkit = Stormkit()
    stormkit.latency = LATENCY_S
    for _ in range(number):
        stormkit.add_deployment()
    return stormkit


def section() -> Section:
    """Measure, and describe the results."""
    measured = {number: (action(number), loop(number)) for number in DEPLOYMENT_COUNTS}
    step, one_by_one = measured[DEPLOYMENT_COUNTS[-1]]
    rows = (
        f"| {number:,} | {step.seconds / loop.seconds:.2f} | {step.requests:,} | {loop.requests:,} |"
        for number, (step, loop) in measured.items()
    )
    return Section(
        title="`cleanup` of many deployments",
        answer=f"`cleanup` of {DEPLOYMENT_COUNTS[-1]:,} deployments takes {step.seconds / one_by_one.seconds:.2f} of"
        " the time of a loop that deletes one at a time.",
        details=[
            "The whole step. Unlike the loop, it reads each deployment before deleting it, in case it was published"
            f" meanwhile, and the list again at the end. Each answer takes {1000 * LATENCY_S:.0f} ms.",
            "",
            "| deployments | time / loop's | requests | loop's requests |",
            "|---:|---:|---:|---:|",
            *rows,
        ],
    )


if __name__ == "__main__":
    print(section().whole())
