"""GitHubReport from the trigger to the end of a step: when it writes, where, and how many requests it takes."""

import pytest

from sandbox.clock import TODAY
from sandbox.events import HEAD_SHA
from stormkit_action.inputs import Command
from stormkit_action.reporting.comment_body import read_rows
from stormkit_action.reporting.rows import State, row_of
from stormkit_action.result import Outcome
from stormkit_action.stormkit.models import Commit
from tests.reporting.github_step import (
    ReportingStep,
    deployment_states,
    recorded_requests,
    removed_result,
    result,
    row_states,
    status_histories,
)


def test_a_first_deploy_takes_seven_requests(github):
    step = ReportingStep(github)
    step.begin()
    assert status_histories(github) == [[]]
    assert row_states(github) == {"hello-world / production": State.BUILDING}
    written = step.end()
    assert status_histories(github) == [["success"]]
    assert row_states(github) == {"hello-world / production": State.READY}
    assert written.settled
    assert written.github_deployment_ids == {"": str(github.state.deployments[0].id)}
    assert len(recorded_requests(github)) == 7


def test_a_later_deploy_takes_one_more_request_to_end_the_earlier_preview(github):
    for run in (7, 8, 9):
        recorded_requests(github)
        step = ReportingStep(github, run=run)
        step.begin()
        step.end()
    assert len(recorded_requests(github)) == 8
    assert deployment_states(github) == ["inactive", "inactive", "success"]


def test_a_deploy_after_a_failed_one_takes_no_more_requests_than_after_a_success(github):
    for run, outcome in ((7, Outcome.SUCCESS), (8, Outcome.FAILED), (9, Outcome.SUCCESS)):
        recorded_requests(github)
        step = ReportingStep(github, run=run)
        step.begin()
        step.end(result(outcome, deployment_id=step.default_id))
    assert len(recorded_requests(github)) == 8
    assert deployment_states(github) == ["inactive", "failure", "success"]


def test_a_long_build_takes_no_more_requests(github):
    step = ReportingStep(github)
    step.begin()
    for elapsed in range(0, 600, 20):
        running = result(Outcome.RUNNING, deployment_id=step.default_id)
        step.report.building("", row_of(running, run=step.run, now=TODAY, usual=300, elapsed=elapsed))
        step.wait_for_writes()
    step.end()
    assert len(recorded_requests(github)) == 7
    assert len(github.state.comments()[0].history) == 2


def test_the_comment_is_written_before_the_github_deployment(github):
    step = ReportingStep(github)
    step.begin()
    assert recorded_requests(github) == ["GET /issues/42/comments", "POST /issues/42/comments", "POST /deployments"]
    step.end()
    assert recorded_requests(github)[:3] == [
        "GET /issues/42/comments",
        "PATCH /issues/comments/",
        "GET /issues/42/comments",
    ]


def test_the_expected_commit_is_shown_until_stormkit_names_the_built_one(github):
    step = ReportingStep(github)
    running = result(Outcome.RUNNING)
    waiting = running._replace(deployment=running.deployment._replace(commit=Commit()))
    step.report.building("", row_of(waiting, run=step.run, now=TODAY))
    step.wait_for_writes()
    assert read_rows(github.state.comments()[0].body)[0].sha == HEAD_SHA


def test_several_environments_share_the_comment_and_have_their_own_github_deployments(github):
    step = ReportingStep(github, {"environments": "docs: 305\nshop: 306\nblog: 307"})
    for name, env_id in (("docs", "305"), ("shop", "306"), ("blog", "307")):
        step.begin(name, env_id, deployment_id=env_id)
    written = step.end(
        result(Outcome.SUCCESS, "docs", "305", deployment_id="305"),
        result(Outcome.FAILED, "shop", "306", deployment_id="306"),
        result(Outcome.SUCCESS, "blog", "307", deployment_id="307"),
    )
    assert status_histories(github) == [["success"], ["failure"], ["success"]]
    assert row_states(github) == {"docs": State.READY, "shop": State.FAILED, "blog": State.READY}
    ids = [str(deployment.id) for deployment in github.state.deployments]
    assert written.github_deployment_ids == dict(zip(("docs", "shop", "blog"), ids, strict=True))


def test_a_build_that_ends_before_its_first_report_is_reported_at_the_end(github):
    written = ReportingStep(github).end()
    assert status_histories(github) == [["success"]]
    assert written.github_deployment_ids[""]
    assert len(recorded_requests(github)) == 5


def test_a_build_that_is_not_waited_for_stays_in_progress(github):
    step = ReportingStep(github)
    step.end(result(Outcome.RUNNING))
    assert status_histories(github) == [["in_progress"]]
    assert row_states(github) == {"hello-world / production": State.BUILDING}


def test_only_the_newest_state_of_a_row_is_written_if_several_are_waiting(github):
    github.latency = 0.05
    step = ReportingStep(github, {"github-deployment": "false"})
    for usual in range(20):
        running = result(Outcome.RUNNING, deployment_id=str(8000 + usual))
        step.report.building("", row_of(running, run=step.run, now=TODAY))
    step.wait_for_writes()
    [comment] = github.state.comments()
    assert read_rows(comment.body)[0].deployment_id == "8019"
    assert len(comment.history) < 5


@pytest.mark.parametrize(
    ("inputs", "options"),
    [
        ({"github-deployment": "false", "comment": "false"}, {}),
        ({}, {"event": ""}),
        ({}, {"command": Command.STATUS}),
    ],
)
def test_no_request_is_sent_if_nothing_is_to_be_reported(github, inputs, options):
    step = ReportingStep(github, inputs, **options)
    step.begin()
    written = step.end()
    assert (written.comment_url, written.github_deployment_ids, recorded_requests(github)) == ("", {}, [])


def test_the_log_says_that_a_row_was_left_to_a_step_that_began_later(github, capsys):
    newer = ReportingStep(github, run=8)
    newer.begin()
    newer.end()
    older = ReportingStep(github, run=9, began=TODAY.timestamp())
    older.end()
    message = "Left the comment's row of hello-world / production as it is: run 8 (attempt 1) began later."
    assert message in capsys.readouterr().out


def test_a_rerun_of_an_old_run_replaces_the_row_of_a_later_run(github):
    first = ReportingStep(github, run=100, began=1000)
    first.begin()
    first.end()
    closed = ReportingStep(github, run=101, began=2000, command=Command.CLEANUP)
    closed.end(removed_result(env_id="305"))
    assert row_states(github) == {"hello-world / production": State.REMOVED}
    rerun = ReportingStep(github, run=100, attempt=2, began=3000)
    rerun.begin(deployment_id="8300")
    rerun.end(result(Outcome.SUCCESS, deployment_id="8300"))
    assert row_states(github) == {"hello-world / production": State.READY}
    assert deployment_states(github) == ["inactive", "success"]


def test_two_pull_requests_of_one_branch_both_get_the_comment(github):
    github.state.add_pull_request(43, base_ref="develop")
    step = ReportingStep(github, pull_request=None, event="push")
    step.begin()
    step.end()
    for number in (42, 43):
        [comment] = github.state.comments(number)
        assert [row.state for row in read_rows(comment.body)] == [State.READY]


def test_the_log_names_pull_requests_that_did_not_get_the_comment(github, capsys):
    for number in (43, 44, 45):
        github.state.add_pull_request(number)
    step = ReportingStep(github, pull_request=None, event="push")
    step.end()
    assert "Pull request #45 has the same branch, but did not get the comment." in capsys.readouterr().out


def test_a_workflow_run_of_a_tag_gets_no_row_in_the_pull_request_of_its_commit(github):
    step = ReportingStep(github, pull_request=None, event="workflow_run", branch="v1.2.3")
    step.end(result(Outcome.FAILED))
    assert github.state.comments() == []
    assert "no open pull request of v1.2.3" in step.report.comment.problem


def test_the_pull_request_of_a_workflow_run_is_found_by_its_commit(github):
    ReportingStep(github, pull_request=None, event="workflow_run").end()
    assert row_states(github) == {"hello-world / production": State.READY}


def test_the_post_step_finishes_the_report_of_a_killed_step(github):
    ReportingStep(github).begin()
    later = ReportingStep(github, resumed=True)
    later.end(result(Outcome.CANCELLED, reason="The job was cancelled."))
    assert status_histories(github) == [["inactive"]]
    assert row_states(github) == {"hello-world / production": State.CANCELLED}


def test_the_post_step_creates_nothing_and_leaves_other_runs_alone(github):
    ReportingStep(github, run=6).begin()
    ReportingStep(github, resumed=True).end(result(Outcome.CANCELLED))
    assert status_histories(github) == [[]]
