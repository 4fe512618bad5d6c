"""What Stormkit tells, from both generations of servers and from nobody's."""

import contextlib
import json
import math
import tracemalloc
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stormkit_action.fields import web_url
from stormkit_action.stormkit.models import (
    Commit,
    Deployment,
    LogStep,
    Status,
    UploadSize,
    commits_match,
    failure_reason,
    parse_id,
)
from tests.stormkit import recorded

# As the documentation shows one; older servers answer so.
OLDER: dict[str, Any] = {
    "id": "8241",
    "appId": "1510",
    "envId": "305",
    "envName": "production",
    "displayName": "my-app",
    "repo": "github/octocat/hello-world",
    "branch": "release/2.0",
    "status": "success",
    "error": "",
    "isAutoDeploy": False,
    "isAutoPublish": True,
    "stoppedManually": False,
    "statusChecksPassed": True,
    "apiPathPrefix": "",
    "previewUrl": "https://8241--my-app.stormkit.dev",
    "detailsUrl": "/apps/1510/environments/305/deployments/8241",
    "duration": 42,
    "createdAt": "1742300400",
    "stoppedAt": "1742300442",
    "commit": {"author": "Mona Lisa", "message": "fix: improve performance", "sha": "16ab41e8"},
    "snapshot": {"build": {}},
    "logs": None,
    "statusChecks": None,
    "published": [{"envId": "305", "percentage": 100}],
    "uploadResult": {"clientBytes": 204800, "serverBytes": 0, "serverlessBytes": 10.0},
}
NEWER: dict[str, Any] = {
    **OLDER,
    "published": True,
    "isWarmingUp": False,
    "failureSummary": "npm ERR!",
    "logsUrl": "https://api.stormkit.io/logs/8241",
    "logs": [
        {"title": "npm install", "message": "ok\n", "status": True, "duration": 12},
        {"title": "npm run build", "message": "no\n", "status": False, "duration": 3.5},
    ],
    "statusChecks": [],
    "somethingNew": {"a": 1},
}


def parsed(**fields: Any) -> Deployment:
    return Deployment.from_api({"id": "8241", "status": "running", **fields})


def test_an_older_servers_deployment():
    assert Deployment.from_api(OLDER) == Deployment(
        id="8241",
        status=Status.SUCCESS,
        branch="release/2.0",
        commit=Commit(sha="16ab41e8", author="Mona Lisa", message="fix: improve performance"),
        app_name="my-app",
        env_id="305",
        env_name="production",
        is_auto_deploy=False,
        status_checks_passed=True,
        preview_url="https://8241--my-app.stormkit.dev",
        details_path="/apps/1510/environments/305/deployments/8241",
        duration=42.0,
        created_at=datetime(2025, 3, 18, 12, 20, tzinfo=UTC),
        stopped_at=datetime(2025, 3, 18, 12, 20, 42, tzinfo=UTC),
        published=True,
        upload=UploadSize(client=204800, server=0, serverless=10),
        configuration_lost=False,
    )


def test_a_newer_servers_deployment():
    deployment = Deployment.from_api(NEWER)
    assert (deployment.published, deployment.warming_up) == (True, False)
    assert deployment.failure_summary == "npm ERR!"
    assert deployment.logs[0] == LogStep(title="npm install", message="ok\n", ok=True, duration=12.0)
    assert deployment.failing_step == deployment.logs[1]
    assert deployment.name == "my-app / production"


def test_nothing_but_id_and_status_is_needed():
    assert parsed() == Deployment(id="8241", status=Status.RUNNING)
    assert parsed().running
    assert parsed().name == ""
    assert parsed().failing_step is None


@pytest.mark.parametrize(
    ("fields", "status", "unknown"),
    [
        ({"status": "running"}, Status.RUNNING, ""),
        ({"status": "success"}, Status.SUCCESS, ""),
        ({"status": "failed"}, Status.FAILED, ""),
        ({"status": "failed", "stoppedManually": False}, Status.FAILED, ""),
        ({"status": "failed", "stoppedManually": "true"}, Status.FAILED, ""),
        ({"status": "failed", "stoppedManually": True}, Status.STOPPED, ""),
        ({"status": "stopped"}, Status.STOPPED, ""),
        ({"status": "success", "stoppedManually": True}, Status.SUCCESS, ""),
        ({"status": "running", "stoppedManually": True}, Status.RUNNING, ""),
        ({"status": "verifying"}, Status.RUNNING, "verifying"),
        ({"status": "SUCCESS"}, Status.RUNNING, "SUCCESS"),
    ],
)
def test_status(fields, status, unknown):
    deployment = parsed(**fields)
    assert (deployment.status, deployment.unknown_status) == (status, unknown)


@pytest.mark.parametrize("fields", [{"status": ""}, {"status": None}, {"status": 1}, {"status": ["running"]}])
def test_without_a_status_it_is_none(fields):
    with pytest.raises(ValueError, match="no status"):
        parsed(**fields)


@pytest.mark.parametrize(("value", "text"), [("8241", "8241"), (8241, "8241"), ("a-b_c", "a-b_c"), (0, "0")])
def test_ids(value, text):
    assert parse_id(value) == text


@pytest.mark.parametrize(
    "value", [None, "", " ", True, 1.5, "1/2", "../..", "8241?x", "8241\n", "x" * 65, ["1"], 10**70]
)
def test_what_is_no_id(value):
    with pytest.raises(ValueError, match="usable id"):
        parsed(id=value)


@pytest.mark.parametrize(
    ("value", "published"),
    [
        (True, True),
        (False, False),
        (None, None),
        ([], False),
        ([{"envId": "305", "percentage": 100}], True),
        ([{"envId": "305", "percentage": 1}], True),
        ([{"envId": "305", "percentage": 0}], False),
        ([{"envId": "305", "percentage": 0.0}, {"envId": "305", "percentage": 50}], True),
        # Never take a site down because of a shape that nobody knows.
        ([{"envId": "305"}], True),
        ([{"percentage": None}], True),
        (["305"], True),
        ({}, None),
        ("true", None),
        (1, None),
    ],
)
def test_published(value, published):
    assert parsed(published=value).published is published


@pytest.mark.parametrize(
    ("value", "time"),
    [
        ("1742300400", datetime(2025, 3, 18, 12, 20, tzinfo=UTC)),
        (1742300400, datetime(2025, 3, 18, 12, 20, tzinfo=UTC)),
        (1742300400.5, datetime(2025, 3, 18, 12, 20, tzinfo=UTC) + timedelta(seconds=0.5)),
        *[
            (value, None)
            for value in (None, "", "0", 0, -5, "soon", "nan", "inf", 1e300, "1e300", 10**400, True, [], {})
        ],
        ("2025-03-18T12:20:00Z", None),
    ],
)
def test_times(value, time):
    assert parsed(createdAt=value).created_at == time


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        *[(42, 42.0), (1.5, 1.5), ("42", 42.0), (0, 0.0)],
        *[(value, 0.0) for value in (None, -1, "x", True, math.nan, math.inf, 10**400, "9" * 5000, [], {})],
    ],
)
def test_durations(value, seconds):
    assert parsed(duration=value).duration == seconds


@pytest.mark.parametrize(
    ("built", "expected", "matches"),
    [
        ("16ab41e8" + "0" * 32, "16ab41e8" + "0" * 32, True),
        ("16ab41e8", "16ab41e8" + "0" * 32, True),
        ("16ab41e8" + "0" * 32, "16ab41e", True),
        ("16ab41e8", "16ab41e", True),
        ("16AB41E8", "16ab41e8" + "0" * 32, True),
        ("16ab41e8", "16ab41e9" + "0" * 32, False),
        ("a" * 64, "a" * 64, True),
        *[
            (built, "16ab41e8", None)
            for built in (None, "", "16ab41", "16ab41e", "HEAD", "16ab41e8 ", "a" * 65, "16ab41e8\n")
        ],
        ("16ab41e8", "", None),
    ],
)
def test_whether_the_expected_commit_was_built(built, expected, matches):
    assert commits_match(built, expected) is matches


@pytest.mark.parametrize("commit", [None, {}, [], "16ab41e8", {"sha": None}, {"sha": ""}, {"sha": 5, "author": []}])
def test_a_commit_that_is_not_known_yet(commit):
    assert parsed(commit=commit).commit == Commit()


@pytest.mark.parametrize(
    ("value", "url"),
    [
        ("https://8241--my-app.stormkit.dev", "https://8241--my-app.stormkit.dev"),
        ("http://localhost:8080/p?q=1#f", "http://localhost:8080/p?q=1#f"),
        ("https://[::1]:8080/", "https://[::1]:8080/"),
        (" https://example.com ", "https://example.com"),
        ("https://example.com/a b(c)'d\"<e>`|\\", "https://example.com/a%20b%28c%29%27d%22%3Ce%3E%60%7C%5C"),
        ("https://example.com/ü%20\ud800", "https://example.com/%C3%BC%20?"),
        *[
            (value, "")
            for value in (
                *(None, "", 5, [], "example.com", "/path", "//example.com", "javascript:alert(1)", "ftp://example.com"),
                *(
                    "https://",
                    "https:///x",
                    "https://user:word@example.com",
                    "https://exa mple.com",
                    "https://exämple.com",
                ),
                *("https://[::1", "https://example.com:x", "https://example.com:99999", "https://exa\nmple.com/"),
                *(
                    "https://example.com/\n::error::x",
                    "https://example.com/\x1b[31m",
                    "https://example.com/" + "x" * 2000,
                ),
                "https://<b>",
            )
        ],
    ],
)
def test_urls_that_may_be_printed_and_linked(value, url):
    assert web_url(value) == url


@pytest.mark.parametrize(
    ("value", "path"),
    [
        ("/apps/1/deployments/2?x=1", "/apps/1/deployments/2?x=1"),
        ("/a b)|\n\ud800", "/a%20b%29%7C%0A?"),
        *[
            (value, "")
            for value in (
                None,
                5,
                "",
                "apps",
                "//evil.example.com",
                "/\\evil.example.com",
                "https://x",
                "/" + "x" * 2000,
            )
        ],
    ],
)
def test_the_details_are_a_path_on_the_dashboard(value, path):
    assert parsed(detailsUrl=value).details_path == path


def test_steps_that_are_none():
    for value in (None, [], {}, "x", 5, [None, 5, "x", []]):
        assert parsed(logs=value).logs == ()
    (step,) = parsed(logs=[{}]).logs
    assert step == LogStep(title="", message="", ok=True, duration=0.0)
    (step,) = parsed(logs=[{"title": None, "message": 5, "status": None, "duration": "x"}]).logs
    assert step == LogStep(title="", message="", ok=True, duration=0.0)


def test_the_failing_step_is_the_last_that_failed_checks_included():
    logs = [{"title": "a", "status": False}, {"title": "b", "status": True}]
    step = parsed(status="failed", logs=logs).failing_step
    assert step is not None
    assert step.title == "a"
    step = parsed(status="failed", logs=logs, statusChecks=[{"title": "check", "status": False}]).failing_step
    assert step is not None
    assert step.title == "check"


@pytest.mark.parametrize("value", [None, [], "x", 5])
def test_no_upload(value):
    assert parsed(uploadResult=value).upload is None


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(["8241", "failed"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
FIELDS = st.sampled_from(sorted(NEWER))


@given(st.dictionaries(FIELDS, JSON, max_size=4), st.booleans())
def test_nothing_but_a_value_error(fields, whole):
    data = {**NEWER, **fields} if whole else fields
    with contextlib.suppress(ValueError):
        deployment = Deployment.from_api(data)
        assert math.isfinite(deployment.duration)


@given(st.dictionaries(FIELDS.filter(lambda name: name not in ("id", "status")), JSON))
def test_whatever_the_other_fields_hold_it_is_a_deployment(fields):
    deployment = parsed(**fields)
    json.dumps([deployment.preview_url, deployment.details_path]).encode("ascii")


def test_a_number_too_long_to_write_is_no_id():
    with pytest.raises(ValueError, match="digits"):
        parse_id(10**5000)


CHECK = "sh -c 'echo check one; sleep 8; test ! -f fail-checks'"
SECRETS = ("p4ss", "hunter2", "s3cr3t")


@pytest.mark.parametrize(
    "scenario", ["deploy-failed", "deploy-slow-live-log", "restart-after-failure", "status-checks"]
)
def test_no_value_of_the_environments_variables_enters_a_deployment(scenario):
    for deployment in recorded.deployments(scenario):
        assert not any(secret in repr(deployment) for secret in SECRETS)


def test_the_step_of_the_variables_shows_their_names_alone():
    ended = recorded.deployments("deploy-failed")[-1]
    (step,) = [step for step in ended.logs if step.title == "environment variables"]
    names = ["API_SECRET", "GREETING", "MISE_NODE_PATH", "NODE_ENV", "REDIS_URL", "SK_APP_ID", "SK_BRANCH_NAME"]
    names += ["SK_COMMIT_SHA", "SK_DEPLOYMENT_ID", "SK_DEPLOYMENT_URL", "SK_ENV", "SK_ENV_ID", "SK_ENV_URL", "SLOW"]
    assert step.message == "".join(f"{name}\n" for name in [*names, "SMTP_PASS", "STORMKIT"])


@pytest.mark.parametrize("title", ["environment variables", "Environment Variables "])
@pytest.mark.parametrize("status", [True, False])
@pytest.mark.parametrize("snapshot", [{"build": {"vars": {"PEM": "x"}}}, {"build": {"vars": None}}, None, [], {}])
def test_a_value_of_several_lines_is_no_name(title, status, snapshot):
    message = "PEM=-----BEGIN KEY-----\nMIIEvQ==\nSECRET=inside\nQUJD=\n-----END KEY-----\nSK_ENV=staging\n"
    step = {"title": title, "message": message, "status": status}
    (shown,) = parsed(status="failed", snapshot=snapshot, logs=[step]).logs
    known = bool(snapshot) and snapshot.get("build") == {"vars": {"PEM": "x"}}
    assert shown.message == ("PEM\nSK_ENV\n" if known else "SK_ENV\n")


def test_a_failure_summary_shows_no_value_either():
    snapshot = {"build": {"vars": {"SMTP_PASS": "x"}}}
    assert parsed(snapshot=snapshot, failureSummary="a\nSMTP_PASS=hunter2\nB=c").failure_summary == "a\nSMTP_PASS\nB=c"


def test_a_failure_summary_shows_no_line_of_a_value_of_several_lines():
    snapshot = {"build": {"vars": {"PEM": "-----BEGIN KEY-----\nMIIEvQ==\n-----END KEY-----"}}}
    summary = "a\nPEM=-----BEGIN KEY-----\nMIIEvQ==\n-----END KEY-----\nexit status 1"
    assert parsed(snapshot=snapshot, failureSummary=summary).failure_summary == "a\nPEM\nexit status 1"


@pytest.mark.parametrize("line", ["\n", "=\n", "A=\n", "SK_A=1\n"])
@pytest.mark.parametrize("place", ["step", "summary"])
def test_a_list_of_variables_without_end_takes_less_memory_than_its_text(line, place):
    text = line * (20_000_000 // len(line))
    step = {"title": "environment variables", "message": text, "status": True, "duration": 1}
    more = {"logs": [step]} if place == "step" else {"failureSummary": text}
    data = {"id": "8241", "status": "failed", "snapshot": {"build": {"vars": {"A": ""}}}, **more}
    tracemalloc.start()
    try:
        Deployment.from_api(data)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < len(text)


def test_a_line_that_is_cut_in_a_long_summary_is_left_out():
    summary = "SMTP_PASS=" + "hunter2 " * 100_000 + "\nError: no\n"
    data = {"id": "8241", "status": "failed", "snapshot": {"build": {"vars": {"SMTP_PASS": "x"}}}}
    assert Deployment.from_api({**data, "failureSummary": summary}).failure_summary == "Error: no\n"


@pytest.mark.parametrize(
    ("author", "name"),
    [
        ("Mona Lisa <octocat@github.com>", "Mona Lisa"),
        ("Mona Lisa <octocat@github.com", "Mona Lisa"),
        ("octocat@github.com", None),
        ("<octocat@github.com>", None),
        ("Mona (octocat@github.com)", "Mona"),
        ("Mona", "Mona"),
    ],
)
def test_the_author_of_a_commit_has_no_mail_address(author, name):
    assert parsed(commit={"author": author}).commit.author == name


def test_a_restart_that_lost_its_configuration_is_told_from_a_server_that_does_not_report_it():
    assert parsed(snapshot=None).configuration_lost is True
    assert parsed(snapshot={"build": {}}).configuration_lost is False
    assert parsed().configuration_lost is None


@pytest.mark.parametrize("scenario", ["restart-after-failure", "restart-loses-status-checks"])
def test_a_recorded_restart_has_lost_its_configuration(scenario):
    states = [*recorded.deployments(scenario, logs=False), *recorded.deployments(scenario)]
    assert {deployment.configuration_lost for deployment in states} == {False, True}
    assert states[0].configuration_lost is False


def test_the_step_that_runs_has_no_duration_no_failure_and_no_blank_line_at_its_end():
    running = recorded.deployments("deploy-slow-live-log")
    steps = [step for deployment in running if deployment.running for step in deployment.logs]
    assert {step.ok for step in steps} == {True}
    assert max(step.duration for step in steps) < 60
    assert not any(deployment.failing_step for deployment in running)
    # What a step has printed so far is how its final text begins.
    final = {step.title: step.message for step in running[-1].logs}
    for step in steps:
        assert final[step.title].startswith(step.message)


@pytest.mark.parametrize(
    ("scenario", "reason"),
    [
        ("deploy-failed", "The build of deployment 8198 failed in sh build.sh: exit status 2"),
        (
            "deploy-missing-branch",
            "The build of deployment 8199 failed: branch no-such-branch does not exist in the repository that Stormkit"
            " deploys",
        ),
        (
            "ended-after-15-minutes",
            "Stormkit ended deployment 8143 after 15m 16s: it allows 15 minutes for the queue and the build together",
        ),
        (
            "status-checks",
            f"The build of deployment 8218 succeeded, but its status checks failed or were stopped ({CHECK})",
        ),
        (
            "stop-during-status-checks",
            f"The build of deployment 8213 succeeded, but its status checks failed or were stopped ({CHECK})",
        ),
    ],
)
def test_why_a_recorded_deployment_failed(scenario, reason):
    assert failure_reason(recorded.deployments(scenario)[-1]) == reason


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({}, "The build of deployment 8241 failed"),
        ({"error": "disk full"}, "The build of deployment 8241 failed: disk full"),
        ({"duration": 901, "error": "disk full"}, "The build of deployment 8241 failed: disk full"),
        (
            {"statusChecksPassed": False, "logs": [{"title": "npm install", "status": False}]},
            "The build of deployment 8241 failed in npm install",
        ),
    ],
)
def test_why_a_deployment_failed(fields, reason):
    assert failure_reason(parsed(status="failed", **fields)) == reason
