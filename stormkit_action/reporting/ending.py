"""The end of a step: the result is told everywhere, and nothing that only reports changes it."""

import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from stormkit_action import result as results
from stormkit_action.clock import Clock
from stormkit_action.errors import ActionError, Cancelled
from stormkit_action.event import Event
from stormkit_action.inputs import BuildLog, Command, Inputs, Switch
from stormkit_action.plan import Plan
from stormkit_action.reporting import log, outputs, summary
from stormkit_action.reporting.console import Console
from stormkit_action.reporting.live import FINISHED
from stormkit_action.reporting.outputs import Outlet, Written
from stormkit_action.reporting.pull_request import BUDGET, CANCEL_BUDGET, PullRequestComment
from stormkit_action.reporting.result_rows import put, remove, row_of
from stormkit_action.reporting.rows import Row, State
from stormkit_action.result import Outcome, Result

T = TypeVar("T")


@dataclass(kw_only=True, slots=True)
class Known:
    """What is known so far, so that an error at any point can be reported with it."""

    event: Event
    inputs: Inputs | None = None
    plan: Plan | None = None
    comment: PullRequestComment | None = None


class Ending:
    """Tells one result."""

    def __init__(self, *, known: Known, console: Console, outlet: Outlet, clock: Clock) -> None:
        self._known = known
        self._console = console
        self._outlet = outlet
        self._clock = clock

    def tell(self, result: Result) -> int:
        """Tell `result`. The exit code: only outputs that can't be written change it."""
        inputs = self._known.inputs
        guarded(lambda: log.show(result, self._console, inputs.build_log if inputs else BuildLog.FAILURE))
        if result.status is not Outcome.CANCELLED:
            try:
                return self._deliver(result, self._clock, BUDGET)
            except Cancelled:
                result = results.cancelled_late(result)
        return self._deliver(result, self._clock.uncancelled(), CANCEL_BUDGET)

    def _deliver(self, result: Result, clock: Clock, budget: float) -> int:
        """Outputs first: what comes after them may take a while, or be cut off. Raises Cancelled."""
        inputs = self._known.inputs
        code = self._write_outputs(result, Written()) or result.exit_code
        written = self._write_comment(result, clock, budget)
        if written.comment_url:
            self._write_outputs(result, written)
        if inputs is None or inputs.job_summary:
            try:
                self._outlet.write_summary(summary.render(result))
            except ActionError as error:
                self._console.warning(error.text)
        loose = any(each.loose for each in result.deployments)
        self._outlet.save_state(FINISHED, "" if loose else "true")
        return code

    def _write_outputs(self, result: Result, written: Written) -> int:
        """0, or 1 when the outputs could not be written; then they are in the log."""
        texts = outputs.values(result, written)
        try:
            self._outlet.write(texts)
        except ActionError as error:
            for name, text in texts.items():
                self._console.line(f"{name}={text}")
            self._console.error(error.text)
            return 1
        return 0

    def _write_comment(self, result: Result, clock: Clock, budget: float) -> Written:
        comment, inputs, plan = self._known.comment, self._known.inputs, self._known.plan
        if comment is None or inputs is None or plan is None or not comment.wanted:
            return Written()
        cleanup = plan.command is Command.CLEANUP
        change = self._change(result, cleanup=cleanup)
        url = guarded(lambda: comment.finish(change, clock=clock, budget=budget, create=not cleanup)) or ""
        if comment.problem:
            wanted = inputs.comment is Switch.TRUE or "permission" in comment.problem
            say = self._console.warning if wanted else self._console.line
            say(f"No comment was written. {comment.problem}")
        return Written(comment_url=url)

    def _change(self, result: Result, *, cleanup: bool) -> Callable[[tuple[Row, ...]], tuple[Row, ...]]:
        now = self._clock.now()
        rows = tuple(row_of(each, run=self._known.event.run, now=now) for each in result.deployments)

        def change(before: tuple[Row, ...]) -> tuple[Row, ...]:
            if not cleanup:
                return put(before, rows)
            for row in rows:
                before = remove(before, row) if row.state is State.REMOVED else before
            return before

        return change


def guarded(report: Callable[[], T]) -> T | None:
    """What `report` returns; None after a bug in it, whose traceback is printed: reporting never hides a deployment."""
    try:
        return report()
    except Cancelled:
        raise
    except Exception:
        traceback.print_exc(file=sys.stderr)
        return None
