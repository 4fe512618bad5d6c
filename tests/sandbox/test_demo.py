"""What `make demo` prints."""

import os
import pty
import re
import subprocess
import sys

import pytest

from sandbox.demo import as_text
from sandbox.runner.runner import ACTION

DEMO = [sys.executable, "-m", "sandbox.demo"]


@pytest.fixture(name="demo", scope="module")
def _demo():
    """What the demo prints into a pipe, and on a terminal with NO_COLOR."""
    terminal, inside = pty.openpty()
    on_terminal = subprocess.Popen(
        DEMO, cwd=ACTION, env=os.environ | {"NO_COLOR": "1", "TERM": "xterm"}, stdout=inside, stdin=subprocess.DEVNULL
    )
    os.close(inside)
    piped = subprocess.Popen(DEMO, cwd=ACTION, stdout=subprocess.PIPE, text=True)
    shown = b""
    try:
        while chunk := os.read(terminal, 65_536):
            shown += chunk
    except OSError:
        # Reading a terminal whose other end was closed raises EIO on Linux.
        os.close(terminal)
    printed, _ = piped.communicate(timeout=60)
    assert (piped.returncode, on_terminal.wait(60)) == (0, 0), printed
    return printed, shown.decode()


def test_the_demo_begins_with_an_introduction_and_ends_with_next_steps(demo):
    first, *_, last = demo[0].split("──")
    assert "about to get its preview" in first
    assert "What happened" in last
    assert "make sandbox" in last


def test_the_demo_shows_the_comment_as_text_and_no_json(demo):
    assert "✅ Ready in 7s · Open preview <http://127.0.0.1:" in demo[0]
    assert "❌ Failed after 5s · Last good preview <http://127.0.0.1:" in demo[0]
    assert "<b>" not in demo[0]
    assert '{"' not in demo[0]


def test_the_demo_fits_80_columns_and_has_no_escape_codes(demo):
    for printed in demo:
        assert "\x1b" not in printed
        assert max(map(len, printed.splitlines())) <= 80


def test_the_readme_shows_what_the_demo_prints(demo):
    page = (ACTION / "README.md").read_text(encoding="utf-8")
    (shown,) = re.findall(r"^```text\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    # The number of progress lines depends on the machine's speed.
    lines = {_without_numbers(line) for line in shown.splitlines() if ": running [" not in line}
    assert lines - {_without_numbers(line) for line in demo[0].splitlines()} == set()


def _without_numbers(line):
    return re.sub(r"\b[0-9a-f]{7,40}\b|\d+|[A-Z][a-z]{2} (?=\d)", "N", line)


def test_the_demo_needs_no_development_dependency():
    imported = "import sys, sandbox.demo; print(sorted({'cmarkgfm', 'nh3', 'pytest'} & set(sys.modules)))"
    command = [sys.executable, "-c", imported]
    assert subprocess.run(command, cwd=ACTION, capture_output=True, text=True, check=True).stdout == "[]\n"


@pytest.mark.parametrize(
    ("comment", "text"),
    [
        ("<!-- stormkit-action comment stormkit -->\n\n✅ <b>Ready</b>", "✅ Ready"),
        ("a&nbsp;&#60;b&#62;<br>second", "a <b>\nsecond"),
        ('<a href="http://127.0.0.1:1/p">Open</a>', "Open <http://127.0.0.1:1/p>"),
        ('<a href="https://github.com/o/r">Job log</a>', "Job log"),
        ("```text\n<b>&amp;\n```\nafter", "    <b>&amp;\nafter"),
        (f"{'word ' * 20}", f"{'word ' * 15}word\n    word word word word"),
    ],
)
def test_a_comment_as_text_keeps_what_a_person_reads_on_github(comment, text):
    assert as_text(comment) == text
