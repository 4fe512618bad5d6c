"""The result in the step's log: the build log in groups, one error annotation, and what matters in a few lines."""

from stormkit_action.inputs import BuildLog
from stormkit_action.reporting import build_log as build_logs
from stormkit_action.reporting import listing
from stormkit_action.reporting.console import Console
from stormkit_action.result import DeploymentResult, Outcome, Result
from stormkit_action.text import one_line, tail

# What the annotation shows of the failing step.
TAIL_LINES, TAIL_CHARACTERS = 25, 3000

_WITH_ERROR = frozenset({Outcome.FAILED, Outcome.STOPPED, Outcome.TIMED_OUT, Outcome.CANCELLED})


def show(result: Result, console: Console, build_log: BuildLog) -> None:
    """Print the whole result."""
    if result.listing:
        for line in listing.lines(result.deployments):
            console.line(line)
        return
    for each in result.deployments:
        failure = build_log is BuildLog.FAILURE and each.status is Outcome.FAILED
        # A streamed log has been shown while it grew.
        if each.deployment is not None and (build_log is BuildLog.ALWAYS or failure):
            prefix = f"[{one_line(each.name, 40)}] " if each.name else ""
            build_logs.show(each.deployment, console, prefix=prefix)
    for each in result.deployments:
        _show_result(each, console, with_error=bool(result.exit_code))
    if result.problem:
        console.error(result.problem)
    elif result.status is Outcome.SKIPPED:
        console.notice(result.reason)


def _show_result(each: DeploymentResult, console: Console, *, with_error: bool) -> None:
    if with_error and each.status in _WITH_ERROR:
        title = f"Stormkit: {f'{one_line(each.label, 100)} {each.status}'.strip()}"
        console.error(_explained(each), title=title)
    elif each.reason:
        console.line(each.reason)
    facts = {
        "site": each.name,
        "deployment": each.deployment_id,
        "status": each.status,
        "commit": each.commit_sha,
        "preview": each.preview_url,
        "details": each.details_url,
        "published": "true" if each.live else "",
    }
    for name, value in facts.items():
        if value:
            console.line(f"{name + ':':<12}{one_line(value, 500)}")


def _explained(each: DeploymentResult) -> str:
    step = each.failing_step
    if step is None:
        return each.reason
    return f"{each.reason}\n{tail(step.message, lines=TAIL_LINES, characters=TAIL_CHARACTERS)}"
