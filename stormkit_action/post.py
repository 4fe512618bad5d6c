"""After a kill: finish what the step could not. Stop its deployments, and put the comment right.

GitHub runs this after the job in a container of its own. It may meet a step that is still running (a container that
outlived its kill), so everything here may happen twice.
"""

import contextlib
import json
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from stormkit_action import event as events
from stormkit_action import input_table, parsers, services
from stormkit_action import plan as plans
from stormkit_action.clock import Clock, Deadline
from stormkit_action.commands import build as building
from stormkit_action.commands import find as finding
from stormkit_action.context import Context, Environment, Reporter
from stormkit_action.errors import ActionError, NotFound
from stormkit_action.inputs import Inputs, OnGivingUp
from stormkit_action.later import Later
from stormkit_action.plan import Plan
from stormkit_action.reporting.console import Console
from stormkit_action.reporting.github_report import BUDGET_S, GitHubReport, guarded
from stormkit_action.reporting.reporter import STARTED, Shown, StepReporter
from stormkit_action.reporting.step_files import StepFiles
from stormkit_action.result import DeploymentResult, Outcome, Result
from stormkit_action.stormkit import confirm as stopping
from stormkit_action.stormkit.models import Deployment, Status
from stormkit_action.stormkit.trigger import Trigger

# What Stormkit gets for each deployment; GitHub gives all post steps together five minutes. Seconds.
PATIENCE = 30.0

# How many deployments are finished at once.
POOL = 16

# For how long a deployment is looked for of which only the trigger is known. Seconds.
UNDO = 6.0

# The last moment that a calendar has. Unix seconds.
_LAST = 253_402_300_799


@dataclass(frozen=True, kw_only=True, slots=True)
class Started:
    """A deployment that the step began. Without an id its trigger was sent at `sent_at` (Unix seconds)."""

    env_id: str
    deployment_id: str
    branch: str
    sent_at: int


def finish(environ: Mapping[str, str], *, console: Console, files: StepFiles, clock: Clock) -> int:
    """Finish the step. The exit code: 0, or 1 when a deployment may still run."""
    for secret in input_table.secrets_in(environ):
        console.mask(secret)
    try:
        inputs, event = input_table.from_environment(environ), events.from_environment(environ)
        plan = plans.decide(inputs, event)
    except ActionError as error:
        # The step itself said so, and began nothing.
        console.line(error.text)
        return 0
    reporter = StepReporter(
        console=console, files=files, clock=clock, github=Later(lambda: None), shown=Shown.of(inputs, event, plan)
    )
    begun = [each for each in _read(environ.get(f"STATE_{STARTED}", "")) if _belongs(each, inputs, plan)]
    with ThreadPoolExecutor(POOL) as pool:
        results = list(pool.map(lambda started: _finish(started, inputs, plan, reporter, clock), begun))
    for result in results:
        (console.error if result.loose else console.line)(result.reason or f"Deployment {result.deployment_id} ended.")
    github = services.github(inputs, event, clock)
    if github is not None and results:
        # An event that named no branch did not change which one the step deployed.
        plan = replace(plan, branch=plan.branch or results[0].branch)
        report = GitHubReport(
            github=github, inputs=inputs, event=event, plan=plan, clock=clock, console=console, resumed=True
        )
        told = Result(status=Outcome.CANCELLED, deployments=tuple(results))
        guarded(lambda: report.finish(told, now=clock.now(), clock=clock, budget=BUDGET_S), console)
        for problem in (report.comment.problem, report.deployments.problem):
            if problem:
                console.line(problem)
    return 1 if any(each.loose for each in results) else 0


def _read(text: str) -> Iterator[Started]:
    """What the step wrote down; nothing where it can't be read."""
    try:
        entries = json.loads(text)
    except (ValueError, RecursionError):
        return
    for entry in entries if isinstance(entries, list) else []:
        if not isinstance(entry, dict):
            continue
        branch, sent_at = entry.get("branch"), entry.get("sent-at")
        if not isinstance(branch, str) or type(sent_at) is not int or not 0 <= sent_at <= _LAST:
            continue
        with contextlib.suppress(ValueError):
            yield Started(
                env_id=parsers.env_id(str(entry.get("env-id", ""))),
                deployment_id=parsers.deployment_id(str(entry.get("deployment-id", ""))),
                branch=branch,
                sent_at=sent_at,
            )


def _belongs(started: Started, inputs: Inputs, plan: Plan) -> bool:
    """Whether the step can have begun this. An earlier step of the job can set any variable where ours set none."""
    env_ids = {each.env_id for each in inputs.environments} or {inputs.env_id}
    return started.env_id in env_ids and plan.branch in ("", started.branch)


def _finish(started: Started, inputs: Inputs, plan: Plan, reporter: Reporter, clock: Clock) -> DeploymentResult:
    deadline = Deadline.after(clock, PATIENCE)
    environment = _site(started, inputs, clock)
    context = Context(
        inputs=replace(inputs, deployment_id=started.deployment_id),
        plan=replace(plan, branch=started.branch or plan.branch),
        environment=environment,
        clock=clock,
        deadline=deadline,
        reporter=reporter,
    )
    try:
        return _ended(context, started)
    except ActionError as error:
        unknown = finding.result_of(context, None, status=Outcome.CANCELLED)
        reason = f"The job was cancelled, and whether its deployment was stopped is not known. {error.text}"
        return replace(unknown, reason=reason, loose=inputs.on_cancel is OnGivingUp.STOP)


def _site(started: Started, inputs: Inputs, clock: Clock) -> Environment:
    name = next((each.name for each in inputs.environments if each.env_id == started.env_id), "")
    return services.environment(inputs, clock, name=name, env_id=started.env_id)


def _ended(context: Context, started: Started) -> DeploymentResult:
    """How the deployment ended, stopping it if it has not. Raises ActionError."""
    stops = context.inputs.on_cancel is OnGivingUp.STOP
    if not started.deployment_id:
        return _undone(context, started) if stops else _left(context, None)
    try:
        deployment = context.client.deployment(started.deployment_id)
    except NotFound:
        gone = finding.result_of(context, None, status=Outcome.STOPPED)
        return replace(gone, reason=f"Deployment {started.deployment_id} was deleted.")
    if deployment.status is Status.STOPPED and stops:
        # By the step, before it was killed, or by an earlier post step.
        return _stopped(context, deployment)
    if not deployment.running:
        ended = finding.result_of(context, deployment)
        said = building.why_failed(deployment) if ended.status is Outcome.FAILED else ""
        return replace(ended, reason=said)
    if not stops:
        return _left(context, deployment)
    return _stopped(context, stopping.stop(context.environment.client, deployment.id, context.deadline))


def _stopped(context: Context, deployment: Deployment) -> DeploymentResult:
    stopped = finding.result_of(context, deployment, status=Outcome.CANCELLED)
    return replace(stopped, reason=f"The job was cancelled and deployment {deployment.id} stopped.")


def _undone(context: Context, started: Started) -> DeploymentResult:
    """The end of a trigger whose answer nobody saw."""
    clock = context.clock
    ago = max(0.0, clock.now().timestamp() - started.sent_at)
    trigger = Trigger.sent_before(ago, client=context.client, branch=context.plan.branch, clock=clock)
    stopped = trigger.undo(context.deadline.within(UNDO))
    if not stopped:
        ended = trigger.left_behind()
        if ended:
            return _ended(context, replace(started, deployment_id=ended[0]))
        result = finding.result_of(context, None, status=Outcome.CANCELLED)
        return replace(result, reason="The job was cancelled; no deployment of it was found.")
    result = finding.result_of(context, context.client.deployment(stopped[0]), status=Outcome.CANCELLED)
    return replace(result, reason=f"The job was cancelled and deployment {', '.join(stopped)} stopped.")


def _left(context: Context, deployment: Deployment | None) -> DeploymentResult:
    left = finding.result_of(context, deployment, status=Outcome.CANCELLED)
    return replace(left, reason="The job was cancelled; the deployment goes on (input on-cancel).")
