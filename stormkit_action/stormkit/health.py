"""The health check: does the preview answer? The API key is never sent along."""

import functools
import re
from enum import StrEnum
from typing import NamedTuple
from urllib.parse import urljoin, urlsplit, urlunsplit

import requests
from urllib3.exceptions import HTTPError

from stormkit_action import __version__
from stormkit_action.clock import Clock, Deadline
from stormkit_action.stormkit.connection_errors import network_problem
from stormkit_action.stormkit.session import PlainSession

REQUEST_TIMEOUT_S = 10.0

# Between two requests, at first and at most.
FIRST_PAUSE_S = 0.5
MAX_PAUSE_S = 5.0

# After a deployment has answered 404 itself: a preview that was opened before its build ended stays 404 for ten minutes
# after the last request, so each look makes it last.
OWN_404_PAUSE_S = 30.0

_OWN_404 = (
    "the deployment itself answered 404: the path is missing, or the preview was opened before its build ended; then"
    " Stormkit keeps answering 404 until nobody has opened it for ten minutes, or a deployment of the app is published"
    " or deleted"
)

MAX_REDIRECTS = 10

# A preview's answers name their deployment in this header. The page that asks for a preview's password has none.
VERSION_HEADER = "X-Sk-Version"
_PROTECTED_PAGE = r"(?i)<title>\s*Stormkit - Password protected deployment\s*</title>"
TITLE_BYTES = 16 * 1024
TITLE_TIMEOUT_S = 2.0


class Health(StrEnum):
    """What a health check found out: `unknown` where something else answers in the preview's place."""

    HEALTHY = "healthy"
    UNHEALTHY = "unhealthy"
    UNKNOWN = "unknown"


class HealthResult(NamedTuple):
    """The result of a health check. `reason` is what is wrong, as it reads after a colon; empty when healthy.

    `pause` is the shortest wait before another look, in seconds; None where another look would change nothing.
    """

    health: Health
    reason: str = ""
    pause: float | None = 0.0


def check_url(preview_url: str, path: str) -> str:
    """`path` on the preview's origin."""
    origin = urlsplit(preview_url)
    wanted = urlsplit(path)
    return urlunsplit((origin.scheme, origin.netloc, wanted.path or "/", wanted.query, ""))


def wait_until_healthy(
    url: str, *, deployment_id: str, accepted: frozenset[int], clock: Clock, deadline: Deadline
) -> HealthResult:
    """GET `url` until the deployment answers with an accepted code; what it last answered at `deadline`."""
    pause = FIRST_PAUSE_S
    look = functools.partial(_look, url, deployment_id, accepted)
    while True:
        limit = min(REQUEST_TIMEOUT_S, max(1.0, deadline.remaining))
        try:
            result = clock.start(functools.partial(look, clock, limit)).wait(limit + TITLE_TIMEOUT_S + 1)
        except TimeoutError:
            result = _unhealthy("it did not answer in time")
        if result.health is Health.HEALTHY or result.pause is None or deadline.over:
            return result
        clock.sleep(min(max(pause, result.pause), deadline.remaining))
        pause = min(pause * 2, MAX_PAUSE_S)


def _look(url: str, deployment_id: str, accepted: frozenset[int], clock: Clock, limit: float) -> HealthResult:
    """Look once, following redirects. Of a body at most the title is downloaded, to recognize the password page."""
    asked = urlsplit(url).hostname
    try:
        with PlainSession() as session:
            session.headers["User-Agent"] = f"stormkit-action/{__version__}"
            for _ in range(MAX_REDIRECTS + 1):
                with session.get(url, auth=_no_credentials, timeout=limit, stream=True) as response:
                    target = response.headers.get("Location", "")
                    if not target or not response.is_redirect:
                        has_moved = urlsplit(url).hostname != asked
                        return _judge(response, deployment_id, accepted, clock, has_moved=has_moved)
                # Header bytes are decoded as Latin-1, but servers mean UTF-8.
                url = urljoin(url, target.encode("latin-1", "replace").decode("utf-8", "replace"))
                if urlsplit(url).scheme not in ("http", "https"):
                    return _unhealthy("it redirects to something that is not http or https")
    except (requests.RequestException, OSError, ValueError) as error:
        return _unhealthy(network_problem(error).text)
    return _unhealthy(f"it redirects more than {MAX_REDIRECTS} times")


def _judge(
    response: requests.Response, deployment_id: str, accepted: frozenset[int], clock: Clock, *, has_moved: bool
) -> HealthResult:
    """What an answer other than a redirect means. `has_moved` is whether redirects have led to another host."""
    status, version = response.status_code, response.headers.get(VERSION_HEADER, "")
    if version and version != deployment_id:
        return _unhealthy("another deployment answered")
    if status == 404 and version and status not in accepted:
        return HealthResult(health=Health.UNHEALTHY, reason=_OWN_404, pause=OWN_404_PAUSE_S)
    if status not in accepted:
        return _unhealthy(f"it answered {status}")
    if not version and has_moved:
        host = urlsplit(response.url).hostname
        return _unknown(f"it redirects to another host ({host}), so what answers there is not the preview")
    if not version and _is_password_page(response, clock):
        return _unknown("the preview asks for a password, so what is behind it can't be seen")
    return HealthResult(health=Health.HEALTHY)


def _is_password_page(response: requests.Response, clock: Clock) -> bool:
    if "html" not in response.headers.get("Content-Type", "").lower():
        return False
    beginning, began = b"", clock.monotonic()
    try:
        while len(beginning) < TITLE_BYTES and clock.monotonic() - began < TITLE_TIMEOUT_S:
            arrived = response.raw.read1(TITLE_BYTES, decode_content=True)
            beginning += arrived
            if not arrived or b"</title>" in beginning:
                break
    except (HTTPError, OSError):
        pass  # what has arrived decides
    return bool(re.search(_PROTECTED_PAGE, beginning.decode("utf-8", "replace")))


def _unhealthy(reason: str) -> HealthResult:
    return HealthResult(health=Health.UNHEALTHY, reason=reason)


def _unknown(reason: str) -> HealthResult:
    return HealthResult(health=Health.UNKNOWN, reason=reason, pause=None)


def _no_credentials(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """An auth that adds nothing: without one, requests would look the host up in a .netrc file."""
    return request
