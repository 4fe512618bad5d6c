"""`deploy`, the action's main job, as its users see it: requests, outputs, comment, summary, log, exit code."""

import json

import pytest

from sandbox.events import HEAD_BRANCH, HEAD_SHA
from sandbox.stormkit.server import Generation, Step
from stormkit_action.reporting.outputs import OUTPUTS
from tests.e2e.conftest import KEYS

BOTH = pytest.mark.parametrize("stormkit", list(Generation), indirect=True)


def triggers(stormkit):
    return [request.body for request in stormkit.received("POST", "/v1/deploy")]


def assert_sound(finished):
    """What holds in every ending."""
    assert set(finished.outputs) == set(OUTPUTS)
    assert finished.problems == []
    assert finished.masked_outputs == []
    assert "Traceback" not in finished.log
    document = json.loads(finished.outputs["result"])
    assert document["status"] == finished.outputs["status"]
    assert document["reason"] == finished.outputs["reason"]


@BOTH
@pytest.mark.parametrize("key", KEYS)
def test_a_pull_request_gets_its_preview(stormkit, github, step, key):
    inputs = {name.replace("-", "_"): value for name, value in KEYS[key].items()}
    finished = step(dashboard_url="https://app.stormkit.io", **inputs).run()
    assert_sound(finished)
    assert finished.exit_code == 0, finished.log
    (deployment,) = stormkit.deployments
    env = {"envId": "305"} if key == "user key" else {}
    assert triggers(stormkit) == [{"branch": HEAD_BRANCH, "publish": False, **env}]
    assert [request.path for request in stormkit.received("POST")] == ["/v1/deploy"]
    (comment,) = github.state.comments()
    (written,) = github.state.deployments
    result = finished.outputs.pop("result")
    assert finished.outputs == {
        "status": "success",
        "reason": "",
        "deployment-id": deployment.id,
        "branch": HEAD_BRANCH,
        "commit-sha": HEAD_SHA,
        "duration": finished.outputs["duration"],
        "commit-matches": "true",
        "preview-url": f"{stormkit.url}/preview/{deployment.id}/",
        "details-url": f"https://app.stormkit.io/apps/1510/environments/305/deployments/{deployment.id}",
        "published": "false",
        "deleted": "0",
        "comment-url": f"https://github.com/octocat/hello-world/pull/42#issuecomment-{comment.id}",
        "github-deployment-id": str(written.id),
    }
    (entry,) = json.loads(result)["deployments"]
    assert (entry["name"], entry["env-id"], entry["commit-matches"]) == ("hello-world / production", "305", True)
    assert f'href="{stormkit.url}/preview/{deployment.id}/"' in comment.body
    assert f'href="{stormkit.url}/preview/{deployment.id}/"' in finished.summary
    assert "Ready" in comment.body
    assert (written.state, written.sha) == ("success", HEAD_SHA)


@BOTH
def test_a_failed_build_is_explained_where_one_looks(stormkit, github, step):
    stormkit.next_build(seconds=0.3, outcome="failed")
    finished = step().run()
    assert_sound(finished)
    assert finished.exit_code == 1
    assert finished.outputs["status"] == "failed"
    assert "npm run build" in finished.outputs["reason"]
    assert finished.outputs["preview-url"] == ""
    (error,) = finished.annotated("error")
    assert "exit status 2" in error
    (comment,) = github.state.comments()
    for place in (comment.body, finished.summary):
        assert "exit status 2" in place
        assert "<details" in place
    assert github.state.deployments[0].state == "failure"


def test_any_number_of_runs_write_one_comment(stormkit, github, step):
    github.state.add_comment(login="octocat", body="<!-- stormkit-action comment stormkit -->\nI copied the marker.")
    for _ in range(40):
        github.state.add_comment(login="monalisa", body="chatter")
    for outcome in ("success", "failed", "success"):
        stormkit.next_build(seconds=0.1, outcome=outcome)
        assert_sound(step("pull_request_synchronize").run())
    ours = [comment for comment in github.state.comments() if comment.login == "github-actions[bot]"]
    assert len(ours) == 1
    assert github.state.comments()[0].body.endswith("I copied the marker.")
    assert "Ready" in ours[0].body


@pytest.mark.threat("A hostile pull request")
def test_a_build_of_another_commit_is_reported_as_what_it_is(stormkit, step):
    stormkit.push(HEAD_BRANCH, "a" * 40)
    finished = step(publish="true").run()
    assert_sound(finished)
    assert finished.exit_code == 0
    assert finished.outputs["commit-matches"] == "false"
    assert finished.outputs["commit-sha"] == "a" * 40
    assert finished.outputs["published"] == "false"
    assert finished.outputs["reason"].startswith("Not published")
    assert stormkit.received("POST", "/publish") == []
    assert any("not the expected" in warning for warning in finished.annotated("warning"))


def test_without_waiting_it_reports_running(stormkit, github, step):
    finished = step(wait="false").run()
    assert_sound(finished)
    assert (finished.exit_code, finished.outputs["status"]) == (0, "running")
    assert finished.outputs["deployment-id"] == stormkit.deployments[0].id
    assert "Building" in github.state.comments()[0].body


@pytest.mark.parametrize(("on_timeout", "status"), [("leave", "running"), ("stop", "failed")])
def test_the_time_is_over(stormkit, step, on_timeout, status):
    stormkit.next_build(seconds=60)
    finished = step(timeout="1s", on_timeout=on_timeout).run()
    assert_sound(finished)
    assert (finished.exit_code, finished.outputs["status"]) == (1, "timed-out")
    assert "Ran out of time" in finished.outputs["reason"]
    assert stormkit.deployments[0].status == status


def test_a_published_deployment_is_read_back(stormkit, step):
    finished = step(publish="true", health_check="/", retries="1").run()
    assert_sound(finished)
    assert (finished.exit_code, finished.outputs["published"]) == (0, "true")
    assert stormkit.live() == finished.outputs["deployment-id"]


def test_the_wall_time_of_several_environments_is_the_slowest_one_s(stormkit, github, step):
    stormkit.add_environment("306", name="docs")
    stormkit.add_environment("307", name="admin")
    stormkit.default_build = stormkit.default_build.__class__(seconds=1.0)
    stormkit.fault("trigger", "403", after=2)
    finished = step(api_key="SK_user", environments="web: 305\ndocs: 306\nadmin: 307").run()
    assert_sound(finished)
    assert finished.exit_code == 1
    result = json.loads(finished.outputs["result"])["deployments"]
    assert [row["name"] for row in result] == ["web", "docs", "admin"]
    assert sorted(row["status"] for row in result) == ["failed", "success", "success"]
    (failed,) = [row for row in result if row["status"] == "failed"]
    assert finished.outputs["reason"] == failed["reason"]
    body = github.state.comments()[0].body
    assert all(f"<b>{name}</b>" in body for name in ("web", "docs", "admin"))
    assert len(github.state.deployments) >= 2


def test_a_missing_permission_is_one_warning_and_no_failure(stormkit, github, step):
    github.state.add_token("ghs_sandbox", permissions={"contents": "read"})
    finished = step(comment="true", github_deployment="true").run()
    assert_sound(finished)
    assert finished.exit_code == 0
    warnings = finished.annotated("warning")
    assert len([warning for warning in warnings if "pull-requests: write" in warning]) == 1
    assert len([warning for warning in warnings if "deployments: write" in warning]) == 1
    assert finished.outputs["preview-url"]


def test_a_plain_first_deploy_costs_github_eight_requests_at_most(github, step):
    step().run()
    assert len(github.requests) <= 8


EVENTS = {
    "pull_request_target_opened": (HEAD_BRANCH, HEAD_SHA),
    "push_branch": (HEAD_BRANCH, HEAD_SHA),
    "workflow_dispatch": None,
    "workflow_run_completed": (HEAD_BRANCH, HEAD_SHA),
    "issue_comment_created": (HEAD_BRANCH, HEAD_SHA),
    "merge_group_checks_requested": None,
    "repository_dispatch": None,
    "schedule": None,
}


@pytest.mark.parametrize("event", EVENTS)
def test_every_event_deploys_its_branch(stormkit, step, event):
    runner = step(event)
    environment, _ = runner.prepare()
    ref = runner.payload.get("merge_group", {}).get("head_ref") or environment["GITHUB_REF"]
    branch, sha = EVENTS[event] or (ref.removeprefix("refs/heads/"), environment["GITHUB_SHA"])
    stormkit.push(branch, sha)
    finished = runner.run()
    assert_sound(finished)
    assert finished.exit_code == 0, finished.log
    assert [body["branch"] for body in triggers(stormkit)] == [branch]
    assert finished.outputs["commit-matches"] == "true"


SKIPPED = {
    "pull_request_fork": "fork",
    "pull_request_fork_deleted": "fork",
    "pull_request_target_fork": "fork",
    "workflow_run_fork": "fork",
    "issue_comment_on_issue": "issue",
    "push_branch_deleted": "deleted",
}


@pytest.mark.parametrize("event", SKIPPED)
def test_what_is_not_deployed_ends_neutrally(stormkit, step, event):
    finished = step(event).run()
    assert_sound(finished)
    assert (finished.exit_code, finished.outputs["status"]) == (0, "skipped")
    assert SKIPPED[event] in finished.outputs["reason"]
    assert stormkit.requests == []


def test_a_dependabot_run_without_the_secret_says_where_to_save_it(stormkit, step):
    finished = step("pull_request_dependabot", api_key="").run()
    assert_sound(finished)
    assert (finished.exit_code, finished.outputs["status"]) == (0, "skipped")
    assert "Dependabot secret" in finished.annotated("notice")[0]


def test_a_log_of_megabytes_with_bytes_that_are_no_text(stormkit, github, step):
    noise = b"\xff\xfe line \xc3\x28\n" * 200_000
    stormkit.next_build(seconds=0.2, outcome="failed", steps=[Step(title="make", message=noise, ok=False)])
    finished = step(build_log="never").run()
    assert_sound(finished)
    assert (finished.exit_code, finished.outputs["status"]) == (1, "failed")
    assert len(github.state.comments()[0].body) <= 65_536
    assert len(finished.summary.encode()) <= 1024 * 1024
