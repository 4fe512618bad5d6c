"""The sticky comment's text, from its rows. Pure.

    <!-- stormkit-action comment stormkit -->

    ### Stormkit deployments: 1 failed, 1 ready

    | Site | Status | Commit |
    | :--- | :--- | :--- |
    | <b>docs</b> | ✅ <b>Ready</b> in 38s<br><a href="https://…">Open preview</a> | <code>16ab41e</code> |
    | <b>shop</b> | ❌ <b>Failed</b> after 19s<br>The build of deployment 8244 failed… | <code>16ab41e</code> |

    <details>
    <summary>shop: the last lines of npm run build</summary>
    …
    </details>

    <!-- stormkit-action state eNrNVE1v2zAM/SuGz1YsS5Y/… -->

One site needs neither heading nor table:

    ✅ <b>Ready</b> in 38s · <a href="https://…">Open preview</a><br>Stormkit: docs · <code>16ab41e</code> · …

The first line says whose comment it is, the last one holds the rows.
"""

import re
from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

from stormkit_action.reporting import markdown
from stormkit_action.reporting.rows import MAX_TAIL_CHARACTERS, Row, State, decode, encode
from stormkit_action.reporting.table import HEAD, MAX_REASON_CHARACTERS, brief_cells, cells, lines, word_of

# GitHub refuses more (422). Counted in code points, which is safe under its limit in bytes too.
MAX_CHARACTERS = 65_536

_STATE = re.compile(r"<!-- stormkit-action state (?P<word>[A-Za-z0-9+/=]*) -->")

# The order in which states are counted in the heading.
_ORDER = ("Failed", "Timed out", "Stopped", "Cancelled", "Building", "Live", "Ready", "Skipped", "Removed")


class Detail(NamedTuple):
    """How much a comment shows: characters of a log excerpt and of a reason, and whether a row is brief."""

    excerpt: int = 0
    reason: int = MAX_REASON_CHARACTERS
    is_brief: bool = False

    def of(self, row: Row) -> Row:
        """What is shown of `row`, and remembered."""
        excerpt = row.tail[-self.excerpt :] if self.excerpt else ""
        return row._replace(tail=excerpt, reason=row.reason[: self.reason], warning=row.warning[: self.reason])


# Log excerpts are shortened first, then everything but the state and the preview link.
_DETAILS = (
    Detail(excerpt=MAX_TAIL_CHARACTERS),
    Detail(excerpt=1500),
    Detail(excerpt=400),
    Detail(),
    Detail(reason=80, is_brief=True),
)


def marker(key: str) -> str:
    """What begins our comment. `key` is one that parsers.comment_key let through."""
    return f"<!-- stormkit-action comment {key} -->"


def is_ours(body: str, key: str) -> bool:
    """Whether `body` begins with our marker. Anywhere else it proves nothing: a log could hold it."""
    return body.lstrip().startswith(marker(key))


def read_rows(body: str) -> tuple[Row, ...]:
    """The rows in a comment of ours; none when the state was edited away or broken.

    It is the last line, unless somebody wrote beneath it. No foreign text can hold such a line.
    """
    found = (_STATE.fullmatch(line.strip()) for line in reversed(body.splitlines()))
    return next((decode(match["word"]) for match in found if match), ())


def render(rows: Iterable[Row], key: str) -> str:
    """The comment, shortened until GitHub takes it and its rows can be read back."""
    listed = sorted(rows, key=lambda row: (row.label.casefold(), row.label, row.env_id))
    for detail in _DETAILS:
        body = _render(listed, key, detail)
        if _fits(body, listed):
            return body
    # Hundreds of rows: show and remember the newest that fit.
    kept = sorted(listed, key=lambda row: row.updated, reverse=True)
    while not _fits(body, kept):
        kept = kept[: len(kept) * 9 // 10]
        remembered = set(kept)
        shown = [row for row in listed if row in remembered]
        body = _render(shown, key, _DETAILS[-1], left_out=len(listed) - len(shown))
    return body


def _fits(body: str, rows: list[Row]) -> bool:
    return len(body) <= MAX_CHARACTERS and bool(read_rows(body) or not rows)


def _render(rows: list[Row], key: str, detail: Detail, *, left_out: int = 0) -> str:
    remembered = [detail.of(row) for row in rows]
    shown = _disambiguated(remembered)
    blocks = [
        marker(key),
        *([lines(shown[0])] if len(shown) == 1 else _overview(shown, detail)),
        f"{left_out} older deployments are not shown: GitHub limits the length of a comment." if left_out else "",
        *(_failure(row) for row in shown if row.state is State.FAILED and row.tail),
        f"<!-- stormkit-action state {encode(remembered)} -->",
    ]
    return "\n\n".join(block for block in blocks if block)


def _disambiguated(rows: list[Row]) -> list[Row]:
    """The rows, with the environment's id added to labels that several have."""
    count = Counter(row.label for row in rows)
    return [
        row._replace(label=f"{row.label} ({row.env_id})") if count[row.label] > 1 and row.env_id else row
        for row in rows
    ]


def _overview(rows: list[Row], detail: Detail) -> list[str]:
    """Several deployments, or none."""
    return [_heading(rows), markdown.table(HEAD, [brief_cells(row) if detail.is_brief else cells(row) for row in rows])]


def _heading(rows: list[Row]) -> str:
    counts = Counter(word_of(row)[1] for row in rows)
    summary = ", ".join(f"{counts[word]}&nbsp;{word.lower()}" for word in _ORDER if counts[word])
    return f"### Stormkit deployments: {summary}" if summary else "### Stormkit deployments"


def _failure(row: Row) -> str:
    title = f"{markdown.text(row.label, 100)}: the last lines of {markdown.text(row.step, 100) or 'the build'}"
    return markdown.details(title, markdown.fence(row.tail))
