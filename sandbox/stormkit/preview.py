"""The previews of deployments: what their URLs answer."""

import threading
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from sandbox.stormkit.records import Record
from sandbox.stormkit.state import Generation, StormkitState
from sandbox.web import Reply

PAGE = "<!DOCTYPE html>\n<html><head><title>hello-world</title></head><body><h1>Hello, world!</h1></body></html>\n"
NOT_FOUND_PAGE = (
    "<!DOCTYPE html>\n<html><head><title>Stormkit - Page Not Found</title></head><body><h1>404</h1></body></html>\n"
)
# A protected preview answers every path with this login page and status 200 (recorded: previews).
AUTH_WALL = "<!DOCTYPE html>\n<html><head><title>Stormkit - Password protected deployment</title></head></html>\n"
API_PAGE = "<!DOCTYPE html>\n<html><head><title>Stormkit API</title></head></html>\n"
HTML_HEADERS = {"content-type": "text/html; charset=utf-8"}

# A preview that is requested before its build has ended stays "not found" until it has not been requested for this long
# (observed on v2026.04.17).
NOT_FOUND_CACHE_S = 600.0


@dataclass(kw_only=True, slots=True)
class Preview:
    """What previews answer: status `starting` to the first `after` requests, then `status`.

    `missing` are paths that answer 404. With `auth_wall`, every path answers with the login page. For `delay` and
    `drip` see Reply.
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
    _requests: int = 0

    def answer(self, deployment_id: str, path: str, state: StormkitState) -> Reply:
        """The answer to a request for `path`, which is 404 unless the build has succeeded.

        An empty id stands for a preview whose deployment does not matter.
        """
        headers = {**HTML_HEADERS, **self.headers}
        record = state.records.get(deployment_id)
        if self.auth_wall:
            return Reply(body=AUTH_WALL, headers=HTML_HEADERS)
        if record is not None and record.deleted:
            record = None
        if record is not None and state.generation is Generation.APRIL:
            # Recorded (previews): these are on every answer of a deployment, including its 404s.
            headers = {**headers, "server": "Stormkit", "x-sk-version": record.id}
        if (deployment_id and (record is None or not _is_up(record, state))) or path in self.missing:
            return Reply(status=404, body=NOT_FOUND_PAGE, headers=headers)
        with self._lock:
            self._requests += 1
            is_started = self._requests > self.after
        return Reply(
            status=self.status if is_started else self.starting,
            body=self.body,
            headers=headers,
            delay=self.delay,
            drip=self.drip,
        )


def _is_up(record: Record, state: StormkitState) -> bool:
    """Whether the build has succeeded, and the preview was not requested before that."""
    now = state.clock()
    has_succeeded = record.status(now) == "success"
    if state.generation is not Generation.APRIL:
        return has_succeeded
    # Recorded (previews): such a preview is still not found after the build has succeeded.
    opened_at = state.opened_early.get(record.id)
    is_up = has_succeeded and (opened_at is None or now - opened_at >= NOT_FOUND_CACHE_S)
    if is_up:
        state.opened_early.pop(record.id, None)
    else:
        state.opened_early[record.id] = now
    return is_up


def resolve_host(host: str, domain: str, state: StormkitState) -> tuple[str, str]:
    """What a host below `domain` serves: `api`, `dashboard`, `preview` with a deployment's id, or "" for nothing.

    An environment's own address serves its live deployment.
    """
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
