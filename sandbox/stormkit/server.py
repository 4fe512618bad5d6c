"""A local Stormkit: its Deployments API over HTTP, with builds that take time, previews, and faults to order."""

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
from sandbox.stormkit.faults import CARRIED_OUT, TRIGGER_ONLY, Fault, FaultKind, instead, spoiled, with_unknown_status
from sandbox.stormkit.preview import API_PAGE, HTML, NOT_THERE, Preview, of_host
from sandbox.stormkit.records import App, Commit, Deployment, Environment, Publication, Record
from sandbox.stormkit.responses import Answers, Objects, encoded, refusal
from sandbox.stormkit.state import Generation, Key, KeyScope, Refusal, StormkitState
from sandbox.web import ReceivedRequest, Reply, Server

__all__ = [
    "APP_ID",
    "ENV_ID",
    "ENV_KEY",
    "TEAM_ID",
    "USER_KEY",
    "Answers",
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
        "prioritize",
        "runtime-logs",
    )
)

# How long ago a deployment of the history ended by default.
AGO_S = 600.0


class Stormkit(Server):
    """A server with the app "hello-world", its environment "production" and a repository with two branches.

    `clock` gives the monotonic seconds that builds take; `skew` is how far the server's wall clock goes fast.
    `answers` is what is unusual about its answers, `latency` the seconds that each of them takes longer.
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
        self.answers = Answers()
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
        """How many builds were ever started, restarts included."""
        self._carry_out_late()
        with self.state.lock:
            now = self.state.clock()
            unbuilt = [
                record for record in self.state.records.values() if record.queued_late and not record.built_by(now)
            ]
            return self.state.builds - len(unbuilt)

    @property
    def deployments(self) -> list[Deployment]:
        """Every deployment as it stands now, oldest first, with those that are `deleted`."""
        self._carry_out_late()
        with self.state.lock:
            self.state.settle()
            return [self.state.look(record) for record in self.state.records.values()]

    def deployment(self, deployment_id: str) -> Deployment:
        """That deployment as it stands now."""
        with self.state.lock:
            self.state.settle()
            return self.state.look(self.state.records[deployment_id])

    def live(self, env_id: str = ENV_ID) -> str:
        """Id of the deployment that is live in that environment, "" when its site is down."""
        with self.state.lock:
            self.state.settle()
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
        """Create an environment, by default of the same app. `configuration` are more fields of Environment."""
        app = replace(self._app, id=app_id, name=app_name, team_id=team_id)
        environment = Environment(id=env_id, name=name, app=app, auto_publish=auto_publish, **configuration)
        self.state.environments[env_id] = environment
        return environment

    def remove_environment(self, env_id: str = ENV_ID) -> None:
        """Delete an environment; its keys stay."""
        del self.state.environments[env_id]

    def add_key(
        self, value: str, *, scope: KeyScope | str = KeyScope.ENVIRONMENT, env_id: str = "", owner: str = ""
    ) -> None:
        """Accept a key. `owner` is the id of its environment, app or team, by default the sandbox's own."""
        owners = {KeyScope.ENVIRONMENT: env_id or ENV_ID, KeyScope.APP: APP_ID, KeyScope.TEAM: TEAM_ID}
        scope = KeyScope(scope)
        self.state.keys[value] = Key(value=value, scope=scope, owner=owner or owners.get(scope, ""))

    def push(
        self, branch: str, sha: str, *, author: str = "The Octocat", message: str = "Work", deploy: bool = False
    ) -> None:
        """Create or move a branch; `deploy` it as Stormkit does by itself, in every environment of the repository."""
        self.state.move(branch, Commit(sha=sha, author=author, message=message))
        if deploy:
            with self.state.lock:
                for environment in self.state.environments.values():
                    self._calls.start(environment, branch, auto=True, should_publish=environment.auto_publish)

    def delete_branch(self, branch: str) -> None:
        """Delete a branch. Builds that have not checked it out yet fail."""
        self.state.move(branch, None)

    def next_build(self, **changes: Any) -> None:
        """Set the next build that starts, by the fields of Build that differ from `default_build`.

        Several calls are for several builds; a restart is one.
        """
        self._next_builds.append(_build(self.default_build, changes))

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
        """Add history: a deployment that is `success`, `failed`, `stopped` or `timeout`, or still `running` (for ever).

        `created_at` is a datetime or Unix seconds; by default such that it ended ten minutes ago.
        `build` are fields of Build, `sha` above all.
        """
        state, environment = self.state, self.state.environments[env_id]
        endless = status in ("running", "stopped")
        if isinstance(created_at, datetime):
            created_at = created_at.timestamp()
        with state.lock:
            now = state.clock()
            tip = environment.app.repository.tip(branch, now)
            usual = {"seconds": math.inf if endless else duration, "sha": tip.sha if tip else HEAD_SHA, "queued": 0.0}
            if status in set(Outcome):
                usual["outcome"] = status
            elif not endless:
                raise ValueError(f"a deployment is never {status!r}")
            started = now - AGO_S - duration if created_at is None else state.moment(created_at)
            record = Record(
                id=state.next_id(),
                env=environment,
                branch=branch,
                build=_build(Build(), {**usual, **build}),
                started=started,
                auto=auto,
                stopped=started + duration if status == "stopped" else None,
                recorded=state.generation is Generation.APRIL,
            )
            if published:
                environment.publications.append(Publication(id=record.id, warms_from=now, at=now))
            return state.look(state.store(record))

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
        """Rule a fault: for that operation, not the first `after` times, but the next `times`. See Fault.

        The operation `log` is a read that asks for the build log.
        """
        kind = FaultKind(kind)
        if kind in TRIGGER_ONLY and operation != "trigger":
            raise ValueError(f"only a trigger leaves what {kind} does: a unqueued, or a build that begins late")
        self._faults.add(
            _known(operation), Fault(kind=kind, seconds=seconds, carried_out=carried_out), times=times, after=after
        )

    def clear_faults(self) -> None:
        """Cancel all faults that were ordered."""
        self._faults = Rules()

    def before_answer(self, operation: str, action: Callable[[], object], *, times: int = 1, after: int = 0) -> None:
        """Do something after that operation and before its answer is sent: move a branch, delete a row."""
        self._before_answer.add(_known(operation), action, times=times, after=after)

    def preview(self, status: int = 200, after: int = 0, **changes: Any) -> None:
        """Set what the previews answer: `status`, once `after` requests have found them not up yet. See Preview."""
        self._preview = Preview(status=status, after=after, **changes)

    def now(self) -> float:
        """Unix time of the `Date` header."""
        return self.state.wall(self.state.clock())

    def handle(self, request: ReceivedRequest) -> Reply:
        operation, deployment_id = route(request)
        self._carry_out_late()
        with_log = operation == "read" and request.query.get("logs") == "true"
        fault = (self._faults.effect_on("log") if with_log else None) or self._faults.effect_on(operation)
        if fault is None:
            reply = self._reply(operation, deployment_id, request)
        elif fault.kind in CARRIED_OUT:
            unknown = fault.kind is FaultKind.UNKNOWN_STATUS
            reply = spoiled(fault, self._reply(operation, deployment_id, request, unknown=unknown))
        else:
            if fault.kind in (FaultKind.UNQUEUED_500, FaultKind.UNQUEUED_404):
                self._reply("unqueued", "", request)
            elif fault.kind is FaultKind.QUEUED_LATE:
                self._queue_late(fault.seconds, request)
            elif fault.kind is FaultKind.GATEWAY_LATE:
                due = self.state.clock() + fault.seconds
                self._late.append((due, lambda: self._reply(operation, deployment_id, request)))
            elif fault.kind is FaultKind.LATE:
                threading.Thread(target=self._later, args=(fault, operation, deployment_id, request)).start()
            elif fault.carried_out:
                self._reply(operation, deployment_id, request)
            reply = _sent(instead(fault, self.state.generation, self.now()))
        action = self._before_answer.effect_on(operation)
        if action:
            action()
        return replace(reply, delay=reply.delay + self.latency)

    def _carry_out_late(self) -> None:
        """Carry out the requests that were answered with an error and are due by now."""
        with self.state.lock:
            now = self.state.clock()
            due = [action for at, action in self._late if at <= now]
            self._late = [(at, action) for at, action in self._late if at > now]
        for action in due:
            action()

    def _queue_late(self, seconds: float, request: ReceivedRequest) -> None:
        """Store a deployment that begins to build once the queue is back, in `seconds`."""
        with self.state.lock:
            before = len(self.state.records)
            self._reply("trigger", "", request)
            for record in list(self.state.records.values())[before:]:
                build = record.build
                record.build = replace(build, queued=build.queue + seconds, seconds=build.seconds + seconds)
                record.queued_late = True

    def _later(self, fault: Fault, operation: str, deployment_id: str, request: ReceivedRequest) -> None:
        if not self.closing.wait(fault.seconds):
            self._reply(operation, deployment_id, request)

    def _reply(self, operation: str, deployment_id: str, request: ReceivedRequest, *, unknown: bool = False) -> Reply:
        """The usual answer, in bytes."""
        try:
            with self.state.lock:
                self.state.settle()
                elsewhere = self._elsewhere(request)
                if elsewhere is not None:
                    return elsewhere
                if operation == "preview":
                    return self._preview.answer(deployment_id, request.path, self.state)
                origin = f"http://{request.headers.get('host') or self.url.partition('://')[2]}"
                objects = Objects(generation=self.state.generation, answers=self.answers, origin=origin)
                status, body = self._calls.answer(operation, deployment_id, request, objects)
        except Refusal as refused:
            # Recorded (refusals): 404s without a route are text, a 405 has neither body nor type.
            kind = (
                {404: "text/plain; charset=utf-8", 405: ""}.get(refused.status, "") if refused.text is not None else ""
            )
            headers = {"content-type": kind} if refused.text is not None else {}
            return _sent(Reply(status=refused.status, body=refusal(self.state.generation, refused), headers=headers))
        return _sent(Reply(status=status, body=with_unknown_status(body) if unknown else body))

    def _elsewhere(self, request: ReceivedRequest) -> Reply | None:
        """The answer of another host than the API's, where hosts differ (recorded: previews, refusals)."""
        if not self.answers.domain:
            return None
        kind, deployment_id = of_host(request.headers.get("host", ""), self.answers.domain, self.state)
        match kind:
            case "api":
                return Reply(body=API_PAGE, headers={"content-type": "text/html"}) if request.path == "/" else None
            case "dashboard":
                return Reply(status=404, headers={"content-type": "application/json"})
            case "preview" if deployment_id:
                return self._preview.answer(deployment_id, request.path, self.state)
        return Reply(status=404, body=NOT_THERE, headers=HTML)

    def _started_build(self) -> Build:
        """The build that starts now."""
        self.state.builds += 1
        return self._next_builds.popleft() if self._next_builds else self.default_build


def _sent(reply: Reply) -> Reply:
    """The reply with its JSON as the bytes that go out."""
    if isinstance(reply.body, str | bytes):
        return reply
    body = None if reply.body is None else encoded(reply.body)
    return replace(reply, body=body, headers={"content-type": "application/json", **reply.headers})


def _build(build: Build, changes: dict[str, Any]) -> Build:
    if "outcome" in changes:
        changes = {**changes, "outcome": Outcome(changes["outcome"])}
    return replace(build, **changes)


def _known(operation: str) -> str:
    """The pattern that finds that operation alone."""
    if operation not in OPERATIONS:
        raise ValueError(f"{operation!r} is no operation; there are {', '.join(sorted(OPERATIONS))}")
    return f"^{operation}$"
