"""The build log in the step's log: every line is shown once, however the server changes its text."""

import re
import tracemalloc
from datetime import UTC, datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sandbox.runner.log import StepLog
from sandbox.runner.masks import SecretMasker
from stormkit_action.reporting import build_log
from stormkit_action.reporting.build_log import LiveBuildLog
from stormkit_action.reporting.console import PIECE_CHARACTERS, GitHubConsole, PlainConsole
from stormkit_action.stormkit.models import Deployment, LogStep, Status

RUNNING = Deployment(id="8241", status=Status.RUNNING)


class RecordingConsole:
    """A console that records titles and lines."""

    def __init__(self) -> None:
        self.text: list[str] = []
        self._open: object = None

    def group(self, title, text):
        self.text += [f"▸ {title}", *_lines(text)]

    def section(self, key, title, text):
        if key != self._open:
            self.text.append(f"▸ {title}")
            self._open = key
        self.text += _lines(text)


def _lines(text: str) -> list[str]:
    return text.split("\n") if text else []


def step(title: str, message: str = "", *, ok: bool = True, duration: float = 0.0) -> LogStep:
    return LogStep(title=title, message=message, ok=ok, duration=duration)


def shown(*stages: tuple[LogStep, ...], complete: bool = True) -> list[str]:
    """What is printed for a log read at these stages; the last one is the end of the build if `complete`."""
    console = RecordingConsole()
    live = LiveBuildLog(console)  # type: ignore[arg-type]
    for number, logs in enumerate(stages, start=1):
        live.show(RUNNING._replace(logs=logs), complete=complete and number == len(stages))
    return console.text


def test_each_step_is_a_group_with_its_duration():
    assert shown((step("npm install", "added 3\nfound 0\n", duration=12), step("build", "done\n", duration=3.4))) == [
        "▸ npm install (12s)",
        "added 3",
        "found 0",
        "▸ build (3s)",
        "done",
    ]


def test_a_step_seen_while_it_runs_shows_its_duration_at_its_end():
    assert shown(
        (step("npm install", ok=False),),
        (step("npm install", "one\n", ok=False, duration=4),),
        (step("npm install", "one\ntwo\n", duration=9), step("build", ok=False)),
        (step("npm install", "one\ntwo\n", duration=9), step("build", "broken", ok=False, duration=61)),
    ) == ["▸ npm install", "one", "two", "npm install (9s)", "▸ build", "broken", "build (1m 01s) ✗ failed"]


def test_a_running_step_is_not_called_failed():
    """Stormkit reports a running step with the status of a failed one."""
    assert "failed" not in " ".join(shown((step("npm install", "x\n", ok=False),), complete=False))


def test_an_unfinished_line_is_held_back_until_it_is_complete():
    begin, more = (step("build", "one\ntw"),), (step("build", "one\ntwo\nthr"),)
    assert shown(begin, complete=False) == ["▸ build", "one"]
    assert shown(begin, more, complete=False) == ["▸ build", "one", "two"]
    assert shown(begin, more) == ["▸ build", "one", "two", "thr", "build done"]


def test_an_unfinished_line_is_shown_when_the_next_step_begins():
    assert shown((step("a", "no end"),), (step("a", "no end"), step("b")), complete=False) == [
        "▸ a",
        "no end",
        "a done",
        "▸ b",
    ]


def test_changed_text_is_shown_again_from_its_first_difference():
    assert shown(
        (step("build", "one\n10%\nthree\n"),),
        (step("build", "one\n100%\nthree\nfour\n"),),
        complete=False,
    ) == ["▸ build", "one", "10%", "three", "100%", "three", "four"]


def test_a_line_that_grows_after_its_step_ended_is_shown_whole():
    assert shown((step("a", "hal"), step("b")), (step("a", "half\nmore\n"), step("b"))) == [
        "▸ a",
        "hal",
        "▸ b",
        "▸ a",
        "half",
        "more",
        "▸ b",
        "b done",
    ]


def test_a_log_that_shrinks_or_disappears_prints_nothing():
    logs = (step("a", "one\ntwo\n"), step("b", "three\n"))
    printed = shown(logs, complete=False)
    assert shown(logs, (), (step("a", "one\n"),), logs, complete=False) == printed


def test_a_step_with_a_changed_title_is_shown_as_a_new_step():
    assert shown((step("waiting", "x\n"),), (step("npm install", "x\n"),), complete=False) == [
        "▸ waiting",
        "x",
        "▸ npm install",
        "x",
    ]


def test_two_steps_with_the_same_title_are_both_shown():
    assert shown((step("test", "x\n"), step("test", "x\n"))) == ["▸ test", "x", "▸ test", "x"]


def test_a_restarted_build_s_log_is_shown_again():
    console = RecordingConsole()
    live = LiveBuildLog(console)  # type: ignore[arg-type]
    logs = (step("npm install", "one\n", ok=False),)
    for minute in (1, 2):
        created = datetime(2026, 3, 14, 9, minute, tzinfo=UTC)
        live.show(RUNNING._replace(logs=logs, created_at=created), complete=True)
    assert console.text == ["▸ npm install ✗ failed", "one"] * 2


def test_a_step_whose_duration_includes_the_status_checks_shows_none():
    """Real servers add the time of the status checks to the step before them."""
    checked = RUNNING._replace(
        logs=(step("npm install", "a", duration=3), step("deploy", "b", duration=8)),
        status_checks=(step("e2e", "c", duration=8),),
    )
    console = RecordingConsole()
    build_log.show(checked, console)  # type: ignore[arg-type]
    assert [line for line in console.text if line.startswith("▸")] == [
        "▸ npm install (3s)",
        "▸ deploy",
        "▸ Status check: e2e (8s)",
    ]


def test_blank_lines_at_the_end_are_held_back_until_text_follows():
    """A running step's text ends with one more line break than the finished step's."""
    assert shown(
        (step("build", "one\n\n"),),
        (step("build", "one\ntwo\n\n\n"),),
        (step("build", "one\ntwo\n\n\nthree\n\n"),),
        complete=False,
    ) == ["▸ build", "one", "two", "", "", "three"]


def test_a_log_of_blank_lines_is_printed_in_few_pieces_and_little_memory():
    """30 MB of blank lines are 30 million lines, so splitting them all at once would make as many strings."""
    size = 30_000_000
    logs = (step("build", "a\n" + "\n" * size + "b\n"),)
    pieces = []

    class PieceCountingConsole(PlainConsole):
        def _write(self, lines):
            pieces.append(len(lines))

    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        live = LiveBuildLog(PieceCountingConsole())
        live.show(RUNNING._replace(logs=logs), complete=False)
        live.show(RUNNING._replace(logs=logs), complete=True)
        build_log.show(RUNNING._replace(logs=logs), PieceCountingConsole())
        peak = tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()
    assert len(pieces) <= 2 * size // PIECE_CHARACTERS + 10
    assert sum(pieces) >= 2 * size
    assert peak < 5 * size


def test_each_status_check_is_a_group():
    checked = RUNNING._replace(
        logs=(step("deploy", "uploaded\n"),),
        status_checks=(step("e2e", "12 passed\n", duration=30), step("lighthouse", "too slow\n", ok=False, duration=8)),
    )
    expected = [
        "▸ deploy",
        "uploaded",
        "▸ Status check: e2e (30s)",
        "12 passed",
        "▸ Status check: lighthouse (8s) ✗ failed",
        "too slow",
    ]
    console = RecordingConsole()
    LiveBuildLog(console).show(checked, complete=True)  # type: ignore[arg-type]
    assert console.text == expected
    console = RecordingConsole()
    build_log.show(checked, console)  # type: ignore[arg-type]
    assert console.text == expected


@given(
    st.text(st.sampled_from("ab\n\r"), max_size=60),
    st.lists(st.integers(min_value=0, max_value=60), max_size=8),
)
# Line ends of Windows programs after a translation of \n to \r\n.
@example("a\r\r\na", [])
def test_each_line_is_shown_once_and_in_order_however_the_log_grows(text, cuts):
    grown = [(step("build", text[:cut]),) for cut in sorted(cuts)]
    whole = shown(*grown, (step("build", text),), (step("build", text),))
    lines = [line for line in whole if line not in ("▸ build", "build done")]
    # Lines that end in a bare carriage return are split by the console. Blank lines at the end are left out.
    expected = re.sub(r"\r+\n", "\n", text).rstrip("\r\n")
    assert lines == (expected.split("\n") if expected else [])


@given(st.lists(st.lists(st.text(st.sampled_from("ab\n"), max_size=12), min_size=1, max_size=4), max_size=6))
def test_the_last_state_of_every_step_is_shown_however_its_text_changes(texts):
    """In the end, the last line of every step's last text has been printed."""
    logs = [tuple(step(f"step {number}", text) for number, text in enumerate(stage)) for stage in texts]
    printed = shown(*logs)
    if not logs:
        return
    for log_step in logs[-1]:
        last_line = log_step.message.rstrip("\n").split("\n")[-1]
        if last_line:
            assert last_line in printed


@pytest.mark.threat("A hostile build log")
@pytest.mark.parametrize("message", ["::error::x\n", "a\r::error::x", "##[error]x", "::stop-commands::a\n::a::\n"])
def test_hostile_output_issues_no_command(message, capsys):
    console = GitHubConsole()
    live = LiveBuildLog(console, prefix="[::error::] ")
    for cut in range(len(message) + 1):
        live.show(RUNNING._replace(logs=(step("::error::x", message[:cut]),)), complete=False)
    live.show(RUNNING._replace(logs=(step("::error::x", message),)), complete=True)
    console.log()
    log = StepLog(SecretMasker())
    for line in re.split(r"\r\n|\r|\n", capsys.readouterr().out):
        log.feed(line)
    assert {command.name for command in log.commands} == {"group", "endgroup", "stop-commands"}
    assert not log.annotations
    assert not log.problems
