"""The sandbox's payloads are consistent, and the variables match GitHub's table of events."""

import json
from typing import Any

import pytest

from sandbox import events
from sandbox.events import BASE_SHA, HEAD_BRANCH, HEAD_SHA, MERGE_SHA, environment_for, load

QUEUE = f"refs/heads/gh-readonly-queue/main/pr-42-{BASE_SHA}"
GROUP_SHA = "9049f1265b7d61be4a8904a9a27120d2064dab3b"

# name: event, GITHUB_REF, GITHUB_REF_NAME, GITHUB_SHA, actor
TABLE = {
    "pull_request_opened": ("pull_request", "refs/pull/42/merge", "42/merge", MERGE_SHA, "octocat"),
    "pull_request_synchronize": ("pull_request", "refs/pull/42/merge", "42/merge", MERGE_SHA, "octocat"),
    "pull_request_closed": ("pull_request", "refs/heads/main", "main", MERGE_SHA, "octocat"),
    "pull_request_fork": ("pull_request", "refs/pull/42/merge", "42/merge", MERGE_SHA, "monalisa"),
    "pull_request_fork_deleted": ("pull_request", "refs/pull/42/merge", "42/merge", MERGE_SHA, "octocat"),
    "pull_request_dependabot": ("pull_request", "refs/pull/42/merge", "42/merge", MERGE_SHA, "dependabot[bot]"),
    "pull_request_target_fork": ("pull_request_target", "refs/heads/main", "main", BASE_SHA, "monalisa"),
    "pull_request_target_opened": ("pull_request_target", "refs/heads/main", "main", BASE_SHA, "octocat"),
    "push_branch": ("push", f"refs/heads/{HEAD_BRANCH}", HEAD_BRANCH, HEAD_SHA, "octocat"),
    "push_tag": ("push", "refs/tags/v1.2.0", "v1.2.0", HEAD_SHA, "octocat"),
    "push_branch_deleted": ("push", "refs/heads/main", "main", BASE_SHA, "octocat"),
    "workflow_dispatch": ("workflow_dispatch", f"refs/heads/{HEAD_BRANCH}", HEAD_BRANCH, HEAD_SHA, "octocat"),
    "workflow_run_completed": ("workflow_run", "refs/heads/main", "main", BASE_SHA, "octocat"),
    "workflow_run_fork": ("workflow_run", "refs/heads/main", "main", BASE_SHA, "monalisa"),
    "issue_comment_created": ("issue_comment", "refs/heads/main", "main", BASE_SHA, "octocat"),
    "issue_comment_on_issue": ("issue_comment", "refs/heads/main", "main", BASE_SHA, "octocat"),
    "merge_group_checks_requested": ("merge_group", QUEUE, QUEUE.removeprefix("refs/heads/"), GROUP_SHA, "octocat"),
    "schedule": ("schedule", "refs/heads/main", "main", BASE_SHA, "octocat"),
    "repository_dispatch": ("repository_dispatch", "refs/heads/main", "main", BASE_SHA, "octocat"),
    "deployment": ("deployment", f"refs/heads/{HEAD_BRANCH}", HEAD_BRANCH, HEAD_SHA, "octocat"),
}
PULL_REQUESTS = [name for name in TABLE if name.startswith("pull_request")]


def test_every_payload_has_its_expected_variables_in_the_table():
    assert events.names() == sorted(TABLE)


@pytest.mark.parametrize("name", TABLE)
def test_the_variables_of_each_payload_match_github_s_table(name):
    event, ref, ref_name, sha, actor = TABLE[name]
    variables = environment_for(name, load(name))

    assert variables["GITHUB_EVENT_NAME"] == event
    assert variables["GITHUB_REF"] == ref
    assert variables["GITHUB_REF_NAME"] == ref_name
    assert variables["GITHUB_REF_TYPE"] == ("tag" if name == "push_tag" else "branch")
    assert variables["GITHUB_SHA"] == sha
    assert variables["GITHUB_ACTOR"] == variables["GITHUB_TRIGGERING_ACTOR"] == actor
    assert variables["GITHUB_REPOSITORY"] == "octocat/hello-world"
    assert variables["GITHUB_REPOSITORY_OWNER"] == "octocat"
    assert variables["GITHUB_WORKFLOW_REF"] == f"octocat/hello-world/.github/workflows/preview.yml@{ref}"
    assert ("GITHUB_HEAD_REF" in variables) is (name in PULL_REQUESTS)
    assert ("GITHUB_BASE_REF" in variables) is (name in PULL_REQUESTS)
    assert all(isinstance(value, str) for value in variables.values())
    # The event's own name gives the same variables as the payload's name.
    assert environment_for(event, load(name)) == variables


@pytest.mark.parametrize(
    ("event", "changes", "ref", "sha"),
    [
        ("pull_request_review", {}, "refs/pull/42/merge", MERGE_SHA),
        ("pull_request_review_comment", {}, "refs/pull/42/merge", MERGE_SHA),
        ("release", {"release": {"tag_name": "v1.2.0"}}, "refs/tags/v1.2.0", HEAD_SHA),
        ("create", {"ref": "v1.2.0", "ref_type": "tag"}, "refs/tags/v1.2.0", HEAD_SHA),
        ("create", {"ref": HEAD_BRANCH, "ref_type": "branch"}, f"refs/heads/{HEAD_BRANCH}", HEAD_SHA),
        ("delete", {"ref": HEAD_BRANCH, "ref_type": "branch"}, "refs/heads/main", BASE_SHA),
    ],
)
def test_events_without_their_own_payload_have_variables_too(event, changes, ref, sha):
    variables = environment_for(event, {**load("pull_request_opened"), **changes})
    assert (variables["GITHUB_EVENT_NAME"], variables["GITHUB_REF"], variables["GITHUB_SHA"]) == (event, ref, sha)
    assert variables["GITHUB_REF_TYPE"] == ("tag" if "/tags/" in ref else "branch")
    assert "GITHUB_HEAD_REF" not in variables


@pytest.mark.parametrize("name", PULL_REQUESTS)
def test_all_pull_request_payloads_are_about_the_same_pull_request(name):
    payload = load(name)
    pull_request = payload["pull_request"]

    assert payload["number"] == pull_request["number"] == events.PULL_REQUEST
    assert pull_request["head"]["sha"] == HEAD_SHA
    assert (pull_request["base"]["ref"], pull_request["base"]["sha"]) == (events.BASE_BRANCH, BASE_SHA)
    assert pull_request["base"]["repo"]["full_name"] == events.REPOSITORY
    assert environment_for(name, payload)["GITHUB_HEAD_REF"] == pull_request["head"]["ref"]
    if "dependabot" not in name:
        assert pull_request["head"]["ref"] == HEAD_BRANCH


@pytest.mark.parametrize("name", TABLE)
def test_all_payloads_are_about_one_repository_and_consistent(name):
    payload = load(name)
    text = json.dumps(payload)

    assert payload["repository"]["full_name"] == events.REPOSITORY
    assert payload["repository"]["id"] == 1296269
    assert payload.get("sender", {"type": "User"})["type"] == ("Bot" if "dependabot" in name else "User")
    for user in _objects(payload, "login"):
        assert user["id"] == {"octocat": 583231, "monalisa": 9364028, "dependabot[bot]": 49699333}[user["login"]]
    assert "http://" not in text
    assert "{number}" not in payload["repository"]["url"]


def test_fork_payloads_name_the_fork_as_their_head():
    assert load("pull_request_fork")["pull_request"]["head"]["repo"]["full_name"] == events.FORK
    assert load("pull_request_fork")["pull_request"]["head"]["repo"]["fork"] is True
    assert load("pull_request_fork_deleted")["pull_request"]["head"]["repo"] is None
    assert load("workflow_run_fork")["workflow_run"]["head_repository"]["full_name"] == events.FORK
    assert load("workflow_run_fork")["workflow_run"]["pull_requests"] == []
    assert load("workflow_run_completed")["workflow_run"]["pull_requests"][0]["number"] == events.PULL_REQUEST


def test_only_a_comment_on_a_pull_request_names_one():
    assert "pull_request" in load("issue_comment_created")["issue"]
    assert "pull_request" not in load("issue_comment_on_issue")["issue"]


@pytest.mark.parametrize(
    ("event", "payload", "ref", "sha"),
    [
        ("pull_request", {"number": 7}, "refs/pull/7/merge", MERGE_SHA),
        ("pull_request", {}, "refs/pull/42/merge", MERGE_SHA),
        ("pull_request", {"pull_request": None}, "refs/pull/42/merge", MERGE_SHA),
        ("push", {"ref": "refs/heads/main", "after": HEAD_SHA}, "refs/heads/main", HEAD_SHA),
        ("workflow_dispatch", {"ref": "refs/heads/main"}, "refs/heads/main", BASE_SHA),
        ("deployment", {"deployment": {"ref": HEAD_SHA, "sha": HEAD_SHA}}, "", HEAD_SHA),
        ("release", {"repository": {"default_branch": "trunk"}}, "refs/heads/trunk", BASE_SHA),
    ],
)
def test_variables_follow_a_custom_payload(event: str, payload: dict[str, Any], ref: str, sha: str):
    variables = environment_for(event, payload)
    assert (variables["GITHUB_EVENT_NAME"], variables["GITHUB_REF"], variables["GITHUB_SHA"]) == (event, ref, sha)


def test_an_unknown_payload_name_is_an_error_that_lists_the_names():
    with pytest.raises(KeyError, match="pull_request_opened"):
        load("../events/push")


def _objects(node: Any, key: str) -> list[dict[str, Any]]:
    """All objects in a payload that have `key`."""
    if isinstance(node, list):
        return [found for child in node for found in _objects(child, key)]
    if not isinstance(node, dict):
        return []
    own = [node] if key in node else []
    return own + [found for child in node.values() for found in _objects(child, key)]
