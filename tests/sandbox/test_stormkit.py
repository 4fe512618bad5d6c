"""The local Stormkit's API in each generation: triggers, keys, lists and errors."""

import time
from email.utils import parsedate_to_datetime

import pytest
import requests

from sandbox.events import BASE_SHA, HEAD_BRANCH, HEAD_SHA
from sandbox.stormkit.server import ENV_ID, Generation, KeyScope, Stormkit
from tests.sandbox.stormkit_requests import call, read, trigger

PUSHED_SHA = "0123456789abcdef0123456789abcdef01234567"


def test_a_build_goes_from_the_queue_to_success(stormkit, clock):
    stormkit.next_build(seconds=10, queued=2)
    answer = call(stormkit, "POST", "/deploy", branch=HEAD_BRANCH)
    assert answer.status_code == 201
    deployment = answer.json()
    queued = {"status": "running", "duration": 0, "stoppedAt": None, "branch": HEAD_BRANCH, "envId": "305"}
    assert deployment.items() >= queued.items()
    assert deployment["commit"] == {"author": None, "message": None, "sha": None}
    deployment_id = deployment["id"]
    clock.advance(3)
    assert read(stormkit, deployment_id)["commit"]["sha"] == HEAD_SHA
    clock.advance(6.9)
    assert call(stormkit, "GET", f"/deployments/{deployment_id}/poll").json() == {"status": "running"}
    clock.advance(0.1)
    assert call(stormkit, "GET", f"/deployments/{deployment_id}/poll").json() == {"status": "success"}
    finished = read(stormkit, deployment_id)
    assert finished["duration"] == 10
    assert int(finished["stoppedAt"]) - int(finished["createdAt"]) == 10
    assert finished["uploadResult"]["clientBytes"] == 436
    assert finished["detailsUrl"] == f"/apps/1510/environments/305/deployments/{deployment_id}"
    assert finished["logs"] is finished["statusChecks"] is None
    assert finished["statusChecksPassed"] is (None if stormkit.state.generation is Generation.APRIL else True)
    assert stormkit.builds == 1


def test_ids_grow_and_a_trigger_without_a_branch_builds_the_default_branch(stormkit):
    first, second = trigger(stormkit), call(stormkit, "POST", "/deploy").json()
    assert int(first) < int(second["id"])
    assert second["branch"] == "main"


def test_the_build_takes_the_branch_s_tip_at_the_checkout(stormkit, clock):
    stormkit.next_build(seconds=10, queued=2)
    deployment_id = trigger(stormkit)
    clock.advance(1)
    stormkit.push(HEAD_BRANCH, PUSHED_SHA, author="monalisa", message="Late")
    clock.advance(2)
    stormkit.push(HEAD_BRANCH, BASE_SHA)
    assert read(stormkit, deployment_id)["commit"] == {"author": "monalisa", "message": "Late", "sha": PUSHED_SHA}


def test_a_branch_deleted_before_the_checkout_fails_the_build(stormkit, clock):
    stormkit.next_build(seconds=10, queued=2)
    deployment_id = trigger(stormkit)
    stormkit.delete_branch(HEAD_BRANCH)
    clock.advance(20)
    deployment = read(stormkit, deployment_id, logs="true")
    assert deployment["status"] == "failed"
    assert deployment["commit"]["sha"] is None
    assert "not found" in deployment["logs"][-1]["message"]


@pytest.mark.parametrize(
    ("key", "env_id", "status"),
    [
        ("", "", 403),
        ("SK_wrong", "", 403),
        ("Bearer SK_sandbox", "", 200),
        ("SK_sandbox", "306", 200),  # an environment's key ignores envId
        ("SK_user", "", 404),
        ("SK_user", "305", 200),
        ("SK_user", "306", 200),
        ("SK_user", "999", 404),
        ("SK_app", "", 404),
        ("SK_app", "305", 200),
        ("SK_app", "306", 403),
        ("SK_team", "305", 200),
        ("SK_team", "306", 403),
        ("SK_member", "306", 403),
    ],
)
def test_a_key_reaches_the_environments_of_its_scope(stormkit, key, env_id, status):
    stormkit.add_environment("306", name="docs", app_id="1511", team_id="78")
    stormkit.add_key("SK_app", scope=KeyScope.APP)
    stormkit.add_key("SK_team", scope="team")
    stormkit.add_key("SK_member", scope=KeyScope.USER, owner="77")
    listed = call(stormkit, "GET", "/deployments", key, query={"envId": env_id} if env_id else None)
    assert listed.status_code == status
    started = call(stormkit, "POST", "/deploy", key, **({"envId": env_id} if env_id else {}))
    assert started.status_code == (201 if status == 200 else status)
    if status == 200:
        assert started.json()["envId"] == ("305" if "sandbox" in key else env_id)


def test_env_id_is_read_from_the_body_of_a_post_and_the_query_of_a_delete(stormkit):
    deployment_id = trigger(stormkit)
    path = f"/deployments/{deployment_id}"
    query = {"envId": ENV_ID}
    assert call(stormkit, "POST", f"{path}/stop", "SK_user", query=query).status_code == 404
    assert call(stormkit, "POST", f"{path}/stop", "SK_user", envId=ENV_ID).status_code == 200
    assert call(stormkit, "DELETE", path, "SK_user", envId=ENV_ID).status_code == 404
    assert call(stormkit, "DELETE", path, "SK_user", query=query).status_code == 200


def test_another_environments_deployment_is_not_found(stormkit):
    stormkit.add_environment("306", name="docs")
    other = stormkit.add_deployment(env_id="306").id
    for method, suffix in (("GET", ""), ("GET", "/poll"), ("POST", "/publish"), ("POST", "/stop"), ("DELETE", "")):
        assert call(stormkit, method, f"/deployments/{other}{suffix}").status_code == 404


@pytest.mark.parametrize(
    ("prepare", "body", "status"),
    [
        (lambda server: setattr(server.state, "build_minutes_used_up", True), {}, 402),
        (lambda server: server.remove_environment(), {}, 404),
        (lambda server: None, {"branch": 7}, 400),
        (lambda server: None, {"publish": "yes"}, 400),
    ],
)
def test_refused_triggers_start_nothing(stormkit, prepare, body, status):
    prepare(stormkit)
    assert call(stormkit, "POST", "/deploy", **body).status_code == status
    assert stormkit.builds == 0
    assert stormkit.deployments == []


def test_a_trigger_without_a_body_is_refused(stormkit):
    headers = {"Authorization": "SK_sandbox"}
    assert requests.post(f"{stormkit.url}/v1/deploy", headers=headers, timeout=5).status_code == 400
    assert stormkit.deployments == []


def test_a_branch_that_does_not_exist_is_accepted_and_fails_the_build(stormkit, clock):
    deployment_id = trigger(stormkit, "gone")
    clock.advance(10)
    failed = read(stormkit, deployment_id, logs="true")
    assert failed["status"] == "failed"
    assert "Remote branch gone not found" in failed["logs"][-1]["message"]


def test_without_access_to_the_repository_the_trigger_is_refused_or_the_build_fails(stormkit, clock):
    stormkit.state.repository.accessible = False
    answer = call(stormkit, "POST", "/deploy")
    if stormkit.state.generation is not Generation.APRIL:
        assert answer.status_code == 404
        assert answer.json()["error"] == "Repository is not found or is inaccessible."
        assert stormkit.deployments == []
        return
    assert answer.status_code == 201
    clock.advance(10)
    assert read(stormkit, answer.json()["id"])["status"] == "failed"


def test_an_env_id_that_is_a_number_is_not_found(stormkit):
    assert call(stormkit, "POST", "/deploy", "SK_user", envId=305).status_code == 404


@pytest.mark.parametrize(
    ("method", "path", "status", "text"),
    [
        ("GET", "/deployments/abc", 404, "404 page not found\n"),
        ("GET", "/deployments/8241/nothing", 404, "404 page not found\n"),
        ("GET", "/deployments/", 404, "404 page not found\n"),
        ("PUT", "/deployments/8241", 405, ""),
        ("GET", "/deploy", 405, ""),
        ("GET", "/deployments/2147483648", 500, None),
    ],
)
def test_unknown_paths_methods_and_ids_are_errors(stormkit, method, path, status, text):
    answer = call(stormkit, method, path)
    assert answer.status_code == status
    if text is None:
        assert answer.json() == {"ok": False, "error": "unexpected-error"}
    else:
        assert answer.text == text


def test_a_server_can_lack_the_poll_endpoint(stormkit):
    deployment_id = stormkit.add_deployment().id
    stormkit.state.missing_routes = {"poll"}
    polled = call(stormkit, "GET", f"/deployments/{deployment_id}/poll")
    assert (polled.status_code, polled.text) == (404, "404 page not found\n")
    assert read(stormkit, deployment_id)["status"] == "success"


def test_each_generation_has_its_own_error_bodies(clock):
    for generation in Generation:
        with Stormkit(generation=generation, clock=clock.monotonic) as server:
            forbidden = call(server, "GET", "/deployments", "SK_wrong")
            missing = call(server, "GET", "/deployments/1")
            refused = call(server, "POST", f"/deployments/{server.add_deployment().id}/restart")
            malformed = requests.post(
                f"{server.url}/v1/deploy", data="{", headers={"Authorization": "SK_sandbox"}, timeout=5
            )
            server.state.build_minutes_used_up = True
            paying = call(server, "POST", "/deploy")
        if generation is not Generation.NEWER:
            assert forbidden.content == missing.content == b""
        else:
            assert forbidden.json().items() >= {"code": "forbidden"}.items()
            assert missing.json()["docs"].startswith("https://")
        assert refused.json()["errors"]
        assert malformed.json()["errors"]
        assert paying.json()["error"].startswith("You have exceeded your build minutes limit")


def test_newer_servers_add_a_summary_and_a_log_url_to_a_failure(newer):
    failed = read(newer, newer.add_deployment(status="failed").id)
    assert failed["failureSummary"].endswith("\nexit status 2\n")
    assert failed["logsUrl"].startswith("https://app.stormkit.io/apps/1510/")
    timed_out = read(newer, newer.add_deployment(status="timeout").id)
    assert (timed_out["status"], timed_out["error"]) == ("failed", "")


def test_the_list_has_pages_of_20_newest_first(stormkit):
    for number in range(45):
        stormkit.add_deployment("main" if number % 3 else HEAD_BRANCH, created_at=1_742_300_000 + number)
    pages = [
        call(stormkit, "GET", "/deployments", query={"from": offset} if offset else None).json()
        for offset in (0, 20, 40)
    ]
    assert [len(page["deployments"]) for page in pages] == [20, 20, 5]
    assert [page["hasNextPage"] for page in pages] == [True, True, False]
    ids = [int(row["id"]) for page in pages for row in page["deployments"]]
    assert ids == sorted(ids, reverse=True)
    assert pages[0]["deployments"][0]["createdAt"] == "1742300044"
    of_branch = call(stormkit, "GET", "/deployments", query={"branch": HEAD_BRANCH}).json()
    assert (len(of_branch["deployments"]), of_branch["hasNextPage"]) == (15, False)


def test_a_new_deployment_moves_rows_to_the_next_page(stormkit):
    for _ in range(30):
        stormkit.add_deployment()
    stormkit.before_answer("list", stormkit.add_deployment)
    first = call(stormkit, "GET", "/deployments").json()["deployments"]
    second = call(stormkit, "GET", "/deployments", query={"from": 20}).json()["deployments"]
    assert first[-1]["id"] == second[0]["id"]


def test_fields_of_answers_can_be_changed_or_left_out(newer, clock):
    newer.answers.without = {"branch", "commit"}
    newer.answers.overrides = {"futureField": 1, "displayName": "<b>"}
    newer.answers.previews = False
    deployment = read(newer, newer.add_deployment().id)
    assert not deployment.keys() & {"branch", "commit"}
    assert deployment.items() >= {"futureField": 1, "displayName": "<b>", "previewUrl": ""}.items()
    newer.answers.without = set()
    newer.answers.abbreviated = 8
    assert read(newer, newer.add_deployment().id)["commit"]["sha"] == HEAD_SHA[:8]
    newer.answers.documented_trigger = True
    answer = call(newer, "POST", "/deploy").json()
    assert answer["checkoutRepo"] == "github/octocat/hello-world"
    assert "status" not in answer


def test_the_server_s_clock_can_be_wrong(clock):
    with Stormkit(clock=clock.monotonic, skew=-7200) as server:
        answer = call(server, "POST", "/deploy")
    date = parsedate_to_datetime(answer.headers["Date"]).timestamp()
    created = int(answer.json()["createdAt"])
    assert abs(date - created) <= 1
    assert time.time() - created == pytest.approx(7200, abs=60)
