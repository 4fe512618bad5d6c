"""Trigger: which requests follow which answer, over HTTP. tests/reliability tests it as a whole, against a model."""

from email.utils import format_datetime
from typing import Any

import pytest

from sandbox.clock import FakeClock
from sandbox.web import ReceivedRequest, Reply
from stormkit_action.clock import Deadline
from stormkit_action.errors import Busy, Cancelled, NoAnswer, NotFound, Refused, StormkitError
from stormkit_action.stormkit.trigger import SEARCH_S, Trigger
from tests.stormkit.scripted_server import ScriptedServer, client

STARTED = Reply(status=201, body={"id": "8241", "status": "running"})
LOST_ANSWER = Reply(dropped=True)
OWN_500 = Reply(status=500, body={"ok": False, "error": "unexpected-error"})


class TriggerServer(ScriptedServer):
    """Answers triggers with `answers` in turn, and list requests with `rows`.

    The list is empty for the first `hidden_reads` reads, is `list_reply` if that is set, and fails from the trigger of
    number `list_fails_after_triggers` on.
    """

    def __init__(self, clock: FakeClock, *answers: Reply, rows: list[dict[str, Any]] | None = None) -> None:
        super().__init__(*answers)
        self.clock = clock
        self.rows = rows or []
        self.hidden_reads = 0
        self.list_reply: Reply | None = None
        self.list_fails_after_triggers = 0
        self.stop_reply: Reply | None = None

    def now(self) -> float:
        return self.clock.now().timestamp()

    def handle(self, request: ReceivedRequest) -> Reply:
        if request.path == "/v1/deploy":
            return super().handle(request)
        if request.path == "/v1/deployments":
            if self.list_reply is not None:
                return self.list_reply
            if 0 < self.list_fails_after_triggers <= self.triggers:
                return OWN_500
            reads = len(self.received("GET", "/v1/deployments"))
            rows = self.rows if reads > self.hidden_reads else []
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
    """A list's row of a deployment created `after` seconds after the test began."""
    created = int(FakeClock().now().timestamp()) + after
    return {"id": str(number), "status": "running", "branch": "main", "createdAt": str(created), **more}


def make_trigger(server: TriggerServer, **options: Any) -> Trigger:
    return Trigger(client=client(server.url, server.clock), branch="main", clock=server.clock, **options)


def test_an_answered_trigger_takes_one_request():
    with TriggerServer(FakeClock(), STARTED) as server:
        log_lines: list[str] = []
        trigger = make_trigger(server, log=log_lines.append)
        assert trigger.run() == "8241"
        assert [request.path for request in server.requests] == ["/v1/deploy"]
    assert not trigger.unacknowledged
    assert log_lines == []


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404])
def test_a_refusal_is_final_without_a_search(status):
    with TriggerServer(FakeClock(), Reply(status=status)) as server:
        trigger = make_trigger(server)
        with pytest.raises(StormkitError):
            trigger.run()
        assert len(server.requests) == 1
    assert not trigger.unacknowledged


def test_a_trigger_that_was_not_sent_has_nothing_to_stop():
    with TriggerServer(FakeClock(), STARTED) as server:
        trigger = make_trigger(server)
        assert not trigger.unacknowledged
        assert trigger.stop_after_cancel(Deadline.after(server.clock, 2.5)) == ()
        assert server.requests == []


def test_a_429_is_waited_out_without_a_search():
    clock = FakeClock()
    with TriggerServer(clock, Reply(status=429, headers={"Retry-After": "9"}), STARTED) as server:
        assert make_trigger(server).run() == "8241"
        assert [request.method for request in server.requests] == ["POST", "POST"]
    assert clock.passed == 9


def test_a_server_that_asks_for_too_long_a_pause_is_asked_again_sooner():
    with TriggerServer(FakeClock(), Reply(status=429, headers={"Retry-After": "90"})) as server:
        with pytest.raises(Busy):
            make_trigger(server).run()
        assert server.triggers == 5


@pytest.mark.parametrize("hidden_reads", [0, 3])
def test_after_a_lost_answer_the_list_is_read_until_the_deployment_appears(hidden_reads):
    clock = FakeClock()
    with TriggerServer(clock, LOST_ANSWER, STARTED, rows=[row(8300)]) as server:
        server.hidden_reads = hidden_reads
        log_lines: list[str] = []
        assert make_trigger(server, log=log_lines.append).run() == "8300"
        assert (server.triggers, server.stopped) == (1, [])
    assert clock.passed == hidden_reads
    assert log_lines[0].startswith("Still trying. ")
    assert "found its deployment 8300" in log_lines[-1]


@pytest.mark.parametrize("ended", [False, True])
def test_a_deployment_created_just_before_is_not_taken_for_ours(ended):
    clock = FakeClock()
    before = int(clock.now().timestamp()) - 2
    old = row(8299, -2, **({"status": "success", "stoppedAt": str(before)} if ended else {}))
    with TriggerServer(clock, LOST_ANSWER, STARTED, rows=[row(8300), old]) as server:
        assert make_trigger(server).run() == "8300"
        assert (server.triggers, server.stopped) == (1, [])


def test_a_trigger_that_created_nothing_is_sent_again():
    clock = FakeClock()
    with TriggerServer(clock, LOST_ANSWER, STARTED) as server:
        assert make_trigger(server).run() == "8241"
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
def test_foreign_deployments_are_neither_adopted_nor_stopped(foreign):
    with TriggerServer(FakeClock(), LOST_ANSWER, STARTED, rows=[foreign]) as server:
        assert make_trigger(server, known=frozenset({"8200"})).run() == "8241"
        assert server.triggers == 2
        assert server.stopped == []


def test_an_unqueued_deployment_is_stopped_and_the_trigger_sent_again():
    with TriggerServer(FakeClock(), OWN_500, STARTED, rows=[row(8300)]) as server:
        trigger = make_trigger(server)
        assert trigger.run() == "8241"
        assert (server.triggers, server.stopped) == (2, ["8300"])
    assert not trigger.unacknowledged


def test_a_build_that_began_is_adopted_after_a_500():
    with TriggerServer(FakeClock(), OWN_500, STARTED, rows=[row(8300, commit={"sha": "6dcb09b5"})]) as server:
        assert make_trigger(server).run() == "8300"
        assert (server.triggers, server.stopped) == (1, [])


def test_a_deployment_that_ended_by_itself_after_a_500_is_left_alone():
    with TriggerServer(FakeClock(), OWN_500, STARTED, rows=[row(8300, status="failed")]) as server:
        assert make_trigger(server).run() == "8241"
        assert server.stopped == []


def test_the_older_of_two_builds_of_one_trigger_is_stopped():
    with TriggerServer(FakeClock(), LOST_ANSWER, rows=[row(8301), row(8300)]) as server:
        adopted = make_trigger(server).run()
        assert (adopted, server.stopped) == ("8301", ["8300"])


def test_a_newer_build_that_one_trigger_cannot_explain_is_left_alone():
    with TriggerServer(FakeClock(), LOST_ANSWER, rows=[row(8301, after=9), row(8300)]) as server:
        assert make_trigger(server).run() in ("8300", "8301")
        assert "8301" not in server.stopped


@pytest.mark.parametrize("reply", [LOST_ANSWER, OWN_500, Reply(status=403)])
def test_without_an_answer_of_the_list_the_trigger_is_not_repeated(reply):
    with TriggerServer(FakeClock(), LOST_ANSWER) as server:
        server.list_reply = reply
        with pytest.raises(NoAnswer, match="Whether a build of main was started is not known"):
            make_trigger(server).run()
        assert server.triggers == 1


def test_a_known_deployment_is_kept_if_the_list_fails():
    """The second trigger was answered, so the failing search for the first one's deployment does not matter."""
    with TriggerServer(FakeClock(), LOST_ANSWER, STARTED) as server:
        server.list_fails_after_triggers = 2
        trigger = make_trigger(server)
        assert trigger.run() == "8241"
    assert trigger.unacknowledged


def test_a_connection_error_that_retries_cannot_fix_is_final(monkeypatch, tmp_path):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "none.pem"))
    clock = FakeClock()
    trigger = Trigger(client=client("https://127.0.0.1:9", clock), branch="main", clock=clock)
    with pytest.raises(NoAnswer, match="REQUESTS_CA_BUNDLE"):
        trigger.run()
    assert clock.passed == 0
    assert not trigger.unacknowledged


def test_a_deployment_that_another_process_triggered_is_stopped_after_a_cancel():
    clock = FakeClock()
    clock.advance(20)
    with TriggerServer(clock, STARTED, rows=[row(8300, after=1)]) as server:
        earlier = Trigger.sent_before(20, client=client(server.url, clock), branch="main", clock=clock)
        assert earlier.unacknowledged
        assert earlier.stop_after_cancel(Deadline.after(clock, 10)) == ("8300",)
        assert server.stopped == ["8300"]
        assert server.triggers == 0


def test_stopping_after_a_cancel_ends_at_its_deadline():
    clock = FakeClock()
    with TriggerServer(clock, STARTED) as server:
        earlier = Trigger.sent_before(0, client=client(server.url, clock), branch="main", clock=clock)
        assert earlier.stop_after_cancel(Deadline.after(clock, 2.5)) == ()
    assert clock.passed <= 3


def test_a_refusal_after_a_lost_answer_is_the_reported_error():
    with TriggerServer(FakeClock(), LOST_ANSWER, Reply(status=403)) as server:
        trigger = make_trigger(server)
        with pytest.raises(Refused):
            trigger.run()
        assert server.triggers == 2
    # The first trigger's deployment may still appear, so the post step searches for it.
    assert trigger.unacknowledged


class TestCancelWhileTheTriggerIsInFlight:
    """The deployment is stopped whether the answer comes before or after the cancel."""

    def stopped(self, *, answered_after: float, cancel_after: float, rows: list[dict[str, Any]]) -> tuple[Any, ...]:
        clock = FakeClock(cancel_after=cancel_after)

        def answer(_: ReceivedRequest) -> Reply:
            clock.advance(answered_after)
            return STARTED

        with TriggerServer(clock, STARTED, rows=rows) as server:
            server._replies = [answer]
            trigger = make_trigger(server)
            with pytest.raises(Cancelled):
                trigger.run()
            free = clock.uncancelled()
            stopped = trigger.stop_after_cancel(Deadline.after(free, 2.0))
            assert not trigger.unacknowledged
            return stopped, server.stopped, len(server.received("GET", "/v1/deployments"))

    def test_an_answer_soon_after_the_cancel_names_the_deployment_without_a_search(self):
        assert self.stopped(answered_after=0.4, cancel_after=0.2, rows=[row(8241), row(8239)]) == (
            ("8241",),
            ["8241"],
            0,
        )

    def test_a_late_answer_is_not_awaited_if_the_list_shows_the_deployment(self):
        assert self.stopped(answered_after=15.0, cancel_after=0.2, rows=[row(8300)]) == (("8300",), ["8300"], 1)

    def test_an_answer_before_the_cancel_needs_no_search(self):
        clock = FakeClock(cancel_after=0.4)

        def answer(_: ReceivedRequest) -> Reply:
            clock.advance(0.2)
            return STARTED

        with TriggerServer(clock, STARTED) as server:
            server._replies = [answer]
            trigger = make_trigger(server)
            assert trigger.run() == "8241"
            assert not trigger.unacknowledged
            assert trigger.stop_after_cancel(Deadline.after(clock.uncancelled(), 2.0)) == ()


def test_an_answer_after_the_time_limit_still_names_the_deployment():
    clock = FakeClock()

    def slow(_: ReceivedRequest) -> Reply:
        clock.advance(31.0)
        return STARTED

    with TriggerServer(clock, STARTED) as server:
        server._replies = [slow]
        assert make_trigger(server).run() == "8241"
        assert server.triggers == 1


def test_a_refusal_after_the_time_limit_ends_the_search():
    clock = FakeClock()

    def slow(_: ReceivedRequest) -> Reply:
        clock.advance(31.0)
        return Reply(status=403)

    with TriggerServer(clock, STARTED) as server:
        server._replies = [slow, STARTED]
        trigger = make_trigger(server)
        assert trigger.run() == "8241"
        assert not trigger.unacknowledged


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
class TestErrorsOfGateways:
    def test_a_build_started_despite_a_gateway_s_error_is_adopted(self, reply):
        with TriggerServer(FakeClock(), reply, STARTED, rows=[row(8300)]) as server:
            assert make_trigger(server).run() == "8300"
            assert (server.triggers, server.stopped) == (1, [])

    def test_a_trigger_without_effect_behind_a_gateway_s_error_is_sent_again(self, reply):
        clock = FakeClock()
        with TriggerServer(clock, reply, STARTED) as server:
            assert make_trigger(server).run() == "8241"
            assert server.triggers == 2
        assert clock.passed <= SEARCH_S + 15

    def test_a_build_that_appears_late_behind_a_gateway_s_error_is_adopted(self, reply):
        with TriggerServer(FakeClock(), reply, STARTED, rows=[row(8300, after=2)]) as server:
            server.hidden_reads = 3
            trigger = make_trigger(server)
            assert trigger.run() == "8300"
            assert server.triggers == 1
        assert not trigger.unacknowledged


def test_after_a_421_the_trigger_is_sent_again_without_a_search():
    with TriggerServer(FakeClock(), Reply(status=421), STARTED) as server:
        assert make_trigger(server).run() == "8241"
        assert [request.method for request in server.requests] == ["POST", "POST"]


NO_REPOSITORY = Reply(status=404, body={"error": "Repository is not found or is inaccessible."})


def test_a_refusal_that_leaves_a_row_is_final_and_the_row_is_stopped():
    with TriggerServer(FakeClock(), NO_REPOSITORY, STARTED, rows=[row(8300)]) as server:
        trigger = make_trigger(server)
        with pytest.raises(NotFound, match="Repository is not found or is inaccessible"):
            trigger.run()
        assert (server.triggers, server.stopped) == (1, ["8300"])
    assert not trigger.unacknowledged


def test_a_refusal_is_reported_even_if_its_row_cannot_be_searched():
    with TriggerServer(FakeClock(), NO_REPOSITORY) as server:
        server.list_reply = Reply(status=403)
        trigger = make_trigger(server)
        with pytest.raises(NotFound, match="Repository is not found"):
            trigger.run()
    # The post step searches again.
    assert trigger.unacknowledged


def test_a_row_of_a_500_that_could_not_be_stopped_is_stopped_later():
    rows = [row(8300)]
    with TriggerServer(FakeClock(), OWN_500, STARTED, rows=rows) as server:
        server.stop_reply = OWN_500
        trigger = make_trigger(server)
        assert trigger.run() == "8241"
        assert trigger.unacknowledged
        server.stop_reply = None
        # The deployment was queued in the meantime.
        rows[0] = row(8300, commit={"sha": "6dcb09b5"})
        trigger.stop_orphans()
        assert server.stopped[-1] == "8300"
        assert server.triggers == 2
    assert not trigger.unacknowledged


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
def test_permanent_errors_end_the_trigger_at_once(reply):
    clock = FakeClock()
    with TriggerServer(clock, reply) as server:
        trigger = make_trigger(server)
        with pytest.raises(StormkitError):
            trigger.run()
        assert len(server.requests) == 1
    assert clock.passed == 0
    assert not trigger.unacknowledged
