"""The health check: does the preview answer? The API key is never sent along."""

import functools
from urllib.parse import urljoin, urlsplit, urlunsplit

import requests

from stormkit_action import __version__
from stormkit_action.clock import Clock, Deadline
from stormkit_action.parsers import StatusCodes
from stormkit_action.stormkit.connection_errors import network_problem
from stormkit_action.stormkit.session import PlainSession

REQUEST_TIMEOUT_S = 10.0

# Between two requests, at first and at most.
FIRST_PAUSE_S = 0.5
MAX_PAUSE_S = 5.0

MAX_REDIRECTS = 10


def _no_credentials(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """An auth that adds nothing: without one, requests would look the host up in a .netrc file."""
    return request


def check_url(preview_url: str, path: str) -> str:
    """`path` on the preview's origin."""
    origin = urlsplit(preview_url)
    wanted = urlsplit(path)
    return urlunsplit((origin.scheme, origin.netloc, wanted.path or "/", wanted.query, ""))


def wait_until_healthy(url: str, *, accepted: StatusCodes, clock: Clock, deadline: Deadline) -> str:
    """GET `url` until it answers with an accepted code. Empty then; else, at `deadline`, what it last answered."""
    pause = FIRST_PAUSE_S
    while True:
        limit = min(REQUEST_TIMEOUT_S, max(1.0, deadline.remaining))
        try:
            problem = clock.start(functools.partial(_look, url, accepted, limit)).wait(limit + 1)
        except TimeoutError:
            problem = "it did not answer in time"
        if not problem or deadline.remaining <= 0:
            return problem
        clock.sleep(min(pause, deadline.remaining))
        pause = min(pause * 2, MAX_PAUSE_S)


def _look(url: str, accepted: StatusCodes, limit: float) -> str:
    """What is wrong, empty when it is healthy. Follows redirects; no body is downloaded."""
    try:
        with PlainSession() as session:
            session.headers["User-Agent"] = f"stormkit-action/{__version__}"
            for _ in range(MAX_REDIRECTS + 1):
                with session.get(url, auth=_no_credentials, timeout=limit, stream=True) as response:
                    status, target = response.status_code, response.headers.get("Location", "")
                if not target or not response.is_redirect:
                    return "" if status in accepted else f"it answered {status}"
                # Header bytes come as Latin-1, and what servers mean is UTF-8.
                url = urljoin(url, target.encode("latin-1", "replace").decode("utf-8", "replace"))
                if urlsplit(url).scheme not in ("http", "https"):
                    return "it redirects to something that is not http or https"
    except (requests.RequestException, OSError, ValueError) as error:
        return network_problem(error).text
    return f"it redirects more than {MAX_REDIRECTS} times"
