"""What Stormkit's refusals mean: a status and a body in, an error with what, why and what next out. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from stormkit_action.errors import Busy, NotFound, Refused, Rejected, ServerFault, StormkitError
from stormkit_action.text import one_line

# Seconds; a longer `Retry-After` is a server's mistake.
LONGEST_WAIT = 24 * 60 * 60.0

WHERE_KEYS_ARE = "Your App → Environment → Config → Other → API Keys"


@dataclass(frozen=True, kw_only=True, slots=True)
class Failure:
    """An answer that is no success. `data` is its JSON, None when it is none."""

    status: int
    data: Any
    location: str
    retry_after: float
    action: str
    origin: str


def failure(answer: Failure) -> StormkitError:
    """The error that `answer` means."""
    words = server_words(answer.data)
    status = answer.status
    said = f' It says: "{words}".' if words else ""
    what = f"({status}) while {answer.action}.{said}"
    if status == 429:
        return Busy(
            f"Stormkit is getting too many requests {what} Run again later.",
            status=status,
            server_message=words,
            retry_after=answer.retry_after,
        )
    if status >= 500:
        return ServerFault(
            _server_fault(answer, what),
            status=status,
            server_message=words,
            retry_after=answer.retry_after,
            from_stormkit=isinstance(answer.data, dict),
        )
    if status in (401, 402, 403):
        return Refused(_refusal(status, what), status=status, server_message=words)
    if status == 404:
        return NotFound(
            f"Stormkit found nothing there {what} Check env-id, the ids and the branch; with an app, team or user key"
            " env-id is needed.",
            status=status,
            server_message=words,
        )
    return Rejected(_rejection(answer, what), status=status, server_message=words)


def _refusal(status: int, what: str) -> str:
    if status == 402:
        return (
            f"The build minutes of this Stormkit account are used up {what} Wait for the next billing period or"
            " change the plan; nothing was built."
        )
    return (
        f"Stormkit refused the API key {what} Create one under {WHERE_KEYS_ARE} and save it as a repository secret;"
        " with an app, team or user key check env-id too."
    )


def _server_fault(answer: Failure, what: str) -> str:
    if isinstance(answer.data, dict):
        return f"Stormkit failed {what} Run again later; if it stays, look at the server's own log."
    return (
        f"Stormkit's server, or a proxy in front of it, failed {what} Run again later; if it stays, check that"
        f" {answer.origin} serves the Stormkit API."
    )


def _rejection(answer: Failure, what: str) -> str:
    if 300 <= answer.status < 400:
        target = one_line(answer.location) or "another address"
        return (
            f"Stormkit answered with a redirect to {target} {what} Redirects are not followed, to keep the key safe:"
            " set api-url to the API's own origin."
        )
    return f"Stormkit did not accept the request {what} Correct what it names and run again."


def server_words(data: Any) -> str:
    """The server's own text out of any of its error bodies, one line; empty when it gave none."""
    if not isinstance(data, Mapping):
        return ""
    error, errors = data.get("error"), data.get("errors")
    if isinstance(error, str) and error.strip():
        return one_line(error)
    if isinstance(errors, Mapping):
        errors = [f"{field}: {text}" for field, text in errors.items() if isinstance(text, str)]
    if isinstance(errors, list):
        return one_line("; ".join(text for text in errors if isinstance(text, str)))
    return ""


def longest_wait(header: str, data: Any, now: datetime) -> float:
    """Seconds the server asks to wait: `Retry-After` (seconds or a date) or the body's `retry`; 0 if neither."""
    body = data.get("retry") if isinstance(data, Mapping) else None
    waits: list[float] = [_header_seconds(header, now)]
    if isinstance(body, int | float) and not isinstance(body, bool):
        waits.append(body)
    # More than a day, and what is no number at all, is no wait that anybody means.
    return max(float(wait) if 0 < wait <= LONGEST_WAIT else 0.0 for wait in waits)


def _header_seconds(header: str, now: datetime) -> float:
    try:
        return float(header)
    except ValueError:
        pass
    date = http_date(header)
    return (date - now).total_seconds() if date else 0.0


def http_date(text: str) -> datetime | None:
    """A date as HTTP headers have it, in UTC; None when it is none."""
    try:
        date = parsedate_to_datetime(text)
        return date.astimezone(UTC) if date.tzinfo else date.replace(tzinfo=UTC)
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
