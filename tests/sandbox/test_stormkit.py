"""The local Stormkit answers as both generations of real servers do."""

import time
from email.utils import parsedate_to_datetime

import pytest
import requests

from sandbox.events import BASE_SHA, HEAD_BRANCH, HEAD_SHA
from sandbox.stormkit import ENV_ID, Generation, KeyScope, Stormkit

OLDER, NEWER = Generation.OLDER, Generation.NEWER
UNKNOWN = "0123456789abcdef0123456789abcdef01234567"


class Clock:
    """A server clock that moves when the test says so."""

    def __init__(self):
        self.at = 100.0

    def __call__(self):
        return self.at

    def pass_(self, seconds):
        self.at += seconds


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture(params=list(Generation))
def stormkit(request, clock):
    with Stormkit(generation=request.param, clock=clock) as server:
        yield server


@pytest.fixture
def newer(clock):
    with Stormkit(clock=clock) as server:
        yield server


@pytest.fixture
def older(clock):
    with Stormkit(generation=OLDER, clock=clock) as server:
        yield server


def call(server, method, path, key="SK_sandbox", query=None, **body):
    headers = {"Authorization": key} if key else {}
    json = body if body or method == "POST" else None
    return requests.request(method, f"{server.url}/v1{path}", params=query, json=json, headers=headers, timeout=5)


def trigger(server, branch=HEAD_BRANCH, **body):
    return call(server, "POST", "/deploy", branch=branch, **body).json()["id"]


def read(server, deployment_id, **query):
    return call(server, "GET", f"/deployments/{deployment_id}", query=query).json()["deployment"]


def test_a_build_from_trigger_to_success(stormkit, clock):
    stormkit.next_build(seconds=10, queued=2)
    answer = call(stormkit, "POST", "/deploy", branch=HEAD_BRANCH)
    assert answer.status_code == 201
    deployment = answer.json()
    queued = {"status": "running", "duration": 0, "stoppedAt": None, "branch": HEAD_BRANCH, "envId": "305"}
    assert deployment.items() >= queued.items()
    assert deployment["commit"] == {"author": None, "message": None, "sha": None}
    deployment_id = deployment["id"]
    clock.pass_(2)
    assert read(stormkit, deployment_id)["commit"]["sha"] == HEAD_SHA
    clock.pass_(7.9)
    assert call(stormkit, "GET", f"/deployments/{deployment_id}/poll").json() == {"status": "running"}
    clock.pass_(0.1)
    assert call(stormkit, "GET", f"/deployments/{deployment_id}/poll").json() == {"status": "success"}
    finished = read(stormkit, deployment_id)
    assert finished["duration"] == 10
    assert int(finished["stoppedAt"]) - int(finished["createdAt"]) == 10
    assert finished["uploadResult"]["clientBytes"] == 204800
    assert finished["detailsUrl"] == f"/apps/1510/environments/305/deployments/{deployment_id}"
    assert finished["logs"] is finished["statusChecks"] is None
    assert finished["statusChecksPassed"] is True
    assert stormkit.builds == 1


def test_ids_are_growing_decimal_strings_and_the_default_branch_is_the_default(stormkit):
    first, second = trigger(stormkit), call(stormkit, "POST", "/deploy").json()
    assert int(first) < int(second["id"])
    assert second["branch"] == "main"


def test_the_tip_is_built_that_is_there_at_the_checkout(stormkit, clock):
    stormkit.next_build(seconds=10, queued=2)
    deployment_id = trigger(stormkit)
    clock.pass_(1)
    stormkit.push(HEAD_BRANCH, UNKNOWN, author="monalisa", message="Late")
    clock.pass_(2)
    stormkit.push(HEAD_BRANCH, BASE_SHA)
    assert read(stormkit, deployment_id)["commit"] == {"author": "monalisa", "message": "Late", "sha": UNKNOWN}


def test_a_branch_that_is_gone_by_then_fails_the_build(stormkit, clock):
    stormkit.next_build(seconds=10, queued=2)
    deployment_id = trigger(stormkit)
    stormkit.delete_branch(HEAD_BRANCH)
    clock.pass_(20)
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
        ("SK_sandbox", "306", 200),  # an environment's key knows its own
        ("SK_user", "", 404),
        ("SK_user", "305", 200),
        ("SK_user", "306", 200),
        ("SK_user", "999", 404),
        ("SK_app", "", 404),
        ("SK_app", "305", 200),
        ("SK_app", "306", 404),
        ("SK_team", "305", 200),
        ("SK_team", "306", 403),
        ("SK_member", "306", 403),
    ],
)
def test_keys_and_environments(stormkit, key, env_id, status):
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


def test_where_servers_look_for_the_environment(stormkit):
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
        (lambda server: None, {"branch": "gone"}, 404),
        (lambda server: setattr(server.state.repository, "accessible", False), {}, 404),
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


def test_error_bodies(clock):
    for generation in Generation:
        with Stormkit(generation=generation, clock=clock) as server:
            forbidden = call(server, "GET", "/deployments", "SK_wrong")
            missing = call(server, "GET", "/deployments/1")
            refused = call(server, "POST", f"/deployments/{server.add_deployment().id}/restart")
            malformed = requests.post(
                f"{server.url}/v1/deploy", data="{", headers={"Authorization": "SK_sandbox"}, timeout=5
            )
            server.state.build_minutes_used_up = True
            paying = call(server, "POST", "/deploy")
        if generation is OLDER:
            assert forbidden.content == missing.content == b""
        else:
            assert forbidden.json().items() >= {"code": "forbidden"}.items()
            assert missing.json()["docs"].startswith("https://")
        assert refused.json()["errors"]["status"]
        assert malformed.json()["errors"]
        assert paying.json()["error"].startswith("You have exceeded your build minutes limit")


def test_publishing_on_older_servers(older, clock):
    before = older.add_deployment(published=True).id
    running = older.add_deployment(status="running").id
    assert read(older, before)["published"] == [{"envId": "305", "percentage": 100}]
    assert "isWarmingUp" not in read(older, before)
    assert call(older, "POST", f"/deployments/{running}/publish").json() == {"ok": True}
    assert read(older, before)["published"] == []
    assert older.live() == running
    failed = older.add_deployment(status="failed").id
    assert call(older, "POST", f"/deployments/{failed}/publish").status_code == 400


@pytest.mark.parametrize("comes_up", [True, False])
def test_publishing_on_newer_servers(newer, clock, comes_up):
    before = newer.add_deployment(published=True).id
    wanted = newer.add_deployment(warm_up=3.0, warm_up_after=1.0, comes_up=comes_up).id
    running = newer.add_deployment(status="running").id
    assert call(newer, "POST", f"/deployments/{running}/publish").status_code == 400
    assert call(newer, "POST", f"/deployments/{wanted}/publish").json() == {"ok": True, "status": "publishing"}
    seen = []
    for _ in range(5):
        deployment = read(newer, wanted)
        seen.append((deployment["isWarmingUp"], deployment["published"]))
        clock.pass_(1)
    assert seen == [(False, False), *[(True, False)] * 3, (False, comes_up)]
    assert newer.live() == (wanted if comes_up else before)


def test_a_trigger_that_asks_for_publishing_gets_it(stormkit, clock):
    stormkit.next_build(seconds=1)
    asked, failing, silent = trigger(stormkit, publish=True), None, None
    clock.pass_(1)
    assert stormkit.deployment(asked).should_publish
    clock.pass_(1)
    assert stormkit.live() == asked
    stormkit.next_build(seconds=1, outcome="failed")
    failing = trigger(stormkit, publish=True)
    silent = trigger(stormkit)
    clock.pass_(9)
    assert stormkit.live() == asked
    assert [read(stormkit, each)["isAutoPublish"] for each in (asked, failing, silent)] == [True, True, False]


def test_auto_deployments_follow_the_environment(stormkit, clock):
    stormkit.add_environment("306", name="docs", auto_publish=True)
    stormkit.push("main", UNKNOWN, deploy=True)
    clock.pass_(9)
    by_push = stormkit.deployments
    assert [(each.env.id, each.auto, each.published) for each in by_push] == [
        ("305", True, False),
        ("306", True, True),
    ]
    assert read(stormkit, by_push[0].id)["isAutoDeploy"] is True


def test_deleting_a_published_deployment_takes_the_site_down(stormkit):
    older = stormkit.add_deployment(published=True).id
    live = stormkit.add_deployment(published=True).id
    assert stormkit.live() == live
    assert call(stormkit, "DELETE", f"/deployments/{older}").status_code == 200
    assert stormkit.live() == live
    assert call(stormkit, "DELETE", f"/deployments/{live}").json() == {"ok": True}
    assert stormkit.live() == ""
    assert call(stormkit, "DELETE", f"/deployments/{live}").status_code == 404
    assert [each.deleted for each in stormkit.deployments] == [True, True]


def test_deleted_while_running(stormkit):
    deployment_id = trigger(stormkit)
    assert call(stormkit, "DELETE", f"/deployments/{deployment_id}").status_code == 200
    assert call(stormkit, "GET", f"/deployments/{deployment_id}/poll").status_code == 404


def test_restarting(stormkit, clock):
    stormkit.next_build(seconds=2, outcome="failed")
    deployment_id = trigger(stormkit)
    assert call(stormkit, "POST", f"/deployments/{deployment_id}/restart").status_code == 400
    clock.pass_(5)
    before = read(stormkit, deployment_id, logs="true")
    assert before["status"] == "failed"
    assert before["error"]
    stormkit.next_build(seconds=3)
    assert call(stormkit, "POST", f"/deployments/{deployment_id}/restart").json() == {"ok": True}
    after = read(stormkit, deployment_id, logs="true")
    assert int(after["createdAt"]) - int(before["createdAt"]) == 5
    assert after.items() >= {"id": deployment_id, "status": "running", "error": "", "stoppedAt": None}.items()
    assert not after["logs"]
    assert after["commit"]["sha"] is None
    clock.pass_(3)
    assert read(stormkit, deployment_id)["status"] == "success"
    assert call(stormkit, "POST", f"/deployments/{deployment_id}/restart").status_code == 400
    assert stormkit.builds == 2


def test_no_restart_without_the_repository(stormkit):
    deployment_id = stormkit.add_deployment(status="failed").id
    stormkit.state.repository.accessible = False
    assert call(stormkit, "POST", f"/deployments/{deployment_id}/restart").status_code == 404
    assert stormkit.builds == 0


@pytest.mark.parametrize("word", ["failed", "stopped"])
def test_stopping(stormkit, clock, word):
    stormkit.answers.stopped_status = word
    deployment_id = trigger(stormkit)
    clock.pass_(2)
    assert call(stormkit, "POST", f"/deployments/{deployment_id}/stop").json() == {"ok": True}
    clock.pass_(60)
    stopped = read(stormkit, deployment_id)
    assert stopped.items() >= {"status": word, "stoppedManually": True, "duration": 2, "error": ""}.items()
    assert "failureSummary" not in stopped
    finished = stormkit.add_deployment().id
    assert call(stormkit, "POST", f"/deployments/{finished}/stop").json() == {"ok": True}
    assert read(stormkit, finished)["status"] == "success"


def test_a_failure_on_newer_servers_says_more(newer):
    failed = read(newer, newer.add_deployment(status="failed").id)
    assert failed["failureSummary"].endswith("npm error code 1")
    assert failed["logsUrl"].startswith("https://app.stormkit.io/apps/1510/")
    timed_out = read(newer, newer.add_deployment(status="timeout").id)
    assert (timed_out["status"], timed_out["error"]) == ("failed", "Build timed out after 30 minutes.")


def test_prioritizing_and_runtime_logs(stormkit, clock):
    stormkit.next_build(seconds=110, queued=100)
    deployment_id = trigger(stormkit)
    path = f"/deployments/{deployment_id}"
    statuses = [call(stormkit, "POST", f"{path}/prioritize").status_code for _ in range(2)]
    clock.pass_(10)
    polled = call(stormkit, "GET", f"{path}/poll").json()["status"]
    logs = call(stormkit, "GET", f"{path}/runtime-logs")
    if stormkit.state.generation is OLDER:
        assert (statuses, polled, logs.status_code) == ([404, 404], "running", 404)
    else:
        assert (statuses, polled, logs.status_code) == ([200, 400], "success", 200)
        assert logs.json()["logs"]


def test_the_list(stormkit):
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


def test_rows_move_while_they_are_paged(stormkit):
    for _ in range(30):
        stormkit.add_deployment()
    stormkit.meanwhile("list", stormkit.add_deployment)
    first = call(stormkit, "GET", "/deployments").json()["deployments"]
    second = call(stormkit, "GET", "/deployments", query={"from": 20}).json()["deployments"]
    assert first[-1]["id"] == second[0]["id"]


def test_answers_to_order(newer, clock):
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


def test_the_servers_clock_may_be_wrong(clock):
    with Stormkit(clock=clock, skew=-7200) as server:
        answer = call(server, "POST", "/deploy")
    date = parsedate_to_datetime(answer.headers["Date"]).timestamp()
    created = int(answer.json()["createdAt"])
    assert abs(date - created) <= 1
    assert time.time() - created == pytest.approx(7200, abs=60)
