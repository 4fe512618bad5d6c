"""The connection to GitHub: PyGithub with our own rules on waiting and repeating, and errors that say what to do.

PyGithub is imported when the first call is made: it takes longer to import than everything else together, and the
deployment has been triggered by then.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, TypeVar

from stormkit_action.clock import Clock, Deadline
from stormkit_action.errors import GitHubError
from stormkit_action.github_api.models import Failure, failure
from stormkit_action.text import redact

if TYPE_CHECKING:
    from github import Github

T = TypeVar("T")

# Seconds for one request, and for one request with everything it is repeated for.
REQUEST_TIMEOUT = 10
PATIENCE = 40.0

# Entries of a list that come with one request, the most that GitHub gives.
PAGE = 100


class Retry(Enum):
    """After which failures a call may be repeated."""

    TRANSIENT = "whatever may pass"
    RATE_LIMIT = "a rate limit, by which GitHub refuses before it does anything"
    NEVER = "none, because what it says depends on what was read before"

    def allows(self, failed: Failure) -> bool:
        """Whether to send it again after this failure."""
        return failed.passing if self is Retry.TRANSIENT else self is Retry.RATE_LIMIT and failed.wait > 0


@dataclass(kw_only=True, slots=True)
class Known:
    """What all connections with one token share. `login` is whose token it is, empty until an answer told.

    `idle` are PyGithub's objects that nobody uses just now. A request takes one for itself: what is to be sent stands
    in it until it is sent, so two threads with the same one could send one thing twice and the other never.
    """

    idle: list[Github] = field(default_factory=list)
    login: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Connection:
    """GitHub's API under one token. With a `deadline` every call ends by it."""

    token: str
    api_url: str
    clock: Clock
    known: Known
    deadline: Deadline | None = None

    def __repr__(self) -> str:
        return f"Connection({self.api_url})"

    def within(self, deadline: Deadline) -> Connection:
        """The same, with every call ended by `deadline` and waiting on its clock."""
        return Connection(
            token=self.token, api_url=self.api_url, clock=deadline.clock, known=self.known, deadline=deadline
        )

    def ask(self, action: str, question: Callable[[Github], T], *, needs: str, again: Retry = Retry.TRANSIENT) -> T:
        """What `question` gets from GitHub. Raises GitHubError.

        `needs` is the permission it takes, as in a workflow; `again` tells after which failures it may be repeated.
        """
        if not self.token:
            raise GitHubError(f"No github-token, so {action} was not possible. Pass github-token or leave its default.")
        give_up = self.deadline.within(PATIENCE) if self.deadline else Deadline.after(self.clock, PATIENCE)
        delay = 0.5
        while True:
            try:
                return self.clock.start(lambda: self._exchange(question)).wait(max(0.5, give_up.remaining))
            except TimeoutError:
                failed = Failure(status=None, text="no answer in time")
            except _Failed as error:
                failed = error.failure
            delay = max(delay * 2, failed.wait)
            if not again.allows(failed) or delay >= give_up.remaining:
                text = redact(failed.explain(action, needs), (self.token,))
                raise GitHubError(text, status=failed.status, retry_after=failed.wait, retryable=failed.passing)
            self.clock.sleep(delay)

    def _exchange(self, question: Callable[[Github], T]) -> T:
        from github import GithubException  # noqa: PLC0415 - see the module's docstring

        github = self._take()
        try:
            return question(github)
        except GithubException as error:
            now = self.clock.now().timestamp()
            raise _Failed(failure(error.status, error.data, dict(error.headers or {}), now=now)) from None
        except OSError:
            # What requests raises; as it is, for a CA bundle that is not there.
            raise _Failed(Failure(status=None, text="the connection failed")) from None
        except (ValueError, TypeError, KeyError, AttributeError, AssertionError, RuntimeError) as error:
            # PyGithub on an answer that is not what GitHub documents, from a proxy for example.
            raise _Failed(Failure(status=None, text=f"the answer can't be used ({type(error).__name__})")) from None
        finally:
            self.known.idle.append(github)

    def _take(self) -> Github:
        try:
            return self.known.idle.pop()
        except IndexError:
            return self._connect()

    def _connect(self) -> Github:
        from github import Auth, Github  # noqa: PLC0415 - see the module's docstring

        # PyGithub's own defaults wait between requests, repeat a POST whose answer was lost (two comments) and may
        # sleep an hour on a rate limit: all of that is off, and `ask` repeats what is safe.
        return Github(
            auth=Auth.Token(self.token),
            base_url=self.api_url,
            timeout=REQUEST_TIMEOUT,
            per_page=PAGE,
            retry=None,
            seconds_between_requests=None,
            seconds_between_writes=None,
            lazy=True,
        )


class _Failed(Exception):
    def __init__(self, failed: Failure) -> None:
        super().__init__(failed.text)
        self.failure = failed
