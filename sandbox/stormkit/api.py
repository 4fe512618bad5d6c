"""The calls of Stormkit's Deployments API: routing, authorization and effects."""

import json
import math
import re
from collections.abc import Callable
from typing import Any

from sandbox.stormkit.builds import Build, Outcome
from sandbox.stormkit.records import Environment, Record
from sandbox.stormkit.responses import Json, JsonBuilder
from sandbox.stormkit.state import Generation, Key, KeyScope, Refusal, StormkitState
from sandbox.web import ReceivedRequest

PAGE_SIZE = 20

_ROUTES = (
    ("POST", r"/v1/deploy", "trigger"),
    ("GET", r"/v1/deployments", "list"),
    ("GET", r"/v1/deployments/([^/]+)", "read"),
    ("DELETE", r"/v1/deployments/([^/]+)", "delete"),
    ("GET", r"/v1/deployments/([^/]+)/poll", "poll"),
    ("POST", r"/v1/deployments/([^/]+)/publish", "publish"),
    ("POST", r"/v1/deployments/([^/]+)/restart", "restart"),
    ("POST", r"/v1/deployments/([^/]+)/stop", "stop"),
)

UNKNOWN_ROUTE = "404 page not found\n"
NO_REPOSITORY = "Repository is not found or is inaccessible."

# Ids that do not fit the database's 32-bit column are answered with 500 (observed on v2026.04.17), ids of more than 64
# bits with 404 (recorded: refusals).
MAX_DATABASE_ID, MAX_ID = 2**31 - 1, 2**63 - 1

# A runner learns of a stop only when it next reports, every 5 s. A restart before that is answered with 500, but builds
# (observed on v2026.04.17).
STOP_DELAY_S = 5.0

# Error messages of v2026.04.17 (recorded: refusals, publish, restart-after-failure).
_UNMARSHAL = "Cannot unmarshal request: "
_TRUNCATED = f"{_UNMARSHAL}unexpected end of JSON input"
_JSON_TYPES = {
    list: "array",
    int: "number",
    float: "number",
    bool: "bool",
    str: "string",
    type(None): "null",
    dict: "object",
}


def route(request: ReceivedRequest) -> tuple[str, str]:
    """The operation and the deployment id of a request, "" for either if there is none.

    A path outside `/v1/` is a preview's: the real previews have hosts of their own.
    """
    for method, pattern, operation in _ROUTES:
        match = re.fullmatch(pattern, request.path)
        if match and method == request.method:
            return operation, match[1] if match.groups() else ""
    if request.path.startswith("/v1/"):
        return "", ""
    match = re.match(r"/preview/(\d+)(?:/|$)", request.path)
    return "preview", match[1] if match else ""


class Calls:
    """Carries out API calls. The caller holds the state's lock. `next_build` returns the build that starts next."""

    def __init__(self, state: StormkitState, next_build: Callable[[], Build]) -> None:
        self._state = state
        self._next_build = next_build

    def answer(
        self, operation: str, deployment_id: str, request: ReceivedRequest, builder: JsonBuilder
    ) -> tuple[int, Json]:
        """Carry out a call and return status and body. Raises Refusal.

        The operation `unqueued` is a trigger whose build can't be queued.
        """
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
            return 201, builder.triggered(self._state.current(self._trigger(environment, body)))
        if operation == "list":
            return 200, self._list(environment, request, builder)
        record = self._state.records.get(deployment_id)
        if record is None or record.deleted or record.env.id != environment.id:
            raise Refusal(500 if MAX_DATABASE_ID < int(deployment_id) <= MAX_ID else 404)
        match operation:
            case "read":
                logs = request.query.get("logs") == "true"
                return 200, {"deployment": builder.deployment(self._state.current(record), logs=logs)}
            case "poll":
                return 200, {"status": builder.status(self._state.current(record))}
        actions: dict[str, Callable[[Record], Json | None]] = {
            "publish": self._publish,
            "restart": self._restart,
            "stop": self._stop,
            "delete": self._delete,
        }
        return 200, {"ok": True, **(actions[operation](record) or {})}

    def _check_route(self, operation: str, deployment_id: str, request: ReceivedRequest) -> None:
        """Refuse requests without a route; Stormkit does so before it checks the key (recorded: refusals)."""
        if operation in self._state.missing_routes:
            raise Refusal(404, text=UNKNOWN_ROUTE)
        if deployment_id and not deployment_id.isdecimal():
            raise Refusal(404, text=UNKNOWN_ROUTE)
        if not operation:
            for _, pattern, _ in _ROUTES:
                if re.fullmatch(pattern, request.path):
                    # The path exists, but not with this method.
                    raise Refusal(405, text="")
            raise Refusal(404, text=UNKNOWN_ROUTE)

    def _body(self, operation: str, request: ReceivedRequest) -> Json:
        """The request's JSON body. Raises Refusal."""
        if not request.content.strip() and operation not in ("trigger", "unqueued"):
            return {}
        try:
            body = json.loads(request.content)
        except ValueError:
            raise Refusal(400, _TRUNCATED, "error") from None
        if not isinstance(body, dict):
            raise _wrong_type(body, "Go value of type publicapiv1.DeploymentCreateRequest")
        return body

    def start(
        self, environment: Environment, branch: str, *, auto: bool = False, should_publish: bool = False
    ) -> Record:
        """Create a deployment and start its build."""
        record = self._new(environment, branch, self._next_build(), auto=auto, should_publish=should_publish)
        return self._state.store(record)

    def _new(self, environment: Environment, branch: str, build: Build, **more: Any) -> Record:
        state = self._state
        record = Record(
            id=state.next_id(),
            env=environment,
            branch=branch,
            build=build,
            started_at=state.clock(),
            is_april=state.generation is Generation.APRIL,
            **more,
        )
        state.set_time_limit(record)
        return record

    def _key(self, request: ReceivedRequest) -> Key:
        key = self._state.keys.get(request.headers.get("authorization", "").removeprefix("Bearer ").strip())
        if key is None:
            raise Refusal(403)
        return key

    def _environment(self, key: Key, parameters: Any) -> Environment:
        """The environment that the call acts on: the key's own, or for other keys the one that `envId` names."""
        env_id = key.owner if key.scope is KeyScope.ENVIRONMENT else parameters.get("envId")
        # An id that is sent as a number is not found (observed on v2026.04.17).
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
            raise _wrong_type(publish, "Go struct field DeploymentCreateRequest.publish of type bool")
        if self._state.build_minutes_used_up:
            raise Refusal(402)
        self._require_repository(environment)
        return self.start(environment, branch, should_publish=publish is True)

    def _require_repository(self, environment: Environment) -> None:
        """Refuse the call if the repository is not accessible.

        v2026.04.17 does not check that (recorded: repository-inaccessible). No server checks whether the branch exists;
        the build of a missing branch fails (recorded: deploy-missing-branch).
        """
        if self._state.generation is not Generation.APRIL and not environment.app.repository.accessible:
            raise Refusal(404, NO_REPOSITORY)

    def _list(self, environment: Environment, request: ReceivedRequest, builder: JsonBuilder) -> Json:
        offset = _offset(request.query.get("from", ""))
        branch = request.query.get("branch", "")
        rows = [
            record
            for record in reversed(self._state.records.values())
            if record.env.id == environment.id and not record.deleted and branch in ("", record.branch)
        ]
        page = [builder.deployment(self._state.current(record)) for record in rows[offset : offset + PAGE_SIZE]]
        return {"deployments": page, "hasNextPage": len(rows) > offset + PAGE_SIZE}

    def _publish(self, record: Record) -> Json | None:
        now = self._state.clock()
        is_newer = self._state.generation is Generation.NEWER
        # Older servers check neither that the build has ended nor that its status checks passed (recorded: publish).
        is_accepted_by_older = record.running(now) or _is_built(record, now)
        if record.status(now) != "success" and (is_newer or not is_accepted_by_older):
            raise Refusal(400, "Deployment must have a successful build before it can be published")
        self._state.publish(record, now)
        self._state.opened_early.clear()
        return {"status": "publishing"} if is_newer else None

    def _restart(self, record: Record) -> None:
        if record.status(self._state.clock()) != "failed":
            field_name = "" if record.is_april else "status"
            raise Refusal(400, "Only failed deployments can be restarted", field_name)
        self._require_repository(record.env)
        stopped_at = record.stopped_at
        self._state.restart(record, self._next_build())
        if record.is_april and stopped_at is not None and record.started_at - stopped_at < STOP_DELAY_S:
            raise Refusal(500)

    def _stop(self, record: Record) -> None:
        now = self._state.clock()
        if record.running(now):
            record.stopped_at = now

    def _delete(self, record: Record) -> None:
        record.deleted = True
        self._state.opened_early.clear()
        record.env.remove(record.id, self._state.clock())


def _is_built(record: Record, moment: float) -> bool:
    """Whether the build has succeeded, regardless of its status checks."""
    return (
        record.is_april
        and record.stopped_at is None
        and record.timeline.is_built(moment - record.started_at)
        and record.timeline.build.outcome is Outcome.SUCCESS
    )


def _offset(text: str) -> int:
    """The offset at which a page of the list begins (recorded: refusals)."""
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
        raise _wrong_type(branch, "Go struct field DeploymentCreateRequest.branch of type string")
    return branch or environment.branch


def _wrong_type(value: object, target: str) -> Refusal:
    """The refusal of a JSON value that has another type than its Go `target`."""
    return Refusal(400, f"{_UNMARSHAL}json: cannot unmarshal {_JSON_TYPES[type(value)]} into {target}", "error")
