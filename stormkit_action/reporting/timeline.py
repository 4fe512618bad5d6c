"""A build's steps as a timeline: a mermaid gantt, which GitHub draws in markdown. Pure."""

import re
from collections.abc import Sequence

from stormkit_action.stormkit.models import Deployment, LogStep
from stormkit_action.text import duration, one_line

# Bars a timeline: more are merged into the last one. Mermaid itself refuses text of more than 50,000 characters.
BARS = 40

# The axis tells a time of day, which is the elapsed time only within the first day. Seconds.
DAY = 24 * 3600

# Distances of the axis's marks, and how many of them are wanted at most.
_TICKS = {
    **{count: f"{count}second" for count in (1, 2, 5, 10, 15, 30)},
    **{60 * count: f"{count}minute" for count in (1, 2, 5, 10, 15, 30)},
    **{3600 * count: f"{count}hour" for count in (1, 2, 4)},
}
_MARKS = 8

# ASCII punctuation that means something to mermaid or HTML. What is left can't end a line, a name or the block.
_MEANING = re.compile(r"""[:;#%{}<>"'`|\\^~$*\[\]&]+""")


def gantt(name: str, deployment: Deployment) -> str:
    """The timeline of `deployment`'s steps, called `name`; empty when their durations are not known."""
    steps, checks = _merged(deployment.logs), _merged(deployment.status_checks)
    total = sum(step.duration for step in (*steps, *checks))
    if not 0 < total <= DAY:
        return ""
    lines = [
        "gantt",
        f"accTitle: {_plain(name)}, steps of the build",
        f"accDescr: {', '.join(_label(step) for step in (*steps, *checks))}",
        f"title {_plain(name)}, {duration(total)}",
        # Any midnight: the axis then tells the elapsed time, in every reader's time zone.
        "dateFormat YYYY-MM-DD",
        f"axisFormat {'%M:%S' if total < 3600 else '%H:%M'}",
        f"tickInterval {_tick(total)}",
        "todayMarker off",
        *_section("Build", steps, first=1),
        *_section("Status checks", checks, first=len(steps) + 1),
    ]
    return "\n".join(["```mermaid", *lines, "```"])


def _section(title: str, steps: Sequence[LogStep], *, first: int) -> list[str]:
    return [f"section {title}", *(_bar(step, first + index) for index, step in enumerate(steps))] if steps else []


def _bar(step: LogStep, number: int) -> str:
    """A bar that begins where the one before ended. Its name begins with a number: no keyword of mermaid's does."""
    tag = "done" if step.ok else "crit"
    begin = "2000-01-01, " if number == 1 else ""
    return f"{number}. {_label(step)} :{tag}, {begin}{round(step.duration * 1000)}ms"


def _label(step: LogStep) -> str:
    return f"{_plain(step.title) or 'step'} ({duration(step.duration)}{'' if step.ok else ', failed'})"


def _plain(title: str) -> str:
    return one_line(_MEANING.sub(" ", one_line(title, 200)), 40)


def _merged(steps: Sequence[LogStep]) -> Sequence[LogStep]:
    """`steps`, the last ones as one when there are too many."""
    if len(steps) <= BARS:
        return steps
    rest = steps[BARS - 1 :]
    return (
        *steps[: BARS - 1],
        LogStep(
            title=f"{len(rest)} more steps",
            message="",
            ok=all(step.ok for step in rest),
            duration=sum(step.duration for step in rest),
        ),
    )


def _tick(total: float) -> str:
    return next((name for seconds, name in _TICKS.items() if total <= _MARKS * seconds), "4hour")
