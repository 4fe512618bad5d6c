"""HTTP with Stormkit over real connections: what is sent, what comes of every kind of answer and of none."""

import base64
import contextlib
import ipaddress
import logging
import socket
import ssl
import threading
import time
import traceback
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from sandbox.clock import FakeClock
from sandbox.web import ReceivedRequest, Reply
from stormkit_action import __version__
from stormkit_action.cancellation import Cancellation
from stormkit_action.clock import Deadline, SystemClock
from stormkit_action.commands.stop import POOL_SIZE
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
from stormkit_action.stormkit.send_gate import SendGate
from stormkit_action.stormkit.session import Request, StormkitSession, exposed_by_proxy
from stormkit_action.stormkit.trigger import may_have_started
from tests.stormkit.answering import KEY, READ, Answering, session

FINE = Reply(body={"ok": True})
DOWN = Reply(status=502, body="<html>Bad Gateway</html>")


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch):
    for name in ("http", "https", "all", "no"):
        monkeypatch.delenv(f"{name}_proxy", raising=False)
        monkeypatch.delenv(f"{name}_PROXY".upper(), raising=False)
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NETRC"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(name="closed_port")
def _closed_port() -> Iterator[int]:
    """A port of the loopback that refuses every connection: it is bound and nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


def failed(origin: str, request: Request = READ, **options: float) -> StormkitError:
    with pytest.raises(StormkitError) as caught:
        session(origin).send(request, **options)
    assert_no_key(caught.value)
    return caught.value


def assert_no_key(error: BaseException) -> None:
    told = "".join(traceback.format_exception(error)) + repr(error) + str(error) + repr(vars(error))
    assert KEY not in told
    assert "SK_" not in told


def test_what_is_sent():
    request = Request(method="POST", path="/v1/deploy", action="x", query={"envId": "305"}, body={"branch": "ü&x"})
    with Answering(FINE) as server:
        assert session(server.url).send(request).data == {"ok": True}
        (received,) = server.requests
    assert (received.method, received.path, received.query) == ("POST", "/v1/deploy", {"envId": "305"})
    assert received.body == {"branch": "ü&x"}
    assert received.headers["authorization"] == KEY
    assert received.headers["user-agent"] == f"stormkit-action/{__version__}"
    assert received.headers["accept"] == "application/json"
    assert received.headers["content-type"] == "application/json"


def test_a_get_has_no_body_and_one_session_serves_all():
    with Answering(FINE) as server:
        stormkit = session(server.url)
        for _ in range(3):
            stormkit.send(READ)
        assert {request.content for request in server.requests} == {b""}


def test_the_servers_clock_is_handed_on():
    with Answering(FINE, Reply(body={}, headers={"Date": "no date"})) as server:
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
        (DOWN, ServerFault),
        (Reply(status=503, body="<html>" + "x" * 2_000_000), ServerFault),
        # Answers that are none, although the status says so.
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
    ids=lambda each: str(each)[:60],
)
def test_what_answers_mean(reply, kind):
    with Answering(reply) as server:
        error = failed(server.url)
    assert type(error) is kind
    assert error.status == reply.status
    assert "reading deployment 8241" in error.text
    assert len(error.text) < 700


@pytest.mark.parametrize("status", [200, 404])
@pytest.mark.parametrize("page", [Reply(body="<html>"), Reply(body="x", headers={"Content-Type": "text/html"})])
def test_a_web_page_instead_of_the_api_ends_at_once_and_names_api_url(status, page):
    clock = FakeClock()
    with Answering(replace(page, status=status)) as server:
        with pytest.raises(Rejected, match="so it is not Stormkit's API\\. Set api-url to the API's origin"):
            session(server.url, clock).repeat(READ)
        assert len(server.requests) == 1
    assert clock.slept == []


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
def test_what_speaks_for_stormkit_once_the_api_has_answered_is_a_passing_fault(page):
    with Answering(FINE, page, FINE) as server:
        stormkit = session(server.url, FakeClock())
        stormkit.send(READ)
        assert stormkit.repeat(READ).data == {"ok": True}
        assert len(server.requests) == 3


def test_an_early_hint_is_no_answer_and_the_next_request_gets_its_own():
    """http.client takes a 103 for the answer; the real one still stands on the connection."""
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
    """Sends each of `answers` on a connection of its own, as it is."""

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
                # Wait for the client to close it, as a kept connection would.
                with contextlib.suppress(OSError):
                    connection.recv(1)


def test_a_look_up_that_tries_again_says_so_once_after_some_seconds():
    clock, logged = FakeClock(), list[str]()
    with Answering(DOWN) as server:
        stormkit = StormkitSession(origin=server.url, api_key=KEY, clock=clock, log=logged.append)
        with pytest.raises(ServerFault):
            stormkit.repeat(READ)
    assert [line[:15] for line in logged] == ["Still trying. S"]
    assert "502" in logged[0]


def test_bodies_that_are_big_or_not_quite_text():
    big = "x" * 3_000_000
    with Answering(
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


def test_secrets_that_the_server_repeats_are_redacted_everywhere():
    said = {"error": f"the key {KEY} and ghs_0123456789 are wrong", KEY: [KEY]}
    with Answering(Reply(status=403, body=said), Reply(body=said)) as server:
        stormkit = session(server.url, secrets=["ghs_0123456789"])
        with pytest.raises(Refused) as caught:
            stormkit.send(READ)
        assert "the key *** and *** are wrong" in caught.value.text
        assert_no_key(caught.value)
        assert stormkit.send(READ).data == {"error": "the key *** and *** are wrong", "***": ["***"]}


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_redirects_are_never_followed(status, method):
    with Answering(FINE) as elsewhere:
        moved = Reply(status=status, headers={"Location": f"{elsewhere.url}/v1/deployments?key={KEY}"})
        with Answering(moved) as server:
            error = failed(server.url, Request(method=method, path="/v1/x", action="trying"))
        assert elsewhere.requests == []
    assert type(error) is Rejected
    assert f"a redirect to {elsewhere.url}/v1/deployments?key=***" in error.text


@pytest.mark.parametrize("target", ["//[", "http://[::1", "http://x:port/", "\xff\xfe", "ftp://x", ""])
def test_a_redirect_to_nowhere_is_one_too(target):
    with Answering(Reply(status=302, headers={"Location": target})) as server:
        assert type(failed(server.url)) is Rejected


def test_the_endless_body_of_a_redirect_is_not_awaited():
    reply = Reply(status=302, body=b"x" * 60, headers={"Location": "/elsewhere"}, drip=60)
    with Answering(reply) as server, pytest.raises(NoAnswer):
        session(server.url).send(READ, limit=0.3)


@pytest.mark.threat("A hostile API answer")
def test_a_netrc_file_is_never_used(tmp_path, monkeypatch):
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login monalisa password word\ndefault login octocat password word\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    with Answering(FINE) as server:
        session(server.url).send(READ)
        assert server.requests[0].headers["authorization"] == KEY


def test_a_proxy_is_used_and_its_password_never_shown(monkeypatch, closed_port):
    with Answering(FINE, DOWN) as proxy:
        with_password = proxy.url.replace("://", "://monalisa:proxy-word@")
        monkeypatch.setenv("HTTP_PROXY", with_password)
        monkeypatch.setenv("http_proxy", with_password)
        assert session("http://stormkit.example.com").send(READ).data == {"ok": True}
        (request,) = proxy.requests
        assert request.headers["host"] == "stormkit.example.com"
        expected = base64.b64encode(b"monalisa:proxy-word").decode()
        assert request.headers["proxy-authorization"] == f"Basic {expected}"
        assert "proxy-word" not in failed("http://stormkit.example.com").text
    monkeypatch.setenv("http_proxy", f"http://monalisa:proxy-word@127.0.0.1:{closed_port}")
    error = failed("http://stormkit.example.com")
    assert isinstance(error, NoAnswer)
    assert (error.may_have_arrived, error.retryable) == (False, True)
    assert "the proxy did not let the request through" in error.text
    assert "proxy-word" not in error.text


@pytest.mark.parametrize("proxy", ["http://[", "http://x:port", "http://", "nonsense://x"])
def test_a_proxy_variable_that_is_no_url(monkeypatch, proxy):
    monkeypatch.setenv("http_proxy", proxy)
    error = failed("http://stormkit.example.com")
    assert isinstance(error, NoAnswer)
    assert (error.may_have_arrived, error.retryable) == (False, False)


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_that_asks_for_a_password_ends_at_once(monkeypatch, scheme):
    refused = Reply(status=407, body="<html>Proxy Authentication Required</html>")
    with _Proxy(refused) as proxy:
        with_password = proxy.url.replace("://", "://monalisa:proxy-word@")
        monkeypatch.setenv(f"{scheme}_proxy", with_password)
        error = failed(f"{scheme}://stormkit.example.com")
    assert not error.retryable
    assert not may_have_started(error)
    assert "the proxy asks for a user name and a password" in error.text.lower()
    assert "proxy-word" not in error.text


class _Proxy(Answering):
    """Answers CONNECT as it does everything else."""

    def __init__(self, *replies: Reply) -> None:
        super().__init__(*replies)
        handler = self._server.RequestHandlerClass
        handler.do_CONNECT = handler._handle_request  # type: ignore[attr-defined]


def test_a_socks_proxy_without_support_ends_at_once_and_is_named(monkeypatch):
    monkeypatch.setenv("http_proxy", "socks5://127.0.0.1:9")
    error = failed("http://stormkit.example.com")
    assert (error.retryable, may_have_started(error)) == (False, False)
    assert "a proxy variable names a SOCKS proxy" in error.text


def test_http_to_a_server_that_speaks_https_ends_at_once_and_is_named():
    plain = "Client sent an HTTP request to an HTTPS server.\n"
    with Answering(Reply(status=400, body=plain)) as server:
        error = failed(server.url)
    assert not error.retryable
    assert "Start api-url with https://" in error.text


def test_a_certificate_bundle_that_is_not_there(monkeypatch, tmp_path):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "none.pem"))
    error = failed("https://127.0.0.1:9")
    assert isinstance(error, NoAnswer)
    assert (error.may_have_arrived, error.retryable) == (False, False)
    assert "REQUESTS_CA_BUNDLE or CURL_CA_BUNDLE names a file that can't be read" in error.text


def test_a_certificate_bundle_that_is_none(monkeypatch, tmp_path):
    bundle = tmp_path / "bundle.pem"
    bundle.write_text("this is no certificate\n")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(bundle))
    with Answering(FINE) as server:
        error = failed(server.url.replace("http:", "https:"))
    assert isinstance(error, NoAnswer)
    assert (error.may_have_arrived, error.retryable) == (False, False)
    assert "REQUESTS_CA_BUNDLE" in error.text


def test_a_server_that_speaks_no_tls():
    with Answering(FINE) as server:
        error = failed(server.url.replace("http:", "https:"))
    assert isinstance(error, NoAnswer)
    assert (error.may_have_arrived, error.retryable) == (False, False)
    assert "it answered without TLS, so https:// is wrong in its address" in error.text


def test_a_private_certificate_authority(monkeypatch, tmp_path):
    certificate = tmp_path / "server.pem"
    certificate.write_bytes(_self_signed())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    server = Answering(FINE)
    server._server.socket = context.wrap_socket(server._server.socket, server_side=True)
    with server:
        origin = server.url.replace("http:", "https:")
        error = failed(origin)
        assert isinstance(error, NoAnswer)
        assert (error.may_have_arrived, error.retryable) == (False, False)
        assert "its TLS certificate is not trusted here" in error.text
        assert "a private certificate authority goes into REQUESTS_CA_BUNDLE" in error.text
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
        assert session(origin).send(READ).data == {"ok": True}


def _self_signed() -> bytes:
    """A key and its certificate for 127.0.0.1."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sandbox")])
    now = datetime.now(UTC)
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    unprotected = serialization.NoEncryption()
    return certificate.public_bytes(pem) + key.private_bytes(pem, serialization.PrivateFormat.PKCS8, unprotected)


def test_nobody_listens(closed_port):
    error = failed(f"http://127.0.0.1:{closed_port}")
    assert isinstance(error, NoAnswer)
    assert (error.may_have_arrived, error.retryable) == (False, True)
    assert "the connection was refused" in error.text
    assert "Check that api-url is right" in error.text


def test_a_host_that_does_not_exist():
    error = failed("http://stormkit.invalid")
    assert isinstance(error, NoAnswer)
    assert (error.may_have_arrived, error.retryable) == (False, True)
    assert "its host name could not be resolved" in error.text


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (Reply(dropped=True), "the connection broke before the answer came"),
        (Reply(body=b"{", headers={"content-length": "100"}), "broke"),
        (Reply(body=b"no gzip", headers={"content-encoding": "gzip"}), "the answer can't be decoded"),
    ],
)
def test_answers_that_break_off_may_have_been_carried_out(reply, words):
    with Answering(lambda request: reply) as server:
        if "content-length" in reply.headers:
            threading.Timer(0.1, server.closing.set).start()
        error = failed(server.url, limit=1.0)
    assert isinstance(error, NoAnswer)
    assert (error.may_have_arrived, error.retryable) == (True, True)
    assert words in error.text or "did not finish its answer" in error.text


def test_no_answer_in_time():
    with Answering(Reply(body={}, delay=30)) as server:
        began = time.monotonic()
        error = failed(server.url, limit=0.3)
        assert time.monotonic() - began < 5
    assert isinstance(error, NoAnswer)
    assert error.may_have_arrived


@pytest.mark.threat("A hostile API answer")
def test_an_answer_that_trickles_in_ends_with_the_limit():
    """Each byte comes in time, all of them never."""
    with Answering(Reply(body={"text": "x" * 100}, drip=30)) as server:
        error = failed(server.url, limit=0.3)
    assert isinstance(error, NoAnswer)
    assert error.may_have_arrived
    assert "did not finish its answer within 0.3 s while reading deployment 8241" in error.text


def test_a_cancel_ends_the_wait_for_a_slow_request_whose_answer_can_be_had_later():
    cancellation = Cancellation()

    def slow(_: ReceivedRequest) -> Reply:
        cancellation.request()
        return Reply(body={"id": "8241"}, delay=0.1)

    with Answering(slow) as server:
        pending = session(server.url, SystemClock(cancellation)).start(
            READ, lambda answer: answer.data, gate=SendGate()
        )
        with pytest.raises(Cancelled):
            pending.wait(10)
        assert pending._finished.wait(5)
    assert pending.result() == {"id": "8241"}


def test_a_request_that_is_kept_back_is_not_sent_once_its_connection_is_made():
    gate = SendGate()
    assert gate.close()
    with Answering(FINE) as server:
        pending = session(server.url).start(READ, lambda answer: answer.data, gate=gate)
        with pytest.raises(NoAnswer) as raised:
            pending.wait(10)
        assert server.requests == []
    assert not raised.value.may_have_arrived


def test_a_request_that_has_left_can_not_be_kept_back():
    gate = SendGate()
    with Answering(FINE) as server:
        session(server.url).start(READ, lambda answer: answer.data, gate=gate).wait(10)
    assert not gate.close()


def test_repeating_until_it_works():
    clock = FakeClock()
    with Answering(DOWN, Reply(status=503), Reply(dropped=True), Reply(status=429), FINE) as server:
        assert session(server.url, clock).repeat(READ).data == {"ok": True}
        assert len(server.requests) == 5
    assert len(clock.slept) == 4


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 301, 405])
def test_what_is_not_repeated(status):
    clock = FakeClock()
    with Answering(Reply(status=status, headers={"Location": "/x"})) as server:
        with pytest.raises(StormkitError):
            session(server.url, clock).repeat(READ)
        assert len(server.requests) == 1
    assert clock.slept == []


def test_repeating_ends_after_about_a_minute():
    clock = FakeClock()
    with Answering(DOWN) as server, pytest.raises(ServerFault):
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
def test_the_server_says_how_long_to_wait(reply):
    clock = FakeClock()
    with Answering(reply, FINE) as server:
        session(server.url, clock).repeat(READ)
    assert clock.slept == [7.0]


def test_a_date_to_wait_for_is_reckoned_from_the_servers_own_clock():
    clock = FakeClock()
    with Answering(Reply(status=429, headers={"Retry-After": "Sat, 14 Mar 2026 10:00:10 GMT"}), FINE) as server:
        server.now = datetime(2026, 3, 14, 10, tzinfo=UTC).timestamp  # type: ignore[method-assign]
        session(server.url, clock).repeat(READ)
    assert clock.slept == [10.0]


def test_a_server_that_asks_for_a_long_pause_is_asked_again_sooner():
    clock = FakeClock()
    with Answering(Reply(status=429, headers={"Retry-After": "56"})) as server, pytest.raises(Busy) as caught:
        session(server.url, clock).repeat(READ)
    assert clock.slept == [15.0, 15.0, 15.0, 9.5]
    assert caught.value.retry_after == 56


def test_a_cancel_ends_the_pause():
    clock = FakeClock(cancel_after=3)
    with Answering(Reply(status=429, headers={"Retry-After": "30"})) as server, pytest.raises(Cancelled):
        session(server.url, clock).repeat(READ)
    assert clock.passed == 3


def test_the_deadline_ends_every_call():
    clock = FakeClock()
    with Answering(DOWN) as server:
        stormkit = session(server.url, clock).within(Deadline.after(clock, 5))
        with pytest.raises(ServerFault):
            stormkit.repeat(READ)
        assert clock.passed <= 5
        # After it one short attempt is still made.
        with pytest.raises(ServerFault):
            stormkit.send(READ)


def test_pauses_grow_with_full_jitter():
    rows = [[next(pauses) for _ in range(8)] for pauses in (jittered_pauses() for _ in range(300))]
    for position, most in enumerate((0.5, 1, 2, 4, 8, 8, 8, 8)):
        column = [row[position] for row in rows]
        assert 0 <= min(column) < most * 0.1
        assert most * 0.9 < max(column) <= most
        assert most * 0.35 < sum(column) / len(column) < most * 0.65


@pytest.mark.parametrize(
    ("error", "again"),
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
def test_what_may_be_repeated(error, again):
    assert error.retryable is again


def test_the_key_is_in_no_representation_and_in_no_log(caplog):
    caplog.set_level(logging.DEBUG)
    with Answering(FINE, Reply(dropped=True), DOWN) as server:
        stormkit = session(server.url)
        stormkit.send(READ)
        failed(server.url)
        failed(server.url)
    assert KEY not in repr(stormkit) + repr(vars(stormkit)["_session"].auth) + caplog.text


@pytest.mark.threat("A hostile API answer")
@pytest.mark.parametrize(
    ("origin", "proxy", "exposed"),
    [
        ("http://127.0.0.1:4310", "http://proxy.example:3128", True),
        ("http://api.stormkit.localhost:8888", "proxy.example:3128", True),
        ("http://127.0.0.1:4310", "http://127.0.0.1:3128", False),
        ("http://127.0.0.1:4310", "http://[", False),
        ("http://127.0.0.1:4310", "", False),
        ("https://api.example.com", "http://proxy.example:3128", False),
    ],
)
def test_where_a_proxy_would_get_the_key_unencrypted(monkeypatch, origin, proxy, exposed):
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy"):
        monkeypatch.setenv(name, proxy)
    assert exposed_by_proxy(origin) is exposed
    monkeypatch.setenv("NO_PROXY", "*")
    monkeypatch.setenv("no_proxy", "*")
    assert not exposed_by_proxy(origin)


def test_a_connection_is_kept_for_each_of_many_threads():
    """The server has a thread for each connection."""
    connections = set()
    all_at_once = threading.Barrier(POOL_SIZE)

    def reply(_: ReceivedRequest) -> Reply:
        connections.add(threading.current_thread())
        all_at_once.wait(10)
        return FINE

    with Answering(reply) as server, ThreadPoolExecutor(POOL_SIZE) as pool:
        shared = session(server.url)
        list(pool.map(lambda _: shared.send(READ), range(3 * POOL_SIZE)))
    assert len(connections) == POOL_SIZE
