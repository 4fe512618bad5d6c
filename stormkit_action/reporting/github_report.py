"""What a step shows on GitHub while it runs and at its end: the pull request's comment and GitHub Deployments."""

import contextlib
import threading
import traceback
from collections import deque
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import NamedTuple, TypeVar

from stormkit_action.cancellation import Pending
from stormkit_action.clock import Clock, Deadline
from stormkit_action.errors import Cancelled
from stormkit_action.event import Event
from stormkit_action.github_api.api import GitHubApi
from stormkit_action.inputs import Command, Inputs, Switch
from stormkit_action.plan import Plan
from stormkit_action.reporting.comment import PAUSE_ALONE_S, CommentWrite, PullRequestComment
from stormkit_action.reporting.console import Console
from stormkit_action.reporting.github_deployments import GitHubDeployments
from stormkit_action.reporting.outputs import GitHubWrites
from stormkit_action.reporting.rows import REMOVING, Change, Row, change_of
from stormkit_action.result import DeploymentResult, Result

T = TypeVar("T")

# Budget for the final report: GitHub's limit on creating content may ask for two or three pauses of a minute. After a
# cancel there is less: GitHub kills the step within seconds.
BUDGET_S = 200.0
CANCEL_BUDGET_S = 2.5

# Budget for one report while the command runs.
LIVE_BUDGET_S = 45.0

# How long the final report waits for a request in flight.
CLOSE_S = 20.0

# The pause before it looks whether another job has written over the comment.
READ_BACK_S = PAUSE_ALONE_S[1]

# How often the worker, while it sleeps, looks whether it is still wanted.
_SLICE_S = 0.2


class Problem(NamedTuple):
    """What could not be shown on GitHub, and whether that deserves a warning."""

    text: str
    is_warning: bool


class GitHubReport:
    """Shows on GitHub how the step gets on. Never raises anything but Cancelled, and never holds up the command.

    Until `finish`, a worker thread does it: one request at a time, the comment first. `began` is when the step began,
    in Unix seconds; now if not given.
    """

    def __init__(
        self,
        *,
        github: GitHubApi,
        inputs: Inputs,
        event: Event,
        plan: Plan,
        clock: Clock,
        console: Console,
        resumed: bool = False,
        began: float | None = None,
    ) -> None:
        self.comment = PullRequestComment(
            inputs=inputs, event=event, plan=plan, before_identifying=self._create_next_deployment
        )
        self.deployments = GitHubDeployments(inputs=inputs, event=event, plan=plan, resumed=resumed)
        self._github = github
        self._inputs = inputs
        self._console = console
        self._event = event
        self._command = plan.command
        self._began_ms = int(1000 * (clock.now().timestamp() if began is None else began))
        self._lock = threading.Lock()
        self._rows: dict[str, Row] = {}
        self._shown: dict[str, tuple[str, str]] = {}
        # The comment's rows before this step wrote any.
        self._rows_before: tuple[Row, ...] = ()
        self._has_created_comment = False
        self._started: deque[DeploymentResult] = deque()
        # By the environment's name: its id, once Stormkit has reported it, and what was started before.
        self._env_ids: dict[str, str] = {}
        self._unplaced: dict[str, DeploymentResult] = {}
        self._thread: threading.Thread | None = None
        self._clock = _WorkerClock(clock)

    def started(self, result: DeploymentResult) -> None:
        """Create the GitHub Deployment of a build that was triggered, soon."""
        if not self.deployments.wanted:
            return
        with self._lock:
            env_id = result.env_id or self._env_ids.get(result.name, "")
            if env_id:
                self._started.append(result._replace(env_id=env_id))
            else:
                self._unplaced[result.name] = result
        self._wake_worker()

    def building(self, name: str, row: Row) -> None:
        """Show the row of the environment `name` in the comment, soon, unless it shows that build already."""
        build = (row.label, row.deployment_id)
        with self._lock:
            if self.comment.wanted and self._shown.get(name) != build:
                self._shown[name] = build
                self._rows[name] = row._replace(began=self._began_ms)
            if row.env_id:
                self._env_ids[name] = row.env_id
                if name in self._unplaced:
                    self._started.append(self._unplaced.pop(name)._replace(env_id=row.env_id))
        self._wake_worker()

    def finish(self, result: Result, *, now: datetime, clock: Clock, budget: float) -> GitHubWrites:
        """Show the final result within `budget` seconds. Raises Cancelled."""
        if self._command not in (Command.DEPLOY, Command.CLEANUP, Command.DELETE):
            # A command that was refused, or found nothing to act on, does not change what is shown of the environment.
            found = tuple(deployment for deployment in result.deployments if deployment.changes_what_is_shown)
            result = result._replace(deployments=found)
        deadline = Deadline.after(clock, budget)
        # A request in flight must not arrive after the final report.
        self._close(deadline.within(min(CLOSE_S, budget / 2)))
        change = change_of(result, command=self._command, run=self._event.run, now=now, began=self._began_ms)
        write = CommentWrite()
        if self.comment.wanted and change:
            # Half of a short time is left for GitHub Deployments.
            write = self.comment.write(
                change,
                self._github,
                deadline=deadline.within(budget / 2),
                create=self._command not in REMOVING,
            )
            self._log_comment(write)
        if write.is_assumed and deadline.remaining > READ_BACK_S:
            # A job that had read the comment before has written by then, and created its GitHub Deployment earlier.
            clock.sleep(READ_BACK_S)
        if self.deployments.wanted:
            self.deployments.finish(
                self._github.within(deadline),
                result.deployments,
                shown=(*self._rows_before, *write.before),
                is_first=self._is_first_deploy(write),
            )
        if write.is_assumed and not self.deployments.is_alone:
            confirmed = self.comment.write(change, self._github, deadline=deadline.within(budget / 2))
            write = write._replace(settled=confirmed.settled)
        # A copy: a worker that did not end in time may still add to them.
        ids = {name: str(number) for name, number in self.deployments.ids.copy().items()}
        settled = write.settled and not self.deployments.is_unfinished
        return GitHubWrites(comment_url=write.url, github_deployment_ids=ids, settled=settled)

    def problems(self) -> Iterator[Problem]:
        """What could not be shown. `auto` does it where it can, so there only what was left half done is a warning."""
        if self.comment.problem:
            is_warning = self._inputs.comment is Switch.TRUE or bool(self._shown and self.comment.is_unfinished)
            yield Problem(text=f"No comment was written. {self.comment.problem}", is_warning=is_warning)
        if self.deployments.problem:
            is_warning = self._inputs.github_deployment is Switch.TRUE or self.deployments.is_unfinished
            yield Problem(text=f"GitHub Deployment: {self.deployments.problem}", is_warning=is_warning)

    def _log_comment(self, write: CommentWrite) -> None:
        for row in write.superseded_by:
            self._console.log(
                f"Left the comment's row of {row.label} as it is: run {row.run_id} (attempt {row.attempt}) began later."
            )
        for number in self.comment.left_out:
            self._console.log(f"Pull request #{number} has the same branch, but did not get the comment.")

    def _is_first_deploy(self, write: CommentWrite) -> bool:
        """Whether nothing of this pull request can have been deployed before this step."""
        has_created_comment = self._has_created_comment or write.is_new
        return self._event.action == "opened" and has_created_comment and not write.superseded_by

    def _wake_worker(self) -> None:
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="github", daemon=True)
                self._thread.start()

    def _work(self) -> None:
        """Write rows, then GitHub Deployments, until none are left."""
        while True:
            with self._lock:
                task = self._write_rows if self._rows else self._create_next_deployment if self._started else None
                if task is None:
                    self._thread = None
                    return
            with contextlib.suppress(Cancelled):  # finish() reports the final result
                guarded(task, self._console)

    def _write_rows(self) -> None:
        """Write the newest row of each environment."""
        with self._lock:
            rows, self._rows = tuple(self._rows.values()), {}
        deadline = Deadline.after(self._clock, LIVE_BUDGET_S)
        write = self.comment.write(Change(rows=rows), self._github, deadline=deadline, confirm=False)
        self._rows_before += write.before
        self._has_created_comment |= write.is_new

    def _create_next_deployment(self) -> None:
        with self._lock:
            result = self._started.popleft() if self._started else None
        if result is not None:
            self.deployments.begin(self._github.within(Deadline.after(self._clock, LIVE_BUDGET_S)), result)

    def _close(self, deadline: Deadline) -> None:
        self._clock.close()
        with self._lock:
            self._rows.clear()
            self._started.clear()
            thread = self._thread
        if thread is not None:
            with contextlib.suppress(TimeoutError):
                deadline.clock.start(thread.join).wait(deadline.remaining)


class _WorkerClock:
    """The worker thread's clock: once closed, it starts nothing more.

    A cancel does not cut off a request under way, which might then arrive after the final report.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._closed = False

    def close(self) -> None:
        self._closed = True

    def monotonic(self) -> float:
        return self._clock.monotonic()

    def now(self) -> datetime:
        return self._clock.now()

    def sleep(self, seconds: float) -> None:
        end = Deadline.after(self._clock, seconds)
        while not (self._closed or end.over):
            self._clock.sleep(min(_SLICE_S, end.remaining))
        self.check()

    def check(self) -> None:
        if self._closed:
            raise Cancelled

    def start(self, function: Callable[[], T]) -> Pending[T]:
        self.check()
        return self._clock.uncancelled().start(function)

    def uncancelled(self) -> Clock:
        return self._clock.uncancelled()


def guarded(report: Callable[[], T], console: Console) -> T | None:
    """What `report` returns; None after a bug in it, whose traceback is printed: reporting never hides a deployment."""
    try:
        return report()
    except Cancelled:
        raise
    except Exception:
        console.log(traceback.format_exc().rstrip())
        return None
