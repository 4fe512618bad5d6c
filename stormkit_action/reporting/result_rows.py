"""A comment's row from a result, or from a build that still runs. Pure."""

from datetime import datetime

from stormkit_action.event import Run
from stormkit_action.reporting.comment_body import TAIL
from stormkit_action.reporting.rows import Row, State, merge, newer
from stormkit_action.result import DeploymentResult, Outcome
from stormkit_action.text import one_line, tail

STATES = {
    Outcome.SUCCESS: State.READY,
    Outcome.FAILED: State.FAILED,
    Outcome.STOPPED: State.STOPPED,
    Outcome.TIMED_OUT: State.TIMED_OUT,
    Outcome.CANCELLED: State.CANCELLED,
    Outcome.SKIPPED: State.SKIPPED,
    Outcome.RUNNING: State.BUILDING,
}

# How a row is called before Stormkit has told the app's name.
PROVISIONAL = "Stormkit"

TAIL_LINES = 40


def row_of(result: DeploymentResult, *, run: Run, now: datetime, usual: float = 0.0) -> Row:
    """The row that shows `result`; `usual` is the seconds such a build usually takes, 0 if not known."""
    step = result.failing_step
    return Row(
        label=one_line(result.label, 100) or PROVISIONAL,
        provisional=not result.label,
        state=State.REMOVED if result.removed else STATES[result.status],
        run_id=run.id,
        attempt=run.attempt,
        job=run.job,
        env_id=result.env_id,
        deployment_id=result.deployment_id,
        branch=one_line(result.branch, 250),
        sha=one_line(result.commit_sha, 64),
        preview_url="" if result.removed else result.preview_url,
        details_url="" if result.removed else result.details_url,
        run_url=run.url,
        reason=one_line(result.reason, 300),
        warning=one_line(result.warning, 300),
        live=result.live,
        updated=int(now.timestamp()),
        duration=round(result.duration or 0.0),
        usual=round(usual),
        step=one_line(step.title, 100) if step else "",
        tail=tail(step.message, lines=TAIL_LINES, characters=TAIL) if step else "",
    )


def put(rows: tuple[Row, ...], mine: tuple[Row, ...]) -> tuple[Row, ...]:
    """`rows` with each of `mine` in its place, if it is not older."""
    for row in mine:
        rows = merge(rows, row)
    return rows


def remove(rows: tuple[Row, ...], removed: Row) -> tuple[Row, ...]:
    """`rows` with the removed site marked so: by label or environment, or the only row where neither is known."""
    only = len(rows) == 1 and removed.provisional
    return tuple(
        _as_removed(row, removed)
        if (only or row.label == removed.label or (removed.env_id and row.env_id == removed.env_id))
        and newer(removed, row)
        else row
        for row in rows
    )


def _as_removed(row: Row, removed: Row) -> Row:
    return Row(
        label=row.label,
        state=State.REMOVED,
        run_id=removed.run_id,
        attempt=removed.attempt,
        job=removed.job,
        env_id=row.env_id,
        deployment_id=row.deployment_id,
        branch=row.branch,
        run_url=removed.run_url,
        reason=removed.reason,
        updated=removed.updated,
    )
