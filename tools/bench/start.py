"""Measures the time from process start to the trigger: `python -m tools.bench.start` prints markdown.

The action is compared with the smallest script that triggers with `requests`. They run in pairs, so that a busy machine
slows both. Processor time is measured too, because it hardly depends on what else the machine does.
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
MAX_PROCESSOR_RATIO = 1.3

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
class TimeToTrigger:
    """The elapsed time and the processor time of a process until its trigger arrived, in seconds."""

    elapsed: float
    processor: float


class RefusingServer(Server):
    """A server that refuses every trigger, which ends the step, and measures the time until then."""

    def __init__(self) -> None:
        super().__init__()
        self.process: subprocess.Popen[bytes] | None = None
        self.began = 0.0
        self.time_to_trigger: TimeToTrigger | None = None

    def handle(self, request: ReceivedRequest) -> Reply:
        assert self.process is not None
        self.time_to_trigger = TimeToTrigger(
            elapsed=request.at - self.began, processor=processor_time(self.process.pid)
        )
        return Reply(status=403)

    def measure(self, command: Sequence[str], environment: dict[str, str], directory: Path) -> TimeToTrigger:
        """Run `command` to its end, and return the time until its trigger."""
        self.time_to_trigger = None
        self.began = time.monotonic()
        with subprocess.Popen(
            command, env=environment, cwd=directory, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as self.process:
            pass
        assert self.time_to_trigger is not None, f"{command} did not trigger"
        return self.time_to_trigger


def processor_time(pid: int) -> float:
    """The seconds that all threads of a process have run so far, from Linux's counters in nanoseconds."""
    tasks = Path(f"/proc/{pid}/task").glob("*/schedstat")
    return sum(int(task.read_text().split()[0]) for task in tasks) / 1e9


def pairs(count: int) -> list[tuple[TimeToTrigger, TimeToTrigger]]:
    """Measure the script and the action `count` times, after a first pair that only fills the caches."""
    with RefusingServer() as server, tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        return [(_smallest(server, directory), _action(server, directory)) for _ in range(count + 1)][1:]


def _smallest(server: RefusingServer, directory: Path) -> TimeToTrigger:
    script = directory / "smallest.py"
    script.write_text(_SMALLEST, encoding="utf-8")
    environment = {"PATH": os.environ["PATH"], "API_URL": server.url, "API_KEY": "SK_bench"}
    return server.measure([sys.executable, "-Eu", str(script)], environment, directory)


def _action(server: RefusingServer, directory: Path) -> TimeToTrigger:
    runner = Runner(
        event="pull_request_opened",
        inputs={"api-key": "SK_bench", "api-url": server.url, "comment": "false", "github-deployment": "false"},
        directory=directory / "job",
    )
    environment, _ = runner.prepare()
    command = [sys.executable, "-Eu", str(ACTION / "entrypoint.py")]
    return server.measure(command, environment, runner.directory.workspace)


def section(count: int = PAIRS) -> Section:
    """Measure, and describe the results."""
    measured = pairs(count)
    rows = {
        "the smallest script": [smallest for smallest, _ in measured],
        "this action, which first reads and checks inputs and event": [action for _, action in measured],
    }
    medians = {
        name: (statistics.median(run.elapsed for run in runs), statistics.median(run.processor for run in runs))
        for name, runs in rows.items()
    }
    smallest, action = medians.values()
    return Section(
        title="From the start of the process to the trigger",
        answer=f"Starting and triggering takes {action[1] / smallest[1]:.2f} times the processor time of the smallest"
        " script that triggers with `requests`.",
        details=[
            f"Medians of {count} pairs of runs, until the trigger arrives at a local server. The limit is"
            f" {MAX_PROCESSOR_RATIO} times the script's processor time.",
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
    parser = argparse.ArgumentParser(description="Measure the time from process start to the trigger.")
    parser.add_argument("--pairs", type=int, default=PAIRS)
    print(section(parser.parse_args().pairs).whole())
