"""When to poll next, and how long builds usually take. Pure."""

import math
import statistics
from collections.abc import Iterable
from dataclasses import dataclass

from stormkit_action.stormkit.models import Deployment, Status

# How many of the newest successful builds tell what is usual.
HISTORY = 10

# The longest pause, in seconds, however long the build has taken.
LONGEST_PAUSE = 15.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Usual:
    """How long this environment's builds usually take: `seconds` is the median of `count` builds."""

    seconds: float
    count: int

    @classmethod
    def of(cls, deployments: Iterable[Deployment]) -> "Usual | None":
        """What is usual, from deployments newest first; None without a successful build that tells its duration."""
        durations = [
            deployment.duration
            for deployment in deployments
            if deployment.status is Status.SUCCESS and deployment.duration > 0
        ][:HISTORY]
        if not durations:
            return None
        return cls(seconds=statistics.median(durations), count=len(durations))


def pause(elapsed: float, *, shortest: float) -> float:
    """Seconds until the next poll, `elapsed` seconds after the build began.

    `shortest` at first, then a tenth of the time already waited: nobody waits more than a tenth longer than the build
    took, and a long build costs few requests.
    """
    if not math.isfinite(elapsed) or elapsed <= 0:
        return shortest
    return max(shortest, min(elapsed / 10, LONGEST_PAUSE))
