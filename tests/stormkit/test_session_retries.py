"""StormkitSession.repeat: what is retried, how long it pauses and when it gives up."""

from datetime import UTC, datetime
from itertools import islice

import pytest

from sandbox.clock import FakeClock
from sandbox.web import Reply
from stormkit_action.clock import Deadline
from stormkit_action.errors import (
    Busy,
    Cancelled,
    NoAnswer,
    NotFound,
    Refused,
    Rejected,
    ServerFault,
    StormkitError,
)
from stormkit_action.retry import jittered_pauses
from stormkit_action.stormkit.session import StormkitSession
from tests.stormkit.scripted_server import BAD_GATEWAY, KEY, OK, READ, ScriptedServer, session

pytestmark = pytest.mark.usefixtures("bare_environment")


def test_retries_are_logged_once_after_some_seconds():
    clock, logged = FakeClock(), list[str]()
    with ScriptedServer(BAD_GATEWAY) as server:
        stormkit = StormkitSession(origin=server.url, api_key=KEY, clock=clock, log=logged.append)
        with pytest.raises(ServerFault):
            stormkit.repeat(READ)
    assert [line[:15] for line in logged] == ["Still trying. S"]
    assert "502" in logged[0]


@pytest.mark.parametrize(
    "page",
    [
        Reply(body="<html>"),
        Reply(status=404, body="<html>"),
        Reply(status=404, body="404 page not found\n"),
        Reply(status=403, body="<html>Access denied</html>"),
        Reply(status=502, body={"cloudflare_error": True, "title": "Error 502"}, headers={"Retry-After": "60"}),
        Reply(status=504, body={"message": "Endpoint request timed out"}),
        Reply(status=408),
        Reply(status=421),
        Reply(status=425),
    ],
    ids=lambda page: f"{page.status} {page.content[:12]!r}",
)
def test_a_gateway_s_answer_is_retried_once_the_api_has_answered(page):
    with ScriptedServer(OK, page, OK) as server:
        stormkit = session(server.url, FakeClock())
        stormkit.send(READ)
        assert stormkit.repeat(READ).data == {"ok": True}
        assert len(server.requests) == 3


def test_transient_errors_are_retried_until_an_answer_comes():
    clock = FakeClock()
    with ScriptedServer(BAD_GATEWAY, Reply(status=503), Reply(dropped=True), Reply(status=429), OK) as server:
        assert session(server.url, clock).repeat(READ).data == {"ok": True}
        assert len(server.requests) == 5
    assert len(clock.slept) == 4


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 301, 405])
def test_refusals_are_not_retried(status):
    clock = FakeClock()
    with ScriptedServer(Reply(status=status, headers={"Location": "/x"})) as server:
        with pytest.raises(StormkitError):
            session(server.url, clock).repeat(READ)
        assert len(server.requests) == 1
    assert clock.slept == []


def test_retries_end_after_about_a_minute():
    clock = FakeClock()
    with ScriptedServer(BAD_GATEWAY) as server, pytest.raises(ServerFault):
        session(server.url, clock).repeat(READ)
    assert 40 < clock.passed <= 60


@pytest.mark.parametrize(
    "reply",
    [
        Reply(status=429, headers={"Retry-After": "7"}),
        Reply(status=429, body={"retry": 7}),
        Reply(status=503, headers={"Retry-After": "7"}),
    ],
)
def test_the_requested_pause_is_kept(reply):
    clock = FakeClock()
    with ScriptedServer(reply, OK) as server:
        session(server.url, clock).repeat(READ)
    assert clock.slept == [7.0]


def test_a_retry_after_date_is_relative_to_the_server_s_own_clock():
    clock = FakeClock()
    with ScriptedServer(Reply(status=429, headers={"Retry-After": "Sat, 14 Mar 2026 10:00:10 GMT"}), OK) as server:
        server.now = datetime(2026, 3, 14, 10, tzinfo=UTC).timestamp  # type: ignore[method-assign]
        session(server.url, clock).repeat(READ)
    assert clock.slept == [10.0]


def test_a_long_requested_pause_is_cut_short():
    clock = FakeClock()
    with ScriptedServer(Reply(status=429, headers={"Retry-After": "56"})) as server, pytest.raises(Busy) as caught:
        session(server.url, clock).repeat(READ)
    assert clock.slept == [15.0, 15.0, 15.0, 9.5]
    assert caught.value.retry_after == 56


def test_a_cancel_ends_the_pause_before_a_retry():
    clock = FakeClock(cancel_after=3)
    with ScriptedServer(Reply(status=429, headers={"Retry-After": "30"})) as server, pytest.raises(Cancelled):
        session(server.url, clock).repeat(READ)
    assert clock.passed == 3


def test_retries_end_at_the_deadline():
    clock = FakeClock()
    with ScriptedServer(BAD_GATEWAY) as server:
        stormkit = session(server.url, clock).within(Deadline.after(clock, 5))
        with pytest.raises(ServerFault):
            stormkit.repeat(READ)
        assert clock.passed <= 5
        # After the deadline, one short attempt is still made.
        with pytest.raises(ServerFault):
            stormkit.send(READ)


def test_pauses_grow_with_full_jitter():
    sequences = [list(islice(jittered_pauses(), 8)) for _ in range(300)]
    for position, longest in enumerate((0.5, 1, 2, 4, 8, 8, 8, 8)):
        pauses = [sequence[position] for sequence in sequences]
        assert 0 <= min(pauses) < longest * 0.1
        assert longest * 0.9 < max(pauses) <= longest
        assert longest * 0.35 < sum(pauses) / len(pauses) < longest * 0.65


@pytest.mark.parametrize(
    ("error", "retryable"),
    [
        (NoAnswer("x", may_have_arrived=True), True),
        (NoAnswer("x", may_have_arrived=False), True),
        (NoAnswer("x", may_have_arrived=False, retryable=False), False),
        (Busy("x", status=429), True),
        (ServerFault("x", status=500), True),
        (ServerFault("x", status=200), True),
        (Refused("x", status=403), False),
        (NotFound("x", status=404), False),
        (Rejected("x", status=400), False),
    ],
)
def test_each_error_says_whether_it_is_retryable(error, retryable):
    assert error.retryable is retryable
