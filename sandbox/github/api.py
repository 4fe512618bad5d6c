"""What GitHub's REST API does for every call: check permissions, page lists and report errors."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from sandbox.github.responses import Json, JsonBuilder
from sandbox.github.state import GitHubState, Repository, Token, TokenKind

DOCUMENTATION = "https://docs.github.com/rest"
ACCEPTED_PERMISSIONS = "x-accepted-github-permissions"


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """The answer to a call."""

    status: int = 200
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)


class ApiError(Exception):
    """An error that GitHub answers a call with."""

    def __init__(
        self, status: int, message: str, *, errors: Sequence[Json] = (), headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        body: Json = {"message": message, "documentation_url": DOCUMENTATION, "status": str(status)}
        self.answer = Answer(
            status=status, body=body | ({"errors": list(errors)} if errors else {}), headers=headers or {}
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Call:
    """A request whose route and caller have been determined."""

    state: GitHubState
    builder: JsonBuilder
    path: str
    query: Mapping[str, str]
    body: Json
    token: Token | None
    arguments: Mapping[str, str]

    @property
    def repository(self) -> Repository:
        """The repository that the path names."""
        repository: Repository = or_404(self.state.repositories.get(self.arguments["repository"].lower()))
        return repository

    @property
    def caller(self) -> Token:
        """The caller's token, for calls that need one."""
        if self.token is None:
            raise ApiError(401, "Requires authentication")
        return self.token

    def text(self, field_name: str, default: str = "") -> str:
        """The text of a field in the body, `default` if it is missing or null."""
        value = self.body.get(field_name)
        if value is not None and not isinstance(value, str):
            raise ApiError(422, f"Invalid request.\n\nFor 'properties/{field_name}', {value!r} is not a string.")
        return default if value is None else value

    def flag(self, field_name: str, *, default: bool) -> bool:
        """The boolean of a field in the body."""
        value = self.body.get(field_name)
        return default if value is None else value is True

    def page(self, items: Sequence[Any], build: Callable[[Any], Json]) -> Answer:
        """The page of a list that the query asks for, with a `Link` header.

        Source: GitHub's documentation, "Using pagination in the REST API".
        """
        size = min(max(_number(self.query.get("per_page"), 30), 1), 100)
        page = max(_number(self.query.get("page"), 1), 1)
        last = max((len(items) + size - 1) // size, 1)
        links = [
            f'<{self.builder.api}{self.path}?{urlencode({**self.query, "page": number})}>; rel="{rel}"'
            for rel, number, needed in (
                ("prev", page - 1, page > 1),
                ("next", page + 1, page < last),
                ("last", last, page < last),
                ("first", 1, page > 1),
            )
            if needed
        ]
        body = [build(item) for item in items[(page - 1) * size : page * size]]
        return Answer(body=body, headers={"link": ", ".join(links)} if links else {})


Handler = Callable[[Call], Answer]


@dataclass(frozen=True, kw_only=True, slots=True)
class Route:
    """An endpoint. `accepts` lists permissions as GitHub's header does: `;` separates those of which one is enough."""

    method: str
    path: re.Pattern[str]
    accepts: str
    handler: Handler

    def authorize(self, call: Call) -> None:
        """Raise the error with which GitHub refuses a caller that lacks the permission."""
        in_repository = "repository" in call.arguments
        is_write = self.accepts.endswith("=write")
        if call.token is None:
            if is_write or not in_repository:
                raise ApiError(401, "Requires authentication")
            if call.repository.private:
                raise ApiError(404, "Not Found")
        # Anybody may read a public repository.
        if not in_repository or (not is_write and not call.repository.private):
            return
        has_permission = any(call.caller.allows(*permission.split("=")) for permission in self.accepts.split("; "))
        # Deployments reveal the commits of a private repository, so they also need `contents: read`.
        needs_contents = call.repository.private and self.accepts.startswith("deployments=")
        if not has_permission or (needs_contents and not call.caller.allows("contents", "read")):
            raise forbidden(call.caller, self.accepts)


def route(method: str, path: str, accepts: str, handler: Handler) -> Route:
    """An endpoint. `path` is written as in GitHub's documentation, with `{repository}` for `{owner}/{repo}`."""
    # A branch name may contain slashes.
    patterns = {"repository": r"[^/]+/[^/]+", "branch": r".+"}
    regex = re.sub(r"\{(\w+)\}", lambda name: f"(?P<{name[1]}>{patterns.get(name[1], '[^/]+')})", path)
    return Route(method=method, path=re.compile(regex), accepts=accepts, handler=handler)


def or_404(value: Any) -> Any:
    """Return `value`. Raises GitHub's 404 if it is None."""
    if value is None:
        raise ApiError(404, "Not Found")
    return value


def forbidden(token: Token, accepts: str) -> ApiError:
    """The error for a missing permission."""
    caller = "integration" if token.kind is TokenKind.INSTALLATION else "personal access token"
    return ApiError(403, f"Resource not accessible by {caller}", headers={ACCEPTED_PERMISSIONS: accepts})


def invalid(resource: str, field_name: str, message: str, code: str = "custom") -> ApiError:
    """The error for a field whose value is not allowed."""
    error = {"resource": resource, "code": code, "field": field_name, "message": message}
    return ApiError(422, "Validation Failed", errors=[error])


def _number(text: str | None, default: int) -> int:
    return int(text) if text and text.isdecimal() else default
