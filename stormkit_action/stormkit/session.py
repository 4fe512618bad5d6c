"""HTTP with Stormkit: the session, timeouts, when to repeat, and what an answer means."""

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import requests
from requests.auth import AuthBase

from stormkit_action import __version__
from stormkit_action.clock import Clock, Deadline
from stormkit_action.errors import NoAnswer, ServerFault, StormkitError
from stormkit_action.retry import Retries
from stormkit_action.text import redact_json

# Seconds. A connection either comes up at once or not at all; an answer may take a while (a trigger asks the Git
# provider first). The limit on the whole exchange also ends an answer that trickles in byte by byte.
CONNECT_TIMEOUT = 5.0
READ_TIMEOUT = 20.0
EXCHANGE_LIMIT = 30.0

# How long to go on where nothing answers, before there is a deployment to wait for. Seconds.
PATIENCE = 55.0

Query = Mapping[str, str]


class PlainSession(requests.Session):
    """A session that follows no redirect, so that nothing is sent along or downloaded on the way to another host."""

    def get_redirect_target(self, resp: requests.Response) -> None:
        """None: requests would otherwise read the whole body of a redirect even when it is told not to follow."""


class KeyAuth(AuthBase):
    """Puts the key into the Authorization header.

    As an auth object it also keeps requests from taking another one for the host out of a .netrc file.
    """

    def __init__(self, api_key: str) -> None:
        self._api_key = api_key

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Add the header."""
        request.headers["Authorization"] = self._api_key
        return request


@dataclass(frozen=True, kw_only=True, slots=True)
class Call:
    """One request. `action` says for people what it does, after "while": "reading deployment 8241".

    `wanted` is the field that makes an answer one; without it the call can be repeated like after any other fault.
    """

    method: str
    path: str
    action: str
    query: Query | None = None
    body: Mapping[str, Any] | None = None
    wanted: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """A successful answer: the JSON object, and the server's clock if it told."""

    data: dict[str, Any]
    date: datetime | None = None


class Transport:
    """The session with one Stormkit API. `api_key` stays inside."""

    def __init__(self, *, origin: str, api_key: str, clock: Clock, secrets: tuple[str, ...] = ()) -> None:
        self.origin = origin
        self.clock = clock
        self._deadline: Deadline | None = None
        self._secrets = (api_key, *secrets)
        self._session = PlainSession()
        self._session.auth = KeyAuth(api_key)
        self._session.headers.update({"User-Agent": f"stormkit-action/{__version__}", "Accept": "application/json"})

    def within(self, deadline: Deadline) -> "Transport":
        """The same session, with every call ended by `deadline` and waiting on its clock."""
        other = copy.copy(self)
        other.clock, other._deadline = deadline.clock, deadline
        return other

    def attempt(
        self, call: Call, *, limit: float = EXCHANGE_LIMIT, late: Callable[[Answer], None] | None = None
    ) -> Answer:
        """One exchange of at most `limit` seconds; raises StormkitError (a subclass that says which kind).

        An answer that comes after the caller was cancelled or has given up is handed to `late`.
        """
        limit = self._bounded(limit)
        waiting = True

        def exchange() -> Answer:
            answer = self._exchange(call, limit)
            if not waiting and late is not None:
                late(answer)
            return answer

        try:
            return self.clock.start(exchange).wait(limit)
        except TimeoutError:
            text = f"Stormkit ({self.origin}) did not finish its answer within {limit:.3g} s while {call.action}."
            raise NoAnswer(f"{text} {ADVICE_NETWORK}", may_have_arrived=True) from None
        finally:
            waiting = False

    def repeat(self, call: Call, *, patience: float = PATIENCE) -> Answer:
        """The same, repeated while that is safe and may help, for `patience` seconds.

        Only for calls that may be repeated: GET, DELETE, and those that change nothing the second time.
        """
        give_up = Deadline.after(self.clock, self._bounded(patience))
        retries = Retries(give_up)
        while True:
            limit = min(EXCHANGE_LIMIT, max(1.0, give_up.remaining))
            try:
                return self.attempt(call, limit=limit)
            except StormkitError as error:
                retries.wait(error)

    def _bounded(self, seconds: float) -> float:
        """`seconds`, or what the deadline leaves, but never so little that no request could be made."""
        return seconds if self._deadline is None else min(seconds, max(1.0, self._deadline.remaining))

    def _exchange(self, call: Call, limit: float) -> Answer:
        try:
            with self._session.request(
                call.method,
                f"{self.origin}{call.path}",
                params=call.query,
                json=call.body,
                timeout=(min(CONNECT_TIMEOUT, limit), min(READ_TIMEOUT, limit)),
                allow_redirects=False,  # a redirect could carry the key elsewhere
                stream=True,
            ) as response:
                # Imported once the request is on its way, like all that is only needed for answers and problems.
                from stormkit_action.stormkit.json_reader import read_document  # noqa: PLC0415

                data = read_document(response.iter_content(65536), self._secrets)
        except (requests.RequestException, OSError, ValueError) as error:
            # OSError: a CA bundle that is not there. ValueError: a proxy URL that is none.
            raise self._no_answer(call, error) from None
        return self._understand(call, response, data)

    def _no_answer(self, call: Call, error: Exception) -> NoAnswer:
        from stormkit_action.stormkit.connection_errors import network_problem  # noqa: PLC0415

        problem = network_problem(error)
        text = f"Stormkit ({self.origin}) gave no answer while {call.action}: {problem.words}. {ADVICE_NETWORK}"
        return NoAnswer(text, may_have_arrived=problem.may_have_arrived, retryable=problem.retryable)

    def _understand(self, call: Call, response: requests.Response, data: Any) -> Answer:
        from stormkit_action.stormkit.answers import Failure, failure, http_date, longest_wait  # noqa: PLC0415

        if 200 <= response.status_code < 300:
            if not isinstance(data, dict):
                raise ServerFault(
                    f"Stormkit ({self.origin}) answered {response.status_code} without a JSON object while"
                    f" {call.action}. Check that api-url is the API's origin and not a web page's.",
                    status=response.status_code,
                )
            if call.wanted and call.wanted not in data:
                raise ServerFault(
                    f"Stormkit ({self.origin}) answered without {call.wanted} while {call.action}. Run again later.",
                    status=response.status_code,
                )
            return Answer(data=data, date=http_date(response.headers.get("Date", "")))
        raise failure(
            Failure(
                status=response.status_code,
                data=data,
                location=redact_json(response.headers.get("Location", ""), self._secrets),
                retry_after=longest_wait(response.headers.get("Retry-After", ""), data, self.clock.now()),
                action=call.action,
                origin=self.origin,
            )
        )


ADVICE_NETWORK = (
    "Check that api-url is right and that the runner reaches it (proxy variables such as HTTPS_PROXY are used;"
    " a private certificate authority goes into REQUESTS_CA_BUNDLE)."
)
