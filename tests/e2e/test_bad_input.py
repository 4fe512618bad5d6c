"""Bad inputs, events and files: every problem is named at once, before any request, and all outputs are set."""

import json

import pytest

from sandbox import events
from sandbox.events import HEAD_BRANCH
from sandbox.stormkit.server import Generation, KeyScope
from tests.e2e.test_deploy import assert_sound

WRONG_INPUTS = {
    "api_key": "two words",
    "env_id": "305/../306",
    "command": "depoly",
    "branch": "a..b",
    "sha": "main",
    "deployment_id": "#8241",
    "publish": "yse",
    "wait": "1",
    "timeout": "soon",
    "on_timeout": "kill",
    "on_cancel": "kill",
    "retries": "-1",
    "poll_interval": "0",
    "stop_superseded": "on",
    "health_check": "https://monalisa.example.com/health",
    "health_check_status": "ok",
    "health_check_timeout": "1 minute",
    "keep_latest": "all",
    "build_log": "verbose",
    "comment": "yes",
    "comment_key": "a b",
    "label": "two\nlines",
    "github_deployment": "maybe",
    "environment": "two\nlines",
    "job_summary": "no",
    "api_url": "api.example.com",
    "dashboard_url": "ftp://app.example.com",
}


def test_every_wrong_input_is_reported_at_once_before_any_request(stormkit, github, step):
    finished = step(**WRONG_INPUTS).run()
    assert_sound(finished)
    assert (finished.exit_code, finished.outputs["status"]) == (1, "failed")
    (error,) = finished.annotated("error")
    for name, value in WRONG_INPUTS.items():
        (line,) = [line for line in error.split("\n") if line.startswith(f"Input {name.replace('_', '-')}: ")]
        assert ("not shown" if name == "api_key" else value.split("\n")[0]) in line
    assert "two words" not in finished.log.replace("::add-mask::two words", "")
    assert stormkit.requests == github.requests == []


def test_an_error_links_to_its_explanation_once(step):
    finished = step(api_key="", env={"GITHUB_ACTION_REPOSITORY": "octocat/stormkit_action"}, event="push_branch").run()
    (error,) = finished.annotated("error")
    page = "https://github.com/octocat/stormkit_action/blob/main/docs/troubleshooting.md"
    assert error.split("\n")[1:] == [f"{page}#input-api-key--is-not-valid"]
    # The summary escapes the error's text, so an address in it would not become a link.
    assert page not in finished.summary


CONTRADICTIONS = {
    "env-id": {"environments": "web: 305", "env_id": "305"},
    "deployment-id": {"environments": "web: 305", "deployment_id": "1"},
    "delete": {"command": "delete"},
    "wait": {"wait": "false", "publish": "true"},
    "environments": {"environments": "web 305"},
}


@pytest.mark.parametrize("named_in_error", CONTRADICTIONS)
def test_contradictory_inputs_fail_the_step_before_any_request(stormkit, step, named_in_error):
    finished = step(**CONTRADICTIONS[named_in_error]).run()
    assert_sound(finished)
    assert finished.exit_code == 1
    assert named_in_error in finished.annotated("error")[0]
    assert stormkit.requests == []


def test_an_empty_key_on_one_s_own_branch_says_where_keys_come_from(stormkit, step):
    finished = step("push_branch", api_key="").run()
    assert_sound(finished)
    assert finished.exit_code == 1
    assert "secrets.STORMKIT_API_KEY" in finished.annotated("error")[0]


@pytest.mark.parametrize("stormkit", list(Generation), indirect=True)
@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        ({"api_key": "SK_wrong"}, ["refused the API key (403)", "API Keys", "repository secret"]),
        ({"api_key": "SK_user"}, ["404", f"deployment of {HEAD_BRANCH}, without env-id", "key needs env-id"]),
        (
            {"api_key": "SK_user", "env_id": "999"},
            ["404", f"deployment of {HEAD_BRANCH} in environment 999", "the API key reaches"],
        ),
    ],
)
def test_a_refused_trigger_says_what_to_do(stormkit, step, inputs, words):
    finished = step(**inputs).run()
    assert_sound(finished)
    assert (finished.exit_code, finished.outputs["status"]) == (1, "failed")
    (error,) = finished.annotated("error")
    assert all(word in error for word in words), error
    assert len(stormkit.received("POST")) == 1
    assert stormkit.builds == 0


def test_a_branch_that_does_not_exist_fails_with_git_s_own_message(stormkit, step):
    finished = step(branch="gone").run()
    assert_sound(finished)
    assert (finished.exit_code, finished.outputs["status"]) == (1, "failed")
    (error,) = finished.annotated("error")
    assert "fatal: Remote branch gone not found in upstream origin" in error


def test_used_up_build_minutes_are_the_reason_of_the_failure(stormkit, step):
    stormkit.state.build_minutes_used_up = True
    finished = step().run()
    assert_sound(finished)
    assert finished.exit_code == 1
    assert "build minutes" in finished.outputs["reason"]


@pytest.mark.parametrize("scope", [KeyScope.APP, KeyScope.TEAM])
def test_an_app_or_team_key_deploys_with_env_id(stormkit, step, scope):
    stormkit.add_key("SK_broad_key", scope=scope)
    finished = step(api_key="SK_broad_key", env_id="305").run()
    assert_sound(finished)
    assert finished.exit_code == 0, finished.log


def changed_event(change):
    """The payload of an opened pull request after `change`."""
    payload = events.load("pull_request_opened")
    change(payload)
    return payload


@pytest.mark.parametrize(
    "change",
    [
        lambda payload: payload.pop("pull_request"),
        lambda payload: payload["pull_request"].pop("head"),
        lambda payload: payload["pull_request"]["head"].update(sha=None),
        lambda payload: payload.update(pull_request=[]),
    ],
    ids=["no pull request", "no head", "no sha", "a list as the pull request"],
)
def test_an_event_with_fields_missing_is_an_input_error(stormkit, step, change):
    finished = step(changed_event(change), event_name="pull_request").run()
    assert_sound(finished)
    assert (finished.exit_code, finished.outputs["status"]) == (1, "failed")
    assert "pull_request" in finished.annotated("error")[0]
    assert stormkit.requests == []


def test_a_pull_request_of_a_deleted_fork_is_skipped(stormkit, step):
    payload = changed_event(lambda payload: payload["pull_request"]["head"].update(repo=None))
    finished = step(payload, event_name="pull_request").run()
    assert_sound(finished)
    assert (finished.exit_code, finished.outputs["status"]) == (0, "skipped")


def test_an_event_file_that_is_not_json_is_reported_together_with_bad_inputs(stormkit, step, tmp_path):
    path = tmp_path / "event.json"
    path.write_text("<html>", encoding="utf-8")
    finished = step(env={"GITHUB_EVENT_PATH": str(path)}, publish="yse").run()
    assert_sound(finished)
    assert finished.exit_code == 1
    (error,) = finished.annotated("error")
    assert "not JSON" in error
    assert "Input publish" in error, "the inputs' problems are reported with it"


def test_a_push_of_a_tag_asks_for_the_input_branch(stormkit, step):
    finished = step("push_tag").run()
    assert_sound(finished)
    assert finished.exit_code == 1
    assert "Input branch" in finished.annotated("error")[0]


@pytest.mark.parametrize("path", ["/nowhere/output", "/"])
def test_outputs_that_cannot_be_written_are_printed_and_fail_the_step(stormkit, step, path):
    finished = step(env={"GITHUB_OUTPUT": path}).run()
    assert finished.exit_code == 1
    (error,) = finished.annotated("error")
    assert "GITHUB_OUTPUT" in error
    assert f"preview-url={stormkit.url}/preview/{stormkit.deployments[0].id}/" in finished.log


def test_a_summary_that_cannot_be_written_is_one_warning(step):
    finished = step(env={"GITHUB_STEP_SUMMARY": "/nowhere/summary"}).run()
    assert_sound(finished)
    assert finished.exit_code == 0
    assert "GITHUB_STEP_SUMMARY" in finished.annotated("warning")[0]


def test_foreign_text_issues_no_command_and_mentions_nobody(stormkit, github, step):
    hostile = (
        "::error::owned\n##[error]owned\r::set-output name=status::owned\n@octocat <!-- x --> </details> | ` ${{ x }}"
    )
    stormkit.next_build(seconds=0.1, outcome="failed", error=hostile, message=hostile, author=hostile)
    finished = step(build_log="always").run()
    assert_sound(finished)
    assert finished.outputs["status"] == "failed"
    assert not any(command.value.startswith("owned") for command in finished.commands)
    body = github.state.comments()[0].body
    for place in (body, finished.summary):
        assert "@octocat" not in place
        assert "<!-- x" not in place
    assert json.loads(finished.outputs["result"])["deployments"][0]["branch"] == HEAD_BRANCH
