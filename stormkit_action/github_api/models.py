"""GitHub's answers as typed values, and its refusals as sentences. Pure."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from stormkit_action import fields
from stormkit_action.text import one_line

# GitHub asks for at least this long after a rate limit that does not say how long.
UNSPECIFIED_LIMIT_S = 60.0

_TRANSIENT = (429, 500, 502, 503, 504)


class Account(NamedTuple):
    """A person's or a bot's account. `id` is 0 where GitHub did not say, as it may for an account that is gone."""

    id: int = 0
    login: str = ""
    type: str = ""

    @classmethod
    def from_api(cls, data: object) -> "Account":
        """An account from the `user` or `creator` of GitHub's JSON."""
        if not isinstance(data, Mapping):
            return cls()
        number = data.get("id")
        return cls(
            id=number if isinstance(number, int) else 0,
            login=fields.text(data.get("login")),
            type=fields.text(data.get("type")),
        )

    def is_same(self, other: "Account") -> bool:
        """Whether both are one account: by id, else by login and type."""
        if self.id and other.id:
            return self.id == other.id
        return bool(self.login) and (_full_login(self), self.type) == (_full_login(other), other.type)


def _full_login(account: Account) -> str:
    """The login as REST writes it: GraphQL leaves a bot's suffix away."""
    is_short = account.type == "Bot" and not account.login.endswith("[bot]")
    return f"{account.login}[bot]" if is_short else account.login


class Comment(NamedTuple):
    """A comment on a pull request."""

    id: int
    author: Account
    body: str
    url: str

    @classmethod
    def from_api(cls, data: Mapping[str, Any]) -> "Comment":
        """A comment from GitHub's JSON. Raises ValueError without an id."""
        author = Account.from_api(data.get("user"))
        return cls(
            id=_id(data), author=author, body=fields.text(data.get("body")), url=fields.text(data.get("html_url"))
        )


class GitHubDeployment(NamedTuple):
    """A GitHub Deployment. `payload` is what its creator put there, empty when that was no object."""

    id: int
    creator: Account
    task: str
    environment: str
    production: bool
    payload: Mapping[str, Any]

    @classmethod
    def from_api(cls, data: Mapping[str, Any]) -> "GitHubDeployment":
        """A deployment from GitHub's JSON. Raises ValueError without an id."""
        payload = data.get("payload")
        return cls(
            id=_id(data),
            creator=Account.from_api(data.get("creator")),
            task=fields.text(data.get("task")),
            environment=fields.text(data.get("environment")),
            production=data.get("production_environment") is True,
            payload=payload if isinstance(payload, Mapping) else {},
        )


class Refusal(NamedTuple):
    """Why a call failed.

    `status` is None without an answer, `retry_after` the seconds GitHub asks to wait (0 when it does not limit us),
    `accepted_permissions` what GitHub says the call takes.
    """

    status: int | None
    message: str
    retry_after: float = 0.0
    accepted_permissions: str = ""

    @classmethod
    def from_answer(cls, status: int, data: object, headers: Mapping[str, str], *, now: float) -> "Refusal":
        """GitHub's refusal; names in `headers` are lower case, `now` is in Unix seconds."""
        message = _message(data)
        # A primary limit may come as a 403 in other words, but it always has nothing remaining.
        is_used_up = status in (403, 429) and headers.get("x-ratelimit-remaining") == "0"
        is_limited = status == 429 or is_used_up or (status == 403 and "rate limit" in message.lower())
        return cls(
            status=status,
            message=message,
            retry_after=_retry_after(headers, now, is_used_up=is_used_up) if is_limited else 0.0,
            accepted_permissions=headers.get("x-accepted-github-permissions", ""),
        )

    @property
    def retryable(self) -> bool:
        """Whether the same call may succeed a little later."""
        return self.status is None or self.status in _TRANSIENT or self.retry_after > 0

    def explain(self, action: str, needs: str) -> str:
        """What was refused, why, and what to do. `needs` is a permission as a workflow writes it."""
        message = one_line(self.message, 300).rstrip(".")
        if self.status is None:
            return f"GitHub gave no usable answer for {action}: {message}. Run the job again later."
        text = f"GitHub refused {action} ({self.status}): {message}"
        if self.retryable:
            return f"{text}. Run the job again later."
        if self.status == 401:
            return f"{text}. The github-token is not valid: leave the input's default or pass a working token."
        if self.status == 404:
            return f"{text}. It does not exist, or the github-token has no access to this repository."
        if self.status == 403 and "resource not accessible by" in message.lower():
            return f"{text}{self._accepted()}. {_advice(needs, for_workflow='integration' in message)}"
        return f"{text}."

    def _accepted(self) -> str:
        accepted = one_line(self.accepted_permissions, 200)
        return f" (it requires {accepted})" if accepted else ""


def _advice(needs: str, *, for_workflow: bool) -> str:
    if not for_workflow:
        return f"Give the token this permission: {needs}."
    first, *others = needs.split(", ")
    private = f", in a private repository also `{others[0]}`" if others else ""
    return (
        f"The token lacks a permission: add `permissions: {{ {first} }}` to the job{private} (naming one permission"
        " sets all others to none)."
    )


def _message(data: object) -> str:
    if not isinstance(data, Mapping):
        return "no reason given"
    message = data.get("message")
    parts = [message] if isinstance(message, str) and message else []
    parts += _details(data.get("errors"))
    return ": ".join(parts) or "no reason given"


def _details(errors: object) -> list[str]:
    """What GitHub's `errors` say, which holds sentences, or objects with or without one."""
    entries = errors if isinstance(errors, list) else [errors]
    texts = [text for entry in entries[:5] for text in _detail(entry)]
    return ["; ".join(texts)] if texts else []


def _detail(entry: object) -> Iterator[str]:
    if isinstance(entry, str) and entry:
        yield entry
    elif isinstance(entry, Mapping):
        message = fields.text(entry.get("message"))
        what = " ".join(text for name in ("resource", "field") if (text := fields.text(entry.get(name))))
        code = fields.text(entry.get("code")).replace("_", " ")
        if message or code:
            yield message or (f"{what} is {code}" if what else code)


def _retry_after(headers: Mapping[str, str], now: float, *, is_used_up: bool) -> float:
    after, reset = headers.get("retry-after", ""), headers.get("x-ratelimit-reset", "")
    if after.isdecimal():
        return max(1.0, float(after))
    if is_used_up and reset.isdecimal():
        return max(1.0, float(reset) - now)
    return UNSPECIFIED_LIMIT_S


def _id(data: Mapping[str, Any]) -> int:
    number = data.get("id")
    if not isinstance(number, int):
        raise ValueError("no id")
    return number
