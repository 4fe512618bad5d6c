"""What a whole step does on GitHub: requests, comment and GitHub Deployments, also after a cancel or a kill."""

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


def deployment_states(github):
    return [deployment.state for deployment in github.state.deployments]


def row_states(github):
    [comment] = github.state.comments()
    return [row.state for row in read_rows(comment.body)]


def until(condition):
    """Wait for something that happens in another process, for 20 seconds at most."""
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end, "the condition was not met within 20 seconds"
        time.sleep(0.01)


def wait_until_reported(step, github):
    """Wait until comment and GitHub Deployment show the running build, and return the step."""
    until(lambda: github.state.comments() and deployment_states(github))
    assert row_states(github) == [State.BUILDING]
    return step


def test_a_first_deploy_with_a_longer_build_sends_at_most_eight_requests_to_github(stormkit, github, step):
    stormkit.next_build(seconds=2.5)
    finished = step().run()
    assert finished.exit_code == 0
    assert len(github.requests) <= 8
    assert row_states(github) == [State.READY]
    [deployment] = github.state.deployments
    assert [status.state for status in deployment.statuses] == ["success"]
    assert deployment.statuses[-1].environment_url == finished.outputs["preview-url"]
    assert finished.outputs["github-deployment-id"] == str(deployment.id)
    assert json.loads(finished.outputs["result"])["deployments"][0]["github-deployment-id"] == str(deployment.id)
    assert finished.outputs["comment-url"].endswith(str(github.state.comments()[0].id))


@pytest.mark.parametrize("before", ["success", "failed"])
def test_a_later_deploy_sends_at_most_nine_requests_to_github(stormkit, github, step, before):
    step(env={"GITHUB_RUN_ID": "101"}).run()
    stormkit.next_build(seconds=0.3, outcome=before)
    step(env={"GITHUB_RUN_ID": "102"}).run()
    github.requests.clear()
    stormkit.next_build(seconds=2.5)
    assert step(env={"GITHUB_RUN_ID": "103"}).run().exit_code == 0
    assert len(github.requests) <= 9
    assert row_states(github) == [State.READY]
    assert [state for state in deployment_states(github) if state == "success"] == ["success"]


def test_comment_and_deployments_follow_a_pull_request_until_it_closes(stormkit, github, step):
    for run, outcome in enumerate(("success", "failed", "success"), start=1):
        stormkit.next_build(seconds=0.3, outcome=outcome)
        step(env={"GITHUB_RUN_ID": str(100 + run)}).run()
    assert deployment_states(github) == ["inactive", "failure", "success"]
    assert row_states(github) == [State.READY]
    closed = step("pull_request_closed", env={"GITHUB_RUN_ID": "200"}).run()
    assert closed.exit_code == 0
    assert deployment_states(github) == ["inactive", "failure", "inactive"]
    assert row_states(github) == [State.REMOVED]


def test_a_wrong_api_key_changes_no_row_of_the_environment_that_it_belongs_to(stormkit, github, step):
    stormkit.add_environment("306", name="docs")
    assert step(env={"GITHUB_RUN_ID": "101"}).run().exit_code == 0
    wrong = step(env_id="306", env={"GITHUB_RUN_ID": "102"}).run()
    assert (wrong.exit_code, wrong.outputs["status"]) == (1, "failed")
    [comment] = github.state.comments()
    shown = [(row.label, row.env_id, row.state) for row in read_rows(comment.body)]
    assert shown == [("Environment 306", "306", State.FAILED), ("hello-world / production", "305", State.READY)]
    right = step(env_id="306", api_key="SK_user", env={"GITHUB_RUN_ID": "103"}).run()
    assert right.exit_code == 0
    [comment] = github.state.comments()
    shown = [(row.label, row.env_id, row.state) for row in read_rows(comment.body)]
    assert shown == [("hello-world / docs", "306", State.READY), ("hello-world / production", "305", State.READY)]


@pytest.mark.parametrize("signal_number", [signal.SIGINT, signal.SIGTERM])
def test_a_cancelled_step_is_shown_as_cancelled_within_six_seconds(stormkit, github, step, signal_number):
    stormkit.next_build(seconds=30)
    github.latency = 0.2
    runner = step()
    running = wait_until_reported(runner.start(), github)
    began = time.monotonic()
    running.send_signal(signal_number)
    finished = running.wait(10)
    assert time.monotonic() - began < 6
    assert (finished.exit_code, finished.outputs["status"]) == (130, "cancelled")
    assert finished.outputs["preview-url"] == "", "a stopped build has no preview"
    assert deployment_states(github) == ["inactive"]
    assert row_states(github) == [State.CANCELLED]
    assert finished.state["finished"] == "true"


def test_a_cancel_ends_in_time_if_github_hangs_and_the_post_step_finishes_it(stormkit, github, step):
    stormkit.next_build(seconds=30)
    runner = step()
    running = wait_until_reported(runner.start(), github)
    github.fault(".*", "never-arrived", times=50, seconds=30)
    began = time.monotonic()
    finished = running.cancel()
    assert time.monotonic() - began < 6
    assert (finished.exit_code, finished.outputs["status"]) == (130, "cancelled")
    assert finished.state["finished"] == ""
    github.clear_faults()
    after = runner.post(state=finished.state)
    assert after.exit_code == 0
    assert deployment_states(github) == ["inactive"]
    assert row_states(github) == [State.CANCELLED]


def test_the_post_step_restores_a_row_that_another_cancelled_job_overwrote(stormkit, github, step):
    stormkit.next_build(seconds=30)
    runner = step(env={"GITHUB_RUN_ID": "77"})
    running = wait_until_reported(runner.start(), github)
    [comment] = github.state.comments()
    [mine] = read_rows(comment.body)
    twin = mine._replace(label="another job", deployment_id="9000")
    stale = replace(comment.history[-1], body=render([mine, twin], "stormkit"))
    comment.history.append(stale)
    github.latency = 0.3
    finished = running.cancel()
    assert finished.state["finished"] == "", "the step had no time to read the comment back"
    comment.history.append(stale)
    assert runner.post(state=finished.state).exit_code == 0
    assert {row.label: row.state for row in read_rows(comment.body)} == {
        mine.label: State.CANCELLED,
        "another job": State.BUILDING,
    }


def test_the_post_step_finishes_a_killed_step(stormkit, github, step):
    stormkit.next_build(seconds=30)
    runner = step()
    running = wait_until_reported(runner.start(), github)
    os.kill(running.pid, signal.SIGKILL)
    state = running.wait(10).state
    for _ in range(2):
        finished = runner.post(state=state)
        assert finished.exit_code == 0
        assert deployment_states(github) == ["inactive"]
        assert row_states(github) == [State.CANCELLED]
    assert [deployment.status for deployment in stormkit.deployments] != ["running"]


@pytest.mark.threat("A hostile pull request")
def test_a_forged_state_makes_the_post_step_stop_nothing(stormkit, github, step):
    """An earlier step of the job can set STATE_started if ours was killed before it did."""
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


def test_missing_permissions_are_named_in_the_log_and_fail_nothing(github, step):
    github.state.tokens["ghs_sandbox"].permissions = {"contents": "read", "metadata": "read"}
    finished = step().run()
    assert finished.exit_code == 0
    assert finished.annotated(Level.WARNING) == []
    assert "permissions: { pull-requests: write }" in finished.log
    assert "permissions: { deployments: write }" in finished.log
    assert (finished.outputs["comment-url"], finished.outputs["github-deployment-id"]) == ("", "")


def test_a_missing_permission_for_a_requested_feature_is_a_warning(github, step):
    github.state.tokens["ghs_sandbox"].permissions = {"contents": "read", "metadata": "read"}
    finished = step(github_deployment="true", comment="false").run()
    assert finished.exit_code == 0
    [warning] = finished.annotated(Level.WARNING)
    assert "permissions: { deployments: write }" in warning


def test_without_a_token_nothing_is_sent_and_the_log_says_so(github, step):
    finished = step(github_token="").run()
    assert finished.exit_code == 0
    assert "No github-token" in finished.log
    assert github.requests == []


def test_github_enterprise_server_gets_comment_and_deployment(stormkit, github, step):
    runner = step(env={"GITHUB_API_URL": f"{github.url}{ENTERPRISE}"})
    finished = runner.run()
    assert row_states(github) == [State.READY]
    assert deployment_states(github) == ["success"]
    assert finished.outputs["comment-url"].startswith(f"{github.url}/octocat/hello-world/pull/42")


@pytest.mark.parametrize(
    "event", ["push_branch", "workflow_dispatch", "workflow_run_completed", "issue_comment_created"]
)
def test_events_without_a_pull_request_in_them_find_theirs(stormkit, github, step, event):
    github.state.add_pull_request(43, "main", events.BASE_SHA)
    finished = step(events.load(event), event_name=event).run()
    assert finished.exit_code == 0
    [comment] = github.state.repository().comments
    pull_request = github.state.repository().pull_requests[comment.number]
    assert finished.outputs["branch"] == pull_request.head_ref
    assert finished.outputs["comment-url"].endswith(str(comment.id))
    assert len(github.state.deployments) == 1


def test_a_workflow_run_comments_on_the_pull_request_whose_head_it_built(stormkit, github, step):
    payload = events.load("workflow_run_completed")
    payload["workflow_run"]["pull_requests"] = []
    github.state.add_pull_request(41, "older", HEAD_SHA, state="closed")
    assert step(payload, event_name="workflow_run").run().exit_code == 0
    assert [comment.number for comment in github.state.repository().comments] == [42]


def test_a_push_without_a_pull_request_is_no_warning(github, step):
    github.state.repository().pull_requests.clear()
    finished = step("push_branch").run()
    assert finished.exit_code == 0
    assert "There is no open pull request" in finished.log
    assert finished.annotated(Level.WARNING) == []


def test_a_comment_on_a_pull_request_of_a_deleted_fork_deploys_nothing(stormkit, github, step):
    github.state.add_pull_request(head_repo=None)
    finished = step("issue_comment_created").run()
    assert (finished.exit_code, finished.outputs["status"]) == (0, "skipped")
    assert stormkit.builds == 0


def test_check_reports_what_the_token_may_do(github, step):
    allowed = step(command="check").run()
    assert "✓ The token may create GitHub Deployments." in allowed.log
    github.state.tokens["ghs_sandbox"].permissions = {"contents": "read", "pull_requests": "write"}
    assert step(command="check").run().exit_code == 0
    refused = step(command="check", github_deployment="true").run()
    assert (refused.exit_code, refused.outputs["status"]) == (0, "success"), "a deploy would warn, too"
    [warning] = refused.annotated(Level.WARNING)
    assert "deployments: write" in warning
    assert github.state.deployments == []


def test_check_looks_up_branch_and_token_once_for_all_environments(stormkit, github, step):
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


def test_jobs_of_a_matrix_share_one_comment(stormkit, github, step):
    github.latency, github.jitter = 0.05, 0.1
    env_ids = [str(env_id) for env_id in range(306, 310)]
    for env_id in env_ids:
        stormkit.add_environment(env_id, name=f"site {env_id}")
    jobs = [step(api_key="SK_user", env_id=env_id, label=f"site {env_id}").start() for env_id in env_ids]
    finished = [job.wait(60) for job in jobs]
    assert [job.exit_code for job in finished] == [0] * len(jobs)
    [comment] = github.state.comments()
    assert {row.label: row.state for row in read_rows(comment.body)} == {
        f"site {env_id}": State.READY for env_id in env_ids
    }
    assert deployment_states(github) == ["success"] * len(jobs)
    assert {job.outputs["comment-url"].rpartition("-")[2] for job in finished} == {str(comment.id)}


@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        ({"command": "restart", "deployment_id": "8241"}, "restarts only failed or stopped builds"),
        ({"command": "restart", "deployment_id": "9999"}, "no deployment 9999"),
        ({"command": "publish", "deployment_id": "9999"}, "no deployment 9999"),
        ({"command": "restart"}, "has no failed deployment"),
    ],
    ids=["restart a success", "restart an unknown id", "publish an unknown id", "restart without a failure"],
)
def test_a_refused_command_leaves_comment_and_deployment_unchanged(stormkit, github, step, inputs, words):
    step().run()
    (before,), (deployed,) = github.state.comments(), github.state.deployments
    body, statuses = before.body, list(deployed.statuses)
    finished = step(**inputs).run()
    assert finished.exit_code == 1
    assert words in finished.annotated("error")[0]
    assert finished.problems == []
    (after,), (still,) = github.state.comments(), github.state.deployments
    assert (after.body, still.statuses) == (body, statuses)


@pytest.mark.parametrize("stage", ["checking its health", "reporting"])
def test_a_build_that_succeeded_before_the_cancel_is_offered_until_a_newer_one_succeeds(stormkit, github, step, stage):
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
    assert deployment_states(github) == ["success"]
    stormkit.next_build(seconds=0.3, outcome="failed")
    step(env={"GITHUB_RUN_ID": "9000000001"}).run()
    [row] = read_rows(github.state.comments()[0].body)
    assert (row.state, row.good_id, row.good_url) == (State.FAILED, "8241", cancelled.outputs["preview-url"])
    assert "Last good preview" in github.state.comments()[0].body
    assert deployment_states(github) == ["success", "failure"]
    step(env={"GITHUB_RUN_ID": "9000000002"}).run()
    assert row_states(github) == [State.READY]
    assert deployment_states(github) == ["inactive", "failure", "success"]


@pytest.mark.parametrize("seconds", [0.0, 1.0])
@pytest.mark.parametrize("key", KEYS.values(), ids=KEYS)
def test_a_retried_build_gets_its_own_github_deployment(stormkit, github, step, key, seconds):
    stormkit.default_build = Build(seconds=seconds)
    stormkit.next_build(outcome="failed")
    finished = step(retries="1", **{name.replace("-", "_"): value for name, value in key.items()}).run()
    assert finished.exit_code == 0, finished.log
    state_by_id = {deployment.payload["deployment-id"]: deployment.state for deployment in github.state.deployments}
    assert state_by_id.pop("8242") == "success"
    # The first build may have ended before its GitHub Deployment was created.
    assert state_by_id in ({}, {"8241": "failure"})
