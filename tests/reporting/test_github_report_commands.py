"""What delete, stop, cleanup and merge groups change in the comment and the GitHub Deployments."""

import pytest

from sandbox.events import HEAD_BRANCH
from stormkit_action.inputs import Command
from stormkit_action.reporting.rows import State
from stormkit_action.result import DeploymentResult, Outcome
from tests.reporting.github_step import (
    URL,
    ReportingStep,
    deployment_states,
    ended_result,
    recorded_requests,
    removed_result,
    result,
    row_states,
)


def test_a_deleted_deployment_is_removed_from_comment_and_deployments(github):
    step = ReportingStep(github)
    step.begin()
    step.end()
    ReportingStep(github, run=8, command=Command.DELETE).end(result(Outcome.SUCCESS))
    assert row_states(github) == {"hello-world / production": State.REMOVED}
    assert URL not in github.state.comments()[0].body
    assert deployment_states(github) == ["inactive"]


def test_deleting_another_deployment_changes_nothing_on_github(github):
    step = ReportingStep(github)
    step.begin()
    step.end()
    ReportingStep(github, run=8, command=Command.DELETE).end(ended_result("8241"))
    assert row_states(github) == {"hello-world / production": State.READY}
    assert deployment_states(github) == ["success"]


@pytest.mark.parametrize("command", [Command.DELETE, Command.STOP])
def test_a_refused_command_changes_nothing_on_github(github, command):
    step = ReportingStep(github)
    step.begin()
    step.end()
    ReportingStep(github, run=8, command=command).end(result(Outcome.FAILED, reason="It is published."))
    assert row_states(github) == {"hello-world / production": State.READY}
    assert deployment_states(github) == ["success"]


def test_a_stopped_deployment_is_shown_as_stopped(github):
    step = ReportingStep(github)
    step.begin()
    step.end(result(Outcome.RUNNING))
    ReportingStep(github, run=8, command=Command.STOP).end(result(Outcome.STOPPED, ended_ids=("8007",)))
    assert row_states(github) == {"hello-world / production": State.STOPPED}
    assert deployment_states(github) == ["inactive"]


@pytest.mark.parametrize("command", [Command.PUBLISH, Command.ROLLBACK])
def test_publishing_without_a_branch_in_the_event_is_shown_under_the_deployment_s_branch(github, command):
    published = result(Outcome.SUCCESS, live=True)
    assert published.deployment is not None
    published = published._replace(deployment=published.deployment._replace(branch=HEAD_BRANCH))
    ReportingStep(github, command=command, branch="", pull_request=None, event="release", action="published").end(
        published
    )
    [deployment] = github.state.deployments
    assert deployment.payload["branch"] == HEAD_BRANCH
    assert deployment.task.startswith("deploy:stormkit:")


QUEUE = "gh-readonly-queue/main/pr-42-" + "a" * 40


def test_a_merge_group_keeps_the_pull_request_s_row_and_leaves_nothing_active(github):
    step = ReportingStep(github)
    step.begin()
    step.end()
    before = github.state.comments()[0].body
    queue = ReportingStep(github, run=8, branch=QUEUE, event="merge_group")
    queue.begin()
    built = result(Outcome.SUCCESS, deployment_id="8008")
    built = built._replace(deployment=built.deployment._replace(branch=QUEUE))
    queue.end(built)
    assert deployment_states(github) == ["success", "success"]
    ReportingStep(github, run=8, branch=QUEUE, event="merge_group", command=Command.DELETE).end(
        built._replace(ended_ids=("8008",))
    )
    assert github.state.comments()[0].body == before
    assert deployment_states(github) == ["success", "inactive"]


def test_delete_ends_a_github_deployment_of_another_branch_than_the_event_s(github):
    queue = ReportingStep(github, branch=QUEUE, event="merge_group")
    queue.begin()
    queue.end()
    gone = ended_result("8007")
    gone = gone._replace(deployment=gone.deployment._replace(branch=QUEUE))
    ReportingStep(github, run=8, command=Command.DELETE, branch="main", event="push", pull_request=None).end(gone)
    assert deployment_states(github) == ["inactive"]


def test_a_deployment_of_a_pull_request_closed_meanwhile_is_removed(github):
    step = ReportingStep(github)
    step.begin()
    step.end(result(Outcome.SKIPPED, reason="Pull request #42 is closed.", ended_ids=("8007",)))
    assert row_states(github) == {"hello-world / production": State.REMOVED}
    assert deployment_states(github) == ["inactive"]


def test_a_cleanup_ends_all_github_deployments_of_the_branch(github):
    for run in (7, 8, 9):
        step = ReportingStep(github, run=run)
        step.begin()
    cleanup = ReportingStep(github, run=11, command=Command.CLEANUP)
    written = cleanup.end(removed_result())
    assert deployment_states(github) == ["inactive"] * len(github.state.deployments)
    assert row_states(github) == {"hello-world / production": State.REMOVED}
    assert written.comment_url
    recorded_requests(github)
    ReportingStep(github, run=12, command=Command.CLEANUP).end(removed_result())
    assert "POST" not in {request.split()[0] for request in recorded_requests(github) if "graphql" not in request}


def test_a_cleanup_of_one_site_keeps_the_github_deployments_of_others(github):
    both = {"environments": "docs: 305\nshop: 306"}
    step = ReportingStep(github, both)
    step.begin("docs", "305", "1")
    step.begin("shop", "306", "2")
    ReportingStep(github, {"env-id": "305", "label": "docs"}, run=8, command=Command.CLEANUP).end(
        removed_result("", "305")
    )
    assert deployment_states(github) == ["inactive", ""]


def test_a_cleanup_that_kept_a_deployment_changes_nothing_on_github(github):
    step = ReportingStep(github)
    step.begin()
    step.end()
    kept = DeploymentResult(status=Outcome.SUCCESS, label="hello-world / production")
    ReportingStep(github, run=8, command=Command.CLEANUP).end(kept)
    assert deployment_states(github) == ["success"]
    assert row_states(github) == {"hello-world / production": State.READY}
