"""A comment's row from a result, or from a build that still runs. Pure."""

from collections.abc import Mapping
from datetime import datetime

from stormkit_action.event import Run
from stormkit_action.reporting.comment_body import TAIL
from stormkit_action.reporting.rows import LARGEST, Change, Row, State
from stormkit_action.result import DeploymentResult, Outcome, Result
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


def row_of(
    result: DeploymentResult, *, run: Run, now: datetime, usual: float = 0.0, elapsed: float = 0.0, github_id: str = ""
) -> Row:
    """The row that shows `result`, `elapsed` seconds after it began.

    `usual` is the seconds such a build usually takes, 0 if not known; `github_id` is its GitHub Deployment.
    """
    step = result.failing_step
    environment = f"Environment {result.env_id}" if result.env_id else PROVISIONAL
    updated = int(now.timestamp())
    return Row(
        label=one_line(result.label or environment, 100),
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
        updated=updated,
        duration=min(round(result.duration or 0.0), LARGEST),
        usual=round(usual),
        ready_at=round(updated + usual - elapsed) if usual > elapsed else 0,
        github_id=github_id,
        step=one_line(step.title, 100) if step else "",
        tail=tail(step.message, lines=TAIL_LINES, characters=TAIL) if step else "",
    )


def change_of(
    result: Result, *, run: Run, now: datetime, github_ids: Mapping[str, str], cleanup: bool = False
) -> Change:
    """What a step's result changes in the comment. After a cleanup only the rows of what is gone."""
    rows = [row_of(each, run=run, now=now, github_id=github_ids.get(each.name, "")) for each in result.deployments]
    if not cleanup:
        return Change(rows=tuple(rows))
    return Change(rows=tuple(row for row in rows if row.state is State.REMOVED), removing=True)
