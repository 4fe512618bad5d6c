"""The comment's rows: one a deployment label, each the newest of its label. Pure.

Any number of jobs write them at the same time, so all that is done with them can be done again and in any order. Rows
travel inside the comment, as base64 in a marker that no foreign text can imitate (all foreign text is escaped, and the
marker counts only on a line of its own).
"""

import base64
import binascii
import json
import re
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from stormkit_action.event import Run
from stormkit_action.result import DeploymentResult, Outcome, Result
from stormkit_action.stormkit.models import web_url
from stormkit_action.text import one_line, tail

VERSION = 1

# How many GitHub Deployments a row remembers. Later ones are enough: each was to end those before it.
MOST_ACTIVE = 10

# No number in a row is larger: the last second that a calendar has, and more than any run's id.
LARGEST = 253_402_300_799

# No comment holds more rows: GitHub takes no longer one.
MOST_ROWS = 1000

# The log excerpt of a row: lines, and characters before the whole comment has to be shortened.
MAX_TAIL_LINES = 40
MAX_TAIL_CHARACTERS = 4000

# What is read as numbers has to be short enough for that.
_IDS = {
    "deployment_id": re.compile(r"[A-Za-z0-9_, -]{0,1000}"),
    "github_id": re.compile(r"[0-9]{0,18}"),
    "active_ids": re.compile(r"(?:[0-9]{1,18}(?:,[0-9]{1,18})*)?"),
}


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


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One deployment's line.

    `run_id` and `attempt` order runs, `deployment_id` orders deployments. Times are Unix seconds, durations seconds;
    `ready_at` is about when a running build will have ended. `good_*` are the link and commit of the last deployment
    that was ready. `github_id` is the GitHub Deployment, `active_ids` are those that may be active, comma-separated.
    `provisional` marks a row written before Stormkit had told the deployment's name: it gives way to a later row of the
    same `job`.
    """

    label: str
    state: State
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
    github_id: str = ""
    active_ids: str = ""
    provisional: bool = False

    @property
    def ready(self) -> bool:
        """Whether it shows a deployment that can be opened."""
        return self.state is State.READY


@dataclass(frozen=True, kw_only=True, slots=True)
class Change:
    """What a job says in the comment: rows to put in their places or, when `removing`, sites to mark as removed."""

    rows: tuple[Row, ...]
    removing: bool = False

    def apply(self, before: tuple[Row, ...]) -> tuple[Row, ...]:
        """The rows with the change; rows that are newer stay as they are."""
        for row in self.rows:
            before = _remove(before, row) if self.removing else _put(before, row)
        return before

    def holds(self, rows: tuple[Row, ...]) -> bool:
        """Whether `rows` say it already, or something newer. A log excerpt may have been shortened meanwhile."""
        if self.removing:
            return self.apply(rows) == rows
        there = {row.label: row for row in rows}
        return all(
            mine.label in there
            and (_content(there[mine.label]) == _content(mine) or not newer(mine, there[mine.label]))
            for mine in self.rows
        )

    def concerns(self, row: Row) -> bool:
        """Whether it is about this row."""
        return any(_same_site(row, mine) if self.removing else row.label == mine.label for mine in self.rows)


def newer(one: Row, other: Row) -> bool:
    """Whether `one` may replace `other`: its run, then its deployment, is no older; an end is newer than a beginning.

    Two different rows are never both newer, or two jobs would replace each other's for ever.
    """
    runs = (one.run_id, one.attempt), (other.run_id, other.attempt)
    if runs[0] != runs[1]:
        return runs[0] > runs[1]
    ids = one.deployment_id, other.deployment_id
    if all(each.isdecimal() for each in ids) and int(ids[0]) != int(ids[1]):
        return int(ids[0]) > int(ids[1])
    return _rank(one) >= _rank(other)


def union(lists: Iterable[Iterable[Row]]) -> tuple[Row, ...]:
    """The newest row of each label in several comments."""
    merged: dict[str, Row] = {}
    for rows in lists:
        for row in rows:
            merged[row.label] = _newest(row, merged[row.label]) if row.label in merged else row
    return tuple(merged.values())


def _put(rows: tuple[Row, ...], mine: Row) -> tuple[Row, ...]:
    kept = {row.label: row for row in rows if not _gives_way(row, mine)}
    kept[mine.label] = _newest(mine, kept[mine.label]) if mine.label in kept else _with_good(mine, None)
    return tuple(kept.values())


def _gives_way(row: Row, mine: Row) -> bool:
    """Whether `row` is what `mine` was called before its name was known. Jobs of a matrix have one `job`."""
    if not row.provisional or row.label == mine.label or row.job != mine.job:
        return False
    older = (row.run_id, row.attempt) < (mine.run_id, mine.attempt)
    same = row.deployment_id == mine.deployment_id and (row.deployment_id or row.state is State.BUILDING)
    return older or bool(same)


def _newest(one: Row, other: Row) -> Row:
    return _with_good(one, other) if newer(one, other) else _with_good(other, one)


def _with_good(row: Row, before: Row | None) -> Row:
    """`row` with the last link that worked: its own once ready, none once removed, else the one it replaces."""
    if row.ready:
        return replace(row, good_url=row.preview_url, good_sha=row.sha, active_ids=row.github_id)
    if before is None or row.state is State.REMOVED:
        return row
    good = row if row.good_url else before
    active = sorted((active_ids(row) | active_ids(before)) - {row.github_id})
    return replace(row, good_url=good.good_url, good_sha=good.good_sha, active_ids=",".join(active[-MOST_ACTIVE:]))


def active_ids(row: Row) -> frozenset[str]:
    """The GitHub Deployments that a row leaves behind: earlier ones, and its own if nobody has ended it."""
    building = row.github_id if row.state is State.BUILDING else ""
    return frozenset({*row.active_ids.split(","), building} - {""})


def _remove(rows: tuple[Row, ...], removed: Row) -> tuple[Row, ...]:
    only = len(rows) == 1 and removed.provisional
    return tuple(
        _as_removed(row, removed) if (only or _same_site(row, removed)) and newer(removed, row) else row for row in rows
    )


def _as_removed(row: Row, removed: Row) -> Row:
    kept = {name: getattr(row, name) for name in ("label", "env_id", "deployment_id", "branch")}
    return replace(removed, **kept, provisional=False)


def _same_site(row: Row, other: Row) -> bool:
    return row.label == other.label or bool(other.env_id and row.env_id == other.env_id)


def _content(row: Row) -> Row:
    """What a row itself says: without what it took over from the row before, and what a full comment shortens."""
    return replace(row, tail="", reason="", warning="", good_url="", good_sha="", active_ids="")


def _rank(row: Row) -> tuple[bool, int, str]:
    return (row.state is not State.BUILDING, row.updated, repr(_content(row)))


def encode(rows: Iterable[Row]) -> str:
    """Rows as one word of base64."""
    document = {"version": VERSION, "rows": [asdict(row) for row in rows]}
    packed = zlib.compress(json.dumps(document, separators=(",", ":")).encode(), 9)
    return base64.b64encode(packed).decode()


def decode(word: str) -> tuple[Row, ...]:
    """The rows in `word`, at most MOST_ROWS; none when it is broken or of a version that is not known."""
    try:
        unpacker = zlib.decompressobj()
        document = json.loads(unpacker.decompress(base64.b64decode(word, validate=True), 1_000_000))
    except (binascii.Error, zlib.error, ValueError, RecursionError):
        return ()
    if not isinstance(document, dict) or document.get("version") != VERSION:
        return ()
    rows = document.get("rows")
    parsed = (_row(entry) for entry in rows[:MOST_ROWS]) if isinstance(rows, list) else ()
    return tuple(row for row in parsed if row is not None)


def _row(entry: object) -> Row | None:
    """A row from its JSON; None when it does not fit. Somebody may have edited the comment by hand."""
    if not isinstance(entry, dict):
        return None
    values: dict[str, Any] = {}
    for field in fields(Row):
        if field.name not in entry:
            continue
        value: Any = entry[field.name]
        expected = {"int": int, "bool": bool}.get(str(getattr(field.type, "__name__", field.type)), str)
        if type(value) is not expected or (isinstance(value, int) and not 0 <= value <= LARGEST):
            return None
        if isinstance(value, str):
            if field.name in _IDS and not _IDS[field.name].fullmatch(value):
                return None
            value = web_url(value) if field.name.endswith("_url") else value.encode("utf-8", "replace").decode()
        values[field.name] = value
    try:
        return Row(**{**values, "state": State(values.get("state", ""))})
    except (TypeError, ValueError):
        return None


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
        tail=tail(step.message, lines=MAX_TAIL_LINES, characters=MAX_TAIL_CHARACTERS) if step else "",
    )


def change_of(
    result: Result, *, run: Run, now: datetime, github_ids: Mapping[str, str], cleanup: bool = False
) -> Change:
    """What a step's result changes in the comment. After a cleanup only the rows of what is gone."""
    rows = [row_of(each, run=run, now=now, github_id=github_ids.get(each.name, "")) for each in result.deployments]
    if not cleanup:
        return Change(rows=tuple(rows))
    return Change(rows=tuple(row for row in rows if row.state is State.REMOVED), removing=True)
