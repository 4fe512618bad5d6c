"""A cancel and a kill of a container: the runner signals the Docker client, which forwards it to PID 1."""

import signal
import time

import pytest

from sandbox.runner.container import docker
from stormkit_action.reporting.outputs import OUTPUTS

pytestmark = pytest.mark.docker


@pytest.fixture
def start_step(job, stormkit):
    """Start a step whose build takes longer than any test, and return job and step once the build runs."""

    def start(**options):
        stormkit.next_build(seconds=600)
        runner = job(**options)
        step = runner.start()
        assert any("Started deployment" in line for line in step.lines())
        return runner, step

    return start


def assert_stopped(stormkit):
    assert stormkit.builds == 1
    (deployment,) = stormkit.deployments
    assert deployment.stopped_manually


@pytest.mark.parametrize("signal_number", [signal.SIGINT, signal.SIGTERM])
def test_sigint_and_sigterm_cancel_within_six_seconds(start_step, stormkit, github, signal_number):
    runner, step = start_step()
    finished = cancel_in_time(signal_number, step, runner)
    assert finished.state["finished"] == "true"
    assert_stopped(stormkit)
    (comment,) = github.state.comments()
    assert "ancelled" in comment.body
    assert runner.containers() == []


@pytest.mark.parametrize(
    ("operations", "request_sent"),
    [(["trigger"], ("POST", "/v1/deploy")), (["poll", "read"], ("GET", "/v1/deployments/"))],
    ids=["trigger", "wait"],
)
def test_a_cancel_during_an_unanswered_request_stops_the_build(job, stormkit, operations, request_sent):
    for operation in operations:
        stormkit.fault(operation, "slow", seconds=60)
    stormkit.next_build(seconds=600)
    runner = job()
    step = runner.start()
    until(lambda: stormkit.received(*request_sent))
    cancel_in_time(signal.SIGINT, step, runner)
    assert_stopped(stormkit)


def test_a_cancel_while_publishing_leaves_the_finished_build_alone(job, stormkit):
    stormkit.fault("publish", "slow", seconds=60)
    runner = job(inputs={"publish": "true"})
    step = runner.start()
    until(lambda: stormkit.received("POST", "/publish"))
    cancel_in_time(signal.SIGINT, step, runner)
    (deployment,) = stormkit.deployments
    assert deployment.status == "success"


def cancel_in_time(signal_number, step, runner):
    """Signal the step, check that it ends as cancelled within 6 seconds, and return how it finished."""
    sent = time.monotonic()
    step.send_signal(signal_number)
    finished = step.wait(10)
    assert time.monotonic() - sent < 6
    assert (finished.exit_code, finished.outputs["status"]) == (130, "cancelled"), finished.log
    assert set(finished.outputs) == set(OUTPUTS)
    assert finished.problems == []
    return finished


def until(condition):
    """Wait for something that happens in another process, for ten seconds at most."""
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline, "the condition was not met within ten seconds"
        time.sleep(0.02)


def test_the_runner_s_signal_sequence_ends_the_step_before_its_kill(start_step, stormkit):
    runner, step = start_step()
    finished = step.cancel()
    assert (finished.killed, finished.exit_code) == (False, 130)
    assert_stopped(stormkit)
    requests = len(stormkit.requests)
    after = runner.post(state=finished.state)
    assert (after.exit_code, after.log, len(stormkit.requests)) == (0, "", requests)


def test_after_a_kill_the_post_entrypoint_stops_the_deployment_and_corrects_the_comment(start_step, stormkit, github):
    runner, step = start_step()
    (container,) = runner.containers()
    docker("kill", container)
    killed = step.wait(10)
    assert killed.exit_code == 137
    assert not stormkit.deployments[0].stopped_manually

    after = runner.post(state=killed.state)
    assert after.exit_code == 0, after.log
    assert after.problems == []
    assert_stopped(stormkit)
    (comment,) = github.state.comments()
    assert "ancelled" in comment.body

    stopped, body = stormkit.deployments[0].stopped_at, comment.body
    again = runner.post(state=killed.state)
    assert again.exit_code == 0, again.log
    assert (stormkit.deployments[0].stopped_at, len(github.state.comments())) == (stopped, 1)
    assert "ancelled" in body


def test_a_container_that_outlives_its_client_ends_with_the_post_entrypoint(start_step, stormkit, github):
    runner, step = start_step()
    # The runner's last signal kills the Docker client only, not the container.
    step.send_signal(signal.SIGKILL)
    orphaned = step.wait(10)
    assert len(runner.containers()) == 1
    after = runner.post(state=orphaned.state)
    assert after.exit_code == 0, after.log
    # The container sees that its deployment was stopped, and ends by itself.
    until(lambda: not runner.containers())
    assert_stopped(stormkit)
    assert len(github.state.comments()) == 1


def test_after_a_normal_end_the_post_entrypoint_does_nothing(job, stormkit, github):
    runner = job()
    assert runner.run().exit_code == 0
    requests = len(stormkit.requests) + len(github.requests)
    after = runner.post()
    assert (after.exit_code, after.log, after.outputs, after.summary) == (0, "", {}, "")
    assert len(stormkit.requests) + len(github.requests) == requests
