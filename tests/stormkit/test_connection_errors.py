"""StormkitSession when the connection fails: proxies, TLS, and answers that never come or break off."""

import base64
import ipaddress
import ssl
import threading
import time
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from sandbox.web import Reply
from stormkit_action.errors import NoAnswer
from stormkit_action.stormkit.session import exposed_by_proxy
from stormkit_action.stormkit.trigger import may_have_started
from tests.stormkit.scripted_server import BAD_GATEWAY, OK, READ, ScriptedServer, error_of, session

pytestmark = pytest.mark.usefixtures("bare_environment")


def test_a_proxy_is_used_and_its_password_never_shown(monkeypatch, closed_port):
    with ScriptedServer(OK, BAD_GATEWAY) as proxy:
        with_password = proxy.url.replace("://", "://monalisa:proxy-word@")
        monkeypatch.setenv("HTTP_PROXY", with_password)
        monkeypatch.setenv("http_proxy", with_password)
        assert session("http://stormkit.example.com").send(READ).data == {"ok": True}
        (request,) = proxy.requests
        assert request.headers["host"] == "stormkit.example.com"
        expected = base64.b64encode(b"monalisa:proxy-word").decode()
        assert request.headers["proxy-authorization"] == f"Basic {expected}"
        assert "proxy-word" not in error_of("http://stormkit.example.com").text
    monkeypatch.setenv("http_proxy", f"http://monalisa:proxy-word@127.0.0.1:{closed_port}")
    error = error_of("http://stormkit.example.com")
    assert isinstance(error, NoAnswer)
    assert (error.may_have_arrived, error.retryable) == (False, True)
    assert "the proxy did not let the request through" in error.text
    assert "proxy-word" not in error.text


@pytest.mark.parametrize("proxy", ["http://[", "http://x:port", "http://", "nonsense://x"])
def test_an_invalid_proxy_variable_is_final(monkeypatch, proxy):
    monkeypatch.setenv("http_proxy", proxy)
    error = error_of("http://stormkit.example.com")
    assert isinstance(error, NoAnswer)
    assert (error.may_have_arrived, error.retryable) == (False, False)


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_that_asks_for_a_password_is_final(monkeypatch, scheme):
    refused = Reply(status=407, body="<html>Proxy Authentication Required</html>")
    with _Proxy(refused) as proxy:
        with_password = proxy.url.replace("://", "://monalisa:proxy-word@")
        monkeypatch.setenv(f"{scheme}_proxy", with_password)
        error = error_of(f"{scheme}://stormkit.example.com")
    assert not error.retryable
    assert not may_have_started(error)
    assert "the proxy asks for a user name and a password" in error.text.lower()
    assert "proxy-word" not in error.text


@pytest.mark.parametrize(("status", "is_final"), [(403, True), (404, True), (408, False), (429, False), (502, False)])
def test_a_proxy_that_refuses_the_host_is_final(monkeypatch, status, is_final):
    with _Proxy(Reply(status=status, body="<html></html>")) as proxy:
        monkeypatch.setenv("https_proxy", proxy.url)
        error = error_of("https://stormkit.example.com")
    assert error.retryable is not is_final
    assert not may_have_started(error)
    assert ("the proxy refuses to connect to it" in error.text) is is_final


class _Proxy(ScriptedServer):
    """A proxy that answers CONNECT with its prepared replies too."""

    def __init__(self, *replies: Reply) -> None:
        super().__init__(*replies)
        handler = self._server.RequestHandlerClass
        handler.do_CONNECT = handler._handle_request  # type: ignore[attr-defined]


def test_an_unsupported_socks_proxy_is_final_and_named(monkeypatch):
    monkeypatch.setenv("http_proxy", "socks5://127.0.0.1:9")
    error = error_of("http://stormkit.example.com")
    assert (error.retryable, may_have_started(error)) == (False, False)
    assert "a proxy variable names a SOCKS proxy" in error.text


def test_http_to_an_https_server_is_final_and_advises_https():
    plain = "Client sent an HTTP request to an HTTPS server.\n"
    with ScriptedServer(Reply(status=400, body=plain)) as server:
        error = error_of(server.url)
    assert not error.retryable
    assert "Start api-url with https://" in error.text


def test_a_missing_certificate_bundle_is_final_and_named(monkeypatch, tmp_path):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "none.pem"))
    error = error_of("https://127.0.0.1:9")
    assert isinstance(error, NoAnswer)
    assert (error.may_have_arrived, error.retryable) == (False, False)
    assert "REQUESTS_CA_BUNDLE or CURL_CA_BUNDLE names a file that can't be read" in error.text


def test_an_invalid_certificate_bundle_is_final_and_named(monkeypatch, tmp_path):
    bundle = tmp_path / "bundle.pem"
    bundle.write_text("this is no certificate\n")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(bundle))
    with ScriptedServer(OK) as server:
        error = error_of(server.url.replace("http:", "https:"))
    assert isinstance(error, NoAnswer)
    assert (error.may_have_arrived, error.retryable) == (False, False)
    assert "REQUESTS_CA_BUNDLE" in error.text


def test_https_to_a_server_without_tls_is_final_and_advises_http():
    with ScriptedServer(OK) as server:
        error = error_of(server.url.replace("http:", "https:"))
    assert isinstance(error, NoAnswer)
    assert (error.may_have_arrived, error.retryable) == (False, False)
    assert "it answered without TLS, so https:// is wrong in its address" in error.text


def test_a_private_certificate_authority_is_trusted_only_through_the_bundle(monkeypatch, tmp_path):
    certificate = tmp_path / "server.pem"
    certificate.write_bytes(_self_signed())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    server = ScriptedServer(OK)
    server._server.socket = context.wrap_socket(server._server.socket, server_side=True)
    with server:
        origin = server.url.replace("http:", "https:")
        error = error_of(origin)
        assert isinstance(error, NoAnswer)
        assert (error.may_have_arrived, error.retryable) == (False, False)
        assert "its TLS certificate is not trusted here" in error.text
        assert "a private certificate authority goes into REQUESTS_CA_BUNDLE" in error.text
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
        assert session(origin).send(READ).data == {"ok": True}


def _self_signed() -> bytes:
    """A self-signed certificate for 127.0.0.1, with its key."""
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


def test_a_refused_connection_is_retryable(closed_port):
    error = error_of(f"http://127.0.0.1:{closed_port}")
    assert isinstance(error, NoAnswer)
    assert (error.may_have_arrived, error.retryable) == (False, True)
    assert "the connection was refused" in error.text
    assert "Check that api-url is right" in error.text


def test_an_unknown_host_is_retryable():
    error = error_of("http://stormkit.invalid")
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
def test_a_request_whose_answer_breaks_off_may_have_been_carried_out(reply, words):
    with ScriptedServer(lambda request: reply) as server:
        if "content-length" in reply.headers:
            threading.Timer(0.1, server.closing.set).start()
        error = error_of(server.url, limit=1.0)
    assert isinstance(error, NoAnswer)
    assert (error.may_have_arrived, error.retryable) == (True, True)
    assert words in error.text or "did not finish its answer" in error.text


def test_a_request_without_an_answer_in_time_may_have_been_carried_out():
    with ScriptedServer(Reply(body={}, delay=30)) as server:
        began = time.monotonic()
        error = error_of(server.url, limit=0.3)
        assert time.monotonic() - began < 5
    assert isinstance(error, NoAnswer)
    assert error.may_have_arrived


@pytest.mark.threat("A hostile API answer")
def test_an_answer_that_trickles_in_ends_at_the_limit():
    """Every byte arrives within a read timeout, but the body takes 30 seconds."""
    with ScriptedServer(Reply(body={"text": "x" * 100}, drip=30)) as server:
        error = error_of(server.url, limit=0.3)
    assert isinstance(error, NoAnswer)
    assert error.may_have_arrived
    assert "did not finish its answer within 0.3 s while reading deployment 8241" in error.text


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
def test_the_key_is_exposed_by_a_proxy_only_over_http_through_another_host(monkeypatch, origin, proxy, exposed):
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy"):
        monkeypatch.setenv(name, proxy)
    assert exposed_by_proxy(origin) is exposed
    monkeypatch.setenv("NO_PROXY", "*")
    monkeypatch.setenv("no_proxy", "*")
    assert not exposed_by_proxy(origin)
