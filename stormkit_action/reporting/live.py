"""What is told while a command runs: the log's lines, the state for the post step, the comment's building row."""

import json
import threading
from dataclasses import dataclass

from stormkit_action.clock import Clock
from stormkit_action.event import Event, Run
from stormkit_action.inputs import Inputs
from stormkit_action.plan import Plan
from stormkit_action.reporting.build_log import LiveBuildLog
from stormkit_action.reporting.console import Console
from stormkit_action.reporting.outputs import Outlet
from stormkit_action.reporting.progress import line as progress_line
from stormkit_action.reporting.pull_request import PullRequestComment
from stormkit_action.reporting.result_rows import put, row_of
from stormkit_action.result import DeploymentResult, Outcome
from stormkit_action.stormkit.models import Deployment
from stormkit_action.stormkit.waiting import Progress
from stormkit_action.text import one_line
from stormkit_action.work import Site

# What the post step finds: the deployments this step began (JSON), and whether it came to its own end.
STARTED, FINISHED = "started", "finished"


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


class LiveReport:
    """The Watcher of a step: nothing it does fails the command."""

    def __init__(
        self, *, console: Console, outlet: Outlet, clock: Clock, shown: Shown, comment: PullRequestComment | None
    ) -> None:
        self._console = console
        self._outlet = outlet
        self._clock = clock
        self._shown = shown
        self._comment = comment
        self._lock = threading.Lock()
        self._started: dict[str, dict[str, str | int]] = {}
        self._rows: dict[str, tuple[object, ...]] = {}
        self._unknown: set[str] = set()
        self._logs: dict[str, LiveBuildLog] = {}

    def line(self, text: str) -> None:
        """Say something in the log."""
        self._console.line(text)

    def warning(self, text: str) -> None:
        """Say something that a person should look at."""
        self._console.warning(text)

    def triggering(self, site: Site) -> None:
        """Remember that a build may exist from now on, in case this process is killed."""
        self._remember(site, "")
        self._console.line(f"{_prefix(site)}Triggering the deployment of {one_line(self._shown.branch)}.")

    def triggered(self, site: Site, deployment_id: str) -> None:
        """Remember the deployment."""
        self._remember(site, deployment_id)
        self._console.line(f"{_prefix(site)}Deployment {deployment_id} is on its way.")

    def progress(self, site: Site, progress: Progress) -> None:
        """Show how the build stands."""
        self._console.line(f"{_prefix(site)}{progress_line(progress)}")
        deployment = progress.deployment
        if deployment is None:
            return
        if deployment.unknown_status and deployment.unknown_status not in self._unknown:
            self._unknown.add(deployment.unknown_status)
            status = one_line(deployment.unknown_status, 40)
            self._console.line(f'Stormkit reports the status "{status}", which counts as still running.')
        self._show_building(site, progress)

    def build_log(self, site: Site, deployment: Deployment, *, complete: bool) -> bool:
        """Show what is new of the build log. Called by one thread an environment."""
        live = self._logs.setdefault(site.env_id, LiveBuildLog(self._console, prefix=_prefix(site)))
        return live.show(deployment, complete=complete)

    def _show_building(self, site: Site, progress: Progress) -> None:
        """Put the building row into the comment when it says something new."""
        deployment = progress.deployment
        if self._comment is None or deployment is None or not deployment.running:
            return
        usual = progress.usual.seconds if progress.usual else 0.0
        news = (deployment.commit.sha, round(usual))
        if self._rows.get(site.env_id) == news:
            return
        self._rows[site.env_id] = news
        result = DeploymentResult(
            status=Outcome.RUNNING,
            label=site.name or self._shown.label or deployment.name,
            name=site.name,
            env_id=site.env_id or deployment.env_id,
            deployment_id=deployment.id,
            branch=self._shown.branch or deployment.branch,
            expected_sha=self._shown.expected_sha,
            deployment=deployment,
            dashboard_url=self._shown.dashboard_url,
        )
        row = row_of(result, run=self._shown.run, now=self._clock.now(), usual=usual)
        self._comment.soon(lambda rows: put(rows, (row,)))

    def _remember(self, site: Site, deployment_id: str) -> None:
        with self._lock:
            self._started[site.env_id] = {
                "env-id": site.env_id,
                "deployment-id": deployment_id,
                "branch": self._shown.branch,
                "sent-at": int(self._clock.now().timestamp()),
            }
            self._outlet.save_state(STARTED, json.dumps(list(self._started.values())))


def _prefix(site: Site) -> str:
    return f"[{one_line(site.name, 40)}] " if site.name else ""
