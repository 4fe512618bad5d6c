"""Runs one cell: the whole program, over real HTTP, on a clock that nobody waits for.

The program runs in this process, through `stormkit_action.main.main`, because its waits (a look of 12 seconds, 55 for a
trigger, minutes for a build) are real ones in a process of its own. The server's builds and the program's waits share
the clock. The tests in tests/e2e run processes.
"""

import contextlib
import io
import random
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from sandbox.clock import TODAY, FakeClock
from sandbox.events import HEAD_SHA
from sandbox.stormkit.api import route
from sandbox.stormkit.server import ENV_KEY, Deployment, FaultKind, Generation, Stormkit
from sandbox.web import Recorded, Reply
from stormkit_action.main import main
from stormkit_action.reporting.console import PlainConsole
from stormkit_action.reporting.outputs import OUTPUTS
from tools.reliability.scenarios import BRANCH, BUSY, LIVE, OLD, SLOW, Cell, prepare

EXIT_CODES = {"success": 0, "skipped": 0, "running": 0, "failed": 1, "stopped": 1, "timed-out": 1, "cancelled": 130}

FOR_EVER = 10**9


@dataclass(frozen=True, kw_only=True, slots=True)
class Ran:
    """What came of one run. `seconds` are the clock's; `violations` what must never be."""

    exit_code: int
    outputs: Mapping[str, str]
    log: str
    builds: int
    requests: int
    seconds: float
    violations: tuple[str, ...] = ()

    @property
    def end(self) -> str:
        """The outcome in a word or three."""
        extra = ""
        if self.outputs.get("published") == "true":
            extra = ", live"
        if self.outputs.get("deleted", "0") != "0":
            extra = f", {self.outputs['deleted']} deleted"
        return f"{self.outputs.get('status', 'no outputs')}{extra}"


@dataclass(kw_only=True)
class StepFiles:
    """Keeps what a step writes."""

    outputs: dict[str, str] = field(default_factory=dict)
    state: dict[str, str] = field(default_factory=dict)

    def write(self, texts: Mapping[str, str]) -> None:
        """Set the outputs."""
        self.outputs.update(texts)

    def write_summary(self, markdown: str) -> None:
        """Nobody reads it here."""

    def save_state(self, name: str, text: str) -> None:
        """Save `text` for the post step."""
        self.state[name] = text


class WatchedStormkit(Stormkit):
    """A Stormkit on a clock of its own, that notes calls which must never be made."""

    def __init__(self, *, generation: Generation, clock: FakeClock) -> None:
        super().__init__(generation=generation, clock=clock.monotonic, skew=TODAY.timestamp() - time.time())
        self._clock = clock
        self.violations: list[str] = []

    def handle(self, request: Recorded) -> Reply:
        """The answer; what it would have taken has passed by then."""
        self._watch(request)
        reply = super().handle(request)
        self._clock.advance(reply.delay)
        return replace(reply, delay=0.0)

    def _watch(self, request: Recorded) -> None:
        operation, deployment_id = route(request)
        if request.method == "GET" or deployment_id not in self.state.records:
            return
        deployment = self.deployment(deployment_id)
        if deployment.branch != BRANCH:
            self.violations.append(f"{operation} of another branch's deployment {deployment_id}")
        if operation == "publish" and deployment.status != "success":
            self.violations.append(f"published a deployment that was {deployment.status}")
        if operation == "delete" and deployment.published:
            self.violations.append("deleted what was live")
        if operation == "restart" and deployment.status != "failed":
            self.violations.append(f"restarted a deployment that was {deployment.status}")


def run(cell: Cell, generation: Generation = Generation.NEWER) -> Ran:
    """Run it. Its pauses are random, but the same each time."""
    random.seed(cell.name)
    clock, files, log = FakeClock(), StepFiles(), io.StringIO()
    with WatchedStormkit(generation=generation, clock=clock) as stormkit:
        prepare(stormkit)
        cell.scenario.prepare(stormkit)
        stormkit.fault(
            cell.scenario.operation,
            cell.kind,
            times=FOR_EVER if cell.always else 1,
            seconds={FaultKind.SLOW: SLOW, FaultKind.BUSY_HEADER: BUSY, FaultKind.BUSY_BODY: BUSY}.get(cell.kind, 0.0),
        )
        inputs = {
            "api-key": ENV_KEY,
            "api-url": stormkit.url,
            "branch": BRANCH,
            "sha": HEAD_SHA,
            "timeout": "5m",
            "build-log": "never",
            **cell.scenario.inputs,
        }
        environ = {f"INPUT_{name.upper()}": text for name, text in inputs.items()}
        with contextlib.redirect_stderr(log), contextlib.redirect_stdout(log):
            exit_code = main(environ, console=PlainConsole(), files=files, clock=clock)
        ran = Ran(
            exit_code=exit_code,
            outputs=files.outputs,
            log=log.getvalue(),
            builds=stormkit.builds,
            requests=len(stormkit.requests),
            seconds=clock.passed,
        )
        return replace(ran, violations=(*stormkit.violations, *_violations(cell, ran, stormkit)))


def _violations(cell: Cell, ran: Ran, stormkit: Stormkit) -> list[str]:
    """What must never be, whatever goes wrong."""
    status, found = ran.outputs.get("status", ""), []
    if set(ran.outputs) != set(OUTPUTS):
        found.append(f"outputs are {sorted(ran.outputs)}")
    if ran.exit_code != EXIT_CODES.get(status) and not (cell.scenario.name == "stop" and ran.exit_code == 0):
        found.append(f"exit code {ran.exit_code} with status {status}")
    if "Traceback" in ran.log or ENV_KEY in ran.log:
        found.append("a traceback, or the key, in the log")
    if status not in ("success", "stopped") and not ran.outputs.get("reason"):
        found.append("no reason given")
    if cell.scenario.inputs["command"] == "deploy":
        ours = [each for each in stormkit.deployments if int(each.id) > int(OLD) and not each.ghost]
        found += _deploy_violations(ran, status, ours)
    if stormkit.deployment(LIVE).deleted:
        found.append("deleted what was live")
    published = ran.outputs.get("published") == "true"
    if published and stormkit.live() != ran.outputs.get("deployment-id"):
        found.append("told that it is live, which it is not")
    return found


def _deploy_violations(ran: Ran, status: str, ours: list[Deployment]) -> list[str]:
    found = [f"{len(ours)} deployments for one step"] if len(ours) > 1 else []
    succeeded = [each.id for each in ours if each.status == "success"]
    if status == "success" and ran.outputs["deployment-id"] not in succeeded:
        found.append("told of a success that was none")
    return found
