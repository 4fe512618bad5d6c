"""A deployment's row as the cells of a table, in the comment and in the job summary. Pure.

Three columns: a phone shows no more without scrolling. An emoji never stands without the word that it means.
"""

import re
from datetime import UTC, datetime

from stormkit_action.reporting import markdown
from stormkit_action.reporting.rows import Row, State
from stormkit_action.text import duration

HEAD = ["Site", "Status", "Commit"]

WORDS = {
    State.BUILDING: ("🔨", "Building"),
    State.READY: ("✅", "Ready"),
    State.FAILED: ("❌", "Failed"),
    State.STOPPED: ("⏹️", "Stopped"),
    State.TIMED_OUT: ("⌛", "Timed out"),
    State.CANCELLED: ("🚫", "Cancelled"),
    State.SKIPPED: ("⏭️", "Skipped"),
    State.REMOVED: ("🗑️", "Removed"),
}
LIVE = ("🟢", "Live")

# Of a state's reason or warning.
MAX_REASON_CHARACTERS = 300

_REPOSITORY = re.compile(r"(https?://[^/]+/[^/]+/[^/]+)/actions/")
_SHA = re.compile(r"[0-9a-f]{7,64}")


def cells(row: Row, *, branch: bool = False) -> list[str]:
    """Everything about `row`, with its branch where the reader may not know it."""
    lines = (_status(row), _expected(row), _said(row), _preview(row), _logs(row))
    status = "<br>".join(line for line in lines if line)
    return [f"<b>{markdown.text(row.label, 100)}</b>", status, _commit(row, branch=branch)]


def brief_cells(row: Row) -> list[str]:
    """The least that is of use, for a comment of hundreds of rows."""
    mark, word = word_of(row)
    status = markdown.link(f"{mark} {word}", row.preview_url if row.ready else "")
    if row.good_url and not row.ready:
        status += f", {_last_good(row)}"
    return [markdown.text(row.label, 60), status, markdown.code(row.sha[:7]) if row.sha else ""]


def word_of(row: Row) -> tuple[str, str]:
    """Its state as an emoji and a word."""
    return LIVE if row.ready and row.live else WORDS[row.state]


def _status(row: Row) -> str:
    mark, word = word_of(row)
    how = ", built in" if row.live else " in" if row.ready else " after"
    return f"{mark} <b>{word}</b>{how} {duration(row.duration)}" if row.duration else f"{mark} <b>{word}</b>"


def _expected(row: Row) -> str:
    if row.state is not State.BUILDING or not row.usual:
        return ""
    usual = f"usually takes {duration(row.usual)}"
    at = _time(row.ready_at, "%H:%M UTC")
    return f"Ready at about {at}, {usual}" if at else usual.capitalize()


def _said(row: Row) -> str:
    return markdown.text(row.warning if row.ready else row.reason, MAX_REASON_CHARACTERS)


def _preview(row: Row) -> str:
    """Its own preview once it is ready, until then the last one that was."""
    if row.ready and row.preview_url:
        return markdown.link("<b>Open preview</b>", row.preview_url)
    return _last_good(row) if row.good_url and not row.ready else ""


def _last_good(row: Row) -> str:
    of = f" of {markdown.code(row.good_sha[:7])}" if row.good_sha else ""
    return f"{markdown.link('Last good preview', row.good_url)}{of}"


def _logs(row: Row) -> str:
    links = {"Build log": row.details_url, "Job log": row.run_url}
    return " · ".join(markdown.link(label, url) for label, url in links.items() if url)


def _commit(row: Row, *, branch: bool) -> str:
    parts = []
    if row.sha:
        repository = _REPOSITORY.match(row.run_url) if _SHA.fullmatch(row.sha) else None
        url = f"{repository[1]}/commit/{row.sha}" if repository else ""
        parts.append(markdown.link(markdown.code(row.sha[:7]), url))
    if branch and row.branch:
        parts.append(f"branch {markdown.code(row.branch)}")
    parts.append(_time(row.updated, "%b %d, %H:%M UTC"))
    return "<br>".join(part for part in parts if part)


def _time(seconds: int, form: str) -> str:
    """Unix seconds in UTC; empty for 0."""
    return datetime.fromtimestamp(seconds, UTC).strftime(form) if seconds else ""
