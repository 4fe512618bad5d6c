"""Branches of the trigger, over HTTP: what is asked for after which answer. tests/reliability tries it as a whole."""

from email.utils import format_datetime
from typing import Any

import pytest

from sandbox.clock import FakeClock
from sandbox.web import ReceivedRequest, Reply
from stormkit_action.clock import Deadline
from stormkit_action.errors import Busy, Cancelled, NoAnswer, NotFound, Refused, StormkitError
from stormkit_action.stormkit.trigger import SEARCH_S, Trigger
from tests.stormkit.answering import Answering, client

STARTED = Reply(status=201, body={"id": "8241", "status": "running"})
LOST = Reply(dropped=True)
FAULT = Reply(status=500, body={"ok": False, "error": "unexpected-error"})


class Server(Answering):
    """Answers triggers with `answers` one after the other; its list has `rows`, after `shown_after` looks.

    It is `list_reply` instead where that is set, and fails once there were `list_ends_with` triggers.
    """

    def __init__(self, clock: FakeClock, *answers: Reply, rows: list[dict[str, Any]] | None = None) -> None:
        super().__init__(*answers)
        self.clock = clock
        self.rows = rows or []
        self.shown_after = 0
        self.list_reply: Reply | None = None
        self.list_ends_with = 0
        self.stop_reply: Reply | None = None

    def now(self) -> float:
        return self.clock.now().timestamp()

    def handle(self, request: ReceivedRequest) -> Reply:
        if request.path == "/v1/deploy":
            return super().handle(request)
        if request.path == "/v1/deployments":
            if self.list_reply is not None:
                return self.list_reply
            if 0 < self.list_ends_with <= self.triggers:
                return FAULT
            looks = len(self.received("GET", "/v1/deployments"))
            rows = self.rows if looks > self.shown_after else []
            date = format_datetime(self.clock.now(), usegmt=True)
            return Reply(body={"deployments": rows, "hasNextPage": False}, headers={"Date": date})
        return self.stop_reply or Reply(body={"ok": True})

    @property
    def triggers(self) -> int:
        return len([request for request in self.requests if request.path == "/v1/deploy"])

    @property
    def stopped(self) -> list[str]:
        return [request.path.split("/")[3] for request in self.received("POST", "/stop")]


def row(number: int, after: int = 0, **more: Any) -> dict[str, Any]:
    """A deployment created `after` seconds after the beginning."""
    created = int(FakeClock().now().timestamp()) + after
    return {"id": str(number), "status": "running", "branch": "main", "createdAt": str(created), **more}


def trigger(server: Server, **options: Any) -> Trigger:
    return Trigger(client=client(server.url, server.clock), branch="main", clock=server.clock, **options)


def test_an_answer_is_all_it_takes():
    with Server(FakeClock(), STARTED) as server:
        said: list[str] = []
        mine = trigger(server, log=said.append)
        assert mine.run() == "8241"
        assert [request.path for request in server.requests] == ["/v1/deploy"]
    assert not mine.unacknowledged
    assert said == []


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404])
def test_a_refusal_is_final_and_nothing_is_looked_for(status):
    with Server(FakeClock(), Reply(status=status)) as server:
        mine = trigger(server)
        with pytest.raises(StormkitError):
            mine.run()
        assert len(server.requests) == 1
    assert not mine.unacknowledged


def test_a_trigger_that_was_not_sent_has_nothing_to_stop():
    with Server(FakeClock(), STARTED) as server:
        mine = trigger(server)
        assert not mine.unacknowledged
        assert mine.stop_after_cancel(Deadline.after(server.clock, 2.5)) == ()
        assert server.requests == []


def test_too_many_requests_are_waited_for_and_not_looked_up():
    clock = FakeClock()
    with Server(clock, Reply(status=429, headers={"Retry-After": "9"}), STARTED) as server:
        assert trigger(server).run() == "8241"
        assert [request.method for request in server.requests] == ["POST", "POST"]
    assert clock.passed == 9


def test_a_server_that_asks_for_a_longer_pause_than_there_is_patience_is_asked_again():
    with Server(FakeClock(), Reply(status=429, headers={"Retry-After": "90"})) as server:
        with pytest.raises(Busy):
            trigger(server).run()
        assert server.triggers == 5


@pytest.mark.parametrize("shown_after", [0, 3])
def test_a_lost_answer_is_looked_for_until_it_shows(shown_after):
    clock = FakeClock()
    with Server(clock, LOST, STARTED, rows=[row(8300)]) as server:
        server.shown_after = shown_after
        said: list[str] = []
        assert trigger(server, log=said.append).run() == "8300"
        assert (server.triggers, server.stopped) == (1, [])
    assert clock.passed == shown_after
    assert said[0].startswith("Still trying. ")
    assert "found its deployment 8300" in said[-1]


@pytest.mark.parametrize("ended", [False, True])
def test_a_deployment_of_a_moment_before_is_not_taken_for_ours(ended):
    clock = FakeClock()
    before = int(clock.now().timestamp()) - 2
    old = row(8299, -2, **({"status": "success", "stoppedAt": str(before)} if ended else {}))
    with Server(clock, LOST, STARTED, rows=[row(8300), old]) as server:
        assert trigger(server).run() == "8300"
        assert (server.triggers, server.stopped) == (1, [])


def test_a_trigger_that_left_nothing_is_sent_again():
    clock = FakeClock()
    with Server(clock, LOST, STARTED) as server:
        assert trigger(server).run() == "8241"
        assert server.triggers == 2
    assert clock.passed >= SEARCH_S


@pytest.mark.parametrize(
    "foreign",
    [
        row(8300, isAutoDeploy=True),
        row(8300, branch="other"),
        row(8300, after=-10),
        row(8300, createdAt=None),
        row(8200),
    ],
)
def test_what_is_never_adopted_and_never_stopped(foreign):
    with Server(FakeClock(), LOST, STARTED, rows=[foreign]) as server:
        assert trigger(server, known=frozenset({"8200"})).run() == "8241"
        assert server.triggers == 2
        assert server.stopped == []


def test_an_unqueued_deployment_is_stopped_and_triggered_again():
    with Server(FakeClock(), FAULT, STARTED, rows=[row(8300)]) as server:
        mine = trigger(server)
        assert mine.run() == "8241"
        assert (server.triggers, server.stopped) == (2, ["8300"])
    assert not mine.unacknowledged


def test_a_build_that_has_begun_is_adopted_after_a_fault():
    with Server(FakeClock(), FAULT, STARTED, rows=[row(8300, commit={"sha": "6dcb09b5"})]) as server:
        assert trigger(server).run() == "8300"
        assert (server.triggers, server.stopped) == (1, [])


def test_what_ended_by_itself_after_a_fault_is_left_alone():
    with Server(FakeClock(), FAULT, STARTED, rows=[row(8300, status="failed")]) as server:
        assert trigger(server).run() == "8241"
        assert server.stopped == []


def test_two_builds_of_one_trigger_leave_one():
    with Server(FakeClock(), LOST, rows=[row(8301), row(8300)]) as server:
        adopted = trigger(server).run()
        assert (adopted, server.stopped) == ("8301", ["8300"])


def test_a_newer_build_that_one_trigger_does_not_explain_is_left_alone():
    with Server(FakeClock(), LOST, rows=[row(8301, after=9), row(8300)]) as server:
        assert trigger(server).run() in ("8300", "8301")
        assert "8301" not in server.stopped


@pytest.mark.parametrize("reply", [LOST, FAULT, Reply(status=403)])
def test_when_the_list_does_not_answer_either_nobody_triggers_again(reply):
    with Server(FakeClock(), LOST) as server:
        server.list_reply = reply
        with pytest.raises(NoAnswer, match="Whether a build of main was started is not known"):
            trigger(server).run()
        assert server.triggers == 1


def test_a_deployment_that_is_known_is_not_lost_with_the_list():
    """The second trigger was answered; that what the first one left can't be looked up changes nothing."""
    with Server(FakeClock(), LOST, STARTED) as server:
        server.list_ends_with = 2
        mine = trigger(server)
        assert mine.run() == "8241"
    assert mine.unacknowledged


def test_what_no_repetition_mends_is_final(monkeypatch, tmp_path):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "none.pem"))
    clock = FakeClock()
    mine = Trigger(client=client("https://127.0.0.1:9", clock), branch="main", clock=clock)
    with pytest.raises(NoAnswer, match="REQUESTS_CA_BUNDLE"):
        mine.run()
    assert clock.passed == 0
    assert not mine.unacknowledged


def test_what_another_process_sent_is_stopped_after_a_cancel():
    clock = FakeClock()
    clock.advance(20)
    with Server(clock, STARTED, rows=[row(8300, after=1)]) as server:
        earlier = Trigger.sent_before(20, client=client(server.url, clock), branch="main", clock=clock)
        assert earlier.unacknowledged
        assert earlier.stop_after_cancel(Deadline.after(clock, 10)) == ("8300",)
        assert server.stopped == ["8300"]
        assert server.triggers == 0


def test_stopping_after_a_cancel_gives_up_in_time():
    clock = FakeClock()
    with Server(clock, STARTED) as server:
        earlier = Trigger.sent_before(0, client=client(server.url, clock), branch="main", clock=clock)
        assert earlier.stop_after_cancel(Deadline.after(clock, 2.5)) == ()
    assert clock.passed <= 3


def test_a_refusal_after_a_lost_answer_is_what_is_told():
    with Server(FakeClock(), LOST, Reply(status=403)) as server:
        mine = trigger(server)
        with pytest.raises(Refused):
            mine.run()
        assert server.triggers == 2
    # The first one may still show up: the post step looks for it.
    assert mine.unacknowledged


class TestACancelWhileTheTriggerIsInFlight:
    """The answer and the cancel may come in either order; the deployment is stopped in both."""

    def stopped(self, *, answered_after: float, cancel_after: float, rows: list[dict[str, Any]]) -> tuple[Any, ...]:
        clock = FakeClock(cancel_after=cancel_after)

        def answer(_: ReceivedRequest) -> Reply:
            clock.advance(answered_after)
            return STARTED

        with Server(clock, STARTED, rows=rows) as server:
            server._replies = [answer]
            mine = trigger(server)
            with pytest.raises(Cancelled):
                mine.run()
            free = clock.uncancelled()
            stopped = mine.stop_after_cancel(Deadline.after(free, 2.0))
            assert not mine.unacknowledged
            return stopped, server.stopped, len(server.received("GET", "/v1/deployments"))

    def test_an_answer_after_the_cancel_names_the_deployment_without_a_search(self):
        assert self.stopped(answered_after=0.4, cancel_after=0.2, rows=[row(8241), row(8239)]) == (
            ("8241",),
            ["8241"],
            0,
        )

    def test_an_answer_that_comes_late_is_not_waited_for_when_the_list_shows_the_deployment(self):
        assert self.stopped(answered_after=15.0, cancel_after=0.2, rows=[row(8300)]) == (("8300",), ["8300"], 1)

    def test_an_answer_before_the_cancel_leaves_nothing_to_look_for(self):
        clock = FakeClock(cancel_after=0.4)

        def answer(_: ReceivedRequest) -> Reply:
            clock.advance(0.2)
            return STARTED

        with Server(clock, STARTED) as server:
            server._replies = [answer]
            mine = trigger(server)
            assert mine.run() == "8241"
            assert not mine.unacknowledged
            assert mine.stop_after_cancel(Deadline.after(clock.uncancelled(), 2.0)) == ()


def test_an_answer_that_comes_after_the_trigger_was_given_up_on_names_the_deployment():
    clock = FakeClock()

    def slow(_: ReceivedRequest) -> Reply:
        clock.advance(31.0)
        return STARTED

    with Server(clock, STARTED) as server:
        server._replies = [slow]
        assert trigger(server).run() == "8241"
        assert server.triggers == 1


def test_a_refusal_that_comes_after_the_trigger_was_given_up_on_ends_the_search():
    clock = FakeClock()

    def slow(_: ReceivedRequest) -> Reply:
        clock.advance(31.0)
        return Reply(status=403)

    with Server(clock, STARTED) as server:
        server._replies = [slow, STARTED]
        mine = trigger(server)
        assert mine.run() == "8241"
        assert not mine.unacknowledged


@pytest.mark.parametrize(
    "reply",
    [
        Reply(status=504, body={"message": "Endpoint request timed out"}),
        Reply(status=502, body={"message": "An invalid response was received from the upstream server"}),
        Reply(status=502, body={"cloudflare_error": True, "retry_after": 60}, headers={"Retry-After": "60"}),
        Reply(status=503, body="timeout"),
        Reply(status=500, body={"error": "unexpected-error"}),
        Reply(status=103),
        Reply(status=408),
        Reply(status=425),
        Reply(status=404, body="404 page not found"),
    ],
    ids=lambda reply: f"{reply.status} {reply.content.decode()[:30]}",
)
class TestAnAnswerOfSomebodyInBetween:
    def test_the_build_that_was_started_all_the_same_is_adopted(self, reply):
        with Server(FakeClock(), reply, STARTED, rows=[row(8300)]) as server:
            assert trigger(server).run() == "8300"
            assert (server.triggers, server.stopped) == (1, [])

    def test_where_nothing_was_started_it_is_tried_again_within_the_patience(self, reply):
        clock = FakeClock()
        with Server(clock, reply, STARTED) as server:
            assert trigger(server).run() == "8241"
            assert server.triggers == 2
        assert clock.passed <= SEARCH_S + 15

    def test_a_build_that_shows_later_leaves_one_build(self, reply):
        with Server(FakeClock(), reply, STARTED, rows=[row(8300, after=2)]) as server:
            server.shown_after = 3
            mine = trigger(server)
            assert mine.run() == "8300"
            assert server.triggers == 1
        assert not mine.unacknowledged


def test_a_421_was_not_carried_out_and_is_sent_again_without_a_search():
    with Server(FakeClock(), Reply(status=421), STARTED) as server:
        assert trigger(server).run() == "8241"
        assert [request.method for request in server.requests] == ["POST", "POST"]


REPOSITORY = Reply(status=404, body={"error": "Repository is not found or is inaccessible."})


def test_a_refusal_that_leaves_a_row_stops_the_row_and_is_final():
    with Server(FakeClock(), REPOSITORY, STARTED, rows=[row(8300)]) as server:
        mine = trigger(server)
        with pytest.raises(NotFound, match="Repository is not found or is inaccessible"):
            mine.run()
        assert (server.triggers, server.stopped) == (1, ["8300"])
    assert not mine.unacknowledged


def test_a_refusal_is_reported_although_its_row_can_not_be_looked_for():
    with Server(FakeClock(), REPOSITORY) as server:
        server.list_reply = Reply(status=403)
        mine = trigger(server)
        with pytest.raises(NotFound, match="Repository is not found"):
            mine.run()
    # The post step looks again.
    assert mine.unacknowledged


def test_a_row_of_a_500_that_can_not_be_stopped_is_looked_for_again_and_may_have_begun_to_build():
    rows = [row(8300)]
    with Server(FakeClock(), FAULT, STARTED, rows=rows) as server:
        server.stop_reply = FAULT
        mine = trigger(server)
        assert mine.run() == "8241"
        assert mine.unacknowledged
        server.stop_reply = None
        # Its queue came back meanwhile.
        rows[0] = row(8300, commit={"sha": "6dcb09b5"})
        mine.stop_orphans()
        assert server.stopped[-1] == "8300"
        assert server.triggers == 2
    assert not mine.unacknowledged


@pytest.mark.parametrize(
    "reply",
    [
        Reply(status=200, body="<!DOCTYPE html><title>Stormkit</title>"),
        Reply(status=404, body="<!DOCTYPE html><title>Stormkit - Page Not Found</title>"),
        Reply(status=403, body="<html>Access denied</html>"),
        Reply(status=407),
    ],
    ids=lambda reply: str(reply.status),
)
def test_what_can_not_heal_ends_the_trigger_at_once(reply):
    clock = FakeClock()
    with Server(clock, reply) as server:
        mine = trigger(server)
        with pytest.raises(StormkitError):
            mine.run()
        assert len(server.requests) == 1
    assert clock.passed == 0
    assert not mine.unacknowledged
