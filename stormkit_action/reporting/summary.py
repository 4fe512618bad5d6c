"""The job summary: what happened, for whoever opens the run. Pure."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from stormkit_action.event import Run
from stormkit_action.reporting import markdown
from stormkit_action.reporting.rows import STATES, row_of
from stormkit_action.reporting.table import HEAD, WORDS, cells, list_as_markdown
from stormkit_action.result import DeploymentResult, Result
from stormkit_action.stormkit.models import LogStep
from stormkit_action.text import duration, size, tail

# GitHub drops a summary of more than 1 MiB, and shows twenty a job.
MAX_SUMMARY_BYTES = 1024 * 1024

# The most deployments in the table, and of those how many have their steps and their failing step shown.
MAX_ENVIRONMENTS, MAX_TIMELINES, MAX_FAILURES = 100, 10, 20

# What is shown of the failing step.
MAX_TAIL_LINES, MAX_TAIL_CHARACTERS = 60, 8000

# The steps of a build: a row each, with a bar of this width. Durations that add up to more than a day are nonsense.
MAX_STEPS = 40
BAR_CHARACTERS = 20
MAX_TIMELINE_S = 24 * 3600.0

_NO_TIME = datetime.fromtimestamp(0, UTC)


def render(result: Result) -> str:
    """The summary's markdown, never over the limit."""
    if result.listing:
        return _fitting(["### Stormkit deployments", *list_as_markdown(result.deployments)])
    several = len(result.deployments) > 1
    blocks = [f"### Stormkit deployment{'s' if several else ''}" if result.deployments else "### Stormkit"]
    if result.problem or (result.reason and not result.deployments):
        mark, word = WORDS[STATES[result.status]]
        blocks.append(f"{mark} <b>{word}</b>: {markdown.text(result.problem or result.reason, 2000)}")
    if result.deployments:
        rows = [row_of(deployment, run=Run(), now=_NO_TIME) for deployment in result.deployments[:MAX_ENVIRONMENTS]]
        blocks.append(markdown.table(HEAD, [cells(row, branch=True) for row in rows]))
        blocks += _left_out(len(result.deployments), MAX_ENVIRONMENTS, "deployments")
    blocks += _first(map(_timeline, result.deployments), MAX_TIMELINES, "timelines")
    blocks += _uploads(result.deployments[:MAX_ENVIRONMENTS])
    blocks += _first(map(_failure, result.deployments), MAX_FAILURES, "failures")
    return _fitting(blocks)


def _fitting(blocks: Iterable[str]) -> str:
    kept: list[str] = []
    room = MAX_SUMMARY_BYTES - 200
    for block in blocks:
        room -= len(block.encode()) + 2
        if room < 0:
            kept.append("The rest was left out: GitHub takes no summary of more than 1 MiB.")
            break
        kept.append(block)
    return "\n\n".join(kept) + "\n"


def _first(blocks: Iterable[str], count: int, what: str) -> list[str]:
    """The first `count` of the blocks that say something, and a word about the others."""
    told = [block for block in blocks if block]
    return [*told[:count], *_left_out(len(told), count, what)]


def _left_out(there: int, shown: int, what: str) -> list[str]:
    return [f"{there - shown} more {what} are not shown."] if there > shown else []


def _timeline(result: DeploymentResult) -> str:
    """The build's steps as a table, with bars of one scale; empty when their durations are not known."""
    if result.deployment is None:
        return ""
    steps = _merged((*result.deployment.logs, *result.deployment.status_checks))
    total = sum(step.duration for step in steps)
    if not 0 < total <= MAX_TIMELINE_S:
        return ""
    rows = []
    begin = 0.0
    for step in steps:
        mark = "✅" if step.ok else "❌ failed:"
        title = markdown.text(step.title, 60) or "step"
        rows.append([f"{mark} {title}", duration(step.duration), _bar(begin / total, step.duration / total)])
        begin += step.duration
    name = markdown.text(result.label or result.deployment_id, 100)
    return markdown.table([f"Steps of {name}", "Time", duration(total)], rows)


def _bar(begin: float, share: float) -> str:
    """When in the build a step ran: `··███·····`. `begin` and `share` are parts of the whole time."""
    first = min(BAR_CHARACTERS - 1, round(BAR_CHARACTERS * begin))
    length = max(1, min(BAR_CHARACTERS - first, round(BAR_CHARACTERS * share)))
    return f"<code>{'·' * first}{'█' * length}{'·' * (BAR_CHARACTERS - first - length)}</code>"


def _merged(steps: Sequence[LogStep]) -> Sequence[LogStep]:
    """`steps`, the last ones as one when there are too many."""
    if len(steps) <= MAX_STEPS:
        return steps
    rest = steps[MAX_STEPS - 1 :]
    last = LogStep(
        title=f"{len(rest)} more steps",
        message="",
        ok=all(step.ok for step in rest),
        duration=sum(step.duration for step in rest),
    )
    return (*steps[: MAX_STEPS - 1], last)


def _uploads(deployments: Iterable[DeploymentResult]) -> list[str]:
    rows = []
    for result in deployments:
        upload = result.deployment.upload if result.deployment else None
        if upload and (upload.client or upload.server or upload.serverless):
            sizes = (upload.client, upload.server, upload.serverless)
            name = markdown.text(result.label or result.deployment_id, 100)
            rows.append([f"<b>{name}</b>", *(size(count) if count else "none" for count in sizes)])
    return [markdown.table(["Uploaded", "Client", "Server", "Serverless"], rows, numbers=True)] if rows else []


def _failure(result: DeploymentResult) -> str:
    step = result.failing_step
    if step is None:
        return ""
    name = markdown.text(result.label or result.deployment_id, 100)
    title = f"{name}: the last lines of {markdown.text(step.title, 100) or 'the build'}"
    shown = markdown.fence(tail(step.message, lines=MAX_TAIL_LINES, characters=MAX_TAIL_CHARACTERS))
    return markdown.details(title, shown, unfolded=True)
