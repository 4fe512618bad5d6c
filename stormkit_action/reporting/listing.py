"""Deployments that were looked up, as a table: in the log as text, in the job summary as markdown. Pure."""

from collections.abc import Iterable, Sequence

from stormkit_action.reporting import markdown
from stormkit_action.reporting.rows import STATES
from stormkit_action.reporting.table import LIVE, WORDS
from stormkit_action.result import DeploymentResult, Outcome
from stormkit_action.text import duration, one_line

# More are left out. The `result` output has them all.
SHOWN = 500

HEAD = ["Deployment", "Status", "Created (UTC)", "Commit", "Branch", "Preview"]


def lines(deployments: Sequence[DeploymentResult]) -> list[str]:
    """The table in columns, for the log."""
    if not deployments:
        return ["There are no deployments."]
    cells = [HEAD, *(_texts(each) for each in deployments[:SHOWN])]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    padded = ("  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)) for row in cells)
    return [row.rstrip() for row in padded] + list(_left_out(deployments))


def table(deployments: Sequence[DeploymentResult]) -> list[str]:
    """The table in markdown, for the summary, and what stands under it."""
    if not deployments:
        return ["There are no deployments."]
    return [markdown.table(HEAD, [_cells(each) for each in deployments[:SHOWN]]), *_left_out(deployments)]


def _left_out(deployments: Sequence[DeploymentResult]) -> Iterable[str]:
    count = len(deployments)
    if count > SHOWN:
        yield f"{count - SHOWN} older deployments are not shown. The output `result` has all {count}."


def _texts(each: DeploymentResult) -> list[str]:
    return [
        each.deployment_id,
        _status(each)[1],
        _created(each),
        one_line(each.commit_sha, 64)[:7],
        one_line(each.branch, 40),
        _preview(each),
    ]


def _cells(each: DeploymentResult) -> list[str]:
    return [
        markdown.link(markdown.code(each.deployment_id), each.details_url),
        " ".join(_status(each)),
        _created(each),
        markdown.code(each.commit_sha[:7]) if each.commit_sha else "",
        markdown.code(each.branch, 60) if each.branch else "",
        markdown.link("Open preview", _preview(each)) if _preview(each) else "",
    ]


def _status(each: DeploymentResult) -> tuple[str, str]:
    """An emoji and words."""
    mark, word = LIVE if each.live else WORDS[STATES[each.status]]
    return mark, f"{word}, {duration(each.duration)}" if each.duration else word


def _created(each: DeploymentResult) -> str:
    created = each.deployment.created_at if each.deployment else None
    return created.strftime("%Y-%m-%d %H:%M") if created else ""


def _preview(each: DeploymentResult) -> str:
    return each.preview_url if each.status is Outcome.SUCCESS else ""
