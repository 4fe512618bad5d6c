"""The sticky comment's text, from its rows. Pure."""

import re
from collections.abc import Iterable
from datetime import UTC, datetime

from stormkit_action.reporting import markdown
from stormkit_action.reporting.rows import Row, State, decode, encode
from stormkit_action.text import duration

# GitHub refuses more (422). Counted in code points, which is safe under its limit in bytes too.
LONGEST = 65_536

# The log excerpt in a row, before the whole comment has to be shortened. Characters.
TAIL = 4000

WORDS = {
    State.BUILDING: "🔨 Building",
    State.READY: "✅ Ready",
    State.FAILED: "❌ Failed",
    State.STOPPED: "⏹️ Stopped",
    State.TIMED_OUT: "⌛ Timed out",
    State.CANCELLED: "🚫 Cancelled",
    State.SKIPPED: "⏭️ Skipped",
    State.REMOVED: "🗑️ Removed",
}

_STATE = re.compile(r"<!-- stormkit-action state (?P<word>[A-Za-z0-9+/=]*) -->")


def marker(key: str) -> str:
    """What begins our comment. `key` is one that parsers.comment_key let through."""
    return f"<!-- stormkit-action comment {key} -->"


def is_ours(body: str, key: str) -> bool:
    """Whether `body` begins with our marker. Anywhere else it proves nothing: a log could hold it."""
    return body.lstrip().startswith(marker(key))


def read_rows(body: str) -> tuple[Row, ...]:
    """The rows in a comment of ours; none when the state was edited away or broken."""
    lines = body.rstrip().splitlines()
    match = _STATE.fullmatch(lines[-1].strip()) if lines else None
    return decode(match["word"]) if match else ()


def render(rows: Iterable[Row], key: str) -> str:
    """The comment. Log excerpts, then old rows' details are shortened until it fits."""
    listed = sorted(rows, key=lambda row: row.label.casefold())
    for excerpt in (TAIL, 1500, 400, 0):
        body = _render(listed, key, excerpt)
        if len(body) <= LONGEST:
            return body
    # Hundreds of rows: show and remember the newest that fit.
    while len(body) > LONGEST:
        listed = sorted(listed, key=lambda row: row.updated)[max(1, len(listed) // 10) :]
        body = _render(listed, key, 0)
    return body


def _render(rows: list[Row], key: str, excerpt: int) -> str:
    head = ["Site", "Status", "Preview", "Commit", "Updated (UTC)"]
    blocks = [
        marker(key),
        "### Stormkit preview" + ("s" if len(rows) > 1 else ""),
        markdown.table(head, [_cells(row) for row in rows]),
        *(_failure(row, excerpt) for row in rows if row.state is State.FAILED and excerpt and row.tail),
        f"<!-- stormkit-action state {encode(rows)} -->",
    ]
    return "\n\n".join(blocks)


def _cells(row: Row) -> list[str]:
    return [
        f"<b>{markdown.text(row.label, 100)}</b>",
        _status(row),
        _links(row),
        markdown.code(row.sha[:7]) if row.sha else "",
        datetime.fromtimestamp(row.updated, UTC).strftime("%b %d, %H:%M") if row.updated else "",
    ]


def _status(row: Row) -> str:
    words = WORDS[row.state]
    if row.ready and row.duration:
        words += f" in {duration(row.duration)}"
    if row.live:
        words += ", live"
    if row.state is State.BUILDING and row.usual:
        words += f", usually {duration(row.usual)}"
    said = row.reason if not row.ready else row.warning
    return f"{words}<br><sub>{markdown.text(said, 300)}</sub>" if said else words


def _links(row: Row) -> str:
    links = []
    if row.ready and row.preview_url:
        links.append(markdown.link("<b>Open preview</b>", row.preview_url))
    elif row.good_url:
        commit = f" ({markdown.text(row.good_sha[:7])})" if row.good_sha else ""
        links.append(markdown.link(f"Last good preview{commit}", row.good_url))
    if row.details_url:
        links.append(markdown.link("Build log", row.details_url))
    if row.run_url:
        links.append(markdown.link("Job", row.run_url))
    return " · ".join(links)


def _failure(row: Row, excerpt: int) -> str:
    title = f"{markdown.text(row.label, 100)}: the last lines of {markdown.text(row.step, 100) or 'the build'}"
    return markdown.details(title, markdown.fence(row.tail[-excerpt:]))
