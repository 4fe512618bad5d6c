"""A server whose answers are written down, and clients for it."""

from collections.abc import Callable, Iterable
from typing import Any

from sandbox.web import ReceivedRequest, Reply, Server
from stormkit_action.cancellation import Cancellation
from stormkit_action.clock import Clock, SystemClock
from stormkit_action.stormkit.client import StormkitClient
from stormkit_action.stormkit.session import Request, StormkitSession

KEY = "SK_0123456789abcdef"
READ = Request(method="GET", path="/v1/deployments/8241", action="reading deployment 8241")


class Answering(Server):
    """Gives `replies` one after the other, the last one for ever; a callable makes one of the request."""

    def __init__(self, *replies: Reply | Callable[[ReceivedRequest], Reply]) -> None:
        super().__init__()
        self._replies = list(replies)

    def handle(self, request: ReceivedRequest) -> Reply:
        reply = self._replies.pop(0) if len(self._replies) > 1 else self._replies[0]
        return reply if isinstance(reply, Reply) else reply(request)


def session(origin: str, clock: Clock | None = None, *, secrets: Iterable[str] = ()) -> StormkitSession:
    """With the real clock unless told otherwise, which serves where nothing waits."""
    return StormkitSession(
        origin=origin, api_key=KEY, clock=clock or SystemClock(Cancellation()), secrets=tuple(secrets)
    )


def client(origin: str, clock: Clock | None = None, *, env_id: str = "") -> StormkitClient:
    return StormkitClient(session(origin, clock), env_id=env_id)


def page(*rows: Any, more: bool = False) -> Reply:
    return Reply(body={"deployments": list(rows), "hasNextPage": more})
