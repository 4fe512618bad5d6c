"""A local GitHub: the API calls that the action makes, with permissions, paging, rate limits and injected faults."""

import json
import random
from collections.abc import Callable
from typing import ClassVar

from sandbox.faults import Rule, Rules
from sandbox.github import comments as github_comments
from sandbox.github import deployments as github_deployments
from sandbox.github import faults as github_faults
from sandbox.github import lookups as github_lookups
from sandbox.github.api import Answer, ApiError, Call, Route
from sandbox.github.faults import CARRIED_OUT, Fault, FaultKind
from sandbox.github.responses import Json, JsonBuilder
from sandbox.github.state import GitHubState, Token
from sandbox.web import ReceivedRequest, Reply, Server

TOKEN = "ghs_sandbox"
"""A job's GITHUB_TOKEN: it belongs to github-actions[bot] and has the permissions that the action's README asks for."""

ENTERPRISE = "/api/v3"
"""The path of the REST API on GitHub Enterprise Server. The API is served there too, and GraphQL at `/api/graphql`."""

ROUTES: tuple[Route, ...] = (*github_lookups.ROUTES, *github_comments.ROUTES, *github_deployments.ROUTES)


class GitHub(Server):
    """A server with the repository `octocat/hello-world`, its pull request 42 and the token `ghs_sandbox`.

    More can be added to `state`. Every answer takes `latency` seconds and up to `jitter` more; half of that time passes
    before the request is carried out.
    """

    name = "github"

    observers: ClassVar[list[Callable[[ReceivedRequest, Answer | None], None]]] = []
    """Called with every request and its answer, which is None if a fault replaced it."""

    def __init__(self, *, port: int = 0, host: str = "127.0.0.1") -> None:
        super().__init__(port=port, host=host)
        self.state = GitHubState()
        self.state.add_repository()
        self.state.add_pull_request()
        self.state.add_token(TOKEN)
        self.latency = 0.0
        self.jitter = 0.0
        self._faults: Rules[Fault] = Rules()

    def fault(self, pattern: str, kind: str, times: int = 1, after: int = 0, seconds: float = 0.0) -> Rule[Fault]:
        """Inject the fault `kind` (a FaultKind) into requests in whose "METHOD /path" `pattern` is found.

        The first `after` of them are skipped, the next `times` affected. For `seconds` see Fault.
        """
        return self._faults.add(pattern, Fault(kind=FaultKind(kind), seconds=seconds), times=times, after=after)

    def clear_faults(self) -> None:
        """Remove all injected faults."""
        self._faults = Rules()

    def handle(self, request: ReceivedRequest) -> Reply:
        """Answer a request to the REST API, or the GraphQL query for the caller's login."""
        pause = (self.latency + random.uniform(0.0, self.jitter)) / 2
        if pause:
            self.closing.wait(pause)
        path = _path(request)
        fault = self._faults.effect_on(f"{request.method} {path}")
        if fault is not None and fault.kind is FaultKind.NEVER_ARRIVED:
            self._observe(request, None)
            return Reply(dropped=True, delay=pause + fault.seconds)
        with self.state.lock:
            answer = self._answer(request, path, fault)
        is_carried_out = fault is None or fault.kind in CARRIED_OUT
        self._observe(request, answer if is_carried_out else None)
        body = answer.body if isinstance(answer.body, str | None) else json.dumps(answer.body)
        headers = {"content-type": "application/json; charset=utf-8", **answer.headers}
        return Reply(
            status=answer.status,
            body=body,
            headers=headers,
            dropped=fault is not None and fault.kind is FaultKind.ANSWER_LOST,
            delay=pause + (fault.seconds if fault is not None and is_carried_out else 0.0),
        )

    def _observe(self, request: ReceivedRequest, answer: Answer | None) -> None:
        for observer in self.observers:
            observer(request, answer)

    def _answer(self, request: ReceivedRequest, path: str, fault: Fault | None) -> Answer:
        headers = {"x-github-media-type": "github.v3; format=json", "x-github-request-id": "C0FF:EE1234"}
        try:
            token = self._token(request)
            if token is not None:
                # The call that asks for the rate limit does not count against it.
                is_counted = path != "/rate_limit"
                is_used_up = token.limit > 0 and token.used >= token.limit
                if is_counted and not is_used_up:
                    token.used += 1
                rate = github_lookups.rate_of(token)
                headers |= {f"x-ratelimit-{name}": str(value) for name, value in rate.items()}
                if is_counted and is_used_up:
                    return github_faults.limit_reached(rate["reset"], headers)
            route, call = self._call(request, path, token)
            if fault is not None and fault.kind not in CARRIED_OUT:
                answer = github_faults.answer(fault, route.accepts, headers)
            else:
                route.authorize(call)
                answer = route.handler(call)
        except ApiError as error:
            answer = error.answer
        return Answer(status=answer.status, body=answer.body, headers={**headers, **answer.headers})

    def _token(self, request: ReceivedRequest) -> Token | None:
        """The caller's token; None for an anonymous caller."""
        authorization = request.headers.get("authorization", "")
        if not authorization:
            return None
        scheme, _, value = authorization.partition(" ")
        token = self.state.tokens.get(value.strip()) if scheme.lower() in ("token", "bearer") else None
        if token is None:
            raise ApiError(401, "Bad credentials")
        return token

    def _call(self, request: ReceivedRequest, path: str, token: Token | None) -> tuple[Route, Call]:
        for route in ROUTES:
            match = route.path.fullmatch(path)
            if route.method == request.method and match:
                call = Call(
                    state=self.state,
                    builder=self._builder(request),
                    path=path,
                    query=request.query,
                    body=_body(request),
                    token=token,
                    arguments=match.groupdict(),
                )
                return route, call
        raise ApiError(404, "Not Found")

    def _builder(self, request: ReceivedRequest) -> JsonBuilder:
        # Links use the client's name for this server: a container may reach it under another name.
        origin = f"http://{request.headers.get('host') or self.url.removeprefix('http://')}"
        if request.path.startswith("/api/"):
            return JsonBuilder(api=f"{origin}{ENTERPRISE}", site=origin)
        return JsonBuilder(api=origin, site="https://github.com")


def _path(request: ReceivedRequest) -> str:
    """The request's path as on github.com, also for a request to GitHub Enterprise Server's paths."""
    if request.path.startswith(f"{ENTERPRISE}/"):
        return request.path.removeprefix(ENTERPRISE)
    return "/graphql" if request.path == "/api/graphql" else request.path


def _body(request: ReceivedRequest) -> Json:
    if not request.content:
        return {}
    if not isinstance(request.body, dict):
        raise ApiError(400, "Problems parsing JSON")
    return request.body
