"""Deployments in the comment, in the job summary and in a list. Pure.

Several of them are a table. It has three columns: a phone shows no more without scrolling.

    | Site | Status | Commit |
    | docs | ✅ Ready in 38s, Open preview, Build log · Job log · Mar 18, 12:21 UTC | 16ab41e |

The comment's only one is two lines, with a third between them where there is a reason or a warning:

    ✅ Ready in 38s · Open preview
    Stormkit: docs · 16ab41e · Mar 18, 12:21 UTC · Build log · Job log

An emoji never stands without the word it means. A list has more columns, and is plain text in the log:

    Deployment  Status      Created (UTC)     Commit   Branch            Preview
    8241        Ready, 42s  2025-03-18 12:20  16ab41e  feature/greeting  https://hello-world--8241.stormkit.dev
"""

import re
from collections.abc import Sequence
from datetime import UTC, datetime

from stormkit_action.reporting import markdown
from stormkit_action.reporting.rows import PROVISIONAL_LABEL, STATES, Row, State
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
    last = " · ".join(part for part in (_logs(row), _branch(row) if branch else "", _updated(row)) if part)
    status = (_status(row), _expected(row), _reason(row), _preview(row), last)
    return [
        f"<b>{markdown.text(row.label, 100)}</b>",
        "<br>".join(line for line in status if line),
        _commit(row),
    ]


def lines(row: Row) -> str:
    """Everything about a comment's only row: what became of it and where to see it, why, and what exactly it is."""
    label = markdown.text(row.label, 100)
    site = label if label == PROVISIONAL_LABEL else f"Stormkit: {label}"
    parts = (
        (_status(row), _expected(row), _preview(row)),
        (_reason(row),),
        (site, _commit(row), _updated(row), _logs(row)),
    )
    made = (" · ".join(part for part in line if part) for line in parts)
    return "<br>".join(line for line in made if line)


def brief_cells(row: Row) -> list[str]:
    """The least that is of use, for a comment of hundreds of rows."""
    mark, word = word_of(row)
    status = markdown.link(f"{mark} {word}", row.preview_url if row.ready else "")
    if row.good_url and not row.ready:
        status += f", {_last_good(row)}"
    return [markdown.text(row.label, 60), status, markdown.code(row.sha[:7])]


def word_of(row: Row) -> tuple[str, str]:
    """The state of `row` as an emoji and a word."""
    return LIVE if row.ready and row.live else WORDS[row.state]


def list_as_text(deployments: Sequence[DeploymentResult]) -> list[str]:
    """Deployments that were looked up, newest first, in columns for the log."""
    if not deployments:
        return ["There are no deployments."]
    rows = [LIST_HEAD, *(_listed_texts(deployment) for deployment in deployments[:MAX_LISTED])]
    rows = _with_sites(rows, ["Site", *(one_line(deployment.name, 40) for deployment in deployments)])
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
    rows = [LIST_HEAD, *(_listed_cells(deployment) for deployment in deployments[:MAX_LISTED])]
    head, *rows = _with_sites(rows, ["Site", *(markdown.text(deployment.name, 40) for deployment in deployments)])
    return [markdown.table(head, rows), *_not_listed(deployments)]


def _with_sites(rows: list[list[str]], sites: list[str]) -> list[list[str]]:
    """`rows`, of which the first is the head, with a first column for the sites where they have names."""
    _, *names = sites
    return [[site, *row] for site, row in zip(sites, rows, strict=False)] if any(names) else rows


def _status(row: Row) -> str:
    mark, word = word_of(row)
    # `duration` is the build's, so it is not shown for a command that failed on the live deployment.
    if not row.duration or (row.live and not row.ready):
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
    commit = f" of&nbsp;{markdown.code(row.good_sha[:7])}" if row.good_sha else ""
    return f"{markdown.link('Last good preview', row.good_url)}{commit}"


def _logs(row: Row) -> str:
    links = {"Build log": row.details_url, "Job log": row.run_url}
    return " · ".join(markdown.link(label, url) for label, url in links.items() if url)


def _commit(row: Row) -> str:
    if not row.sha:
        return ""
    repository = _REPOSITORY.match(row.run_url) if _SHA.fullmatch(row.sha) else None
    url = f"{repository[1]}/commit/{row.sha}" if repository else ""
    return markdown.link(markdown.code(row.sha[:7]), url)


def _branch(row: Row) -> str:
    return f"branch {markdown.code(row.branch)}" if row.branch else ""


def _updated(row: Row) -> str:
    return _time(row.updated, "%b %d, %H:%M UTC")


def _time(seconds: int, form: str) -> str:
    """Unix seconds in UTC, never wrapped; empty for 0."""
    return datetime.fromtimestamp(seconds, UTC).strftime(form).replace(" ", "&nbsp;") if seconds else ""


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
        markdown.code(result.commit_sha[:7]),
        markdown.code(result.branch, 60),
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
