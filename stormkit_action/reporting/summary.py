"""The job summary: what happened, for whoever opens the run. Pure."""

from collections.abc import Iterable
from datetime import UTC, datetime

from stormkit_action.event import Run
from stormkit_action.reporting import listing, markdown, timeline
from stormkit_action.reporting.rows import STATES, row_of
from stormkit_action.reporting.table import HEAD, WORDS, cells
from stormkit_action.result import DeploymentResult, Result
from stormkit_action.text import size, tail

# GitHub drops a summary of more than 1 MiB, and shows twenty a job. Bytes.
LONGEST = 1024 * 1024

# The most deployments in the table, and of those how many have their timeline drawn and their failing step shown.
SITES, TIMELINES, FAILURES = 100, 10, 20

# What stands for the failing step. Lines and characters.
TAIL_LINES, TAIL_CHARACTERS = 60, 8000

_NO_TIME = datetime.fromtimestamp(0, UTC)


def render(result: Result) -> str:
    """The summary's markdown, never over the limit."""
    if result.listing:
        return _fitting(["### Stormkit deployments", *listing.table(result.deployments)])
    several = len(result.deployments) > 1
    blocks = [f"### Stormkit deployment{'s' if several else ''}" if result.deployments else "### Stormkit"]
    if result.problem or (result.reason and not result.deployments):
        mark, word = WORDS[STATES[result.status]]
        blocks.append(f"{mark} <b>{word}</b>: {markdown.text(result.problem or result.reason, 2000)}")
    if result.deployments:
        rows = [row_of(each, run=Run(), now=_NO_TIME) for each in result.deployments[:SITES]]
        blocks.append(markdown.table(HEAD, [cells(row, branch=True) for row in rows]))
        blocks += _left_out(len(result.deployments), SITES, "deployments")
    blocks += _first(map(_timeline, result.deployments), TIMELINES, "timelines")
    blocks += _uploads(result.deployments[:SITES])
    blocks += _first(map(_failure, result.deployments), FAILURES, "failures")
    return _fitting(blocks)


def _fitting(blocks: Iterable[str]) -> str:
    kept: list[str] = []
    room = LONGEST - 200
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


def _timeline(each: DeploymentResult) -> str:
    return timeline.gantt(each.label or each.deployment_id, each.deployment) if each.deployment else ""


def _uploads(deployments: Iterable[DeploymentResult]) -> list[str]:
    rows = []
    for each in deployments:
        upload = each.deployment.upload if each.deployment else None
        if upload and (upload.client or upload.server or upload.serverless):
            sizes = (upload.client, upload.server, upload.serverless)
            name = markdown.text(each.label or each.deployment_id, 100)
            rows.append([f"<b>{name}</b>", *(size(count) if count else "none" for count in sizes)])
    return [markdown.table(["Uploaded", "Client", "Server", "Serverless"], rows, numbers=True)] if rows else []


def _failure(each: DeploymentResult) -> str:
    step = each.failing_step
    if step is None:
        return ""
    name = markdown.text(each.label or each.deployment_id, 100)
    title = f"{name}: the last lines of {markdown.text(step.title, 100) or 'the build'}"
    shown = markdown.fence(tail(step.message, lines=TAIL_LINES, characters=TAIL_CHARACTERS))
    return markdown.details(title, shown, unfolded=True)
