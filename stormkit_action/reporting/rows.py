"""The comment's rows, one for each environment, and how the rows of several jobs merge. Pure.

Any number of jobs write at the same time, so every operation here is idempotent and gives the same rows in any order.
Rows travel inside the comment, as base64 in a marker that no foreign text can imitate: all foreign text is escaped, and
the marker counts only on a line of its own.
"""

import base64
import binascii
import json
import math
import re
import zlib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple

from stormkit_action.event import Run
from stormkit_action.fields import LATEST_S, web_url
from stormkit_action.inputs import Command
from stormkit_action.result import DeploymentResult, Outcome, Result
from stormkit_action.text import encodable, one_line, tail

VERSION = 1

# Rows of a comment that are read. GitHub starts at most 256 jobs of a matrix, and takes no comment with many more rows.
MAX_ROWS = 400

# The log excerpt of a row, before the whole comment has to be shortened.
MAX_TAIL_LINES = 40
MAX_TAIL_CHARACTERS = 4000

# Bounded: int() refuses more than 4,300 digits.
_DEPLOYMENT_ID = r"[A-Za-z0-9_, -]{0,1000}"

# Commands that end deployments, and bring none into being.
REMOVING = frozenset({Command.STOP, Command.DELETE, Command.CLEANUP})

# The label of a row until Stormkit has reported the app's name.
PROVISIONAL_LABEL = "Stormkit"


class State(StrEnum):
    """What a row shows."""

    BUILDING = "building"
    READY = "ready"
    FAILED = "failed"
    STOPPED = "stopped"
    TIMED_OUT = "timed-out"
    CANCELLED = "cancelled"
    SKIPPED = "skipped"
    REMOVED = "removed"


STATES = {
    Outcome.SUCCESS: State.READY,
    Outcome.FAILED: State.FAILED,
    Outcome.STOPPED: State.STOPPED,
    Outcome.TIMED_OUT: State.TIMED_OUT,
    Outcome.CANCELLED: State.CANCELLED,
    Outcome.SKIPPED: State.SKIPPED,
    Outcome.RUNNING: State.BUILDING,
}


class Row(NamedTuple):
    """One environment's line.

    `began` is when the step that wrote it began, in Unix milliseconds: a re-run keeps its run's id, yet it is newer
    than every step that began before it. All other times are Unix seconds, durations seconds; `ready_at` is about when
    a running build will have ended. `good_*` are link, commit and deployment of the last build that was ready.
    `provisional` marks a row written before Stormkit had reported the deployment's name: it gives way to a later row of
    the same `job`.
    """

    label: str
    state: State
    began: int = 0
    run_id: int = 0
    attempt: int = 1
    job: str = ""
    env_id: str = ""
    deployment_id: str = ""
    branch: str = ""
    sha: str = ""
    preview_url: str = ""
    details_url: str = ""
    run_url: str = ""
    reason: str = ""
    warning: str = ""
    live: bool = False
    updated: int = 0
    duration: int = 0
    usual: int = 0
    ready_at: int = 0
    step: str = ""
    tail: str = ""
    good_url: str = ""
    good_sha: str = ""
    good_id: str = ""
    provisional: bool = False

    @property
    def ready(self) -> bool:
        """Whether it shows a deployment that can be opened."""
        return self.state is State.READY

    @property
    def run(self) -> tuple[int, int]:
        """The run that wrote it, and which attempt."""
        return self.run_id, self.attempt


class EndedDeployment(NamedTuple):
    """A deployment that a command stopped or, if `is_deleted`, removed at `updated` (Unix seconds).

    `run_url` is the job that did it.
    """

    deployment_id: str
    env_id: str = ""
    is_deleted: bool = False
    updated: int = 0
    run_url: str = ""

    def apply(self, row: Row) -> Row:
        """`row` without what has ended. It stays the row of the run that wrote it."""
        if row.env_id and self.env_id and row.env_id != self.env_id:
            return row
        if self.is_deleted and row.good_id == self.deployment_id:
            row = row._replace(good_url="", good_sha="", good_id="")
        if row.deployment_id != self.deployment_id:
            return row
        if self.is_deleted and row.state is not State.REMOVED:
            return _as_removed(row, updated=self.updated, run_url=self.run_url)
        if row.state is State.BUILDING:
            reason = f"Deployment {self.deployment_id} was stopped by another step."
            return row._replace(
                state=State.STOPPED, reason=reason, updated=self.updated, run_url=self.run_url, ready_at=0
            )
        return row


class Change(NamedTuple):
    """What a step changes in the comment.

    Each of `rows` replaces the row of its environment; the rows of environments in `removed` are marked as removed; and
    no row goes on showing a deployment in `ended`. Except for that last rule, rows of a newer step stay as they are.
    """

    rows: tuple[Row, ...] = ()
    removed: tuple[Row, ...] = ()
    ended: tuple[EndedDeployment, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.rows or self.removed or self.ended)

    def apply(self, before: Iterable[Row]) -> tuple[Row, ...]:
        """The rows with the change."""
        rows = tuple(before)
        for mine in self.rows:
            rows = _put(rows, mine)
        for removed in self.removed:
            rows = tuple(_remove(row, removed) for row in rows)
        for ended in self.ended:
            rows = tuple(ended.apply(row) for row in rows)
        return rows

    def holds(self, rows: tuple[Row, ...]) -> bool:
        """Whether `rows` say it already, or something newer. A full comment shortens its texts."""
        return [_content(row) for row in self.apply(rows)] == [_content(row) for row in rows]

    def concerns(self, row: Row) -> bool:
        """Whether it is about this row."""
        return (
            any(_is_same_row(row, mine) for mine in self.rows)
            or any(_is_same_environment(row, removed) for removed in self.removed)
            or any(row.deployment_id == ended.deployment_id for ended in self.ended)
        )

    def superseded_by(self, rows: tuple[Row, ...]) -> tuple[Row, ...]:
        """Those of `rows` that a step wrote which began later, so that the change left them as they are."""
        pairs = [(row, mine) for row in rows for mine in self.rows if _is_same_row(row, mine)]
        pairs += [(row, mine) for row in rows for mine in self.removed if _is_same_environment(row, mine)]
        return tuple(row for row, mine in pairs if row.run != mine.run and not is_newer(mine, row))


def is_newer(one: Row, other: Row) -> bool:
    """Whether `one` may replace `other`: it is no older by the total order of rows.

    A step that began later comes later, then a later run and attempt, then a later deployment, and of one deployment
    its end after its beginning. Two different rows are never both newer, or two jobs would replace each other's for
    ever.
    """
    return _order(one) >= _order(other)


def union(lists: Iterable[Iterable[Row]]) -> tuple[Row, ...]:
    """The newest row of each environment in several comments."""
    rows = [row for rows in lists for row in rows]
    merged: dict[tuple[str, str], Row] = {}
    for key, row in zip(_keys(rows), rows, strict=True):
        merged[key] = _newest(row, merged[key]) if key in merged else row
    return tuple(merged.values())


def row_of(
    result: DeploymentResult, *, run: Run, now: datetime, began: int = 0, usual: float = 0.0, elapsed: float = 0.0
) -> Row:
    """The row that shows `result`, `elapsed` seconds after it began.

    `began` is when the step began, in Unix milliseconds. `usual` is the seconds such a build usually takes, 0 if not
    known.
    """
    step = result.failing_step
    env_id = result.requested_env_id or result.env_id
    environment = f"Environment {env_id}" if env_id else PROVISIONAL_LABEL
    updated = int(now.timestamp())
    # A cancelled job says nothing against a build that had succeeded by then.
    status = Outcome.SUCCESS if result.outlived_cancel else result.status
    warnings = (result.reason if result.outlived_cancel else "", result.warning)
    is_running = result.status is Outcome.RUNNING
    # After a clean-up that deleted anything there is no preview to link to, even where the live deployment was kept.
    is_removed = result.removed or (status is Outcome.SUCCESS and result.deleted > 0)
    return Row(
        label=one_line(result.label or environment, 100),
        provisional=not result.label,
        state=State.REMOVED if is_removed else STATES[status],
        began=began,
        run_id=run.id,
        attempt=run.attempt,
        job=run.job,
        env_id=env_id,
        deployment_id=result.deployment_id,
        branch=one_line(result.branch, 250),
        # A build that waits for its checkout has no commit yet: show the one that is expected.
        sha=one_line(result.commit_sha or (result.expected_sha if is_running else ""), 64),
        preview_url="" if is_removed else result.preview_url,
        details_url="" if is_removed else result.details_url,
        run_url=run.url,
        reason=one_line(result.reason, 300),
        warning=one_line(" ".join(filter(None, warnings)), 300),
        live=result.live,
        updated=updated,
        duration=min(round(result.duration or 0.0), LATEST_S),
        usual=round(usual),
        ready_at=round(updated + usual - elapsed) if usual > elapsed else 0,
        step=one_line(step.title, 100) if step else "",
        tail=tail(step.message, lines=MAX_TAIL_LINES, characters=MAX_TAIL_CHARACTERS) if step else "",
    )


def change_of(result: Result, *, command: Command, run: Run, now: datetime, began: int = 0) -> Change:
    """What a step's result changes in the comment."""
    rows, removed, ended = [], [], []
    for deployment in result.deployments:
        row = row_of(deployment, run=run, now=now, began=began)
        gone = ended_ids(deployment, command)
        ended += [
            EndedDeployment(
                deployment_id=deployment_id,
                env_id=row.env_id,
                is_deleted=command is not Command.STOP,
                updated=row.updated,
                run_url=run.url,
            )
            for deployment_id in gone
        ]
        if deployment.removed:
            removed.append(row)
        elif command not in REMOVING and deployment.deployment_id not in gone:
            rows.append(row)
    return Change(rows=tuple(rows), removed=tuple(removed), ended=tuple(ended))


def ended_ids(result: DeploymentResult, command: Command) -> tuple[str, ...]:
    """The deployments that a command stopped or deleted."""
    if result.ended_ids or not result.deployment_id:
        return result.ended_ids
    is_stopped = command is Command.STOP and result.status is Outcome.STOPPED
    is_deleted = command is Command.DELETE and result.status is Outcome.SUCCESS
    return (result.deployment_id,) if is_stopped or is_deleted else ()


def _keys(rows: Sequence[Row]) -> list[tuple[str, str]]:
    """What each row is about: label and environment.

    Two environments may have one label. A row whose environment is not known is about the only one of its label.
    """
    env_ids: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        if row.env_id:
            env_ids[row.label].add(row.env_id)
    only = {label: next(iter(found)) for label, found in env_ids.items() if len(found) == 1}
    return [(row.label, row.env_id or only.get(row.label, "")) for row in rows]


def _is_same_row(row: Row, other: Row) -> bool:
    return row.label == other.label and _is_same_environment(row, other)


def _is_same_environment(row: Row, other: Row) -> bool:
    if row.env_id and other.env_id:
        return row.env_id == other.env_id
    return row.label == other.label


def _put(rows: tuple[Row, ...], mine: Row) -> tuple[Row, ...]:
    kept = [row for row in rows if not _is_replaced_by(row, mine)]
    if mine.provisional and mine.env_id:
        named = next((row for row in kept if row.env_id == mine.env_id and not row.provisional), None)
        mine = mine._replace(label=named.label, provisional=False) if named else mine
    *keys, my_key = _keys([*kept, mine])
    if any(key == my_key and not is_newer(mine, row) for key, row in zip(keys, kept, strict=True)):
        return union((kept,))
    return union((kept, (_with_good(mine, None),)))


def _is_replaced_by(row: Row, mine: Row) -> bool:
    """Whether `row` is the provisional row of `mine`, before its name was known. Jobs of a matrix have one `job`."""
    if not row.provisional or row.label == mine.label or row.job != mine.job:
        return False
    if row.env_id and mine.env_id and row.env_id != mine.env_id:
        return False
    is_older_run = row.run != mine.run and is_newer(mine, row)
    is_same_deployment = row.deployment_id == mine.deployment_id and (
        bool(row.deployment_id) or row.state is State.BUILDING
    )
    return is_older_run or is_same_deployment


def _newest(one: Row, other: Row) -> Row:
    if one == other:
        return one
    newest, before = (one, other) if is_newer(one, other) else (other, one)
    return _with_good(newest._replace(env_id=newest.env_id or before.env_id), before)


def _with_good(row: Row, before: Row | None) -> Row:
    """`row` with the last link that worked: its own once ready, none once removed, else that of the row before."""
    if row.ready:
        return row._replace(good_url=row.preview_url, good_sha=row.sha, good_id=row.deployment_id)
    if before is None or row.state is State.REMOVED or row.good_url:
        return row
    return row._replace(good_url=before.good_url, good_sha=before.good_sha, good_id=before.good_id)


def _remove(row: Row, removed: Row) -> Row:
    if row.provisional or removed.provisional:
        is_same = bool(row.env_id) and row.env_id == removed.env_id
    else:
        is_same = _is_same_environment(row, removed)
    if not is_same or not is_newer(removed, row):
        return row
    gone = _as_removed(row, updated=removed.updated, run_url=removed.run_url)
    return gone._replace(
        began=removed.began,
        run_id=removed.run_id,
        attempt=removed.attempt,
        job=removed.job,
        reason=removed.reason,
        good_url="",
        good_sha="",
        good_id="",
    )


def _as_removed(row: Row, *, updated: int, run_url: str) -> Row:
    """`row` marked as removed by the job at `run_url`. The link to an earlier good deployment stays."""
    is_good = row.good_id == row.deployment_id
    return row._replace(
        state=State.REMOVED,
        sha="",
        preview_url="",
        details_url="",
        run_url=run_url,
        reason="",
        warning="",
        live=False,
        updated=updated,
        duration=0,
        usual=0,
        ready_at=0,
        step="",
        tail="",
        good_url="" if is_good else row.good_url,
        good_sha="" if is_good else row.good_sha,
        good_id="" if is_good else row.good_id,
    )


def _content(row: Row) -> Row:
    """`row` without the texts that a full comment shortens."""
    return row._replace(tail="", reason="", warning="")


# Of one deployment, an end is newer than a beginning, and nothing comes after its removal.
_FINALITY = {State.BUILDING: 0, State.REMOVED: 2}


def _order(row: Row) -> tuple[Any, ...]:
    own = _content(row)._replace(good_url="", good_sha="", good_id="")
    return (
        row.began,
        row.run_id,
        row.attempt,
        _deployment_number(row),
        _FINALITY.get(row.state, 1),
        row.updated,
        # Any order will do for what is left, as long as every job has the same.
        tuple(own),
    )


def _deployment_number(row: Row) -> float:
    """The deployment's place in the order: Stormkit's ids grow. Without an id, a build sorts first and an end last."""
    if row.deployment_id.isdecimal():
        return int(row.deployment_id)
    return -1 if row.state is State.BUILDING else math.inf


def encode(rows: Iterable[Row]) -> str:
    """Rows as one word of base64."""
    document = {"version": VERSION, "rows": [row._asdict() for row in rows]}
    packed = zlib.compress(json.dumps(document, separators=(",", ":")).encode(), 9)
    return base64.b64encode(packed).decode()


def decode(word: str) -> tuple[Row, ...]:
    """The rows in `word`, at most MAX_ROWS; none when it is broken or of a version that is not known."""
    try:
        unpacker = zlib.decompressobj()
        document = json.loads(unpacker.decompress(base64.b64decode(word, validate=True), 1_000_000))
    except (binascii.Error, zlib.error, ValueError, RecursionError):
        return ()
    if not isinstance(document, dict) or document.get("version") != VERSION:
        return ()
    rows = document.get("rows")
    parsed = (_row(entry) for entry in rows[:MAX_ROWS]) if isinstance(rows, list) else ()
    return tuple(row for row in parsed if row is not None)


def _row(entry: object) -> Row | None:
    """A row from its JSON; None when a field is not as expected: somebody may have edited the comment by hand."""
    if not isinstance(entry, dict):
        return None
    values: dict[str, Any] = {}
    for name, kind in Row.__annotations__.items():
        if name not in entry:
            continue
        value: Any = entry[name]
        expected = str if kind is State else kind
        if type(value) is not expected:
            return None
        # More than any run's id, too.
        if isinstance(value, int) and not 0 <= value <= (LATEST_S * 1000 if name == "began" else LATEST_S):
            return None
        if isinstance(value, str):
            if name == "deployment_id" and not re.fullmatch(_DEPLOYMENT_ID, value):
                return None
            value = web_url(value) if name.endswith("_url") else encodable(value)
        values[name] = value
    try:
        return Row(**{**values, "state": State(values.get("state", ""))})
    except (TypeError, ValueError):
        return None
