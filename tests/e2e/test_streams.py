"""What becomes of the command line's streams never changes what became of the deployment."""

import json
import os
import signal
import subprocess
import sys

import pytest

from sandbox.events import HEAD_BRANCH
from sandbox.runner.runner import ACTION


@pytest.fixture(name="shell")
def _shell(stormkit, tmp_path):
    """Run the command in a shell; `arguments` come after it, redirections included."""

    def run(arguments: str) -> subprocess.CompletedProcess[str]:
        command = f"'{sys.executable}' -E '{ACTION / 'entrypoint.py'}' deploy --branch {HEAD_BRANCH} {arguments}"
        environ = {"PATH": os.environ["PATH"], "STORMKIT_API_KEY": "SK_sandbox", "STORMKIT_API_URL": stormkit.url}
        return subprocess.run(
            ["bash", "-o", "pipefail", "-c", command],
            cwd=tmp_path,
            env=environ,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return run


@pytest.mark.parametrize(
    "arguments", [">&-", "2>&-", ">&- 2>&-", "--json > /dev/full", "2> /dev/full", "--json > /dev/full 2> /dev/full"]
)
def test_a_stream_that_is_closed_or_full_changes_no_verdict(stormkit, shell, arguments):
    done = shell(f"--publish {arguments}")
    assert done.returncode == 0, done.stderr
    assert stormkit.builds == 1
    assert stormkit.live() == "8241"
    assert "Traceback" not in done.stderr + done.stdout


def test_a_reader_of_the_log_that_goes_away_changes_no_verdict(stormkit, shell):
    done = shell("--output result.json 2>&1 >/dev/null | true; cat result.json")
    assert json.loads(done.stdout)["status"] == "success"
    assert stormkit.builds == 1


def test_what_could_not_be_written_is_one_line_on_what_is_left(shell):
    done = shell("--json > /dev/full")
    lines = [line for line in done.stderr.splitlines() if line.startswith("error:")]
    assert lines == ["error: The result could not be written to standard output (No space left on device)."]


def test_a_terminal_that_is_closed_cancels(stormkit, tmp_path):
    stormkit.next_build(seconds=60)
    environ = {"STORMKIT_API_KEY": "SK_sandbox", "STORMKIT_API_URL": stormkit.url}
    with subprocess.Popen(
        [sys.executable, "-E", str(ACTION / "entrypoint.py"), "--branch", HEAD_BRANCH],
        cwd=tmp_path,
        env=environ,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if "Started deployment" in line:
                break
        process.send_signal(signal.SIGHUP)
        rest = process.stderr.read()
        assert process.wait(20) == 130, rest
    assert stormkit.deployment("8241").stopped_manually
