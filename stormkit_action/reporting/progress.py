"""How a build stands, in one line of the log. Pure."""

from stormkit_action.stormkit.waiting import Progress
from stormkit_action.text import duration, one_line

# Characters.
BAR = 10

# Estimates of this many seconds or more are rounded to steps of this many.
ROUND_FROM, ROUND_TO = 20, 5


def line(progress: Progress) -> str:
    """`1m 05s: running [######----] about 40s left, usually 1m 45s, commit 16ab41e`."""
    elapsed = duration(progress.elapsed)
    if progress.trouble:
        return f"{elapsed}: still trying. {progress.trouble}"
    deployment = progress.deployment
    if deployment is None:
        return f"{elapsed}: waiting"
    parts = [f"{elapsed}: {deployment.status}"]
    if progress.usual and deployment.running:
        usual = progress.usual
        parts[0] += f" {bar(progress.elapsed, usual.seconds)} {estimate(progress.elapsed, usual.seconds, usual.spread)}"
        parts.append(f"usually {duration(usual.seconds)}")
    if deployment.commit.sha:
        parts.append(f"commit {one_line(deployment.commit.sha, 64)[:7]}")
    return ", ".join(parts)


def bar(elapsed: float, usual: float) -> str:
    """The part of the usual time that has passed; full once it is over."""
    done = min(BAR, max(0, int(BAR * elapsed / usual)))
    return f"[{'#' * done}{'-' * (BAR - done)}]"


def estimate(elapsed: float, usual: float, spread: float) -> str:
    """When the end is to be expected. It is overdue only when it is later than builds usually differ."""
    left = usual - elapsed
    if left >= 1:
        return f"about {duration(_rounded(left))} left"
    if -left <= usual * spread:
        return "due now"
    return f"overdue by {duration(-left)}"


def _rounded(seconds: float) -> float:
    return seconds if seconds < ROUND_FROM else ROUND_TO * round(seconds / ROUND_TO)
