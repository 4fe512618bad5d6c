"""Which control sequences of a build's output reach the terminal of the command line."""

import os
import pty
import re
import subprocess
import sys

import pytest

from sandbox.events import HEAD_BRANCH
from sandbox.runner.runner import ACTION
from sandbox.stormkit.server import Step

HOSTILE = (
    "\x1b[31mred\x1b[0m \x1b[2Jcleared \x1b]0;title\x07titled \x9b31mc1 \u202ebidi\u2066 nul\x00\n"
    "\x1b]8;;https://evil.example\n\x1b[8mconcealed\n"
)


@pytest.fixture(name="terminal")
def _terminal(stormkit, tmp_path):
    """Run a deploy whose standard error is a terminal or a pipe, and return what was written to it."""

    def run(*, is_terminal: bool = True, **variables: str) -> str:
        stormkit.next_build(seconds=0.2, steps=[Step(title="npm \x1b[8minstall", message=HOSTILE)])
        arguments = ["deploy", "--branch", HEAD_BRANCH, "--build-log", "always"]
        reader, writer = pty.openpty() if is_terminal else os.pipe()
        with subprocess.Popen(
            [sys.executable, "-E", str(ACTION / "entrypoint.py"), *arguments],
            cwd=tmp_path,
            env={"STORMKIT_API_KEY": "SK_sandbox", "STORMKIT_API_URL": stormkit.url, "TERM": "xterm", **variables},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=writer,
        ) as process:
            os.close(writer)
            written = b""
            try:
                while piece := os.read(reader, 65_536):
                    written += piece
            except OSError:  # how Linux reports that the other end of a terminal was closed
                pass
            os.close(reader)
            assert process.wait(30) == 0, written.decode()
        return written.decode()

    return run


def test_colors_reach_a_terminal_and_are_reset_after_each_line(terminal):
    shown = terminal()
    assert "\x1b[31mred\x1b[0m cleared titled 31mc1 bidi nul" in shown
    assert re.search(r"\x1b\[8mconcealed\x1b\[0m\r?\n", shown)
    assert "▸ npm install" in shown


@pytest.mark.parametrize(
    "how", [{"is_terminal": False}, {"NO_COLOR": "1"}, {"TERM": "dumb"}], ids=["pipe", "NO_COLOR", "dumb"]
)
def test_colors_are_removed_for_a_pipe_no_color_and_a_dumb_terminal(terminal, how):
    shown = terminal(**how)
    assert "red cleared titled 31mc1 bidi nul" in shown
    assert "\x1b" not in shown


@pytest.mark.parametrize("is_terminal", [True, False])
def test_no_other_control_sequence_reaches_the_output(terminal, is_terminal):
    shown = re.sub(r"\x1b\[[0-9;:]*m", "", terminal(is_terminal=is_terminal)).replace("\r\n", "\n")
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]", shown)
