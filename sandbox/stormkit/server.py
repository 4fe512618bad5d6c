"""A local Stormkit: its Deployments API over HTTP, with builds that take time, previews and injected faults."""

import math
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any

from sandbox.events import HEAD_BRANCH, HEAD_SHA
from sandbox.faults import Rules
from sandbox.stormkit.api import Calls, route
from sandbox.stormkit.builds import Build, Outcome, Step
from sandbox.stormkit.faults import (
    CARRIED_OUT,
    TRIGGER_ONLY,
    Fault,
    FaultKind,
    altered,
    replacement,
    with_unknown_status,
)
from sandbox.stormkit.preview import API_PAGE, HTML_HEADERS, NOT_FOUND_PAGE, Preview, resolve_host
from sandbox.stormkit.records import App, Commit, Deployment, Environment, Publication, Record
from sandbox.stormkit.responses import AnswerOptions, JsonBuilder, encoded, refusal
from sandbox.stormkit.state import Generation, Key, KeyScope, Refusal, StormkitState
from sandbox.web import ReceivedRequest, Reply, Server

__all__ = [
    "APP_ID",
    "ENV_ID",
    "ENV_KEY",
    "TEAM_ID",
    "USER_KEY",
    "AnswerOptions",
    "Build",
    "Deployment",
    "FaultKind",
    "Generation",
    "KeyScope",
    "Outcome",
    "Step",
    "Stormkit",
]

ENV_ID, APP_ID, TEAM_ID = "305", "1510", "77"
ENV_KEY, USER_KEY = "SK_sandbox", "SK_user"
OPERATIONS = frozenset(
    (
        "trigger",
        "poll",
        "read",
        "log",
        "list",
        "publish",
        "restart",
        "stop",
        "delete",
        "preview",
    )
)

# How long ago a deployment of `add_deployment` ended by default.
DEFAULT_AGE_S = 600.0


class Stormkit(Server):
    """A server with the app "hello-world", its environment "production" and a repository with two branches.

    `clock` returns monotonic seconds; the server's wall clock is `skew` seconds fast. `answers` configures how answers
    differ from the usual ones, `latency` by how many seconds they are delayed.
    """

    name = "stormkit"

    def __init__(
        self,
        *,
        generation: Generation = Generation.NEWER,
        clock: Callable[[], float] = time.monotonic,
        skew: float = 0.0,
        port: int = 0,
        host: str = "127.0.0.1",
    ) -> None:
        super().__init__(port=port, host=host)
        self.state = StormkitState(generation=Generation(generation), clock=clock, skew=skew)
        self.answers = AnswerOptions()
        self.default_build = Build()
        self.latency = 0.0
        self._app = App(id=APP_ID, name="hello-world", team_id=TEAM_ID, repository=self.state.repository)
        self._next_builds: deque[Build] = deque()
        self._faults: Rules[Fault] = Rules()
        self._late: list[tuple[float, Callable[[], object]]] = []
        self._before_answer: Rules[Callable[[], object]] = Rules()
        self._preview = Preview()
        self._calls = Calls(self.state, self._started_build)
        self.add_environment(ENV_ID, name="production")
        self.add_key(ENV_KEY)
        self.add_key(USER_KEY, scope=KeyScope.USER)

    @property
    def builds(self) -> int:
        """The number of builds that have been started, including restarts."""
        self._carry_out_late()
        with self.state.lock:
            now = self.state.clock()
            unbuilt = [
                record for record in self.state.records.values() if record.queued_late and not record.built_by(now)
            ]
            return self.state.builds - len(unbuilt)

    @property
    def deployments(self) -> list[Deployment]:
        """The current state of all deployments, oldest first, including those that are `deleted`."""
        self._carry_out_late()
        with self.state.lock:
            self.state.publish_finished()
            return [self.state.current(record) for record in self.state.records.values()]

    def deployment(self, deployment_id: str) -> Deployment:
        """The current state of a deployment."""
        with self.state.lock:
            self.state.publish_finished()
            return self.state.current(self.state.records[deployment_id])

    def live(self, env_id: str = ENV_ID) -> str:
        """The id of the deployment that is live in an environment, "" if none is."""
        with self.state.lock:
            self.state.publish_finished()
            return self.state.environments[env_id].live(self.state.clock())

    def add_environment(
        self,
        env_id: str,
        *,
        name: str,
        app_id: str = APP_ID,
        app_name: str = "hello-world",
        team_id: str = TEAM_ID,
        auto_publish: bool = False,
        **configuration: Any,
    ) -> Environment:
        """Create an environment, by default in the same app. `configuration` sets more fields of Environment."""
        app = replace(self._app, id=app_id, name=app_name, team_id=team_id)
        environment = Environment(id=env_id, name=name, app=app, auto_publish=auto_publish, **configuration)
        self.state.environments[env_id] = environment
        return environment

    def remove_environment(self, env_id: str = ENV_ID) -> None:
        """Delete an environment but not its keys."""
        del self.state.environments[env_id]

    def add_key(
        self, value: str, *, scope: KeyScope | str = KeyScope.ENVIRONMENT, env_id: str = "", owner: str = ""
    ) -> None:
        """Add a key. `owner` is the id of its environment, app or team; the default is the sandbox's own."""
        owners = {KeyScope.ENVIRONMENT: env_id or ENV_ID, KeyScope.APP: APP_ID, KeyScope.TEAM: TEAM_ID}
        scope = KeyScope(scope)
        self.state.keys[value] = Key(value=value, scope=scope, owner=owner or owners.get(scope, ""))

    def push(
        self, branch: str, sha: str, *, author: str = "The Octocat", message: str = "Work", deploy: bool = False
    ) -> None:
        """Create or move a branch. With `deploy`, deploy it in all environments, as Stormkit's auto-deploy does."""
        self.state.set_tip(branch, Commit(sha=sha, author=author, message=message))
        if deploy:
            with self.state.lock:
                for environment in self.state.environments.values():
                    self._calls.start(environment, branch, auto=True, should_publish=environment.auto_publish)

    def delete_branch(self, branch: str) -> None:
        """Delete a branch. A build that has not checked it out yet will fail."""
        self.state.set_tip(branch, None)

    def next_build(self, **changes: Any) -> None:
        """Configure the next build: `changes` are the fields of Build that differ from `default_build`.

        Several calls configure several builds in order. A restart is a build too.
        """
        self._next_builds.append(_changed(self.default_build, changes))

    def add_deployment(
        self,
        branch: str = HEAD_BRANCH,
        status: str = "success",
        duration: float = 42.0,
        *,
        published: bool = False,
        created_at: datetime | float | None = None,
        env_id: str = ENV_ID,
        auto: bool = False,
        **build: Any,
    ) -> Deployment:
        """Add an earlier deployment: `success`, `failed`, `stopped`, `timeout`, or `running` without an end.

        `created_at` is a datetime or Unix seconds; by default the deployment ended ten minutes ago. `build` sets fields
        of Build, such as `sha`.
        """
        state, environment = self.state, self.state.environments[env_id]
        endless = status in ("running", "stopped")
        if isinstance(created_at, datetime):
            created_at = created_at.timestamp()
        with state.lock:
            now = state.clock()
            tip = environment.app.repository.tip(branch, now)
            fields = {"seconds": math.inf if endless else duration, "sha": tip.sha if tip else HEAD_SHA, "queued": 0.0}
            if status in set(Outcome):
                fields["outcome"] = status
            elif not endless:
                raise ValueError(f"a deployment can't have the status {status!r}")
            started = now - DEFAULT_AGE_S - duration if created_at is None else state.moment(created_at)
            record = Record(
                id=state.next_id(),
                env=environment,
                branch=branch,
                build=_changed(Build(), {**fields, **build}),
                started_at=started,
                auto=auto,
                stopped_at=started + duration if status == "stopped" else None,
                is_april=state.generation is Generation.APRIL,
            )
            if published:
                environment.publications.append(Publication(id=record.id, warms_from=now, at=now))
            return state.current(state.store(record))

    def fault(
        self,
        operation: str,
        kind: FaultKind | str,
        *,
        times: int = 1,
        after: int = 0,
        seconds: float = 0.0,
        carried_out: bool = False,
    ) -> None:
        """Inject a fault into an operation; for its arguments see FaultKind and Fault.

        The first `after` requests are skipped, the next `times` affected. The operation `log` is a read that asks for
        the build log.
        """
        kind = FaultKind(kind)
        if kind in TRIGGER_ONLY and operation != "trigger":
            raise ValueError(f"only a trigger can have the fault {kind}, which is about the build queue")
        self._faults.add(
            _pattern(operation), Fault(kind=kind, seconds=seconds, carried_out=carried_out), times=times, after=after
        )

    def clear_faults(self) -> None:
        """Remove all injected faults."""
        self._faults = Rules()

    def before_answer(self, operation: str, action: Callable[[], object], *, times: int = 1, after: int = 0) -> None:
        """Call `action` after an operation has been carried out and before its answer is sent."""
        self._before_answer.add(_pattern(operation), action, times=times, after=after)

    def preview(self, status: int = 200, after: int = 0, **changes: Any) -> None:
        """Set what previews answer: `status`, after the first `after` requests. `changes` are fields of Preview."""
        self._preview = Preview(status=status, after=after, **changes)

    def now(self) -> float:
        return self.state.unix_time(self.state.clock())

    def handle(self, request: ReceivedRequest) -> Reply:
        operation, deployment_id = route(request)
        self._carry_out_late()
        fault = None
        if operation == "read" and request.query.get("logs") == "true":
            fault = self._faults.effect_on("log")
        if fault is None:
            fault = self._faults.effect_on(operation)
        if fault is None:
            reply = self._reply(operation, deployment_id, request)
        elif fault.kind in CARRIED_OUT:
            reply = self._reply(
                operation, deployment_id, request, has_unknown_status=fault.kind is FaultKind.UNKNOWN_STATUS
            )
            reply = altered(fault, reply)
        else:
            if fault.kind in (FaultKind.UNQUEUED_500, FaultKind.UNQUEUED_404):
                self._reply("unqueued", "", request)
            elif fault.kind is FaultKind.QUEUED_LATE:
                self._queue_late(fault.seconds, request)
            elif fault.kind is FaultKind.GATEWAY_LATE:
                due = self.state.clock() + fault.seconds
                self._late.append((due, lambda: self._reply(operation, deployment_id, request)))
            elif fault.kind is FaultKind.LATE:
                arguments = (fault.seconds, operation, deployment_id, request)
                threading.Thread(target=self._carry_out_after, args=arguments).start()
            elif fault.carried_out:
                self._reply(operation, deployment_id, request)
            reply = _encoded(replacement(fault, self.state.generation, self.now()))
        action = self._before_answer.effect_on(operation)
        if action:
            action()
        return replace(reply, delay=reply.delay + self.latency)

    def _carry_out_late(self) -> None:
        """Carry out the requests that were answered with GATEWAY_LATE and are due by now."""
        with self.state.lock:
            now = self.state.clock()
            due = [action for moment, action in self._late if moment <= now]
            self._late = [(moment, action) for moment, action in self._late if moment > now]
        for action in due:
            action()

    def _queue_late(self, seconds: float, request: ReceivedRequest) -> None:
        """Store a deployment that begins to build when the queue works again, in `seconds`."""
        with self.state.lock:
            before = len(self.state.records)
            self._reply("trigger", "", request)
            for record in list(self.state.records.values())[before:]:
                build = record.build
                record.build = replace(build, queued=build.queue_seconds + seconds, seconds=build.seconds + seconds)
                record.queued_late = True

    def _carry_out_after(self, seconds: float, operation: str, deployment_id: str, request: ReceivedRequest) -> None:
        if not self.closing.wait(seconds):
            self._reply(operation, deployment_id, request)

    def _reply(
        self, operation: str, deployment_id: str, request: ReceivedRequest, *, has_unknown_status: bool = False
    ) -> Reply:
        """Carry out a request and return the answer, with its body as bytes."""
        try:
            with self.state.lock:
                self.state.publish_finished()
                other_host_reply = self._other_host_reply(request)
                if other_host_reply is not None:
                    return other_host_reply
                if operation == "preview":
                    return self._preview.answer(deployment_id, request.path, self.state)
                origin = f"http://{request.headers.get('host') or self.url.partition('://')[2]}"
                builder = JsonBuilder(generation=self.state.generation, answers=self.answers, origin=origin)
                status, body = self._calls.answer(operation, deployment_id, request, builder)
        except Refusal as refused:
            headers = {}
            if refused.text is not None:
                # Recorded (refusals): a 404 without a route is plain text, a 405 has neither a body nor a type.
                headers["content-type"] = "text/plain; charset=utf-8" if refused.status == 404 else ""
            return _encoded(Reply(status=refused.status, body=refusal(self.state.generation, refused), headers=headers))
        return _encoded(Reply(status=status, body=with_unknown_status(body) if has_unknown_status else body))

    def _other_host_reply(self, request: ReceivedRequest) -> Reply | None:
        """The answer of a host other than the API's, None for the API (recorded: previews, refusals)."""
        if not self.answers.domain:
            return None
        kind, deployment_id = resolve_host(request.headers.get("host", ""), self.answers.domain, self.state)
        match kind:
            case "api":
                return Reply(body=API_PAGE, headers={"content-type": "text/html"}) if request.path == "/" else None
            case "dashboard":
                return Reply(status=404, headers={"content-type": "application/json"})
            case "preview" if deployment_id:
                return self._preview.answer(deployment_id, request.path, self.state)
        return Reply(status=404, body=NOT_FOUND_PAGE, headers=HTML_HEADERS)

    def _started_build(self) -> Build:
        """Count a build that starts now, and return it."""
        self.state.builds += 1
        return self._next_builds.popleft() if self._next_builds else self.default_build


def _encoded(reply: Reply) -> Reply:
    """The reply with its JSON as bytes."""
    if isinstance(reply.body, str | bytes):
        return reply
    body = None if reply.body is None else encoded(reply.body)
    return replace(reply, body=body, headers={"content-type": "application/json", **reply.headers})


def _changed(build: Build, changes: dict[str, Any]) -> Build:
    if "outcome" in changes:
        changes = {**changes, "outcome": Outcome(changes["outcome"])}
    return replace(build, **changes)


def _pattern(operation: str) -> str:
    """The pattern that matches only that operation."""
    if operation not in OPERATIONS:
        raise ValueError(f"{operation!r} is not an operation: use one of {', '.join(sorted(OPERATIONS))}")
    return f"^{operation}$"
