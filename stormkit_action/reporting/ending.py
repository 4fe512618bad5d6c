"""The end of a step: the result is told everywhere, and nothing that only reports changes it."""

from stormkit_action import result as results
from stormkit_action.clock import Clock
from stormkit_action.errors import ActionError, Cancelled
from stormkit_action.inputs import BuildLog, Inputs, Switch
from stormkit_action.reporting import log, outputs, summary
from stormkit_action.reporting.console import Console
from stormkit_action.reporting.github_report import BUDGET_S, CANCEL_BUDGET_S, guarded
from stormkit_action.reporting.known import Known
from stormkit_action.reporting.outputs import GitHubWrites
from stormkit_action.reporting.reporter import FINISHED
from stormkit_action.reporting.step_files import StepFiles
from stormkit_action.result import Outcome, Result


class Ending:
    """Tells one result."""

    def __init__(self, *, known: Known, console: Console, files: StepFiles, clock: Clock) -> None:
        self._known = known
        self._console = console
        self._files = files
        self._clock = clock

    def tell(self, result: Result) -> int:
        """Tell `result`. The exit code: only outputs that can't be written change it."""
        inputs = self._known.inputs
        build_log = inputs.build_log if inputs else BuildLog.FAILURE
        guarded(lambda: log.show(result, self._console, build_log), self._console)
        if result.status is not Outcome.CANCELLED:
            try:
                return self._deliver(result, cancelled=False)
            except Cancelled:
                result = results.cancelled_late(result)
        return self._deliver(result, cancelled=True)

    def _deliver(self, result: Result, *, cancelled: bool) -> int:
        """Outputs first: what comes after them may take a while, or be cut off. Raises Cancelled before the cancel."""
        inputs = self._known.inputs
        unwritable = self._write_outputs(result, GitHubWrites())
        if cancelled:
            written = self._tell_github(result, self._clock.uncancelled(), CANCEL_BUDGET_S)
        else:
            written = self._tell_github(result, self._clock, BUDGET_S)
        if not unwritable and (written.comment_url or written.github_deployment_ids):
            self._write_outputs(result, written)
        if inputs is None or inputs.job_summary:
            guarded(lambda: self._write_summary(result), self._console)
        loose = any(each.loose for each in result.deployments)
        # What a cancel left no time for is done by the post step.
        unfinished = loose or (cancelled and not written.settled)
        self._files.save_state(FINISHED, "" if unfinished else "true")
        return unwritable or result.exit_code

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
            for name, text in texts.items():
                self._console.line(f"{name}={text}")
            self._console.error(error.text)
            return 1
        return 0

    def _tell_github(self, result: Result, clock: Clock, budget: float) -> GitHubWrites:
        inputs, github = self._known.inputs, self._known.github.get()
        if github is None or inputs is None:
            if inputs is not None and not self._known.event.on_github:
                self._say_outside(inputs)
            return GitHubWrites()
        now = self._clock.now()
        told = guarded(lambda: github.finish(result, now=now, clock=clock, budget=budget), self._console)
        for problem in github.problems():
            say = self._console.warning if problem.is_warning else self._console.line
            say(problem.text)
        return told or GitHubWrites()

    def _say_outside(self, inputs: Inputs) -> None:
        asked = {"comment": inputs.comment, "GitHub Deployment": inputs.github_deployment}
        missing = [what for what, switch in asked.items() if switch is Switch.TRUE]
        if missing:
            self._console.warning(f"No {' and no '.join(missing)}: this is not a step of a GitHub workflow.")
