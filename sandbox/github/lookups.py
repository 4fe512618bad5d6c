"""The endpoints that look things up: the caller, rate limits, repositories, branches and pull requests."""

import re
import time
from typing import Any

from sandbox.github.api import Answer, ApiError, Call, Route, forbidden, or_404, route
from sandbox.github.state import PullRequest, Token, TokenKind

_VIEWER = re.compile(r"(query\w*)?\{viewer\{login( databaseId)?\}\}")


def get_user(call: Call) -> Answer:
    """Get the caller's account. An installation token is not a user's, so GitHub refuses it."""
    if call.caller.kind is TokenKind.INSTALLATION:
        raise forbidden(call.caller, "")
    return Answer(body=call.builder.user(call.caller.account))


def query(call: Call) -> Answer:
    """Answer a GraphQL query. The only one that is supported asks for the caller's login, and perhaps their id."""
    account = call.caller.account
    viewer = _VIEWER.fullmatch(re.sub(r"\s*([{}])\s*", r"\1", str(call.body.get("query", ""))))
    if viewer:
        number = {"databaseId": account.id} if viewer[2] else {}
        return Answer(body={"data": {"viewer": {"login": account.login, **number}}})
    # GraphQL reports errors in a response with status 200.
    message = "The sandbox supports only the query query{viewer{login}}"
    return Answer(body={"errors": [{"type": "undefinedField", "path": ["query"], "message": message}]})


def get_rate_limit(call: Call) -> Answer:
    """Get the caller's rate limit. This call does not count against it."""
    core = rate_of(call.caller)
    return Answer(body={"resources": {"core": core, "graphql": core}, "rate": core})


def rate_of(token: Token) -> dict[str, Any]:
    """The caller's primary rate limit."""
    limit = token.limit or (1000 if token.kind is TokenKind.INSTALLATION else 5000)
    return {
        "limit": limit,
        "used": token.used,
        "remaining": max(limit - token.used, 0),
        # The sandbox never resets `used`; the reset time is the next full hour.
        "reset": int(time.time() // 3600 + 1) * 3600,
        "resource": "core",
    }


def get_repository(call: Call) -> Answer:
    """Get a repository."""
    return Answer(body=call.builder.repository(call.repository))


def get_branch(call: Call) -> Answer:
    """Get a branch."""
    branch = call.arguments["branch"]
    if branch not in call.repository.branches:
        raise ApiError(404, "Branch not found")
    return Answer(body=call.builder.branch(call.repository, branch))


def get_pull_request(call: Call) -> Answer:
    """Get a pull request."""
    number = call.arguments["number"]
    pull = or_404(call.repository.pull_requests.get(int(number) if number.isdecimal() else -1))
    return Answer(body=call.builder.pull_request(call.repository, pull, call.state.repositories))


def list_pull_requests(call: Call) -> Answer:
    """List the pull requests that match the query's filters, newest first."""
    state, head, base = (call.query.get(name, "") for name in ("state", "head", "base"))
    # GitHub ignores a `head` without `owner:` and returns every pull request.
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
    """List the pull requests that contain a commit, including closed ones."""
    sha = call.arguments["sha"]
    if sha not in call.repository.commits:
        raise ApiError(422, f"No commit found for SHA: {sha}")
    pulls = call.repository.pull_requests.values()
    return _page(call, [pull for pull in pulls if sha == pull.head_sha or (pull.merged and sha == pull.merge_sha)])


def _page(call: Call, pulls: list[PullRequest]) -> Answer:
    return call.page(
        pulls, lambda pull: call.builder.listed_pull_request(call.repository, pull, call.state.repositories)
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
