"""StormkitClient: the requests of its eight endpoints, their answers, retries and lists of many pages."""

import contextlib
import json
import re
from collections.abc import Callable, Iterable
from typing import Any

import pytest
import responses
from hypothesis import given
from hypothesis import strategies as st
from responses import matchers

from sandbox.clock import FakeClock
from stormkit_action import __version__
from stormkit_action.clock import Deadline
from stormkit_action.errors import Busy, NoAnswer, NotFound, Refused, Rejected, ServerFault, StormkitError
from stormkit_action.stormkit.answers import OWN_FAULT, Answer
from stormkit_action.stormkit.client import (
    GONE_PAUSE_S,
    MAX_PAGES,
    MAX_PAGES_WITHOUT_NEW_ROWS,
    PAGE_SIZE,
    StormkitClient,
)
from stormkit_action.stormkit.models import Deployment, PolledStatus, Status
from stormkit_action.stormkit.send_gate import SendGate
from stormkit_action.stormkit.session import Request, StormkitSession
from tests.stormkit import recorded
from tests.stormkit.scripted_server import KEY, client

ORIGIN = "https://api.stormkit.example"
ONE = "/v1/deployments/8241"
ROW = {"id": "8241", "status": "running"}

HEADERS = {
    "Authorization": KEY,
    "Accept": "application/json",
    "User-Agent": f"stormkit-action/{__version__}",
    "Accept-Encoding": "gzip, deflate",
    "Connection": "keep-alive",
}


@pytest.fixture(name="api")
def _api():
    """A mock that answers registered requests only, and fails if one of them is never sent."""
    with responses.RequestsMock(assert_all_requests_are_fired=True) as api:
        yield api


def register(
    api: responses.RequestsMock,
    method: str,
    path: str,
    *,
    query: dict[str, str] | None = None,
    sent: Any = None,
    status: int = 200,
    **answer: Any,
) -> None:
    """Answer exactly this request: method, URL, query, body (None for no body) and every header."""
    body = b"" if sent is None else json.dumps(sent).encode()
    of_body = {"Content-Length": str(len(body)), "Content-Type": "application/json"} if sent is not None else {}
    if sent is None and method == "DELETE":
        of_body = {"Content-Length": "0"}
    api.add(
        method,
        ORIGIN + path,
        status=status,
        match=[
            matchers.query_param_matcher(query or {}, strict_match=True),
            matchers.header_matcher({**HEADERS, **of_body}, strict_match=True),
            matchers.json_params_matcher(sent, strict_match=True) if sent is not None else _without_body,
        ],
        **answer,
    )


def _without_body(request: Any) -> tuple[bool, str]:
    return request.body is None, "the request has a body"


def deploy(stormkit: StormkitClient, branch: str = "main") -> str:
    return stormkit.start_deploy(branch, gate=SendGate()).wait(10)


# Call, answer, and the expected request: method, path, query and body (None for no body).
CALLS: list[tuple[Callable[[StormkitClient], Any], Any, tuple[str, str, dict[str, str], Any]]] = [
    (lambda c: deploy(c, "a/b ü"), {"id": 1}, ("POST", "/v1/deploy", {}, {"branch": "a/b ü", "publish": False})),
    (lambda c: c.deployments(), {"deployments": []}, ("GET", "/v1/deployments", {}, None)),
    (lambda c: c.deployments(branch="a&b"), {"deployments": []}, ("GET", "/v1/deployments", {"branch": "a&b"}, None)),
    (lambda c: c.deployments(offset=19), {"deployments": []}, ("GET", "/v1/deployments", {"from": "19"}, None)),
    (lambda c: c.deployment("8241"), {"deployment": ROW}, ("GET", ONE, {}, None)),
    (lambda c: c.deployment("8241", logs=True), {"deployment": ROW}, ("GET", ONE, {"logs": "true"}, None)),
    (lambda c: c.poll("8241"), {"status": "running"}, ("GET", f"{ONE}/poll", {}, None)),
    (lambda c: c.publish("8241"), {"ok": True}, ("POST", f"{ONE}/publish", {}, {})),
    (lambda c: c.restart("8241"), {"ok": True}, ("POST", f"{ONE}/restart", {}, {})),
    (lambda c: c.stop("8241"), {"ok": True}, ("POST", f"{ONE}/stop", {}, {})),
    (lambda c: c.delete("8241"), {"ok": True}, ("DELETE", ONE, {}, None)),
]
IDS = [" ".join((method, path, *query)) for _, _, (method, path, query, _) in CALLS]


@pytest.mark.parametrize("env_id", ["", "305"])
@pytest.mark.parametrize(("call", "answer", "expected"), CALLS, ids=IDS)
def test_each_endpoint_sends_exactly_its_documented_request(api, call, answer, expected, env_id):
    """`envId` is in every query and in the body of every POST, because servers read either."""
    method, path, query, body = expected
    env = {"envId": env_id} if env_id else {}
    sent = None if body is None else {**body, **env}
    register(api, method, path, query={**query, **env}, sent=sent, json=answer)
    call(client(ORIGIN, env_id=env_id))


REFUSALS = [
    (400, {"json": {"errors": ["no"]}}, Rejected),
    (401, {}, Refused),
    (402, {"json": {"error": "You have exceeded your build minutes limit"}}, Refused),
    (403, {"content_type": "application/json"}, Refused),
    (403, {"json": {"error": "No.", "code": "forbidden"}}, Refused),
    (404, {"content_type": "application/json"}, NotFound),
    (404, {"json": {"error": "gone", "code": "not-found"}}, NotFound),
    (405, {}, Rejected),
    (429, {"body": "Too many requests"}, Busy),
    (500, {"json": {"ok": False, "error": "unexpected-error"}}, ServerFault),
    (502, {"body": "<html>Bad Gateway</html>", "content_type": "text/html"}, ServerFault),
    (503, {"body": "timeout"}, ServerFault),
    (302, {"headers": {"Location": "https://elsewhere.example/"}}, Rejected),
]


@pytest.mark.parametrize("refusal", REFUSALS, ids=[f"{status} {list(answer)}" for status, answer, _ in REFUSALS])
@pytest.mark.parametrize(("call", "expected"), [(call, expected) for call, _, expected in CALLS], ids=IDS)
def test_each_endpoint_raises_the_right_error_for_each_refusal(api, call, expected, refusal):
    status, answer, kind = refusal
    method, path, query, body = expected
    register(api, method, path, query=query, sent=body, status=status, **answer)
    # The deadline has passed, so there is only one try.
    with pytest.raises(kind) as raised:
        call(client(ORIGIN).within(Deadline.after(FakeClock(), 0)))
    assert raised.value.status == status


def test_calls_return_typed_values(api):
    documented = {**ROW, "checkoutRepo": "github/octocat/hello-world", "shouldPublish": False}
    trigger = {"sent": {"branch": "main", "publish": False}, "status": 201}
    register(api, "POST", "/v1/deploy", json=documented, **trigger)
    register(api, "POST", "/v1/deploy", json={"deployment": {"id": 8242}}, **trigger)
    register(api, "GET", f"{ONE}/poll", json={"status": "success"})
    register(api, "GET", f"{ONE}/poll", json={"status": "verifying"})
    date = {"Date": "Sat, 14 Mar 2026 09:26:53 GMT"}
    register(api, "GET", "/v1/deployments", json={"deployments": [ROW], "hasNextPage": True}, headers=date)
    stormkit = client(ORIGIN)
    assert deploy(stormkit) == "8241"
    assert deploy(stormkit) == "8242"
    assert stormkit.poll("8241") == PolledStatus(status=Status.SUCCESS)
    assert stormkit.poll("8241") == PolledStatus(status=Status.RUNNING, unknown_status="verifying")
    listed = stormkit.deployments()
    assert listed.deployments == (Deployment(id="8241", status=Status.RUNNING),)
    assert listed.has_next
    assert listed.server_date is not None


def test_an_unreadable_row_of_a_list_is_skipped(api):
    rows = [None, {}, {"id": "1"}, {"status": "running"}, {"id": "a/b", "status": "x"}, [], ROW]
    register(api, "GET", "/v1/deployments", json={"deployments": rows, "hasNextPage": False})
    listed = client(ORIGIN).deployments()
    assert [deployment.id for deployment in listed.deployments] == ["8241"]
    assert not listed.has_next


@pytest.mark.parametrize(
    ("call", "answer", "text"),
    [
        (deploy, {}, "accepted the trigger, but the deployment has no usable id"),
        (deploy, {"deployment": {}}, "Look at the dashboard"),
        (lambda c: c.deployments(patience=0), {}, "without `deployments`"),
        (lambda c: c.deployments(patience=0), {"deployments": None}, "has no `deployments` field"),
        (lambda c: c.deployment("8241", patience=0), {}, "without `deployment` while reading deployment 8241"),
        (lambda c: c.deployment("8241", patience=0), {"deployment": {}}, "has no status"),
        (lambda c: c.deployment("8241", patience=0), {"deployment": {"status": "running"}}, "no usable id"),
        (lambda c: c.poll("8241", patience=0), {}, "without `status` while polling deployment 8241"),
        (lambda c: c.poll("8241", patience=0), {"status": 5}, "without the status"),
    ],
)
def test_an_answer_without_a_needed_field_is_a_server_fault(api, call, answer, text):
    for method in ("GET", "POST"):
        for path in ("/v1/deploy", "/v1/deployments", ONE, f"{ONE}/poll"):
            api.add(method, ORIGIN + path, json=answer)
    api.assert_all_requests_are_fired = False
    with pytest.raises(ServerFault, match=text):
        call(client(ORIGIN))


@pytest.mark.parametrize(
    ("call", "expected", "tries"),
    [
        # Calls that change something and can't be repeated safely are sent once.
        (deploy, ("POST", "/v1/deploy", {"branch": "main", "publish": False}), 1),
        (lambda c: c.publish("8241"), ("POST", f"{ONE}/publish", {}), 1),
        (lambda c: c.restart("8241"), ("POST", f"{ONE}/restart", {}), 1),
        (lambda c: c.poll("8241", patience=0), ("GET", f"{ONE}/poll", None), 1),
        (lambda c: c.deployments(), ("GET", "/v1/deployments", None), 2),
        (lambda c: c.deployment("8241"), ("GET", ONE, None), 2),
        (lambda c: c.poll("8241"), ("GET", f"{ONE}/poll", None), 2),
        (lambda c: c.stop("8241"), ("POST", f"{ONE}/stop", {}), 2),
        (lambda c: c.delete("8241"), ("DELETE", ONE, None), 2),
    ],
)
def test_only_calls_that_are_safe_to_repeat_are_retried(api, call, expected, tries):
    method, path, sent = expected
    register(api, method, path, sent=sent, status=500, json={"ok": False, "error": "unexpected-error"})
    if tries == 2:
        answer = {"deployments": [], "deployment": ROW, "status": "running"}
        register(api, method, path, sent=sent, json=answer)
    with contextlib.suppress(StormkitError):
        call(client(ORIGIN, FakeClock()))
    assert len(api.calls) == tries


def test_a_client_within_a_deadline_keeps_its_environment_and_ends_in_time(api):
    clock = FakeClock()
    register(api, "DELETE", ONE, query={"envId": "305"}, status=502)
    with pytest.raises(ServerFault):
        client(ORIGIN, clock, env_id="305").within(Deadline.after(clock, 3)).delete("8241")
    assert len(api.calls) > 1
    assert clock.passed <= 3


class ListSession(StormkitSession):
    """A session, without a network, with a list of deployments that changes between requests.

    `moves` change the rows (newest first); the next one is applied after each request.
    """

    def __init__(
        self, count: int, moves: Iterable[Callable[[list[Any]], None]] = (), clock: FakeClock | None = None
    ) -> None:
        super().__init__(origin="", api_key="", clock=clock or FakeClock())
        self.rows: list[Any] = [{"id": str(number), "status": "success"} for number in range(count, 0, -1)]
        self.moves = iter(moves)
        self.patiences: list[float] = []

    def repeat(self, request: Request, *, patience: float = 0.0) -> Answer:
        self.patiences.append(patience)
        begin = int((request.query or {}).get("from", "0"))
        answer = Answer(
            data={
                "deployments": self.rows[begin : begin + PAGE_SIZE],
                "hasNextPage": len(self.rows) > begin + PAGE_SIZE,
            }
        )
        move = next(self.moves, None)
        if move is not None:
            move(self.rows)
        return answer


def all_ids(session: StormkitSession) -> list[str]:
    return [deployment.id for deployment in StormkitClient(session).all_deployments()]


@pytest.mark.parametrize("count", [0, 1, 19, 20, 21, 39, 40, 41, 200])
def test_all_deployments_reads_every_page(count):
    session = ListSession(count)
    assert all_ids(session) == [str(number) for number in range(count, 0, -1)]
    assert len(session.patiences) <= count // (PAGE_SIZE - 1) + 2


def test_pages_are_read_only_as_far_as_needed():
    session = ListSession(200)
    assert next(StormkitClient(session).all_deployments()).id == "200"
    assert len(session.patiences) == 1


def test_a_deployment_that_moves_to_the_top_is_still_found():
    session = ListSession(60, [lambda rows: rows.insert(0, rows.pop(50))])
    assert sorted(all_ids(session), key=int) == [str(number) for number in range(1, 61)]


def test_no_row_is_lost_if_most_of_the_list_is_deleted_while_reading():
    def delete(rows: list[Any]) -> None:
        del rows[:150]

    session = ListSession(400, [*[lambda rows: None] * 10, delete])
    assert sorted(all_ids(session), key=int) == [str(number) for number in range(1, 401)]


@pytest.mark.parametrize("position", [18, 19, 20, 37, 38, 57])
def test_an_unreadable_row_where_two_pages_meet_loses_no_other(position):
    session = ListSession(60)
    session.rows[position] = {"id": None}
    assert len(all_ids(session)) == 59
    assert len(session.patiences) < 20


class EndlessListSession(ListSession):
    """A session with a server that ignores `from`, or whose list never ends."""

    def __init__(self, rows: int) -> None:
        super().__init__(rows)

    def repeat(self, request: Request, *, patience: float = 0.0) -> Answer:
        self.patiences.append(patience)
        return Answer(data={"deployments": self.rows, "hasNextPage": True})


@pytest.mark.parametrize("rows", [0, 1, 20])
def test_a_list_that_never_ends_is_an_error(rows):
    server = EndlessListSession(rows)
    with pytest.raises(ServerFault, match="has no end"):
        all_ids(server)
    assert len(server.patiences) < 5 * MAX_PAGES_WITHOUT_NEW_ROWS


@st.composite
def _moves(draw: st.DrawFn) -> list[tuple[str, int]]:
    return draw(
        st.lists(st.tuples(st.sampled_from(["new", "delete", "delete", "restart", "none"]), st.integers(0, 150)))
    )


@given(count=st.integers(0, 120), moves=_moves())
def test_no_row_is_lost_or_repeated_however_rows_move(count, moves):
    """Every row that is in the list all the time is found exactly once."""
    gone: set[str] = set()

    def move(kind: str, where: int) -> Callable[[list[Any]], None]:
        def change(rows: list[Any]) -> None:
            if kind == "new":
                rows[:0] = [{"id": f"new-{len(gone)}-{len(rows)}-{i}", "status": "running"} for i in range(where % 5)]
            elif kind == "delete":
                # Up to a whole page at once, as a simultaneous cleanup deletes.
                begin = where % (len(rows) + 1)
                gone.update(row["id"] for row in rows[begin : begin + where % 25])
                del rows[begin : begin + where % 25]
            elif kind == "restart" and rows:
                rows.insert(0, rows.pop(where % len(rows)))

        return change

    session = ListSession(count, (move(kind, where) for kind, where in moves))
    found = all_ids(session)
    assert len(found) == len(set(found))
    there_all_the_time = {str(number) for number in range(1, count + 1)} - gone
    assert there_all_the_time <= set(found)


class GrowingListSession(ListSession):
    """A session with a list that grows by a page of new rows with every request."""

    def repeat(self, request: Request, *, patience: float = 0.0) -> Answer:
        self.clock.sleep(0.5)
        number = len(self.patiences)
        self.rows[:0] = [{"id": f"new-{number}-{place}", "status": "running"} for place in range(PAGE_SIZE)]
        return super().repeat(request, patience=patience)


def test_a_list_that_keeps_growing_is_read_within_a_budget():
    session = GrowingListSession(40)
    with pytest.raises(ServerFault, match="has no end"):
        all_ids(session)
    assert len(session.patiences) == MAX_PAGES


def test_the_deadline_is_checked_before_every_page():
    clock = FakeClock()
    session = GrowingListSession(40, clock=clock).within(Deadline.after(clock, 2))
    with pytest.raises(NoAnswer, match="Ran out of time"):
        all_ids(session)
    assert len(session.patiences) == 4


RECORDED = [
    exchange
    for scenario in ("deploy-success", "deploy-failed", "delete", "status-checks")
    for exchange in recorded.exchanges(scenario)
    if exchange["response"]["status"] < 300
]


@pytest.mark.parametrize(
    "exchange", RECORDED, ids=lambda exchange: f"{exchange['request']['method']} {exchange['request']['path']}"
)
def test_recorded_answers_are_read_correctly(api, exchange):
    recorded.register(api, ORIGIN, exchange)
    stormkit, request, data = client(ORIGIN), exchange["request"], exchange["response"]["json"]
    path, _, query = request["path"].partition("?")
    _, _, _, *place = path.split("/")
    match (request["method"], *place):
        case ("POST",):
            assert deploy(stormkit, request["json"]["branch"]) == data["id"]
        case ("GET",):
            listed = stormkit.deployments()
            assert [deployment.id for deployment in listed.deployments] == [row["id"] for row in data["deployments"]]
            assert listed.has_next is data["hasNextPage"]
        case ("GET", deployment_id):
            read = stormkit.deployment(deployment_id, logs="logs=true" in query)
            assert (read.id, read.status, read.env_id) == (
                deployment_id,
                data["deployment"]["status"],
                data["deployment"]["envId"],
            )
            assert len(read.logs) == len(data["deployment"]["logs"] or [])
        case ("GET", deployment_id, "poll"):
            assert stormkit.poll(deployment_id).status == data["status"]
        case ("DELETE", deployment_id):
            stormkit.delete(deployment_id)
        case ("POST", deployment_id, verb):
            getattr(stormkit, verb)(deployment_id)


def test_a_deployment_not_found_twice_with_a_pause_between_is_gone(api):
    clock = FakeClock()
    for _ in range(2):
        register(api, "GET", ONE, status=404, content_type="application/json")
    assert client(ORIGIN, clock).is_gone("8241")
    assert clock.passed == GONE_PAUSE_S


def test_a_deployment_not_found_only_once_is_not_gone(api):
    register(api, "GET", ONE, status=404, content_type="application/json")
    register(api, "GET", ONE, json={"deployment": ROW})
    assert not client(ORIGIN, FakeClock()).is_gone("8241")


def test_an_ingress_s_404_does_not_prove_that_a_deployment_is_gone(api):
    register(api, "GET", ONE, status=404, body="404 page not found", content_type="text/plain")
    register(api, "GET", ONE, json={"deployment": ROW})
    assert not client(ORIGIN, FakeClock()).is_gone("8241")


@pytest.mark.parametrize("call", [lambda c, i: c.deployment(i), lambda c, i: c.poll(i)])
def test_an_id_beyond_the_server_s_range_is_not_found_at_once(api, call):
    api.get(re.compile(f"{ORIGIN}/v1/deployments/2147483648.*"), status=500, json=OWN_FAULT)
    clock = FakeClock()
    with pytest.raises(NotFound, match="Stormkit has no deployment 2147483648: its ids end at 2147483647"):
        call(client(ORIGIN, clock), "2147483648")
    assert clock.slept == []


def test_a_log_is_requested_only_once(api):
    register(api, "GET", ONE, query={"logs": "true"}, status=503, body="timeout")
    clock = FakeClock()
    with pytest.raises(ServerFault, match="while reading deployment 8241 with its log"):
        client(ORIGIN, clock).deployment("8241", logs=True)
    assert clock.slept == []
