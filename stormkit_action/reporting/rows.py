"""The comment's rows: one a deployment label, each the newest of its label. Pure.

Rows travel inside the comment, as base64 in a marker that no foreign text can imitate (all foreign text is escaped,
and the marker counts only in its place, on the body's last line).
"""

import base64
import binascii
import json
import zlib
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields, replace
from enum import StrEnum
from typing import Any

from stormkit_action.stormkit.models import web_url

VERSION = 1


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

    `run_id` and `attempt` order runs, `deployment_id` orders deployments. Times are Unix seconds, durations seconds.
    `good_*` are the link and commit of the last deployment that was ready. `provisional` marks a row written before
    Stormkit had told the deployment's name: it gives way to the next row of the same `job`.
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
    step: str = ""
    tail: str = ""
    good_url: str = ""
    good_sha: str = ""
    provisional: bool = False

    @property
    def ready(self) -> bool:
        """Whether it shows a deployment that can be opened."""
        return self.state is State.READY


def newer(one: Row, other: Row) -> bool:
    """Whether `one` may replace `other`: its deployment is no older, or without one its run."""
    ids = one.deployment_id, other.deployment_id
    if all(each.isdecimal() for each in ids) and int(ids[0]) != int(ids[1]):
        return int(ids[0]) > int(ids[1])
    return (one.run_id, one.attempt) >= (other.run_id, other.attempt)


def merge(rows: Iterable[Row], mine: Row) -> tuple[Row, ...]:
    """`rows` with `mine` in its place. An older row changes nothing; the last good link is handed on."""
    kept = [row for row in rows if not (row.provisional and row.job == mine.job and row.label != mine.label)]
    place = next((index for index, row in enumerate(kept) if row.label == mine.label), None)
    if place is None:
        return (*kept, with_good(mine, None))
    if newer(mine, kept[place]):
        kept[place] = with_good(mine, kept[place])
    return tuple(kept)


def with_good(mine: Row, before: Row | None) -> Row:
    """`mine` with the last link that worked: its own once ready, none once removed, else the one before."""
    if mine.ready:
        return replace(mine, good_url=mine.preview_url, good_sha=mine.sha)
    if before is None or mine.state is State.REMOVED:
        return mine
    return replace(mine, good_url=before.good_url, good_sha=before.good_sha)


def encode(rows: Iterable[Row]) -> str:
    """Rows as one word of base64."""
    document = {"version": VERSION, "rows": [asdict(row) for row in rows]}
    packed = zlib.compress(json.dumps(document, separators=(",", ":")).encode(), 9)
    return base64.b64encode(packed).decode()


def decode(word: str) -> tuple[Row, ...]:
    """The rows in `word`; none when it is broken or of a version that is not known."""
    try:
        unpacker = zlib.decompressobj()
        document = json.loads(unpacker.decompress(base64.b64decode(word, validate=True), 1_000_000))
    except (binascii.Error, zlib.error, ValueError, RecursionError):
        return ()
    if not isinstance(document, dict) or document.get("version") != VERSION:
        return ()
    rows = document.get("rows")
    parsed = (_row(entry) for entry in rows) if isinstance(rows, list) else ()
    return tuple(row for row in parsed if row is not None)


def _row(entry: object) -> Row | None:
    """A row from its JSON; None when it does not fit. Somebody may have edited the comment by hand."""
    if not isinstance(entry, dict):
        return None
    values: dict[str, Any] = {}
    for field in fields(Row):
        if field.name not in entry:
            continue
        value = entry[field.name]
        expected = {"int": int, "bool": bool}.get(str(getattr(field.type, "__name__", field.type)), str)
        if type(value) is not expected:
            return None
        values[field.name] = web_url(value) if field.name.endswith("_url") else value
    try:
        return Row(**{**values, "state": State(values.get("state", ""))})
    except (TypeError, ValueError):
        return None
