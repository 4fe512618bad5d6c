"""The sticky comment: one for a pull request and key, found by marker and author, edited in place.

Jobs of a matrix write to it at the same moment, and GitHub has no conditional edit. So whoever writes has just read,
reads back after a pause that is longer than a read may be old when it is written upon, and writes again until what it
said is there. Everybody keeps the oldest comment and merges younger ones into it.
"""

import contextlib
import random
from dataclasses import dataclass, replace

from stormkit_action.clock import Deadline
from stormkit_action.errors import GitHubError
from stormkit_action.event import Event
from stormkit_action.github_api.api import GitHubApi
from stormkit_action.github_api.connection import PAGE
from stormkit_action.github_api.models import Comment
from stormkit_action.inputs import Command, Inputs, Switch
from stormkit_action.plan import Plan
from stormkit_action.reporting.comment_body import is_ours, read_rows, render
from stormkit_action.reporting.rows import Change, Row, union

# How often it is written or read back, whatever happens.
TURNS = 16

# How many of its writes may fail before that is an error.
LOST = 5

# A read this old is no base for a write; it must be less than the shortest pause before reading back. Seconds.
FRESH = 0.25

# Pauses before reading back: alone, and with others at work. Seconds, from and to.
ALONE = (0.3, 0.45)
CONTENDED = (1.0, 2.0)

# The first pause after a write that failed, doubled for each further one. Seconds, from and to.
REPEAT = (0.2, 0.4)

# Others' rows this young mean that others are at work. Seconds.
YOUNG = 60

_GONE = (404, 410)

# Commands whose result belongs into the comment.
_COMMANDS = frozenset({Command.DEPLOY, Command.RESTART, Command.PUBLISH, Command.CLEANUP})


@dataclass(frozen=True, kw_only=True, slots=True)
class CommentWrite:
    """What became of a write: the comment's URL (empty when there is none), and whether it was seen to hold.

    `before` are the rows that it changed, as they were before.
    """

    url: str = ""
    settled: bool = True
    before: tuple[Row, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class _Seen:
    """Our comments as they were at `at`, oldest first; `whole` when that was one moment, not several pages."""

    own: tuple[Comment, ...]
    at: float
    whole: bool

    @property
    def rows(self) -> tuple[Row, ...]:
        return union(read_rows(each.body) for each in self.own)

    def holds(self, change: Change) -> bool:
        return len(self.own) == 1 and change.holds(self.rows)


class StickyComment:
    """Our comment on pull request `number`. Every method raises GitHubError."""

    def __init__(self, *, github: GitHubApi, number: int, key: str) -> None:
        self._github = github
        self._number = number
        self._key = key
        self._doomed: set[int] = set()
        self._known: int | None = None

    def write(self, change: Change, *, deadline: Deadline, create: bool = True, confirm: bool = True) -> CommentWrite:
        """Apply `change` to the comment's rows, and with `confirm` see to it that it stays."""
        github, clock = self._github.within(deadline), deadline.clock
        told, contended, held, lost = CommentWrite(settled=False), False, 0, 0
        for _ in range(TURNS):
            seen = self._look(github)
            told = told if told.before else replace(told, before=tuple(filter(change.concerns, seen.rows)))
            holds = seen.holds(change)
            contended |= self._others_at_work(seen, change, clock.now().timestamp()) or (bool(told.url) and not holds)
            held = held + 1 if holds else 0
            if held > contended:
                return replace(told, url=seen.own[0].url, settled=True)
            began = clock.monotonic()
            try:
                told = replace(told, url=self._write(github, seen, change, create=create))
            except GitHubError as error:
                # Whether it was done is not known, so the same text must not be sent again: look first.
                lost += 1
                pause = max(error.retry_after, _between(*REPEAT) * 2**lost)
                if lost > LOST or not (error.retryable or error.status in _GONE) or pause >= deadline.remaining:
                    raise
            else:
                if not told.url or not confirm:
                    return replace(told, settled=True)
                pause = _between(*(CONTENDED if contended else ALONE)) + clock.monotonic() - began
                if pause >= deadline.remaining:
                    return told
            clock.sleep(pause)
        return told

    def _look(self, github: GitHubApi) -> _Seen:
        """Our comments: those with our marker that the token itself wrote, since anybody can copy a marker."""
        comments = github.comments(self._number)
        at = github.clock.monotonic()
        own = [each for each in comments if is_ours(each.body, self._key)]
        if self._known is not None and not own:
            # It was there a moment ago: deleted by somebody, or the list is a little behind.
            known = github.comment(self._number, self._known)
            own = [known] if known is not None else []
        if own:
            login = github.login()
            own = [each for each in own if _same(each.author, login)]
        self._known = own[0].id if own else None
        return _Seen(own=tuple(own), at=at, whole=len(comments) < PAGE)

    def _write(self, github: GitHubApi, seen: _Seen, change: Change, *, create: bool) -> str:
        """Write what is missing, upon what was seen. The comment's URL; empty without one and none to be created."""
        if not seen.own:
            rows = change.apply(())
            if not create or not rows:
                return ""
            created = github.create_comment(self._number, render(rows, self._key))
            self._doomed.add(created.id)
            self._known = created.id
            return created.url
        oldest, *others = seen.own
        if not seen.whole or github.clock.monotonic() - seen.at > FRESH:
            now = github.comment(self._number, oldest.id)
            if now is None:
                raise GitHubError("The comment was deleted while it was edited.", status=404)
            oldest = now
        body = render(change.apply(union(read_rows(each.body) for each in (oldest, *others))), self._key)
        if body != oldest.body:
            github.edit_comment(self._number, oldest.id, body)
        for each in others:
            # Whoever created one removes it. What is still there at another look has been forgotten.
            if each.id in self._doomed:
                with contextlib.suppress(GitHubError):  # seen when reading back
                    github.delete_comment(self._number, each.id)
        self._doomed |= {each.id for each in others}
        return oldest.url

    def _others_at_work(self, seen: _Seen, change: Change, now: float) -> bool:
        runs = {(row.run_id, row.attempt) for row in change.rows if row.run_id}
        return len(seen.own) > 1 or any(
            (row.run_id, row.attempt) in runs or abs(now - row.updated) < YOUNG
            for row in seen.rows
            if not change.concerns(row)
        )


def _between(shortest: float, longest: float) -> float:
    return random.uniform(shortest, longest)  # noqa: S311 - jitter, no secret


def _same(author: str, login: str) -> bool:
    """Whether both name one account. GraphQL may leave a bot's suffix away, and no person can have one."""
    return author in (login, f"{login}[bot]")


class PullRequestComment:
    """Writes into the sticky comment, if there is a pull request. What can't be written is told in `problem`."""

    def __init__(self, *, inputs: Inputs, event: Event, plan: Plan) -> None:
        self._inputs = inputs
        self._event = event
        self._plan = plan
        self._number = plan.pull_request
        self._looked = False
        self._comment: StickyComment | None = None
        self.problem = ""

    @property
    def wanted(self) -> bool:
        """Whether a comment is to be written where that is possible."""
        return self._inputs.comment is not Switch.FALSE and self._event.on_github and self._plan.command in _COMMANDS

    def write(
        self, change: Change, github: GitHubApi, *, deadline: Deadline, create: bool = True, confirm: bool = True
    ) -> CommentWrite:
        """Write `change` as StickyComment does, but without raising."""
        try:
            number = self._find(github.within(deadline))
            if number is None:
                self.problem = f"There is no open pull request of {self._plan.branch or 'this event'} to comment on."
                return CommentWrite()
            if self._comment is None:
                self._comment = StickyComment(github=github, number=number, key=self._inputs.comment_key)
            told = self._comment.write(change, deadline=deadline, create=create, confirm=confirm)
        except GitHubError as error:
            self.problem = error.text
            return CommentWrite(settled=not error.retryable)
        self.problem = ""
        return told

    def _find(self, github: GitHubApi) -> int | None:
        """The pull request, looked up once where the event does not name it."""
        if self._number is None and not self._looked:
            self._number = self._look_up(github)
            self._looked = True
        return self._number

    def _look_up(self, github: GitHubApi) -> int | None:
        sha = self._event.sha
        if self._event.name == "workflow_run" and sha:
            # Answers with closed ones too, and with ones that merely contain the commit.
            found = [each for each in github.pull_requests_of_commit(sha) if each.state == "open"]
            found = [each for each in found if each.head_sha == sha]
        else:
            found = github.pull_requests_of_branch(self._plan.branch) if self._plan.branch else []
        return found[0].number if found else None
