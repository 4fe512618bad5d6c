"""The calls of Stormkit's API: who may make them and what they do."""

import json
import math
import re
from collections.abc import Callable
from typing import Any

from sandbox.stormkit.builds import Build, Outcome
from sandbox.stormkit.records import Environment, Record
from sandbox.stormkit.responses import Json, Objects
from sandbox.stormkit.state import Generation, Key, KeyScope, Refusal, StormkitState
from sandbox.web import ReceivedRequest

PAGE = 20

_ROUTES = (
    ("POST", r"/v1/deploy", "trigger"),
    ("GET", r"/v1/deployments", "list"),
    ("GET", r"/v1/deployments/([^/]+)", "read"),
    ("DELETE", r"/v1/deployments/([^/]+)", "delete"),
    ("GET", r"/v1/deployments/([^/]+)/poll", "poll"),
    ("GET", r"/v1/deployments/([^/]+)/runtime-logs", "runtime-logs"),
    ("POST", r"/v1/deployments/([^/]+)/publish", "publish"),
    ("POST", r"/v1/deployments/([^/]+)/restart", "restart"),
    ("POST", r"/v1/deployments/([^/]+)/stop", "stop"),
    ("POST", r"/v1/deployments/([^/]+)/prioritize", "prioritize"),
)
_NEWER_ONLY = ("prioritize", "runtime-logs")

NO_ROUTE = "404 page not found\n"
NO_REPOSITORY = "Repository is not found or is inaccessible."

# Ids beyond the database's numbers are a 500 (documented), those beyond the program's not found (recorded: refusals).
MAX_DATABASE_ID, MAX_ID = 2**31 - 1, 2**63 - 1

# A stopped runner hears of the stop when it next reports; a restart before that is a 500 and builds all the same.
STOP_LAG_S = 5.0

# The messages of v2026.04.17 (recorded: refusals, publish, restart-after-failure), and those of other servers.
_UNMARSHAL = "Cannot unmarshal request: "
_TRUNCATED = f"{_UNMARSHAL}unexpected end of JSON input"
_KINDS = {
    list: "array",
    int: "number",
    float: "number",
    bool: "bool",
    str: "string",
    type(None): "null",
    dict: "object",
}


def route(request: ReceivedRequest) -> tuple[str, str]:
    """The operation and the deployment's id. What is not the API's is a preview: theirs are origins of their own."""
    for method, pattern, operation in _ROUTES:
        match = re.fullmatch(pattern, request.path)
        if match and method == request.method:
            return operation, match[1] if match.groups() else ""
    if request.path.startswith("/v1/"):
        return "", ""
    match = re.match(r"/preview/(\d+)(?:/|$)", request.path)
    return "preview", match[1] if match else ""


class Calls:
    """Carries calls out; the caller holds the state's lock. `next_build` says how a build goes that starts now."""

    def __init__(self, state: StormkitState, next_build: Callable[[], Build]) -> None:
        self._state = state
        self._next_build = next_build

    def answer(
        self, operation: str, deployment_id: str, request: ReceivedRequest, objects: Objects
    ) -> tuple[int, Json]:
        """Status and body. Raises Refusal."""
        self._check_route(operation, deployment_id, request)
        key = self._key(request)
        body = self._body(operation, request) if request.method == "POST" else {}
        environment = self._environment(key, body if request.method == "POST" else request.query)
        if operation == "unqueued":
            self._state.store(
                self._new(environment, _branch(body, environment), Build(seconds=math.inf), unqueued=True)
            )
            raise Refusal(500)
        if operation == "trigger":
            return 201, objects.triggered(self._state.look(self._trigger(environment, body)))
        if operation == "list":
            return 200, self._list(environment, request, objects)
        record = self._state.records.get(deployment_id)
        if record is None or record.deleted or record.env.id != environment.id:
            raise Refusal(500 if MAX_DATABASE_ID < int(deployment_id) <= MAX_ID else 404)
        match operation:
            case "read":
                logs = request.query.get("logs") == "true"
                return 200, {"deployment": objects.deployment(self._state.look(record), logs=logs)}
            case "poll":
                return 200, {"status": objects.status(self._state.look(record))}
            case "runtime-logs":
                return 200, {"logs": self._runtime_logs(record), "hasNextPage": False}
        change: dict[str, Callable[[Record], Json | None]] = {
            "publish": self._publish,
            "restart": self._restart,
            "stop": self._stop,
            "delete": self._delete,
            "prioritize": self._prioritize,
        }
        return 200, {"ok": True, **(change[operation](record) or {})}

    def _check_route(self, operation: str, deployment_id: str, request: ReceivedRequest) -> None:
        """Refuse what no route is for, before any key is looked at (recorded: refusals)."""
        newer = self._state.generation is Generation.NEWER
        if operation in self._state.missing_routes or (operation in _NEWER_ONLY and not newer):
            raise Refusal(404, text=NO_ROUTE)
        if deployment_id and not deployment_id.isdecimal():
            raise Refusal(404, text=NO_ROUTE)
        if not operation:
            other_methods = any(
                re.fullmatch(pattern, request.path) for _, pattern, name in _ROUTES if newer or name not in _NEWER_ONLY
            )
            raise Refusal(405 if other_methods else 404, text="" if other_methods else NO_ROUTE)

    def _body(self, operation: str, request: ReceivedRequest) -> Json:
        """The request's JSON. Raises Refusal."""
        if not request.content.strip() and operation not in ("trigger", "unqueued"):
            return {}
        try:
            body = json.loads(request.content)
        except ValueError:
            raise Refusal(400, _TRUNCATED, "error") from None
        if not isinstance(body, dict):
            into = "Go value of type publicapiv1.DeploymentCreateRequest"
            raise Refusal(400, f"{_UNMARSHAL}json: cannot unmarshal {_KINDS[type(body)]} into {into}", "error")
        return body

    def start(
        self, environment: Environment, branch: str, *, auto: bool = False, should_publish: bool = False
    ) -> Record:
        """Start a build."""
        record = self._new(environment, branch, self._next_build(), auto=auto, should_publish=should_publish)
        return self._state.store(record)

    def _new(self, environment: Environment, branch: str, build: Build, **more: Any) -> Record:
        state = self._state
        recorded = state.generation is Generation.APRIL
        record = Record(
            id=state.next_id(),
            env=environment,
            branch=branch,
            build=build,
            started=state.clock(),
            recorded=recorded,
            **more,
        )
        state.limit(record)
        return record

    def _key(self, request: ReceivedRequest) -> Key:
        key = self._state.keys.get(request.headers.get("authorization", "").removeprefix("Bearer ").strip())
        if key is None:
            raise Refusal(403)
        return key

    def _environment(self, key: Key, parameters: Any) -> Environment:
        """The environment that the call is about: the key's own, or the one it names."""
        env_id = key.owner if key.scope is KeyScope.ENVIRONMENT else parameters.get("envId")
        # A number in the body is no id (documented).
        environment = self._state.environments.get(env_id) if isinstance(env_id, str) else None
        if environment is None:
            raise Refusal(404)
        if key.scope is KeyScope.APP and environment.app.id != key.owner:
            raise Refusal(403)
        if key.scope in (KeyScope.TEAM, KeyScope.USER) and key.owner not in ("", environment.app.team_id):
            raise Refusal(403)
        return environment

    def _trigger(self, environment: Environment, body: Json) -> Record:
        branch, publish = _branch(body, environment), body.get("publish")
        if publish is not None and not isinstance(publish, bool):
            into = "Go struct field DeploymentCreateRequest.publish of type bool"
            raise Refusal(400, f"{_UNMARSHAL}json: cannot unmarshal {_KINDS[type(publish)]} into {into}", "error")
        if self._state.build_minutes_used_up:
            raise Refusal(402)
        self._reachable(environment)
        return self.start(environment, branch, should_publish=publish is True)

    def _reachable(self, environment: Environment) -> None:
        """The repository is looked up, the branch never: it fails the build (recorded: deploy-missing-branch).

        The recorded server starts the build without access, too (recorded: repository-inaccessible).
        """
        if self._state.generation is not Generation.APRIL and not environment.app.repository.accessible:
            raise Refusal(404, NO_REPOSITORY)

    def _list(self, environment: Environment, request: ReceivedRequest, objects: Objects) -> Json:
        offset = _offset(request.query.get("from", ""))
        branch = request.query.get("branch", "")
        rows = [
            record
            for record in reversed(self._state.records.values())
            if record.env.id == environment.id and not record.deleted and branch in ("", record.branch)
        ]
        page = [objects.deployment(self._state.look(record)) for record in rows[offset : offset + PAGE]]
        return {"deployments": page, "hasNextPage": len(rows) > offset + PAGE}

    def _publish(self, record: Record) -> Json | None:
        now = self._state.clock()
        newer = self._state.generation is Generation.NEWER
        # Older servers do not look whether the build is over, nor whether its status checks passed (recorded: publish).
        if record.status(now) != "success" and (newer or not (record.running(now) or _built(record, now))):
            raise Refusal(400, "Deployment must have a successful build before it can be published")
        self._state.publish(record, now)
        self._state.opened_early.clear()
        return {"status": "publishing"} if newer else None

    def _restart(self, record: Record) -> None:
        if record.status(self._state.clock()) != "failed":
            named = "" if record.recorded else "status"
            raise Refusal(400, "Only failed deployments can be restarted", named)
        self._reachable(record.env)
        stopped = record.stopped
        self._state.restart(record, self._next_build())
        if record.recorded and stopped is not None and record.started - stopped < STOP_LAG_S:
            raise Refusal(500)

    def _stop(self, record: Record) -> None:
        now = self._state.clock()
        if record.running(now):
            record.stopped = now

    def _delete(self, record: Record) -> None:
        record.deleted = True
        self._state.opened_early.clear()
        record.env.forget(record.id, self._state.clock())

    def _prioritize(self, record: Record) -> None:
        now = self._state.clock()
        if record.unqueued:
            return
        if record.checkout <= now or not record.running(now):
            raise Refusal(400, "The deployment is already building.")
        record.prioritized = now

    def _runtime_logs(self, record: Record) -> list[Json]:
        if record.status(self._state.clock()) != "success":
            return []
        at = self._state.wall(record.started + record.course.end)
        return [{"timestamp": str(int(at)), "data": "Server is listening on port 3000"}]


def _built(record: Record, moment: float) -> bool:
    """Whether its build itself has succeeded, whatever became of its status checks."""
    return (
        record.recorded
        and record.stopped is None
        and record.course.is_built(moment - record.started)
        and record.course.build.outcome is Outcome.SUCCESS
    )


def _offset(text: str) -> int:
    """Where a page begins (recorded: refusals)."""
    if not text:
        return 0
    try:
        offset = int(text)
    except ValueError:
        raise Refusal(400, "The 'from' parameter must be a valid integer") from None
    if offset < 0:
        raise Refusal(400, "The 'from' parameter cannot be smaller than 0")
    return offset


def _branch(body: Json, environment: Environment) -> str:
    branch = body.get("branch")
    if branch is not None and not isinstance(branch, str):
        into = "Go struct field DeploymentCreateRequest.branch of type string"
        raise Refusal(400, f"{_UNMARSHAL}json: cannot unmarshal {_KINDS[type(branch)]} into {into}", "error")
    return branch or environment.branch
