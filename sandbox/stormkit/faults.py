"""Faults to order: what Stormkit, a proxy or the network sometimes does instead of answering."""

import json
import math
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import format_datetime
from enum import StrEnum
from typing import Any

from sandbox.stormkit.api import NO_REPOSITORY
from sandbox.stormkit.preview import NOT_THERE
from sandbox.stormkit.responses import refusal
from sandbox.stormkit.state import Generation, Refusal
from sandbox.web import Reply

HTML = {"content-type": "text/html"}
TEXT = {"content-type": "text/plain; charset=utf-8"}

# What a gateway asks for.
GATEWAY_RETRY_AFTER_S = 60

# A status that no client knows.
UNKNOWN = "verifying"


class FaultKind(StrEnum):
    """What goes wrong.

    The request is carried out with `ANSWER_LOST`, `SLOW`, `EARLY_HINTS`, `GATEWAY_DONE`, and those that spoil the
    answer: `GARBAGE`, `EMPTY_OBJECT` and `UNKNOWN_STATUS`; with `LATE` only after the connection is gone, and with
    `GATEWAY_LATE` so many `seconds` after the error. Three are for the trigger only:
    `UNQUEUED_500` stores a deployment that never builds, and answers 500; `UNQUEUED_404` answers 404 about the repository
    instead; `QUEUED_LATE` answers 500 and stores a deployment that begins to build `seconds` later.
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
    UNQUEUED_500 = "500-unqueued"
    LATE = "late"
    QUEUED_LATE = "500-queued-late"
    UNQUEUED_404 = "404-unqueued"
    GATEWAY_JSON = "502-json"
    GATEWAY_DONE = "502-json-done"
    GATEWAY_LATE = "502-json-late"
    TIMEOUT_503 = "503-timeout"
    INGRESS_404 = "404-ingress"
    WRONG_HOST_404 = "404-html"
    FIREWALL_403 = "403-html"
    PROXY_407 = "407"
    BUSY_DATE = "429-date"
    BUSY_TEXT = "429-text"
    EARLY_HINTS = "103"
    TIMEOUT_408 = "408"
    MISDIRECTED_421 = "421"
    TOO_EARLY_425 = "425"


CARRIED_OUT = (
    FaultKind.ANSWER_LOST,
    FaultKind.SLOW,
    FaultKind.GARBAGE,
    FaultKind.EMPTY_OBJECT,
    FaultKind.UNKNOWN_STATUS,
    FaultKind.EARLY_HINTS,
    FaultKind.GATEWAY_DONE,
)
TRIGGER_ONLY = (FaultKind.UNQUEUED_500, FaultKind.UNQUEUED_404, FaultKind.QUEUED_LATE)


@dataclass(frozen=True, kw_only=True, slots=True)
class Fault:
    """A fault. `seconds` is how long to wait: for the server, or, with 429 and 503, for the client.

    `carried_out` is a request that is carried out behind an error that says otherwise, as a proxy that loses patience does.
    """

    kind: FaultKind
    seconds: float = 0.0
    carried_out: bool = False


def instead(fault: Fault, generation: Generation, now: float) -> Reply:
    """What the client gets of a request that is not carried out. `now` is the server's time in Unix seconds."""
    wait = math.ceil(fault.seconds)
    match fault.kind:
        case FaultKind.NEVER_ARRIVED:
            return Reply(dropped=True, delay=fault.seconds)
        case FaultKind.LATE:
            return Reply(dropped=True)
        case FaultKind.BUSY_HEADER | FaultKind.BUSY_BODY | FaultKind.BUSY_DATE | FaultKind.BUSY_TEXT:
            return _busy(fault.kind, wait, now)
        case FaultKind.TIMEOUT_503:
            # Stormkit's own, while the handler goes on (documented).
            return Reply(status=503, body="timeout", headers=TEXT, delay=fault.seconds)
        case FaultKind.FORBIDDEN_403:
            return Reply(status=403, body=refusal(generation, Refusal(403)))
        case FaultKind.NOT_FOUND_404:
            return Reply(status=404, body=refusal(generation, Refusal(404)))
        case FaultKind.UNQUEUED_404:
            return Reply(status=404, body={"error": NO_REPOSITORY})
        case FaultKind.ERROR_500 | FaultKind.UNQUEUED_500 | FaultKind.QUEUED_LATE:
            delay = 0.0 if fault.kind is FaultKind.QUEUED_LATE else fault.seconds
            return Reply(status=500, body=refusal(generation, Refusal(500)), delay=delay)
    return _from_between(fault, wait)


def _busy(kind: FaultKind, wait: int, now: float) -> Reply:
    """A 429, with one of the ways to say how long to wait."""
    body = {"error": "too-many-requests"}
    match kind:
        case FaultKind.BUSY_BODY:
            return Reply(status=429, body={**body, "retry": wait})
        case FaultKind.BUSY_DATE:
            date = format_datetime(datetime.fromtimestamp(now + wait, UTC), usegmt=True)
            return Reply(status=429, body=body, headers={"retry-after": date})
        case FaultKind.BUSY_TEXT:
            headers = {**TEXT, "x-ratelimit-reset": str(int(now) + wait)}
            return Reply(status=429, body="Too many requests", headers=headers)
    return Reply(status=429, body=body, headers={"retry-after": str(wait)})


def _from_between(fault: Fault, wait: int) -> Reply:
    """What a gateway, a proxy or a firewall answers in Stormkit's place."""
    retry_after = {"retry-after": str(wait)} if wait else {}
    match fault.kind:
        case FaultKind.HTML_502:
            return Reply(status=502, body=_page("502 Bad Gateway"), headers=HTML, delay=fault.seconds)
        case FaultKind.UNAVAILABLE_503:
            body = _page("503 Service Temporarily Unavailable")
            return Reply(status=503, body=body, headers={**HTML, **retry_after})
        case FaultKind.GATEWAY_JSON | FaultKind.GATEWAY_LATE:
            return _gateway_error()
        case FaultKind.INGRESS_404:
            return Reply(status=404, body="default backend - 404", headers=TEXT)
        case FaultKind.WRONG_HOST_404:
            return Reply(status=404, body=NOT_THERE, headers=HTML)
        case FaultKind.FIREWALL_403:
            return Reply(status=403, body=_page("403 Forbidden"), headers=HTML)
        case FaultKind.PROXY_407:
            headers = {**HTML, "proxy-authenticate": 'Basic realm="proxy"'}
            return Reply(status=407, body=_page("407 Proxy Authentication Required"), headers=headers)
        case FaultKind.TIMEOUT_408:
            return Reply(status=408, body=_page("408 Request Timeout"), headers=HTML)
        case FaultKind.MISDIRECTED_421:
            return Reply(status=421, body=_page("421 Misdirected Request"), headers=HTML)
        case FaultKind.TOO_EARLY_425:
            return Reply(status=425, body=_page("425 Too Early"), headers=HTML)
    raise ValueError(f"{fault.kind} does not stand for an answer")


def _page(title: str) -> str:
    return (
        f"<html>\r\n<head><title>{title}</title></head>\r\n<body><center><h1>{title}</h1></center>"
        "<hr><center>nginx</center></body>\r\n</html>\r\n"
    )


def spoiled(fault: Fault, reply: Reply) -> Reply:
    """What the client gets of the answer to a request that was carried out."""
    match fault.kind:
        case FaultKind.ANSWER_LOST:
            return replace(reply, dropped=True, delay=fault.seconds)
        case FaultKind.GARBAGE if reply.status < 400:
            return replace(reply, body=reply.content[: len(reply.content) // 2], delay=fault.seconds)
        case FaultKind.EMPTY_OBJECT:
            return replace(reply, body=b"{}", delay=fault.seconds)
        case FaultKind.GATEWAY_DONE:
            return _gateway_error()
        case FaultKind.EARLY_HINTS:
            return replace(reply, early_hints=True, delay=fault.seconds)
    return replace(reply, delay=fault.seconds)


def _gateway_error() -> Reply:
    """A gateway's error for clients that accept JSON: problem details (RFC 9457), and `Retry-After` of a minute."""
    body = {
        "type": "about:blank",
        "title": "Error 502: Bad gateway",
        "status": 502,
        "detail": "The origin web server returned an invalid or incomplete response.",
        "retryable": True,
        "retry_after": GATEWAY_RETRY_AFTER_S,
    }
    headers = {"content-type": "application/json", "retry-after": str(GATEWAY_RETRY_AFTER_S)}
    return Reply(status=502, body=json.dumps(body), headers=headers)


def with_unknown_status(body: Any) -> Any:
    """The answer with a status that no client knows in every deployment."""
    if not isinstance(body, dict):
        return body
    if isinstance(body.get("deployments"), list):
        return {**body, "deployments": [with_unknown_status(row) for row in body["deployments"]]}
    if isinstance(body.get("deployment"), dict):
        return {**body, "deployment": with_unknown_status(body["deployment"])}
    return {**body, "status": UNKNOWN}
