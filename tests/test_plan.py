"""The plan for an event and inputs: command, branch, expected commit and pull request, or why it is skipped."""

from pathlib import Path
from typing import Any

import pytest

from sandbox.events import BASE_SHA, FORK, HEAD_BRANCH, HEAD_SHA, REPOSITORY, load
from stormkit_action.errors import InputError
from stormkit_action.event import DEPENDABOT, Event, PullRequest
from stormkit_action.inputs import Command
from stormkit_action.names import Names
from stormkit_action.plan import Plan, decide, skip_reason, with_pull_request
from tests.test_event import GROUP_SHA, QUEUE, Reader
from tests.test_inputs import parsed

ON_A_TAG = (
    'Input branch: "" is not valid: the event is about the tag v1.2.0, and Stormkit deploys branches; set branch.'
)


def plan_of(tmp_path: Path, name: str, **inputs: str) -> Plan:
    return decide(parsed(**inputs), Reader(tmp_path)(name, load(name)))


# Payload, inputs, and the plan: command, branch, expected commit, pull request.
TABLE: list[tuple[str, dict[str, str], tuple[str, str, str, int | None]]] = [
    ("pull_request_opened", {}, ("deploy", HEAD_BRANCH, HEAD_SHA, 42)),
    ("pull_request_synchronize", {}, ("deploy", HEAD_BRANCH, HEAD_SHA, 42)),
    ("pull_request_target_opened", {}, ("deploy", HEAD_BRANCH, HEAD_SHA, 42)),
    ("pull_request_closed", {}, ("cleanup", HEAD_BRANCH, HEAD_SHA, 42)),
    ("pull_request_closed", {"command": "deploy", "branch": "main"}, ("deploy", "main", "", 42)),
    ("pull_request_closed", {"command": "status"}, ("status", HEAD_BRANCH, HEAD_SHA, 42)),
    ("pull_request_opened", {"command": "cleanup"}, ("cleanup", HEAD_BRANCH, HEAD_SHA, 42)),
    ("push_branch", {}, ("deploy", HEAD_BRANCH, HEAD_SHA, None)),
    ("workflow_dispatch", {}, ("deploy", HEAD_BRANCH, HEAD_SHA, None)),
    ("schedule", {}, ("deploy", "main", BASE_SHA, None)),
    ("repository_dispatch", {}, ("deploy", "main", BASE_SHA, None)),
    ("deployment", {}, ("deploy", HEAD_BRANCH, HEAD_SHA, None)),
    ("workflow_run_completed", {}, ("deploy", HEAD_BRANCH, HEAD_SHA, 42)),
    # The queue's branch is not the pull request's, so its comment is left alone.
    ("merge_group_checks_requested", {}, ("deploy", QUEUE, GROUP_SHA, None)),
    # A comment event only has the pull request's number; GitHub has the rest.
    ("issue_comment_created", {}, ("deploy", "", "", 42)),
    # With the input branch, no commit is expected unless the input sha names one.
    ("pull_request_opened", {"branch": "other"}, ("deploy", "other", "", 42)),
    ("pull_request_opened", {"branch": HEAD_BRANCH}, ("deploy", HEAD_BRANCH, "", 42)),
    ("pull_request_opened", {"branch": "other", "sha": "abcdef0"}, ("deploy", "other", "abcdef0", 42)),
    ("pull_request_opened", {"sha": "abcdef0"}, ("deploy", HEAD_BRANCH, "abcdef0", 42)),
    ("push_tag", {"branch": "main"}, ("deploy", "main", "", None)),
    ("push_branch_deleted", {"branch": "main"}, ("deploy", "main", "", None)),
    ("issue_comment_on_issue", {"branch": "main"}, ("deploy", "main", "", None)),
    # A deleted branch can be cleaned up.
    ("push_branch_deleted", {"command": "cleanup"}, ("cleanup", HEAD_BRANCH, "", None)),
    # Commands that need no branch.
    ("push_tag", {"command": "list"}, ("list", "", "", None)),
    ("push_tag", {"command": "rollback"}, ("rollback", "", "", None)),
    ("push_branch", {"command": "list"}, ("list", HEAD_BRANCH, HEAD_SHA, None)),
    *[
        ("push_tag", {"command": command, "deployment_id": "8241"}, (command, "", "", None))
        for command in ("publish", "restart", "stop", "delete", "status")
    ],
    ("issue_comment_on_issue", {"command": "status", "deployment_id": "8241"}, ("status", "", "", None)),
    ("issue_comment_on_issue", {"command": "list"}, ("list", "", "", None)),
]


@pytest.mark.parametrize(("name", "inputs", "expected"), TABLE)
def test_each_event_has_its_plan(tmp_path, name, inputs, expected):
    plan = plan_of(tmp_path, name, **inputs)
    assert (str(plan.command), plan.branch, plan.expected_sha, plan.pull_request) == expected
    assert not plan.skip


@pytest.mark.parametrize(
    ("name", "inputs", "text"),
    [
        ("issue_comment_on_issue", {}, "on an issue, not on a pull request"),
        ("issue_comment_on_issue", {"command": "cleanup"}, "on an issue"),
        ("push_branch_deleted", {}, f"The branch {HEAD_BRANCH} was deleted"),
        ("pull_request_closed", {"command": "deploy"}, "Pull request #42 is closed"),
        ("pull_request_closed", {"command": "deploy", "branch": HEAD_BRANCH}, "Pull request #42 is closed"),
    ],
)
def test_an_event_with_nothing_to_do_is_skipped(tmp_path, name, inputs, text):
    assert text in plan_of(tmp_path, name, **inputs).skip


@pytest.mark.parametrize(
    ("name", "event_name", "part"),
    [
        ("pull_request_opened", "pull_request", "pull_request"),
        ("pull_request_opened", "pull_request_review", "pull_request"),
        ("issue_comment_created", "issue_comment", "issue"),
    ],
)
def test_a_pull_request_that_is_closed_in_the_payload_is_not_deployed(tmp_path, name, event_name, part):
    payload = {**load(name), "action": "labeled"}
    payload[part]["state"] = "closed"
    event = Reader(tmp_path)(event_name, payload)
    assert decide(parsed(), event).skip.startswith("Pull request #42 is closed")
    assert decide(parsed(command="cleanup"), event).skip == ""


@pytest.mark.parametrize(
    ("name", "payload"),
    [
        ("push", {"ref": "refs/tags/v1", "deleted": True}),
        ("delete", {"ref": "v1", "ref_type": "tag"}),
    ],
)
@pytest.mark.parametrize("command", ["auto", "cleanup"])
def test_a_deleted_tag_is_skipped(tmp_path, name, payload, command):
    event = Reader(tmp_path)(name, payload, GITHUB_REF="refs/heads/main")
    assert decide(parsed(command=command), event).skip == "The tag v1 was deleted: there is nothing to do."
    assert decide(parsed(command=command, branch="main"), event).skip == ""


@pytest.mark.parametrize(
    "inputs",
    [{}, *[{"command": command} for command in ("deploy", "check", "cleanup", "status", "publish", "restart", "stop")]],
)
def test_a_tag_is_not_taken_for_a_branch(tmp_path, inputs):
    with pytest.raises(InputError) as caught:
        plan_of(tmp_path, "push_tag", **inputs)
    assert caught.value.problems == (ON_A_TAG,)


@pytest.mark.parametrize(
    ("name", "payload", "text"),
    [
        ("deployment", {"deployment": {"ref": HEAD_SHA, "sha": HEAD_SHA}}, "the deployment event names no branch"),
        (
            "workflow_run",
            {"workflow_run": {"head_repository": {"full_name": REPOSITORY}}},
            "workflow_run event names no",
        ),
        ("merge_group", {"merge_group": {}}, "the merge_group event names no branch"),
    ],
)
def test_an_event_without_a_branch_needs_the_input(tmp_path, name, payload, text):
    event = Reader(tmp_path)(name, payload, GITHUB_REF="")
    with pytest.raises(InputError, match=text):
        decide(parsed(), event)
    assert decide(parsed(branch="main"), event).branch == "main"


def test_without_an_event_the_branch_is_required():
    with pytest.raises(InputError, match="--branch is needed: no CI names one"):
        decide(parsed(), Event(), Names(on_github=False))
    assert decide(parsed(branch="main"), Event()) == Plan(command=Command.DEPLOY, branch="main")


FORKS = ["pull_request_fork", "pull_request_fork_deleted", "pull_request_target_fork", "workflow_run_fork"]


@pytest.mark.threat("A hostile pull request")
@pytest.mark.parametrize("name", FORKS)
@pytest.mark.parametrize("has_key", [True, False])
def test_a_fork_is_skipped_with_and_without_a_key(tmp_path, name, has_key):
    reason = skip_reason(Reader(tmp_path)(name, load(name)), has_key=has_key)
    assert "comes from a fork" in reason
    assert f"Stormkit would build the branch of that name in {REPOSITORY} instead" in reason
    assert ("a fork that was deleted" if name.endswith("deleted") else FORK) in reason


@pytest.mark.parametrize(
    ("event", "skipped"),
    [
        ({"name": "pull_request", "actor": DEPENDABOT, "head_repository": REPOSITORY}, True),
        ({"name": "push", "actor": DEPENDABOT}, True),
        # In all other runs, a missing key is an input error.
        ({"name": "pull_request", "actor": "octocat", "head_repository": REPOSITORY}, False),
        ({"name": "pull_request_target", "actor": "octocat", "head_repository": REPOSITORY}, False),
        ({"name": "push", "actor": "octocat"}, False),
        ({"name": "workflow_dispatch", "actor": "octocat"}, False),
        ({}, False),
    ],
)
def test_only_a_dependabot_run_is_skipped_without_a_key(event: dict[str, Any], skipped: bool):
    run_event = Event(repository=REPOSITORY, **event)
    reason = skip_reason(run_event, has_key=False)
    assert bool(reason) is skipped
    if skipped:
        assert "Settings → Secrets and variables → Dependabot" in reason
    assert skip_reason(run_event, has_key=True) == ""


HEAD = PullRequest(number=42, head_ref=HEAD_BRANCH, head_sha=HEAD_SHA, head_repository=REPOSITORY.upper())
COMMENT = Event(name="issue_comment", repository=REPOSITORY, pull_request_number=42)


@pytest.mark.parametrize(
    ("inputs", "branch", "sha"),
    [({}, HEAD_BRANCH, HEAD_SHA), ({"sha": "abcdef0"}, HEAD_BRANCH, "abcdef0"), ({"branch": "main"}, "main", "")],
)
def test_a_comment_deploys_the_head_of_its_pull_request(tmp_path, inputs, branch, sha):
    plan = with_pull_request(plan_of(tmp_path, "issue_comment_created", **inputs), HEAD, COMMENT, parsed(**inputs))
    assert (plan.branch, plan.expected_sha, plan.pull_request, plan.skip) == (branch, sha, 42, "")


@pytest.mark.parametrize("head_repository", [FORK, ""])
@pytest.mark.parametrize("inputs", [{}, {"branch": "main"}])
def test_a_comment_on_a_fork_s_pull_request_is_skipped(tmp_path, head_repository, inputs):
    fork = PullRequest(number=42, head_ref="main", head_sha=HEAD_SHA, head_repository=head_repository)
    plan = plan_of(tmp_path, "issue_comment_created", **inputs)
    assert "comes from a fork" in with_pull_request(plan, fork, COMMENT, parsed(**inputs)).skip


def test_a_comment_on_a_pull_request_closed_meanwhile_is_skipped(tmp_path):
    closed = HEAD._replace(state="closed")
    plan = plan_of(tmp_path, "issue_comment_created")
    assert with_pull_request(plan, closed, COMMENT, parsed()).skip.startswith("Pull request #42 is closed")
    plan = plan_of(tmp_path, "issue_comment_created", branch="main")
    assert with_pull_request(plan, closed, COMMENT, parsed(branch="main")).skip == ""


@pytest.mark.parametrize("command", ["auto", "cleanup"])
def test_cleanup_skips_the_default_branch_unless_it_is_named(tmp_path, command):
    payload = load("pull_request_closed")
    payload["pull_request"]["head"]["ref"] = "main"
    event = Reader(tmp_path)("pull_request_closed", payload)
    assert "default branch" in decide(parsed(command=command), event).skip
    assert decide(parsed(command="status"), event).skip == ""
    assert decide(parsed(command=command, branch="main"), event).skip == ""
    assert "default branch" in plan_of(tmp_path, "schedule", command="cleanup").skip
    assert plan_of(tmp_path, "schedule", command="cleanup", branch="main").skip == ""
