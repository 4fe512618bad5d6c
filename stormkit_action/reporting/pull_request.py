"""Keeping the pull request's comment right while the build runs and when it ends."""

import contextlib
import threading

from stormkit_action.clock import Clock, Deadline
from stormkit_action.errors import Cancelled, GitHubError
from stormkit_action.event import Event
from stormkit_action.github_api import GitHubApi
from stormkit_action.inputs import Inputs, Switch
from stormkit_action.plan import Plan
from stormkit_action.reporting.comment import Change, StickyComment

# What the last word in the comment may take: normally, and after a cancel. Seconds.
BUDGET = 45.0
CANCEL_BUDGET = 2.5


class PullRequestComment:
    """Writes rows into the sticky comment, if there is a pull request to comment on.

    While the build runs, changes are written by a thread of its own, the newest only, so that polling never waits for
    GitHub. What can't be written is kept as `problem`, for the end.
    """

    def __init__(self, *, github: GitHubApi, inputs: Inputs, event: Event, plan: Plan) -> None:
        self._github = github
        self._inputs = inputs
        self._event = event
        self._plan = plan
        self._comment: StickyComment | None = None
        self._looked = False
        self._lock = threading.Lock()
        self._pending: Change | None = None
        self._thread: threading.Thread | None = None
        self.problem = ""

    @property
    def wanted(self) -> bool:
        """Whether a comment is to be written where that is possible."""
        return self._inputs.comment is not Switch.FALSE and self._event.on_github

    def soon(self, change: Change) -> None:
        """Write `change` in the background; a change not begun yet is replaced."""
        if not self.wanted:
            return
        with self._lock:
            self._pending = change
            if self._thread is None:
                self._thread = threading.Thread(target=self._work_off, name="comment", daemon=True)
                self._thread.start()

    def finish(self, change: Change, *, clock: Clock, budget: float, create: bool = True) -> str:
        """Write `change` as the last word. The comment's URL, empty when none was written."""
        if not self.wanted:
            return ""
        deadline = Deadline.after(clock, budget)
        with self._lock:
            self._pending = None
            thread = self._thread
        if thread is not None:
            # What is under way must not land after the last word.
            _join(thread, deadline.within(budget / 2))
        github = self._github.within(deadline)
        return self._write(change, github, create=create)

    def _work_off(self) -> None:
        while True:
            with self._lock:
                change, self._pending = self._pending, None
                if change is None:
                    self._thread = None
                    return
            with contextlib.suppress(Cancelled):  # the last word is said by finish()
                self._write(change, self._github, create=True)

    def _write(self, change: Change, github: GitHubApi, *, create: bool) -> str:
        try:
            comment = self._find(github)
            if comment is None:
                return ""
            url = comment.using(github).write(change, create=create)
        except GitHubError as error:
            self.problem = error.text
            return ""
        self.problem = ""
        return url

    def _find(self, github: GitHubApi) -> StickyComment | None:
        if not self._looked:
            number = self._plan.pull_request or self._look_up(github)
            self._looked = True
            if number is not None:
                self._comment = StickyComment(github=github, number=number, key=self._inputs.comment_key)
        if self._comment is None:
            self.problem = f"There is no open pull request of branch {self._plan.branch} to comment on."
        return self._comment

    def _look_up(self, github: GitHubApi) -> int | None:
        """The pull request that this event does not name."""
        sha = self._event.sha
        if self._event.name == "workflow_run" and sha:
            # Answers with closed ones too, and with ones that merely contain the commit.
            found = [each for each in github.pull_requests_of_commit(sha) if each.state == "open"]
            found = [each for each in found if each.head_sha == sha]
        else:
            found = github.pull_requests_of_branch(self._plan.branch) if self._plan.branch else []
        return found[0].number if found else None


def _join(thread: threading.Thread, deadline: Deadline) -> None:
    with contextlib.suppress(TimeoutError):
        deadline.clock.call(thread.join, timeout=deadline.remaining)
