"""Pauses between the tries of one thing: exponential with full jitter, `Retry-After`, and an end.

The figures are backoff's. The loop is the caller's, because backoff's own sleeps with time.sleep, which no cancel ends
and no test's clock shortens.
"""

from collections.abc import Iterator

from stormkit_action.clock import Deadline
from stormkit_action.errors import ApiError

# No server's wish makes a pause longer than this.
LONGEST_RETRY_AFTER_S = 15.0

# A last try is made this long before the deadline, if there is more time left than twice that.
LAST_TRY_S = 0.5


class Retries:
    """The pauses before the next tries of one thing, until `deadline`; none is shorter than `floor` seconds.

    `longest` bounds what a server may ask for with `Retry-After`, in seconds. A pause that reaches beyond the deadline
    is cut for a last try, unless `longest` allows for more than LONGEST_RETRY_AFTER_S and the server asks for it.
    """

    def __init__(self, deadline: Deadline, *, floor: float = 0.0, longest: float = LONGEST_RETRY_AFTER_S) -> None:
        self._deadline = deadline
        self._floor = floor
        self._longest = longest
        self._pauses = jittered_pauses()

    def wait(self, error: ApiError) -> None:
        """Sleep until the next try. Raises `error` when it is not retryable or no time is left for one."""
        if not error.retryable:
            raise error
        self.pause(error)

    def pause(self, error: ApiError) -> None:
        """Sleep until the next try, whatever `error` is; raises it when no time is left for one."""
        asked = min(error.retry_after, self._longest)
        left = self._deadline.remaining
        is_binding = asked > LONGEST_RETRY_AFTER_S
        if left < 2 * LAST_TRY_S or self._floor >= left or (is_binding and asked >= left):
            raise error
        self._deadline.clock.sleep(max(self._floor, min(max(asked, next(self._pauses)), left - LAST_TRY_S)))


def jittered_pauses() -> Iterator[float]:
    """Seconds between tries: up to 0.5, 1, 2, 4, then 8, each a random part of it."""
    # A good first answer need not pay for backoff, which imports asyncio.
    import backoff  # noqa: PLC0415

    figures = backoff.expo(base=2, factor=0.5, max_value=8)
    next(figures)
    for figure in figures:
        yield backoff.full_jitter(figure)
