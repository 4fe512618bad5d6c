"""The calls of Stormkit's API: who may make them and what they do."""

import json
import math
import re
from collections.abc import Callable
from typing import Any

from sandbox.stormkit.builds import Build
from sandbox.stormkit.records import Environment, Record
from sandbox.stormkit.responses import Json, Objects
from sandbox.stormkit.state import Generation, Key, KeyScope, Refusal, StormkitState
from sandbox.web import Recorded

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


def route(request: Recorded) -> tuple[str, str]:
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

    def answer(self, operation: str, deployment_id: str, request: Recorded, objects: Objects) -> tuple[int, Json]:
        """Status and body. Raises Refusal."""
        if not operation or (operation in _NEWER_ONLY and self._state.generation is Generation.OLDER):
            raise Refusal(404)
        key = self._key(request)
        body = _body(request) if request.method == "POST" else {}
        environment = self._environment(key, body if request.method == "POST" else request.query)
        if operation == "ghost":
            self._state.store(self._new(environment, _branch(body, environment), Build(seconds=math.inf), ghost=True))
            raise Refusal(500)
        if operation == "trigger":
            return 201, objects.triggered(self._state.look(self._trigger(environment, body)))
        if operation == "list":
            return 200, self._list(environment, request, objects)
        record = self._state.records.get(deployment_id)
        if record is None or record.deleted or record.env.id != environment.id:
            raise Refusal(404)
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

    def start(
        self, environment: Environment, branch: str, *, auto: bool = False, should_publish: bool = False
    ) -> Record:
        """Start a build."""
        record = self._new(environment, branch, self._next_build(), auto=auto, should_publish=should_publish)
        return self._state.store(record)

    def _new(self, environment: Environment, branch: str, build: Build, **more: bool) -> Record:
        state = self._state
        return Record(id=state.next_id(), env=environment, branch=branch, build=build, started=state.clock(), **more)

    def _key(self, request: Recorded) -> Key:
        key = self._state.keys.get(request.headers.get("authorization", "").removeprefix("Bearer ").strip())
        if key is None:
            raise Refusal(403)
        return key

    def _environment(self, key: Key, told: Any) -> Environment:
        """The environment that the call is about: the key's own, or the one it names."""
        env_id = key.owner if key.scope is KeyScope.ENVIRONMENT else str(told.get("envId") or "")
        environment = self._state.environments.get(env_id)
        if environment is None or (key.scope is KeyScope.APP and environment.app.id != key.owner):
            raise Refusal(404)
        if key.scope in (KeyScope.TEAM, KeyScope.USER) and key.owner not in ("", environment.app.team_id):
            raise Refusal(403)
        return environment

    def _trigger(self, environment: Environment, body: Json) -> Record:
        branch, publish = _branch(body, environment), body.get("publish")
        if publish is not None and not isinstance(publish, bool):
            raise Refusal(400, "publish must be a boolean", "publish")
        if self._state.build_minutes_used_up:
            raise Refusal(402)
        self._reachable(environment, branch)
        return self.start(environment, branch, should_publish=publish is True)

    def _reachable(self, environment: Environment, branch: str) -> None:
        repository = environment.app.repository
        if not repository.accessible or repository.tip(branch, self._state.clock()) is None:
            raise Refusal(404, "The repository or the branch is not accessible.")

    def _list(self, environment: Environment, request: Recorded, objects: Objects) -> Json:
        start = request.query.get("from", "")
        offset = int(start) if start.isdecimal() else 0
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
        older = self._state.generation is Generation.OLDER
        # Older servers do not look whether the build is over.
        if record.status(now) != "success" and not (older and record.running(now)):
            raise Refusal(400, "Deployment does not have a successful build and cannot be published.")
        self._state.publish(record, now)
        return None if older else {"status": "publishing"}

    def _restart(self, record: Record) -> None:
        if record.status(self._state.clock()) != "failed":
            raise Refusal(400, "Only failed deployments can be restarted.", "status")
        self._reachable(record.env, record.branch)
        self._state.restart(record, self._next_build())

    def _stop(self, record: Record) -> None:
        now = self._state.clock()
        if record.running(now):
            record.stopped = now

    def _delete(self, record: Record) -> None:
        record.deleted = True
        record.env.forget(record.id, self._state.clock())

    def _prioritize(self, record: Record) -> None:
        now = self._state.clock()
        if record.ghost:
            return
        if record.checkout <= now or not record.running(now):
            raise Refusal(400, "The deployment is already building.")
        record.prioritized = now

    def _runtime_logs(self, record: Record) -> list[Json]:
        if record.status(self._state.clock()) != "success":
            return []
        at = self._state.wall(record.started + record.course.end)
        return [{"timestamp": str(int(at)), "data": "Server is listening on port 3000"}]


def _body(request: Recorded) -> Json:
    if not request.content.strip():
        return {}
    try:
        body = json.loads(request.content)
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise Refusal(400, "The request body is not a JSON object.")
    return body


def _branch(body: Json, environment: Environment) -> str:
    branch = body.get("branch")
    if branch is not None and not isinstance(branch, str):
        raise Refusal(400, "branch must be a string", "branch")
    return branch or environment.branch
