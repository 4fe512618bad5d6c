"""The composition root: environment in, exit code out. The one place where errors become text."""

import traceback
from collections.abc import Mapping
from typing import TYPE_CHECKING

from stormkit_action import __version__, input_table, services
from stormkit_action import event as events
from stormkit_action import plan as plans
from stormkit_action.clock import Clock, Deadline
from stormkit_action.commands import starting
from stormkit_action.context import Context
from stormkit_action.errors import ActionError, Cancelled, InputError
from stormkit_action.event import Event
from stormkit_action.inputs import Command, Inputs
from stormkit_action.later import Later
from stormkit_action.parsers import bare_key, insecure
from stormkit_action.plan import Plan
from stormkit_action.reporting.console import Console
from stormkit_action.reporting.known import Known
from stormkit_action.reporting.reporter import Shown, StepReporter
from stormkit_action.reporting.step_files import StepFiles

if TYPE_CHECKING:
    from stormkit_action.github_api.api import GitHubApi
    from stormkit_action.reporting.github_report import GitHubReport
    from stormkit_action.result import Result


def main(environ: Mapping[str, str], *, console: Console, files: StepFiles, clock: Clock) -> int:
    """Run one step. The exit code: 0, 1, 130 when cancelled, 3 for a bug."""
    for secret in input_table.secrets_in(environ):
        console.mask(secret)
    known = Known(event=Event())
    try:
        result = _run(environ, console, files, clock, known)
    except (Cancelled, Exception) as error:
        result = _ended_by(error, environ, console)
    from stormkit_action.reporting.ending import Ending  # noqa: PLC0415 - the trigger need not wait for it

    return Ending(known=known, console=console, files=files, clock=clock).tell(result)


def _run(environ: Mapping[str, str], console: Console, files: StepFiles, clock: Clock, known: Known) -> "Result":
    console.line(f"stormkit_action {__version__}")
    inputs, event = _read(environ, known)
    if inputs is None:
        return _skipped(plans.skip_reason(event, has_key=_has_key(environ)))
    deadline = Deadline.after(clock, inputs.timeout.total_seconds())
    if insecure(inputs.api_url):
        console.warning(
            f"Input api-url: {inputs.api_url} is not encrypted: the API key can be read on its way. Use https."
        )
    github = Later(lambda: services.github(inputs, event, clock))
    plan = plans.decide(inputs, event)
    if event.needs_pull_request and not plan.skip:
        plan = _with_pull_request(plan, inputs, event, github.get())
    known.plan = plan
    if plan.skip:
        return _skipped(plan.skip)
    known.github = report = Later(
        lambda: _github_report(github.get(), inputs=inputs, event=event, plan=plan, clock=clock, console=console)
    )
    shown = Shown.of(inputs, event, plan)
    reporter = StepReporter(console=console, files=files, clock=clock, github=report, shown=shown)
    contexts = [
        Context(inputs=inputs, plan=plan, environment=environment, clock=clock, deadline=deadline, reporter=reporter)
        for environment in services.environments(inputs, clock)
    ]
    alone = len(contexts) == 1 and plan.command is Command.DEPLOY
    started = starting.start(contexts[0]) if alone else None
    from stormkit_action.commands import dispatch  # noqa: PLC0415 - everything else is needed once the trigger was sent

    return dispatch.run(contexts, github=github, started=started)


def _skipped(reason: str) -> "Result":
    from stormkit_action import result as results  # noqa: PLC0415 - as above

    return results.skipped(reason)


def _ended_by(error: BaseException, environ: Mapping[str, str], console: Console) -> "Result":
    from stormkit_action import result as results  # noqa: PLC0415 - as above

    if isinstance(error, Cancelled):
        reason = "The job was cancelled before anything was triggered."
        return results.Result(status=results.Outcome.CANCELLED, reason=reason, exit_code=130)
    if isinstance(error, ActionError):
        return results.failed(error.text)
    report_bug(environ, console)
    return results.Result(status=results.Outcome.FAILED, reason="A bug in the action; see the step's log.", exit_code=3)


def _read(environ: Mapping[str, str], known: Known) -> tuple[Inputs | None, Event]:
    """Inputs and event; no inputs where the event is skipped whatever they say.

    Raises InputError with the problems of both. On a skipped event missing secrets may have left any input malformed,
    so their problems do not count there.
    """
    problems: list[str] = []
    try:
        known.event = events.from_environment(environ)
        if plans.skip_reason(known.event, has_key=_has_key(environ)):
            return None, known.event
    except InputError as error:
        problems += error.problems
    try:
        known.inputs = input_table.from_environment(environ)
    except InputError as error:
        problems += error.problems
    if problems:
        raise InputError(problems)
    return known.inputs, known.event


def _has_key(environ: Mapping[str, str]) -> bool:
    return bool(bare_key(environ.get("INPUT_API-KEY", "")))


def _with_pull_request(plan: Plan, inputs: Inputs, event: Event, github: "GitHubApi | None") -> Plan:
    """The plan of an event that names a pull request and nothing else about it."""
    number = event.pull_request_number
    pull_request = github.pull_request(number) if github is not None and number is not None else None
    if pull_request is None:
        problem = f"Pull request {number} has no usable head branch (a deleted fork has none): nothing was deployed."
        raise InputError([f"{problem} Push its commits to a branch of this repository."])
    return plans.with_pull_request(plan, pull_request, event.repository, inputs)


def _github_report(
    github: "GitHubApi | None", *, inputs: Inputs, event: Event, plan: Plan, clock: Clock, console: Console
) -> "GitHubReport | None":
    if github is None:
        return None
    from stormkit_action.reporting.github_report import GitHubReport  # noqa: PLC0415 - asked for after the trigger

    return GitHubReport(github=github, inputs=inputs, event=event, plan=plan, clock=clock, console=console)


def report_bug(environ: Mapping[str, str], console: Console) -> None:
    """Print the exception at hand. Its text may hold anything, so the console makes it harmless."""
    console.line(traceback.format_exc().rstrip())
    repository = environ.get("GITHUB_ACTION_REPOSITORY") or "the action's repository"
    console.error(
        f"This is a bug in stormkit_action {__version__}. Please report it with the traceback above at {repository}."
    )
