"""The eight endpoints: what each sends, with and without envId, and what comes of the answers."""

import contextlib
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.clock import FakeClock
from sandbox.web import Reply
from stormkit_action.clock import Deadline
from stormkit_action.errors import ServerFault, StormkitError
from stormkit_action.stormkit.client import StormkitClient
from stormkit_action.stormkit.models import Deployment, PolledStatus, Status
from stormkit_action.stormkit.paging import MOST_FRUITLESS, PAGE_SIZE
from stormkit_action.stormkit.session import Answer, Call, Transport
from tests.stormkit.answering import Answering, client, page

ROW = {"id": "8241", "status": "running"}
ONE = "/v1/deployments/8241"

# call, answer: method, path, query, body (None: there is none)
CALLS: list[tuple[Callable[[StormkitClient], Any], Any, tuple[str, str, dict[str, str], Any]]] = [
    (lambda c: c.deploy("a/b ü"), {"id": 1}, ("POST", "/v1/deploy", {}, {"branch": "a/b ü", "publish": False})),
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


@pytest.mark.parametrize("env_id", ["", "305"])
@pytest.mark.parametrize(("call", "answer", "request_"), CALLS)
def test_requests(call, answer, request_, env_id):
    """`envId` goes into every query, and into the body of a POST too: servers look there."""
    method, path, query, body = request_
    env = {"envId": env_id} if env_id else {}
    with Answering(Reply(body=answer)) as server:
        call(client(server.url, env_id=env_id))
        (request,) = server.requests
    assert (request.method, request.path) == (method, path)
    assert request.query == {**query, **env}
    assert request.body == (None if body is None else {**body, **env})
    assert (request.content == b"") is (body is None)


def test_what_calls_return():
    with Answering(
        Reply(status=201, body={**ROW, "checkoutRepo": "github/octocat/hello-world", "shouldPublish": False}),
        Reply(status=201, body={"deployment": {"id": 8242}}),
        Reply(body={"status": "success"}),
        Reply(body={"status": "verifying"}),
        page(ROW, more=True),
    ) as server:
        stormkit = client(server.url)
        assert stormkit.deploy("main") == "8241"
        assert stormkit.deploy("main") == "8242"
        assert stormkit.poll("8241") == PolledStatus(status=Status.SUCCESS)
        assert stormkit.poll("8241") == PolledStatus(status=Status.RUNNING, unknown_status="verifying")
        listed = stormkit.deployments()
    assert listed.deployments == (Deployment(id="8241", status=Status.RUNNING),)
    assert listed.has_next
    assert listed.server_date is not None


def test_a_row_that_cannot_be_read_hides_no_other():
    with Answering(page(None, {}, {"id": "1"}, {"status": "running"}, {"id": "a/b", "status": "x"}, [], ROW)) as server:
        listed = client(server.url).deployments()
    assert [each.id for each in listed.deployments] == ["8241"]
    assert not listed.has_next


@pytest.mark.parametrize(
    ("call", "answer", "words"),
    [
        (lambda c: c.deploy("main"), {}, "accepted the trigger, but the deployment has no usable id"),
        (lambda c: c.deploy("main"), {"deployment": {}}, "Look at the dashboard"),
        (lambda c: c.deployments(patience=0), {}, "without deployments"),
        (lambda c: c.deployments(patience=0), {"deployments": None}, "without deployments"),
        (lambda c: c.deployment("8241", patience=0), {}, "without deployment while reading deployment 8241"),
        (lambda c: c.deployment("8241", patience=0), {"deployment": {}}, "has no status"),
        (lambda c: c.deployment("8241", patience=0), {"deployment": {"status": "running"}}, "no usable id"),
        (lambda c: c.poll("8241", patience=0), {}, "without status while polling deployment 8241"),
        (lambda c: c.poll("8241", patience=0), {"status": 5}, "without the status"),
    ],
)
def test_answers_that_lack_what_is_needed(call, answer, words):
    with Answering(Reply(body=answer)) as server, pytest.raises(ServerFault, match=words):
        call(client(server.url))


FAULT = Reply(status=500, body={"ok": False, "error": "unexpected-error"})


@pytest.mark.parametrize(
    ("call", "requests"),
    [
        # What changes something and can't be repeated safely is asked for once.
        (lambda c: c.deploy("main"), 1),
        (lambda c: c.publish("8241"), 1),
        (lambda c: c.restart("8241"), 1),
        (lambda c: c.poll("8241", patience=0), 1),
        (lambda c: c.deployments(), 2),
        (lambda c: c.deployment("8241"), 2),
        (lambda c: c.poll("8241"), 2),
        (lambda c: c.stop("8241"), 2),
        (lambda c: c.delete("8241"), 2),
    ],
)
def test_what_is_repeated(call, requests):
    answer = {"deployments": [], "deployment": ROW, "status": "running"}
    with Answering(FAULT, Reply(body=answer)) as server:
        with contextlib.suppress(StormkitError):
            call(client(server.url, FakeClock()))
        assert len(server.requests) == requests


def test_within_a_deadline_it_is_the_same_client():
    clock = FakeClock()
    with Answering(FAULT) as server:
        with pytest.raises(ServerFault):
            client(server.url, clock, env_id="305").within(Deadline.after(clock, 3)).delete("8241")
        assert {request.query["envId"] for request in server.requests} == {"305"}
    assert clock.passed <= 3


class Rows(Transport):
    """A list of deployments that changes between two requests, and no network.

    `moves` are changes to the rows (newest first), the next one made after each request.
    """

    def __init__(self, count: int, moves: Iterable[Callable[[list[Any]], None]] = ()) -> None:
        super().__init__(origin="", api_key="", clock=FakeClock())
        self.rows: list[Any] = [{"id": str(number), "status": "success"} for number in range(count, 0, -1)]
        self.moves = iter(moves)
        self.asked = 0

    def repeat(self, call: Call, *, patience: float = 0.0) -> Answer:
        self.asked += 1
        begin = int((call.query or {}).get("from", "0"))
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


def all_ids(transport: Transport) -> list[str]:
    return [each.id for each in StormkitClient(transport).all_deployments()]


@pytest.mark.parametrize("count", [0, 1, 19, 20, 21, 39, 40, 41, 200])
def test_every_page_is_read(count):
    rows = Rows(count)
    assert all_ids(rows) == [str(number) for number in range(count, 0, -1)]
    assert rows.asked <= count // (PAGE_SIZE - 1) + 2


def test_whoever_has_found_it_reads_no_further():
    rows = Rows(200)
    assert next(StormkitClient(rows).all_deployments()).id == "200"
    assert rows.asked == 1


def test_a_restarted_deployment_moves_to_the_top_and_is_found_there():
    rows = Rows(60, [lambda rows: rows.insert(0, rows.pop(50))])
    assert sorted(all_ids(rows), key=int) == [str(number) for number in range(1, 61)]


def test_most_of_the_list_is_deleted_at_once():
    def delete(rows: list[Any]) -> None:
        del rows[:150]

    rows = Rows(400, [*[lambda rows: None] * 10, delete])
    assert sorted(all_ids(rows), key=int) == [str(number) for number in range(1, 401)]


@pytest.mark.parametrize("position", [18, 19, 20, 37, 38, 57])
def test_a_row_that_cannot_be_read_where_two_pages_meet(position):
    rows = Rows(60)
    rows.rows[position] = {"id": None}
    assert len(all_ids(rows)) == 59
    assert rows.asked < 20


class Repeating(Rows):
    """A server that does not know `from`, or whose list never ends."""

    def __init__(self, rows: int) -> None:
        super().__init__(rows)

    def repeat(self, call: Call, *, patience: float = 0.0) -> Answer:
        self.asked += 1
        return Answer(data={"deployments": self.rows, "hasNextPage": True})


@pytest.mark.parametrize("rows", [0, 1, 20])
def test_a_list_without_end_is_an_error(rows):
    server = Repeating(rows)
    with pytest.raises(ServerFault, match="has no end"):
        all_ids(server)
    assert server.asked < 5 * MOST_FRUITLESS


@st.composite
def _moves(draw: st.DrawFn) -> list[tuple[str, int]]:
    return draw(
        st.lists(st.tuples(st.sampled_from(["new", "delete", "delete", "restart", "none"]), st.integers(0, 150)))
    )


@given(count=st.integers(0, 120), moves=_moves())
def test_rows_that_move_while_they_are_paged(count, moves):
    """Each once, and none is lost that was there all the time."""
    gone: set[str] = set()

    def move(kind: str, where: int) -> Callable[[list[Any]], None]:
        def change(rows: list[Any]) -> None:
            if kind == "new":
                rows[:0] = [{"id": f"new-{len(gone)}-{len(rows)}-{i}", "status": "running"} for i in range(where % 5)]
            elif kind == "delete":
                # Up to a whole page at once, as a cleanup beside this one does.
                begin = where % (len(rows) + 1)
                gone.update(row["id"] for row in rows[begin : begin + where % 25])
                del rows[begin : begin + where % 25]
            elif kind == "restart" and rows:
                rows.insert(0, rows.pop(where % len(rows)))

        return change

    transport = Rows(count, (move(*each) for each in moves))
    found = all_ids(transport)
    assert len(found) == len(set(found))
    there_all_the_time = {str(number) for number in range(1, count + 1)} - gone
    assert there_all_the_time <= set(found)
