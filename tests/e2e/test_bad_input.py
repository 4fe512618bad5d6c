"""What is wrong is named, all of it at once, before anything is asked for; and outputs are set all the same."""

import json

import pytest

from sandbox import events
from sandbox.events import HEAD_BRANCH
from sandbox.stormkit.server import Generation, KeyScope
from tests.e2e.test_deploy import assert_sound

WRONG = {
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


def test_every_wrong_input_is_named_at_once_and_nothing_is_asked_for(stormkit, github, step):
    finished = step(**WRONG).run()
    assert_sound(finished)
    assert (finished.exit_code, finished.outputs["status"]) == (1, "failed")
    (error,) = finished.annotated("error")
    for name, value in WRONG.items():
        (line,) = [line for line in error.split("\n") if line.startswith(f"Input {name.replace('_', '-')}: ")]
        assert ("not shown" if name == "api_key" else value.split("\n")[0]) in line
    assert "two words" not in finished.log.replace("::add-mask::two words", "")
    assert stormkit.requests == github.requests == []


def test_an_error_links_to_its_explanation_once(step):
    finished = step(api_key="", env={"GITHUB_ACTION_REPOSITORY": "octocat/stormkit_action"}, event="push_branch").run()
    (error,) = finished.annotated("error")
    page = "https://github.com/octocat/stormkit_action/blob/main/docs/troubleshooting.md"
    assert error.split("\n")[1:] == [f"{page}#input-api-key--is-not-valid"]
    # What is foreign to the summary is harmless there, so an address would be no link.
    assert page not in finished.summary


CONTRADICTIONS = {
    "env-id": {"environments": "web: 305", "env_id": "305"},
    "deployment-id": {"environments": "web: 305", "deployment_id": "1"},
    "delete": {"command": "delete"},
    "wait": {"wait": "false", "publish": "true"},
    "environments": {"environments": "web 305"},
}


@pytest.mark.parametrize("names", CONTRADICTIONS)
def test_inputs_that_do_not_go_together(stormkit, step, names):
    finished = step(**CONTRADICTIONS[names]).run()
    assert_sound(finished)
    assert finished.exit_code == 1
    assert names in finished.annotated("error")[0]
    assert stormkit.requests == []


def test_an_empty_key_on_a_branch_of_one_s_own_is_an_error_that_says_where_keys_come_from(stormkit, step):
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
def test_stormkit_says_no_and_the_error_says_what_to_do(stormkit, step, inputs, words):
    finished = step(**inputs).run()
    assert_sound(finished)
    assert (finished.exit_code, finished.outputs["status"]) == (1, "failed")
    (error,) = finished.annotated("error")
    assert all(word in error for word in words), error
    assert len(stormkit.received("POST")) == 1
    assert stormkit.builds == 0


def test_a_branch_that_does_not_exist_fails_the_build_with_git_s_own_line(stormkit, step):
    finished = step(branch="gone").run()
    assert_sound(finished)
    assert (finished.exit_code, finished.outputs["status"]) == (1, "failed")
    (error,) = finished.annotated("error")
    assert "fatal: Remote branch gone not found in upstream origin" in error


def test_the_build_minutes_are_used_up(stormkit, step):
    stormkit.state.build_minutes_used_up = True
    finished = step().run()
    assert_sound(finished)
    assert finished.exit_code == 1
    assert "build minutes" in finished.outputs["reason"]


@pytest.mark.parametrize("scope", [KeyScope.APP, KeyScope.TEAM])
def test_keys_of_an_app_or_a_team_with_env_id(stormkit, step, scope):
    stormkit.add_key("SK_broad_key", scope=scope)
    finished = step(api_key="SK_broad_key", env_id="305").run()
    assert_sound(finished)
    assert finished.exit_code == 0, finished.log


def broken(change):
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
)
def test_an_event_with_fields_missing_is_an_input_error(stormkit, step, change):
    finished = step(broken(change), event_name="pull_request").run()
    assert_sound(finished)
    assert (finished.exit_code, finished.outputs["status"]) == (1, "failed")
    assert "pull_request" in finished.annotated("error")[0]
    assert stormkit.requests == []


def test_a_pull_request_of_a_deleted_fork_is_skipped(stormkit, step):
    payload = broken(lambda payload: payload["pull_request"]["head"].update(repo=None))
    finished = step(payload, event_name="pull_request").run()
    assert_sound(finished)
    assert (finished.exit_code, finished.outputs["status"]) == (0, "skipped")


def test_an_event_file_that_is_not_json(stormkit, step, tmp_path):
    path = tmp_path / "event.json"
    path.write_text("<html>", encoding="utf-8")
    finished = step(env={"GITHUB_EVENT_PATH": str(path)}, publish="yse").run()
    assert_sound(finished)
    assert finished.exit_code == 1
    (error,) = finished.annotated("error")
    assert "not JSON" in error
    assert "Input publish" in error, "the inputs' problems are reported with it"


def test_a_tag_is_no_branch(stormkit, step):
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


def test_no_foreign_text_reaches_a_command_or_a_mention(stormkit, github, step):
    nasty = (
        "::error::owned\n##[error]owned\r::set-output name=status::owned\n@octocat <!-- x --> </details> | ` ${{ x }}"
    )
    stormkit.next_build(seconds=0.1, outcome="failed", error=nasty, message=nasty, author=nasty)
    finished = step(build_log="always").run()
    assert_sound(finished)
    assert finished.outputs["status"] == "failed"
    assert not any(command.value.startswith("owned") for command in finished.commands)
    body = github.state.comments()[0].body
    for place in (body, finished.summary):
        assert "@octocat" not in place
        assert "<!-- x" not in place
    assert json.loads(finished.outputs["result"])["deployments"][0]["branch"] == HEAD_BRANCH
