"""The GitHub Deployments of previews and production: what they contain, and which earlier ones they end."""

import pytest

from sandbox.clock import TODAY, FakeClock
from sandbox.events import HEAD_BRANCH, HEAD_SHA
from sandbox.github.server import TOKEN, GitHub
from stormkit_action.github_api.api import GitHubApi
from stormkit_action.inputs import Command
from stormkit_action.reporting.comment_body import read_rows, render
from stormkit_action.reporting.rows import row_of
from stormkit_action.result import Outcome
from stormkit_action.stormkit.models import Commit
from tests.reporting.github_step import URL, ReportingStep, deployment_states, recorded_requests, result


def test_a_github_deployment_is_created_once_the_environment_is_known(github):
    step = ReportingStep(github)
    running = result(Outcome.RUNNING)
    step.report.started(running._replace(env_id="", deployment=None))
    step.wait_for_writes()
    assert github.state.deployments == []
    step.report.building("", row_of(running, run=step.run, now=TODAY))
    step.wait_for_writes()
    assert github.state.deployments[0].payload["env-id"] == "305"


def test_a_preview_is_a_transient_github_deployment_with_its_url(github):
    step = ReportingStep(github)
    step.begin(env_id="305")
    step.end(result(Outcome.SUCCESS, env_id="305", warning="w" * 300))
    [deployment] = github.state.deployments
    assert (deployment.ref, deployment.sha, deployment.environment) == (HEAD_SHA, HEAD_SHA, "Preview")
    assert deployment.task.startswith("deploy:stormkit:")
    assert deployment.transient_environment
    assert not deployment.production_environment
    assert deployment.payload == {
        "branch": HEAD_BRANCH,
        "pull-request": 42,
        "site": "",
        "env-id": "305",
        "deployment-id": "8007",
        "run-id": 7,
        "attempt": 1,
    }
    [ended] = deployment.statuses
    assert (ended.log_url, ended.environment_url) == ("https://github.com/octocat/hello-world/actions/runs/7", URL)
    assert len(ended.description) == 140


@pytest.mark.parametrize(
    ("outcome", "live", "state"),
    [(Outcome.SUCCESS, True, "success"), (Outcome.SUCCESS, False, "inactive"), (Outcome.FAILED, False, "failure")],
)
def test_publishing_creates_a_github_deployment_to_production(github, outcome, live, state):
    step = ReportingStep(github, {"publish": "true"})
    step.begin()
    step.end(result(outcome, live=live, reason="" if live else "Not published: the branch has moved on."))
    [deployment] = github.state.deployments
    assert deployment.environment == "Production"
    assert deployment.production_environment
    assert not deployment.transient_environment
    assert deployment.state == state
    assert deployment.statuses[-1].environment_url == (URL if live else "")


@pytest.mark.parametrize(
    ("outcome", "state"),
    [
        (Outcome.FAILED, "failure"),
        (Outcome.TIMED_OUT, "failure"),
        (Outcome.STOPPED, "inactive"),
        (Outcome.CANCELLED, "inactive"),
        (Outcome.SKIPPED, "inactive"),
        (Outcome.RUNNING, "in_progress"),
    ],
)
def test_an_unsuccessful_outcome_sets_the_state_and_the_reason(github, outcome, state):
    step = ReportingStep(github)
    step.begin()
    step.end(result(outcome, reason="Said why."))
    [deployment] = github.state.deployments
    assert deployment.state == state
    assert deployment.statuses[-1].environment_url == ""
    assert deployment.statuses[-1].description == "Said why."


@pytest.mark.parametrize(
    ("inputs", "names"),
    [
        ({"environment": "Staging"}, [""]),
        ({"environments": "docs: 305\nshop: 306"}, ["docs", "shop"]),
        ({"environments": "docs: 305"}, ["docs"]),
    ],
)
def test_the_environment_s_name_contains_the_site_only_if_there_are_several(github, inputs, names):
    step = ReportingStep(github, inputs)
    for name in names:
        step.begin(name, env_id="305")
    base = inputs.get("environment", "Preview")
    expected = [f"{base} ({name})" if len(names) > 1 else base for name in names]
    assert [deployment.environment for deployment in github.state.deployments] == expected


@pytest.mark.parametrize("comment_key", ["stormkit", "other"])
def test_a_push_ends_the_earlier_preview_even_if_it_creates_the_comment(github, comment_key):
    ReportingStep(github).end()
    if comment_key == "stormkit":
        github.state.repository().comments.clear()
    later = ReportingStep(github, {"comment-key": comment_key}, run=8, action="synchronize")
    later.begin()
    later.end()
    assert deployment_states(github) == ["inactive", "success"]


@pytest.mark.parametrize("comment", ["true", "false"])
def test_a_new_preview_replaces_the_earlier_one(github, comment):
    for run, outcome in ((7, Outcome.SUCCESS), (8, Outcome.FAILED), (9, Outcome.CANCELLED), (10, Outcome.SUCCESS)):
        step = ReportingStep(github, {"comment": comment}, run=run)
        step.begin()
        step.end(result(outcome, deployment_id=step.default_id))
        first = github.state.deployments[0]
        assert first.state == ("inactive" if run == 10 else "success")
    assert deployment_states(github) == ["inactive", "failure", "inactive", "success"]


def test_a_new_preview_replaces_one_that_a_killed_run_left_in_progress(github):
    ReportingStep(github).begin()
    later = ReportingStep(github, run=8)
    later.begin()
    later.end()
    assert deployment_states(github) == ["inactive", "success"]


def create_production(github: GitHub, clock: FakeClock, **more):
    """Create a live GitHub Deployment to production."""
    api = GitHubApi(token=TOKEN, repository="octocat/hello-world", api_url=github.url, clock=clock)
    values = {"task": "deploy", "payload": {}, **more}
    created = api.create_deployment(sha=HEAD_SHA, environment="Production", description="", production=True, **values)
    api.set_deployment_state(created.id, "success", description="")
    return github.state.deployments[-1]


@pytest.mark.threat("A hostile comment author")
def test_a_forged_row_ends_no_deployment_but_previews_of_the_branch(github):
    """All workflows of the repository share the comment's account, so another one may have written the row."""
    step = ReportingStep(github)
    step.begin()
    step.end()
    production = create_production(github, step.clock, payload={"deployment-id": "666", "env-id": "305"})
    [comment] = github.state.comments()
    [row] = read_rows(comment.body)
    forged = render([row._replace(good_id="666", deployment_id="666")], "stormkit")
    step.report._github.edit_comment(42, comment.id, forged)
    later = ReportingStep(github, run=8)
    later.begin()
    later.end()
    assert deployment_states(github) == ["inactive", "success", "success"]
    assert production.state == "success"


@pytest.mark.parametrize("comment", ["true", "false"])
def test_a_preview_of_the_live_branch_leaves_its_production_deployment_active(github, comment):
    live = ReportingStep(github, {"publish": "true", "comment": comment})
    live.begin()
    live.end(result(Outcome.SUCCESS, live=True))
    preview = ReportingStep(github, {"comment": comment}, run=8)
    preview.begin()
    preview.end()
    assert deployment_states(github) == ["success", "success"]


def test_only_the_live_one_of_several_published_pushes_stays_active(github):
    for run, branch in ((7, "main"), (8, "main"), (9, "hotfix")):
        step = ReportingStep(github, {"publish": "true"}, run=run, branch=branch, pull_request=None, event="push")
        step.begin()
        step.end(result(Outcome.SUCCESS, deployment_id=step.default_id, live=True))
    assert deployment_states(github) == ["inactive", "inactive", "success"]


def test_another_tool_s_deployment_to_production_stays_active(github):
    step = ReportingStep(github, {"publish": "true"})
    production = create_production(github, step.clock, task="deploy:other", payload={"env-id": "305"})
    step.begin()
    step.end(result(Outcome.SUCCESS, live=True))
    assert production.state == "success"


def test_another_environment_s_production_stays_active(github):
    for run, env_id in ((7, "305"), (8, "306")):
        step = ReportingStep(github, {"publish": "true", "comment": "false"}, run=run)
        step.begin(env_id=env_id)
        step.end(result(Outcome.SUCCESS, env_id=env_id, deployment_id=step.default_id, live=True))
    assert deployment_states(github) == ["success", "success"]


@pytest.mark.parametrize("inputs", [{"comment": "false"}, {}], ids=["without comment", "with comment"])
def test_two_sites_with_their_own_keys_are_told_apart_without_env_id_and_label(github, inputs):
    """They are told apart by the environment that Stormkit returns."""
    for run, env_id in ((7, "305"), (8, "306"), (9, "305")):
        step = ReportingStep(github, inputs, run=run)
        step.begin(env_id=env_id)
        step.end(result(Outcome.SUCCESS, env_id=env_id, deployment_id=step.default_id))
    assert deployment_states(github) == ["inactive", "success", "success"]
    if not inputs:
        [comment] = github.state.comments()
        found = {row.env_id: row.deployment_id for row in read_rows(comment.body)}
        assert found == {"305": "8009", "306": "8008"}
        assert "hello-world / production (305)" in comment.body.replace("&#40;", "(").replace("&#41;", ")")


def test_an_older_build_that_ends_later_stays_replaced(github):
    older = ReportingStep(github, run=7)
    older.begin()
    newer = ReportingStep(github, run=8)
    newer.begin()
    newer.end(result(Outcome.SUCCESS, deployment_id="8008"))
    older.end()
    assert deployment_states(github) == ["inactive", "success"]
    assert read_rows(github.state.comments()[0].body)[0].deployment_id == "8008"


def test_a_retried_build_gets_a_new_github_deployment(github):
    step = ReportingStep(github)
    step.begin(deployment_id="8241")
    step.begin(deployment_id="8242")
    step.end(result(Outcome.SUCCESS, deployment_id="8242"))
    assert deployment_states(github) == ["failure", "success"]
    assert [deployment.payload["deployment-id"] for deployment in github.state.deployments] == ["8241", "8242"]


@pytest.mark.parametrize("expected", ["", HEAD_SHA[:9]])
def test_without_a_full_sha_the_github_deployment_waits_for_stormkit_s_commit(github, expected):
    step = ReportingStep(github, {"comment": "false"}, sha=expected)
    step.begin()
    assert recorded_requests(github) == []
    step.end()
    [deployment] = github.state.deployments
    assert (deployment.sha, deployment.state) == (HEAD_SHA, "success")


def test_without_any_commit_no_github_deployment_is_created(github):
    step = ReportingStep(github, {"comment": "false"}, sha="")
    ended = result(Outcome.SUCCESS, deployment_id=step.default_id)
    step.end(ended._replace(deployment=ended.deployment._replace(commit=Commit())))
    assert recorded_requests(github) == []
    assert "did not say which commit" in step.report.deployments.problem


def test_the_publish_command_records_the_commit_it_made_live(github):
    step = ReportingStep(github, command=Command.PUBLISH, sha="1" * 40)
    step.end(result(Outcome.SUCCESS, live=True))
    [deployment] = github.state.deployments
    assert (deployment.sha, deployment.environment, deployment.state) == (HEAD_SHA, "Production", "success")
