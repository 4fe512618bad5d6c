"""The sites that deployments are previewed on."""

import threading
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from sandbox.stormkit.records import Record
from sandbox.stormkit.state import Generation, StormkitState
from sandbox.web import Reply

PAGE = "<!DOCTYPE html>\n<html><head><title>hello-world</title></head><body><h1>Hello, world!</h1></body></html>\n"
NOT_THERE = (
    "<!DOCTYPE html>\n<html><head><title>Stormkit - Page Not Found</title></head><body><h1>404</h1></body></html>\n"
)
# The login page that a protected preview answers every path with (documented).
AUTH_WALL = "<!DOCTYPE html>\n<html><head><title>Stormkit - Password protected deployment</title></head></html>\n"
API_PAGE = "<!DOCTYPE html>\n<html><head><title>Stormkit API</title></head></html>\n"
HTML = {"content-type": "text/html; charset=utf-8"}

# A preview that was opened before its build had ended stays missing until nobody has asked for so long (documented).
EARLY_LAG_S = 600.0


@dataclass(kw_only=True, slots=True)
class Preview:
    """What the previews answer: `starting` to the first `after` requests, then `status`.

    `missing` are paths that the site does not have. With `auth_wall` the login page stands before everything.
    `delay` is in seconds, `drip` those over which the body is spread. A redirect's `location` is among the `headers`.
    """

    status: int = 200
    after: int = 0
    starting: int = 503
    body: str | bytes = PAGE
    headers: Mapping[str, str] = field(default_factory=dict)
    missing: Collection[str] = ()
    auth_wall: bool = False
    delay: float = 0.0
    drip: float = 0.0
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)
    _asked: int = 0

    def answer(self, deployment_id: str, path: str, state: StormkitState) -> Reply:
        """The site's answer. Only a successful build has one; an empty id stands for any deployment's."""
        headers = {**HTML, **self.headers}
        record = state.records.get(deployment_id)
        if self.auth_wall:
            return Reply(body=AUTH_WALL, headers=HTML)
        if record is not None and record.deleted:
            record = None
        if record is not None and state.generation is Generation.APRIL:
            # Recorded (previews): on every answer of a deployment, its own 404s included.
            headers = {**headers, "server": "Stormkit", "x-sk-version": record.id}
        if (deployment_id and (record is None or not _is_up(record, state))) or path in self.missing:
            return Reply(status=404, body=NOT_THERE, headers=headers)
        with self._lock:
            self._asked += 1
            up = self._asked > self.after
        return Reply(
            status=self.status if up else self.starting,
            body=self.body,
            headers=headers,
            delay=self.delay,
            drip=self.drip,
        )


def _is_up(record: Record, state: StormkitState) -> bool:
    """Whether its build has ended well, and nobody has opened it before that."""
    now = state.clock()
    up = record.status(now) == "success"
    if state.generation is Generation.APRIL:
        # Recorded (previews): still missing after the success; each look renews it (documented).
        up = up and now - state.opened_early.get(record.id, -EARLY_LAG_S) >= EARLY_LAG_S
        if up:
            state.opened_early.pop(record.id, None)
        else:
            state.opened_early[record.id] = now
    return up


def of_host(host: str, domain: str, state: StormkitState) -> tuple[str, str]:
    """Whose host that is below `domain`: `api`, `dashboard`, `preview` and the deployment's id, or "" for nobody's."""
    name, dot, rest = host.partition(".")
    if not dot or rest != domain:
        return "", ""
    if name == "api":
        return "api", ""
    if name == "stormkit":
        return "dashboard", ""
    app, _, suffix = name.partition("--")
    if suffix.isdecimal():
        return "preview", suffix
    for environment in state.environments.values():
        if environment.app.name == app and suffix in ("", environment.name):
            return "preview", environment.live(state.clock())
    return "", ""
