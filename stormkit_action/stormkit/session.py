"""HTTP with Stormkit: the key, timeouts, no redirects, and calls that can be waited for or given up on."""

import copy
import threading
import warnings
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeVar
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase
from requests.structures import CaseInsensitiveDict
from requests.utils import get_environ_proxies, select_proxy

from stormkit_action import __version__
from stormkit_action.cancellation import Pending
from stormkit_action.clock import Clock, Deadline
from stormkit_action.errors import NoAnswer, ServerFault, StormkitError
from stormkit_action.names import ON_GITHUB, Names
from stormkit_action.parsers import insecure
from stormkit_action.retry import Retries
from stormkit_action.stormkit.answers import (
    MAX_ANSWER_BYTES,
    MAX_TEXT_CHARACTERS,
    Answer,
    Response,
    parse_json,
    understand,
)
from stormkit_action.stormkit.connection_errors import network_problem
from stormkit_action.stormkit.send_gate import GATED_POOLS, SendGate
from stormkit_action.text import redact_json

T = TypeVar("T")

# Where it can't parse a cookie, http.cookiejar warns with a traceback on standard error.
warnings.filterwarnings("ignore", message="http.cookiejar bug!")

# A connection either comes up at once or not at all; an answer may take a while (a trigger asks the Git provider
# first). The limit on the whole exchange also ends an answer that trickles in byte by byte.
CONNECT_TIMEOUT_S = 5.0
READ_TIMEOUT_S = 20.0
EXCHANGE_TIMEOUT_S = 30.0

# Connections that are kept for the next call, one per thread. Beyond its 10, requests would open a new one each time.
MAX_CONNECTIONS = 64

# How long to go on where nothing answers, before there is a deployment to wait for.
PATIENCE_S = 55.0

# How long repeat() tries again before it says so.
SILENCE_S = 3.0

_CHUNK_BYTES = 65536


class PlainSession(requests.Session):
    """A session that follows no redirect, so that nothing is sent to or downloaded from another host on the way."""

    def get_redirect_target(self, resp: requests.Response) -> None:
        """None: requests would otherwise read the whole body of a redirect even when it is told not to follow."""


class _GatedAdapter(HTTPAdapter):
    """Sends every request through the gate of its thread."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """As requests does it, with gated connections."""
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = GATED_POOLS

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
        """As requests does it, with gated connections."""
        manager = super().proxy_manager_for(*args, **kwargs)
        manager.pool_classes_by_scheme = GATED_POOLS
        return manager


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


def exposed_by_proxy(origin: str) -> bool:
    """Whether a proxy on another machine would see the key unencrypted.

    It would for any plain http `origin`, even one on this machine.
    """
    if urlsplit(origin).scheme != "http":
        return False
    proxy = select_proxy(origin, get_environ_proxies(origin)) or ""
    try:
        # Like requests, take a proxy without a scheme for an http one.
        return bool(proxy) and insecure(proxy if "://" in proxy else f"http://{proxy}")
    except ValueError:
        return False  # the request fails, and names it


class Request(NamedTuple):
    """One request.

    `action` completes "while …" in messages ("reading deployment 8241"); `env_id` is the environment it asks for. An
    answer without the field `required` counts as a server fault. The answer may take `timeout` seconds to begin.
    """

    method: str
    path: str
    action: str
    env_id: str = ""
    query: Mapping[str, str] | None = None
    body: Mapping[str, Any] | None = None
    required: str = ""
    timeout: float = READ_TIMEOUT_S


class StormkitSession:
    """The session with one Stormkit API. `api_key` stays inside; it and `secrets` are redacted from every answer.

    `log` adds a line to the log: while nothing answers, repeat() says so. Messages call inputs by `names`.
    """

    def __init__(
        self,
        *,
        origin: str,
        api_key: str,
        clock: Clock,
        secrets: tuple[str, ...] = (),
        log: Callable[[str], None] = lambda _: None,
        names: Names = ON_GITHUB,
    ) -> None:
        self.origin = origin
        self.clock = clock
        self.names = names
        self._log = log
        # Set once the API has answered. Shared by every copy of the session, like the connections.
        self._has_answered = threading.Event()
        self._deadline: Deadline | None = None
        self._secrets = (api_key, *secrets)
        self._session = PlainSession()
        for scheme in GATED_POOLS:
            self._session.mount(f"{scheme}://", _GatedAdapter(pool_maxsize=MAX_CONNECTIONS))
        # Requests would look its settings up in the environment for every request, a tenth of a request's work.
        settings = self._session.merge_environment_settings(origin, {}, None, None, None)
        self._session.proxies, self._session.verify = settings["proxies"], settings["verify"]
        self._session.trust_env = False
        self._session.auth = KeyAuth(api_key)
        self._session.headers.update({"User-Agent": f"stormkit-action/{__version__}", "Accept": "application/json"})

    def within(self, deadline: Deadline) -> "StormkitSession":
        """The same session, with every call ended by `deadline` and waiting on its clock."""
        other = copy.copy(self)
        other.clock, other._deadline = deadline.clock, deadline
        return other

    @property
    def is_over(self) -> bool:
        """Whether the deadline has passed. One short request is still made then."""
        return self._deadline is not None and self._deadline.over

    def start(
        self, request: Request, read: Callable[[Answer], T], *, gate: SendGate, limit: float = EXCHANGE_TIMEOUT_S
    ) -> Pending[T]:
        """Send `request` beside the caller, through `gate`.

        Results in what `read` makes of the answer, or in a StormkitError.
        """
        bounded = self._bounded(limit)

        def exchange() -> T:
            gate.guard_this_thread()
            return read(self._exchange(request, bounded))

        return self.clock.start(exchange)

    def send(self, request: Request, *, limit: float = EXCHANGE_TIMEOUT_S) -> Answer:
        """Send `request` once and wait for its answer, at most `limit` seconds. Raises StormkitError."""
        bounded = self._bounded(limit)
        try:
            return self.clock.start(lambda: self._exchange(request, bounded)).wait(bounded)
        except TimeoutError:
            text = f"Stormkit ({self.origin}) did not finish its answer within {bounded:.3g} s while {request.action}."
            raise NoAnswer(f"{text} {self._network_advice}", may_have_arrived=True) from None

    def repeat(self, request: Request, *, patience: float = PATIENCE_S) -> Answer:
        """Send `request`, and again while its error is retryable, for `patience` seconds. Raises StormkitError.

        Only for what may be repeated: GET, DELETE, and requests that change nothing the second time.
        """
        began = self.clock.monotonic()
        give_up = Deadline.after(self.clock, self._bounded(patience))
        retries = Retries(give_up)
        has_logged = False
        while True:
            limit = min(EXCHANGE_TIMEOUT_S, max(1.0, give_up.remaining))
            try:
                return self.send(request, limit=limit)
            except StormkitError as error:
                if error.retryable and not has_logged and self.clock.monotonic() - began >= SILENCE_S:
                    has_logged = True
                    self._log(f"Still trying. {error.text}")
                retries.wait(error)

    @property
    def _network_advice(self) -> str:
        return (
            f"Check that {self.names('api-url')} is right and that the runner reaches it (proxy variables such as"
            " HTTPS_PROXY are used; a private certificate authority goes into REQUESTS_CA_BUNDLE)."
        )

    def _bounded(self, seconds: float) -> float:
        """`seconds`, or what the deadline leaves, but never so little that no request could be made."""
        return seconds if self._deadline is None else min(seconds, max(1.0, self._deadline.remaining))

    def _exchange(self, request: Request, limit: float) -> Answer:
        try:
            with self._session.request(
                request.method,
                f"{self.origin}{request.path}",
                params=request.query,
                json=request.body,
                timeout=(min(CONNECT_TIMEOUT_S, limit), min(request.timeout, limit)),
                allow_redirects=False,  # a redirect could carry the key elsewhere
                stream=True,
            ) as response:
                # What follows a 1xx on the connection is the real answer: unread, the connection is closed with it.
                body = b"" if response.status_code < 200 else _body(response, request.action)
        except (requests.RequestException, OSError, ValueError) as error:
            # OSError: a CA bundle that is not there. ValueError: a malformed proxy URL.
            problem = network_problem(error)
            text = f"Stormkit ({self.origin}) gave no answer while {request.action}: {problem.text}."
            raise NoAnswer(
                f"{text} {self._network_advice}", may_have_arrived=problem.may_have_arrived, retryable=problem.retryable
            ) from None
        text = body[: 4 * MAX_TEXT_CHARACTERS].decode("utf-8-sig", "replace")[:MAX_TEXT_CHARACTERS]
        response_headers = redact_json(dict(response.headers), self._secrets)
        received = Response(
            status=response.status_code,
            headers=CaseInsensitiveDict(response_headers),
            data=redact_json(parse_json(body), self._secrets),
            text=redact_json(text, self._secrets),
            action=request.action,
            origin=self.origin,
            env_id=request.env_id,
            is_first=not self._has_answered.is_set(),
            names=self.names,
        )
        try:
            answer = understand(received, request.required)
        except ServerFault as error:
            if error.from_stormkit:
                self._has_answered.set()
            raise
        self._has_answered.set()
        return answer


def _body(response: requests.Response, action: str) -> bytes:
    """The body. Raises ServerFault when it is longer than any answer of Stormkit should be."""
    body = bytearray()
    for chunk in response.iter_content(_CHUNK_BYTES):
        body += chunk
        if len(body) > MAX_ANSWER_BYTES:
            raise ServerFault(
                f"Stormkit's answer while {action} is longer than {MAX_ANSWER_BYTES // 2**20} MiB, so it was not read."
                " Look at the dashboard."
            )
    return bytes(body)
