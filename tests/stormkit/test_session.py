"""StormkitSession over real connections: requests, answers, redirects, secrets and cancels."""

import contextlib
import logging
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from sandbox.clock import FakeClock
from sandbox.web import ReceivedRequest, Reply
from stormkit_action import __version__
from stormkit_action.cancellation import Cancellation
from stormkit_action.clock import SystemClock
from stormkit_action.commands.stop import POOL_SIZE
from stormkit_action.errors import (
    Busy,
    Cancelled,
    NoAnswer,
    NotFound,
    Refused,
    Rejected,
    ServerFault,
)
from stormkit_action.stormkit.send_gate import SendGate
from stormkit_action.stormkit.session import Request
from tests.stormkit.scripted_server import BAD_GATEWAY, KEY, OK, READ, ScriptedServer, assert_no_key, error_of, session

pytestmark = pytest.mark.usefixtures("bare_environment")


def test_a_request_has_the_documented_headers_query_and_body():
    request = Request(method="POST", path="/v1/deploy", action="x", query={"envId": "305"}, body={"branch": "ü&x"})
    with ScriptedServer(OK) as server:
        assert session(server.url).send(request).data == {"ok": True}
        (received,) = server.requests
    assert (received.method, received.path, received.query) == ("POST", "/v1/deploy", {"envId": "305"})
    assert received.body == {"branch": "ü&x"}
    assert received.headers["authorization"] == KEY
    assert received.headers["user-agent"] == f"stormkit-action/{__version__}"
    assert received.headers["accept"] == "application/json"
    assert received.headers["content-type"] == "application/json"


def test_a_get_has_no_body():
    with ScriptedServer(OK) as server:
        stormkit = session(server.url)
        for _ in range(3):
            stormkit.send(READ)
        assert {request.content for request in server.requests} == {b""}


def test_an_answer_has_the_server_s_date():
    with ScriptedServer(OK) as server:
        date = session(server.url).send(READ).date
    assert date is not None
    assert abs(date.timestamp() - time.time()) < 60


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (Reply(status=400, body={"errors": ["no"]}), Rejected),
        (Reply(status=402, body={"error": "no"}), Refused),
        (Reply(status=403), Refused),
        (Reply(status=404), NotFound),
        (Reply(status=429), Busy),
        (Reply(status=500, body={"ok": False, "error": "unexpected-error"}), ServerFault),
        (BAD_GATEWAY, ServerFault),
        (Reply(status=503, body="<html>" + "x" * 2_000_000), ServerFault),
        # Statuses of a success with bodies that are not an answer of the API.
        (Reply(body="<html>A single-page application</html>"), Rejected),
        (Reply(body=None), ServerFault),
        (Reply(body=[]), ServerFault),
        (Reply(body="null"), ServerFault),
        (Reply(body=b'{"id": '), ServerFault),
        (Reply(body=b"[" * 100_000), ServerFault),
        (Reply(body=b'{"a":' * 100_000), ServerFault),
        (Reply(body=b'{"n": ' + b"9" * 5000 + b"}"), ServerFault),
        (Reply(body=b"\xff\xfe\x00"), ServerFault),
        (Reply(status=204), ServerFault),
    ],
    ids=lambda reply: str(reply)[:60],
)
def test_each_answer_has_its_kind_of_error(reply, kind):
    with ScriptedServer(reply) as server:
        error = error_of(server.url)
    assert type(error) is kind
    assert error.status == reply.status
    assert "reading deployment 8241" in error.text
    assert len(error.text) < 700


@pytest.mark.parametrize("status", [200, 404])
@pytest.mark.parametrize("page", [Reply(body="<html>"), Reply(body="x", headers={"Content-Type": "text/html"})])
def test_a_web_page_instead_of_the_api_is_final_and_names_api_url(status, page):
    clock = FakeClock()
    with ScriptedServer(replace(page, status=status)) as server:
        with pytest.raises(Rejected, match="so it is not Stormkit's API\\. Set api-url to the API's origin"):
            session(server.url, clock).repeat(READ)
        assert len(server.requests) == 1
    assert clock.slept == []


def test_an_early_hint_is_not_taken_for_the_answer():
    """http.client takes a 103 for the answer, so the real answer is left unread on the connection."""
    hint = b"HTTP/1.1 103 Early Hints\r\nLink: </x>; rel=preload\r\n\r\n"
    answers = [hint + _raw(b'{"id": "8241"}'), _raw(b'{"id": "8242"}')]
    with _RawServer(answers) as origin:
        stormkit = session(origin, FakeClock())
        with pytest.raises(ServerFault) as raised:
            stormkit.send(READ)
        assert raised.value.status == 103
        assert not raised.value.from_stormkit
        assert stormkit.send(READ).data == {"id": "8242"}


def _raw(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)


class _RawServer:
    """Sends each of `answers` unchanged, each on its own connection."""

    def __init__(self, answers: list[bytes]) -> None:
        self._answers = answers
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> str:
        self._thread.start()
        return f"http://127.0.0.1:{self._socket.getsockname()[1]}"

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def _serve(self) -> None:
        for answer in self._answers:
            connection, _ = self._socket.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(answer)
                connection.settimeout(2)
                # Keep the connection open until the client closes it.
                with contextlib.suppress(OSError):
                    connection.recv(1)


def test_big_bodies_and_invalid_text_are_read():
    big = "x" * 3_000_000
    with ScriptedServer(
        Reply(body={"text": big}),
        Reply(body=b'{"text": "caf\xe9"}'),
        Reply(body=b'\xef\xbb\xbf{"text": "marked"}'),
        Reply(body=b'{"text": "half \\ud800"}'),
    ) as server:
        stormkit = session(server.url)
        assert stormkit.send(READ).data["text"] == big
        assert stormkit.send(READ).data["text"] == "caf�"
        assert stormkit.send(READ).data["text"] == "marked"
        assert stormkit.send(READ).data["text"] == "half ?"


def test_secrets_repeated_by_the_server_are_redacted():
    answer = {"error": f"the key {KEY} and ghs_0123456789 are wrong", KEY: [KEY]}
    with ScriptedServer(Reply(status=403, body=answer), Reply(body=answer)) as server:
        stormkit = session(server.url, secrets=["ghs_0123456789"])
        with pytest.raises(Refused) as caught:
            stormkit.send(READ)
        assert "the key *** and *** are wrong" in caught.value.text
        assert_no_key(caught.value)
        assert stormkit.send(READ).data == {"error": "the key *** and *** are wrong", "***": ["***"]}


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_redirects_are_never_followed(status, method):
    with ScriptedServer(OK) as foreign_server:
        moved = Reply(status=status, headers={"Location": f"{foreign_server.url}/v1/deployments?key={KEY}"})
        with ScriptedServer(moved) as server:
            error = error_of(server.url, Request(method=method, path="/v1/x", action="trying"))
        assert foreign_server.requests == []
    assert type(error) is Rejected
    assert f"a redirect to {foreign_server.url}/v1/deployments?key=***" in error.text


@pytest.mark.parametrize("target", ["//[", "http://[::1", "http://x:port/", "\xff\xfe", "ftp://x", ""])
def test_a_redirect_with_an_invalid_target_is_rejected(target):
    with ScriptedServer(Reply(status=302, headers={"Location": target})) as server:
        assert type(error_of(server.url)) is Rejected


def test_an_endless_body_of_a_redirect_ends_with_the_limit():
    reply = Reply(status=302, body=b"x" * 60, headers={"Location": "/elsewhere"}, drip=60)
    with ScriptedServer(reply) as server, pytest.raises(NoAnswer):
        session(server.url).send(READ, limit=0.3)


@pytest.mark.threat("A hostile API answer")
def test_a_netrc_file_is_never_used(tmp_path, monkeypatch):
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login monalisa password word\ndefault login octocat password word\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    with ScriptedServer(OK) as server:
        session(server.url).send(READ)
        assert server.requests[0].headers["authorization"] == KEY


def test_a_cancel_ends_the_wait_and_the_answer_can_be_read_later():
    cancellation = Cancellation()

    def slow(_: ReceivedRequest) -> Reply:
        cancellation.request()
        return Reply(body={"id": "8241"}, delay=0.1)

    with ScriptedServer(slow) as server:
        pending = session(server.url, SystemClock(cancellation)).start(
            READ, lambda answer: answer.data, gate=SendGate()
        )
        with pytest.raises(Cancelled):
            pending.wait(10)
        assert pending._finished.wait(5)
    assert pending.result() == {"id": "8241"}


def test_a_request_behind_a_closed_gate_is_not_sent():
    gate = SendGate()
    assert gate.close()
    with ScriptedServer(OK) as server:
        pending = session(server.url).start(READ, lambda answer: answer.data, gate=gate)
        with pytest.raises(NoAnswer) as raised:
            pending.wait(10)
        assert server.requests == []
    assert not raised.value.may_have_arrived


def test_the_gate_of_a_sent_request_cannot_be_closed():
    gate = SendGate()
    with ScriptedServer(OK) as server:
        session(server.url).start(READ, lambda answer: answer.data, gate=gate).wait(10)
    assert not gate.close()


def test_the_key_is_in_no_repr_and_no_log(caplog):
    caplog.set_level(logging.DEBUG)
    with ScriptedServer(OK, Reply(dropped=True), BAD_GATEWAY) as server:
        stormkit = session(server.url)
        stormkit.send(READ)
        error_of(server.url)
        error_of(server.url)
    assert KEY not in repr(stormkit) + repr(vars(stormkit)["_session"].auth) + caplog.text


def test_a_connection_is_kept_for_each_thread():
    """The server starts a thread for each connection, so threads are counted."""
    connections = set()
    all_arrived = threading.Barrier(POOL_SIZE)

    def reply(_: ReceivedRequest) -> Reply:
        connections.add(threading.current_thread())
        all_arrived.wait(10)
        return OK

    with ScriptedServer(reply) as server, ThreadPoolExecutor(POOL_SIZE) as pool:
        shared = session(server.url)
        list(pool.map(lambda _: shared.send(READ), range(3 * POOL_SIZE)))
    assert len(connections) == POOL_SIZE
