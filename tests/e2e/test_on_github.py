"""What is seen on GitHub of a whole step: what it costs, and what a cancel, a kill or a missing permission leaves."""

import json
import os
import signal
import time
from dataclasses import replace

import pytest

from sandbox import events
from sandbox.events import HEAD_BRANCH, HEAD_SHA
from sandbox.github.server import ENTERPRISE
from sandbox.runner.log import Level
from sandbox.stormkit.server import Build
from stormkit_action.reporting.comment_body import read_rows, render
from stormkit_action.reporting.rows import State
from tests.e2e.conftest import KEYS


def states(github):
    return [each.state for each in github.state.deployments]


def rows(github):
    [comment] = github.state.comments()
    return [row.state for row in read_rows(comment.body)]


def until(condition):
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end, "it never came to that"
        time.sleep(0.01)


def building(step, github):
    """Wait until the step has reported everything there is to report of a build under way."""
    end = time.monotonic() + 20
    while time.monotonic() < end and not (github.state.comments() and states(github)):
        time.sleep(0.02)
    assert rows(github) == [State.BUILDING]
    return step


def test_a_plain_deploy_asks_github_eight_times(stormkit, github, step):
    stormkit.next_build(seconds=2.5)
    finished = step().run()
    assert finished.exit_code == 0
    assert len(github.requests) <= 8
    assert rows(github) == [State.READY]
    [deployment] = github.state.deployments
    assert [each.state for each in deployment.statuses] == ["success"]
    assert deployment.statuses[-1].environment_url == finished.outputs["preview-url"]
    assert finished.outputs["github-deployment-id"] == str(deployment.id)
    assert json.loads(finished.outputs["result"])["deployments"][0]["github-deployment-id"] == str(deployment.id)
    assert finished.outputs["comment-url"].endswith(str(github.state.comments()[0].id))


@pytest.mark.parametrize("before", ["success", "failed"])
def test_a_later_deploy_asks_github_nine_times(stormkit, github, step, before):
    step(env={"GITHUB_RUN_ID": "101"}).run()
    stormkit.next_build(seconds=0.3, outcome=before)
    step(env={"GITHUB_RUN_ID": "102"}).run()
    github.requests.clear()
    stormkit.next_build(seconds=2.5)
    assert step(env={"GITHUB_RUN_ID": "103"}).run().exit_code == 0
    assert len(github.requests) <= 9
    assert rows(github) == [State.READY]
    assert [state for state in states(github) if state == "success"] == ["success"]


def test_a_pull_request_from_its_first_push_to_its_end(stormkit, github, step):
    for run, outcome in enumerate(("success", "failed", "success"), start=1):
        stormkit.next_build(seconds=0.3, outcome=outcome)
        step(env={"GITHUB_RUN_ID": str(100 + run)}).run()
    assert states(github) == ["inactive", "failure", "success"]
    assert rows(github) == [State.READY]
    closed = step("pull_request_closed", env={"GITHUB_RUN_ID": "200"}).run()
    assert closed.exit_code == 0
    assert states(github) == ["inactive", "failure", "inactive"]
    assert rows(github) == [State.REMOVED]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_cancelled_step_says_so_in_time(stormkit, github, step, number):
    stormkit.next_build(seconds=30)
    github.latency = 0.2
    runner = step()
    running = building(runner.start(), github)
    began = time.monotonic()
    running.send_signal(number)
    finished = running.wait(10)
    assert time.monotonic() - began < 6
    assert (finished.exit_code, finished.outputs["status"]) == (130, "cancelled")
    assert finished.outputs["preview-url"] == "", "a stopped build is never to be seen"
    assert states(github) == ["inactive"]
    assert rows(github) == [State.CANCELLED]
    assert finished.state["finished"] == "true"


def test_a_cancel_ends_in_time_although_github_hangs_and_is_finished_after_the_job(stormkit, github, step):
    stormkit.next_build(seconds=30)
    runner = step()
    running = building(runner.start(), github)
    github.fault(".*", "never-arrived", times=50, seconds=30)
    began = time.monotonic()
    finished = running.cancel()
    assert time.monotonic() - began < 6
    assert (finished.exit_code, finished.outputs["status"]) == (130, "cancelled")
    assert finished.state["finished"] == ""
    github.clear_faults()
    after = runner.post(state=finished.state)
    assert after.exit_code == 0
    assert states(github) == ["inactive"]
    assert rows(github) == [State.CANCELLED]


def test_a_row_that_another_cancelled_job_overwrote_is_put_back_after_the_job(stormkit, github, step):
    stormkit.next_build(seconds=30)
    runner = step(env={"GITHUB_RUN_ID": "77"})
    running = building(runner.start(), github)
    [comment] = github.state.comments()
    [mine] = read_rows(comment.body)
    twin = mine._replace(label="another job", deployment_id="9000")
    stale = replace(comment.history[-1], body=render([mine, twin], "stormkit"))
    comment.history.append(stale)
    github.latency = 0.3
    finished = running.cancel()
    assert finished.state["finished"] == "", "there was no time to make sure"
    comment.history.append(stale)
    assert runner.post(state=finished.state).exit_code == 0
    assert {row.label: row.state for row in read_rows(comment.body)} == {
        mine.label: State.CANCELLED,
        "another job": State.BUILDING,
    }


def test_a_killed_step_is_finished_after_the_job(stormkit, github, step):
    stormkit.next_build(seconds=30)
    runner = step()
    running = building(runner.start(), github)
    os.kill(running.pid, signal.SIGKILL)
    state = running.wait(10).state
    for _ in range(2):
        finished = runner.post(state=state)
        assert finished.exit_code == 0
        assert states(github) == ["inactive"]
        assert rows(github) == [State.CANCELLED]
    assert [each.status for each in stormkit.deployments] != ["running"]


@pytest.mark.threat("A hostile pull request")
def test_a_state_that_is_not_the_step_s_stops_nothing(stormkit, github, step):
    """An earlier step of the job can set STATE_started where ours was killed before it did."""
    running = stormkit.add_deployment(branch=HEAD_BRANCH, status="running")
    good = {"env-id": "", "deployment-id": running.id, "branch": HEAD_BRANCH, "sent-at": 1}
    forged = [
        7,
        {},
        {**good, "branch": "main"},
        {**good, "branch": None},
        {**good, "env-id": "306"},
        {**good, "deployment-id": "../deploy"},
        {**good, "sent-at": 10**400},
        {**good, "sent-at": -1},
        {**good, "sent-at": True},
    ]
    runner = step()
    for text in ("{", "{}", "[" * 10_000, json.dumps(forged)):
        finished = runner.post(state={"started": text})
        assert (finished.exit_code, stormkit.requests, github.requests) == (0, [], []), finished.log
    runner.post(state={"started": json.dumps([good])})
    assert stormkit.received("POST", f"/v1/deployments/{running.id}/stop")


def test_missing_permissions_fail_nothing_and_are_named(github, step):
    github.state.tokens["ghs_sandbox"].permissions = {"contents": "read", "metadata": "read"}
    finished = step().run()
    assert finished.exit_code == 0
    assert finished.annotated(Level.WARNING) == []
    assert "permissions: { pull-requests: write }" in finished.log
    assert "permissions: { deployments: write }" in finished.log
    assert (finished.outputs["comment-url"], finished.outputs["github-deployment-id"]) == ("", "")


def test_what_is_asked_for_and_not_allowed_is_a_warning(github, step):
    github.state.tokens["ghs_sandbox"].permissions = {"contents": "read", "metadata": "read"}
    finished = step(github_deployment="true", comment="false").run()
    assert finished.exit_code == 0
    [warning] = finished.annotated(Level.WARNING)
    assert "permissions: { deployments: write }" in warning


def test_without_a_token_the_log_says_what_was_not_possible(github, step):
    finished = step(github_token="").run()
    assert finished.exit_code == 0
    assert "No github-token" in finished.log
    assert github.requests == []


def test_enterprise_server(stormkit, github, step):
    runner = step(env={"GITHUB_API_URL": f"{github.url}{ENTERPRISE}"})
    finished = runner.run()
    assert rows(github) == [State.READY]
    assert states(github) == ["success"]
    assert finished.outputs["comment-url"].startswith(f"{github.url}/octocat/hello-world/pull/42")


@pytest.mark.parametrize(
    "event", ["push_branch", "workflow_dispatch", "workflow_run_completed", "issue_comment_created"]
)
def test_events_find_their_pull_request(stormkit, github, step, event):
    github.state.add_pull_request(43, "main", events.BASE_SHA)
    finished = step(events.load(event), event_name=event).run()
    assert finished.exit_code == 0
    [comment] = github.state.repository().comments
    pull_request = github.state.repository().pull_requests[comment.number]
    assert finished.outputs["branch"] == pull_request.head_ref
    assert finished.outputs["comment-url"].endswith(str(comment.id))
    assert len(github.state.deployments) == 1


def test_a_workflow_run_finds_the_pull_request_whose_head_it_is(stormkit, github, step):
    payload = events.load("workflow_run_completed")
    payload["workflow_run"]["pull_requests"] = []
    github.state.add_pull_request(41, "older", HEAD_SHA, state="closed")
    assert step(payload, event_name="workflow_run").run().exit_code == 0
    assert [each.number for each in github.state.repository().comments] == [42]


def test_a_push_without_a_pull_request_says_so_in_one_line(github, step):
    github.state.repository().pull_requests.clear()
    finished = step("push_branch").run()
    assert finished.exit_code == 0
    assert "There is no open pull request" in finished.log
    assert finished.annotated(Level.WARNING) == []


def test_the_pull_request_of_a_comment_whose_fork_is_gone_is_not_deployed(stormkit, github, step):
    github.state.add_pull_request(head_repo=None)
    finished = step("issue_comment_created").run()
    assert (finished.exit_code, finished.outputs["status"]) == (0, "skipped")
    assert stormkit.builds == 0


def test_check_finds_out_what_the_token_may_do(github, step):
    allowed = step(command="check").run()
    assert "✓ The token may create GitHub Deployments." in allowed.log
    github.state.tokens["ghs_sandbox"].permissions = {"contents": "read", "pull_requests": "write"}
    assert step(command="check").run().exit_code == 0
    refused = step(command="check", github_deployment="true").run()
    assert (refused.exit_code, refused.outputs["status"]) == (0, "success"), "a deploy would warn, too"
    [warning] = refused.annotated(Level.WARNING)
    assert "deployments: write" in warning
    assert github.state.deployments == []


def test_check_asks_about_branch_and_token_once_for_all_environments(stormkit, github, step):
    stormkit.add_environment("306", name="docs")
    for env_id in ("305", "306"):
        stormkit.add_deployment(env_id=env_id)
    one = step(command="check", api_key="SK_user", environments="web: 305").run()
    asked = len(github.requests)
    both = step(command="check", api_key="SK_user", environments="web: 305\ndocs: 306").run()
    assert (one.exit_code, both.exit_code) == (0, 0)
    assert len(github.requests) == 2 * asked
    assert "✓ Environment: web." in both.log
    assert "✓ Environment: docs." in both.log


def test_the_jobs_of_a_matrix_share_one_comment(stormkit, github, step):
    github.latency, github.jitter = 0.05, 0.1
    numbers = [str(number) for number in range(306, 310)]
    for number in numbers:
        stormkit.add_environment(number, name=f"site {number}")
    jobs = [step(api_key="SK_user", env_id=number, label=f"site {number}").start() for number in numbers]
    finished = [job.wait(60) for job in jobs]
    assert [each.exit_code for each in finished] == [0] * len(jobs)
    [comment] = github.state.comments()
    assert {row.label: row.state for row in read_rows(comment.body)} == {
        f"site {number}": State.READY for number in numbers
    }
    assert states(github) == ["success"] * len(jobs)
    assert {each.outputs["comment-url"].rpartition("-")[2] for each in finished} == {str(comment.id)}


@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        ({"command": "restart", "deployment_id": "8241"}, "restarts only failed or stopped builds"),
        ({"command": "restart", "deployment_id": "9999"}, "no deployment 9999"),
        ({"command": "publish", "deployment_id": "9999"}, "no deployment 9999"),
        ({"command": "restart"}, "has no failed deployment"),
    ],
)
def test_a_command_that_is_refused_leaves_what_is_shown_as_it_is(stormkit, github, step, inputs, words):
    step().run()
    (before,), (deployed,) = github.state.comments(), github.state.deployments
    body, states = before.body, list(deployed.statuses)
    finished = step(**inputs).run()
    assert finished.exit_code == 1
    assert words in finished.annotated("error")[0]
    assert finished.problems == []
    (after,), (still,) = github.state.comments(), github.state.deployments
    assert (after.body, still.statuses) == (body, states)


@pytest.mark.parametrize("stage", ["checking its health", "reporting"])
def test_a_build_that_had_succeeded_when_the_job_was_cancelled_is_offered_until_a_newer_one_is(
    stormkit, github, step, stage
):
    if stage == "reporting":
        github.fault("PATCH", "never-arrived", seconds=30)
        running = step().start()
        until(lambda: github.received("PATCH"))
    else:
        stormkit.preview(delay=30)
        running = step(health_check="/healthz").start()
        until(lambda: stormkit.received("GET", "/healthz"))
    running.send_signal(signal.SIGINT)
    cancelled = running.wait(10)
    assert (cancelled.exit_code, cancelled.outputs["status"]) == (130, "cancelled")
    [row] = read_rows(github.state.comments()[0].body)
    assert (row.state, row.good_id) == (State.READY, "8241")
    assert "The job was cancelled" in github.state.comments()[0].body
    assert states(github) == ["success"]
    stormkit.next_build(seconds=0.3, outcome="failed")
    step(env={"GITHUB_RUN_ID": "9000000001"}).run()
    [row] = read_rows(github.state.comments()[0].body)
    assert (row.state, row.good_id, row.good_url) == (State.FAILED, "8241", cancelled.outputs["preview-url"])
    assert "Last good preview" in github.state.comments()[0].body
    assert states(github) == ["success", "failure"]
    step(env={"GITHUB_RUN_ID": "9000000002"}).run()
    assert rows(github) == [State.READY]
    assert states(github) == ["inactive", "failure", "success"]


@pytest.mark.parametrize("seconds", [0.0, 1.0])
@pytest.mark.parametrize("key", KEYS.values(), ids=KEYS)
def test_a_build_that_is_tried_again_has_a_github_deployment_of_its_own(stormkit, github, step, key, seconds):
    stormkit.default_build = Build(seconds=seconds)
    stormkit.next_build(outcome="failed")
    finished = step(retries="1", **{name.replace("-", "_"): value for name, value in key.items()}).run()
    assert finished.exit_code == 0, finished.log
    states = {each.payload["deployment-id"]: each.state for each in github.state.deployments}
    assert states.pop("8242") == "success"
    # The first one's may not have been created before its build ended.
    assert states in ({}, {"8241": "failure"})
