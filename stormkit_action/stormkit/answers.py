"""What an answer of Stormkit means: a typed value, or a StormkitError with what, why and what next. Pure."""

import contextlib
import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple

from stormkit_action import fields
from stormkit_action.errors import Busy, NoAnswer, NotFound, Refused, Rejected, ServerFault, StormkitError
from stormkit_action.names import ON_GITHUB, Names
from stormkit_action.stormkit.models import Deployment, Page, PolledStatus, Status, parse_id
from stormkit_action.text import one_line

# An endless answer is not a build log.
MAX_ANSWER_BYTES = 64 * 1024 * 1024

# A page of 20 deployments has about 1,200 values; every value costs some 100 bytes of memory.
MAX_VALUES = 100_000
MAX_DEPTH = 64

# A longer `Retry-After` is a server's mistake.
MAX_RETRY_AFTER_S = 24 * 60 * 60.0

# The whole body of Stormkit's own 500. Any other body, or status above 500, is that of somebody in between.
OWN_FAULT = {"ok": False, "error": "unexpected-error"}

# How much of a body is kept, to tell Stormkit's own answers from a proxy's.
MAX_TEXT_CHARACTERS = 1000

WHERE_KEYS_ARE = "Your App → Environment → Config → Other → API Keys"


class Response(NamedTuple):
    """What came back for a request, redacted of secrets.

    `data` is the JSON of the body, None where it holds none; `text` is the beginning of the body. `action` is what the
    request did, as it reads after "while"; `env_id` is the environment it asked for, and `origin` where it was sent.
    `is_first` is True until the API has answered once: until then, a web page at `origin` means a wrong address, not a
    passing fault.
    """

    status: int
    headers: Mapping[str, str]
    data: Any
    text: str
    action: str
    origin: str
    env_id: str = ""
    is_first: bool = False
    names: Names = ON_GITHUB

    @property
    def is_html(self) -> bool:
        """Whether it is a web page."""
        return "html" in self.headers.get("Content-Type", "").lower() or self.text.lstrip().startswith("<")

    @property
    def is_json(self) -> bool:
        """Whether it calls itself JSON."""
        return self.headers.get("Content-Type", "").lower().startswith("application/json")


class Answer(NamedTuple):
    """A successful answer: the JSON object, and the server's clock where it is known."""

    data: dict[str, Any]
    date: datetime | None = None


def parse_json(body: bytes) -> Any:
    """The JSON in `body`; None when it holds none, or more than any answer of Stormkit.

    Bytes that are not UTF-8 become replacement characters.
    """
    if not _is_bounded(body):
        return None
    try:
        return json.loads(body.decode("utf-8-sig", "replace"))
    except (ValueError, RecursionError):
        return None


def _is_bounded(body: bytes) -> bool:
    """Whether parsing `body` costs little more memory than the body itself, judged by what stands outside strings."""
    unescaped = body.replace(rb"\\", b"").replace(rb"\"", b"")
    if unescaped.count(b'"') > 4 * MAX_VALUES:
        return False
    outside = b"".join(unescaped.split(b'"')[::2])
    if outside.count(b",") + outside.count(b"[") + outside.count(b"{") > MAX_VALUES:
        return False
    depth = 0
    for character in outside:
        if character in b"[{":
            depth += 1
            if depth > MAX_DEPTH:
                return False
        elif character in b"]}":
            depth -= 1
    return True


def understand(response: Response, required: str = "") -> Answer:
    """The answer in `response`, which has the field `required`. Raises the StormkitError that it means instead."""
    if not 200 <= response.status < 300:
        raise failure(response)
    if not isinstance(response.data, dict):
        if response.is_html and response.is_first:
            raise Rejected(_not_the_api(response), status=response.status)
        raise ServerFault(
            f"Stormkit ({response.origin}) answered {response.status} without a JSON object while {response.action}."
            f" Check that {response.names('api-url')} is the API's origin and not a web page's.",
            status=response.status,
        )
    if required and required not in response.data:
        raise ServerFault(
            f"Stormkit ({response.origin}) answered without `{required}` while {response.action}. Run again later.",
            status=response.status,
        )
    return Answer(data=response.data, date=http_date(response.headers.get("Date", "")))


def failure(response: Response) -> StormkitError:
    """The error that an unsuccessful response means."""
    status = response.status
    message = server_message(response.data)
    quoted = f' It says: "{message.removesuffix(".")}".' if message else ""
    what = f"({status}) while {response.action}.{quoted}"
    error: StormkitError
    match status:
        case 401 | 402 | 403:
            error = _refused(response, what, message)
        case 404:
            error = _not_found(response, quoted, message)
        case 407:
            # The proxy refused; nothing has reached Stormkit.
            error = Rejected(
                f"The proxy asks for a user name and a password, or does not accept them {what} Correct the proxy"
                " variables of the runner (HTTP_PROXY, HTTPS_PROXY).",
                status=status,
                server_message=message,
            )
        case 421:
            # By definition the request was not carried out (RFC 9110, 15.5.20).
            error = NoAnswer(
                f"{response.origin} was the wrong server for the request {what} Run again later.",
                may_have_arrived=False,
            )
        case 429:
            error = Busy(
                f"Stormkit is getting too many requests {what} Run again later.",
                status=status,
                server_message=message,
                retry_after=requested_pause(response.headers, response.data),
            )
        case _ if status < 200 or status in (408, 425) or status >= 500:
            error = _server_fault(response, what, message)
        case _:
            error = Rejected(_rejection(response, what), status=status, server_message=message)
    return error


def _refused(response: Response, what: str, message: str) -> StormkitError:
    status = response.status
    if status == 402:
        text = (
            f"The build minutes of this Stormkit account are used up {what} Wait for the next billing period or"
            " change the plan; nothing was built."
        )
        return Refused(text, status=status, server_message=message)
    # Stormkit's own 403 has no body, or JSON with an `error`.
    if status == 403 and response.text.strip() and not message:
        text = (
            f"A firewall or proxy between the runner and Stormkit refused the request {what} It was not Stormkit, so a"
            f" new API key does not help: let the runner reach {response.origin}."
        )
        if response.is_first:
            return Refused(text, status=status)
        return ServerFault(text, status=status)
    text = (
        f"Stormkit refused the API key {what} Create one under {WHERE_KEYS_ARE} and"
        f" {response.names.where_the_key_goes}; with an app, team or user key check {response.names('env-id')} too."
    )
    return Refused(text, status=status, server_message=message)


def _not_found(response: Response, quoted: str, message: str) -> StormkitError:
    data = response.data
    is_empty = response.is_json and not response.text.strip()
    has_code = isinstance(data, dict) and data.get("code") == "not-found"
    if is_empty or has_code or message:
        env_id = response.names("env-id")
        where = f" in environment {response.env_id}" if response.env_id else f", without {env_id}"
        if not has_code and not is_empty:
            # Stormkit says itself what is missing, for example the repository.
            advice = "Correct what it names, and run again."
        elif response.env_id:
            advice = f"Check these values, and that the API key reaches environment {response.env_id}."
        else:
            advice = f"An app, team or user key needs {env_id}; with an environment's key check the other values."
        if is_empty:
            # The dashboard's host answers like this too.
            advice = f"{advice} Check {response.names('api-url')} too: the API is at https://api.<domain>."
        return NotFound(
            f"Stormkit answered 404 (not found) while {response.action}{where}.{quoted} {advice}",
            server_message=message,
            from_handler=is_empty or has_code,
        )
    if response.is_html and response.is_first:
        return Rejected(_not_the_api(response), status=response.status)
    return ServerFault(
        f"Stormkit's API was not there (404) while {response.action}.{quoted} Something else answered for"
        f" {response.origin}: run again later. If it persists, check {response.names('api-url')}, and that the server"
        " is v2026.04.10.1 or newer.",
        status=response.status,
    )


def _not_the_api(response: Response) -> str:
    return (
        f"{response.origin} answered with a web page ({response.status}) while {response.action}, so it is not"
        f" Stormkit's API. Set {response.names('api-url')} to the API's origin: https://api.stormkit.io, or"
        " https://api.<domain> of a self-hosted instance, not the dashboard, a preview or the bare address."
    )


def _server_fault(response: Response, what: str, message: str) -> ServerFault:
    from_stormkit = response.status == 500 and response.data == OWN_FAULT
    if from_stormkit:
        text = f"Stormkit failed {what} Run again later; if it persists, look at the server's own log."
    else:
        text = (
            f"Stormkit's server, or a proxy in front of it, failed {what} Run again later; if it persists, check that"
            f" {response.origin} serves the Stormkit API."
        )
    return ServerFault(
        text,
        status=response.status,
        server_message=message,
        retry_after=requested_pause(response.headers, response.data),
        from_stormkit=from_stormkit,
    )


def _rejection(response: Response, what: str) -> str:
    if 300 <= response.status < 400:
        target = one_line(response.headers.get("Location", "")) or "another address"
        return (
            f"Stormkit answered with a redirect to {target} {what} Redirects are not followed, to keep the key safe:"
            f" set {response.names('api-url')} to the API's own origin."
        )
    if response.status == 400 and "https" in response.text.lower() and not isinstance(response.data, dict):
        api_url = response.names("api-url")
        return f"{response.origin} speaks HTTPS, and the request was plain HTTP {what} Start {api_url} with https://."
    return f"Stormkit did not accept the request {what} Correct what it names and run again."


def server_message(data: Any) -> str:
    """The server's own text out of any of its error bodies, in one line; empty when there is none."""
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


def requested_pause(headers: Mapping[str, str], data: Any) -> float:
    """Seconds that the server asks to wait: `Retry-After`, `X-RateLimit-Reset` or the body's `retry`; 0 if none.

    A moment is reckoned from the response's own `Date`, because the two clocks may differ.
    """
    now = http_date(headers.get("Date", "")) or datetime.now(UTC)
    retry = data.get("retry") if isinstance(data, Mapping) else None
    pauses = (
        _retry_after(headers.get("Retry-After", ""), now),
        fields.number(headers.get("X-RateLimit-Reset", "")) - now.timestamp(),
        retry if isinstance(retry, int | float) and not isinstance(retry, bool) else 0.0,
    )
    return max(_plausible_pause(pause) for pause in pauses)


def _retry_after(header: str, now: datetime) -> float:
    try:
        return float(header)
    except ValueError:
        pass
    until = http_date(header)
    return (until - now).total_seconds() if until else 0.0


def _plausible_pause(seconds: float) -> float:
    """`seconds`, or 0 where they are negative, no number, or more than anybody means."""
    return float(seconds) if 0 < seconds <= MAX_RETRY_AFTER_S else 0.0


def http_date(text: str) -> datetime | None:
    """A date as HTTP headers have it, in UTC; None when it is none."""
    try:
        date = parsedate_to_datetime(text)
        return date.astimezone(UTC) if date.tzinfo else date.replace(tzinfo=UTC)
    except (ValueError, TypeError, OverflowError, IndexError):
        return None


def triggered_id(answer: Answer) -> str:
    """The id of the deployment that was triggered: all that can be counted on in the answer to a trigger."""
    # The documented answer is the deployment itself; one wrapped like the other answers is accepted too.
    inner = answer.data.get("deployment")
    try:
        return parse_id((inner if isinstance(inner, Mapping) else answer.data).get("id"))
    except ValueError as error:
        raise ServerFault(
            f"Stormkit accepted the trigger, but {error} in its answer. Look at the dashboard for the deployment."
        ) from None


def page(answer: Answer) -> Page:
    """One page of the list. A row that can't be parsed does not hide the others."""
    rows = answer.data.get("deployments")
    if not isinstance(rows, list):
        raise ServerFault("Stormkit's list of deployments has no `deployments` field. Run again later.")
    return Page(
        deployments=tuple(_readable(rows)), has_next=answer.data.get("hasNextPage") is True, server_date=answer.date
    )


def _readable(rows: list[Any]) -> Iterator[Deployment]:
    for row in rows:
        if isinstance(row, Mapping):
            with contextlib.suppress(ValueError):
                yield Deployment.from_api(row)


def deployment(answer: Answer, deployment_id: str) -> Deployment:
    """The deployment that was read."""
    data = answer.data.get("deployment")
    if not isinstance(data, Mapping):
        raise ServerFault(f"Stormkit answered without the deployment {deployment_id}. Run again later.")
    try:
        return Deployment.from_api(data)
    except ValueError as error:
        raise ServerFault(f"Stormkit's answer can't be used: {error}. Run again later.") from None


def polled_status(answer: Answer, deployment_id: str) -> PolledStatus:
    """The status of the deployment that was polled."""
    status = answer.data.get("status")
    if not isinstance(status, str) or not status:
        raise ServerFault(f"Stormkit answered without the status of deployment {deployment_id}. Run again later.")
    return PolledStatus(status=Status.parse(status), unknown_status="" if status in set(Status) else status)
