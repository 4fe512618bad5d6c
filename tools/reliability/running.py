"""Runs one cell: the whole program, over real HTTP, on a clock that nobody waits for.

The program runs in this process, through `stormkit_action.main.main`, because its waits (a look of 12 seconds, 55 for a
trigger, minutes for a build) are real ones in a process of its own. The server's builds and the program's waits share
the clock. The tests in tests/e2e run processes.
"""

import contextlib
import io
import random
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from sandbox.clock import TODAY, FakeClock
from sandbox.events import HEAD_SHA
from sandbox.stormkit.api import route
from sandbox.stormkit.server import ENV_KEY, Deployment, FaultKind, Generation, Stormkit
from sandbox.web import ReceivedRequest, Reply
from stormkit_action.main import main
from stormkit_action.reporting.console import PlainConsole
from stormkit_action.reporting.outputs import OUTPUTS
from tools.reliability.scenarios import (
    BRANCH,
    BUSY,
    GATEWAY_LATENESS,
    LIVE,
    OLD,
    OTHER_BRANCH,
    QUEUE_BACK,
    SLOW,
    Cell,
    prepare,
)

EXIT_CODES = {"success": 0, "skipped": 0, "running": 0, "failed": 1, "stopped": 1, "timed-out": 1, "cancelled": 130}

FOR_EVER = 10**9

# What a fault takes, or asks for.
SECONDS = {
    FaultKind.SLOW: SLOW,
    FaultKind.BUSY_HEADER: BUSY,
    FaultKind.BUSY_BODY: BUSY,
    FaultKind.BUSY_DATE: BUSY,
    FaultKind.BUSY_TEXT: BUSY,
    FaultKind.GATEWAY_LATE: GATEWAY_LATENESS,
    FaultKind.QUEUED_LATE: QUEUE_BACK,
}

# How a reason says that a build may still be running. Where one is, every reason has to say it.
SAYS_STILL_RUNNING = re.compile(
    "may still be building|was started is not known|could not be stopped"
    "|stopping it was not confirmed|still reports it as running"
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Ran:
    """What came of one run.

    `seconds` are the clock's, `left_running` the ids of the builds that outlive the step, `violations` broken promises.
    """

    exit_code: int
    outputs: Mapping[str, str]
    log: str
    builds: int
    requests: int
    seconds: float
    left_running: tuple[str, ...] = ()
    violations: tuple[str, ...] = ()

    @property
    def end(self) -> str:
        """The outcome in a word or three."""
        parts = [self.outputs.get("status", "no outputs")]
        if self.outputs.get("published") == "true":
            parts.append("live")
        if self.outputs.get("deleted", "0") != "0":
            parts.append(f"{self.outputs['deleted']} deleted")
        if self.left_running:
            parts.append("still building")
        return ", ".join(parts)


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

    def handle(self, request: ReceivedRequest) -> Reply:
        """The answer; what it would have taken has passed by then."""
        self._watch(request)
        reply = super().handle(request)
        self._clock.advance(reply.delay)
        return replace(reply, delay=0.0)

    def _watch(self, request: ReceivedRequest) -> None:
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
            after=cell.scenario.after,
            seconds=SECONDS.get(cell.kind, 0.0),
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
        touched = [each for each in stormkit.deployments if int(each.id) > int(OLD) and not each.deleted]
        ran = Ran(
            exit_code=exit_code,
            outputs=files.outputs,
            log=log.getvalue() + repr(files),
            builds=stormkit.builds,
            requests=len(stormkit.requests),
            seconds=clock.passed,
            left_running=tuple(each.id for each in touched if each.status == "running"),
        )
        return replace(ran, violations=(*stormkit.violations, *violations(cell, ran, stormkit)))


def violations(cell: Cell, ran: Ran, stormkit: Stormkit) -> list[str]:
    """The promises of the document that this run broke, in the document's order."""
    return [
        *_builds(cell, ran, stormkit),
        *_verdict(cell, ran, stormkit),
        *_outputs(cell, ran),
        *_history(cell, stormkit),
    ]


def _builds(cell: Cell, ran: Ran, stormkit: Stormkit) -> list[str]:
    """One build a step, and none that outlives it unsaid."""
    found = []
    deploys = cell.scenario.inputs["command"] in ("deploy", "restart")
    # What was stopped in the queue was no build.
    ours = [each for each in stormkit.deployments if int(each.id) > int(OLD) and not each.unqueued and not _unbuilt(each)]
    allowed = 1 + int(cell.scenario.inputs.get("retries", "0")) if deploys else 0
    if deploys and len(ours) > allowed:
        found.append(f"{len(ours)} deployments for one step")
    if ran.builds > allowed:
        found.append(f"{ran.builds} builds, where {allowed} are allowed")
    if ran.left_running and not (SAYS_STILL_RUNNING.search(ran.outputs.get("reason", "")) or _called_gone(cell)):
        found.append(f"left {', '.join(ran.left_running)} running without saying so")
    if ran.left_running and not cell.scenario.stays:
        found.append(f"left {', '.join(ran.left_running)} running, which the document does not explain")
    return found


def _unbuilt(deployment: Deployment) -> bool:
    return deployment.stopped_manually and deployment.commit is None


def _called_gone(cell: Cell) -> bool:
    """Whether Stormkit itself says of a running deployment that there is none."""
    return cell.always and cell.scenario.operation == "read" and cell.kind is FaultKind.NOT_FOUND_404


def _verdict(cell: Cell, ran: Ran, stormkit: Stormkit) -> list[str]:
    """What the outputs say is so."""
    found = []
    status, told_id = ran.outputs.get("status", ""), ran.outputs.get("deployment-id", "")
    told = next((each for each in stormkit.deployments if each.id == told_id), None)
    if cell.scenario.inputs["command"] in ("deploy", "restart"):
        if status == "success" and (told is None or told.status != "success"):
            found.append("told of a success that was none")
        if status == "stopped" and not _called_gone(cell) and not (told and (told.stopped_manually or told.deleted)):
            found.append("told of a stop that was none")
    if cell.scenario.name == "stop" and status == "stopped" and ran.left_running:
        found.append("told of a stop that was none")
    if ran.outputs.get("published") == "true" and stormkit.live() != told_id:
        found.append("told that it is live, which it is not")
    deleted = sum(each.deleted for each in stormkit.deployments)
    if int(ran.outputs.get("deleted") or 0) > deleted:
        found.append(f"told of {ran.outputs['deleted']} deletions, which were {deleted}")
    return found


def _outputs(cell: Cell, ran: Ran) -> list[str]:
    """All outputs, a reason, the exit code, no traceback, no key."""
    found = []
    status = ran.outputs.get("status", "")
    if set(ran.outputs) != set(OUTPUTS):
        found.append(f"outputs are {sorted(ran.outputs)}")
    stops = cell.scenario.inputs["command"] == "stop"
    if status != "success" and not (stops and status == "stopped") and not ran.outputs.get("reason"):
        found.append("no reason given")
    if ran.exit_code != (0 if stops and status == "stopped" else EXIT_CODES.get(status)):
        found.append(f"exit code {ran.exit_code} with status {status}")
    if "Traceback" in ran.log:
        found.append("a traceback in the log")
    if ENV_KEY in ran.log:
        found.append("the key in the log, an output or the state")
    return found


def _history(cell: Cell, stormkit: Stormkit) -> list[str]:
    """What was there before is as it was, but for what the command is about."""
    found = []
    if stormkit.deployment(LIVE).deleted:
        found.append("deleted what was live")
    if cell.scenario.inputs["command"] != "deploy" and stormkit.live() != LIVE:
        found.append("changed what is live")
    if stormkit.deployment(OTHER_BRANCH).status != "running" or stormkit.deployment(OTHER_BRANCH).deleted:
        found.append("touched another branch's deployment")
    if cell.scenario.inputs["command"] in ("deploy", "stop") and stormkit.deployment(OLD).deleted:
        found.append("deleted an older deployment")
    return found
