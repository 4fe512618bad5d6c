"""The build log in the step's log: each step a group, as it happens or at the end, and every line once.

▸ npm install (1s)
  up to date in 333ms
▸ npm run build (5s) ✗ failed
  exit status 2
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from stormkit_action.reporting.console import Console
from stormkit_action.stormkit.models import Deployment, LogStep
from stormkit_action.text import duration, one_line

# Behind another carriage return it can't begin, so that a long run of them is read once.
_LINE_END = r"(?<!\r)\r+\n"


def show(deployment: Deployment, console: Console, *, prefix: str = "") -> None:
    """Print the whole log of a deployment."""
    for step in steps_of(deployment):
        console.group(f"{prefix}{step.title}{_outcome(step)}", _lines(step.message))


@dataclass(kw_only=True)
class _PrintedStep:
    """What of one step is in the log already. `text` ends in a line end."""

    name: str
    text: str = ""
    ended: bool = False


class LiveBuildLog:
    """The log of one environment's builds while they run. `prefix` stands before every title."""

    def __init__(self, console: Console, *, prefix: str = "") -> None:
        self._console = console
        self._prefix = prefix
        self._build: tuple[str, datetime | None] = ("", None)
        self._printed: list[_PrintedStep] = []

    def show(self, deployment: Deployment, *, complete: bool) -> None:
        """Print what is new; no more comes once it is `complete`.

        A step has ended when another follows it. Until then its unfinished last line is held back.
        """
        build = (deployment.id, deployment.created_at)
        if build != self._build:
            # A restart keeps the id, sets createdAt and clears the log.
            self._build, self._printed = build, []
        steps = list(steps_of(deployment))
        for place, step in enumerate(steps):
            self._show_step(place, step, ended=complete or place < len(steps) - 1)

    def _show_step(self, place: int, step: LogStep, *, ended: bool) -> None:
        name = step.title
        is_new = place == len(self._printed) or self._printed[place].name != name
        if is_new:
            self._printed[place:] = [_PrintedStep(name=name)]
        printed = self._printed[place]
        text = _lines(step.message if ended else step.message[: step.message.rfind("\n") + 1])
        fresh = _fresh(text, printed.text)
        if fresh:
            printed.text = f"{text}\n"
        closes = ended and not printed.ended
        printed.ended = printed.ended or ended
        if not (fresh or is_new or closes):
            return
        # The duration is known at the end: in the title if that is still to be printed, else in a last line.
        title = f"{name}{_outcome(step)}" if is_new and ended else name
        if closes and not is_new:
            end = f"{name}{_outcome(step) or ' done'}"
            fresh = f"{fresh}\n{end}" if fresh else end
        self._console.section((self._prefix, *self._build, place, name), f"{self._prefix}{title}", fresh)


def steps_of(deployment: Deployment) -> Iterator[LogStep]:
    """The steps of a build and then its status checks, each with a title of one line."""
    checks_s = sum(check.duration for check in deployment.status_checks)
    for step in deployment.logs:
        title = one_line(step.title, 120) or "step"
        # Real servers count the status checks into the step "deploy". What that took itself is not known then.
        includes_checks = title == "deploy" and deployment.status_checks and step.duration >= checks_s
        yield step._replace(title=title, duration=0.0 if includes_checks else step.duration)
    for check in deployment.status_checks:
        yield check._replace(title=f"Status check: {one_line(check.title, 120) or 'check'}")


def _outcome(step: LogStep) -> str:
    seconds = f" ({duration(step.duration)})" if step.duration else ""
    return seconds if step.ok else f"{seconds} ✗ failed"


def _lines(message: str) -> str:
    """`message` without blank lines at its end: while a step runs, its text ends in one more than later."""
    return re.sub(_LINE_END, "\n", message).rstrip("\r\n")


def _fresh(text: str, printed: str) -> str:
    """The lines of `text` from the first that differs from what was `printed`; nothing when all were."""
    lines = f"{text}\n"
    if not text or printed.startswith(lines):
        return ""
    same = len(printed) if lines.startswith(printed) else _common_prefix(lines, printed)
    return text[lines.rfind("\n", 0, same) + 1 :]


def _common_prefix(one: str, other: str) -> int:
    """How many characters two texts have in common at their beginning. Texts of megabytes are compared by halves."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low
