"""The only door to PyGithub: what the action asks of GitHub, with errors that say what to do.

PyGithub is imported when the first call is made: it takes longer to import than everything else together, and the
deployment has been triggered by then.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from stormkit_action.clock import Clock, Deadline
from stormkit_action.errors import GitHubError
from stormkit_action.event import PullRequest, pull_request_from
from stormkit_action.text import one_line, redact

if TYPE_CHECKING:
    from github import Github
    from github.IssueComment import IssueComment
    from github.Repository import Repository

T = TypeVar("T")

# Seconds for one request, and for one request with everything it is repeated for.
REQUEST_TIMEOUT = 10
PATIENCE = 40.0

# GitHub asks for at least this long after a rate limit that does not say how long. Seconds.
UNSPECIFIED_LIMIT = 60.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Comment:
    """A comment on a pull request. `author` is the login, as REST tells it ("github-actions[bot]")."""

    id: int
    author: str
    body: str
    url: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Failure:
    """Why a call failed: `status` None without an answer; `wait` seconds GitHub asks for."""

    status: int | None
    text: str
    wait: float = 0.0

    @property
    def passing(self) -> bool:
        """Whether the same call may go through a little later."""
        return self.status is None or self.status in (429, 500, 502, 503, 504) or self.wait > 0


class GitHubApi:
    """One repository on GitHub, seen with one token. Every method raises GitHubError."""

    def __init__(self, *, token: str, repository: str, api_url: str, clock: Clock) -> None:
        self._token = token
        self._repository_name = repository
        self._api_url = api_url
        self._clock = clock
        self._github: Github | None = None
        self._login: str | None = None
        self._deadline: Deadline | None = None

    def within(self, deadline: Deadline) -> GitHubApi:
        """The same, with every call ended by `deadline` and waiting on its clock."""
        other = GitHubApi(
            token=self._token, repository=self._repository_name, api_url=self._api_url, clock=deadline.clock
        )
        other._github, other._login, other._deadline = self._github, self._login, deadline
        return other

    def login(self) -> str:
        """The login the token acts under. An installation token (github.token) may not read /user, so GraphQL first."""
        if self._login is None:
            self._login = self._ask("reading who the token belongs to", _viewer, needs="contents: read")
        return self._login

    def pull_request(self, number: int) -> PullRequest | None:
        """One pull request; None when it is not a usable one (no head repository, for example)."""
        return self._ask(
            f"reading pull request {number}",
            lambda github: pull_request_from(_raw(self._repository(github).get_pull(number))),
            needs="pull-requests: read",
        )

    def pull_requests_of_branch(self, branch: str) -> list[PullRequest]:
        """The open pull requests whose head is `branch` of this repository."""
        owner = self._repository_name.split("/")[0]
        return self._ask(
            f"looking for the pull request of {one_line(branch)}",
            lambda github: _pull_requests(self._repository(github).get_pulls(state="open", head=f"{owner}:{branch}")),
            needs="pull-requests: read",
        )

    def pull_requests_of_commit(self, sha: str) -> list[PullRequest]:
        """The pull requests, closed ones too, that hold the commit `sha`."""
        return self._ask(
            f"looking for the pull request of commit {sha[:7]}",
            lambda github: _pull_requests(self._repository(github).get_commit(sha).get_pulls()),
            needs="pull-requests: read",
        )

    def branch_tip(self, branch: str) -> str | None:
        """The commit at the tip of `branch`, None when there is no such branch."""
        try:
            return self._ask(
                f"reading branch {one_line(branch)}",
                lambda github: str(self._repository(github).get_branch(branch).commit.sha),
                needs="contents: read",
            )
        except GitHubError as error:
            if error.status == 404:
                return None
            raise

    def comments(self, number: int) -> list[Comment]:
        """Every comment of a pull request, oldest first, all pages."""
        return self._ask(
            f"reading the comments of pull request {number}",
            lambda github: [_comment(each) for each in self._repository(github).get_issue(number).get_comments()],
            needs="pull-requests: write",
        )

    def comment(self, number: int, comment_id: int) -> Comment | None:
        """One comment as it is now; None when it was deleted."""

        def read(github: Github) -> Comment:
            return _comment(self._repository(github).get_issue(number).get_comment(comment_id))

        try:
            return self._ask(f"reading comment {comment_id}", read, needs="pull-requests: write")
        except GitHubError as error:
            if error.status in (404, 410):
                return None
            raise

    def create_comment(self, number: int, body: str) -> Comment:
        """Add a comment. Sent once: repeating it blindly could leave two."""
        return self._ask(
            f"commenting on pull request {number}",
            lambda github: _comment(self._repository(github).get_issue(number).create_comment(body)),
            needs="pull-requests: write",
            repeat=False,
        )

    def edit_comment(self, number: int, comment_id: int, body: str) -> None:
        """Replace a comment's text."""
        self._ask(
            f"editing the comment on pull request {number}",
            lambda github: self._repository(github).get_issue(number).get_comment(comment_id).edit(body),
            needs="pull-requests: write",
        )

    def delete_comment(self, number: int, comment_id: int) -> None:
        """Delete a comment; one that is gone already is fine."""
        try:
            self._ask(
                f"deleting a comment on pull request {number}",
                lambda github: self._repository(github).get_issue(number).get_comment(comment_id).delete(),
                needs="pull-requests: write",
            )
        except GitHubError as error:
            if error.status not in (404, 410):
                raise

    def may_comment(self, number: int) -> bool:
        """Whether the token may comment, found out with a comment that GitHub refuses for being empty."""
        try:
            self.create_comment(number, "")
        except GitHubError as error:
            if error.status == 422:
                return True
            if error.status in (401, 403, 404):
                return False
            raise
        return True

    def _repository(self, github: Github) -> Repository:
        return github.get_repo(self._repository_name, lazy=True)

    def _connect(self) -> Github:
        from github import Auth, Github  # noqa: PLC0415 - see the module's docstring

        # PyGithub's own defaults wait between requests, repeat a POST whose answer was lost (two comments) and may
        # sleep an hour on a rate limit: all of that is off, and _ask repeats what is safe.
        return Github(
            auth=Auth.Token(self._token),
            base_url=self._api_url,
            timeout=REQUEST_TIMEOUT,
            per_page=100,
            retry=None,
            seconds_between_requests=None,
            seconds_between_writes=None,
            lazy=True,
        )

    def _ask(self, action: str, question: Callable[[Github], T], *, needs: str, repeat: bool = True) -> T:
        """What `question` gets from GitHub. `needs` is the permission it takes, as in a workflow."""
        if not self._token:
            raise GitHubError(f"No github-token, so {action} was not possible. Pass github-token or leave its default.")
        give_up = Deadline.after(self._clock, PATIENCE)
        if self._deadline is not None:
            give_up = self._deadline.within(PATIENCE)
        delay = 0.5
        while True:
            failure = None
            try:
                return self._clock.call(lambda: self._exchange(question), timeout=max(0.5, give_up.remaining))
            except TimeoutError:
                failure = Failure(status=None, text="no answer in time")
            except _Failed as error:
                failure = error.failure
            # A rate limit refuses before anything is done, so even a POST may be sent again after one.
            again = failure.wait > 0 or (repeat and failure.passing)
            delay = max(delay * 2, failure.wait)
            if not again or delay >= give_up.remaining:
                raise GitHubError(self._explain(action, failure, needs), status=failure.status)
            self._clock.sleep(delay)

    def _exchange(self, question: Callable[[Github], T]) -> T:
        from github import GithubException  # noqa: PLC0415 - see the module's docstring
        from requests import RequestException  # noqa: PLC0415 - what PyGithub lets through

        if self._github is None:
            self._github = self._connect()
        try:
            return question(self._github)
        except GithubException as error:
            raise _Failed(_failure(error.status, error.data, dict(error.headers or {}))) from None
        except RequestException:
            raise _Failed(Failure(status=None, text="the connection failed")) from None
        except (ValueError, TypeError, KeyError, AttributeError, AssertionError) as error:
            # PyGithub on an answer that is not what GitHub documents, from a proxy for example.
            raise _Failed(Failure(status=None, text=f"the answer can't be used ({type(error).__name__})")) from None

    def _explain(self, action: str, failure: Failure, needs: str) -> str:
        status = f" ({failure.status})" if failure.status else ""
        said = redact(one_line(failure.text), (self._token,))
        text = f"GitHub did not go along with {action}{status}: {said}."
        if failure.status in (403, 404) and not failure.wait:
            scope, access = needs.split(": ")
            return (
                f"{text} The token may lack a permission: add `permissions: {{ {scope}: {access} }}` to the job"
                " (naming one permission sets all others to none)."
            )
        if failure.status == 401:
            return f"{text} The github-token is not valid: leave the input's default or pass a working token."
        return f"{text} Run the job again later."


class _Failed(Exception):
    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.text)
        self.failure = failure


def _viewer(github: Github) -> str:
    from github import GithubException  # noqa: PLC0415 - see the module's docstring

    try:
        _, data = github.requester.graphql_query("query { viewer { login } }", {})
        return str(data["data"]["viewer"]["login"])
    except GithubException as error:
        if error.status not in (403, 404):
            raise
        return str(github.get_user().login)


def _raw(pull_request: Any) -> object:
    return pull_request.raw_data


def _pull_requests(found: Any) -> list[PullRequest]:
    parsed = (pull_request_from(_raw(each)) for each in found)
    return [each for each in parsed if each is not None]


def _comment(comment: IssueComment) -> Comment:
    user = comment.user
    return Comment(
        id=comment.id, author=(user.login or "") if user else "", body=comment.body or "", url=comment.html_url or ""
    )


def _failure(status: int, data: object, headers: dict[str, str]) -> Failure:
    """GitHub's refusal. A rate limit says how long to wait: in a header, or not at all."""
    message = data.get("message") if isinstance(data, dict) else None
    text = message if isinstance(message, str) else "no reason given"
    lower = {name.lower(): value for name, value in headers.items()}
    limited = status == 429 or (status == 403 and "rate limit" in text.lower())
    wait = 0.0
    if limited:
        after = lower.get("retry-after", "")
        wait = float(after) if after.isdecimal() else UNSPECIFIED_LIMIT
    elif status in (403, 404) and "x-accepted-github-permissions" in lower:
        text = f"{text} (it takes {lower['x-accepted-github-permissions']})"
    return Failure(status=status, text=text, wait=wait)
