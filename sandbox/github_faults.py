"""Faults to order: what GitHub, or the network before it, sometimes does instead of answering."""

import re
import threading
import time
from dataclasses import dataclass
from enum import StrEnum

from sandbox.github_calls import ACCEPTED_PERMISSIONS, Answer, ApiError

HTML_502 = "<!DOCTYPE html>\n<html><head><title>Unicorn!</title></head><body><h1>502 Bad Gateway</h1></body></html>\n"
GARBAGE = '{"id": 1, "body": "cut o'
SECONDARY_LIMIT = (
    "You have exceeded a secondary rate limit. Please wait a few minutes before you try again. If you reach out to"
    " GitHub Support for help, please include the request ID C0FF:EE1234."
)
PRIMARY_LIMIT = "API rate limit exceeded for installation ID 12345. If you reach out to GitHub Support for help, please"
PRIMARY_LIMIT += " include the request ID C0FF:EE1234."


class FaultKind(StrEnum):
    """What goes wrong. Only with `answer-lost` and `slow` is the request carried out."""

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


@dataclass(kw_only=True, slots=True)
class Fault:
    """A fault for requests whose method and path match `pattern`: not the first `after`, but the next `times` ones."""

    pattern: re.Pattern[str]
    kind: FaultKind
    times: int
    after: int
    seconds: float
    matched: int = 0

    @property
    def exhausted(self) -> bool:
        """Has it struck as often as it should?"""
        return self.matched >= self.after + self.times

    def strikes(self, request: str) -> bool:
        """Does it happen to this request? Counts the request if it matches."""
        if self.exhausted or not self.pattern.search(request):
            return False
        self.matched += 1
        return self.matched > self.after


class Faults:
    """The faults that are still to happen."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []
        self._lock = threading.Lock()

    def add(self, pattern: str, kind: str, times: int, after: int, seconds: float) -> Fault:
        """Order a fault."""
        fault = Fault(pattern=re.compile(pattern), kind=FaultKind(kind), times=times, after=after, seconds=seconds)
        with self._lock:
            self._faults.append(fault)
        return fault

    def strike(self, request: str) -> Fault | None:
        """Fault that happens to this request, the one ordered first if there are several."""
        with self._lock:
            return next((fault for fault in self._faults if fault.strikes(request)), None)


def answer(fault: Fault, accepts: str, headers: dict[str, str]) -> Answer:
    """What the client gets instead of an answer. `headers` are those that the answer would have had."""
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
    """The answer when the hour's requests are used up until `reset`, a Unix time."""
    used = {"x-ratelimit-used": headers.get("x-ratelimit-limit", "1000")}
    rate = {"x-ratelimit-remaining": "0", "x-ratelimit-reset": str(reset), **used}
    return ApiError(403, PRIMARY_LIMIT, headers=rate).answer
