"""The faults that a test can inject: what GitHub, or the network in between, sometimes does instead of answering."""

import time
from dataclasses import dataclass
from enum import StrEnum

from sandbox.github.api import ACCEPTED_PERMISSIONS, Answer, ApiError

HTML_502 = "<!DOCTYPE html>\n<html><head><title>Unicorn!</title></head><body><h1>502 Bad Gateway</h1></body></html>\n"
GARBAGE = '{"id": 1, "body": "cut o'
SECONDARY_LIMIT = (
    "You have exceeded a secondary rate limit. Please wait a few minutes before you try again. If you reach out to"
    " GitHub Support for help, please include the request ID C0FF:EE1234."
)
PRIMARY_LIMIT = (
    "API rate limit exceeded for installation ID 12345. If you reach out to GitHub Support for help, please include"
    " the request ID C0FF:EE1234."
)


class FaultKind(StrEnum):
    """What goes wrong. With those in CARRIED_OUT the request is carried out; the others replace its answer."""

    ANSWER_LOST = "answer-lost"
    NEVER_ARRIVED = "never-arrived"
    ERROR_500 = "500"
    HTML_502 = "502-html"
    TOO_MANY_429 = "429"
    SECONDARY_LIMIT = "secondary-limit"
    PRIMARY_LIMIT = "primary-limit"
    FORBIDDEN_403 = "403"
    NOT_FOUND_404 = "404"
    SLOW = "slow"
    GARBAGE = "garbage"


CARRIED_OUT = (FaultKind.ANSWER_LOST, FaultKind.SLOW)


@dataclass(frozen=True, kw_only=True, slots=True)
class Fault:
    """A fault. `seconds` is its delay, or for a rate limit the wait that it asks for."""

    kind: FaultKind
    seconds: float = 0.0


def answer(fault: Fault, accepts: str, headers: dict[str, str]) -> Answer:
    """The answer that a fault puts in place of the real one, whose headers would be `headers`."""
    wait = str(round(fault.seconds))
    match fault.kind:
        case FaultKind.ERROR_500:
            return ApiError(500, "Server Error").answer
        case FaultKind.HTML_502:
            return Answer(status=502, body=HTML_502, headers={"content-type": "text/html; charset=utf-8"})
        case FaultKind.TOO_MANY_429:
            retry_after = {"retry-after": wait} if fault.seconds else {}
            return ApiError(429, SECONDARY_LIMIT, headers=retry_after).answer
        case FaultKind.SECONDARY_LIMIT:
            return ApiError(403, SECONDARY_LIMIT, headers={"retry-after": wait}).answer
        case FaultKind.PRIMARY_LIMIT:
            return limit_reached(int(time.time() + fault.seconds), headers)
        case FaultKind.FORBIDDEN_403:
            message = "Resource not accessible by integration"
            return ApiError(403, message, headers={ACCEPTED_PERMISSIONS: accepts}).answer
        case FaultKind.NOT_FOUND_404:
            return ApiError(404, "Not Found").answer
    return Answer(body=GARBAGE)


def limit_reached(reset: int, headers: dict[str, str]) -> Answer:
    """The answer when the hour's requests are used up. `reset` is the Unix time at which the next hour begins."""
    used = {"x-ratelimit-used": headers.get("x-ratelimit-limit", "1000")}
    rate = {"x-ratelimit-remaining": "0", "x-ratelimit-reset": str(reset), **used}
    return ApiError(403, PRIMARY_LIMIT, headers=rate).answer
