"""Calls of GitHub's REST API: who may make them, how lists are paged, and how errors look."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from sandbox.github.responses import Json, Objects
from sandbox.github.state import GitHubState, Repository, Token, TokenKind

DOCUMENTATION = "https://docs.github.com/rest"
ACCEPTED_PERMISSIONS = "x-accepted-github-permissions"


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """What a call comes to."""

    status: int = 200
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)


class ApiError(Exception):
    """A call that GitHub refuses."""

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
    """A request of a known route, whose caller is known."""

    state: GitHubState
    objects: Objects
    path: str
    query: Mapping[str, str]
    body: Json
    token: Token | None
    arguments: Mapping[str, str]

    @property
    def repository(self) -> Repository:
        """Repository in the path."""
        repository: Repository = found(self.state.repositories.get(self.arguments["repository"].lower()))
        return repository

    @property
    def caller(self) -> Token:
        """Token of the caller, for calls that nobody may make without one."""
        if self.token is None:
            raise ApiError(401, "Requires authentication")
        return self.token

    def text(self, field_name: str, default: str = "") -> str:
        """Text in the body; null is as good as nothing."""
        value = self.body.get(field_name)
        if value is not None and not isinstance(value, str):
            raise ApiError(422, f"Invalid request.\n\nFor 'properties/{field_name}', {value!r} is not a string.")
        return default if value is None else value

    def flag(self, field_name: str, *, default: bool) -> bool:
        """Boolean in the body."""
        value = self.body.get(field_name)
        return default if value is None else value is True

    def page(self, items: Sequence[Any], build: Callable[[Any], Json]) -> Answer:
        """The page of a list that the query asks for, with links to its neighbours."""
        size = min(max(_number(self.query.get("per_page"), 30), 1), 100)
        page = max(_number(self.query.get("page"), 1), 1)
        last = max((len(items) + size - 1) // size, 1)
        links = [
            f'<{self.objects.api}{self.path}?{urlencode({**self.query, "page": number})}>; rel="{rel}"'
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
    """An endpoint. `accepts` is how GitHub writes permissions: `;` between those of which any one is enough."""

    method: str
    path: re.Pattern[str]
    accepts: str
    handler: Handler

    def authorize(self, call: Call) -> None:
        """Refuse callers that lack the permission, in GitHub's words."""
        in_repository = "repository" in call.arguments
        writing = self.accepts.endswith("=write")
        if call.token is None and (writing or not in_repository or call.repository.private):
            hidden = in_repository and not writing
            raise ApiError(404, "Not Found") if hidden else ApiError(401, "Requires authentication")
        # What is public may be read by everybody.
        if not in_repository or (not writing and not call.repository.private):
            return
        allowed = any(call.caller.allows(*need.split("=")) for need in self.accepts.split("; "))
        # Deployments show the commits of a private repository, so they need its contents too.
        if call.repository.private and self.accepts.startswith("deployments="):
            allowed &= call.caller.allows("contents", "read")
        if not allowed:
            raise forbidden(call.caller, self.accepts)


def route(method: str, path: str, accepts: str, handler: Handler) -> Route:
    """An endpoint whose `path` is GitHub's own notation, with `{repository}` for owner and name.

    A `{branch}` may hold slashes.
    """
    patterns = {"repository": r"[^/]+/[^/]+", "branch": r".+"}
    names = re.sub(r"\{(\w+)\}", lambda name: f"(?P<{name[1]}>{patterns.get(name[1], '[^/]+')})", path)
    return Route(method=method, path=re.compile(names), accepts=accepts, handler=handler)


def found(thing: Any) -> Any:
    """`thing`, or GitHub's 404 when there is none."""
    if thing is None:
        raise ApiError(404, "Not Found")
    return thing


def forbidden(token: Token, accepts: str) -> ApiError:
    """A permission is missing."""
    caller = "integration" if token.kind is TokenKind.INSTALLATION else "personal access token"
    return ApiError(403, f"Resource not accessible by {caller}", headers={ACCEPTED_PERMISSIONS: accepts})


def invalid(resource: str, field_name: str, message: str, code: str = "custom") -> ApiError:
    """A field's value is not allowed."""
    error = {"resource": resource, "code": code, "field": field_name, "message": message}
    return ApiError(422, "Validation Failed", errors=[error])


def _number(text: str | None, default: int) -> int:
    return int(text) if text and text.isdecimal() else default
