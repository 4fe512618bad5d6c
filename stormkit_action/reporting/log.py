"""The step's log: how a build is getting on, and the result in a few lines.

1m 05s: running [######----] about 40s left, usually 1m 45s, commit 16ab41e

deployment: 8241
status:     success
commit:     16ab41e8c9d2f0b7a3e5d4c6b8a9f0e1d2c3b4a5
preview:    https://hello-world--8241.stormkit.dev
"""

from stormkit_action.inputs import BuildLog
from stormkit_action.reporting import build_log as build_logs
from stormkit_action.reporting import table
from stormkit_action.reporting.console import Console
from stormkit_action.result import DeploymentResult, Outcome, Result
from stormkit_action.stormkit.waiting import Progress
from stormkit_action.text import duration, one_line, site_prefix, tail

# What the annotation shows of the failing step.
MAX_TAIL_LINES = 25
MAX_TAIL_CHARACTERS = 3000

BAR_CHARACTERS = 10

# Longer estimates are rounded to multiples of ESTIMATE_STEP_S.
PRECISE_ESTIMATE_S = 20
ESTIMATE_STEP_S = 5

_WITH_ERROR = frozenset({Outcome.FAILED, Outcome.STOPPED, Outcome.TIMED_OUT, Outcome.CANCELLED})


def show(result: Result, console: Console, build_log: BuildLog) -> None:
    """Print the result: the build log in groups, one error annotation, and what matters in a few lines."""
    if result.listing:
        for line in table.list_as_text(result.listed):
            console.log(line)
        for unlisted in result.deployments:
            if unlisted.deployment is None:
                _show_result(unlisted, console, build_log, with_error=True)
        return
    for deployment in result.deployments:
        _show_build_log(deployment, console, build_log)
    for deployment in result.deployments:
        _show_result(deployment, console, build_log, with_error=result.exit_code != 0)
    if result.problem:
        console.error(result.problem)
    elif result.status is Outcome.SKIPPED and not result.deployments:
        console.notice(result.reason)


def progress_line(progress: Progress) -> str:
    """How a build is getting on: `1m 05s: running [######----] about 40s left, usually 1m 45s, commit 16ab41e`."""
    elapsed = duration(progress.elapsed)
    if progress.trouble:
        return f"{elapsed}: still trying. {progress.trouble}"
    deployment = progress.deployment
    if deployment is None:
        return f"{elapsed}: waiting"
    parts = [f"{elapsed}: {deployment.status}"]
    if progress.usual and deployment.running:
        usual = progress.usual
        parts[0] += f" {bar(progress.elapsed, usual.seconds)} {estimate(progress.elapsed, usual.seconds, usual.spread)}"
        parts.append(f"usually {duration(usual.seconds)}")
    if deployment.commit.sha:
        parts.append(f"commit {one_line(deployment.commit.sha, 64)[:7]}")
    return ", ".join(parts)


def bar(elapsed: float, usual: float) -> str:
    """The part of the usual time that has passed; full once it is over."""
    done = min(BAR_CHARACTERS, max(0, int(BAR_CHARACTERS * elapsed / usual)))
    return f"[{'#' * done}{'-' * (BAR_CHARACTERS - done)}]"


def estimate(elapsed: float, usual: float, spread: float) -> str:
    """When the build should end. It is overdue only once it is late by more than the usual spread."""
    left = usual - elapsed
    if left >= 1:
        rounded = left if left < PRECISE_ESTIMATE_S else ESTIMATE_STEP_S * round(left / ESTIMATE_STEP_S)
        return f"about {duration(rounded)} left"
    if -left <= usual * spread:
        return "due now"
    return f"overdue by {duration(-left)}"


def _show_build_log(result: DeploymentResult, console: Console, build_log: BuildLog) -> None:
    """Print the build log where it is asked for. A streamed one was printed while it grew."""
    has_failed = build_log is BuildLog.FAILURE and result.status is Outcome.FAILED
    if result.deployment is not None and (build_log is BuildLog.ALWAYS or has_failed):
        build_logs.show(result.deployment, console, prefix=site_prefix(result.name))


def _show_result(result: DeploymentResult, console: Console, build_log: BuildLog, *, with_error: bool) -> None:
    if with_error and result.reason and result.status in _WITH_ERROR:
        title = f"Stormkit: {one_line(result.label, 100)} {result.status}" if result.label else "Stormkit"
        # The build's log, right above, ends with the same lines.
        is_shown = build_log is not BuildLog.NEVER and result.deployment is not None and result.deployment.failing_step
        with_tail = console.shows_errors_apart or not is_shown
        console.error(_reason_and_tail(result) if with_tail else result.reason, title=title)
    elif result.status is Outcome.SKIPPED:
        console.notice(result.reason)
    elif result.reason:
        console.log(result.reason)
    facts = {
        "site": result.name,
        "deployment": result.deployment_id,
        "status": result.status,
        "commit": result.commit_sha,
        "preview": result.preview_url,
        "details": result.details_url,
        "published": "true" if result.live else "",
        "deleted": str(result.deleted) if result.deleted else "",
    }
    for name, value in facts.items():
        if value:
            console.log(f"{name + ':':<12}{one_line(value, 500)}")


def _reason_and_tail(result: DeploymentResult) -> str:
    step = result.failing_step
    if step is None:
        return result.reason
    return f"{result.reason}\n{tail(step.message, lines=MAX_TAIL_LINES, characters=MAX_TAIL_CHARACTERS)}"
