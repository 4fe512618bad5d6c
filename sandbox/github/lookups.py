"""What can be looked up on GitHub: the caller, repositories, branches and pull requests."""

import re
import time
from typing import Any

from sandbox.github.api import Answer, ApiError, Call, Route, forbidden, found, route
from sandbox.github.state import PullRequest, Token, TokenKind

_VIEWER = re.compile(r"(query\w*)?\{viewer\{login( databaseId)?\}\}")


def get_user(call: Call) -> Answer:
    """The caller, which an app's installation can't be."""
    if call.caller.kind is TokenKind.INSTALLATION:
        raise forbidden(call.caller, "")
    return Answer(body=call.objects.user(call.caller.account))


def query(call: Call) -> Answer:
    """GraphQL, of which only the caller's login is known."""
    account = call.caller.account
    asked = _VIEWER.fullmatch(re.sub(r"\s*([{}])\s*", r"\1", str(call.body.get("query", ""))))
    if asked:
        number = {"databaseId": account.id} if asked[2] else {}
        return Answer(body={"data": {"viewer": {"login": account.login, **number}}})
    # GraphQL has its errors in a 200.
    message = "This server knows no query but query{viewer{login}}"
    return Answer(body={"errors": [{"type": "undefinedField", "path": ["query"], "message": message}]})


def get_rate_limit(call: Call) -> Answer:
    """What is left of the hour; asking for it is free."""
    core = rate_of(call.caller)
    return Answer(body={"resources": {"core": core, "graphql": core}, "rate": core})


def rate_of(token: Token) -> dict[str, Any]:
    """The caller's primary rate limit."""
    limit = token.limit or (1000 if token.kind is TokenKind.INSTALLATION else 5000)
    return {
        "limit": limit,
        "used": token.used,
        "remaining": max(limit - token.used, 0),
        # The hour that the sandbox counts in is the clock's.
        "reset": int(time.time() // 3600 + 1) * 3600,
        "resource": "core",
    }


def get_repository(call: Call) -> Answer:
    """One repository."""
    return Answer(body=call.objects.repository(call.repository))


def get_branch(call: Call) -> Answer:
    """One branch."""
    branch = call.arguments["branch"]
    if branch not in call.repository.branches:
        raise ApiError(404, "Branch not found")
    return Answer(body=call.objects.branch(call.repository, branch))


def get_pull_request(call: Call) -> Answer:
    """One pull request."""
    number = call.arguments["number"]
    pull = found(call.repository.pull_requests.get(int(number) if number.isdecimal() else -1))
    return Answer(body=call.objects.pull_request(call.repository, pull, call.state.repositories))


def list_pull_requests(call: Call) -> Answer:
    """Pull requests that the filters in the query leave, newest first."""
    state, head, base = (call.query.get(name, "") for name in ("state", "head", "base"))
    # GitHub ignores a `head` that doesn't name the branch's owner, and so lists everything.
    owner, _, branch = head.partition(":")
    pulls = [
        pull
        for pull in call.repository.pull_requests.values()
        if state == "all" or pull.state == (state or "open")
        if ":" not in head or (pull.head_owner.lower(), pull.head_ref) == (owner.lower(), branch)
        if not base or pull.base_ref == base
    ]
    return _page(call, sorted(pulls, key=lambda pull: pull.number, reverse=True))


def list_pull_requests_of_commit(call: Call) -> Answer:
    """Pull requests, closed ones too, that a commit is in."""
    sha = call.arguments["sha"]
    if sha not in call.repository.commits:
        raise ApiError(422, f"No commit found for SHA: {sha}")
    pulls = call.repository.pull_requests.values()
    return _page(call, [pull for pull in pulls if sha == pull.head_sha or (pull.merged and sha == pull.merge_sha)])


def _page(call: Call, pulls: list[PullRequest]) -> Answer:
    return call.page(
        pulls, lambda pull: call.objects.listed_pull_request(call.repository, pull, call.state.repositories)
    )


ROUTES: tuple[Route, ...] = (
    route("GET", "/user", "", get_user),
    route("POST", "/graphql", "", query),
    route("GET", "/rate_limit", "", get_rate_limit),
    route("GET", "/repos/{repository}", "metadata=read", get_repository),
    route("GET", "/repos/{repository}/branches/{branch}", "contents=read", get_branch),
    route("GET", "/repos/{repository}/pulls", "pull_requests=read", list_pull_requests),
    route("GET", "/repos/{repository}/pulls/{number}", "pull_requests=read", get_pull_request),
    route("GET", "/repos/{repository}/commits/{sha}/pulls", "pull_requests=read", list_pull_requests_of_commit),
)
