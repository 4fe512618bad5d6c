"""Reports on a step: the log, the state for the post step and GitHub while it runs, and its result at the end."""

import threading

from stormkit_action import result as results
from stormkit_action import state
from stormkit_action.clock import Clock
from stormkit_action.errors import ActionError, Cancelled
from stormkit_action.inputs import BuildLog, Environment, Inputs, Switch
from stormkit_action.reporting import log, outputs, summary
from stormkit_action.reporting.build_log import LiveBuildLog
from stormkit_action.reporting.console import Console
from stormkit_action.reporting.github_report import BUDGET_S, CANCEL_BUDGET_S, guarded
from stormkit_action.reporting.outputs import GitHubWrites
from stormkit_action.reporting.rows import row_of
from stormkit_action.reporting.step import Step
from stormkit_action.reporting.step_files import StepFiles
from stormkit_action.result import DeploymentResult, Outcome, Result
from stormkit_action.stormkit.waiting import Progress
from stormkit_action.text import one_line, site_prefix


class StepReporter:
    """Reports on one step: a `context.Reporter` while it runs, and `finish` at its end.

    Nothing it does fails the command; only outputs that can't be written change the exit code.
    """

    def __init__(self, *, console: Console, files: StepFiles, clock: Clock, step: Step, on_github: bool = True) -> None:
        self._console = console
        self._files = files
        self._clock = clock
        self._step = step
        self._on_github = on_github
        self._lock = threading.Lock()
        self._started: dict[str, state.StartedDeployment] = {}
        self._unknown_statuses: set[str] = set()
        self._logs: dict[str, LiveBuildLog] = {}
        self._shown: set[tuple[str, str]] = set()

    def log(self, text: str) -> None:
        self._console.log(text)

    def warning(self, text: str) -> None:
        self._console.warning(text)

    def triggering(self, environment: Environment) -> None:
        branch = self._step.plan.branch if self._step.plan else ""
        self._remember(environment.env_id, "", branch)
        self._console.log(f"{site_prefix(environment.name)}Triggering the deployment of {one_line(branch)}.")

    def started(self, result: DeploymentResult) -> None:
        branch = self._step.plan.branch if self._step.plan else ""
        self._remember(result.requested_env_id, result.deployment_id, branch)
        self._console.log(f"{site_prefix(result.name)}Started deployment {result.deployment_id}.")
        if self._step.github is not None:
            self._step.github.started(result)

    def progress(self, result: DeploymentResult, progress: Progress) -> None:
        self._console.log(f"{site_prefix(result.name)}{log.progress_line(progress)}")
        deployment = progress.deployment
        if deployment is None:
            return
        if deployment.unknown_status and deployment.unknown_status not in self._unknown_statuses:
            self._unknown_statuses.add(deployment.unknown_status)
            status = one_line(deployment.unknown_status, 40)
            prefix = site_prefix(result.name)
            self._console.log(f'{prefix}Stormkit reports the status "{status}", which counts as still running.')
        self._show_building(result, progress)

    def build_log(self, result: DeploymentResult, *, complete: bool) -> None:
        """Show what is new of the build log. Called by one thread an environment."""
        if result.deployment is None:
            return
        live = self._logs.setdefault(result.name, LiveBuildLog(self._console, prefix=site_prefix(result.name)))
        live.show(result.deployment, complete=complete)

    def finish(self, result: Result) -> int:
        """Report the step's result everywhere. The exit code."""
        inputs = self._step.inputs
        build_log = inputs.build_log if inputs else BuildLog.FAILURE
        guarded(lambda: log.show(result, self._console, build_log), self._console)
        if result.status is not Outcome.CANCELLED:
            try:
                return self._deliver(result, is_cancelled=False)
            except Cancelled:
                result = results.cancelled_after_the_work(result)
        return self._deliver(result, is_cancelled=True)

    def _show_building(self, result: DeploymentResult, progress: Progress) -> None:
        """Show the building row in the comment, once a build: a token has 1,000 requests an hour for its repository."""
        github = self._step.github
        if github is None or result.deployment is None or not result.deployment.running:
            return
        build = (result.name, result.deployment_id)
        if build in self._shown:
            return
        self._shown.add(build)
        usual = progress.usual.seconds if progress.usual else 0.0
        now = self._clock.now()
        github.building(
            result.name, row_of(result, run=self._step.event.run, now=now, usual=usual, elapsed=progress.elapsed)
        )

    def _remember(self, env_id: str, deployment_id: str, branch: str) -> None:
        """Leave for the post step which deployments there are, in case this process is killed."""
        with self._lock:
            self._started[env_id] = state.StartedDeployment(
                env_id=env_id,
                deployment_id=deployment_id,
                branch=branch,
                sent_at=int(self._clock.now().timestamp()),
            )
            state.save_started(self._files, tuple(self._started.values()))

    def _deliver(self, result: Result, *, is_cancelled: bool) -> int:
        """Outputs first: what comes after them may take a while, or be cut off.

        Raises Cancelled only when `is_cancelled` is False.
        """
        inputs = self._step.inputs
        unwritable = self._write_outputs(result, GitHubWrites())
        if is_cancelled:
            written = self._report_to_github(result, self._clock.uncancelled(), CANCEL_BUDGET_S)
        else:
            written = self._report_to_github(result, self._clock, BUDGET_S)
        if not unwritable and (written.comment_url or written.github_deployment_ids):
            self._write_outputs(result, written)
        if inputs is None or inputs.job_summary:
            guarded(lambda: self._write_summary(result), self._console)
        may_still_run = any(deployment.may_still_run for deployment in result.deployments)
        timed_out = any(
            deployment.may_still_run and deployment.status is Outcome.TIMED_OUT for deployment in result.deployments
        )
        # What a cancel left no time for is done by the post step.
        is_unshown = is_cancelled and not written.settled
        is_unfinished = may_still_run or is_unshown
        if is_unfinished:
            self._leave_to_post_step(result, is_unshown=is_unshown)
        state.save_finished(self._files, finished=not is_unfinished, timed_out=timed_out)
        return result.exit_code or (unwritable if self._on_github else 0)

    def _leave_to_post_step(self, result: Result, *, is_unshown: bool) -> None:
        """Leave what may still run, and where GitHub does not show the results yet, these too."""
        with self._lock:
            for deployment in result.deployments:
                started = self._started.pop(deployment.requested_env_id, None)
                if started is None:
                    continue
                if deployment.may_still_run:
                    self._started[started.env_id] = started
                elif is_unshown:
                    ended_as, reason = str(deployment.status), one_line(deployment.reason, 300)
                    self._started[started.env_id] = started._replace(ended_as=ended_as, reason=reason)
            state.save_started(self._files, tuple(self._started.values()))

    def _write_summary(self, result: Result) -> None:
        try:
            self._files.write_summary(summary.render(result))
        except ActionError as error:
            self._console.warning(error.text)

    def _write_outputs(self, result: Result, written: GitHubWrites) -> int:
        """0, or 1 when the outputs could not be written; then they are in the log."""
        texts = outputs.values(result, written)
        try:
            self._files.write(texts)
        except ActionError as error:
            if self._on_github:
                for name, text in texts.items():
                    self._console.log(f"{name}={text}")
            self._console.error(error.text)
            return 1
        return 0

    def _report_to_github(self, result: Result, clock: Clock, budget: float) -> GitHubWrites:
        inputs, github = self._step.inputs, self._step.github
        if github is None or inputs is None:
            if inputs is not None and not self._on_github:
                self._warn_outside_github(inputs)
            return GitHubWrites()
        now = self._clock.now()
        written = guarded(lambda: github.finish(result, now=now, clock=clock, budget=budget), self._console)
        for problem in github.problems():
            show = self._console.warning if problem.is_warning else self._console.log
            show(problem.text)
        return written or GitHubWrites()

    def _warn_outside_github(self, inputs: Inputs) -> None:
        asked = {"comment": inputs.comment, "GitHub Deployment": inputs.github_deployment}
        missing = [what for what, switch in asked.items() if switch is Switch.TRUE]
        if missing:
            self._console.warning(f"No {' and no '.join(missing)}: this is not a step of a GitHub workflow.")
