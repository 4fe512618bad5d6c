"""The job summary: what happened, for whoever opens the run. Pure.

    ### Stormkit deployment

    | Site | Status | Commit |
    | docs | ✅ Ready in 42s, Open preview, Build log · branch feature/greeting | 16ab41e |

    | Steps of docs                    | 42s in total         |
    | ✅ checkout feature/greeting, 2s | █··················· |
    | ✅ npm install, 12s              | ·██████············· |
    | ✅ npm run build, 27s            | ·······█████████████ |

    | Uploaded | Client | Server | Serverless |
    | docs     | 205 kB | 1.5 MB |       none |

A failure adds the last lines of its step.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from stormkit_action.event import Run
from stormkit_action.reporting import markdown
from stormkit_action.reporting.build_log import steps_of
from stormkit_action.reporting.rows import STATES, row_of
from stormkit_action.reporting.table import HEAD, WORDS, cells, list_as_markdown
from stormkit_action.result import DeploymentResult, Result
from stormkit_action.stormkit.models import LogStep
from stormkit_action.text import duration, size, tail

# GitHub drops a summary of more than 1 MiB, and shows twenty a job.
MAX_SUMMARY_BYTES = 1024 * 1024

# Deployments in the table, tables of their steps, and excerpts of failing steps.
MAX_ENVIRONMENTS = 100
MAX_TIMELINES = 10
MAX_FAILURES = 20

# What is shown of the failing step.
MAX_TAIL_LINES = 60
MAX_TAIL_CHARACTERS = 8000

# Rows and bars of a table of steps. Durations that add up to more than a day are nonsense.
MAX_STEPS = 40
BAR_CHARACTERS = 20
MAX_TIMELINE_S = 24 * 3600.0

_NO_TIME = datetime.fromtimestamp(0, UTC)


def render(result: Result) -> str:
    """The summary's markdown, never over the limit."""
    if result.listing:
        reason = [markdown.text(result.reason, 2000)] if result.reason else []
        return _fitting(["### Stormkit deployments", *reason, *list_as_markdown(result.listed)])
    several = len(result.deployments) > 1
    blocks = [f"### Stormkit deployment{'s' if several else ''}" if result.deployments else "### Stormkit"]
    if result.problem or (result.reason and not result.deployments):
        mark, word = WORDS[STATES[result.status]]
        blocks.append(f"{mark} <b>{word}</b>: {markdown.text(result.problem or result.reason, 2000)}")
    if result.deployments:
        rows = [row_of(deployment, run=Run(), now=_NO_TIME) for deployment in result.deployments[:MAX_ENVIRONMENTS]]
        blocks.append(markdown.table(HEAD, [cells(row, branch=True) for row in rows]))
        blocks += _left_out(len(result.deployments), MAX_ENVIRONMENTS, "deployments")
    blocks += _timelines(result.deployments)
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
    """The first `count` of the blocks that are not empty, and a line that counts the others."""
    filled = [block for block in blocks if block]
    return [*filled[:count], *_left_out(len(filled), count, what)]


def _left_out(total: int, shown: int, what: str) -> list[str]:
    return [f"{total - shown} more {what} are not shown."] if total > shown else []


def _timelines(results: Iterable[DeploymentResult]) -> list[str]:
    """A table of each build's steps. All bars have one scale, so that builds can be compared."""
    builds = [(result, steps) for result in results if (steps := _timed_steps(result))]
    shown = builds[:MAX_TIMELINES]
    scale_s = max((_total(steps) for _, steps in shown), default=0.0)
    tables = [_timeline(result, steps, scale_s) for result, steps in shown]
    return [*tables, *_left_out(len(builds), MAX_TIMELINES, "timelines")]


def _timeline(result: DeploymentResult, steps: Sequence[LogStep], scale_s: float) -> str:
    """A row per step, in two columns: a phone shows no more. Its bar begins where the one before ended."""
    rows = []
    begin_s = 0.0
    for step in steps:
        mark = "✅" if step.ok else "❌ failed:"
        time = f", {duration(step.duration).replace(' ', '&nbsp;')}" if step.duration else ""
        rows.append([f"{mark} {markdown.text(step.title, 60)}{time}", _bar(begin_s, step.duration, scale_s)])
        begin_s += step.duration
    name = markdown.text(result.label or result.deployment_id, 100)
    return markdown.table([f"Steps of {name}", f"{duration(_total(steps))} in total"], rows)


def _bar(begin_s: float, length_s: float, scale_s: float) -> str:
    """When in `scale_s` seconds a step ran: `··███·····`. A screen reader skips it, and reads the time beside it."""
    first = min(BAR_CHARACTERS - 1, round(BAR_CHARACTERS * begin_s / scale_s))
    length = 0
    if length_s:
        length = max(1, min(BAR_CHARACTERS - first, round(BAR_CHARACTERS * length_s / scale_s)))
    bar = "·" * first + "█" * length + "·" * (BAR_CHARACTERS - first - length)
    return f'<code aria-hidden="true">{bar}</code>'


def _timed_steps(result: DeploymentResult) -> Sequence[LogStep]:
    """The steps of a build, the last ones as one when there are too many; none where their durations are not known."""
    steps = _merged(list(steps_of(result.deployment))) if result.deployment else ()
    return steps if 0 < _total(steps) <= MAX_TIMELINE_S else ()


def _total(steps: Iterable[LogStep]) -> float:
    return sum(step.duration for step in steps)


def _merged(steps: Sequence[LogStep]) -> Sequence[LogStep]:
    """`steps`, the last ones as one when there are too many."""
    if len(steps) <= MAX_STEPS:
        return steps
    rest = steps[MAX_STEPS - 1 :]
    last = LogStep(
        title=f"{len(rest)} more steps",
        message="",
        ok=all(step.ok for step in rest),
        duration=_total(rest),
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
