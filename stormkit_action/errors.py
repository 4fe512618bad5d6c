"""Everything that may go wrong and is expected.

    ActionError                     what happened, why, and what to do next
    ├── InputError                  the inputs or the event, all problems at once
    ├── CommandError                the command can't be done as asked (nothing was changed)
    ├── StormkitError               a call to Stormkit did not go through
    │   ├── NoAnswer                nothing came back (or nothing could be sent)
    │   ├── Busy                    429: ask again later
    │   ├── ServerFault             5xx, or an answer that can't be read
    │   ├── Refused                 401, 402, 403: the key, the plan or the team says no
    │   ├── NotFound                404
    │   └── Rejected                any other 4xx, and redirects
    └── GitHubError                 a call to GitHub did not go through
    Cancelled                       the job was cancelled (not an ActionError: nobody may swallow it)

`str()` of an ActionError is the text a user reads. It never holds a secret.
"""

from collections.abc import Sequence


class ActionError(Exception):
    """An expected error; `text` is complete: what happened, why, and what to do next."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text


class InputError(ActionError):
    """What is wrong with the inputs or the event: `problems` has one complete sentence each."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


class CommandError(ActionError):
    """The command can't be done as asked, for example publishing a failed build."""


class StormkitError(ActionError):
    """A call to Stormkit did not go through.

    `status` is the HTTP status (None without an answer), `words` the server's own text,
    `retry_after` the seconds it asked to wait (0 when it did not say).
    """

    def __init__(self, text: str, *, status: int | None = None, words: str = "", retry_after: float = 0.0) -> None:
        super().__init__(text)
        self.status = status
        self.words = words
        self.retry_after = retry_after


class NoAnswer(StormkitError):
    """Nothing came back. `sent` is False only when the request certainly never reached the server.

    `permanent` marks what no repetition mends, such as a certificate nobody trusts.
    """

    def __init__(self, text: str, *, sent: bool, permanent: bool = False) -> None:
        super().__init__(text)
        self.sent = sent
        self.permanent = permanent


class Busy(StormkitError):
    """429: too many requests."""


class ServerFault(StormkitError):
    """A 5xx, or an answer that can't be read.

    `by_server` is True when Stormkit itself said so (a JSON body with its own words), False when a
    proxy in front may have spoken for it.
    """

    def __init__(
        self,
        text: str,
        *,
        status: int | None = None,
        words: str = "",
        retry_after: float = 0.0,
        by_server: bool = False,
    ) -> None:
        super().__init__(text, status=status, words=words, retry_after=retry_after)
        self.by_server = by_server


class Refused(StormkitError):
    """401, 402 or 403."""


class NotFound(StormkitError):
    """404."""


class Rejected(StormkitError):
    """Any other 4xx, or a redirect, which is never followed."""


class GitHubError(ActionError):
    """A call to GitHub did not go through.

    `status` is the HTTP status, None without an answer; `wait` the seconds that a rate limit asks to wait, 0 without
    one; `passing` is whether trying again may help.
    """

    def __init__(self, text: str, *, status: int | None = None, wait: float = 0.0, passing: bool = False) -> None:
        super().__init__(text)
        self.status = status
        self.wait = wait
        self.passing = passing


class Cancelled(Exception):
    """The job was cancelled: every wait ends with this."""
