"""The data of a local GitHub: tokens, repositories, pull requests, comments and deployments."""

import itertools
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from sandbox.events import BASE_BRANCH, BASE_SHA, HEAD_BRANCH, HEAD_SHA, MERGE_SHA, PULL_REQUEST, REPOSITORY

# The real ids of these accounts.
_ACCOUNT_IDS = {
    "octocat": 583231,
    "monalisa": 9364028,
    "github-actions[bot]": 41898282,
    "dependabot[bot]": 49699333,
}
ACTIONS_BOT = "github-actions[bot]"
DEFAULT_PERMISSIONS = {
    "contents": "read",
    "deployments": "write",
    "issues": "write",
    "metadata": "read",
    "pull_requests": "write",
    "statuses": "write",
}


class TokenKind(StrEnum):
    """Who a token acts for: an app's installation (GITHUB_TOKEN) or a person."""

    INSTALLATION = "installation"
    USER = "user"


@dataclass(frozen=True, kw_only=True, slots=True)
class Account:
    """A person's or a bot's account."""

    login: str
    type: str = "User"
    id: int = 0


@dataclass(kw_only=True, slots=True)
class Token:
    """A token and its permissions."""

    value: str = field(repr=False)
    account: Account
    kind: TokenKind
    permissions: dict[str, str]
    limit: int
    """Requests that are allowed per hour; 0 for no limit."""
    used: int = 0

    def allows(self, permission: str, level: str) -> bool:
        """Whether the token has `permission` at `level` ("read" or "write"); "write" includes "read"."""
        granted = self.permissions.get(permission, "none")
        return granted in ("write", level)


@dataclass(frozen=True, kw_only=True, slots=True)
class Edit:
    """One version of a comment."""

    body: str
    at: datetime


@dataclass(kw_only=True, slots=True)
class Comment:
    """A comment with all its versions, oldest first."""

    id: int
    number: int
    author: Account
    history: list[Edit]

    @property
    def body(self) -> str:
        """The current text."""
        return self.history[-1].body

    @property
    def login(self) -> str:
        """The author's login."""
        return self.author.login


@dataclass(kw_only=True, slots=True)
class PullRequest:
    """A pull request. `head_repo` is None if it came from a fork that has been deleted."""

    number: int
    title: str
    author: Account
    head_ref: str
    head_sha: str
    head_repo: str | None
    base_ref: str
    state: str
    merged: bool
    merge_sha: str
    created_at: datetime

    @property
    def head_owner(self) -> str:
        """The login of the owner of the head branch's repository."""
        return self.head_repo.partition("/")[0] if self.head_repo else self.author.login


@dataclass(frozen=True, kw_only=True, slots=True)
class DeploymentStatus:
    """A status of a deployment."""

    id: int
    state: str
    creator: Account
    description: str
    environment: str
    environment_url: str
    log_url: str
    created_at: datetime


@dataclass(kw_only=True, slots=True)
class Deployment:
    """A GitHub Deployment with all its statuses, oldest first."""

    id: int
    ref: str
    sha: str
    task: str
    environment: str
    description: str | None
    transient_environment: bool
    production_environment: bool
    payload: Any
    creator: Account
    created_at: datetime
    statuses: list[DeploymentStatus] = field(default_factory=list)

    @property
    def state(self) -> str:
        """The state of the newest status, "" before the first one."""
        return self.statuses[-1].state if self.statuses else ""


@dataclass(kw_only=True, slots=True)
class Repository:
    """A repository and its content.

    `pending_contexts` are the checks that have not finished, `behind` the branches that lack commits of the default
    branch.
    """

    full_name: str
    id: int
    private: bool
    default_branch: str
    pending_contexts: tuple[str, ...]
    branches: dict[str, str] = field(default_factory=dict)
    behind: set[str] = field(default_factory=set)
    commits: set[str] = field(default_factory=set)
    pull_requests: dict[int, PullRequest] = field(default_factory=dict)
    comments: list[Comment] = field(default_factory=list)
    deleted_comments: list[Comment] = field(default_factory=list)
    deployments: list[Deployment] = field(default_factory=list)

    def sha_of(self, ref: str) -> str:
        """The commit that `ref` (a branch or a commit's SHA) refers to, "" if there is none."""
        name = ref.removeprefix("refs/heads/")
        return self.branches.get(name, ref if ref in self.commits else "")


class GitHubState:
    """The tokens and repositories. The default repository of its methods is `octocat/hello-world`."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.tokens: dict[str, Token] = {}
        self.repositories: dict[str, Repository] = {}
        self._ids = itertools.count(1)

    def add_token(
        self,
        token: str,
        login: str = ACTIONS_BOT,
        kind: str = TokenKind.INSTALLATION,
        permissions: Mapping[str, str] | None = None,
        limit: int = 0,
    ) -> Token:
        """Add a token. As with `permissions:` in a workflow, naming any permission sets the others to none."""
        granted = DEFAULT_PERMISSIONS if permissions is None else {"metadata": "read", **permissions}
        added = Token(
            value=token,
            account=self.account(login),
            kind=TokenKind(kind),
            permissions=dict(granted),
            limit=limit,
        )
        self.tokens[token] = added
        return added

    def add_repository(
        self,
        full_name: str = REPOSITORY,
        *,
        private: bool = False,
        default_branch: str = BASE_BRANCH,
        default_sha: str = BASE_SHA,
        pending_contexts: Iterable[str] = ("preview",),
    ) -> Repository:
        """Create a repository. By default the check of the job that calls the API is still pending."""
        repository = Repository(
            full_name=full_name,
            id=1296269 if full_name == REPOSITORY else self.next_id(),
            private=private,
            default_branch=default_branch,
            pending_contexts=tuple(pending_contexts),
        )
        self.repositories[full_name.lower()] = repository
        self.add_branch(default_branch, default_sha, repository=full_name)
        return repository

    def add_branch(self, name: str, sha: str, *, behind: bool = False, repository: str = REPOSITORY) -> None:
        """Create or move a branch. `behind` means that it lacks commits of the default branch: see Repository."""
        content = self.repository(repository)
        content.branches[name] = sha
        content.commits.add(sha)
        if behind:
            content.behind.add(name)
        else:
            content.behind.discard(name)

    def delete_branch(self, name: str, repository: str = REPOSITORY) -> None:
        """Delete a branch but not its commits."""
        del self.repository(repository).branches[name]

    def add_pull_request(
        self,
        number: int = PULL_REQUEST,
        head_ref: str = HEAD_BRANCH,
        head_sha: str = HEAD_SHA,
        head_repo: str | None = REPOSITORY,
        state: str = "open",
        *,
        base_ref: str = BASE_BRANCH,
        author: str = "",
        title: str = "Show a preview link on every pull request",
        merged: bool = False,
        repository: str = REPOSITORY,
    ) -> PullRequest:
        """Create a pull request, and its head branch unless that is in a fork or was deleted after the merge."""
        content = self.repository(repository)
        pull_request = PullRequest(
            number=number,
            title=title,
            author=self.account(author or (head_repo or "monalisa").partition("/")[0]),
            head_ref=head_ref,
            head_sha=head_sha,
            head_repo=head_repo,
            base_ref=base_ref,
            state=state,
            merged=merged,
            merge_sha=MERGE_SHA,
            created_at=now(),
        )
        content.pull_requests[number] = pull_request
        content.commits |= {head_sha, MERGE_SHA}
        if head_repo == content.full_name and not merged:
            content.branches.setdefault(head_ref, head_sha)
        return pull_request

    def add_comment(
        self,
        number: int = PULL_REQUEST,
        login: str = "octocat",
        body: str = "",
        user_type: str = "",
        repository: str = REPOSITORY,
    ) -> Comment:
        """Comment on a pull request. The default `user_type` is "Bot" for a login that ends in `[bot]`, else "User"."""
        account = self.account(login, user_type)
        first = Edit(body=body, at=now())
        with self.lock:
            comment = Comment(id=self.next_id(), number=number, author=account, history=[first])
            self.repository(repository).comments.append(comment)
        return comment

    def comments(self, number: int = PULL_REQUEST, repository: str = REPOSITORY) -> list[Comment]:
        """The comments of a pull request that have not been deleted, oldest first."""
        with self.lock:
            return [comment for comment in self.repository(repository).comments if comment.number == number]

    @property
    def deployments(self) -> list[Deployment]:
        """The deployments of `octocat/hello-world`, oldest first."""
        with self.lock:
            return list(self.repository().deployments)

    def repository(self, full_name: str = REPOSITORY) -> Repository:
        """The repository with that name, which is not case-sensitive."""
        return self.repositories[full_name.lower()]

    def account(self, login: str, user_type: str = "") -> Account:
        """The account with that login."""
        kind = user_type or ("Bot" if login.endswith("[bot]") else "User")
        # Any id will do for the other accounts, as long as it is always the same.
        account_id = _ACCOUNT_IDS.get(login) or 10_000_000 + sum(login.encode())
        return Account(login=login, type=kind, id=account_id)

    def next_id(self) -> int:
        """A new id, larger than all before."""
        return 1_973_504_400 + next(self._ids)


def now() -> datetime:
    """The current time in whole seconds, as GitHub reports times."""
    return datetime.now(UTC).replace(microsecond=0)
