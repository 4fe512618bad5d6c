"""The sites that deployments are previewed on."""

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field

from sandbox.stormkit.state import StormkitState
from sandbox.web import Reply

PAGE = "<!DOCTYPE html>\n<html><head><title>hello-world</title></head><body><h1>Hello, world!</h1></body></html>\n"
NOT_THERE = "<!DOCTYPE html>\n<html><head><title>Not found</title></head><body><h1>404</h1></body></html>\n"


@dataclass(kw_only=True, slots=True)
class Preview:
    """What the previews answer: `starting` to the first `after` requests, then `status`.

    `delay` is in seconds, `drip` those over which the body is spread. A redirect's `location` is among the `headers`.
    """

    status: int = 200
    after: int = 0
    starting: int = 503
    body: str | bytes = PAGE
    headers: Mapping[str, str] = field(default_factory=dict)
    delay: float = 0.0
    drip: float = 0.0
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)
    _asked: int = 0

    def answer(self, deployment_id: str, state: StormkitState) -> Reply:
        """The site's answer. Only a successful build has one; an empty id stands for any deployment's."""
        headers = {"content-type": "text/html; charset=utf-8", **self.headers}
        record = state.records.get(deployment_id)
        built = record is not None and not record.deleted and record.status(state.clock()) == "success"
        if deployment_id and not built:
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
