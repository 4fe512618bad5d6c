"""The composition root: environment in, exit code out. The one place where errors become text."""

import sys
import traceback
from collections.abc import Mapping
from dataclasses import dataclass

from stormkit_action import __version__, dispatch
from stormkit_action import event as events
from stormkit_action import inputs as all_inputs
from stormkit_action import plan as plans
from stormkit_action import result as results
from stormkit_action.clock import Clock, Deadline
from stormkit_action.errors import ActionError, Cancelled, InputError
from stormkit_action.event import Event
from stormkit_action.github_api import GitHubApi
from stormkit_action.inputs import INPUTS, Command, Inputs, Switch
from stormkit_action.parsers import insecure
from stormkit_action.plan import Plan
from stormkit_action.reporting import log, outputs, summary
from stormkit_action.reporting.console import Console
from stormkit_action.reporting.live import FINISHED, LiveReport, Shown
from stormkit_action.reporting.outputs import Written
from stormkit_action.reporting.pull_request import BUDGET, CANCEL_BUDGET, PullRequestComment
from stormkit_action.reporting.result_rows import put, remove, row_of
from stormkit_action.reporting.rows import Row, State
from stormkit_action.result import Outcome, Result
from stormkit_action.stormkit.client import StormkitClient
from stormkit_action.stormkit.transport import Transport
from stormkit_action.work import Site, Work

# Commands whose result belongs into the pull request's comment.
_COMMENTED = frozenset({Command.DEPLOY, Command.RESTART, Command.PUBLISH, Command.CLEANUP})


@dataclass(kw_only=True, slots=True)
class Known:
    """What is known so far, so that an error at any point can be reported with it."""

    event: Event
    inputs: Inputs | None = None
    plan: Plan | None = None
    comment: PullRequestComment | None = None


def main(environ: Mapping[str, str], *, console: Console, clock: Clock) -> int:
    """Run one step. The exit code: 0, 1, 130 when cancelled, 3 for a bug."""
    for spec in INPUTS:
        if spec.secret:
            for secret in {environ.get(spec.variable, ""), environ.get(spec.variable, "").strip()}:
                console.mask(secret)
    known = Known(event=Event())
    try:
        result = _run(environ, console, clock, known)
    except Cancelled:
        reason = "The job was cancelled before anything was triggered."
        result = Result(status=Outcome.CANCELLED, reason=reason, exit_code=130)
    except ActionError as error:
        result = results.failed(error.text)
    except Exception:
        result = _bug(environ, console)
    return _report(result, known, console, clock)


def _run(environ: Mapping[str, str], console: Console, clock: Clock, known: Known) -> Result:
    console.line(f"stormkit_action {__version__}")
    inputs, event = _read(environ, known)
    if inputs is None:
        return results.skipped(plans.skip_reason(event, has_key=_has_key(environ)))
    deadline = Deadline.after(clock, inputs.timeout.total_seconds())
    for name, url in (("api-url", inputs.api_url), ("dashboard-url", inputs.dashboard_url)):
        if insecure(url):
            console.warning(f"Input {name}: {url} is not encrypted, so the API key can be read on its way. Use https.")
    github = _github(inputs, event, clock)
    plan = plans.decide(inputs, event)
    if event.needs_pull_request and not plan.skip:
        plan = _with_pull_request(plan, inputs, event, github)
    known.plan = plan
    if plan.skip:
        return results.skipped(plan.skip)
    if github is not None and plan.command in _COMMENTED:
        known.comment = PullRequestComment(github=github, inputs=inputs, event=event, plan=plan)
    watcher = LiveReport(
        console=console,
        clock=clock,
        comment=known.comment,
        shown=Shown(
            label=inputs.label,
            branch=plan.branch,
            expected_sha=plan.expected_sha,
            dashboard_url=inputs.dashboard_url,
            run=event.run,
        ),
    )
    works = [
        Work(inputs=inputs, plan=plan, site=site, clock=clock, deadline=deadline, watcher=watcher)
        for site in _sites(inputs, clock)
    ]
    return dispatch.run(works, github=github)


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
        known.inputs = all_inputs.from_environment(environ)
    except InputError as error:
        problems += error.problems
    if problems:
        raise InputError(problems)
    return known.inputs, known.event


def _has_key(environ: Mapping[str, str]) -> bool:
    return bool(environ.get("INPUT_API-KEY", "").strip())


def _github(inputs: Inputs, event: Event, clock: Clock) -> GitHubApi | None:
    if not event.on_github or not event.repository:
        return None
    return GitHubApi(token=inputs.github_token, repository=event.repository, api_url=event.api_url, clock=clock)


def _with_pull_request(plan: Plan, inputs: Inputs, event: Event, github: GitHubApi | None) -> Plan:
    """The plan of an event that names a pull request and nothing else about it."""
    number = event.pull_request_number
    pull_request = github.pull_request(number) if github is not None and number is not None else None
    if pull_request is None:
        raise InputError([f"Pull request {number} has no head branch that can be deployed; set the input branch."])
    return plans.with_pull_request(plan, pull_request, event.repository, inputs)


def _sites(inputs: Inputs, clock: Clock) -> tuple[Site, ...]:
    """The environments this step is about, each with a session of its own."""

    def site(name: str, env_id: str) -> Site:
        transport = Transport(
            origin=inputs.api_url, api_key=inputs.api_key, clock=clock, secrets=(inputs.github_token,)
        )
        return Site(client=StormkitClient(transport, env_id=env_id), name=name, env_id=env_id)

    if not inputs.environments:
        return (site("", inputs.env_id),)
    return tuple(site(each.name, each.env_id) for each in inputs.environments)


def _bug(environ: Mapping[str, str], console: Console) -> Result:
    traceback.print_exc(file=sys.stderr)
    repository = environ.get("GITHUB_ACTION_REPOSITORY") or "the action's repository"
    console.error(
        f"This is a bug in stormkit_action {__version__}. Please report it with the traceback above at {repository}."
    )
    return Result(status=Outcome.FAILED, reason="A bug in the action; see the step's log.", exit_code=3)


def _report(result: Result, known: Known, console: Console, clock: Clock) -> int:
    """Tell the result everywhere. Only outputs that can't be written change the exit code."""
    inputs = known.inputs
    code = result.exit_code
    try:
        log.show(result, console, inputs.build_log if inputs else all_inputs.BuildLog.FAILURE)
    except Exception:  # reporting never hides the deployment
        traceback.print_exc(file=sys.stderr)
    code = _write_outputs(result, Written(), console) or code
    written = _write_comment(result, known, console, clock)
    if written.comment_url:
        _write_outputs(result, written, console)
    if inputs is None or inputs.job_summary:
        try:
            outputs.write_summary(summary.render(result))
        except ActionError as error:
            console.warning(error.text)
    outputs.save_state(FINISHED, "true" if result.status is not Outcome.CANCELLED else "")
    return code


def _write_outputs(result: Result, written: Written, console: Console) -> int:
    """0, or 1 when the outputs could not be written; then they are in the log."""
    texts = outputs.values(result, written)
    try:
        outputs.write(texts)
    except ActionError as error:
        for name, text in texts.items():
            console.line(f"{name}={text}")
        console.error(error.text)
        return 1
    return 0


def _write_comment(result: Result, known: Known, console: Console, clock: Clock) -> Written:
    comment, inputs = known.comment, known.inputs
    if comment is None or inputs is None or known.plan is None or not comment.wanted:
        return Written()
    now = clock.now()
    rows = tuple(row_of(each, run=known.event.run, now=now) for each in result.deployments)
    cleanup = known.plan.command is Command.CLEANUP
    cancelled = result.status is Outcome.CANCELLED

    def change(before: tuple[Row, ...]) -> tuple[Row, ...]:
        if not cleanup:
            return put(before, rows)
        for row in rows:
            before = remove(before, row) if row.state is State.REMOVED else before
        return before

    try:
        url = comment.finish(
            change,
            clock=clock.uncancelled(),
            budget=CANCEL_BUDGET if cancelled else BUDGET,
            create=not cleanup,
        )
    except Exception:  # reporting never hides the deployment
        traceback.print_exc(file=sys.stderr)
        return Written()
    if comment.problem:
        say = console.warning if inputs.comment is Switch.TRUE or "permission" in comment.problem else console.line
        say(f"No comment was written. {comment.problem}")
    return Written(comment_url=url)
