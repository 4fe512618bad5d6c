"""Every recipe in examples/, run against the sandbox's Stormkit and GitHub."""

import re

import pytest

from sandbox.events import BASE_SHA, HEAD_BRANCH, HEAD_SHA
from sandbox.github.server import ENTERPRISE
from sandbox.runner.runner import ACTION
from sandbox.stormkit.server import ENV_ID, USER_KEY
from tests.workflows.linting import EXAMPLES, OTHER_CI

QUEUE = "gh-readonly-queue/main/pr-42-c3d0be41ecbe669545ee3e94d31ed9a4bc91ee3c"
QUEUED_SHA = "9049f1265b7d61be4a8904a9a27120d2064dab3b"
FORK_BRANCH = "preview/pr-42"


def assert_deployed(finished, *, branch=HEAD_BRANCH, sha=HEAD_SHA):
    assert (finished.exit_code, finished.problems) == (0, []), finished.log
    assert finished.annotations == []
    outputs = finished.outputs
    assert (outputs["status"], outputs["branch"], outputs["commit-sha"]) == ("success", branch, sha)
    assert outputs["commit-matches"] == "true"
    assert outputs["preview-url"]


def assert_skipped(finished, why: str):
    assert (finished.exit_code, finished.outputs["status"]) == (0, "skipped"), finished.log
    assert why in finished.outputs["reason"]


def trigger_bodies(stormkit):
    return [request.body for request in stormkit.received("POST", "/v1/deploy")]


@pytest.mark.parametrize("name", ["preview", "dependabot-preview", "reusable-preview", "merge-queue"])
def test_a_pull_request_is_deployed_and_cleaned_up_when_it_closes(recipe, stormkit, github, name):
    (opened,) = recipe(name).run()
    assert_deployed(opened)
    assert len(github.state.comments()) == 1
    (closed,) = recipe(name, event="pull_request_closed").run()
    assert (closed.exit_code, closed.outputs["deleted"]) == (0, "1"), closed.log
    assert all(deployment.deleted for deployment in stormkit.deployments)
    assert len(github.state.comments()) == 1


def test_a_reusable_workflow_passes_on_the_action_s_outputs(recipe):
    called = recipe("reusable-preview")
    (finished,) = called.run()
    assert called.jobs["preview"]["preview-url"] == finished.outputs["preview-url"]
    assert called.jobs["preview"]["status"] == "success"


@pytest.mark.parametrize("name", ["preview", "dependabot-preview", "reusable-preview"])
def test_without_a_key_a_dependabot_run_is_skipped(recipe, stormkit, name):
    (finished,) = recipe(name, event="pull_request_dependabot", key="").run()
    assert_skipped(finished, "Dependabot secret")
    assert stormkit.requests == []


def test_a_dependabot_pull_request_is_deployed_with_a_dependabot_secret(recipe, stormkit, github):
    workflow = recipe("dependabot-preview", event="pull_request_dependabot")
    head = workflow._github()["event"]["pull_request"]["head"]
    stormkit.push(head["ref"], head["sha"])
    number = workflow._github()["event"]["pull_request"]["number"]
    github.state.add_pull_request(number, head["ref"], head["sha"], author="dependabot[bot]")
    (finished,) = workflow.run()
    assert_deployed(finished, branch=head["ref"], sha=head["sha"])


def test_the_monorepo_recipe_deploys_all_sites_in_one_step(recipe, stormkit, github):
    stormkit.add_environment("306", name="docs")
    (finished,) = recipe("monorepo", key=USER_KEY).run()
    assert_deployed(finished)
    assert sorted(body["envId"] for body in trigger_bodies(stormkit)) == ["305", "306"]
    (comment,) = github.state.comments()
    assert "website" in comment.body
    assert "docs" in comment.body


def test_the_matrix_recipe_s_jobs_share_one_comment(recipe, stormkit, github):
    stormkit.add_environment("306", name="docs")
    finished = recipe("matrix", key=USER_KEY).run()
    website, docs = finished
    assert_deployed(website)
    assert_deployed(docs)
    assert [body["envId"] for body in trigger_bodies(stormkit)] == ["305", "306"]
    (comment,) = github.state.comments()
    assert "website" in comment.body
    assert "docs" in comment.body


COMMENT = {"body": "/deploy", "author_association": "MEMBER"}


def test_a_comment_of_a_member_deploys_the_pull_request(recipe, github):
    (finished,) = recipe("chatops", event="issue_comment_created", changes={"comment": COMMENT}).run()
    assert_deployed(finished)
    assert len(github.state.comments()) == 1


@pytest.mark.parametrize(
    ("name", "event", "changes"),
    [("chatops", "issue_comment_created", {"comment": COMMENT}), ("after-ci", "workflow_run_completed", {})],
)
def test_deployments_of_other_events_are_removed_when_the_pull_request_closes(recipe, stormkit, name, event, changes):
    (finished,) = recipe(name, event=event, changes=changes).run()
    assert_deployed(finished)
    (closed,) = recipe(name, event="pull_request_closed").run()
    assert (closed.exit_code, closed.outputs["deleted"]) == (0, "1"), closed.log
    assert all(deployment.deleted for deployment in stormkit.deployments)


def test_a_comment_on_a_closed_pull_request_starts_nothing(recipe):
    workflow = recipe("chatops", event="issue_comment_created")
    issue = workflow._github()["event"]["issue"] | {"state": "closed"}
    workflow.changes = {"comment": COMMENT, "issue": issue}
    assert workflow.run() == []
    assert workflow.skipped == ["deploy"]


@pytest.mark.threat("A hostile comment author")
@pytest.mark.parametrize(
    ("event", "comment"),
    [
        ("issue_comment_created", COMMENT | {"author_association": "NONE"}),
        ("issue_comment_created", COMMENT | {"author_association": "CONTRIBUTOR"}),
        ("issue_comment_created", COMMENT | {"body": "please /deploy"}),
        ("issue_comment_created", COMMENT | {"body": "/deploy; rm -rf"}),
        ("issue_comment_on_issue", COMMENT),
    ],
)
def test_a_comment_by_a_stranger_or_on_an_issue_starts_nothing(recipe, event, comment):
    workflow = recipe("chatops", event=event, changes={"comment": comment})
    assert workflow.run() == []
    assert workflow.skipped == ["deploy"]


def test_a_pull_request_is_deployed_after_its_ci_succeeded(recipe, github):
    (finished,) = recipe("after-ci", event="workflow_run_completed").run()
    assert_deployed(finished)
    assert len(github.state.comments()) == 1


def test_a_fork_s_pull_request_is_skipped_after_its_ci(recipe, stormkit):
    (finished,) = recipe("after-ci", event="workflow_run_fork").run()
    assert_skipped(finished, "comes from a fork")
    assert stormkit.requests == []


@pytest.mark.parametrize("changes", [{"conclusion": "failure"}, {"event": "push"}])
def test_a_failed_ci_or_one_of_a_push_starts_nothing(recipe, changes):
    workflow = recipe("after-ci", event="workflow_run_completed")
    workflow_run = workflow._github()["event"]["workflow_run"] | changes
    workflow.changes = {"workflow_run": workflow_run}
    assert workflow.run() == []


@pytest.mark.threat("A hostile pull request")
@pytest.mark.parametrize(
    ("event", "changes", "left_out"),
    [
        ("pull_request_target_fork", {"action": "labeled", "label": {"name": "preview"}}, ["clean-up"]),
        ("pull_request_target_fork", {"action": "labeled", "label": {"name": "bug"}}, ["take-over", "clean-up"]),
        ("pull_request_target_opened", {"action": "labeled", "label": {"name": "preview"}}, ["take-over", "clean-up"]),
        ("pull_request_target_fork", {"action": "closed"}, ["take-over", "clean-up"]),
        ("pull_request_target_fork", {"action": "unlabeled", "label": {"name": "bug"}}, ["take-over", "clean-up"]),
    ],
)
def test_only_the_preview_label_takes_over_a_fork_s_commit(recipe, stormkit, event, changes, left_out):
    workflow = recipe("fork-label", event=event, changes=changes)
    assert workflow.run() == []
    assert workflow.skipped == left_out
    assert stormkit.requests == []


@pytest.mark.parametrize(
    "changes",
    [
        {"action": "closed", "label": {}, "labels": [{"name": "preview"}]},
        {"action": "unlabeled", "label": {"name": "preview"}, "labels": []},
    ],
)
def test_a_labeled_fork_that_closes_or_loses_its_label_is_cleaned_up(recipe, changes):
    workflow = recipe("fork-label", event="pull_request_target_fork")
    pull_request = workflow._github()["event"]["pull_request"] | {"labels": changes["labels"]}
    workflow.changes = {"action": changes["action"], "label": changes["label"], "pull_request": pull_request}
    workflow.run()
    assert workflow.skipped == ["take-over"]


def test_a_fork_s_commit_is_deployed_and_cleaned_up_from_its_own_branch(recipe, stormkit, github):
    stormkit.push(FORK_BRANCH, HEAD_SHA)
    github.state.add_branch(FORK_BRANCH, HEAD_SHA)
    inputs = {"command": "deploy", "branch": FORK_BRANCH, "sha": HEAD_SHA, "number": "42"}
    (finished,) = recipe("fork-deploy", event="workflow_dispatch", inputs=inputs).run()
    assert_deployed(finished, branch=FORK_BRANCH)
    inputs |= {"command": "cleanup", "sha": ""}
    (finished,) = recipe("fork-deploy", event="workflow_dispatch", inputs=inputs).run()
    assert (finished.exit_code, finished.outputs["deleted"]) == (0, "1"), finished.log


def test_a_merge_queue_s_branch_is_deployed_and_then_deleted(recipe, stormkit):
    stormkit.push(QUEUE, QUEUED_SHA)
    built, deleted = recipe("merge-queue", event="merge_group_checks_requested").run()
    assert_deployed(built, branch=QUEUE, sha=QUEUED_SHA)
    assert (deleted.exit_code, deleted.outputs["deleted"]) == (0, "1"), deleted.log
    assert [deployment.deleted for deployment in stormkit.deployments] == [True]


def test_end_to_end_tests_wait_for_a_preview_that_answers(recipe, stormkit):
    stormkit.preview(status=200, after=2)
    workflow = recipe("e2e")
    (finished,) = workflow.run()
    assert_deployed(finished)
    assert workflow.skipped == []
    assert workflow.jobs["preview"] == {"preview-url": finished.outputs["preview-url"]}


def test_end_to_end_tests_are_skipped_if_nothing_was_deployed(recipe):
    workflow = recipe("e2e", event="pull_request_fork")
    (finished,) = workflow.run()
    assert_skipped(finished, "fork")
    assert workflow.skipped == ["playwright"]


def test_the_enterprise_server_recipe_uses_the_server_s_own_api(recipe, github):
    (finished,) = recipe("github-enterprise-server", github_url=f"{github.url}{ENTERPRISE}").run()
    assert_deployed(finished)
    assert finished.outputs["comment-url"].startswith(github.url)
    assert all(request.path.startswith("/api/") for request in github.requests)


@pytest.mark.parametrize(
    ("name", "event"),
    [("production", "push_branch"), ("reusable-production", "push_branch"), ("scheduled", "schedule")],
)
def test_production_is_published_after_its_health_check(recipe, stormkit, name, event):
    changes = {"ref": "refs/heads/main", "after": BASE_SHA} if event == "push_branch" else {}
    (finished,) = recipe(name, event=event, changes=changes).run()
    assert_deployed(finished, branch="main", sha=BASE_SHA)
    assert finished.outputs["published"] == "true"
    assert stormkit.live(ENV_ID) == finished.outputs["deployment-id"]


def test_production_is_not_published_if_its_health_check_fails(recipe, stormkit):
    old = stormkit.add_deployment("main", published=True)
    stormkit.preview(status=500)
    changes = {"ref": "refs/heads/main", "after": BASE_SHA}
    (finished,) = recipe(
        "production", event="push_branch", changes=changes, extra_inputs={"health-check-timeout": "1s"}
    ).run()
    assert finished.exit_code == 1
    assert stormkit.live(ENV_ID) == old.id


@pytest.mark.parametrize(
    ("name", "inputs"), [("rollback", {"deployment-id": ""}), ("reusable-production", {"rollback": True})]
)
def test_a_rollback_makes_the_previous_deployment_live(recipe, stormkit, name, inputs):
    before = stormkit.add_deployment("main", created_at=1_700_000_000)
    stormkit.add_deployment("main", created_at=1_700_001_000, published=True)
    (finished,) = recipe(name, event="workflow_dispatch", inputs=inputs).run()
    assert (finished.exit_code, finished.outputs["published"]) == (0, "true"), finished.log
    assert stormkit.live(ENV_ID) == before.id
    assert stormkit.builds == 0


def test_a_rollback_by_id_makes_that_deployment_live(recipe, stormkit):
    oldest = stormkit.add_deployment("main", created_at=1_700_000_000)
    stormkit.add_deployment("main", created_at=1_700_001_000)
    stormkit.add_deployment("main", created_at=1_700_002_000, published=True)
    (finished,) = recipe("rollback", event="workflow_dispatch", inputs={"deployment-id": oldest.id}).run()
    assert finished.exit_code == 0, finished.log
    assert stormkit.live(ENV_ID) == oldest.id


def test_the_documentation_links_to_every_recipe_and_no_other():
    pages = "".join((ACTION / f"docs/{name}.md").read_text(encoding="utf-8") for name in ("recipes", "other-ci"))
    linked = set(re.findall(r"\]\(\.\./examples/([\w.-]+)\)", pages))
    assert linked == {path.name for path in (ACTION / "examples").iterdir()}


def test_every_recipe_is_run_by_a_test():
    here = "".join(path.read_text(encoding="utf-8") for path in (ACTION / "tests/recipes").glob("test_*.py"))
    assert [path.stem for path in (*EXAMPLES, *OTHER_CI) if f'"{path.stem}"' not in here] == []
