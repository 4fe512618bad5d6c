"""A bug in the action: exit code 3, outputs all the same, and a traceback that does nothing but stand there."""

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


class StepFiles:
    """Remembers the outputs; its summary has a bug if it is told so."""

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
    def monotonic(self):
        raise RuntimeError(HOSTILE)


def harmless(printed: str) -> bool:
    lines = [line for line in printed.splitlines() if line.startswith("::")]
    own = [line for line in lines if line.startswith(("::add-mask::SK_", "::error::"))]
    return lines == own and "##[" not in printed and KEY not in printed.replace(f"::add-mask::{KEY}\n", "")


@pytest.mark.threat("A hostile build log")
@pytest.mark.parametrize("console", [GitHubConsole, PlainConsole])
def test_a_bug_is_told_and_its_text_does_nothing(capfd, console):
    files = StepFiles()
    code = main(INPUTS, console=console(), files=files, clock=BrokenClock())
    printed = "".join(capfd.readouterr())
    assert code == 3
    assert "Traceback" in printed
    assert "This is a bug in stormkit_action" in printed
    assert harmless(printed)
    assert files.texts.keys() == OUTPUTS.keys()
    assert files.texts["status"] == "failed"


def test_a_bug_in_the_summary_changes_nothing_else(capfd):
    console = GitHubConsole()
    console.mask(KEY)
    reporter = StepReporter(step=Step(), console=console, files=StepFiles(ValueError(HOSTILE)), clock=FakeClock())
    assert reporter.finish(Result(status=Outcome.SUCCESS)) == 0
    printed = "".join(capfd.readouterr())
    assert "Traceback" in printed
    assert harmless(printed)


def test_a_post_step_that_is_cancelled_itself_says_what_to_do(capfd):
    cancellation = Cancellation()
    cancellation.request()
    started = [{"env-id": "", "deployment-id": "8241", "branch": HEAD_BRANCH, "sent-at": 1}]
    assert run_post_step({**INPUTS, "STATE_started": json.dumps(started)}, cancellation) == 130
    printed = "".join(capfd.readouterr())
    assert "Traceback" not in printed
    assert "::error::Cancelled before" in printed
