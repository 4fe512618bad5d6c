"""The job summary: what happened, for whoever opens the run."""

from stormkit_action.reporting import markdown
from stormkit_action.reporting.comment_body import WORDS
from stormkit_action.reporting.result_rows import STATES
from stormkit_action.reporting.rows import State
from stormkit_action.result import DeploymentResult, Outcome, Result
from stormkit_action.text import duration, tail

# GitHub drops a summary of more than 1 MiB, and shows twenty a job. Bytes.
LONGEST = 1024 * 1024

# What stands for the failing step. Lines and characters.
TAIL_LINES, TAIL_CHARACTERS = 60, 8000


def render(result: Result) -> str:
    """The summary's markdown, never over the limit."""
    blocks = ["### Stormkit"]
    if result.deployments:
        head = ["Site", "Status", "Preview", "Branch", "Commit", "Build log"]
        blocks.append(markdown.table(head, [_cells(each) for each in result.deployments]))
    if result.problem or (result.reason and not result.deployments):
        blocks.append(f"{WORDS[STATES[result.status]]}: {markdown.text(result.problem or result.reason, 2000)}")
    blocks += [_failure(each) for each in result.deployments if each.failing_step]
    return _fitting(blocks)


def _fitting(blocks: list[str]) -> str:
    kept: list[str] = []
    size = 0
    for block in blocks:
        size += len(block.encode()) + 2
        if size > LONGEST - 200:
            kept.append("The rest was left out: GitHub takes no summary of more than 1 MiB.")
            break
        kept.append(block)
    return "\n\n".join(kept) + "\n"


def _cells(each: DeploymentResult) -> list[str]:
    state = State.REMOVED if each.removed else STATES[each.status]
    status = (
        WORDS[state] + (f" in {duration(each.duration)}" if each.duration else "") + (", live" if each.live else "")
    )
    said = each.reason or each.warning
    preview = markdown.link("Open preview", each.preview_url) if each.status is Outcome.SUCCESS else ""
    return [
        f"<b>{markdown.text(each.label or each.deployment_id, 100)}</b>",
        f"{status}<br><sub>{markdown.text(said, 300)}</sub>" if said else status,
        preview if each.preview_url else "",
        markdown.code(each.branch) if each.branch else "",
        markdown.code(each.commit_sha[:7]) if each.commit_sha else "",
        markdown.link("Build log", each.details_url) if each.details_url else "",
    ]


def _failure(each: DeploymentResult) -> str:
    step = each.failing_step
    if step is None:
        return ""
    title = f"{markdown.text(each.label, 100)}: the last lines of {markdown.text(step.title, 100)}"
    return markdown.details(title, markdown.fence(tail(step.message, lines=TAIL_LINES, characters=TAIL_CHARACTERS)))
