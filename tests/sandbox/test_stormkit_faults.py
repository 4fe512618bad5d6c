"""Faults come when they were ordered, and only those that say so have the request carried out."""

import pytest
import requests

from sandbox.stormkit.server import FaultKind, Generation, Stormkit

STATUS = {
    FaultKind.ERROR_500: 500,
    FaultKind.HTML_502: 502,
    FaultKind.UNAVAILABLE_503: 503,
    FaultKind.BUSY_HEADER: 429,
    FaultKind.BUSY_BODY: 429,
    FaultKind.FORBIDDEN_403: 403,
    FaultKind.NOT_FOUND_404: 404,
    FaultKind.GHOST: 500,
}
LOST = (FaultKind.ANSWER_LOST, FaultKind.NEVER_ARRIVED, FaultKind.LATE)
CARRIED_OUT = {
    FaultKind.ANSWER_LOST,
    FaultKind.SLOW,
    FaultKind.GARBAGE,
    FaultKind.EMPTY_OBJECT,
    FaultKind.UNKNOWN_STATUS,
}


@pytest.fixture(params=list(Generation))
def stormkit(request):
    with Stormkit(generation=request.param) as server:
        yield server


# Where an operation has a method and a path of its own; the others are a POST to the deployment's.
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


# For each operation that changes something: the deployment to try it on, and what shows that it was carried out.
EFFECTS = {
    "trigger": ("success", lambda server, deployment: server.deployments[-1].id != deployment.id),
    "publish": ("success", lambda server, deployment: deployment.published or deployment.warming_up),
    "restart": ("failed", lambda server, deployment: deployment.restarts == 1),
    "stop": ("running", lambda server, deployment: deployment.stopped_manually),
    "delete": ("success", lambda server, deployment: deployment.deleted),
}


@pytest.mark.parametrize("operation", EFFECTS)
def test_what_is_carried_out(stormkit, operation):
    status, done = EFFECTS[operation]
    for kind in set(FaultKind) - {FaultKind.GHOST}:
        deployment_id = stormkit.add_deployment(status=status, warm_up=60.0).id
        stormkit.fault(operation, kind, seconds=9.0 if kind is FaultKind.LATE else 0.0)
        if kind in LOST:
            with pytest.raises(requests.ConnectionError):
                send(stormkit, operation, deployment_id)
        else:
            assert send(stormkit, operation, deployment_id).status_code in (STATUS.get(kind), 200, 201)
        effect = done(stormkit, stormkit.deployment(deployment_id))
        assert (kind, bool(effect)) == (kind, kind in CARRIED_OUT)


@pytest.mark.parametrize("operation", ["trigger", "poll", "read", "list", "preview"])
def test_statuses(stormkit, operation):
    deployment_id = stormkit.add_deployment().id
    for kind, status in STATUS.items():
        if kind is FaultKind.GHOST and operation != "trigger":
            with pytest.raises(ValueError, match="ghost"):
                stormkit.fault(operation, kind)
            continue
        stormkit.fault(operation, kind)
        assert send(stormkit, operation, deployment_id).status_code == status
        assert send(stormkit, operation, deployment_id).ok


def test_a_ghost_never_builds(stormkit):
    stormkit.fault("trigger", FaultKind.GHOST)
    assert send(stormkit, "trigger").json() == {"ok": False, "error": "unexpected-error"}
    assert stormkit.builds == 0
    (ghost,) = stormkit.deployments
    assert (ghost.ghost, ghost.status, ghost.commit) == (True, "running", None)
    assert not ghost.logs
    (row,) = send(stormkit, "list").json()["deployments"]
    assert (row["id"], row["status"]) == (ghost.id, "running")
    send(stormkit, "stop", ghost.id)
    assert stormkit.deployment(ghost.id).status == "failed"


@pytest.mark.parametrize(
    ("kind", "header", "body"),
    [
        (FaultKind.BUSY_HEADER, "3", {"error": "too-many-requests"}),
        (FaultKind.BUSY_BODY, None, {"error": "too-many-requests", "retry": 3}),
    ],
)
def test_how_long_to_wait(stormkit, kind, header, body):
    stormkit.fault("list", kind, seconds=2.5)
    answer = send(stormkit, "list", "")
    assert answer.headers.get("Retry-After") == header
    assert answer.json() == body


def test_spoiled_answers(stormkit):
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


def test_a_build_that_shows_late(stormkit):
    stormkit.fault("trigger", FaultKind.LATE, seconds=0.1)
    with pytest.raises(requests.ConnectionError):
        send(stormkit, "trigger")
    assert send(stormkit, "list").json()["deployments"] == []
    stormkit.closing.wait(0.3)
    assert len(send(stormkit, "list").json()["deployments"]) == stormkit.builds == 1


def test_a_build_behind_an_error(stormkit):
    for kind in (FaultKind.HTML_502, FaultKind.ERROR_500):
        stormkit.fault("trigger", kind, hidden=True)
        assert send(stormkit, "trigger").status_code == STATUS[kind]
    assert stormkit.builds == 2


def test_slow_answers_and_latency(stormkit):
    stormkit.fault("list", FaultKind.SLOW, seconds=0.1)
    assert send(stormkit, "list").elapsed.total_seconds() >= 0.1
    stormkit.latency = 0.1
    assert send(stormkit, "list").elapsed.total_seconds() >= 0.1


def test_times_and_after(stormkit):
    stormkit.fault("list", "500", times=2, after=1)
    stormkit.fault("list", "503", after=1)
    statuses = [send(stormkit, "list").status_code for _ in range(5)]
    # A fault that waits counts its requests only when no other one was due.
    assert statuses == [200, 500, 500, 503, 200]


def test_only_known_faults_can_be_ordered(stormkit):
    with pytest.raises(ValueError, match="prioritize"):
        stormkit.fault("get", FaultKind.SLOW)
    with pytest.raises(ValueError, match="odd"):
        stormkit.fault("list", "odd")
