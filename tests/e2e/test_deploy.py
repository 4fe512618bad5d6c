"""`deploy` as users see it: requests, outputs, comment, summary, log and exit code."""

import json

import pytest

from sandbox.events import HEAD_BRANCH, HEAD_SHA
from sandbox.stormkit.server import Build, Generation, Step
from stormkit_action.reporting.outputs import OUTPUTS
from tests.e2e.conftest import KEYS

EVERY_GENERATION = pytest.mark.parametrize("stormkit", list(Generation), indirect=True)


def trigger_bodies(stormkit):
    return [request.body for request in stormkit.received("POST", "/v1/deploy")]


def assert_sound(finished):
    """Check what holds however a step ends: all outputs are set, and nothing secret or broken is printed."""
    assert set(finished.outputs) == set(OUTPUTS)
    assert finished.problems == []
    assert finished.masked_outputs == []
    assert "Traceback" not in finished.log
    document = json.loads(finished.outputs["result"])
    assert document["status"] == finished.outputs["status"]
    assert document["reason"] == finished.outputs["reason"]


@EVERY_GENERATION
@pytest.mark.parametrize("key", KEYS)
def test_a_pull_request_gets_its_preview(stormkit, github, step, key):
    inputs = {name.replace("-", "_"): value for name, value in KEYS[key].items()}
    finished = step(dashboard_url="https://app.stormkit.io", **inputs).run()
    assert_sound(finished)
    assert finished.exit_code == 0, finished.log
    (deployment,) = stormkit.deployments
    env = {"envId": "305"} if key == "user key" else {}
    assert trigger_bodies(stormkit) == [{"branch": HEAD_BRANCH, "publish": False, **env}]
    assert [request.path for request in stormkit.received("POST")] == ["/v1/deploy"]
    (comment,) = github.state.comments()
    (github_deployment,) = github.state.deployments
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
        "github-deployment-id": str(github_deployment.id),
    }
    (entry,) = json.loads(result)["deployments"]
    assert (entry["name"], entry["env-id"], entry["commit-matches"]) == ("hello-world / production", "305", True)
    assert f'href="{stormkit.url}/preview/{deployment.id}/"' in comment.body
    assert f'href="{stormkit.url}/preview/{deployment.id}/"' in finished.summary
    assert "Ready" in comment.body
    assert (github_deployment.state, github_deployment.sha) == ("success", HEAD_SHA)


@EVERY_GENERATION
def test_a_failed_build_is_explained_in_log_comment_and_summary(stormkit, github, step):
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


def test_several_runs_share_one_comment(stormkit, github, step):
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
def test_a_build_of_another_commit_is_a_warning_and_is_not_published(stormkit, step):
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


def test_without_waiting_the_status_is_running(stormkit, github, step):
    finished = step(wait="false").run()
    assert_sound(finished)
    assert (finished.exit_code, finished.outputs["status"]) == (0, "running")
    assert finished.outputs["deployment-id"] == stormkit.deployments[0].id
    assert "Building" in github.state.comments()[0].body


@pytest.mark.parametrize(("on_timeout", "status"), [("leave", "running"), ("stop", "failed")])
def test_on_timeout_decides_whether_a_timed_out_build_is_stopped(stormkit, step, on_timeout, status):
    stormkit.next_build(seconds=60)
    finished = step(timeout="1s", on_timeout=on_timeout).run()
    assert_sound(finished)
    assert (finished.exit_code, finished.outputs["status"]) == (1, "timed-out")
    assert "Ran out of time" in finished.outputs["reason"]
    assert stormkit.deployments[0].status == status


def test_publish_with_a_health_check_makes_the_deployment_live(stormkit, step):
    finished = step(publish="true", health_check="/", retries="1").run()
    assert_sound(finished)
    assert (finished.exit_code, finished.outputs["published"]) == (0, "true")
    assert stormkit.live() == finished.outputs["deployment-id"]


def test_one_failed_environment_fails_the_step_and_the_others_still_deploy(stormkit, github, step):
    stormkit.add_environment("306", name="docs")
    stormkit.add_environment("307", name="admin")
    stormkit.default_build = Build(seconds=0.3)
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


def test_each_missing_permission_is_one_warning_and_no_failure(stormkit, github, step):
    github.state.add_token("ghs_sandbox", permissions={"contents": "read"})
    finished = step(comment="true", github_deployment="true").run()
    assert_sound(finished)
    assert finished.exit_code == 0
    warnings = finished.annotated("warning")
    assert len([warning for warning in warnings if "pull-requests: write" in warning]) == 1
    assert len([warning for warning in warnings if "deployments: write" in warning]) == 1
    assert finished.outputs["preview-url"]


def test_a_first_deploy_sends_at_most_eight_requests_to_github(github, step):
    step().run()
    assert len(github.requests) <= 8


# The branch and commit of each event; None where the event has those of the run.
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
def test_each_event_deploys_its_own_branch(stormkit, step, event):
    runner = step(event)
    environment, _ = runner.prepare()
    ref = runner.payload.get("merge_group", {}).get("head_ref") or environment["GITHUB_REF"]
    branch, sha = EVENTS[event] or (ref.removeprefix("refs/heads/"), environment["GITHUB_SHA"])
    stormkit.push(branch, sha)
    finished = runner.run()
    assert_sound(finished)
    assert finished.exit_code == 0, finished.log
    assert [body["branch"] for body in trigger_bodies(stormkit)] == [branch]
    assert finished.outputs["commit-matches"] == "true"


# A word of the reason for which each event is skipped.
SKIPPED = {
    "pull_request_fork": "fork",
    "pull_request_fork_deleted": "fork",
    "pull_request_target_fork": "fork",
    "workflow_run_fork": "fork",
    "issue_comment_on_issue": "issue",
    "push_branch_deleted": "deleted",
}


@pytest.mark.parametrize("event", SKIPPED)
def test_events_with_nothing_to_deploy_are_skipped(stormkit, step, event):
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


def test_a_binary_log_of_megabytes_fits_into_comment_and_summary(stormkit, github, step):
    noise = b"\xff\xfe line \xc3\x28\n" * 200_000
    stormkit.next_build(seconds=0.2, outcome="failed", steps=[Step(title="make", message=noise, ok=False)])
    finished = step(build_log="never").run()
    assert_sound(finished)
    assert (finished.exit_code, finished.outputs["status"]) == (1, "failed")
    assert len(github.state.comments()[0].body) <= 65_536
    assert len(finished.summary.encode()) <= 1024 * 1024
