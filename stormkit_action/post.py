"""The post step: stops the deployments of a killed step and corrects its comment.

GitHub runs this after the job in a container of its own. It may meet a step that is still running (a container that
outlived its kill), so everything here may happen twice.
"""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import NamedTuple

from stormkit_action import event as events
from stormkit_action import inputs as action_inputs
from stormkit_action import plan as plans
from stormkit_action import state
from stormkit_action.cancellation import Cancellation
from stormkit_action.clock import Clock, Deadline, SystemClock
from stormkit_action.context import Context, Reporter
from stormkit_action.errors import ActionError, Cancelled, CommandError, NotFound
from stormkit_action.event import Event
from stormkit_action.inputs import Environment, Inputs, OnGivingUp
from stormkit_action.main import github_api, prepare_streams, report_bug, stormkit_client
from stormkit_action.plan import Plan
from stormkit_action.reporting.console import Console, GitHubConsole
from stormkit_action.reporting.github_report import BUDGET_S, GitHubReport, guarded
from stormkit_action.reporting.reporter import StepReporter
from stormkit_action.reporting.step import Step
from stormkit_action.reporting.step_files import RunnerFiles, StepFiles
from stormkit_action.result import DeploymentResult, Outcome, Result
from stormkit_action.state import StartedDeployment
from stormkit_action.stormkit import confirm
from stormkit_action.stormkit.models import Deployment, Status, failure_reason
from stormkit_action.stormkit.trigger import Trigger

# Time limit for one deployment. GitHub allows all post steps together five minutes.
PATIENCE_S = 30.0

# How many deployments are finished at once.
POOL_SIZE = 16

# How long to search for the deployment of a trigger that was never answered.
LOOK_S = 6.0

# Outcomes of the step that the post step keeps. For a success it asks Stormkit: state can be forged.
_REPORTED = frozenset({Outcome.FAILED, Outcome.STOPPED, Outcome.TIMED_OUT, Outcome.CANCELLED})


def run_post_step(environ: Mapping[str, str], cancellation: Cancellation) -> int:
    """Finish a step that was killed. The exit code: also 3 for a bug, 130 when the post step was cancelled itself."""
    # Finish the clean-up even when nothing reads the log any more.
    prepare_streams(log="stdout", when_reader_leaves=lambda: None)
    console = GitHubConsole(environ)
    try:
        return finish(environ, console=console, files=RunnerFiles(), clock=SystemClock(cancellation))
    except Cancelled:
        console.error("Cancelled before the step's deployments were confirmed stopped. Look at the dashboard.")
        return 130
    except Exception:
        report_bug(environ, console)
        return 3


def finish(environ: Mapping[str, str], *, console: Console, files: StepFiles, clock: Clock) -> int:
    """Finish the step. The exit code: 0, or 1 when a deployment may still run."""
    for secret in action_inputs.secrets_in(environ):
        console.mask(secret)
    try:
        inputs, event = action_inputs.read(environ), events.read(environ)
        plan = plans.decide(inputs, event)
    except ActionError as error:
        # The step has reported this error itself, and started nothing.
        console.log(error.text)
        return 0
    reporter = StepReporter(console=console, files=files, clock=clock, step=Step(event=event, inputs=inputs, plan=plan))
    ended_as = Outcome.TIMED_OUT if state.has_timed_out(environ) else Outcome.CANCELLED
    post = PostStep(inputs=inputs, event=event, plan=plan, clock=clock, reporter=reporter, ended_as=ended_as)
    started = [deployment for deployment in state.read_started(environ) if post.could_have_started(deployment)]
    with ThreadPoolExecutor(POOL_SIZE) as pool:
        results = list(pool.map(post.finish, started))
    for result in results:
        show = console.error if result.may_still_run else console.log
        show(result.reason or f"Deployment {result.deployment_id} ended.")
    github = github_api(inputs, event, clock)
    if github is not None and results:
        # The event may name no branch; the deployment always has one.
        plan = plan._replace(branch=plan.branch or results[0].branch)
        report = GitHubReport(
            github=github,
            inputs=inputs,
            event=event,
            plan=plan,
            clock=clock,
            console=console,
            resumed=True,
            # When the killed step began, not the post step. `sent_at` is in whole seconds, so round up.
            began=1.0 + max(deployment.sent_at for deployment in started),
        )
        ended = Result(status=ended_as, deployments=tuple(results))
        try:
            guarded(lambda: report.finish(ended, now=clock.now(), clock=clock, budget=BUDGET_S), console)
        except Cancelled:
            console.log("Cancelled before the comment and the GitHub Deployment were up to date.")
            return 130
        for problem in report.problems():
            console.log(problem.text)
    return 1 if any(result.may_still_run for result in results) else 0


class PostStep(NamedTuple):
    """Finishes the deployments of a step that was killed, or that timed out (`ended_as`) before a confirmed stop."""

    inputs: Inputs
    event: Event
    plan: Plan
    clock: Clock
    reporter: Reporter
    ended_as: Outcome = Outcome.CANCELLED

    @property
    def _stops(self) -> bool:
        timed_out = self.ended_as is Outcome.TIMED_OUT
        return (self.inputs.on_timeout if timed_out else self.inputs.on_cancel) is OnGivingUp.STOP

    @property
    def _what_happened(self) -> str:
        return "Ran out of time" if self.ended_as is Outcome.TIMED_OUT else "The job was cancelled"

    def could_have_started(self, started: StartedDeployment) -> bool:
        """Whether the step can have started this: an earlier step can set any variable where ours set none."""
        env_ids = {environment.env_id for environment in self.inputs.environments} or {self.inputs.env_id}
        return started.env_id in env_ids and self.plan.branch in ("", started.branch)

    def finish(self, started: StartedDeployment) -> DeploymentResult:
        """How the deployment ended, stopping it if it has not."""
        context = self._context(started)
        try:
            return self._end(context, started)
        except CommandError as error:
            return context.result(None, self.ended_as, error.text)
        except ActionError as error:
            unknown = context.result(
                None,
                self.ended_as,
                f"{self._what_happened}, and whether its deployment was stopped is not known. {error.text}",
            )
            return unknown._replace(may_still_run=self._stops)

    def _context(self, started: StartedDeployment) -> Context:
        names = (environment.name for environment in self.inputs.environments if environment.env_id == started.env_id)
        environment = Environment(name=next(names, ""), env_id=started.env_id)
        return Context(
            inputs=replace(self.inputs, deployment_id=started.deployment_id),
            event=self.event,
            plan=self.plan._replace(branch=started.branch or self.plan.branch),
            environment=environment,
            stormkit=stormkit_client(self.inputs, self.clock, environment),
            github=None,
            clock=self.clock,
            deadline=Deadline.after(self.clock, PATIENCE_S),
            reporter=self.reporter,
        )

    def _end(self, context: Context, started: StartedDeployment) -> DeploymentResult:
        """Raises ActionError."""
        is_reported = started.ended_as in _REPORTED
        if not started.deployment_id:
            if is_reported:
                return context.result(None, Outcome(started.ended_as), started.reason)
            return self._stop_triggered(context, started) if self._stops else _left(context, None)
        try:
            deployment = context.client.deployment(started.deployment_id)
        except NotFound:
            if not context.client.is_gone(started.deployment_id):
                raise
            return context.result(None, Outcome.STOPPED, f"Deployment {started.deployment_id} was deleted.")
        _check_is_ours(context, deployment, named_id=self.inputs.deployment_id)
        if is_reported:
            return context.result(deployment, Outcome(started.ended_as), started.reason)
        return self._end_deployment(context, deployment)

    def _end_deployment(self, context: Context, deployment: Deployment) -> DeploymentResult:
        """Raises ActionError."""
        if deployment.status is Status.STOPPED and self._stops:
            # Stopped by the step before it was killed, or by an earlier post step.
            return self._stopped(context, deployment)
        if not deployment.running:
            ended = context.result(deployment)
            return ended._replace(reason=failure_reason(deployment) if ended.status is Outcome.FAILED else "")
        if not self._stops:
            return _left(context, deployment)
        return self._stopped(context, confirm.stop(context.stormkit, deployment.id, context.deadline))

    def _stop_triggered(self, context: Context, started: StartedDeployment) -> DeploymentResult:
        """How a trigger that was never answered ended."""
        seconds_ago = max(0.0, self.clock.now().timestamp() - started.sent_at)
        trigger = Trigger.sent_before(seconds_ago, client=context.client, branch=context.plan.branch, clock=self.clock)
        stopped = trigger.stop_after_cancel(context.deadline.within(LOOK_S))
        if stopped:
            return self._stopped(context, context.client.deployment(stopped[0]), ", ".join(stopped))
        ended = trigger.orphans()
        if ended:
            return self._end(context, started._replace(deployment_id=ended[0]))
        return context.result(None, self.ended_as, f"{self._what_happened}; no deployment of it was found.")

    def _stopped(self, context: Context, deployment: Deployment, ids: str = "") -> DeploymentResult:
        """`deployment` was stopped, and the others of `ids` with it."""
        return context.result(
            deployment, self.ended_as, f"{self._what_happened} and deployment {ids or deployment.id} was stopped."
        )


def _check_is_ours(context: Context, deployment: Deployment, *, named_id: str) -> None:
    """Raise CommandError for a deployment that the step can't have started.

    An earlier step of the job can put any id into the state.
    """
    context.check_environment(deployment)
    if deployment.id != named_id and deployment.branch not in ("", context.plan.branch):
        raise CommandError(f"Deployment {deployment.id} belongs to branch {deployment.branch}: it was left alone.")


def _left(context: Context, deployment: Deployment | None) -> DeploymentResult:
    return context.result(deployment, Outcome.CANCELLED, context.left_running)
