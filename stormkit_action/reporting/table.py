"""Deployments as table cells, in the comment, in the job summary and in a list. Pure.

    | Site | Status | Commit |
    | docs | ✅ Ready in 38s, Open preview, Build log · Job log | 16ab41e, Mar 18, 12:21 UTC |

A row has three columns: a phone shows no more without scrolling. An emoji never stands without the word it means. A
list has more, and is plain text in the log:

    Deployment  Status      Created (UTC)     Commit   Branch            Preview
    8241        Ready, 42s  2025-03-18 12:20  16ab41e  feature/greeting  https://hello-world--8241.stormkit.dev
"""

import re
from collections.abc import Sequence
from datetime import UTC, datetime

from stormkit_action.reporting import markdown
from stormkit_action.reporting.rows import STATES, Row, State
from stormkit_action.result import DeploymentResult, Outcome
from stormkit_action.text import duration, one_line

HEAD = ["Site", "Status", "Commit"]
LIST_HEAD = ["Deployment", "Status", "Created (UTC)", "Commit", "Branch", "Preview"]

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

# A list shows this many.
MAX_LISTED = 500

_REPOSITORY = re.compile(r"(https?://[^/]+/[^/]+/[^/]+)/actions/")
_SHA = re.compile(r"[0-9a-f]{7,64}")


def cells(row: Row, *, branch: bool = False) -> list[str]:
    """Everything about `row`, with its branch where the reader may not know it."""
    lines = (_status(row), _expected(row), _reason(row), _preview(row), _logs(row))
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
    """The state of `row` as an emoji and a word."""
    return LIVE if row.ready and row.live else WORDS[row.state]


def list_as_text(deployments: Sequence[DeploymentResult]) -> list[str]:
    """Deployments that were looked up, newest first, in columns for the log."""
    if not deployments:
        return ["There are no deployments."]
    rows = [LIST_HEAD, *(_listed_texts(deployment) for deployment in deployments[:MAX_LISTED])]
    widths = [max(len(text) for text in column) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        padded = [text.ljust(width) for text, width in zip(row, widths, strict=True)]
        lines.append("  ".join(padded).rstrip())
    return lines + _not_listed(deployments)


def list_as_markdown(deployments: Sequence[DeploymentResult]) -> list[str]:
    """Deployments that were looked up, newest first, as a table for the summary, and what stands under it."""
    if not deployments:
        return ["There are no deployments."]
    rows = [_listed_cells(deployment) for deployment in deployments[:MAX_LISTED]]
    return [markdown.table(LIST_HEAD, rows), *_not_listed(deployments)]


def _status(row: Row) -> str:
    mark, word = word_of(row)
    if not row.duration:
        return f"{mark} <b>{word}</b>"
    if row.live:
        return f"{mark} <b>{word}</b>, built in {duration(row.duration)}"
    verb = "in" if row.ready else "after"
    return f"{mark} <b>{word}</b> {verb} {duration(row.duration)}"


def _expected(row: Row) -> str:
    if row.state is not State.BUILDING or not row.usual:
        return ""
    usual = f"usually takes {duration(row.usual)}"
    ready_at = _time(row.ready_at, "%H:%M UTC")
    return f"Ready at about {ready_at}, {usual}" if ready_at else usual.capitalize()


def _reason(row: Row) -> str:
    return markdown.text(row.warning if row.ready else row.reason, MAX_REASON_CHARACTERS)


def _preview(row: Row) -> str:
    """Its own preview once it is ready, until then the last one that was."""
    if row.ready and row.preview_url:
        return markdown.link("<b>Open preview</b>", row.preview_url)
    return _last_good(row) if row.good_url and not row.ready else ""


def _last_good(row: Row) -> str:
    commit = f" of {markdown.code(row.good_sha[:7])}" if row.good_sha else ""
    return f"{markdown.link('Last good preview', row.good_url)}{commit}"


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


def _listed_texts(result: DeploymentResult) -> list[str]:
    _, status = _listed_status(result)
    return [
        result.deployment_id,
        status,
        _created(result),
        one_line(result.commit_sha, 64)[:7],
        one_line(result.branch, 40),
        _listed_preview(result),
    ]


def _listed_cells(result: DeploymentResult) -> list[str]:
    preview_url = _listed_preview(result)
    return [
        markdown.link(markdown.code(result.deployment_id), result.details_url),
        " ".join(_listed_status(result)),
        _created(result),
        markdown.code(result.commit_sha[:7]) if result.commit_sha else "",
        markdown.code(result.branch, 60) if result.branch else "",
        markdown.link("Open preview", preview_url) if preview_url else "",
    ]


def _listed_status(result: DeploymentResult) -> tuple[str, str]:
    """An emoji and words."""
    mark, word = LIVE if result.live else WORDS[STATES[result.status]]
    return mark, f"{word}, {duration(result.duration)}" if result.duration else word


def _listed_preview(result: DeploymentResult) -> str:
    return result.preview_url if result.status is Outcome.SUCCESS else ""


def _created(result: DeploymentResult) -> str:
    created = result.deployment.created_at if result.deployment else None
    return created.strftime("%Y-%m-%d %H:%M") if created else ""


def _not_listed(deployments: Sequence[DeploymentResult]) -> list[str]:
    count = len(deployments)
    if count <= MAX_LISTED:
        return []
    return [f"{count - MAX_LISTED} older deployments are not shown. Name a branch to list fewer."]
