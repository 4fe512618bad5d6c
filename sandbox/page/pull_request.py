"""The page's pull request, and the workflow runs that its buttons start. Each run is the action as a runner runs it."""

import secrets
import tempfile
import threading
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from sandbox import events
from sandbox.events import BASE_BRANCH, HEAD_BRANCH, PULL_REQUEST
from sandbox.github.server import GitHub
from sandbox.runner.runner import Runner
from sandbox.runner.step import Step, StepResult
from sandbox.stormkit.builds import Build, Outcome
from sandbox.stormkit.server import ENV_KEY, Stormkit

PUSHES = {
    "push": Build(seconds=8),
    "push-failing": Build(seconds=5, outcome=Outcome.FAILED),
    "push-slow": Build(seconds=90),
}


@dataclass(kw_only=True)
class Run:
    """One attempt of a workflow run. Its only job has one step, the action, and the action's post step."""

    title: str
    number: int
    job: dict[str, Any]
    env: dict[str, str]
    attempt: int = 1
    step: Step | None = field(default=None, init=False)
    result: StepResult | None = field(default=None, init=False)
    post_log: str = field(default="", init=False)
    cancelled: threading.Event = field(default_factory=threading.Event, init=False)
    ended: threading.Event = field(default_factory=threading.Event, init=False)

    def carry_out(self, runner: Runner, previous: "Run | None") -> None:
        """Cancel the previous run, as a concurrency group does, then run the step and its post step."""
        try:
            if previous is not None:
                previous.cancelled.set()
                previous.ended.wait()
            if not self.cancelled.is_set():
                self.step = runner.start()
                while self.step.running and not self.cancelled.wait(0.05):
                    pass
                self.result = self.step.cancel() if self.step.running else self.step.wait()
                self.post_log = runner.post(state=self.result.state).shown
        finally:
            self.ended.set()

    @property
    def state(self) -> str:
        """`queued`, `running`, `success`, `failure` or `cancelled`."""
        if not self.ended.is_set():
            return "running" if self.step else "queued"
        if self.result is not None and not self.result.failed:
            return "success"
        return "cancelled" if self.cancelled.is_set() else "failure"


class PullRequest:
    """Pull request 42 of the local GitHub, and the runs of its workflow. At first it has not been opened."""

    def __init__(self, stormkit: Stormkit, github: GitHub, *, page_url: str) -> None:
        self.content = github.state.repository().pull_requests[PULL_REQUEST]
        self.runs: list[Run] = []
        self.state = "not opened"
        self._stormkit, self._github, self._page_url = stormkit, github, page_url
        self._lock = threading.Lock()
        self._directory = tempfile.TemporaryDirectory()
        for age in range(4, 0, -1):
            created_at = stormkit.now() - 86_400 * age
            stormkit.add_deployment(BASE_BRANCH, duration=8.0, created_at=created_at, published=age == 1)

    @property
    def buttons(self) -> dict[str, bool]:
        """Every button, and whether it is enabled."""
        is_open = self.state == "open"
        is_running = bool(self.runs) and not self.runs[-1].ended.is_set()
        has_run = bool(self.runs) and not is_running
        return {
            **dict.fromkeys(PUSHES, is_open),
            "publish": is_open and has_run,
            "rollback": is_open and has_run,
            "open": not is_open,
            "close": is_open,
            "rerun": has_run,
            "cancel": is_running,
        }

    def press(self, button: str) -> bool:
        """Press a button, and return whether it was enabled."""
        with self._lock:
            if not self.buttons.get(button):
                return False
            if button in PUSHES:
                self._commit(PUSHES[button])
                self._start(f"Commit {self.content.head_sha[:7]} pushed", "synchronize")
            elif button == "open":
                action = "reopened" if self.runs else "opened"
                self.state = self.content.state = "open"
                self._commit(PUSHES["push"])
                self._start(f"Pull request {action}", action)
            elif button == "close":
                self.state = self.content.state = "closed"
                self._start("Pull request closed", "closed")
            elif button == "cancel":
                self.runs[-1].cancelled.set()
            elif button == "rerun":
                self._run(replace(self.runs[-1], attempt=self.runs[-1].attempt + 1))
            else:
                self._start("Roll back" if button == "rollback" else "Publish the newest preview", "", command=button)
            return True

    def close(self) -> None:
        """Cancel the current run, and remove the files of all runs."""
        if self.runs:
            self.runs[-1].cancelled.set()
            self.runs[-1].ended.wait()
        self._directory.cleanup()

    def _commit(self, build: Build) -> None:
        """Push a commit. Builds from now on are like `build`."""
        sha = self.content.head_sha = secrets.token_hex(20)
        self._stormkit.default_build = build
        self._stormkit.push(HEAD_BRANCH, sha)
        self._github.state.add_branch(HEAD_BRANCH, sha)

    def _start(self, title: str, action: str, *, command: str = "auto") -> None:
        """Start a run for the pull request event with this `action`, or for a workflow_dispatch if it is ""."""
        name = f"pull_request_{'opened' if action == 'reopened' else action}" if action else "workflow_dispatch"
        payload = events.load(name)
        if action:
            payload["action"] = action
            payload["pull_request"] |= {"state": self.state, "merged": False, "merged_at": None}
            payload["pull_request"]["head"]["sha"] = self.content.head_sha
        urls = {"api-url": self._stormkit.url, "dashboard-url": self._page_url}
        inputs = {"api-key": ENV_KEY, "build-log": "stream", "command": command, **urls}
        job = {"event": payload, "event_name": events.event_name(name), "inputs": inputs}
        # For a workflow_dispatch, GITHUB_SHA is the branch's head; for a pull request event it is the merge commit.
        env = {} if action else {"GITHUB_SHA": self.content.head_sha}
        self._run(Run(title=title, number=self.runs[-1].number + 1 if self.runs else 1, job=job, env=env))

    def _run(self, run: Run) -> None:
        run_id, attempt = str(9_876_543_210 + run.number), str(run.attempt)
        runner = Runner(
            **run.job,
            directory=Path(self._directory.name) / f"{run.number}-{run.attempt}",
            github_url=self._github.url,
            secrets=[ENV_KEY],
            env=run.env | {"GITHUB_RUN_ID": run_id, "GITHUB_RUN_ATTEMPT": attempt, "GITHUB_SERVER_URL": self._page_url},
        )
        previous = self.runs[-1] if self.runs else None
        self.runs.append(run)
        threading.Thread(target=run.carry_out, args=(runner, previous), daemon=True).start()
