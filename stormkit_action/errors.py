"""Everything that may go wrong and is expected.

    ActionError                     what happened, why, and what to do next
    ├── InputError                  the inputs or the event: all problems at once
    ├── CommandError                the command can't be carried out as asked
    └── ApiError                    a call to an API failed: status, server_message, retryable, retry_after
        ├── StormkitError           a call to Stormkit
        │   ├── NoAnswer            nothing came back, or nothing could be sent
        │   ├── Busy                429: too many requests
        │   ├── ServerFault         5xx, an answer that can't be read, or one of somebody in between
        │   ├── Refused             401, 402, 403: the key, the plan or the team says no
        │   ├── NotFound            404
        │   └── Rejected            any other 4xx, and redirects
        └── GitHubError             a call to GitHub
    Cancelled                       the job was cancelled (a BaseException: no `except Exception` swallows it)

`str()` of an ActionError is the text that a user reads. It never holds a secret.
"""

from collections.abc import Sequence


class ActionError(Exception):
    """An expected error; `text` is complete: what happened, why, and what to do next."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text


class InputError(ActionError):
    """What is wrong with the inputs or the event: one complete sentence in `problems` for each."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


class CommandError(ActionError):
    """The command can't be carried out as asked, for example publishing a failed build."""


class ApiError(ActionError):
    """A call to an API failed.

    `status` is the HTTP status (None without an answer) and `server_message` the server's own text, in one line.
    `retryable` is whether the same call may succeed a little later, `retry_after` the seconds the server asked to wait
    (0 when it did not say).
    """

    def __init__(
        self,
        text: str,
        *,
        status: int | None = None,
        server_message: str = "",
        retryable: bool = False,
        retry_after: float = 0.0,
    ) -> None:
        super().__init__(text)
        self.status = status
        self.server_message = server_message
        self.retryable = retryable
        self.retry_after = retry_after


class StormkitError(ApiError):
    """A call to Stormkit failed."""


class NoAnswer(StormkitError):
    """Nothing came back. `may_have_arrived` is False only when the request certainly never reached the server."""

    def __init__(self, text: str, *, may_have_arrived: bool, retryable: bool = True) -> None:
        super().__init__(text, retryable=retryable)
        self.may_have_arrived = may_have_arrived


class Busy(StormkitError):
    """429: too many requests."""

    def __init__(
        self, text: str, *, status: int | None = 429, server_message: str = "", retry_after: float = 0.0
    ) -> None:
        super().__init__(text, status=status, server_message=server_message, retryable=True, retry_after=retry_after)


class ServerFault(StormkitError):
    """A 5xx, an answer that can't be read, or one of a proxy, gateway or firewall in between.

    `from_stormkit` is True when Stormkit itself said so. Otherwise the request may have been carried out.
    """

    def __init__(
        self,
        text: str,
        *,
        status: int | None = None,
        server_message: str = "",
        retry_after: float = 0.0,
        from_stormkit: bool = False,
    ) -> None:
        super().__init__(text, status=status, server_message=server_message, retryable=True, retry_after=retry_after)
        self.from_stormkit = from_stormkit


class Refused(StormkitError):
    """401, 402 or 403."""


class NotFound(StormkitError):
    """404. `from_handler` is True when Stormkit looked for the deployment or environment and found none.

    A replica that lags answers so too: a deployment is gone when it is still not found after a pause.
    """

    def __init__(
        self, text: str, *, status: int | None = 404, server_message: str = "", from_handler: bool = False
    ) -> None:
        super().__init__(text, status=status, server_message=server_message)
        self.from_handler = from_handler


class Rejected(StormkitError):
    """Any other 4xx, or a redirect, which is never followed."""


class GitHubError(ApiError):
    """A call to GitHub failed."""


class Cancelled(BaseException):
    """The job was cancelled: every wait ends with this."""
