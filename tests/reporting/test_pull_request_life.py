"""Random histories of a pull request: comment and GitHub Deployments always show what Stormkit has.

The whole program runs in this process for two sites with a key each, against a local Stormkit and a local GitHub.
Hypothesis shrinks a failing history to the shortest one and prints it.
"""

import itertools
import json
import os
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any
from unittest import mock

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from sandbox import events
from sandbox.clock import FakeClock
from sandbox.events import HEAD_BRANCH
from sandbox.github.server import TOKEN, GitHub
from sandbox.stormkit.server import Build, Stormkit
from stormkit_action import post
from stormkit_action.main import main
from stormkit_action.reporting.comment_body import read_rows
from stormkit_action.reporting.console import PlainConsole
from stormkit_action.reporting.rows import Row, State
from stormkit_action.state import FINISHED, STARTED

# The histories are divided into parts so that test workers share them.
HISTORIES_PER_PART, PARTS = 125, 4
SITES = {"SK_sandbox": "305", "SK_docs": "306"}
QUEUE = f"gh-readonly-queue/main/pr-42-{'a' * 40}"
ACTIVE = ("success", "in_progress", "queued", "pending", "")

# The steps of a history. Most start a workflow run with one step for each site.
TRANSITIONS = st.one_of(
    st.sampled_from(["push", "label", "comment", "close", "reopen", "merge queue", "late push", "late close", "start"]),
    st.tuples(st.just("rerun"), st.integers(0, 5)),
    st.tuples(st.just("cancelled push"), st.sampled_from([0.0, 0.2, 0.5, 1.0])),
    st.tuples(st.just("cancelled close"), st.sampled_from([0.0, 0.2, 0.5, 1.0])),
)


class SilentConsole(PlainConsole):
    """A console that prints nothing, but fails the test on a bug."""

    def line(self, text: str = "") -> None:
        """Print nothing."""

    warning = notice = line

    def error(self, text: str, *, title: str = "") -> None:
        """Print nothing but bugs."""
        assert "This is a bug" not in text, text


@dataclass
class MemoryFiles:
    """StepFiles that keep outputs and state in memory."""

    outputs: dict[str, str] = field(default_factory=dict)
    state: dict[str, str] = field(default_factory=dict)

    def write(self, texts: Any) -> None:
        self.outputs.update(texts)

    def write_summary(self, markdown: str) -> None:
        """Drop the summary, which no check reads."""

    def save_state(self, name: str, text: str) -> None:
        self.state[name] = text


@dataclass
class Run:
    """A workflow run; a rerun has the same id and payload."""

    id: int
    event: str
    payload: dict[str, Any]
    attempt: int = 0


class PullRequestLife:
    """A pull request, its workflow runs, and the checks after each transition."""

    def __init__(self, stormkit: Stormkit, github: GitHub, clock: FakeClock, directory: Any) -> None:
        self.stormkit, self.github, self.clock, self.directory = stormkit, github, clock, directory
        self.runs: list[Run] = []
        self.waiting: list[Run] = []
        self.numbers = itertools.count(1)
        self.is_cleaned = True
        # A cancelled step has no time to create a missing GitHub Deployment.
        self.was_cancelled = False
        self.sha = 0

    @property
    def pull_request(self) -> Any:
        return self.github.state.repository().pull_requests[42]

    @property
    def is_open(self) -> bool:
        return self.pull_request.state == "open"

    def apply(self, transition: Any) -> None:
        """Carry out a transition, and check everything that GitHub shows."""
        name, argument = transition if isinstance(transition, tuple) else (transition, None)
        before = self.available()
        was_open = self.is_open
        match name:
            case "push" | "late push" | "cancelled push" if self.is_open:
                self.push()
                self.run("synchronize", argument, wait=name.startswith("late"))
            case "label":
                self.run("labeled")
            case "comment":
                self.start(self.new("issue_comment_created", {"action": "created"}))
            case "close" | "late close" | "cancelled close" if self.is_open:
                self.pull_request.state = "closed"
                self.run("closed", argument, wait=name.startswith("late"))
            case "reopen" if not self.is_open:
                self.pull_request.state = "open"
                self.run("reopened")
            case "merge queue" if self.is_open:
                self.queue()
            case "start" if self.waiting:
                self.start(self.waiting.pop(0))
            case "rerun" if self.runs:
                self.start(self.runs[argument % len(self.runs)])
        self.check(before, was_open=was_open)

    def push(self) -> None:
        self.sha += 1
        sha = f"{self.sha:040x}"
        self.pull_request.head_sha = sha
        self.github.state.add_branch(HEAD_BRANCH, sha)
        self.stormkit.push(HEAD_BRANCH, sha)

    def run(self, action: str, cancel_after: float | None = None, *, wait: bool = False) -> None:
        run = self.new("pull_request_opened", {"action": action})
        if wait:
            self.waiting.append(run)
        else:
            self.start(run, cancel_after)

    def new(self, event: str, changes: dict[str, Any]) -> Run:
        payload = {**events.load(event), **changes}
        if "pull_request" in payload:
            payload["pull_request"]["state"] = self.pull_request.state
            payload["pull_request"]["head"]["sha"] = self.pull_request.head_sha
        elif "issue" in payload:
            payload["issue"]["state"] = self.pull_request.state
        return Run(id=100 + next(self.numbers), event=event, payload=deepcopy(payload))

    def start(self, run: Run, cancel_after: float | None = None) -> None:
        """Run or rerun a workflow: a step for each site, and its post step if the step did not finish."""
        if run not in self.runs:
            self.runs.append(run)
        run.attempt += 1
        for key in SITES:
            self.step(run, key, {}, cancel_after)
        if run.payload.get("action") == "closed" and not self.is_open:
            self.is_cleaned = cancel_after is None
        elif self.is_open:
            self.is_cleaned = True

    def queue(self) -> None:
        """Run the merge queue's recipe, which deploys the queue's branch and then deletes the deployment."""
        self.stormkit.push(QUEUE, "b" * 40)
        self.github.state.add_branch(QUEUE, "b" * 40)
        payload = events.load("merge_group_checks_requested")
        payload["merge_group"] |= {"head_ref": f"refs/heads/{QUEUE}", "head_sha": "b" * 40}
        run = Run(id=100 + next(self.numbers), event="merge_group_checks_requested", payload=payload, attempt=1)
        key = next(iter(SITES))
        outputs = self.step(run, key, {})
        self.step(run, key, {"command": "delete", "deployment-id": outputs["deployment-id"]})

    def step(self, run: Run, key: str, inputs: dict[str, str], cancel_after: float | None = None) -> dict[str, str]:
        self.clock.advance(1)
        values = {"api-key": key, "api-url": self.stormkit.url, "github-token": TOKEN, **inputs}
        file = self.directory / "event.json"
        file.write_text(json.dumps(run.payload))
        environ = {
            **events.environment_for(run.event, run.payload),
            **{f"INPUT_{name.upper()}": text for name, text in values.items()},
            "GITHUB_API_URL": self.github.url,
            "GITHUB_EVENT_PATH": str(file),
            "GITHUB_RUN_ID": str(run.id),
            "GITHUB_RUN_ATTEMPT": str(run.attempt),
        }
        files, clock = MemoryFiles(), self.clock.uncancelled()
        if cancel_after is not None:
            clock.cancel_after = clock.passed + cancel_after
            self.was_cancelled = True
        main(environ, console=SilentConsole(), files=files, clock=clock)
        if files.state.get(FINISHED) != "true" and files.state.get(STARTED):
            state = {f"STATE_{name}": text for name, text in files.state.items()}
            post.finish(
                {**environ, **state}, console=SilentConsole(), files=MemoryFiles(), clock=self.clock.uncancelled()
            )
        return files.outputs

    def available(self) -> set[str]:
        """The deployments of the branch that can be opened."""
        return {
            deployment.id
            for deployment in self.stormkit.deployments
            if deployment.branch == HEAD_BRANCH and not deployment.deleted and deployment.status == "success"
        }

    def rows(self) -> tuple[Row, ...]:
        comments = [comment for comment in self.github.state.comments() if comment.login.endswith("[bot]")]
        assert len(comments) <= 1, "one comment"
        return read_rows(comments[0].body) if comments else ()

    def check(self, before: set[str], *, was_open: bool) -> None:
        available, rows = self.available(), self.rows()
        if was_open and self.is_open:
            assert before <= available, "nothing of an open pull request is ever deleted"
        assert len({row.env_id for row in rows}) == len(rows), "one row a site"
        for row in rows:
            assert row.state is not State.BUILDING
            assert not row.ready or row.deployment_id in available, "what is ready can be opened"
            assert not row.good_url or row.good_id in available, "an offered link is alive"
        active: dict[str, list[str]] = {env_id: [] for env_id in SITES.values()}
        for deployment in self.github.state.deployments:
            if deployment.state in ACTIVE:
                assert deployment.payload["branch"] == HEAD_BRANCH, "the merge queue leaves nothing active"
                active[deployment.payload["env-id"]].append(deployment.payload["deployment-id"])
        for env_id, deployment_ids in active.items():
            assert len(deployment_ids) <= 1, "one active GitHub Deployment a site"
            assert set(deployment_ids) <= available, "what is active can be opened"
            [row] = [row for row in rows if row.env_id == env_id] or [None]
            if row is not None and row.ready and not self.was_cancelled:
                assert deployment_ids == [row.deployment_id], "what is ready has an active GitHub Deployment"
            offered = {row.good_id} if row is not None else set()
            assert set(deployment_ids) <= offered, "the GitHub Deployment and the comment show the same"
        if not self.is_open and self.is_cleaned and not self.waiting:
            assert not available, "nothing of a closed pull request is left"
            assert not any(active.values()), "nor is a GitHub Deployment active"


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    # requests searches the environment for proxies twice a request, which takes a fifth of the time.
    with mock.patch.dict(os.environ, clear=True):
        yield tmp_path_factory.mktemp("life")


@settings(
    max_examples=HISTORIES_PER_PART,
    phases=(Phase.generate, Phase.shrink),
    suppress_health_check=list(HealthCheck),
    database=None,
    print_blob=False,
)
@given(st.lists(TRANSITIONS, min_size=1, max_size=5))
@pytest.mark.parametrize("part", range(PARTS))
def test_github_always_shows_what_stormkit_has_in_any_history_of_a_pull_request(directory, part, history):
    clock = FakeClock()
    with Stormkit(clock=clock.monotonic) as stormkit, GitHub() as github:
        stormkit.default_build = Build(seconds=0.0)
        stormkit.add_environment("306", name="docs")
        stormkit.add_key("SK_docs", env_id="306")
        life = PullRequestLife(stormkit, github, clock, directory)
        for transition in history:
            life.apply(transition)
