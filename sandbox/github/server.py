"""A local GitHub: what the action asks of it, with permissions, pages, authors, rate limits and faults to order."""

import json
import random
from collections.abc import Callable
from typing import ClassVar

from sandbox.faults import Order, Orders
from sandbox.github import comments as github_comments
from sandbox.github import deployments as github_deployments
from sandbox.github import faults as github_faults
from sandbox.github import lookups as github_lookups
from sandbox.github.api import Answer, ApiError, Call, Route
from sandbox.github.faults import CARRIED_OUT, Fault, FaultKind
from sandbox.github.responses import Json, Objects
from sandbox.github.state import GitHubState, Token
from sandbox.web import Recorded, Reply, Server

TOKEN = "ghs_sandbox"
"""The token of a job: github-actions[bot], with the permissions that the action's documentation asks for."""

ENTERPRISE = "/api/v3"
"""Where GitHub Enterprise Server has its API. It is served there too, beside `/api/graphql`."""

ROUTES: tuple[Route, ...] = (*github_lookups.ROUTES, *github_comments.ROUTES, *github_deployments.ROUTES)


class GitHub(Server):
    """Knows `octocat/hello-world` with pull request 42, and the token `ghs_sandbox`; `state` takes more.

    `latency` and `jitter` are seconds: every answer takes `latency`, and up to `jitter` more, half of it before the
    request is carried out.
    """

    name = "github"

    observers: ClassVar[list[Callable[[Recorded, Answer | None], None]]] = []
    """Called with every request and its answer; without one when a fault came in its place."""

    def __init__(self, *, port: int = 0, host: str = "127.0.0.1") -> None:
        super().__init__(port=port, host=host)
        self.state = GitHubState()
        self.state.add_repository()
        self.state.add_pull_request()
        self.state.add_token(TOKEN)
        self.latency = 0.0
        self.jitter = 0.0
        self._faults: Orders[Fault] = Orders()

    def fault(self, pattern: str, kind: str, times: int = 1, after: int = 0, seconds: float = 0.0) -> Order[Fault]:
        """Let `kind` (a FaultKind) happen to requests in whose "METHOD /path" `pattern` is found.

        It spares the first `after` of them and strikes the next `times`. `seconds` is how long it takes, and what a
        rate limit asks to wait.
        """
        return self._faults.add(pattern, Fault(kind=FaultKind(kind), seconds=seconds), times=times, after=after)

    def mend(self) -> None:
        """Let no fault happen any more."""
        self._faults = Orders()

    def handle(self, request: Recorded) -> Reply:
        """Answer a request of GitHub's REST API, or GraphQL's question for the caller's login."""
        pause = (self.latency + random.uniform(0.0, self.jitter)) / 2
        if pause:
            self.closing.wait(pause)
        path = request.path.removeprefix(ENTERPRISE) if request.path.startswith(f"{ENTERPRISE}/") else request.path
        path = "/graphql" if path == "/api/graphql" else path
        fault = self._faults.due(f"{request.method} {path}")
        if fault is not None and fault.kind is FaultKind.NEVER_ARRIVED:
            self._observe(request, None)
            return Reply(dropped=True, delay=pause + fault.seconds)
        with self.state.lock:
            answer = self._answer(request, path, fault)
        replaced = fault is not None and fault.kind not in CARRIED_OUT
        self._observe(request, None if replaced else answer)
        dropped = fault is not None and fault.kind is FaultKind.ANSWER_LOST
        slow = fault.seconds if fault is not None and (dropped or fault.kind is FaultKind.SLOW) else 0.0
        body = answer.body if isinstance(answer.body, str | None) else json.dumps(answer.body)
        headers = {"content-type": "application/json; charset=utf-8", **answer.headers}
        return Reply(status=answer.status, body=body, headers=headers, dropped=dropped, delay=pause + slow)

    def _observe(self, request: Recorded, answer: Answer | None) -> None:
        for observer in self.observers:
            observer(request, answer)

    def _answer(self, request: Recorded, path: str, fault: Fault | None) -> Answer:
        headers = {"x-github-media-type": "github.v3; format=json", "x-github-request-id": "C0FF:EE1234"}
        try:
            token = self._token(request)
            if token is not None:
                used_up = bool(token.limit) and token.used >= token.limit
                free = path == "/rate_limit"
                token.used += not (free or used_up)
                rate = github_lookups.rate_of(token)
                headers |= {f"x-ratelimit-{name}": str(value) for name, value in rate.items()}
                if used_up and not free:
                    return github_faults.limit_reached(rate["reset"], headers)
            chosen, call = self._call(request, path, token)
            if fault is not None and fault.kind not in CARRIED_OUT:
                answer = github_faults.answer(fault, chosen.accepts, headers)
            else:
                chosen.authorize(call)
                answer = chosen.handler(call)
        except ApiError as error:
            answer = error.answer
        return Answer(status=answer.status, body=answer.body, headers={**headers, **answer.headers})

    def _token(self, request: Recorded) -> Token | None:
        """Caller; None for anonymous ones."""
        given = request.headers.get("authorization", "")
        if not given:
            return None
        scheme, _, value = given.partition(" ")
        token = self.state.tokens.get(value.strip()) if scheme.lower() in ("token", "bearer") else None
        if token is None:
            raise ApiError(401, "Bad credentials")
        return token

    def _call(self, request: Recorded, path: str, token: Token | None) -> tuple[Route, Call]:
        for known in ROUTES:
            match = known.path.fullmatch(path)
            if known.method == request.method and match:
                call = Call(
                    state=self.state,
                    objects=self._objects(request),
                    path=path,
                    query=request.query,
                    body=_body(request),
                    token=token,
                    arguments=match.groupdict(),
                )
                return known, call
        raise ApiError(404, "Not Found")

    def _objects(self, request: Recorded) -> Objects:
        # Links lead to where the client found us, which from a container is another name than ours.
        origin = f"http://{request.headers.get('host') or self.url.removeprefix('http://')}"
        enterprise = request.path.startswith("/api/")
        return Objects(
            api=f"{origin}{ENTERPRISE}" if enterprise else origin, site=origin if enterprise else "https://github.com"
        )


def _body(request: Recorded) -> Json:
    if not request.content:
        return {}
    if not isinstance(request.body, dict):
        raise ApiError(400, "Problems parsing JSON")
    return request.body
