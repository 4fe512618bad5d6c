"""What is told while a command runs: the log's lines, the state for the post step, what is shown on GitHub.

What is only needed once a build runs is imported then: this module is on the way to the trigger.
"""

import json
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

from stormkit_action.clock import Clock
from stormkit_action.context import Environment
from stormkit_action.event import Event, Run
from stormkit_action.inputs import Inputs
from stormkit_action.later import Later
from stormkit_action.plan import Plan
from stormkit_action.reporting.console import Console
from stormkit_action.reporting.step_files import StepFiles
from stormkit_action.text import one_line

if TYPE_CHECKING:
    from stormkit_action.reporting.build_log import LiveBuildLog
    from stormkit_action.reporting.github_report import GitHubReport
    from stormkit_action.stormkit.models import Deployment
    from stormkit_action.stormkit.waiting import Progress

# What the post step finds: the deployments this step began (JSON), and whether it came to its own end.
STARTED, FINISHED = "started", "finished"

# The comment waits this long for the commit to be known. Builds that usually take at least `LONG` are shown in it again
# at each quarter of that time. Seconds.
EARLY, LONG = 5.0, 120.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Shown:
    """What every row of this run shows."""

    label: str
    branch: str
    expected_sha: str
    dashboard_url: str
    run: Run

    @classmethod
    def of(cls, inputs: Inputs, event: Event, plan: Plan) -> "Shown":
        """What the inputs, the event and the plan say."""
        return cls(
            label=inputs.label,
            branch=plan.branch,
            expected_sha=plan.expected_sha,
            dashboard_url=inputs.dashboard_url,
            run=event.run,
        )


class StepReporter:
    """The Watcher of a step: nothing it does fails the command."""

    def __init__(
        self, *, console: Console, files: StepFiles, clock: Clock, shown: Shown, github: "Later[GitHubReport | None]"
    ) -> None:
        self._console = console
        self._files = files
        self._clock = clock
        self._shown = shown
        self._github = github
        self._lock = threading.Lock()
        self._started: dict[str, dict[str, str | int]] = {}
        self._parts: dict[str, int] = {}
        self._unknown: set[str] = set()
        self._logs: dict[str, LiveBuildLog] = {}

    def line(self, text: str) -> None:
        """Say something in the log."""
        self._console.line(text)

    def warning(self, text: str) -> None:
        """Say something that a person should look at."""
        self._console.warning(text)

    def triggering(self, environment: Environment) -> None:
        """Remember that a build may exist from now on, in case this process is killed."""
        self._remember(environment, "")
        self._console.line(f"{_prefix(environment)}Triggering the deployment of {one_line(self._shown.branch)}.")

    def triggered(self, environment: Environment, deployment_id: str) -> None:
        """Remember the deployment."""
        self._remember(environment, deployment_id)
        self._console.line(f"{_prefix(environment)}Deployment {deployment_id} is on its way.")
        github = self._github.get()
        if github is not None:
            github.triggered(environment, deployment_id)

    def progress(self, environment: Environment, progress: "Progress") -> None:
        """Show how the build stands."""
        from stormkit_action.reporting.progress import line as progress_line  # noqa: PLC0415

        self._console.line(f"{_prefix(environment)}{progress_line(progress)}")
        deployment = progress.deployment
        if deployment is None:
            return
        if deployment.unknown_status and deployment.unknown_status not in self._unknown:
            self._unknown.add(deployment.unknown_status)
            status = one_line(deployment.unknown_status, 40)
            self._console.line(f'Stormkit reports the status "{status}", which counts as still running.')
        self._show_building(environment, progress)

    def build_log(self, environment: Environment, deployment: "Deployment", *, complete: bool) -> None:
        """Show what is new of the build log. Called by one thread an environment."""
        from stormkit_action.reporting.build_log import LiveBuildLog  # noqa: PLC0415

        live = self._logs.setdefault(environment.env_id, LiveBuildLog(self._console, prefix=_prefix(environment)))
        live.show(deployment, complete=complete)

    def _show_building(self, environment: Environment, progress: "Progress") -> None:
        """Show the building row in the comment once there is something to show, and now and then in a long build."""
        deployment, github = progress.deployment, self._github.get()
        if github is None or deployment is None or not deployment.running:
            return
        part = _part(deployment, progress)
        if part <= self._parts.get(environment.env_id, 0):
            return
        self._parts[environment.env_id] = part
        from stormkit_action.reporting.rows import row_of  # noqa: PLC0415
        from stormkit_action.result import DeploymentResult, Outcome  # noqa: PLC0415

        result = DeploymentResult(
            status=Outcome.RUNNING,
            label=environment.name or self._shown.label or deployment.name,
            name=environment.name,
            env_id=environment.env_id or deployment.env_id,
            deployment_id=deployment.id,
            branch=self._shown.branch or deployment.branch,
            expected_sha=self._shown.expected_sha,
            deployment=deployment,
            dashboard_url=self._shown.dashboard_url,
        )
        usual = progress.usual.seconds if progress.usual else 0.0
        now = self._clock.now()
        row = row_of(result, run=self._shown.run, now=now, usual=usual, elapsed=progress.elapsed)
        github.building(environment.name, row)

    def _remember(self, environment: Environment, deployment_id: str) -> None:
        with self._lock:
            self._started[environment.env_id] = {
                "env-id": environment.env_id,
                "deployment-id": deployment_id,
                "branch": self._shown.branch,
                "sent-at": int(self._clock.now().timestamp()),
            }
            self._files.save_state(STARTED, json.dumps(list(self._started.values())))


def _part(deployment: "Deployment", progress: "Progress") -> int:
    """Which part of a build this is: 0 before there is anything to show, 1 to 4 by the quarter of the usual time.

    A build that is usually short has one part: its comment is written at its beginning and at its end.
    """
    if not deployment.commit.sha and progress.elapsed < EARLY:
        return 0
    usual = progress.usual.seconds if progress.usual else 0.0
    return min(4, 1 + int(4 * progress.elapsed / usual)) if usual >= LONG else 1


def _prefix(environment: Environment) -> str:
    return f"[{one_line(environment.name, 40)}] " if environment.name else ""
