"""What the action asks of GitHub, one method per question."""

import copy
from collections.abc import Callable, Mapping
from typing import Any, TypeVar
from urllib.parse import quote

from stormkit_action.clock import Clock, Deadline
from stormkit_action.errors import GitHubError
from stormkit_action.event import PullRequest, pull_request_from
from stormkit_action.github_api.connection import PAGE_SIZE, Connection, Retry
from stormkit_action.github_api.models import Account, Comment, GitHubDeployment
from stormkit_action.text import one_line

T = TypeVar("T")

_CONTENTS = "contents: read"
# `read` would do for reading, but the same pull request is commented on afterwards.
_PULL_REQUESTS = "pull-requests: write"
_DEPLOYMENTS = "deployments: write, contents: read"

# What GitHub answers when something is not there (any more), and for a branch that was renamed.
_GONE = (404, 410)
_RENAMED = (301, 308)

# A SHA that can't exist: GitHub answers 422 if the token may create deployments, 403 or 404 if not.
_NO_COMMIT = "0" * 40


class GitHubApi:
    """One repository on GitHub, seen with one token. Every method raises GitHubError."""

    def __init__(self, *, token: str, repository: str, api_url: str, clock: Clock) -> None:
        self._owner = repository.partition("/")[0]
        self._connection = Connection(token=token, repository=repository, api_url=api_url, clock=clock)

    @property
    def clock(self) -> Clock:
        """The clock that its waits go by."""
        return self._connection.clock

    @property
    def knows_account(self) -> bool:
        """Whether `account` is known without asking for it."""
        return self._connection.shared.account is not None

    def within(self, deadline: Deadline) -> "GitHubApi":
        """The same, with every call ended by `deadline` and waiting on its clock."""
        bounded = copy.copy(self)
        bounded._connection = self._connection.within(deadline)
        return bounded

    def account(self) -> Account:
        """The account the token acts under, known from what it created or else asked for."""
        shared = self._connection.shared
        if shared.account is None:
            shared.account = self._ask_for_account()
        return shared.account

    def _ask_for_account(self) -> Account:
        """An installation's token may not read /user, so GraphQL first; some tokens may not use GraphQL."""
        viewer = self._viewer()
        if viewer is not None and viewer.id:
            return viewer
        try:
            return self._user()
        except GitHubError as error:
            if viewer is None or error.retryable:
                raise
            # Only an installation is refused, and an installation acts as a bot.
            return viewer._replace(type="Bot")

    def _viewer(self) -> Account | None:
        """The account as GraphQL names it, None where it does not."""
        try:
            return self._connection.ask(
                "reading who the token belongs to",
                "POST",
                "/graphql",
                _viewer_in,
                needs=_CONTENTS,
                body={"query": "query { viewer { login databaseId } }"},
            )
        except GitHubError as error:
            if error.retryable:
                raise
            return None

    def _user(self) -> Account:
        return self._connection.ask(
            "reading who the token belongs to", "GET", "/user", Account.from_api, needs=_CONTENTS
        )

    def pull_request(self, number: int) -> PullRequest | None:
        """One pull request, open or closed; None when it is not a usable one (no head branch, for example)."""
        action = f"reading pull request {number}"
        return self._connection.ask(action, "GET", f"pulls/{number}", pull_request_from, needs=_PULL_REQUESTS)

    def pull_requests_of_branch(self, branch: str) -> list[PullRequest]:
        """The open pull requests whose head is `branch` of this repository."""
        found = self._connection.ask_for_list(
            f"looking for the pull request of {one_line(branch)}",
            "pulls",
            _own_pull_request,
            needs=_PULL_REQUESTS,
            query={"state": "open", "head": f"{self._owner}:{branch}"},
        )
        return [pull_request for pull_request in found if pull_request and pull_request.head_ref == branch]

    def pull_requests_of_commit(self, sha: str) -> list[PullRequest]:
        """The pull requests of this repository's branches, closed ones too, that contain the commit `sha`."""
        found = self._connection.ask_for_list(
            f"looking for the pull request of commit {sha[:7]}",
            f"commits/{quote(sha, safe='')}/pulls",
            _own_pull_request,
            needs=_PULL_REQUESTS,
        )
        return [pull_request for pull_request in found if pull_request]

    def branch_tip(self, branch: str) -> str | None:
        """The commit at the tip of `branch`, None when there is no such branch."""

        def read() -> str:
            # Escape slashes: for `feature/protection` GitHub would return the protection of `feature`.
            return self._connection.ask(
                f"reading branch {one_line(branch)}",
                "GET",
                f"branches/{quote(branch, safe='')}",
                lambda data: str(data["commit"]["sha"]),
                needs=_CONTENTS,
            )

        return _unless_gone(read, (*_GONE, *_RENAMED))

    def comments(self, number: int) -> list[Comment]:
        """Every comment of a pull request, oldest first, all pages."""
        action, path = f"reading the comments of pull request {number}", f"issues/{number}/comments"
        found = self._connection.ask_for_list(action, path, Comment.from_api, needs=_PULL_REQUESTS)
        return sorted(found, key=lambda comment: comment.id)

    def comment(self, number: int, comment_id: int) -> Comment | None:
        """One comment as it is now; None when it was deleted."""
        action, path = f"reading the comment on pull request {number}", f"issues/comments/{comment_id}"
        return _unless_gone(lambda: self._connection.ask(action, "GET", path, Comment.from_api, needs=_PULL_REQUESTS))

    def create_comment(self, number: int, body: str) -> Comment:
        """Add a comment. Sent once: repeating it blindly could leave two."""
        created = self._connection.ask(
            f"commenting on pull request {number}",
            "POST",
            f"issues/{number}/comments",
            Comment.from_api,
            needs=_PULL_REQUESTS,
            body={"body": body},
            retry=Retry.NEVER,
        )
        self._learn_account(created.author)
        return created

    def edit_comment(self, number: int, comment_id: int, body: str) -> None:
        """Replace a comment's text. Sent once: somebody else may have written since, so read before trying again."""
        self._connection.ask(
            f"editing the comment on pull request {number}",
            "PATCH",
            f"issues/comments/{comment_id}",
            Comment.from_api,
            needs=_PULL_REQUESTS,
            body={"body": body},
            retry=Retry.NEVER,
        )

    def delete_comment(self, number: int, comment_id: int) -> None:
        """Delete a comment; one that is gone already is fine."""
        action, path = f"deleting a comment on pull request {number}", f"issues/comments/{comment_id}"
        _unless_gone(lambda: self._connection.ask(action, "DELETE", path, lambda _: True, needs=_PULL_REQUESTS))

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
        created = self._connection.ask(
            "creating a GitHub Deployment",
            "POST",
            "deployments",
            GitHubDeployment.from_api,
            needs=_DEPLOYMENTS,
            body={
                "ref": sha,
                "task": task,
                # By default GitHub waits for every check, this very job's too, and may merge instead of deploying.
                "required_contexts": [],
                "auto_merge": False,
                "environment": environment,
                "description": description,
                "payload": dict(payload),
                "transient_environment": not production,
                "production_environment": production,
            },
            retry=Retry.RATE_LIMIT,
        )
        self._learn_account(created.creator)
        return created

    def deployments(
        self, *, task: str = "", environment: str = "", at_most: float = PAGE_SIZE
    ) -> list[GitHubDeployment]:
        """The newest GitHub Deployments of a task or an environment, newest first; they pile up for years."""
        query = {name: value for name, value in {"task": task, "environment": environment}.items() if value}
        return self._connection.ask_for_list(
            "reading the GitHub Deployments",
            "deployments",
            GitHubDeployment.from_api,
            needs=_DEPLOYMENTS,
            query=query,
            at_most=at_most,
        )

    def deployment_state(self, deployment_id: int) -> str:
        """The newest state of a GitHub Deployment, empty before its first one."""
        return self._connection.ask(
            f"reading GitHub Deployment {deployment_id}",
            "GET",
            f"deployments/{deployment_id}/statuses",
            lambda data: str(data[0]["state"]) if data else "",
            needs=_DEPLOYMENTS,
            query={"per_page": 1},
        )

    def set_deployment_state(
        self, deployment_id: int, state: str, *, description: str, log_url: str = "", environment_url: str = ""
    ) -> None:
        """Give a GitHub Deployment a new state; saying it twice does no harm."""
        given = {"state": state, "description": description, "log_url": log_url, "environment_url": environment_url}
        self._connection.ask(
            f"setting GitHub Deployment {deployment_id} to {state}",
            "POST",
            f"deployments/{deployment_id}/statuses",
            lambda data: data["state"],
            needs=_DEPLOYMENTS,
            body={name: value for name, value in given.items() if value},
        )

    def comment_refusal(self, number: int) -> str:
        """Why the token can't comment; empty when it can. Sends an empty comment, which GitHub never accepts."""
        return _refusal_but_for_content(lambda: self.create_comment(number, ""))

    def deployment_refusal(self) -> str:
        """Why the token can't create GitHub Deployments; empty when it can. Tries a commit that doesn't exist."""
        return _refusal_but_for_content(
            lambda: self.create_deployment(
                sha=_NO_COMMIT, task="check", environment="Preview", description="", payload={}, production=False
            )
        )

    def _learn_account(self, account: Account) -> None:
        if account.login:
            self._connection.shared.account = account


def _unless_gone(call: Callable[[], T], gone: tuple[int, ...] = _GONE) -> T | None:
    try:
        return call()
    except GitHubError as error:
        if error.status in gone:
            return None
        raise


def _refusal_but_for_content(call: Callable[[], object]) -> str:
    """Why the token may not make `call`, whose content is invalid on purpose; empty when it may (422).

    Raises GitHubError when that is not known.
    """
    try:
        call()
    except GitHubError as error:
        if error.retryable:
            raise
        return "" if error.status == 422 else error.text
    return ""


def _viewer_in(data: Any) -> Account | None:
    """GraphQL refuses in a 200 too: without a viewer, or without a login."""
    viewer = data["data"]["viewer"] if isinstance(data.get("data"), Mapping) else None
    if not isinstance(viewer, Mapping) or not isinstance(viewer.get("login"), str):
        return None
    account = Account.from_api({"login": viewer["login"], "id": viewer.get("databaseId")})
    return account if account.login else None


def _own_pull_request(data: Any) -> PullRequest | None:
    """A pull request whose branch is in this repository: GitHub's filters let the owner's other repositories in.

    Ids are compared, else names: a repository keeps its id when it is renamed.
    """
    head, base = data["head"].get("repo"), data["base"].get("repo")
    if not isinstance(head, Mapping) or not isinstance(base, Mapping):
        return None
    by = "id" if head.get("id") and base.get("id") else "full_name"
    return pull_request_from(data) if head.get(by) == base.get(by) else None
