"""Runs one cell of the matrix: the whole program, over real HTTP, with a fake clock.

The program runs in this process, through `stormkit_action.main.main`. In a process of its own it would really wait: 12
seconds for a lost trigger's deployment, 55 for a trigger, minutes for a build. The server's builds and the program's
waits share the fake clock. The tests in tests/e2e run the program as a process.
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
    BUSY_RETRY_AFTER_S,
    GATEWAY_DELAY_S,
    LIVE,
    OLD,
    OTHER_BRANCH,
    QUEUE_OUTAGE_S,
    SLOW_ANSWER_S,
    Cell,
    prepare,
)

EXIT_CODES = {"success": 0, "skipped": 0, "running": 0, "failed": 1, "stopped": 1, "timed-out": 1, "cancelled": 130}

ALWAYS = 10**9
"""More requests than a run makes."""

# The `seconds` of a fault: how long it delays the answer, or how long it asks the client to wait.
FAULT_SECONDS = {
    FaultKind.SLOW: SLOW_ANSWER_S,
    FaultKind.BUSY_HEADER: BUSY_RETRY_AFTER_S,
    FaultKind.BUSY_BODY: BUSY_RETRY_AFTER_S,
    FaultKind.BUSY_DATE: BUSY_RETRY_AFTER_S,
    FaultKind.BUSY_TEXT: BUSY_RETRY_AFTER_S,
    FaultKind.GATEWAY_LATE: GATEWAY_DELAY_S,
    FaultKind.QUEUED_LATE: QUEUE_OUTAGE_S,
}

# The ways in which a reason can say that a build may still be running. It must say so if one is.
SAYS_STILL_RUNNING = re.compile(
    "may still be building|was started is not known|could not be stopped"
    "|stopping it was not confirmed|still reports it as running"
)


@dataclass(frozen=True, kw_only=True, slots=True)
class RunResult:
    """The result of one run.

    `seconds` are those of the fake clock, `left_running` the ids of the deployments that still run when the step ends,
    and `violations` the promises of the document that the run broke.
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
        """The result in a few words, as the document shows it."""
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
    """Stores what a step writes into its files."""

    outputs: dict[str, str] = field(default_factory=dict)
    state: dict[str, str] = field(default_factory=dict)

    def write(self, texts: Mapping[str, str]) -> None:
        """Store the outputs."""
        self.outputs.update(texts)

    def write_summary(self, markdown: str) -> None:
        """Ignore the summary."""

    def save_state(self, name: str, text: str) -> None:
        """Store the post step's state."""
        self.state[name] = text


class WatchedStormkit(Stormkit):
    """A Stormkit on a fake clock, which records calls that the action must never make."""

    def __init__(self, *, generation: Generation, clock: FakeClock) -> None:
        super().__init__(generation=generation, clock=clock.monotonic, skew=TODAY.timestamp() - time.time())
        self._clock = clock
        self.violations: list[str] = []

    def handle(self, request: ReceivedRequest) -> Reply:
        """Answer a request, and advance the clock by the answer's delay instead of waiting."""
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
            self.violations.append("deleted the live deployment")
        if operation == "restart" and deployment.status != "failed":
            self.violations.append(f"restarted a deployment that was {deployment.status}")


def run(cell: Cell, generation: Generation = Generation.NEWER) -> RunResult:
    """Run one cell on a server of that generation."""
    # The same random pauses in each run.
    random.seed(cell.name)
    clock, files, log = FakeClock(), StepFiles(), io.StringIO()
    with WatchedStormkit(generation=generation, clock=clock) as stormkit:
        prepare(stormkit)
        cell.scenario.prepare(stormkit)
        stormkit.fault(
            cell.scenario.operation,
            cell.kind,
            times=ALWAYS if cell.always else 1,
            after=cell.scenario.after,
            seconds=FAULT_SECONDS.get(cell.kind, 0.0),
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
        remaining = [deployment for deployment in _new_deployments(stormkit) if not deployment.deleted]
        ran = RunResult(
            exit_code=exit_code,
            outputs=files.outputs,
            log=log.getvalue() + repr(files),
            builds=stormkit.builds,
            requests=len(stormkit.requests),
            seconds=clock.passed,
            left_running=tuple(deployment.id for deployment in remaining if deployment.status == "running"),
        )
        return replace(ran, violations=(*stormkit.violations, *violations(cell, ran, stormkit)))


def violations(cell: Cell, ran: RunResult, stormkit: Stormkit) -> list[str]:
    """Messages about the promises of the document that a run broke, in the document's order."""
    return [
        *_builds(cell, ran, stormkit),
        *_verdict(cell, ran, stormkit),
        *_outputs(cell, ran),
        *_history(cell, stormkit),
    ]


def _builds(cell: Cell, ran: RunResult, stormkit: Stormkit) -> list[str]:
    """A step has one build, and the reason names every build that is left running."""
    found = []
    is_deploy = cell.scenario.inputs["command"] in ("deploy", "restart")
    # A deployment that never left the queue is not a build.
    built = [
        deployment
        for deployment in _new_deployments(stormkit)
        if not deployment.unqueued and not _was_stopped_in_queue(deployment)
    ]
    allowed = 1 + int(cell.scenario.inputs.get("retries", "0")) if is_deploy else 0
    if is_deploy and len(built) > allowed:
        found.append(f"{len(built)} deployments for one step")
    if ran.builds > allowed:
        found.append(f"{ran.builds} builds, where {allowed} are allowed")
    is_said = SAYS_STILL_RUNNING.search(ran.outputs.get("reason", "")) or _is_reported_deleted(cell)
    if ran.left_running and not is_said:
        found.append(f"left {', '.join(ran.left_running)} running without saying so")
    if ran.left_running and not cell.scenario.stays:
        found.append(f"left {', '.join(ran.left_running)} running, which the document does not explain")
    return found


def _new_deployments(stormkit: Stormkit) -> list[Deployment]:
    """The deployments that `scenarios.prepare` did not create."""
    return [deployment for deployment in stormkit.deployments if int(deployment.id) > int(OLD)]


def _was_stopped_in_queue(deployment: Deployment) -> bool:
    return deployment.stopped_manually and deployment.commit is None


def _is_reported_deleted(cell: Cell) -> bool:
    """Whether Stormkit answers every read of a running deployment with 404."""
    return cell.always and cell.scenario.operation == "read" and cell.kind is FaultKind.NOT_FOUND_404


def _verdict(cell: Cell, ran: RunResult, stormkit: Stormkit) -> list[str]:
    """The outputs are true."""
    found = []
    status, reported_id = ran.outputs.get("status", ""), ran.outputs.get("deployment-id", "")
    reported = next((deployment for deployment in stormkit.deployments if deployment.id == reported_id), None)
    if cell.scenario.inputs["command"] in ("deploy", "restart"):
        if status == "success" and (reported is None or reported.status != "success"):
            found.append("reported a success without a successful build")
        is_stopped = reported is not None and (reported.stopped_manually or reported.deleted)
        if status == "stopped" and not is_stopped and not _is_reported_deleted(cell):
            found.append("reported a stop without a stopped deployment")
    if cell.scenario.name == "stop" and status == "stopped" and ran.left_running:
        found.append("reported a stop without a stopped deployment")
    if ran.outputs.get("published") == "true" and stormkit.live() != reported_id:
        found.append("reported a deployment as live that is not")
    deleted = [deployment for deployment in stormkit.deployments if deployment.deleted]
    if int(ran.outputs.get("deleted") or 0) > len(deleted):
        found.append(f"reported {ran.outputs['deleted']} deletions instead of {len(deleted)}")
    return found


def _outputs(cell: Cell, ran: RunResult) -> list[str]:
    """All outputs are set, a failure has a reason and the right exit code, and there is no traceback and no key."""
    found = []
    status = ran.outputs.get("status", "")
    if set(ran.outputs) != set(OUTPUTS):
        found.append(f"outputs are {sorted(ran.outputs)}")
    # For `command: stop`, the status `stopped` is a success.
    is_requested_stop = cell.scenario.inputs["command"] == "stop" and status == "stopped"
    if status != "success" and not is_requested_stop and not ran.outputs.get("reason"):
        found.append("no reason given")
    if ran.exit_code != (0 if is_requested_stop else EXIT_CODES.get(status)):
        found.append(f"exit code {ran.exit_code} with status {status}")
    if "Traceback" in ran.log:
        found.append("a traceback in the log")
    if ENV_KEY in ran.log:
        found.append("the key in the log, an output or the state")
    return found


def _history(cell: Cell, stormkit: Stormkit) -> list[str]:
    """Earlier deployments are unchanged, unless the command is meant to change them."""
    found = []
    if stormkit.deployment(LIVE).deleted:
        found.append("deleted the live deployment")
    if cell.scenario.inputs["command"] != "deploy" and stormkit.live() != LIVE:
        found.append("changed the live deployment")
    if stormkit.deployment(OTHER_BRANCH).status != "running" or stormkit.deployment(OTHER_BRANCH).deleted:
        found.append("changed another branch's deployment")
    if cell.scenario.inputs["command"] in ("deploy", "stop") and stormkit.deployment(OLD).deleted:
        found.append("deleted an older deployment")
    return found
