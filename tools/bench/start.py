"""From process start to the trigger on the wire: `python -m tools.bench.start` prints markdown.

The action is measured against the smallest script that triggers with `requests`, in pairs, so that a busy machine slows
both. The processor time until the trigger is measured too: it hardly depends on what else the machine does.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sandbox.runner.runner import ACTION, Runner
from sandbox.web import ReceivedRequest, Reply, Server
from tools.bench.section import Section

PAIRS = 41
LIMIT = 1.3

_SMALLEST = """
import os, requests
requests.post(
    os.environ["API_URL"] + "/v1/deploy",
    json={"branch": "main"},
    headers={"Authorization": os.environ["API_KEY"]},
    timeout=30,
)
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Until:
    """What a process took until its trigger arrived. Seconds."""

    elapsed: float
    processor: float


class Refusing(Server):
    """Refuses every trigger, so that the step ends with it, and notes what its process took until then."""

    def __init__(self) -> None:
        super().__init__()
        self.process: subprocess.Popen[bytes] | None = None
        self.began = 0.0
        self.until: Until | None = None

    def handle(self, request: ReceivedRequest) -> Reply:
        assert self.process is not None
        self.until = Until(elapsed=request.at - self.began, processor=processor_time(self.process.pid))
        return Reply(status=403)

    def measure(self, command: Sequence[str], environment: dict[str, str], directory: Path) -> Until:
        """Run `command` until it ends."""
        self.until = None
        self.began = time.monotonic()
        with subprocess.Popen(
            command, env=environment, cwd=directory, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as self.process:
            pass
        assert self.until is not None, f"{command} did not trigger"
        return self.until


def processor_time(pid: int) -> float:
    """Seconds that all threads of a process have run so far, as Linux counts them in nanoseconds."""
    tasks = Path(f"/proc/{pid}/task").glob("*/schedstat")
    return sum(int(task.read_text().split()[0]) for task in tasks) / 1e9


def pairs(count: int) -> list[tuple[Until, Until]]:
    """The script's and the action's, after a first pair that fills the caches."""
    with Refusing() as server, tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        return [(_smallest(server, directory), _action(server, directory)) for _ in range(count + 1)][1:]


def _smallest(server: Refusing, directory: Path) -> Until:
    script = directory / "smallest.py"
    script.write_text(_SMALLEST, encoding="utf-8")
    environment = {"PATH": os.environ["PATH"], "API_URL": server.url, "API_KEY": "SK_bench"}
    return server.measure([sys.executable, "-Eu", str(script)], environment, directory)


def _action(server: Refusing, directory: Path) -> Until:
    runner = Runner(
        event="pull_request_opened",
        inputs={"api-key": "SK_bench", "api-url": server.url, "comment": "false", "github-deployment": "false"},
        directory=directory / "job",
    )
    environment, _ = runner.prepare()
    command = [sys.executable, "-Eu", str(ACTION / "entrypoint.py")]
    return server.measure(command, environment, runner.directory.workspace)


def section(count: int = PAIRS) -> Section:
    """Measure, and describe the result."""
    measured = pairs(count)
    rows = {
        "the smallest script that triggers with `requests`": [smallest for smallest, _ in measured],
        "this action, which reads and checks inputs and event first": [action for _, action in measured],
    }
    medians = {
        name: (statistics.median(each.elapsed for each in runs), statistics.median(each.processor for each in runs))
        for name, runs in rows.items()
    }
    smallest, action = medians.values()
    return Section(
        title="From the process's start to the trigger",
        answer=f"Starting up and triggering takes {action[1] / smallest[1]:.2f} times the processor time of the"
        " smallest script that triggers with `requests`.",
        details=[
            f"Medians of {count} pairs of runs on Python {sys.version_info.major}.{sys.version_info.minor}, until the"
            f" trigger arrives at a local server. The aim is at most {LIMIT} times the script's processor time."
            " Command: `python -m tools.bench.start`.",
            "",
            "| | time | processor time |",
            "|---|---:|---:|",
            *(
                f"| {name} | {elapsed / smallest[0]:.2f} | {processor / smallest[1]:.2f} |"
                for name, (elapsed, processor) in medians.items()
            ),
        ],
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Measure the way to the trigger.")
    parser.add_argument("--pairs", type=int, default=PAIRS)
    print(section(parser.parse_args().pairs).whole())
