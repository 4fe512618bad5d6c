"""What a step tells GitHub: the pull request's comment and GitHub Deployments, beside the work and at its end."""

import contextlib
import threading
import traceback
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import TypeVar

from stormkit_action.cancellation import Pending
from stormkit_action.clock import Clock, Deadline
from stormkit_action.context import Environment
from stormkit_action.errors import Cancelled
from stormkit_action.event import Event
from stormkit_action.github_api.api import GitHubApi
from stormkit_action.inputs import Command, Inputs
from stormkit_action.plan import Plan
from stormkit_action.reporting.comment import CommentWrite, PullRequestComment
from stormkit_action.reporting.console import Console
from stormkit_action.reporting.github_deployments import GitHubDeployments
from stormkit_action.reporting.outputs import GitHubWrites
from stormkit_action.reporting.rows import Change, Row, active_ids, change_of, newer
from stormkit_action.result import Result

T = TypeVar("T")

# What the last word may take: normally, and after a cancel, when GitHub kills the step within seconds. Seconds.
BUDGET = 45.0
CANCEL_BUDGET = 2.5

# The worker looks this often whether it is still wanted, while it waits for GitHub. Seconds.
_SLICE = 0.2


class GitHubReport:
    """Tells GitHub how the step gets on. Never raises anything but Cancelled, and never holds up the work.

    Until `finish` a thread of its own does it, one request after the other; of several things to say about a row it
    says the newest.
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
    ) -> None:
        self.comment = PullRequestComment(inputs=inputs, event=event, plan=plan)
        self.deployments = GitHubDeployments(inputs=inputs, event=event, plan=plan, resumed=resumed)
        self._github = github
        self._console = console
        self._event = event
        self._command = plan.command
        self._cleanup = plan.command is Command.CLEANUP
        self._lock = threading.Lock()
        self._tasks: deque[Callable[[], object]] = deque()
        self._rows: dict[str, Row] = {}
        self._thread: threading.Thread | None = None
        self._clock = _WorkersClock(clock)

    def triggered(self, environment: Environment, deployment_id: str) -> None:
        """Create the GitHub Deployment of a triggered build, soon."""
        if self.deployments.wanted:
            self._soon(lambda: self.deployments.begin(self._patient(), environment, deployment_id))

    def building(self, name: str, row: Row) -> None:
        """Show the row of the environment `name` in the comment, soon."""
        if self.comment.wanted:
            with self._lock:
                self._rows[name] = row
            self._soon(self._write_rows)

    def finish(self, result: Result, *, now: datetime, clock: Clock, budget: float) -> GitHubWrites:
        """Tell the result, as the last word, within `budget` seconds. Raises Cancelled."""
        if self._command not in (Command.DEPLOY, Command.CLEANUP):
            # A command that was refused, or found nothing to act on, leaves what is shown of the site as it is.
            result = replace(result, deployments=tuple(each for each in result.deployments if each.deployment))
        deadline = Deadline.after(clock, budget)
        # What is under way must not land after the last word.
        self._close(deadline.within(budget / 2))
        if self.deployments.wanted and not self._cleanup:
            self.deployments.end(self._github.within(deadline.within(budget / 3)), result.deployments)
        # A copy: a worker that did not end in time may still add to them.
        ids = {name: str(number) for name, number in self.deployments.ids.copy().items()}
        change = change_of(result, run=self._event.run, now=now, github_ids=ids, cleanup=self._cleanup)
        told = CommentWrite()
        if self.comment.wanted and change.rows:
            told = self.comment.write(change, self._github, deadline=deadline, create=not self._cleanup)
        if self.deployments.wanted:
            self._deactivate(result, change, told, self._github.within(deadline))
        settled = told.settled and not self.deployments.unsettled
        return GitHubWrites(comment_url=told.url, github_deployment_ids=ids, settled=settled)

    def _deactivate(self, result: Result, change: Change, told: CommentWrite, github: GitHubApi) -> None:
        """Set to inactive what `result` removed or replaced."""
        if self._cleanup:
            self.deployments.clean_up(github, result.deployments)
            return
        for each, row in zip(result.deployments, change.rows, strict=True):
            before = [one for one in told.before if one.label == row.label and newer(row, one)]
            ids = frozenset[str]().union(*map(active_ids, before))
            earlier = [int(number) for number in ids if number.isdecimal()] if told.url else None
            self.deployments.replace(github, each, earlier)

    def _soon(self, task: Callable[[], object]) -> None:
        with self._lock:
            self._tasks.append(task)
            if self._thread is None:
                self._thread = threading.Thread(target=self._work_off, name="github", daemon=True)
                self._thread.start()

    def _work_off(self) -> None:
        while True:
            with self._lock:
                if not self._tasks:
                    self._thread = None
                    return
                task = self._tasks.popleft()
            with contextlib.suppress(Cancelled):  # the last word is said by finish()
                guarded(task, self._console)

    def _write_rows(self) -> None:
        with self._lock:
            rows, self._rows = self._rows, {}
        ids = self.deployments.ids
        change = Change(rows=tuple(replace(row, github_id=str(ids.get(name, ""))) for name, row in rows.items()))
        if change.rows:
            self.comment.write(change, self._github, deadline=Deadline.after(self._clock, BUDGET), confirm=False)

    def _patient(self) -> GitHubApi:
        return self._github.within(Deadline.after(self._clock, BUDGET))

    def _close(self, deadline: Deadline) -> None:
        self._clock.close()
        with self._lock:
            self._tasks.clear()
            thread = self._thread
        if thread is not None:
            with contextlib.suppress(TimeoutError):
                deadline.clock.start(thread.join).wait(deadline.remaining)


class _WorkersClock:
    """The clock of the thread beside the work: once closed it begins nothing more.

    A request that is under way is not cut off by a cancel: nobody would know whether it arrives after the last word.
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
            self._clock.sleep(min(_SLICE, end.remaining))
        self._stop_if_closed()

    def check(self) -> None:
        self._stop_if_closed()

    def start(self, function: Callable[[], T]) -> Pending[T]:
        self._stop_if_closed()
        return self._clock.uncancelled().start(function)

    def uncancelled(self) -> Clock:
        return self._clock.uncancelled()

    def _stop_if_closed(self) -> None:
        if self._closed:
            raise Cancelled


def guarded(report: Callable[[], T], console: Console) -> T | None:
    """What `report` returns; None after a bug in it, whose traceback is printed: reporting never hides a deployment."""
    try:
        return report()
    except Cancelled:
        raise
    except Exception:
        console.line(traceback.format_exc().rstrip())
        return None
