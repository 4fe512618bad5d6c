"""One step: environment in, exit code out. The one place where errors become text."""

import contextlib
import os
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

# Imported first: from a deeper frame, its 2,500 calls would cross a boundary of Python's stack chunks, and mapping
# memory each time takes a tenth of the start.
import requests  # noqa: F401, TID251

from stormkit_action import __version__
from stormkit_action import event as events
from stormkit_action import inputs as action_inputs
from stormkit_action import plan as plans
from stormkit_action import result as results
from stormkit_action.cancellation import Cancellation
from stormkit_action.clock import Clock, Deadline, SystemClock
from stormkit_action.commands import dispatch
from stormkit_action.context import Context, Reporter
from stormkit_action.errors import ActionError, Cancelled, GitHubError, InputError
from stormkit_action.event import Event
from stormkit_action.github_api.api import GitHubApi
from stormkit_action.inputs import Environment, Inputs, WrongInputs
from stormkit_action.names import ON_GITHUB, Names
from stormkit_action.parsers import bare_key, insecure
from stormkit_action.plan import Plan
from stormkit_action.reporting.console import Console, GitHubConsole, PlainConsole, log_stream, shows_colours
from stormkit_action.reporting.github_report import GitHubReport
from stormkit_action.reporting.reporter import StepReporter
from stormkit_action.reporting.step import Step
from stormkit_action.reporting.step_files import JsonOutput, RunnerFiles, StepFiles
from stormkit_action.result import Outcome, Result
from stormkit_action.stormkit.client import StormkitClient
from stormkit_action.stormkit.session import StormkitSession, exposed_by_proxy
from stormkit_action.text import site_prefix


def run_step(environ: Mapping[str, str], cancellation: Cancellation) -> int:
    """Run a step of a GitHub workflow. The exit code."""
    # The reader is the runner. Without it GitHub calls the job lost, so what the job began must not go live unseen.
    prepare_streams(log="stdout", when_reader_leaves=cancellation.request)
    return main(environ, console=GitHubConsole(environ), files=RunnerFiles(), clock=SystemClock(cancellation))


def run_command_line(arguments: Sequence[str], environ: Mapping[str, str], cancellation: Cancellation) -> int:
    """Run the command line of any other CI or a terminal. The exit code."""
    # argparse costs a GitHub step, which has no arguments, more than all of our own code.
    from stormkit_action import cli  # noqa: PLC0415

    cli.run_program(arguments)
    prepare_streams(log="stderr", when_reader_leaves=cancellation.request)
    given = cli.read(arguments, environ)
    return main(
        given.environ,
        console=PlainConsole(colours=shows_colours(sys.stderr, environ)),
        files=JsonOutput(as_json=given.json, output=given.output, dotenv=given.dotenv),
        clock=SystemClock(cancellation),
        names=given.names,
        problems=given.problems,
    )


def prepare_streams(*, log: str, when_reader_leaves: Callable[[], None]) -> None:
    """Make both streams take any character in any locale, and replace one that is closed.

    Writing to the one named `log` never fails. `when_reader_leaves` is called once nobody reads it any more.
    """
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            # Open for as long as the process lives.
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115
            continue
        stream.reconfigure(encoding="utf-8", errors="backslashreplace")
        with contextlib.suppress(OSError, ValueError):
            # A pipe that its reader has made non-blocking would cut a long text off.
            os.set_blocking(stream.fileno(), True)
    setattr(sys, log, log_stream(getattr(sys, log), when_reader_leaves))


def main(
    environ: Mapping[str, str],
    *,
    console: Console,
    files: StepFiles,
    clock: Clock,
    names: Names = ON_GITHUB,
    problems: Sequence[str] = (),
) -> int:
    """Run one step. The exit code: 0, 1, 2 for wrong inputs outside GitHub, 130 when cancelled, 3 for a bug.

    `names` are what messages call inputs. `problems` are errors in the usage: where there are any, they are reported
    and nothing else is done.
    """
    for secret in action_inputs.secrets_in(environ):
        console.mask(secret)
    step = Step()
    reporter = StepReporter(console=console, files=files, clock=clock, step=step, on_github=names.on_github)
    try:
        if problems:
            raise InputError(problems)
        result = _run(environ, names, console=console, clock=clock, step=step, reporter=reporter)
    except (Cancelled, Exception) as error:
        result = _result_of(error, environ, console, names)
    return reporter.finish(result)


def _run(
    environ: Mapping[str, str], names: Names, *, console: Console, clock: Clock, step: Step, reporter: Reporter
) -> Result:
    console.log(f"stormkit_action {__version__}")
    inputs, event, plan = _read(environ, names, step)
    if inputs is None or plan is None:
        return results.skipped(plans.skip_reason(event, has_key=_has_key(environ)))
    for notice in action_inputs.notices(environ, names):
        console.notice(notice)
    deadline = Deadline.after(clock, inputs.timeout.total_seconds())
    advice = _encryption_advice(inputs.api_url)
    if advice:
        name = names.subject("api-url")
        console.warning(f"{name}: {inputs.api_url} is not encrypted, so the API key can be read in transit. {advice}")
    github = github_api(inputs, event, clock)
    step.plan = plan = _with_what_github_knows(plan, inputs, event, github)
    if event.pipeline is not None and plan.branch == event.pipeline.branch:
        console.log(event.pipeline.text)
    if plan.skip:
        return results.skipped(plan.skip)
    if github is not None:
        step.github = GitHubReport(github=github, inputs=inputs, event=event, plan=plan, clock=clock, console=console)
    return dispatch.run(
        [
            Context(
                inputs=inputs,
                event=event,
                plan=plan,
                environment=environment,
                stormkit=stormkit_client(
                    inputs, clock, environment, names=names, log=_logger_of(environment.name, console)
                ),
                github=github,
                clock=clock,
                deadline=deadline,
                reporter=reporter,
            )
            for environment in inputs.environments or (Environment(name="", env_id=inputs.env_id),)
        ]
    )


def _logger_of(name: str, console: Console) -> Callable[[str], None]:
    """What logs a line about the environment called `name`."""
    return lambda text: console.log(f"{site_prefix(name)}{text}")


def _encryption_advice(api_url: str) -> str:
    """How to keep the API key from being read in transit; empty where nobody could."""
    if insecure(api_url):
        return "Use https."
    return "Name its host in NO_PROXY: a proxy is set." if exposed_by_proxy(api_url) else ""


def stormkit_client(
    inputs: Inputs,
    clock: Clock,
    environment: Environment,
    *,
    names: Names = ON_GITHUB,
    log: Callable[[str], None] = lambda _: None,
) -> StormkitClient:
    """Stormkit's API for one environment, with a session of its own."""
    session = StormkitSession(
        origin=inputs.api_url,
        api_key=inputs.api_key,
        clock=clock,
        secrets=(inputs.github_token,),
        log=log,
        names=names,
    )
    return StormkitClient(session, env_id=environment.env_id)


def github_api(inputs: Inputs, event: Event, clock: Clock) -> GitHubApi | None:
    """GitHub's API; None outside of it. Nothing is loaded or connected before the first question."""
    if not event.on_github or not event.repository:
        return None
    return GitHubApi(token=inputs.github_token, repository=event.repository, api_url=event.api_url, clock=clock)


def _result_of(error: BaseException, environ: Mapping[str, str], console: Console, names: Names) -> Result:
    if isinstance(error, Cancelled):
        reason = "The job was cancelled before anything was triggered."
        return Result(status=Outcome.CANCELLED, reason=reason, exit_code=130)
    if isinstance(error, InputError) and not names.on_github:
        return results.failed(error.text)._replace(exit_code=2)
    if isinstance(error, ActionError):
        return results.failed(error.text)
    report_bug(environ, console)
    return Result(status=Outcome.FAILED, reason="A bug in the action; see the step's log.", exit_code=3)


def _read(environ: Mapping[str, str], names: Names, step: Step) -> tuple[Inputs | None, Event, Plan | None]:
    """Inputs, event and plan; an event alone where it is skipped whatever the inputs say.

    Raises InputError with the problems of all. On a skipped event missing secrets may have left any input malformed,
    so their problems do not count there.
    """
    problems: list[str] = []
    inputs: Inputs | None
    event = plan = None
    try:
        event = step.event = events.read(environ)
        if plans.skip_reason(event, has_key=_has_key(environ)):
            return None, event, None
    except InputError as error:
        problems += error.problems
    try:
        step.inputs = inputs = action_inputs.read(environ, names)
    except WrongInputs as error:
        problems += error.problems
        inputs = error.inputs
    if event is not None and inputs is not None:
        try:
            plan = plans.decide(inputs, event, names)
        except InputError as error:
            problems += error.problems
    if problems:
        raise InputError(problems)
    return inputs, step.event, plan


def _has_key(environ: Mapping[str, str]) -> bool:
    return bool(bare_key(environ.get("INPUT_API-KEY", "")))


def _with_what_github_knows(plan: Plan, inputs: Inputs, event: Event, github: GitHubApi | None) -> Plan:
    """The plan, completed with what only GitHub knows."""
    if plan.skip:
        return plan
    if event.needs_pull_request:
        return _with_pull_request(plan, inputs, event, github)
    if event.branch_may_be_tag and plan.branch == event.branch and github is not None:
        try:
            is_branch = github.branch_tip(plan.branch) is not None
        except GitHubError:
            return plan
        if not is_branch:
            return plan._replace(skip=plans.no_branch_reason(plan.branch))
    return plan


def _with_pull_request(plan: Plan, inputs: Inputs, event: Event, github: GitHubApi | None) -> Plan:
    """The plan of an event that names a pull request and nothing else about it."""
    number = event.pull_request_number
    pull_request = github.pull_request(number) if github is not None and number is not None else None
    if pull_request is None:
        problem = f"Pull request {number} has no usable head branch (a deleted fork has none): nothing was done."
        raise InputError([f"{problem} Push its commits to a branch of this repository."])
    return plans.with_pull_request(plan, pull_request, event, inputs)


def report_bug(environ: Mapping[str, str], console: Console) -> None:
    """Print the current exception. Its text may hold anything, so the console makes it harmless."""
    console.log(traceback.format_exc().rstrip())
    repository = environ.get("GITHUB_ACTION_REPOSITORY") or "the action's repository"
    console.error(
        f"This is a bug in stormkit_action {__version__}. Please report it with the traceback above at {repository}."
    )
