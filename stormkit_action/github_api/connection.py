"""The connection to GitHub: PyGithub's requests under our own rules on waiting and repeating.

PyGithub's methods for single questions are not used: they drop a redirect's query, leave a branch's slash as it is,
send retired media types, and hide whether a list has another page.
"""

import json
import logging
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any, Generic, NamedTuple, Protocol, TypeVar
from urllib.parse import urlsplit

from stormkit_action import __version__
from stormkit_action.clock import Clock, Deadline
from stormkit_action.errors import GitHubError
from stormkit_action.github_api.models import Account, Refusal
from stormkit_action.retry import Retries
from stormkit_action.text import one_line, redact

T = TypeVar("T")

# Limits for one request, and for all tries of a call during an outage. Rate limits are waited out until the deadline.
REQUEST_TIMEOUT_S = 10
PATIENCE_S = 20.0

# The deadline of a call that was given none.
DEFAULT_BUDGET_S = 40.0

# A request is given at least this long, however little of the deadline is left.
LEAST_WAIT_S = 0.5

# Entries of a list that come with one request, the most that GitHub gives.
PAGE_SIZE = 100

# Pages of one list. No pull request has as many comments.
MAX_PAGES = 100

# The version of GitHub's REST API that this is written for.
API_VERSION = "2022-11-28"
_HEADERS = {"Accept": "application/vnd.github+json", "X-GitHub-Api-Version": API_VERSION}

_REDIRECTS = (301, 302, 307, 308)
_MOVED_REPOSITORY = re.compile(r"/repositories/[0-9]{1,18}(?=/|\?|$)")
_NEXT_PAGE = re.compile(r'rel="?next"?')


class Retry(Enum):
    """After which failures a call may be repeated."""

    TRANSIENT = "whatever may pass"
    RATE_LIMIT = "a rate limit, by which GitHub refuses before it does anything"
    NEVER = "none, because what the call sends depends on what was read before"

    def allows(self, refusal: Refusal) -> bool:
        """Whether to send the call again after this refusal."""
        if self is Retry.NEVER:
            return False
        return refusal.retryable if self is Retry.TRANSIENT else refusal.retry_after > 0


class Page(NamedTuple, Generic[T]):
    """An answer's content, and whether the list that it belongs to goes on."""

    content: T
    is_last: bool


class _Sender(Protocol):
    """Sends one request: status, headers (lower case) and text of the answer."""

    def __call__(
        self, method: str, path: str, query: Mapping[str, str | int], body: object
    ) -> tuple[int, Mapping[str, str], str]: ...


@dataclass(kw_only=True)
class SharedClients:
    """What all connections with one token share.

    `idle` are the senders not in use: a sender holds the request it is sending, so one thread uses it at a time.
    `account` is the token's owner and `repository_path` the new path of a renamed repository; both are empty until an
    answer has named them.
    """

    idle: list[_Sender] = field(default_factory=list)
    account: Account | None = None
    repository_path: str = ""


@dataclass(frozen=True, kw_only=True)
class Connection:
    """GitHub's API under one token. With a `deadline` every call ends by it."""

    token: str
    repository: str
    api_url: str
    clock: Clock
    shared: SharedClients = field(default_factory=SharedClients)
    deadline: Deadline | None = None

    def __repr__(self) -> str:
        return f"Connection({self.api_url})"

    def within(self, deadline: Deadline) -> "Connection":
        """The same, with every call ended by `deadline` and waiting on its clock."""
        return replace(self, clock=deadline.clock, deadline=deadline)

    def ask(
        self,
        action: str,
        method: str,
        path: str,
        parse: Callable[[Any], T],
        *,
        needs: str,
        query: Mapping[str, str | int] | None = None,
        body: object = None,
        retry: Retry = Retry.TRANSIENT,
    ) -> T:
        """What `parse` makes of GitHub's answer to one request. Raises GitHubError.

        A `path` without a leading slash is within the repository. `needs` is the permission it takes.
        """
        return self._page(action, method, path, parse, needs=needs, query=query or {}, body=body, retry=retry).content

    def ask_for_list(
        self,
        action: str,
        path: str,
        parse: Callable[[Any], T],
        *,
        needs: str,
        query: Mapping[str, str | int] | None = None,
        at_most: float = math.inf,
    ) -> list[T]:
        """A list's entries, page after page, until there are `at_most`. Raises GitHubError.

        Pages are counted, not followed by their links: behind a proxy these may name another host.
        """
        entries: list[T] = []
        for number in range(1, MAX_PAGES + 1):
            asked = {**(query or {}), "per_page": PAGE_SIZE, "page": number}
            page = self._page(
                action, "GET", path, lambda data: [parse(entry) for entry in data], needs=needs, query=asked
            )
            entries += page.content
            if page.is_last or len(entries) >= at_most:
                break
        return entries

    def _page(
        self,
        action: str,
        method: str,
        path: str,
        parse: Callable[[Any], T],
        *,
        needs: str,
        query: Mapping[str, str | int],
        body: object = None,
        retry: Retry = Retry.TRANSIENT,
    ) -> Page[T]:
        if not self.token:
            raise GitHubError(f"No github-token, so {action} was not possible. Pass github-token or leave its default.")
        deadline = self.deadline or Deadline.after(self.clock, DEFAULT_BUDGET_S)
        transient, limited = Retries(deadline.within(PATIENCE_S)), Retries(deadline, longest=math.inf)
        while True:
            pending = self.clock.start(lambda: self._exchange(method, path, query, body, parse))
            try:
                return pending.wait(max(LEAST_WAIT_S, min(deadline.remaining, PATIENCE_S)))
            except TimeoutError:
                refusal = Refusal(status=None, message="the request timed out")
            except _Refused as refused:
                refusal = refused.refusal
            error = GitHubError(
                redact(refusal.explain(action, needs), (self.token,)),
                status=refusal.status,
                server_message=redact(one_line(refusal.message, 300), (self.token,)),
                retryable=refusal.retryable,
                retry_after=refusal.retry_after,
            )
            if not retry.allows(refusal):
                raise error
            if refusal.retry_after:
                limited.wait(error)
                transient = Retries(deadline.within(PATIENCE_S))
            else:
                transient.wait(error)

    def _exchange(
        self, method: str, path: str, query: Mapping[str, str | int], body: object, parse: Callable[[Any], T]
    ) -> Page[T]:
        sender: _Sender | None = None
        try:
            sender = self._take()
            status, headers, text = sender(method, self._address(path), query, body)
            moved = _MOVED_REPOSITORY.search(headers.get("location", "")) if status in _REDIRECTS else None
            if moved:
                # Only the id is taken from a redirect: the host stays ours, and with it the token.
                self.shared.repository_path = moved[0]
                status, headers, text = sender(method, self._address(path), query, body)
            if status < 300:
                is_last = not _NEXT_PAGE.search(headers.get("link", ""))
                return Page(content=parse(json.loads(text) if text else None), is_last=is_last)
        except OSError:
            # What requests raises; as it is, for a CA bundle that is not there.
            raise _Refused(Refusal(status=None, message="the connection failed")) from None
        except (ValueError, TypeError, KeyError, AttributeError, AssertionError, RuntimeError) as error:
            # An answer that is not what GitHub documents, from a proxy for example.
            message = f"the answer can't be used ({type(error).__name__})"
            raise _Refused(Refusal(status=None, message=message)) from None
        finally:
            if sender is not None:
                self.shared.idle.append(sender)
        raise _Refused(self._refusal(status, headers, text))

    def _refusal(self, status: int, headers: Mapping[str, str], text: str) -> Refusal:
        if status in _REDIRECTS:
            host = urlsplit(headers.get("location", "")).hostname or "another address"
            return Refusal(status=status, message=f"it redirects to {one_line(host)}, which is not followed")
        try:
            data = json.loads(text)
        except (ValueError, RecursionError):
            data = None
        return Refusal.from_answer(status, data, headers, now=self.clock.now().timestamp())

    def _address(self, path: str) -> str:
        if path.startswith("/"):
            return path
        return f"{self.shared.repository_path or f'/repos/{self.repository}'}/{path}"

    def _take(self) -> _Sender:
        try:
            return self.shared.idle.pop()
        except IndexError:
            return _connect(self.token, self.api_url)


def _connect(token: str, api_url: str) -> _Sender:
    """A sender that goes through PyGithub."""
    # PyGithub takes longer to import than everything else together, and many steps never need it.
    from github import Auth, Github  # noqa: PLC0415
    from github.Requester import HTTPRequestsConnectionClass, HTTPSRequestsConnectionClass  # noqa: PLC0415

    # PyGithub adds a handler of its own when it is imported, which prints on standard error.
    logger = logging.getLogger("github")
    logger.handlers = [logging.NullHandler()]
    logger.propagate = False
    # PyGithub's own defaults wait between requests, repeat a POST whose answer was lost (two comments) and may sleep an
    # hour on a rate limit: all of that is off, and the connection repeats what is safe.
    requester = Github(
        auth=Auth.Token(token),
        base_url=api_url,
        user_agent=f"stormkit-action/{__version__}",
        retry=None,
        seconds_between_requests=None,
        seconds_between_writes=None,
        lazy=True,
    ).requester
    address = urlsplit(api_url)
    kind = HTTPSRequestsConnectionClass if address.scheme == "https" else HTTPRequestsConnectionClass
    connection: Any = _LeavesRedirects(kind(address.hostname or "", address.port, timeout=REQUEST_TIMEOUT_S))

    def send(
        method: str, path: str, query: Mapping[str, str | int], body: object
    ) -> tuple[int, Mapping[str, str], str]:
        url = requester.graphql_url if path == "/graphql" else path
        return requester.requestJson(method, url, dict(query), dict(_HEADERS), body, connection)

    return send


class _LeavesRedirects:
    """PyGithub's connection, but for 301: PyGithub follows that by its path alone and drops the query."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    def request(self, *arguments: Any) -> None:
        self._connection.request(*arguments)

    def getresponse(self) -> Any:
        response = self._connection.getresponse()
        if response.status == 301:
            response.status = 308
        return response


class _Refused(Exception):
    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.message)
        self.refusal = refusal
