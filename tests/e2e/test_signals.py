"""A cancel at every stage of a step: it ends in time, says so, and leaves nothing running that it should stop."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time

import pytest

from sandbox.events import HEAD_BRANCH
from sandbox.runner.runner import ACTION
from sandbox.stormkit.server import Generation
from stormkit_action.reporting.comment_body import read_rows
from stormkit_action.reporting.outputs import OUTPUTS
from stormkit_action.reporting.rows import State

# Stands for the signals that GitHub's runner sends in turn: see cancel() in sandbox/runner/step.py.
RUNNER_SEQUENCE = 0

# The header of a TLS record: type, version and length.
RECORD_HEADER_BYTES = 5
SIGNALS = pytest.mark.parametrize(
    "signal_number", [signal.SIGINT, signal.SIGTERM, RUNNER_SEQUENCE], ids=["SIGINT", "SIGTERM", "runner's sequence"]
)


def until(condition):
    """Wait for something that happens in another process, for 20 seconds at most."""
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end, "the condition was not met within 20 seconds"
        time.sleep(0.01)


def wait_for_start(running):
    assert any("Started deployment" in line for line in running.lines())


def cancel_in_time(running, signal_number=signal.SIGINT):
    """Cancel the step, check that it ends as cancelled within 6 seconds, and return how it finished."""
    began = time.monotonic()
    if signal_number == RUNNER_SEQUENCE:
        finished = running.cancel()
    else:
        running.send_signal(signal_number)
        finished = running.wait(10)
    assert time.monotonic() - began < 6, finished.log
    assert (finished.exit_code, finished.outputs["status"], finished.killed) == (130, "cancelled", False), finished.log
    assert finished.outputs["reason"]
    assert "Traceback" not in finished.log
    return finished


def assert_cancelled_on_github(github):
    [comment] = github.state.comments()
    assert [row.state for row in read_rows(comment.body)] == [State.CANCELLED]
    assert {deployment.state for deployment in github.state.deployments} <= {"inactive"}


def assert_nothing_runs(stormkit, builds=1):
    assert stormkit.builds == builds
    assert [deployment.status for deployment in stormkit.deployments if deployment.status == "running"] == []


@SIGNALS
def test_a_cancel_before_the_trigger_starts_nothing(stormkit, step, signal_number):
    stormkit.fault("list", "slow", seconds=30)
    runner = step(stop_superseded="true")
    running = runner.start()
    until(lambda: stormkit.received("GET", "/v1/deployments"))
    finished = cancel_in_time(running, signal_number)
    assert "before anything was triggered" in finished.outputs["reason"]
    assert set(finished.outputs) == set(OUTPUTS)
    assert_nothing_runs(stormkit, builds=0)
    assert stormkit.received("POST") == []
    assert runner.post(state=finished.state).log == ""


def test_a_cancel_while_the_trigger_connects_sends_no_request(step):
    """The server accepts the connection and never answers the TLS handshake."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        running = step(api_url=f"https://127.0.0.1:{server.getsockname()[1]}").start()
        connection, _ = server.accept()
        with connection:
            finished = cancel_in_time(running)
            received = b"".join(iter(lambda: connection.recv(65_536), b""))
    assert finished.outputs["reason"] == "The job was cancelled before anything was triggered."
    assert len(received) == RECORD_HEADER_BYTES + int.from_bytes(received[3:5], "big"), "more than the client's hello"


@SIGNALS
@pytest.mark.parametrize("seconds", [0.6, 30])
def test_a_cancel_while_the_trigger_is_in_flight_stops_the_build(stormkit, github, step, signal_number, seconds):
    """The response comes within the time that a cancel waits for it, or never."""
    stormkit.next_build(seconds=60)
    stormkit.fault("trigger", "slow", seconds=seconds)
    running = step().start()
    until(lambda: stormkit.builds)
    finished = cancel_in_time(running, signal_number)
    assert_nothing_runs(stormkit)
    assert finished.outputs["deployment-id"] == "8241"
    assert "deployment 8241 was stopped" in finished.outputs["reason"]
    assert_cancelled_on_github(github)


@SIGNALS
def test_a_cancel_while_polling_stops_the_build(stormkit, github, step, signal_number):
    stormkit.next_build(seconds=60)
    running = step().start()
    wait_for_start(running)
    finished = cancel_in_time(running, signal_number)
    assert_nothing_runs(stormkit)
    assert stormkit.deployment("8241").stopped_manually
    assert finished.outputs["deployment-id"] == "8241"
    assert_cancelled_on_github(github)


@SIGNALS
def test_a_cancel_during_a_slow_request_stops_the_build(stormkit, github, step, signal_number):
    stormkit.next_build(seconds=60)
    for operation in ("read", "poll"):
        stormkit.fault(operation, "slow", seconds=30)
    running = step().start()
    until(lambda: stormkit.received("GET", "/v1/deployments/8241"))
    cancel_in_time(running, signal_number)
    assert_nothing_runs(stormkit)


@SIGNALS
@pytest.mark.parametrize("stormkit", [Generation.OLDER], indirect=True)
def test_a_cancel_while_publishing_stops_nothing_and_reports_the_live_deployment(stormkit, github, step, signal_number):
    stormkit.fault("publish", "slow", seconds=30)
    running = step(publish="true").start()
    until(stormkit.live)
    finished = cancel_in_time(running, signal_number)
    assert "after the build had ended; nothing was stopped. It is live." in finished.outputs["reason"]
    assert finished.outputs["published"] == "true"
    assert not stormkit.received("POST", "/stop")
    [row] = read_rows(github.state.comments()[0].body)
    assert (row.state, row.live) == (State.READY, True)
    assert [deployment.state for deployment in github.state.deployments] == ["success"]


@pytest.mark.parametrize("stormkit", [Generation.NEWER], indirect=True)
def test_a_cancel_during_the_warm_up_says_that_the_deployment_may_still_go_live(stormkit, step):
    stormkit.next_build(seconds=0.2, warm_up=30.0)
    running = step(publish="true").start()
    assert any("is warming up" in line for line in running.lines())
    finished = cancel_in_time(running)
    assert finished.outputs["reason"].endswith("Deployment 8241 was being published and may still go live.")
    assert finished.outputs["published"] == "false"


@SIGNALS
def test_a_cancel_during_the_health_check_publishes_nothing(stormkit, github, step, signal_number):
    stormkit.preview(delay=30)
    running = step(health_check="/healthz", publish="true").start()
    until(lambda: stormkit.received("GET", "/healthz"))
    finished = cancel_in_time(running, signal_number)
    assert finished.outputs["published"] == "false"
    assert not stormkit.received("POST", "/publish")


@SIGNALS
def test_a_cancel_while_reporting_keeps_the_successful_build(stormkit, github, step, signal_number):
    github.fault("POST .*/comments", "never-arrived", times=9, seconds=30)
    running = step(github_deployment="false").start()
    until(lambda: github.received("POST", "/comments") and stormkit.deployment("8241").status == "success")
    assert any(("status" in line and "success" in line) or "deployment:" in line for line in running.lines())
    finished = cancel_in_time(running, signal_number)
    assert stormkit.deployment("8241").status == "success"
    assert finished.outputs["deployment-id"] == "8241"
    assert_nothing_runs(stormkit)


@pytest.mark.parametrize("stage", ["in flight", "polling"])
def test_on_cancel_leave_leaves_the_build_running(stormkit, step, stage):
    stormkit.next_build(seconds=60)
    if stage == "in flight":
        stormkit.fault("trigger", "slow", seconds=30)
    runner = step(on_cancel="leave")
    running = runner.start()
    until(lambda: stormkit.builds)
    if stage == "polling":
        wait_for_start(running)
    finished = cancel_in_time(running)
    assert "was left running (on-cancel: leave)" in finished.outputs["reason"]
    assert not stormkit.received("POST", "/stop")
    assert stormkit.deployment("8241").status == "running"
    runner.post(state=finished.state)
    assert stormkit.deployment("8241").status == "running"


def test_a_cancel_stops_the_builds_of_all_environments(stormkit, step):
    for site in range(3):
        stormkit.add_environment(str(306 + site), name=f"site{site}")
        stormkit.next_build(seconds=60)
    environments = "\n".join(f"site{site}: {306 + site}" for site in range(3))
    running = step(api_key="SK_user", environments=environments, comment="false").start()
    until(lambda: stormkit.builds == 3)
    cancel_in_time(running, RUNNER_SEQUENCE)
    assert_nothing_runs(stormkit, builds=3)


def test_a_cancel_during_a_retry_stops_the_new_build(stormkit, step):
    stormkit.next_build(seconds=0.2, outcome="failed")
    stormkit.next_build(seconds=60)
    stormkit.fault("trigger", "slow", seconds=30, after=1)
    running = step(retries="1", comment="false").start()
    until(lambda: stormkit.builds == 2)
    cancel_in_time(running)
    assert_nothing_runs(stormkit, builds=2)


def test_an_unconfirmed_stop_is_left_to_the_post_step(stormkit, github, step):
    stormkit.next_build(seconds=60)
    stormkit.fault("stop", "503", times=100)
    runner = step()
    running = runner.start()
    wait_for_start(running)
    finished = cancel_in_time(running, RUNNER_SEQUENCE)
    assert "did not confirm the stop in time" in finished.outputs["reason"]
    assert stormkit.deployment("8241").status == "running"
    stormkit.clear_faults()
    after = runner.post(state=finished.state)
    assert (after.exit_code, after.problems) == (0, []), after.log
    assert_nothing_runs(stormkit)
    assert_cancelled_on_github(github)


@pytest.mark.parametrize("hanging", [("stop",), ("read",), ("stop", "read")], ids=" and ".join)
def test_a_cancel_ends_in_time_even_if_no_server_answers(stormkit, github, step, hanging):
    stormkit.next_build(seconds=60)
    runner = step()
    running = runner.start()
    wait_for_start(running)
    until(lambda: stormkit.received("GET", "/poll") and github.state.comments())
    for operation in hanging:
        stormkit.fault(operation, "never-arrived", times=100, seconds=30)
    github.fault(".*", "never-arrived", times=100, seconds=30)
    finished = cancel_in_time(running, RUNNER_SEQUENCE)
    stormkit.clear_faults()
    github.clear_faults()
    assert runner.post(state=finished.state).exit_code == 0
    assert_nothing_runs(stormkit)
    assert_cancelled_on_github(github)


@pytest.mark.parametrize("stage", ["in flight", "polling"])
def test_the_post_step_finishes_a_killed_step_and_can_run_twice(stormkit, github, step, stage):
    stormkit.next_build(seconds=60)
    if stage == "in flight":
        stormkit.fault("trigger", "slow", seconds=30)
    runner = step()
    running = runner.start()
    until(lambda: stormkit.builds)
    if stage == "polling":
        wait_for_start(running)
    running.send_signal(signal.SIGKILL)
    killed = running.wait(10)
    assert killed.exit_code == 137
    assert stormkit.deployment("8241").status == "running"
    first = runner.post(state=killed.state)
    assert (first.exit_code, first.problems) == (0, []), first.log
    assert_nothing_runs(stormkit)
    assert_cancelled_on_github(github)
    stopped_at = stormkit.deployment("8241").stopped_at
    again = runner.post(state=killed.state)
    assert again.exit_code == 0, again.log
    assert stormkit.deployment("8241").stopped_at == stopped_at
    assert_cancelled_on_github(github)


def test_a_post_step_cancelled_while_reporting_has_confirmed_the_stop(stormkit, github, step):
    stormkit.next_build(seconds=60)
    runner = step()
    running = runner.start()
    wait_for_start(running)
    running.send_signal(signal.SIGKILL)
    killed = running.wait(10)
    github.fault(".*", "never-arrived", times=100, seconds=30)
    post = runner.start_post(killed.state)
    until(lambda: stormkit.deployment("8241").status != "running")
    assert any("deployment 8241 was stopped" in line for line in post.lines())
    post.send_signal(signal.SIGTERM)
    finished = post.wait(10)
    assert finished.exit_code == 130
    assert "Cancelled before the comment and the GitHub Deployment were up to date." in finished.log
    assert "confirmed stopped" not in finished.log


def test_after_a_normal_end_the_post_step_does_nothing(stormkit, github, step):
    runner = step()
    assert runner.run().exit_code == 0
    requests = len(stormkit.requests) + len(github.requests)
    after = runner.post()
    assert (after.exit_code, after.log, after.outputs, after.summary) == (0, "", {}, "")
    assert len(stormkit.requests) + len(github.requests) == requests


@pytest.mark.parametrize(
    "state", [{}, {"STATE_started": "[]", "STATE_finished": "true"}], ids=["nothing", "normal end"]
)
def test_a_post_step_with_nothing_to_do_imports_nothing(state):
    command = [sys.executable, "-X", "importtime", str(ACTION / "post_entrypoint.py")]
    done = subprocess.run(command, env={"PATH": os.defpath, **state}, capture_output=True, text=True, check=True)
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "site" in imported
    assert not [name for name in imported if name.startswith(("stormkit_action", "requests", "json", "argparse"))]


def test_a_cancelled_step_keeps_its_exit_code_if_its_outputs_cannot_be_written(stormkit, step):
    stormkit.next_build(seconds=60)
    running = step(env={"GITHUB_OUTPUT": "/nowhere/output"}).start()
    wait_for_start(running)
    running.send_signal(signal.SIGINT)
    finished = running.wait(10)
    assert finished.exit_code == 130
    assert "status=cancelled" in finished.log
    assert_nothing_runs(stormkit)


def test_a_second_signal_does_not_interrupt_the_clean_up(stormkit, step):
    stormkit.next_build(seconds=60)
    stormkit.fault("stop", "slow", seconds=1.5)
    running = step().start()
    wait_for_start(running)
    running.send_signal(signal.SIGINT)
    until(lambda: stormkit.received("POST", "/stop"))
    finished = cancel_in_time(running, signal.SIGTERM)
    assert_nothing_runs(stormkit)
    assert "deployment 8241 was stopped" in finished.outputs["reason"]


@pytest.mark.parametrize("signal_number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_that_arrives_while_python_starts_is_not_lost(stormkit, tmp_path, signal_number):
    """The entry point starts with signals blocked, so a pending one waits until its handler is installed."""
    shebang = (ACTION / "entrypoint.py").read_text(encoding="utf-8").partition("\n")[0]
    [blocking] = re.findall(r"--block-signal=\S+", shebang)
    finished = subprocess.run(
        [
            "env",
            blocking,
            "sh",
            "-c",
            f'kill -{signal_number.value} $$; exec "$@"',
            "sh",
            sys.executable,
            "-E",
            str(ACTION / "entrypoint.py"),
            "--branch",
            HEAD_BRANCH,
        ],
        env={"STORMKIT_API_KEY": "SK_sandbox", "STORMKIT_API_URL": stormkit.url},
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert finished.returncode == 130
    assert "The job was cancelled before anything was triggered.\n" in finished.stderr
    assert "Traceback" not in finished.stderr
    assert stormkit.received() == []


def test_the_post_step_reports_an_unconfirmed_stop_after_a_timeout_as_a_timeout(stormkit, github, step):
    """on-cancel does not apply to a timeout."""
    stormkit.next_build(seconds=120)
    stormkit.fault("stop", "503", times=100)
    runner = step(timeout="2s", on_timeout="stop", on_cancel="leave")
    finished = runner.run()
    assert finished.outputs["status"] == "timed-out"
    stormkit.clear_faults()
    after = runner.post(state=finished.state)
    assert after.exit_code == 0, after.log
    assert "Ran out of time and deployment 8241 was stopped." in after.log
    assert_nothing_runs(stormkit)
    [row] = read_rows(github.state.comments()[0].body)
    assert row.state == State.TIMED_OUT


def test_the_post_step_keeps_the_outcome_that_the_step_reported_for_another_environment(stormkit, github, step):
    stormkit.add_environment("306", name="docs")
    stormkit.next_build(seconds=0.3)
    stormkit.next_build(seconds=60)
    stormkit.preview(500)
    stormkit.fault("stop", "503", times=100)
    runner = step(
        api_key="SK_user",
        environments="website: 305\ndocs: 306",
        health_check="/",
        health_check_timeout="1s",
        timeout="4s",
        on_timeout="stop",
    )
    finished = runner.run()
    assert sorted(row["status"] for row in json.loads(finished.outputs["result"])["deployments"]) == [
        "failed",
        "timed-out",
    ]
    stormkit.clear_faults()
    after = runner.post(state=finished.state)
    assert after.exit_code == 0, after.log
    [comment] = github.state.comments()
    assert sorted(row.state for row in read_rows(comment.body)) == [State.FAILED, State.TIMED_OUT]


def test_the_post_step_keeps_the_failure_of_a_trigger_that_was_refused(stormkit, github, step):
    stormkit.fault("trigger", "403")
    github.fault(".*", "never-arrived", times=100, seconds=30)
    runner = step()
    running = runner.start()
    until(lambda: github.requests)
    running.send_signal(signal.SIGINT)
    finished = running.wait(10)
    assert (finished.exit_code, finished.outputs["status"]) == (1, "failed")
    assert finished.state["finished"] == ""
    github.clear_faults()
    assert runner.post(state=finished.state).exit_code == 0
    [comment] = github.state.comments()
    [row] = read_rows(comment.body)
    assert row.state == State.FAILED
    assert row.reason.startswith("Stormkit refused the API key (403)")


def test_the_post_step_stops_a_killed_restart_of_another_branch_s_deployment(stormkit, step):
    other = stormkit.add_deployment("docs/typo", status="failed")
    stormkit.next_build(seconds=60)
    runner = step(command="restart", deployment_id=other.id, comment="false")
    running = runner.start()
    until(lambda: stormkit.deployment(other.id).status == "running")
    assert any("running" in line for line in running.lines())
    running.send_signal(signal.SIGKILL)
    finished = running.wait(10)
    after = runner.post(state=finished.state)
    assert after.exit_code == 0, after.log
    assert f"deployment {other.id} was stopped" in after.log
