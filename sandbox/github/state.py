"""What a local GitHub remembers: tokens, repositories, pull requests, comments and deployments."""

import itertools
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from sandbox.events import BASE_BRANCH, BASE_SHA, HEAD_BRANCH, HEAD_SHA, MERGE_SHA, PULL_REQUEST, REPOSITORY

_KNOWN_IDS = {
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
    """Whose token: GITHUB_TOKEN is an app's installation, the others are people's."""

    INSTALLATION = "installation"
    USER = "user"


@dataclass(frozen=True, kw_only=True, slots=True)
class Account:
    """A person, a bot or nobody in particular."""

    login: str
    type: str = "User"
    id: int = 0


@dataclass(kw_only=True, slots=True)
class Token:
    """A token and what it may do."""

    value: str = field(repr=False)
    account: Account
    kind: TokenKind
    permissions: dict[str, str]
    limit: int
    """Requests an hour; 0 counts them without refusing any."""
    used: int = 0

    def allows(self, permission: str, level: str) -> bool:
        """May it do what needs `permission` at `level` ("read" or "write")?"""
        given = self.permissions.get(permission, "none")
        return given in ("write", level)


@dataclass(frozen=True, kw_only=True, slots=True)
class Edit:
    """One version of a comment."""

    body: str
    at: datetime


@dataclass(kw_only=True, slots=True)
class Comment:
    """A comment with all its versions, the first one is what it was created with."""

    id: int
    number: int
    author: Account
    history: list[Edit]

    @property
    def body(self) -> str:
        """What it says now."""
        return self.history[-1].body

    @property
    def login(self) -> str:
        """Its author."""
        return self.author.login


@dataclass(kw_only=True, slots=True)
class PullRequest:
    """A pull request. `head_repo` is None when the fork it came from has been deleted."""

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
        """Account that the head branch belongs to."""
        return self.head_repo.partition("/")[0] if self.head_repo else self.author.login


@dataclass(frozen=True, kw_only=True, slots=True)
class DeploymentStatus:
    """A state that a deployment was in."""

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
    """A deployment with all its states, oldest first."""

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
        """Its state now, "" before the first one was reported."""
        return self.statuses[-1].state if self.statuses else ""


@dataclass(kw_only=True, slots=True)
class Repository:
    """A repository and all that is in it."""

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
        """Commit that a branch or a commit's own name stands for, "" when there is none."""
        name = ref.removeprefix("refs/heads/")
        return self.branches.get(name, ref if ref in self.commits else "")


class GitHubState:
    """Tokens and repositories. Methods without a repository's name mean `octocat/hello-world`."""

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
        """Accept a token. Like `permissions:` in a workflow, naming any permission sets the others to none."""
        given = DEFAULT_PERMISSIONS if permissions is None else {"metadata": "read", **permissions}
        added = Token(
            value=token,
            account=self.account(login),
            kind=TokenKind(kind),
            permissions=dict(given),
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
        """Create a repository. `pending_contexts` are checks that still run: in a workflow it is at least its own."""
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
        """Create or move a branch. One that is `behind` its base is merged with it by an `auto_merge`."""
        there = self.repository(repository)
        there.branches[name] = sha
        there.commits.add(sha)
        (there.behind.add if behind else there.behind.discard)(name)

    def delete_branch(self, name: str, repository: str = REPOSITORY) -> None:
        """Delete a branch; its commits stay."""
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
        """Create a pull request, and its head branch unless that is in a fork or was deleted with the merge."""
        there = self.repository(repository)
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
        there.pull_requests[number] = pull_request
        there.commits |= {head_sha, MERGE_SHA}
        if head_repo == there.full_name and not merged:
            there.branches.setdefault(head_ref, head_sha)
        return pull_request

    def add_comment(
        self,
        number: int = PULL_REQUEST,
        login: str = "octocat",
        body: str = "",
        user_type: str = "",
        repository: str = REPOSITORY,
    ) -> Comment:
        """Comment on a pull request. `user_type` is "Bot" for logins that end in `[bot]`, else "User"."""
        account = self.account(login, user_type)
        first = Edit(body=body, at=now())
        with self.lock:
            comment = Comment(id=self.next_id(), number=number, author=account, history=[first])
            self.repository(repository).comments.append(comment)
        return comment

    def comments(self, number: int = PULL_REQUEST, repository: str = REPOSITORY) -> list[Comment]:
        """Comments of a pull request that are there now, oldest first."""
        with self.lock:
            return [comment for comment in self.repository(repository).comments if comment.number == number]

    @property
    def deployments(self) -> list[Deployment]:
        """Deployments of `octocat/hello-world`, oldest first."""
        with self.lock:
            return list(self.repository().deployments)

    def repository(self, full_name: str = REPOSITORY) -> Repository:
        """Repository of that name, in whatever case."""
        return self.repositories[full_name.lower()]

    def account(self, login: str, user_type: str = "") -> Account:
        """Account with that login."""
        kind = user_type or ("Bot" if login.endswith("[bot]") else "User")
        number = _KNOWN_IDS.get(login) or 10_000_000 + sum(login.encode())
        return Account(login=login, type=kind, id=number)

    def next_id(self) -> int:
        """Number that no other object has; later objects have larger ones."""
        return 1_973_504_400 + next(self._ids)


def now() -> datetime:
    """Now, in the whole seconds that GitHub reports."""
    return datetime.now(UTC).replace(microsecond=0)
