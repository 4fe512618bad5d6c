"""A pull request, and the workflow runs that its buttons start: each one is the action, as a runner runs it."""

import contextlib
import secrets
import tempfile
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sandbox import events
from sandbox.events import BASE_BRANCH, HEAD_BRANCH, PULL_REQUEST
from sandbox.github.server import GitHub
from sandbox.github.state import PullRequest as Content
from sandbox.runner.runner import Runner
from sandbox.runner.step import Finished, Step
from sandbox.stormkit.builds import Build, Outcome
from sandbox.stormkit.server import ENV_KEY, Stormkit

# A run that takes longer is killed, in seconds: longer than any button's build.
LIMIT_S = 600.0

PUSHES = {
    "push": Build(seconds=8),
    "push-failing": Build(seconds=5, outcome=Outcome.FAILED),
    "push-slow": Build(seconds=90),
}


@dataclass(kw_only=True)
class Run:
    """One attempt of a workflow run. Its job is the action alone, and what the action does after the job."""

    title: str
    number: int
    attempt: int = 1
    event_name: str
    payload: Mapping[str, Any]
    inputs: Mapping[str, str]
    finished: Finished | None = None
    cancelled: threading.Event = field(default_factory=threading.Event)
    ended: threading.Event = field(default_factory=threading.Event)
    step: Step | None = None
    after: str = ""

    def carry_out(self, runner: Runner, previous: "Run | None") -> None:
        """Cancel the run before, as a concurrency group does, then run the step and what comes after the job."""
        with contextlib.ExitStack() as at_the_end:
            at_the_end.callback(self.ended.set)
            if previous is not None:
                previous.cancelled.set()
                previous.ended.wait()
            if not self.cancelled.is_set():
                self.step = runner.start()
                while self.step.running and not self.cancelled.wait(0.05):
                    pass
                self.finished = self.step.cancel() if self.cancelled.is_set() else self.step.wait(LIMIT_S)
                self.after = runner.post(state=self.finished.state).shown

    @property
    def state(self) -> str:
        """`queued`, `running`, `success`, `failure` or `cancelled`."""
        if not self.ended.is_set():
            return "running" if self.step else "queued"
        if self.finished is not None and not self.finished.failed:
            return "success"
        return "cancelled" if self.cancelled.is_set() else "failure"


class PullRequest:
    """Pull request 42 of the local GitHub, which has not been opened yet, and the runs of its workflow."""

    def __init__(self, stormkit: Stormkit, github: GitHub, *, page_url: str) -> None:
        self.runs: list[Run] = []
        self.state = "not opened"
        self._stormkit, self._github, self._page_url = stormkit, github, page_url
        self._lock = threading.Lock()
        self._directory = tempfile.TemporaryDirectory()
        for age in range(1, 5):
            created_at = stormkit.now() - 86_400 * age
            stormkit.add_deployment(BASE_BRANCH, duration=8.0, created_at=created_at, published=age == 1)

    @property
    def content(self) -> Content:
        """What GitHub knows of it."""
        return self._github.state.repository().pull_requests[PULL_REQUEST]

    @property
    def buttons(self) -> dict[str, bool]:
        """Every button, and whether it can be pressed now."""
        is_open, last = self.state == "open", self.runs[-1] if self.runs else None
        runs, ran = last is not None and not last.ended.is_set(), last is not None and last.ended.is_set()
        return {
            **dict.fromkeys(PUSHES, is_open),
            **{"open": not is_open, "rerun": ran, "cancel": runs, "close": is_open},
            **dict.fromkeys(("publish", "rollback"), is_open and ran),
        }

    def press(self, button: str) -> bool:
        """Do what the button says. False for one that can't be pressed now."""
        with self._lock:
            if not self.buttons.get(button):
                return False
            if button in PUSHES:
                before = self._commit(PUSHES[button])
                self._start(f"Commit {self.content.head_sha[:7]} pushed", "synchronize", before=before)
            elif button == "open":
                action = "opened" if self.state == "not opened" else "reopened"
                self.state = self.content.state = "open"
                self._commit(PUSHES["push"])
                self._start(f"Pull request {action}", action)
            elif button == "close":
                self.state = self.content.state = "closed"
                self._start("Pull request closed", "closed")
            elif button == "cancel":
                self.runs[-1].cancelled.set()
            elif button == "rerun":
                last = self.runs[-1]
                again = {name: getattr(last, name) for name in ("title", "number", "event_name", "payload", "inputs")}
                self._run(Run(**again, attempt=last.attempt + 1))
            else:
                title = {"publish": "Publish the newest preview", "rollback": "Roll back"}[button]
                self._start(title, "", ref=f"refs/heads/{HEAD_BRANCH}", command=button)
            return True

    def close(self) -> None:
        """End the run under way, and remove the runs' files."""
        for run in self.runs[-1:]:
            run.cancelled.set()
            run.ended.wait()
        self._directory.cleanup()

    def _commit(self, build: Build) -> str:
        """Push a commit, whose builds go like `build`. The one before."""
        before, sha = self.content.head_sha, secrets.token_hex(20)
        self.content.head_sha = sha
        self._stormkit.default_build = build
        self._stormkit.push(HEAD_BRANCH, sha)
        self._github.state.add_branch(HEAD_BRANCH, sha)
        return before

    def _start(self, title: str, action: str, *, command: str = "auto", **changes: str) -> None:
        """Start a run of the pull request's event with that `action`, or without one a run that a person starts."""
        name = f"pull_request_{'opened' if action == 'reopened' else action}" if action else "workflow_dispatch"
        payload = events.load(name) | changes
        if action:
            payload |= {"action": action, "after": self.content.head_sha}
            payload["pull_request"] |= {"state": self.state, "merged": False, "merged_at": None}
            payload["pull_request"]["head"]["sha"] = self.content.head_sha
        addresses = {"api-url": self._stormkit.url, "dashboard-url": self._page_url}
        inputs = {"api-key": ENV_KEY, **addresses, "build-log": "stream", "command": command}
        number = self.runs[-1].number + 1 if self.runs else 1
        self._run(Run(title=title, number=number, event_name=events.event_name(name), payload=payload, inputs=inputs))

    def _run(self, run: Run) -> None:
        runner = Runner(
            event=run.payload,
            event_name=run.event_name,
            inputs=run.inputs,
            directory=Path(self._directory.name) / f"{run.number}-{run.attempt}",
            github_url=self._github.url,
            secrets=[ENV_KEY],
            env={
                "GITHUB_RUN_ID": str(9_876_543_210 + run.number),
                "GITHUB_RUN_ATTEMPT": str(run.attempt),
                "GITHUB_SERVER_URL": self._page_url,
            },
        )
        previous = self.runs[-1] if self.runs else None
        self.runs.append(run)
        threading.Thread(target=run.carry_out, args=(runner, previous), daemon=True).start()
