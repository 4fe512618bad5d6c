"""The faults that a test can inject: what Stormkit, a proxy or the network sometimes does instead of answering."""

import json
import math
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import format_datetime
from enum import StrEnum
from typing import Any

from sandbox.stormkit.api import NO_REPOSITORY
from sandbox.stormkit.preview import NOT_FOUND_PAGE
from sandbox.stormkit.responses import refusal
from sandbox.stormkit.state import Generation, Refusal
from sandbox.web import Reply

HTML_HEADERS = {"content-type": "text/html"}
TEXT_HEADERS = {"content-type": "text/plain; charset=utf-8"}

# The `Retry-After` of a gateway's error.
GATEWAY_RETRY_AFTER_S = 60

# A status that Stormkit does not have.
UNKNOWN_STATUS = "verifying"


class FaultKind(StrEnum):
    """What goes wrong with a request.

    Those in CARRIED_OUT carry the request out and then change, delay or lose its answer. `LATE` carries it out after
    the connection is closed, `GATEWAY_LATE` a number of `seconds` after the error. The others don't carry it out.

    Those in TRIGGER_ONLY store a deployment although the answer is an error. With `UNQUEUED_500` and `UNQUEUED_404`
    (which says that the repository is not found) it never builds; with `QUEUED_LATE` it is queued after `seconds`.
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
    """A fault. `seconds` is the server's delay, or for 429 and 503 the wait that the answer asks for.

    With `carried_out`, a request is carried out even if its kind of fault would not, as when a proxy times out.
    """

    kind: FaultKind
    seconds: float = 0.0
    carried_out: bool = False


def replacement(fault: Fault, generation: Generation, now: float) -> Reply:
    """The answer that a fault outside CARRIED_OUT sends in place of the real one. `now` is the server's Unix time."""
    wait = math.ceil(fault.seconds)
    match fault.kind:
        case FaultKind.NEVER_ARRIVED:
            return Reply(dropped=True, delay=fault.seconds)
        case FaultKind.LATE:
            return Reply(dropped=True)
        case FaultKind.BUSY_HEADER | FaultKind.BUSY_BODY | FaultKind.BUSY_DATE | FaultKind.BUSY_TEXT:
            return _busy(fault.kind, wait, now)
        case FaultKind.TIMEOUT_503:
            # Stormkit itself answers so when a handler takes more than 30 s (observed on v2026.04.17).
            return Reply(status=503, body="timeout", headers=TEXT_HEADERS, delay=fault.seconds)
        case FaultKind.FORBIDDEN_403:
            return Reply(status=403, body=refusal(generation, Refusal(403)))
        case FaultKind.NOT_FOUND_404:
            return Reply(status=404, body=refusal(generation, Refusal(404)))
        case FaultKind.UNQUEUED_404:
            return Reply(status=404, body={"error": NO_REPOSITORY})
        case FaultKind.ERROR_500 | FaultKind.UNQUEUED_500 | FaultKind.QUEUED_LATE:
            delay = 0.0 if fault.kind is FaultKind.QUEUED_LATE else fault.seconds
            return Reply(status=500, body=refusal(generation, Refusal(500)), delay=delay)
    return _intermediary_answer(fault, wait)


def _busy(kind: FaultKind, wait: int, now: float) -> Reply:
    """A 429 that says how long to wait in the way that `kind` names."""
    body = {"error": "too-many-requests"}
    match kind:
        case FaultKind.BUSY_BODY:
            return Reply(status=429, body={**body, "retry": wait})
        case FaultKind.BUSY_DATE:
            date = format_datetime(datetime.fromtimestamp(now + wait, UTC), usegmt=True)
            return Reply(status=429, body=body, headers={"retry-after": date})
        case FaultKind.BUSY_TEXT:
            headers = {**TEXT_HEADERS, "x-ratelimit-reset": str(int(now) + wait)}
            return Reply(status=429, body="Too many requests", headers=headers)
    return Reply(status=429, body=body, headers={"retry-after": str(wait)})


def _intermediary_answer(fault: Fault, wait: int) -> Reply:
    """The answer of a gateway, proxy or firewall in front of Stormkit."""
    retry_after = {"retry-after": str(wait)} if wait else {}
    match fault.kind:
        case FaultKind.HTML_502:
            return Reply(status=502, body=_page("502 Bad Gateway"), headers=HTML_HEADERS, delay=fault.seconds)
        case FaultKind.UNAVAILABLE_503:
            body = _page("503 Service Temporarily Unavailable")
            return Reply(status=503, body=body, headers={**HTML_HEADERS, **retry_after})
        case FaultKind.GATEWAY_JSON | FaultKind.GATEWAY_LATE:
            return _gateway_error()
        case FaultKind.INGRESS_404:
            return Reply(status=404, body="default backend - 404", headers=TEXT_HEADERS)
        case FaultKind.WRONG_HOST_404:
            return Reply(status=404, body=NOT_FOUND_PAGE, headers=HTML_HEADERS)
        case FaultKind.FIREWALL_403:
            return Reply(status=403, body=_page("403 Forbidden"), headers=HTML_HEADERS)
        case FaultKind.PROXY_407:
            headers = {**HTML_HEADERS, "proxy-authenticate": 'Basic realm="proxy"'}
            return Reply(status=407, body=_page("407 Proxy Authentication Required"), headers=headers)
        case FaultKind.TIMEOUT_408:
            return Reply(status=408, body=_page("408 Request Timeout"), headers=HTML_HEADERS)
        case FaultKind.MISDIRECTED_421:
            return Reply(status=421, body=_page("421 Misdirected Request"), headers=HTML_HEADERS)
        case FaultKind.TOO_EARLY_425:
            return Reply(status=425, body=_page("425 Too Early"), headers=HTML_HEADERS)
    raise ValueError(f"{fault.kind} does not replace the answer")


def _page(title: str) -> str:
    return (
        f"<html>\r\n<head><title>{title}</title></head>\r\n<body><center><h1>{title}</h1></center>"
        "<hr><center>nginx</center></body>\r\n</html>\r\n"
    )


def altered(fault: Fault, reply: Reply) -> Reply:
    """The answer to a request that was carried out, as a fault in CARRIED_OUT changes it."""
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
    """A gateway's error for clients that accept JSON: problem details (RFC 9457) with a `Retry-After`."""
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
    """The body with UNKNOWN_STATUS as the status of every deployment."""
    if not isinstance(body, dict):
        return body
    if isinstance(body.get("deployments"), list):
        return {**body, "deployments": [with_unknown_status(row) for row in body["deployments"]]}
    if isinstance(body.get("deployment"), dict):
        return {**body, "deployment": with_unknown_status(body["deployment"])}
    return {**body, "status": UNKNOWN_STATUS}
