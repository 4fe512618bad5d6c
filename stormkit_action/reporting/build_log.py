"""The build log: each step a group in the step's log, as it happens or at the end. Every line once."""

from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain

from stormkit_action.reporting.console import Console
from stormkit_action.stormkit.models import Deployment, LogStep
from stormkit_action.text import duration, one_line


def show(deployment: Deployment, console: Console, *, prefix: str = "") -> None:
    """Print the whole log of a deployment."""
    for name, step in _steps(deployment):
        console.group(f"{prefix}{name}{_outcome(step)}", _finished(_lines(step), ended=True))


@dataclass(kw_only=True, slots=True)
class _Shown:
    """What of one step is in the log already. `lines` has a hash each, so that a log of megabytes is not kept twice."""

    name: str
    lines: "array[int]" = field(default_factory=lambda: array("q"))
    ended: bool = False


class LiveBuildLog:
    """The log of one environment's builds while they run. `prefix` stands before every title."""

    def __init__(self, console: Console, *, prefix: str = "") -> None:
        self._console = console
        self._prefix = prefix
        self._build: tuple[object, ...] = ()
        self._shown: list[_Shown] = []

    def show(self, deployment: Deployment, *, complete: bool) -> None:
        """Print what is new; no more comes once it is `complete`.

        A step has ended when another follows it. Until then its unfinished last line is held back.
        """
        build = (deployment.id, deployment.created_at)
        if build != self._build:
            # A restart keeps the id, sets createdAt and clears the log.
            self._build, self._shown = build, []
        steps = list(_steps(deployment))
        for place, (name, step) in enumerate(steps):
            ended = complete or place < len(steps) - 1
            self._show_step(place, name, step, ended=ended)

    def _show_step(self, place: int, name: str, step: LogStep, *, ended: bool) -> None:
        new = place == len(self._shown) or self._shown[place].name != name
        if new:
            self._shown[place:] = [_Shown(name=name)]
        shown = self._shown[place]
        lines = _fresh(_lines(step), shown.lines, ended=ended)
        first = next(lines, None)
        closes = ended and not shown.ended
        if first is None and not new and not closes:
            return
        shown.ended = ended
        # The duration is known at the end: in the title if that is still to be printed, else in a last line.
        title = f"{name}{_outcome(step)}" if new and ended else name
        last = [f"{name}{_outcome(step) or ' done'}"] if closes and not new else []
        self._console.section(
            (self._prefix, *self._build, place, name),
            f"{self._prefix}{title}",
            chain(() if first is None else (first,), lines, last),
        )


def _steps(deployment: Deployment) -> Iterator[tuple[str, LogStep]]:
    """Steps and status checks with their names."""
    for step in deployment.logs:
        yield one_line(step.title, 120) or "step", step
    for check in deployment.status_checks:
        yield f"Status check: {one_line(check.title, 120) or 'check'}", check


def _lines(step: LogStep) -> Iterator[str]:
    """The lines of its output, without their ends; the last one is empty if the output ends in a line end."""
    return (line.removesuffix("\r") for line in step.message.split("\n"))


def _outcome(step: LogStep) -> str:
    seconds = f" ({duration(step.duration)})" if step.duration else ""
    return seconds if step.ok else f"{seconds} ✗ failed"


def _fresh(lines: Iterator[str], shown: "array[int]", *, ended: bool) -> Iterator[str]:
    """The lines from the first that was not `shown` on, which notes them."""
    for number, line in enumerate(_finished(lines, ended=ended)):
        mark = hash(line)
        if number < len(shown) and shown[number] == mark:
            continue
        del shown[number:]
        shown.append(mark)
        yield line


def _finished(lines: Iterator[str], *, ended: bool) -> Iterator[str]:
    """All lines but the last, which has no line end yet; that one too if the step has `ended` and it holds anything."""
    held = next(lines, None)
    for line in lines:
        yield held or ""
        held = line
    if ended and held:
        yield held
