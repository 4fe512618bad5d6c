"""The local Stormkit's faults: when they strike, what they answer, and whether the request is carried out."""

import socket
from email.utils import parsedate_to_datetime

import pytest
import requests

from sandbox.clock import FakeClock
from sandbox.stormkit.server import FaultKind, Generation, Stormkit

STATUS_OF = {
    FaultKind.ERROR_500: 500,
    FaultKind.HTML_502: 502,
    FaultKind.UNAVAILABLE_503: 503,
    FaultKind.BUSY_HEADER: 429,
    FaultKind.BUSY_BODY: 429,
    FaultKind.FORBIDDEN_403: 403,
    FaultKind.NOT_FOUND_404: 404,
    FaultKind.UNQUEUED_500: 500,
    FaultKind.QUEUED_LATE: 500,
    FaultKind.UNQUEUED_404: 404,
    FaultKind.GATEWAY_JSON: 502,
    FaultKind.GATEWAY_DONE: 502,
    FaultKind.GATEWAY_LATE: 502,
    FaultKind.TIMEOUT_503: 503,
    FaultKind.INGRESS_404: 404,
    FaultKind.WRONG_HOST_404: 404,
    FaultKind.FIREWALL_403: 403,
    FaultKind.PROXY_407: 407,
    FaultKind.BUSY_DATE: 429,
    FaultKind.BUSY_TEXT: 429,
    FaultKind.TIMEOUT_408: 408,
    FaultKind.MISDIRECTED_421: 421,
    FaultKind.TOO_EARLY_425: 425,
}
LOST = (FaultKind.ANSWER_LOST, FaultKind.NEVER_ARRIVED, FaultKind.LATE)
CARRIED_OUT = {
    FaultKind.ANSWER_LOST,
    FaultKind.SLOW,
    FaultKind.GARBAGE,
    FaultKind.EMPTY_OBJECT,
    FaultKind.UNKNOWN_STATUS,
    FaultKind.EARLY_HINTS,
    FaultKind.GATEWAY_DONE,
}
ONLY_FOR_TRIGGERS = {FaultKind.UNQUEUED_500, FaultKind.UNQUEUED_404, FaultKind.QUEUED_LATE}


@pytest.fixture(params=list(Generation))
def stormkit(request):
    with Stormkit(generation=request.param) as server:
        yield server


# Method and path of the operations that are not a POST to the deployment's path.
PATHS = {
    "trigger": ("POST", "/v1/deploy"),
    "list": ("GET", "/v1/deployments"),
    "read": ("GET", "/v1/deployments/{}"),
    "delete": ("DELETE", "/v1/deployments/{}"),
    "poll": ("GET", "/v1/deployments/{}/poll"),
    "preview": ("GET", "/preview/{}/"),
}


def send(server, operation, deployment_id=""):
    method, path = PATHS.get(operation, ("POST", f"/v1/deployments/{{}}/{operation}"))
    headers = {"Authorization": "SK_sandbox"}
    body = {} if method == "POST" else None
    return requests.request(method, server.url + path.format(deployment_id), json=body, headers=headers, timeout=5)


# For each operation with an effect: the status of the deployment to try it on, and how its effect shows.
EFFECTS = {
    "trigger": ("success", lambda server, deployment: server.deployments[-1].id != deployment.id),
    "publish": ("success", lambda server, deployment: deployment.published or deployment.warming_up),
    "restart": ("failed", lambda server, deployment: deployment.restarts == 1),
    "stop": ("running", lambda server, deployment: deployment.stopped_manually),
    "delete": ("success", lambda server, deployment: deployment.deleted),
}


@pytest.mark.parametrize("operation", EFFECTS)
def test_only_some_faults_carry_the_request_out(stormkit, operation):
    status, done = EFFECTS[operation]
    for kind in set(FaultKind) - ONLY_FOR_TRIGGERS:
        deployment_id = stormkit.add_deployment(status=status, warm_up=60.0).id
        stormkit.fault(operation, kind, seconds=9.0 if kind in (FaultKind.LATE, FaultKind.GATEWAY_LATE) else 0.0)
        if kind in LOST:
            with pytest.raises(requests.ConnectionError):
                send(stormkit, operation, deployment_id)
        else:
            statuses = (103,) if kind is FaultKind.EARLY_HINTS else (STATUS_OF.get(kind), 200, 201)
            assert send(stormkit, operation, deployment_id).status_code in statuses
        effect = done(stormkit, stormkit.deployment(deployment_id))
        assert (kind, bool(effect)) == (kind, kind in CARRIED_OUT)


@pytest.mark.parametrize("operation", ["trigger", "poll", "read", "list", "preview"])
def test_each_fault_has_its_status(stormkit, operation):
    deployment_id = stormkit.add_deployment().id
    for kind, status in STATUS_OF.items():
        if kind in ONLY_FOR_TRIGGERS and operation != "trigger":
            with pytest.raises(ValueError, match="queue"):
                stormkit.fault(operation, kind)
            continue
        stormkit.fault(operation, kind)
        assert send(stormkit, operation, deployment_id).status_code == status
        assert send(stormkit, operation, deployment_id).ok


def test_an_unqueued_deployment_never_builds(stormkit):
    stormkit.fault("trigger", FaultKind.UNQUEUED_500)
    assert send(stormkit, "trigger").json() == {"ok": False, "error": "unexpected-error"}
    assert stormkit.builds == 0
    (deployment,) = stormkit.deployments
    assert (deployment.unqueued, deployment.status, deployment.commit) == (True, "running", None)
    assert not deployment.logs
    (row,) = send(stormkit, "list").json()["deployments"]
    assert (row["id"], row["status"]) == (deployment.id, "running")
    send(stormkit, "stop", deployment.id)
    assert stormkit.deployment(deployment.id).status == "failed"


@pytest.mark.parametrize(
    ("kind", "header", "body"),
    [
        (FaultKind.BUSY_HEADER, "3", {"error": "too-many-requests"}),
        (FaultKind.BUSY_BODY, None, {"error": "too-many-requests", "retry": 3}),
    ],
)
def test_a_busy_server_says_how_long_to_wait_in_header_or_body(stormkit, kind, header, body):
    stormkit.fault("list", kind, seconds=2.5)
    answer = send(stormkit, "list", "")
    assert answer.headers.get("Retry-After") == header
    assert answer.json() == body


def test_answers_can_be_garbage_empty_or_of_an_unknown_status(stormkit):
    deployment_id = stormkit.add_deployment().id
    stormkit.fault("read", FaultKind.GARBAGE)
    with pytest.raises(requests.JSONDecodeError):
        send(stormkit, "read", deployment_id).json()
    stormkit.fault("read", FaultKind.EMPTY_OBJECT)
    assert send(stormkit, "read", deployment_id).json() == {}
    for operation, status in (
        ("read", lambda answer: answer["deployment"]["status"]),
        ("poll", lambda answer: answer["status"]),
        ("list", lambda answer: answer["deployments"][0]["status"]),
        ("trigger", lambda answer: answer["status"]),
        ("delete", lambda answer: answer["status"]),
    ):
        stormkit.fault(operation, FaultKind.UNKNOWN_STATUS)
        assert status(send(stormkit, operation, deployment_id).json()) == "verifying"


def test_a_build_can_appear_late_after_a_lost_answer(stormkit):
    stormkit.fault("trigger", FaultKind.LATE, seconds=0.1)
    with pytest.raises(requests.ConnectionError):
        send(stormkit, "trigger")
    assert send(stormkit, "list").json()["deployments"] == []
    stormkit.closing.wait(0.3)
    assert len(send(stormkit, "list").json()["deployments"]) == stormkit.builds == 1


def test_a_build_can_be_hidden_behind_an_error(stormkit):
    for kind in (FaultKind.HTML_502, FaultKind.ERROR_500):
        stormkit.fault("trigger", kind, carried_out=True)
        assert send(stormkit, "trigger").status_code == STATUS_OF[kind]
    assert stormkit.builds == 2


def test_answers_can_be_slow_once_or_always(stormkit):
    stormkit.fault("list", FaultKind.SLOW, seconds=0.1)
    assert send(stormkit, "list").elapsed.total_seconds() >= 0.1
    stormkit.latency = 0.1
    assert send(stormkit, "list").elapsed.total_seconds() >= 0.1


def test_a_fault_strikes_a_number_of_times_after_a_number_of_requests(stormkit):
    stormkit.fault("list", "500", times=2, after=1)
    stormkit.fault("list", "503", after=1)
    statuses = [send(stormkit, "list").status_code for _ in range(5)]
    # A waiting fault counts only requests that no other fault answered.
    assert statuses == [200, 500, 500, 503, 200]


def test_only_known_faults_can_be_ordered(stormkit):
    with pytest.raises(ValueError, match="publish"):
        stormkit.fault("get", FaultKind.SLOW)
    with pytest.raises(ValueError, match="odd"):
        stormkit.fault("list", "odd")


@pytest.mark.parametrize(
    ("kind", "status", "content_type", "text"),
    [
        (FaultKind.GATEWAY_JSON, 502, "application/json", "Bad gateway"),
        (FaultKind.TIMEOUT_503, 503, "text/plain", "timeout"),
        (FaultKind.INGRESS_404, 404, "text/plain", "default backend - 404"),
        (FaultKind.WRONG_HOST_404, 404, "text/html", "Page Not Found"),
        (FaultKind.FIREWALL_403, 403, "text/html", "403 Forbidden"),
        (FaultKind.PROXY_407, 407, "text/html", "Proxy Authentication"),
        (FaultKind.BUSY_TEXT, 429, "text/plain", "Too many requests"),
        (FaultKind.TIMEOUT_408, 408, "text/html", "Request Timeout"),
        (FaultKind.MISDIRECTED_421, 421, "text/html", "Misdirected Request"),
        (FaultKind.TOO_EARLY_425, 425, "text/html", "Too Early"),
    ],
)
def test_gateways_and_proxies_answer_in_their_own_formats(stormkit, kind, status, content_type, text):
    stormkit.fault("trigger", kind)
    answer = send(stormkit, "trigger")
    assert answer.status_code == status
    assert answer.headers["Content-Type"].partition(";")[0] == content_type
    assert text in answer.text
    assert stormkit.deployments == []


def test_a_gateway_can_carry_the_request_out_after_its_error():
    clock = FakeClock()
    with Stormkit(clock=clock.monotonic) as stormkit:
        stormkit.fault("trigger", FaultKind.GATEWAY_LATE, seconds=20)
        assert send(stormkit, "trigger").headers["Retry-After"] == "60"
        clock.advance(19)
        assert send(stormkit, "list").json()["deployments"] == []
        clock.advance(1)
        assert len(send(stormkit, "list").json()["deployments"]) == stormkit.builds == 1


def test_a_deployment_can_be_queued_after_a_500():
    clock = FakeClock()
    with Stormkit(clock=clock.monotonic) as stormkit:
        stormkit.next_build(seconds=10, queued=1)
        stormkit.fault("trigger", FaultKind.QUEUED_LATE, seconds=30.0)
        assert send(stormkit, "trigger").json() == {"ok": False, "error": "unexpected-error"}
        (row,) = send(stormkit, "list").json()["deployments"]
        assert (row["status"], row["commit"]["sha"]) == ("running", None)
        assert stormkit.builds == 0
        clock.advance(31)
        assert stormkit.builds == 1
        assert send(stormkit, "read", row["id"]).json()["deployment"]["commit"]["sha"]
        clock.advance(9)
        assert stormkit.deployment(row["id"]).status == "success"


def test_a_deployment_queued_late_can_be_stopped_before_it_builds():
    clock = FakeClock()
    with Stormkit(clock=clock.monotonic) as stormkit:
        stormkit.fault("trigger", FaultKind.QUEUED_LATE, seconds=30.0)
        send(stormkit, "trigger")
        send(stormkit, "stop", "8241")
        clock.advance(60)
        assert (stormkit.builds, stormkit.deployment("8241").status) == (0, "failed")


def test_a_404_about_the_repository_can_leave_a_deployment(stormkit):
    stormkit.fault("trigger", FaultKind.UNQUEUED_404)
    answer = send(stormkit, "trigger")
    assert answer.status_code == 404
    assert answer.json() == {"error": "Repository is not found or is inaccessible."}
    (deployment,) = stormkit.deployments
    assert (deployment.unqueued, deployment.status) == (True, "running")


def test_a_retry_after_date_is_by_the_server_s_own_clock():
    with Stormkit(skew=-7200) as stormkit:
        stormkit.fault("list", FaultKind.BUSY_DATE, seconds=3600)
        answer = send(stormkit, "list")
    date, until = (parsedate_to_datetime(answer.headers[name]) for name in ("Date", "Retry-After"))
    assert (until - date).total_seconds() == pytest.approx(3600, abs=1)


def test_early_hints_come_before_the_answer(stormkit):
    stormkit.fault("list", FaultKind.EARLY_HINTS)
    host, port = stormkit.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=5) as connection:
        connection.sendall(
            b"GET /v1/deployments HTTP/1.1\r\nHost: x\r\nAuthorization: SK_sandbox\r\nConnection: close\r\n\r\n"
        )
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    assert answer.startswith(b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\n")


def test_only_reads_with_the_log_are_slow(stormkit):
    deployment_id = stormkit.add_deployment().id
    stormkit.fault("log", FaultKind.TIMEOUT_503)
    url = f"{stormkit.url}/v1/deployments/{deployment_id}"
    headers = {"Authorization": "SK_sandbox"}
    assert requests.get(url, headers=headers, timeout=5).status_code == 200
    assert requests.get(url, params={"logs": "true"}, headers=headers, timeout=5).text == "timeout"


@pytest.mark.parametrize("kind", [FaultKind.UNQUEUED_404, FaultKind.QUEUED_LATE])
def test_some_faults_are_for_triggers_only(stormkit, kind):
    with pytest.raises(ValueError, match="only a trigger"):
        stormkit.fault("read", kind)
