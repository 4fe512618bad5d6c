"""The build log in the step's log: every line once, whatever the server does with its text in between."""

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


class Paper:
    """A console that writes down titles and lines."""

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


def stages(*stages: tuple[LogStep, ...], complete: bool = True) -> list[str]:
    """What is printed when the log is read at those stages, the last one of which is the end if `complete`."""
    paper = Paper()
    live = LiveBuildLog(paper)  # type: ignore[arg-type]
    for number, logs in enumerate(stages, start=1):
        live.show(RUNNING._replace(logs=logs), complete=complete and number == len(stages))
    return paper.text


def test_each_step_is_a_group_with_its_duration():
    assert stages((step("npm install", "added 3\nfound 0\n", duration=12), step("build", "done\n", duration=3.4))) == [
        "▸ npm install (12s)",
        "added 3",
        "found 0",
        "▸ build (3s)",
        "done",
    ]


def test_a_step_that_is_seen_while_it_runs_tells_its_duration_at_its_end():
    assert stages(
        (step("npm install", ok=False),),
        (step("npm install", "one\n", ok=False, duration=4),),
        (step("npm install", "one\ntwo\n", duration=9), step("build", ok=False)),
        (step("npm install", "one\ntwo\n", duration=9), step("build", "broken", ok=False, duration=61)),
    ) == ["▸ npm install", "one", "two", "npm install (9s)", "▸ build", "broken", "build (1m 01s) ✗ failed"]


def test_a_step_that_runs_is_not_called_failed():
    """Servers know of no third state: the step that runs has the status of a failed one."""
    assert "failed" not in " ".join(stages((step("npm install", "x\n", ok=False),), complete=False))


def test_an_unfinished_line_is_held_back_until_it_is_complete():
    begin, more = (step("build", "one\ntw"),), (step("build", "one\ntwo\nthr"),)
    assert stages(begin, complete=False) == ["▸ build", "one"]
    assert stages(begin, more, complete=False) == ["▸ build", "one", "two"]
    assert stages(begin, more) == ["▸ build", "one", "two", "thr", "build done"]


def test_an_unfinished_line_is_shown_when_the_next_step_begins():
    assert stages((step("a", "no end"),), (step("a", "no end"), step("b")), complete=False) == [
        "▸ a",
        "no end",
        "a done",
        "▸ b",
    ]


def test_text_that_was_changed_is_shown_again_from_its_first_difference():
    assert stages(
        (step("build", "one\n10%\nthree\n"),),
        (step("build", "one\n100%\nthree\nfour\n"),),
        complete=False,
    ) == ["▸ build", "one", "10%", "three", "100%", "three", "four"]


def test_a_line_that_grows_after_its_step_ended_is_shown_whole():
    assert stages((step("a", "hal"), step("b")), (step("a", "half\nmore\n"), step("b"))) == [
        "▸ a",
        "hal",
        "▸ b",
        "▸ a",
        "half",
        "more",
        "▸ b",
        "b done",
    ]


def test_a_log_that_shrinks_or_goes_away_prints_nothing():
    logs = (step("a", "one\ntwo\n"), step("b", "three\n"))
    printed = stages(logs, complete=False)
    assert stages(logs, (), (step("a", "one\n"),), logs, complete=False) == printed


def test_a_step_whose_title_changed_is_another_one():
    assert stages((step("waiting", "x\n"),), (step("npm install", "x\n"),), complete=False) == [
        "▸ waiting",
        "x",
        "▸ npm install",
        "x",
    ]


def test_two_steps_of_one_name_are_two():
    assert stages((step("test", "x\n"), step("test", "x\n"))) == ["▸ test", "x", "▸ test", "x"]


def test_a_restart_begins_anew_although_the_log_is_the_same():
    paper = Paper()
    live = LiveBuildLog(paper)  # type: ignore[arg-type]
    logs = (step("npm install", "one\n", ok=False),)
    for minute in (1, 2):
        created = datetime(2026, 3, 14, 9, minute, tzinfo=UTC)
        live.show(RUNNING._replace(logs=logs, created_at=created), complete=True)
    assert paper.text == ["▸ npm install ✗ failed", "one"] * 2


def test_a_step_that_includes_the_status_checks_shows_no_duration():
    """Real servers count the status checks into the step before them."""
    checked = RUNNING._replace(
        logs=(step("npm install", "a", duration=3), step("deploy", "b", duration=8)),
        status_checks=(step("e2e", "c", duration=8),),
    )
    paper = Paper()
    build_log.show(checked, paper)  # type: ignore[arg-type]
    assert [line for line in paper.text if line.startswith("▸")] == [
        "▸ npm install (3s)",
        "▸ deploy",
        "▸ Status check: e2e (8s)",
    ]


def test_blank_lines_at_the_end_wait_for_what_follows():
    """A running step's text ends in one line break more than later."""
    assert stages(
        (step("build", "one\n\n"),),
        (step("build", "one\ntwo\n\n\n"),),
        (step("build", "one\ntwo\n\n\nthree\n\n"),),
        complete=False,
    ) == ["▸ build", "one", "two", "", "", "three"]


def test_a_log_of_line_ends_is_printed_in_few_pieces_and_little_memory():
    """30 MB of them are 30 million lines, each of which would be a string of its own."""
    size = 30_000_000
    logs = (step("build", "a\n" + "\n" * size + "b\n"),)
    pieces = []

    class Counting(PlainConsole):
        def _write(self, lines):
            pieces.append(len(lines))

    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        live = LiveBuildLog(Counting())
        live.show(RUNNING._replace(logs=logs), complete=False)
        live.show(RUNNING._replace(logs=logs), complete=True)
        build_log.show(RUNNING._replace(logs=logs), Counting())
        peak = tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()
    assert len(pieces) <= 2 * size // PIECE_CHARACTERS + 10
    assert sum(pieces) >= 2 * size
    assert peak < 5 * size


def test_status_checks_are_groups_of_their_own():
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
    paper = Paper()
    LiveBuildLog(paper).show(checked, complete=True)  # type: ignore[arg-type]
    assert paper.text == expected
    paper = Paper()
    build_log.show(checked, paper)  # type: ignore[arg-type]
    assert paper.text == expected


@given(
    st.text(st.sampled_from("ab\n\r"), max_size=60),
    st.lists(st.integers(min_value=0, max_value=60), max_size=8),
)
# Ended twice, as programs for Windows do when their output passes through a translation of line ends.
@example("a\r\r\na", [])
def test_however_it_grows_each_line_comes_once_and_in_order(text, cuts):
    grown = [(step("build", text[:cut]),) for cut in sorted(cuts)]
    whole = stages(*grown, (step("build", text),), (step("build", text),))
    lines = [line for line in whole if line not in ("▸ build", "build done")]
    # Lines that end in a bare carriage return are split by the console. Blank lines at the end are left out.
    expected = re.sub(r"\r+\n", "\n", text).rstrip("\r\n")
    assert lines == (expected.split("\n") if expected else [])


@given(st.lists(st.lists(st.text(st.sampled_from("ab\n"), max_size=12), min_size=1, max_size=4), max_size=6))
def test_whatever_the_server_does_the_last_state_is_shown(texts):
    """Texts may change at will: in the end every step's last text has been printed to its end."""
    logs = [tuple(step(f"step {number}", text) for number, text in enumerate(stage)) for stage in texts]
    printed = stages(*logs)
    if not logs:
        return
    for step in logs[-1]:
        lines = step.message.rstrip("\n").split("\n")
        assert not lines[-1] or lines[-1] in printed


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
