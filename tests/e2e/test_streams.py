"""Closed, full or broken output streams of the command line never change the outcome of the deployment."""

import json
import os
import signal
import subprocess
import sys

import pytest

from sandbox.events import HEAD_BRANCH
from sandbox.runner.runner import ACTION
from sandbox.stormkit.server import Step


@pytest.fixture(name="shell")
def _shell(stormkit, tmp_path):
    """Run the command line in a shell; `arguments` may contain redirections."""

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
def test_a_closed_or_full_stream_does_not_change_the_outcome(stormkit, shell, arguments):
    done = shell(f"--publish {arguments}")
    assert done.returncode == 0, done.stderr
    assert stormkit.builds == 1
    assert stormkit.live() == "8241"
    assert "Traceback" not in done.stderr + done.stdout


def test_a_closed_pipe_of_the_result_is_one_error_line_and_does_not_change_the_outcome(stormkit, shell):
    done = shell("--json | true; exit ${PIPESTATUS[0]}")
    assert (done.returncode, stormkit.builds) == (0, 1)
    lines = [line for line in done.stderr.splitlines() if line.startswith("error:")]
    assert lines == ["error: The result could not be written to standard output (Broken pipe)."]


def test_a_closed_pipe_of_the_log_cancels_the_running_build(stormkit, shell):
    stormkit.next_build(seconds=60)
    done = shell(
        "--output result.json --dotenv result.env 2>&1 >/dev/null | grep --max-count 1 'Started deployment';"
        " code=${PIPESTATUS[0]}; cat result.json; exit $code"
    )
    started, result = done.stdout.splitlines()
    assert started == "Started deployment 8241."
    assert json.loads(result)["reason"] == "The job was cancelled and deployment 8241 was stopped."
    assert done.returncode == 130
    assert stormkit.deployment("8241").stopped_manually
    assert "Traceback" not in done.stderr


def test_a_log_pipe_that_closes_after_the_build_does_not_change_the_outcome(stormkit, shell, tmp_path):
    """The build's log is larger than a pipe's buffer, so part of it is written after the reader has gone."""
    stormkit.next_build(seconds=0.1, steps=[Step(title="npm ci", message="added\n" * 100_000)])
    done = shell(
        "--build-log always --output result.json 2>&1 >/dev/null | grep --max-count 1 'npm ci'; exit ${PIPESTATUS[0]}"
    )
    assert done.returncode == 0
    assert json.loads((tmp_path / "result.json").read_text())["status"] == "success"
    assert not stormkit.deployment("8241").stopped_manually


def test_a_result_that_cannot_be_written_is_one_error_line_in_the_log(shell):
    done = shell("--json > /dev/full")
    lines = [line for line in done.stderr.splitlines() if line.startswith("error:")]
    assert lines == ["error: The result could not be written to standard output (No space left on device)."]


@pytest.mark.parametrize("flag", ["--help", "--version"])
def test_help_that_cannot_be_written_is_no_error(shell, flag):
    done = shell(f"{flag} > /dev/full")
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("nohup", [False, True])
def test_a_closed_terminal_cancels_unless_nohup_is_used(stormkit, tmp_path, nohup):
    stormkit.next_build(seconds=1 if nohup else 60)
    program = ["nohup"] if nohup else []
    with subprocess.Popen(
        [*program, sys.executable, "-E", str(ACTION / "entrypoint.py"), "--branch", HEAD_BRANCH],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "STORMKIT_API_KEY": "SK_sandbox", "STORMKIT_API_URL": stormkit.url},
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if "Started deployment" in line:
                break
        process.send_signal(signal.SIGHUP)
        rest = process.stderr.read()
        assert process.wait(20) == (0 if nohup else 130), rest
    assert stormkit.deployment("8241").stopped_manually is not nohup
