"""A bug in the action: exit code 3, all outputs, and a traceback that issues no command."""

import json

import pytest

from sandbox.clock import FakeClock
from sandbox.events import HEAD_BRANCH
from stormkit_action.cancellation import Cancellation
from stormkit_action.main import main
from stormkit_action.post import run_post_step
from stormkit_action.reporting.console import GitHubConsole, PlainConsole
from stormkit_action.reporting.outputs import OUTPUTS
from stormkit_action.reporting.reporter import StepReporter
from stormkit_action.reporting.step import Step
from stormkit_action.result import Outcome, Result

KEY = "SK_sandbox_key"
HOSTILE = f"{KEY}\n::set-output name=status::success\r::add-mask::e\n##[save-state name=started;][]"

INPUTS = {"INPUT_API-KEY": KEY, "INPUT_BRANCH": HEAD_BRANCH, "INPUT_API-URL": "http://127.0.0.1:9"}


class MemoryFiles:
    """StepFiles that keep the outputs in memory; writing the summary raises `summary`, if given."""

    def __init__(self, summary: Exception | None = None) -> None:
        self.texts: dict[str, str] = {}
        self._summary = summary

    def write(self, texts):
        self.texts = dict(texts)

    def write_summary(self, markdown):
        if self._summary is not None:
            raise self._summary

    def save_state(self, name, text):
        pass


class BrokenClock(FakeClock):
    """Raises an error with hostile text, as a bug could."""

    def monotonic(self):
        raise RuntimeError(HOSTILE)


def is_harmless(printed: str) -> bool:
    """Whether the output contains only the action's own commands, and the key only in its mask."""
    lines = [line for line in printed.splitlines() if line.startswith("::")]
    own = [line for line in lines if line.startswith(("::add-mask::SK_", "::error::"))]
    return lines == own and "##[" not in printed and KEY not in printed.replace(f"::add-mask::{KEY}\n", "")


@pytest.mark.threat("A hostile build log")
@pytest.mark.parametrize("console", [GitHubConsole, PlainConsole])
def test_a_bug_exits_with_3_and_its_text_issues_no_command(capfd, console):
    files = MemoryFiles()
    code = main(INPUTS, console=console(), files=files, clock=BrokenClock())
    printed = "".join(capfd.readouterr())
    assert code == 3
    assert "Traceback" in printed
    assert "This is a bug in stormkit_action" in printed
    assert is_harmless(printed)
    assert files.texts.keys() == OUTPUTS.keys()
    assert files.texts["status"] == "failed"


def test_a_bug_in_the_summary_does_not_change_the_exit_code(capfd):
    console = GitHubConsole()
    console.mask(KEY)
    reporter = StepReporter(step=Step(), console=console, files=MemoryFiles(ValueError(HOSTILE)), clock=FakeClock())
    assert reporter.finish(Result(status=Outcome.SUCCESS)) == 0
    printed = "".join(capfd.readouterr())
    assert "Traceback" in printed
    assert is_harmless(printed)


def test_a_cancelled_post_step_says_so_in_an_error(capfd):
    cancellation = Cancellation()
    cancellation.request()
    started = [{"env-id": "", "deployment-id": "8241", "branch": HEAD_BRANCH, "sent-at": 1}]
    assert run_post_step({**INPUTS, "STATE_started": json.dumps(started)}, cancellation) == 130
    printed = "".join(capfd.readouterr())
    assert "Traceback" not in printed
    assert "::error::Cancelled before" in printed
