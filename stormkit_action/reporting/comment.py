"""The sticky comment: one for a pull request and key, found by marker and author, edited in place.

Jobs of a matrix write to it at the same moment, and GitHub has no conditional edit. So a job reads right before it
writes, reads back after a pause longer than MAX_READ_AGE_S, and writes again until its rows are there. A job that has
been alone in the comment skips reading back, unless its caller knows of other jobs: one that has no row yet may still
write over it, from an earlier read. Every job keeps the oldest comment and merges younger ones into it.
"""

import contextlib
import random
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from stormkit_action.clock import Deadline
from stormkit_action.errors import GitHubError
from stormkit_action.event import Event
from stormkit_action.github_api.api import GitHubApi
from stormkit_action.github_api.connection import PAGE_SIZE
from stormkit_action.github_api.models import Comment
from stormkit_action.inputs import Command, Inputs, Switch
from stormkit_action.plan import Plan
from stormkit_action.reporting.comment_body import is_ours, read_rows, render
from stormkit_action.reporting.rows import MAX_ROWS, Change, Row, union

# Limit on the turns of reading and writing the comment.
MAX_TURNS = 16

# How many of its writes may fail before that is an error.
MAX_FAILED_WRITES = 5

# Max age of a read that a write may build on; it must stay below the shortest read-back pause, or two jobs overwrite
# each other unnoticed.
MAX_READ_AGE_S = 0.25

# Pauses before reading back, alone and with other jobs at work: shortest and longest.
PAUSE_ALONE_S = (0.3, 0.45)
PAUSE_CONTENDED_S = (1.0, 2.0)

# The first pause after a write that failed, doubled for each further one.
PAUSE_AFTER_FAILURE_S = (0.2, 0.4)

# Another job whose row is younger than this counts as still at work.
YOUNG_ROW_S = 60

# Comments of our own that are looked at. More than a few are no accident: whoever has the account can forge them.
MAX_COMMENTS = 10

# Pull requests of one branch that get the comment.
MAX_PULL_REQUESTS = 3

_GONE = (404, 410)

# Commands whose result belongs in the comment.
_COMMANDS = frozenset(
    {
        Command.DEPLOY,
        Command.RESTART,
        Command.PUBLISH,
        Command.ROLLBACK,
        Command.STOP,
        Command.DELETE,
        Command.CLEANUP,
    }
)


class CommentWrite(NamedTuple):
    """What became of a write.

    - `url` is the comment's, empty when there is none; `settled` is False when the write was not seen to hold.
    - `is_assumed` is whether it was not read back, because no other job was seen in the comment.
    - `is_new` is whether it created the comment.
    - `before` are the rows that it is about, as they were before the write.
    - `superseded_by` are the rows that it left as they are because a step that began later wrote them.
    """

    url: str = ""
    settled: bool = True
    is_assumed: bool = False
    is_new: bool = False
    before: tuple[Row, ...] = ()
    superseded_by: tuple[Row, ...] = ()


class _Snapshot(NamedTuple):
    """Our comments as they were at `at`, oldest first, and their rows.

    `is_one_moment` is whether one request read them all.
    """

    own: tuple[Comment, ...]
    rows: tuple[Row, ...]
    at: float
    is_one_moment: bool

    def is_alone(self, change: Change) -> bool:
        """Whether no other job has a row here: jobs of a matrix have left theirs at an earlier deploy."""
        return len(self.own) == 1 and bool(self.rows) and all(change.concerns(row) for row in self.rows)

    def holds(self, change: Change) -> bool:
        return len(self.own) == 1 and change.holds(self.rows)


class StickyComment:
    """Our comment on pull request `number`. Every method raises GitHubError.

    `before_identifying` is called before the token's account is asked for: it may make a request that answers with it.
    """

    def __init__(
        self,
        *,
        github: GitHubApi,
        number: int,
        key: str,
        before_identifying: Callable[[], None] = lambda: None,
    ) -> None:
        self._github = github
        self._number = number
        self._key = key
        self._before_identifying = before_identifying
        self._duplicates: set[int] = set()
        self._last_id: int | None = None
        self._first: _Snapshot | None = None

    def write(self, change: Change, *, deadline: Deadline, create: bool = True, confirm: bool = True) -> CommentWrite:
        """Apply `change` to the comment's rows; with `confirm`, read back and repeat until it holds."""
        github, clock = self._github.within(deadline), deadline.clock
        outcome = CommentWrite(settled=False)
        is_contended = False
        times_held = failures = 0
        for _ in _turns(deadline):
            snapshot = self._look(github)
            self._first = self._first or snapshot
            rows = snapshot.rows
            if not outcome.before:
                outcome = outcome._replace(before=tuple(row for row in rows if change.concerns(row)))
            holds = snapshot.holds(change)
            if self._others_at_work(snapshot, change, clock.now().timestamp()) or (outcome.url and not holds):
                is_contended = True
            times_held = times_held + 1 if holds else 0
            if times_held > (1 if is_contended else 0):
                superseded_by = change.superseded_by(rows)
                return outcome._replace(url=snapshot.own[0].url, settled=True, superseded_by=superseded_by)
            began = clock.monotonic()
            try:
                url = self._write(github, snapshot, change, create=create)
                outcome = outcome._replace(url=url, is_new=outcome.is_new or (bool(url) and not snapshot.own))
            except GitHubError as error:
                # Whether it was done is not known, so the same text must not be sent again: look first.
                failures += 1
                pause = max(error.retry_after, _between(PAUSE_AFTER_FAILURE_S) * 2**failures)
                may_go_on = error.retryable or error.status in _GONE
                if failures > MAX_FAILED_WRITES or not may_go_on or pause >= deadline.remaining:
                    raise
            else:
                is_alone = not is_contended and self._first.is_alone(change) and snapshot.is_alone(change)
                if not outcome.url or not confirm or is_alone:
                    is_assumed = bool(outcome.url) and confirm
                    superseded_by = change.superseded_by(rows)
                    return outcome._replace(settled=True, is_assumed=is_assumed, superseded_by=superseded_by)
                pause = _between(PAUSE_CONTENDED_S if is_contended else PAUSE_ALONE_S) + clock.monotonic() - began
                if pause >= deadline.remaining:
                    return outcome
            clock.sleep(pause)
        return outcome

    def _look(self, github: GitHubApi) -> _Snapshot:
        """Our comments: those with our marker that the token itself wrote, since anybody can copy a marker."""
        comments = github.comments(self._number)
        at = github.clock.monotonic()
        own = [comment for comment in comments if is_ours(comment.body, self._key)]
        if self._last_id is not None and not own:
            # It was there a moment ago: deleted by somebody, or the list is a little behind.
            known = github.comment(self._number, self._last_id)
            own = [known] if known is not None else []
        if own:
            if not github.knows_account:
                self._before_identifying()
            account = github.account()
            own = [comment for comment in own if comment.author.is_same(account)][:MAX_COMMENTS]
        self._last_id = own[0].id if own else None
        return _Snapshot(own=tuple(own), rows=_rows_in(own), at=at, is_one_moment=len(comments) < PAGE_SIZE)

    def _write(self, github: GitHubApi, snapshot: _Snapshot, change: Change, *, create: bool) -> str:
        """Write what `snapshot` lacks, once. The comment's URL; empty where there is none and `create` is False."""
        if not snapshot.own:
            rows = change.apply(())
            if not create or not rows:
                return ""
            created = github.create_comment(self._number, render(rows, self._key))
            self._duplicates.add(created.id)
            self._last_id = created.id
            return created.url
        oldest, *others = snapshot.own
        rows = snapshot.rows
        if not snapshot.is_one_moment or github.clock.monotonic() - snapshot.at > MAX_READ_AGE_S:
            now = github.comment(self._number, oldest.id)
            if now is None:
                raise GitHubError("The comment was deleted while it was edited.", status=404)
            oldest, rows = now, _rows_in((now, *others))
        body = render(change.apply(rows), self._key)
        if body != oldest.body:
            github.edit_comment(self._number, oldest.id, body)
        for comment in others:
            # The job that created a duplicate deletes it; one we see twice is abandoned, so we delete it.
            if comment.id in self._duplicates:
                with contextlib.suppress(GitHubError):  # tried again after reading back
                    github.delete_comment(self._number, comment.id)
        self._duplicates |= {comment.id for comment in others}
        return oldest.url

    def _others_at_work(self, snapshot: _Snapshot, change: Change, now: float) -> bool:
        runs = {row.run for row in (*change.rows, *change.removed) if row.run_id}
        return len(snapshot.own) > 1 or any(
            row.run in runs or abs(now - row.updated) < YOUNG_ROW_S for row in snapshot.rows if not change.concerns(row)
        )


class PullRequestComment:
    """The comment on this step's pull requests: usually one, several where they have the same branch, or none.

    `problem` says what could not be written, and `is_unfinished` whether a later try may still write it. `left_out` are
    pull requests beyond MAX_PULL_REQUESTS, which don't get the comment.
    """

    def __init__(
        self, *, inputs: Inputs, event: Event, plan: Plan, before_identifying: Callable[[], None] = lambda: None
    ) -> None:
        self._inputs = inputs
        self._event = event
        self._plan = plan
        self._before_identifying = before_identifying
        self._numbers: tuple[int, ...] | None = None if plan.pull_request is None else (plan.pull_request,)
        self._comments: dict[int, StickyComment] = {}
        self.left_out: tuple[int, ...] = ()
        self.problem = ""
        self.is_unfinished = False

    @property
    def wanted(self) -> bool:
        """Whether a comment is to be written where that is possible.

        A merge group builds a branch of its own, which is not the pull request's.
        """
        is_possible = self._event.on_github and not self._event.in_merge_queue
        return self._inputs.comment is not Switch.FALSE and is_possible and self._plan.command in _COMMANDS

    def write(
        self, change: Change, github: GitHubApi, *, deadline: Deadline, create: bool = True, confirm: bool = True
    ) -> CommentWrite:
        """Write `change` to each comment, as StickyComment does, but raise nothing. What became of the first one."""
        try:
            numbers = self._find(github.within(deadline))
            if not numbers:
                self.problem = f"There is no open pull request of {self._plan.branch or 'this event'} to comment on."
                return CommentWrite()
            writes = [
                self._comment(github, number).write(change, deadline=deadline, create=create, confirm=confirm)
                for number in numbers
            ]
        except GitHubError as error:
            self.problem, self.is_unfinished = error.text, error.retryable
            return CommentWrite(settled=not error.retryable)
        self.problem, self.is_unfinished = "", False
        return writes[0]._replace(settled=all(write.settled for write in writes))

    def _comment(self, github: GitHubApi, number: int) -> StickyComment:
        if number not in self._comments:
            self._comments[number] = StickyComment(
                github=github,
                number=number,
                key=self._inputs.comment_key,
                before_identifying=self._before_identifying,
            )
        return self._comments[number]

    def _find(self, github: GitHubApi) -> tuple[int, ...]:
        """The pull requests, looked up once where the event does not name one."""
        if self._numbers is None:
            found = self._look_up(github)
            self._numbers, self.left_out = found[:MAX_PULL_REQUESTS], found[MAX_PULL_REQUESTS:]
        return self._numbers

    def _look_up(self, github: GitHubApi) -> tuple[int, ...]:
        branch, sha = self._plan.branch, self._event.sha
        if not branch:
            return ()
        if self._event.name == "workflow_run" and sha:
            # GitHub's answer also has closed ones, and ones that merely contain the commit. For the run of a tag,
            # `branch` is the tag's name.
            found = [
                pull_request
                for pull_request in github.pull_requests_of_commit(sha)
                if not pull_request.closed and (pull_request.head_ref, pull_request.head_sha) == (branch, sha)
            ]
        else:
            found = github.pull_requests_of_branch(branch)
        return tuple(sorted(pull_request.number for pull_request in found))


def _turns(deadline: Deadline) -> Iterator[int]:
    for turn in range(MAX_TURNS):
        # Reading and rendering take time too, and a lot of it where comments are forged.
        if turn and deadline.over:
            return
        yield turn


def _rows_in(comments: Iterable[Comment]) -> tuple[Row, ...]:
    return union(read_rows(comment.body) for comment in comments)[:MAX_ROWS]


def _between(limits: tuple[float, float]) -> float:
    return random.uniform(*limits)  # noqa: S311 - jitter, no secret
