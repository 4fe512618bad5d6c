"""The health check: does the preview answer, whatever it answers with."""

import threading

import pytest

from sandbox.clock import FakeClock
from sandbox.web import Recorded, Reply
from stormkit_action import parsers
from stormkit_action.cancellation import Cancellation
from stormkit_action.clock import Deadline, SystemClock
from stormkit_action.errors import Cancelled
from stormkit_action.stormkit.health import FIRST_PAUSE_S, MAX_PAUSE_S, MAX_REDIRECTS, check_url, wait_until_healthy
from tests.stormkit.answering import Answering

UP = Reply(status=200, body="fine")
DOWN = Reply(status=503)


def checked(url: str, *, accepted: str = "200-399", seconds: float = 60, clock: FakeClock | None = None) -> str:
    clock = clock or FakeClock()
    codes = parsers.status_codes(accepted)
    return wait_until_healthy(url, accepted=codes, clock=clock, deadline=Deadline.after(clock, seconds))


@pytest.mark.parametrize(
    ("preview", "path", "url"),
    [
        ("https://8241--app.stormkit.dev", "/", "https://8241--app.stormkit.dev/"),
        ("https://8241--app.stormkit.dev/", "/health?deep=1", "https://8241--app.stormkit.dev/health?deep=1"),
        ("http://localhost:8080/x?y=1#z", "/a/b#c", "http://localhost:8080/a/b"),
        ("https://app.stormkit.dev", "/:80/@x", "https://app.stormkit.dev/:80/@x"),
    ],
)
def test_the_path_is_asked_for_on_the_previews_origin(preview, path, url):
    assert check_url(preview, path) == url


def test_a_healthy_preview_is_asked_once_and_without_any_key():
    with Answering(UP) as server:
        assert checked(f"{server.url}/health") == ""
        (request,) = server.requests
    assert (request.method, request.path) == ("GET", "/health")
    assert "authorization" not in request.headers
    assert "cookie" not in request.headers


def test_it_waits_until_the_preview_comes_up_with_growing_pauses():
    clock = FakeClock()
    with Answering(*[DOWN] * 6, UP) as server:
        assert checked(server.url, clock=clock) == ""
    assert clock.slept == [0.5, 1, 2, 4, 5, 5]
    assert (clock.slept[0], clock.slept[-1]) == (FIRST_PAUSE_S, MAX_PAUSE_S)


def test_at_the_deadline_it_says_what_it_last_saw():
    clock = FakeClock()
    with Answering(DOWN) as server:
        assert checked(server.url, seconds=20, clock=clock) == "it answered 503"
    assert clock.passed == 20


@pytest.mark.parametrize(
    ("status", "accepted", "problem"),
    [
        (204, "200-399", ""),
        (401, "200,401", ""),
        (404, "200-399", "it answered 404"),
        (200, "401", "it answered 200"),
        # A redirect that leads nowhere is an answer as any other.
        (304, "200-399", ""),
        (302, "200", "it answered 302"),
    ],
)
def test_accepted_codes(status, accepted, problem):
    with Answering(Reply(status=status)) as server:
        assert checked(server.url, accepted=accepted, seconds=1) == problem


def test_redirects_are_followed_within_http_and_the_end_counts():
    with Answering(Reply(status=302, headers={"Location": "/login"}), UP) as server:
        assert checked(server.url, accepted="200") == ""
        assert [request.path for request in server.requests] == ["/", "/login"]
    with Answering(Reply(status=404)) as other:
        away = Reply(status=307, headers={"Location": f"{other.url}/x"})
        with Answering(away) as server:
            assert checked(server.url, seconds=0) == "it answered 404"


def test_cookies_are_kept_on_the_way():
    def reply(request: Recorded) -> Reply:
        if "seen=1" in request.headers.get("cookie", ""):
            return UP
        return Reply(status=302, headers={"Location": "/", "Set-Cookie": "seen=1; Path=/"})

    with Answering(reply) as server:
        assert checked(server.url) == ""


@pytest.mark.parametrize("target", ["file:///etc/passwd", "ftp://example.com/", "javascript:alert(1)"])
def test_redirects_to_something_else(target):
    with Answering(Reply(status=302, headers={"Location": target})) as server:
        assert checked(server.url, seconds=0) == "it redirects to something that is not http or https"


def test_redirects_without_end():
    with Answering(Reply(status=302, headers={"Location": "/again"})) as server:
        assert checked(server.url, seconds=0) == f"it redirects more than {MAX_REDIRECTS} times"
        assert len(server.requests) == MAX_REDIRECTS + 1


def test_a_redirect_to_another_host_gets_no_password_out_of_a_netrc_file(tmp_path, monkeypatch):
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login monalisa password word\ndefault login octocat password word\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    with Answering(UP) as other, Answering(Reply(status=302, headers={"Location": other.url})) as server:
        assert checked(server.url) == ""
        requests = server.requests + other.requests
    assert len(requests) == 2
    assert not any("authorization" in request.headers for request in requests)


@pytest.mark.parametrize("status", [200, 302])
def test_no_body_is_downloaded(status):
    """Neither the answer's nor a redirect's: both would take a minute here."""
    endless = Reply(status=status, body=b"x" * 60, drip=60, headers={"Location": "/next"} if status == 302 else {})
    with Answering(endless, Reply(status=204)) as server:
        cancellation = Cancellation()
        watchdog = threading.Timer(20, cancellation.request)
        watchdog.start()
        clock = SystemClock(cancellation)
        codes = parsers.status_codes("200-204")
        assert wait_until_healthy(server.url, accepted=codes, clock=clock, deadline=Deadline.after(clock, 15)) == ""
        watchdog.cancel()


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("http://127.0.0.1:99999/", "the request could not be made"),
        ("http://stormkit.invalid/", "its host name could not be resolved"),
    ],
)
def test_nothing_there(monkeypatch, url, problem):
    monkeypatch.delenv("http_proxy", raising=False)
    monkeypatch.delenv("HTTP_PROXY", raising=False)
    assert checked(url, seconds=0) == problem


def test_a_connection_that_breaks():
    with Answering(Reply(dropped=True)) as server:
        assert checked(server.url, seconds=0) == "the connection broke before the answer came"


def test_a_preview_that_never_answers():
    class Stuck(FakeClock):
        def start(self, function):
            return super().start(lambda: self.advance(60))

    assert checked("http://example.com", seconds=30, clock=Stuck()) == "it did not answer in time"


def test_a_cancel_ends_it():
    clock = FakeClock(cancel_after=3)
    with Answering(DOWN) as server, pytest.raises(Cancelled):
        checked(server.url, clock=clock)
    assert clock.passed == 3
