"""From process start to the trigger on the wire, against the smallest script that triggers with `requests`."""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from sandbox.runner import Runner
from sandbox.web import Recorded, Reply, Server

RUNS = 21

_SMALLEST = """
import os, requests
requests.post(
    os.environ["API_URL"] + "/v1/deploy",
    json={"branch": "main"},
    headers={"Authorization": os.environ["API_KEY"]},
    timeout=30,
)
"""


class _Refusing(Server):
    """Refuses every trigger, so that the step ends with it."""

    def handle(self, request: Recorded) -> Reply:
        return Reply(status=403)


def main() -> None:
    """Measure in pairs and print the section."""
    with _Refusing() as server, tempfile.TemporaryDirectory() as directory:
        script = Path(directory) / "smallest.py"
        script.write_text(_SMALLEST, encoding="utf-8")
        pairs = [(_smallest(server, script), _action(server, Path(directory))) for _ in range(RUNS + 1)][1:]
    ratios = sorted(action / smallest for smallest, action in pairs)
    smallest, action = (statistics.median(times) for times in zip(*pairs, strict=True))
    print("## From process start to the trigger\n")
    print(f"| | median of {RUNS} runs in pairs |\n| --- | --- |")
    print(f"| the smallest script that triggers with `requests` | {1000 * smallest:.0f} ms |")
    print(f"| the action, inputs and event read and checked | {1000 * action:.0f} ms |")
    print(f"| ratio (lowest to highest) | {statistics.median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f}) |")


def _smallest(server: Server, script: Path) -> float:
    environment = {"PATH": os.environ["PATH"], "API_URL": server.url, "API_KEY": "SK_bench"}
    return _until_trigger(server, [sys.executable, "-Eu", str(script)], environment, script.parent)


def _action(server: Server, directory: Path) -> float:
    runner = Runner(
        event="pull_request_opened",
        inputs={"api-key": "SK_bench", "api-url": server.url, "comment": "false", "github-deployment": "false"},
        directory=directory / "job",
    )
    environment, _ = runner.prepare()
    entrypoint = Path(__file__).parents[1] / "entrypoint.py"
    return _until_trigger(server, [sys.executable, "-Eu", str(entrypoint)], environment, runner.directory.workspace)


def _until_trigger(server: Server, command: list[str], environment: dict[str, str], directory: Path) -> float:
    """Seconds from the start of `command` until its trigger has arrived."""
    before = len(server.requests)
    began = time.monotonic()
    subprocess.run(command, env=environment, cwd=directory, capture_output=True, check=False)
    return server.requests[before].at - began


if __name__ == "__main__":
    main()
