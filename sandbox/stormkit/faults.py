"""Faults to order: what Stormkit, a proxy or the network sometimes does instead of answering."""

import math
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from sandbox.stormkit.responses import refusal
from sandbox.stormkit.state import Generation, Refusal
from sandbox.web import Reply

BAD_GATEWAY = "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body><center><h1>502 Bad Gateway</h1></center>"
BAD_GATEWAY += "<hr><center>nginx</center></body>\r\n</html>\r\n"
UNAVAILABLE = BAD_GATEWAY.replace("502 Bad Gateway", "503 Service Temporarily Unavailable")
HTML = {"content-type": "text/html"}

# A status that no client knows.
UNKNOWN = "verifying"


class FaultKind(StrEnum):
    """What goes wrong.

    The request is carried out with `ANSWER_LOST`, `SLOW`, and those that spoil the answer: `GARBAGE`, `EMPTY_OBJECT`
    and `UNKNOWN_STATUS`; with `LATE` only after the connection is gone. `GHOST` is for the trigger only: it stores a
    deployment that never builds, and answers 500.
    """

    ANSWER_LOST = "answer-lost"
    NEVER_ARRIVED = "never-arrived"
    ERROR_500 = "500"
    HTML_502 = "502-html"
    UNAVAILABLE_503 = "503"
    BUSY_HEADER = "429-header"
    BUSY_BODY = "429-body"
    FORBIDDEN_403 = "403"
    NOT_FOUND_404 = "404"
    SLOW = "slow"
    GARBAGE = "garbage"
    EMPTY_OBJECT = "empty-object"
    UNKNOWN_STATUS = "unknown-status"
    GHOST = "ghost"
    LATE = "late"


CARRIED_OUT = (
    FaultKind.ANSWER_LOST,
    FaultKind.SLOW,
    FaultKind.GARBAGE,
    FaultKind.EMPTY_OBJECT,
    FaultKind.UNKNOWN_STATUS,
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Fault:
    """A fault. `seconds` is how long to wait: for the server, or, with 429 and 503, for the client.

    `hidden` is a request that is carried out behind an error that says otherwise, as a proxy that loses patience does.
    """

    kind: FaultKind
    seconds: float = 0.0
    hidden: bool = False


def instead(fault: Fault, generation: Generation) -> Reply:
    """What the client gets of a request that is not carried out."""
    wait = math.ceil(fault.seconds)
    match fault.kind:
        case FaultKind.NEVER_ARRIVED:
            return Reply(dropped=True, delay=fault.seconds)
        case FaultKind.LATE:
            return Reply(dropped=True)
        case FaultKind.HTML_502:
            return Reply(status=502, body=BAD_GATEWAY, headers=HTML, delay=fault.seconds)
        case FaultKind.UNAVAILABLE_503:
            return Reply(status=503, body=UNAVAILABLE, headers={**HTML, **({"retry-after": str(wait)} if wait else {})})
        case FaultKind.BUSY_HEADER:
            return Reply(status=429, body={"error": "too-many-requests"}, headers={"retry-after": str(wait)})
        case FaultKind.BUSY_BODY:
            return Reply(status=429, body={"error": "too-many-requests", "retry": wait})
        case FaultKind.FORBIDDEN_403:
            return Reply(status=403, body=refusal(generation, Refusal(403)))
        case FaultKind.NOT_FOUND_404:
            return Reply(status=404, body=refusal(generation, Refusal(404)))
    # ERROR_500, and GHOST after its deployment was stored.
    return Reply(status=500, body=refusal(generation, Refusal(500)), delay=fault.seconds)


def spoiled(fault: Fault, reply: Reply) -> Reply:
    """What the client gets of the answer to a request that was carried out."""
    match fault.kind:
        case FaultKind.ANSWER_LOST:
            return replace(reply, dropped=True, delay=fault.seconds)
        case FaultKind.GARBAGE:
            return replace(reply, body=reply.content[: len(reply.content) // 2], delay=fault.seconds)
        case FaultKind.EMPTY_OBJECT:
            return replace(reply, body=b"{}", delay=fault.seconds)
    return replace(reply, delay=fault.seconds)


def with_unknown_status(body: Any) -> Any:
    """An answer in which every deployment has a status that nobody knows."""
    if not isinstance(body, dict):
        return body
    if isinstance(body.get("deployments"), list):
        return {**body, "deployments": [with_unknown_status(row) for row in body["deployments"]]}
    if isinstance(body.get("deployment"), dict):
        return {**body, "deployment": with_unknown_status(body["deployment"])}
    return {**body, "status": UNKNOWN}
