"""What GitHub answers, parsed once, and its refusals as sentences. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from stormkit_action.text import one_line

# GitHub asks for at least this long after a rate limit that does not say how long. Seconds.
UNSPECIFIED_LIMIT = 60.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Comment:
    """A comment on a pull request. `author` is the login, as REST tells it ("github-actions[bot]")."""

    id: int
    author: str
    body: str
    url: str

    @classmethod
    def from_api(cls, data: Mapping[str, Any]) -> "Comment":
        """A comment from GitHub's JSON. Raises ValueError without an id."""
        return cls(
            id=_id(data), author=login_in(data.get("user")), body=_text(data, "body"), url=_text(data, "html_url")
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class GitHubDeployment:
    """A GitHub Deployment. `payload` is what its creator put there, empty when that was no object."""

    id: int
    creator: str
    environment: str
    payload: Mapping[str, Any]

    @classmethod
    def from_api(cls, data: Mapping[str, Any]) -> "GitHubDeployment":
        """A deployment from GitHub's JSON. Raises ValueError without an id."""
        payload = data.get("payload")
        return cls(
            id=_id(data),
            creator=login_in(data.get("creator")),
            environment=_text(data, "environment"),
            payload=payload if isinstance(payload, Mapping) else {},
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Failure:
    """Why a call failed: `status` None without an answer; `wait` seconds GitHub asks for."""

    status: int | None
    text: str
    wait: float = 0.0

    @property
    def passing(self) -> bool:
        """Whether the same call may go through a little later."""
        return self.status is None or self.status in (429, 500, 502, 503, 504) or self.wait > 0

    def explain(self, action: str, needs: str) -> str:
        """The sentence for a person: what was not possible, why, what to do. `needs` is a permission of a workflow."""
        status = f" ({self.status})" if self.status else ""
        text = f"GitHub did not go along with {action}{status}: {one_line(self.text, 300).rstrip('.')}."
        if self.status in (403, 404) and not self.wait:
            scope, access = needs.split(": ")
            return (
                f"{text} The token may lack a permission: add `permissions: {{ {scope}: {access} }}` to the job"
                " (naming one permission sets all others to none)."
            )
        if self.status == 401:
            return f"{text} The github-token is not valid: leave the input's default or pass a working token."
        if self.passing:
            return f"{text} Run the job again later."
        return f"{text} Correct what it names, and run the job again."


def failure(status: int, data: object, headers: Mapping[str, Any], *, now: float) -> Failure:
    """GitHub's refusal, `now` in Unix seconds. A rate limit tells in one of two headers how long, or not at all."""
    message = data.get("message") if isinstance(data, Mapping) else None
    text = message if isinstance(message, str) else "no reason given"
    lower = {name.lower(): str(value) for name, value in headers.items()}
    # A primary limit may come as a 403 in other words, but it always has nothing remaining.
    used_up = status in (403, 429) and lower.get("x-ratelimit-remaining") == "0"
    limited = status == 429 or used_up or (status == 403 and "rate limit" in text.lower())
    wait = _wait(lower, now, used_up=used_up) if limited else 0.0
    if not limited and status in (403, 404) and lower.get("x-accepted-github-permissions"):
        text = f"{text.rstrip('.')} (it takes {lower['x-accepted-github-permissions']})"
    return Failure(status=status, text=text, wait=wait)


def _wait(headers: Mapping[str, str], now: float, *, used_up: bool) -> float:
    after, reset = headers.get("retry-after", ""), headers.get("x-ratelimit-reset", "")
    if after.isdecimal():
        return max(1.0, float(after))
    if used_up and reset.isdecimal():
        return max(1.0, float(reset) - now)
    return UNSPECIFIED_LIMIT


def login_in(user: object) -> str:
    """The login of a user object; empty for an account that is gone."""
    return _text(user, "login") if isinstance(user, Mapping) else ""


def _id(data: Mapping[str, Any]) -> int:
    number = data.get("id")
    if not isinstance(number, int):
        raise ValueError("no id")
    return number


def _text(data: Mapping[str, Any], name: str) -> str:
    value = data.get(name)
    return value if isinstance(value, str) else ""
