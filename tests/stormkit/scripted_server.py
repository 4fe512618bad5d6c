"""A local server that gives prepared answers, and sessions and clients for it."""

import traceback
from collections.abc import Callable, Iterable
from typing import Any

import pytest

from sandbox.web import ReceivedRequest, Reply, Server
from stormkit_action.cancellation import Cancellation
from stormkit_action.clock import Clock, SystemClock
from stormkit_action.errors import StormkitError
from stormkit_action.stormkit.client import StormkitClient
from stormkit_action.stormkit.session import Request, StormkitSession

KEY = "SK_0123456789abcdef"
READ = Request(method="GET", path="/v1/deployments/8241", action="reading deployment 8241")
OK = Reply(body={"ok": True})
BAD_GATEWAY = Reply(status=502, body="<html>Bad Gateway</html>")


class ScriptedServer(Server):
    """Gives `replies` in turn and repeats the last one; a callable gets the request and returns a reply."""

    def __init__(self, *replies: Reply | Callable[[ReceivedRequest], Reply]) -> None:
        super().__init__()
        self._replies = list(replies)

    def handle(self, request: ReceivedRequest) -> Reply:
        reply = self._replies.pop(0) if len(self._replies) > 1 else self._replies[0]
        return reply if isinstance(reply, Reply) else reply(request)


def session(origin: str, clock: Clock | None = None, *, secrets: Iterable[str] = ()) -> StormkitSession:
    """A session with `origin`, on the real clock unless another is given."""
    return StormkitSession(
        origin=origin, api_key=KEY, clock=clock or SystemClock(Cancellation()), secrets=tuple(secrets)
    )


def error_of(origin: str, request: Request = READ, **options: float) -> StormkitError:
    """The error of a request that must fail; it must not contain the key."""
    with pytest.raises(StormkitError) as caught:
        session(origin).send(request, **options)
    assert_no_key(caught.value)
    return caught.value


def assert_no_key(error: BaseException) -> None:
    shown = "".join(traceback.format_exception(error)) + repr(error) + str(error) + repr(vars(error))
    assert KEY not in shown
    assert "SK_" not in shown


def client(origin: str, clock: Clock | None = None, *, env_id: str = "") -> StormkitClient:
    return StormkitClient(session(origin, clock), env_id=env_id)


def page(*rows: Any, more: bool = False) -> Reply:
    return Reply(body={"deployments": list(rows), "hasNextPage": more})
