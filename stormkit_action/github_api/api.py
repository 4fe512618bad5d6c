"""The only door to PyGithub: what the action asks of GitHub, one method a question."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

from stormkit_action.clock import Clock, Deadline
from stormkit_action.errors import GitHubError
from stormkit_action.event import PullRequest, pull_request_from
from stormkit_action.github_api.connection import PAGE, Connection, Known, Retry
from stormkit_action.github_api.models import Comment, GitHubDeployment
from stormkit_action.text import one_line

if TYPE_CHECKING:
    from github import Github
    from github.GithubObject import GithubObject
    from github.Issue import Issue
    from github.Repository import Repository

T = TypeVar("T")

# Reading takes less, but what is read is the pull request that is commented on then.
_PULL_REQUESTS = "pull-requests: write"
_DEPLOY = "deployments: write"

# What GitHub answers when something is not there (any more).
_GONE = (404, 410)

# Answers that mean "you may not", also when GitHub hides that by "not found".
_FORBIDDEN = (401, 403, 404)

# No commit is called so: a deployment of it is refused, but only to those who may create deployments.
_NO_COMMIT = "0" * 40


class GitHubApi:
    """One repository on GitHub, seen with one token. Every method raises GitHubError."""

    def __init__(self, *, token: str, repository: str, api_url: str, clock: Clock) -> None:
        self._name = repository
        self._connection = Connection(token=token, api_url=api_url, clock=clock, known=Known())

    @property
    def clock(self) -> Clock:
        """The clock that its waits go by."""
        return self._connection.clock

    def within(self, deadline: Deadline) -> GitHubApi:
        """The same, with every call ended by `deadline` and waiting on its clock."""
        other = type(self).__new__(type(self))
        other._name, other._connection = self._name, self._connection.within(deadline)
        return other

    def login(self) -> str:
        """The login the token acts under: from what it created, else GitHub is asked."""
        known = self._connection.known
        if not known.login:
            known.login = self._connection.ask("reading who the token belongs to", _viewer, needs="contents: read")
        return known.login

    def pull_request(self, number: int) -> PullRequest | None:
        """One pull request; None when it is not a usable one (no head repository, for example)."""
        return self._connection.ask(
            f"reading pull request {number}",
            lambda github: pull_request_from(self._repository(github).get_pull(number).raw_data),
            needs=_PULL_REQUESTS,
        )

    def pull_requests_of_branch(self, branch: str) -> list[PullRequest]:
        """The open pull requests whose head is `branch` of this repository."""
        owner = self._name.split("/")[0]
        return self._connection.ask(
            f"looking for the pull request of {one_line(branch)}",
            lambda github: _pull_requests(self._repository(github).get_pulls(state="open", head=f"{owner}:{branch}")),
            needs=_PULL_REQUESTS,
        )

    def pull_requests_of_commit(self, sha: str) -> list[PullRequest]:
        """The pull requests, closed ones too, that hold the commit `sha`."""
        return self._connection.ask(
            f"looking for the pull request of commit {sha[:7]}",
            lambda github: _pull_requests(self._repository(github).get_commit(sha).get_pulls()),
            needs=_PULL_REQUESTS,
        )

    def branch_tip(self, branch: str) -> str | None:
        """The commit at the tip of `branch`, None when there is no such branch."""

        def read() -> str:
            return self._connection.ask(
                f"reading branch {one_line(branch)}",
                lambda github: str(self._repository(github).get_branch(branch).commit.sha),
                needs="contents: read",
            )

        return _unless_gone(read)

    def comments(self, number: int) -> list[Comment]:
        """Every comment of a pull request, oldest first, all pages."""

        def read(github: Github) -> list[Comment]:
            found = [Comment.from_api(_listed(each)) for each in self._issue(github, number).get_comments()]
            return sorted(found, key=lambda comment: comment.id)

        return self._connection.ask(f"reading the comments of pull request {number}", read, needs=_PULL_REQUESTS)

    def comment(self, number: int, comment_id: int) -> Comment | None:
        """One comment as it is now; None when it was deleted."""

        def read(github: Github) -> Comment:
            return Comment.from_api(self._issue(github, number).get_comment(comment_id).raw_data)

        return _unless_gone(
            lambda: self._connection.ask(f"reading the comment on pull request {number}", read, needs=_PULL_REQUESTS)
        )

    def create_comment(self, number: int, body: str) -> Comment:
        """Add a comment. Sent once: repeating it blindly could leave two."""
        created = self._connection.ask(
            f"commenting on pull request {number}",
            lambda github: Comment.from_api(self._issue(github, number).create_comment(body).raw_data),
            needs=_PULL_REQUESTS,
            again=Retry.NEVER,
        )
        self._connection.known.login = created.author or self._connection.known.login
        return created

    def edit_comment(self, number: int, comment_id: int, body: str) -> None:
        """Replace a comment's text. Sent once: somebody else may have written since, so read before trying again."""
        self._connection.ask(
            f"editing the comment on pull request {number}",
            lambda github: self._issue(github, number).get_comment(comment_id).edit(body),
            needs=_PULL_REQUESTS,
            again=Retry.NEVER,
        )

    def delete_comment(self, number: int, comment_id: int) -> None:
        """Delete a comment; one that is gone already is fine."""
        _unless_gone(
            lambda: self._connection.ask(
                f"deleting a comment on pull request {number}",
                lambda github: self._issue(github, number).get_comment(comment_id).delete(),
                needs=_PULL_REQUESTS,
            )
        )

    def create_deployment(
        self,
        *,
        sha: str,
        task: str,
        environment: str,
        description: str,
        payload: Mapping[str, Any],
        production: bool,
    ) -> GitHubDeployment:
        """Create a GitHub Deployment of a commit, a transient one unless `production`. A lost one is not sent again."""

        def create(github: Github) -> GitHubDeployment:
            created = self._repository(github).create_deployment(
                sha,
                task=task,
                # By default GitHub waits for every check, this very job's too, and may merge instead of deploying.
                required_contexts=[],
                auto_merge=False,
                environment=environment,
                description=description,
                payload=dict(payload),
                transient_environment=not production,
                production_environment=production,
            )
            return GitHubDeployment.from_api(created.raw_data)

        created = self._connection.ask("creating a GitHub Deployment", create, needs=_DEPLOY, again=Retry.RATE_LIMIT)
        self._connection.known.login = created.creator or self._connection.known.login
        return created

    def deployments(self, *, task: str) -> list[GitHubDeployment]:
        """The newest GitHub Deployments of a task, newest first: one page, since they pile up for years."""

        def read(github: Github) -> list[GitHubDeployment]:
            found = self._repository(github).get_deployments(task=task)
            return [GitHubDeployment.from_api(_listed(each)) for each in islice(found, PAGE)]

        return self._connection.ask("reading the GitHub Deployments", read, needs=_DEPLOY)

    def deployment_state(self, deployment_id: int) -> str:
        """The newest state of a GitHub Deployment, empty before its first one."""

        def read(github: Github) -> str:
            statuses = self._repository(github).get_deployment(deployment_id).get_statuses()
            return next((str(each.state) for each in statuses), "")

        return self._connection.ask(f"reading GitHub Deployment {deployment_id}", read, needs=_DEPLOY)

    def set_deployment_state(
        self, deployment_id: int, state: str, *, description: str, log_url: str = "", environment_url: str = ""
    ) -> None:
        """Give a GitHub Deployment a new state; saying it twice does no harm."""
        given = {"state": state, "description": description, "log_url": log_url, "environment_url": environment_url}
        body = {name: value for name, value in given.items() if value}

        def create(github: Github) -> None:
            # Not PyGithub's create_status: it has no log_url.
            url = f"/repos/{self._name}/deployments/{deployment_id}/statuses"
            github.requester.requestJsonAndCheck("POST", url, input=body)

        self._connection.ask(f"setting GitHub Deployment {deployment_id} to {state}", create, needs=_DEPLOY)

    def may_comment(self, number: int) -> bool:
        """Whether the token may comment, found out with a comment that GitHub refuses for being empty."""
        return _refused_as_invalid(lambda: self.create_comment(number, ""))

    def may_deploy(self) -> bool:
        """Whether the token may create GitHub Deployments, found out with one of a commit that is nowhere."""
        return _refused_as_invalid(
            lambda: self.create_deployment(
                sha=_NO_COMMIT, task="check", environment="Preview", description="", payload={}, production=False
            )
        )

    def _repository(self, github: Github) -> Repository:
        return github.get_repo(self._name)  # no request: the connection is lazy

    def _issue(self, github: Github, number: int) -> Issue:
        return self._repository(github).get_issue(number)


def _unless_gone(call: Callable[[], T]) -> T | None:
    try:
        return call()
    except GitHubError as error:
        if error.status in _GONE:
            return None
        raise


def _refused_as_invalid(call: Callable[[], object]) -> bool:
    """Whether a call that can't succeed failed for its content, not for a permission."""
    try:
        call()
    except GitHubError as error:
        if error.status == 422:
            return True
        if error.status in _FORBIDDEN:
            return False
        raise
    return True


def _viewer(github: Github) -> str:
    from github import GithubException  # noqa: PLC0415 - imported when the first call is made, see github_connection

    # An installation token (github.token) may not read /user, so GraphQL first.
    try:
        _, data = github.requester.graphql_query("query { viewer { login } }", {})
        return str(data["data"]["viewer"]["login"])
    except GithubException as error:
        if error.status not in (403, 404):
            raise
        return str(github.get_user().login)


def _pull_requests(found: Any) -> list[PullRequest]:
    parsed = (pull_request_from(_listed(each)) for each in found)
    return [each for each in parsed if each is not None]


def _listed(entry: GithubObject) -> Any:
    """A list's entry as GitHub sent it. PyGithub's own `raw_data` would ask for each of them once more."""
    from github.GithubObject import GithubObject  # noqa: PLC0415 - as above

    return GithubObject.raw_data.__get__(entry)
