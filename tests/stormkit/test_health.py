"""The health check: does the preview answer, whatever it answers with."""

import subprocess
import sys
import threading

import pytest

from sandbox.clock import FakeClock
from sandbox.web import ReceivedRequest, Reply
from stormkit_action import parsers
from stormkit_action.cancellation import Cancellation
from stormkit_action.clock import Deadline, SystemClock
from stormkit_action.errors import Cancelled
from stormkit_action.stormkit.health import (
    FIRST_PAUSE_S,
    MAX_PAUSE_S,
    MAX_REDIRECTS,
    OWN_404_PAUSE_S,
    Health,
    HealthResult,
    check_url,
    wait_until_healthy,
)
from tests.stormkit import recorded
from tests.stormkit.answering import Answering

UP = Reply(status=200, body="fine")
DOWN = Reply(status=503)


def result(url: str, *, accepted: str = "200-399", seconds: float = 60, clock: FakeClock | None = None) -> HealthResult:
    clock = clock or FakeClock()
    return wait_until_healthy(
        url,
        deployment_id="8216",
        accepted=parsers.status_codes(accepted),
        clock=clock,
        deadline=Deadline.after(clock, seconds),
    )


def checked(url: str, *, accepted: str = "200-399", seconds: float = 60, clock: FakeClock | None = None) -> str:
    """What is wrong; empty when it is healthy."""
    return result(url, accepted=accepted, seconds=seconds, clock=clock).reason


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
    def reply(request: ReceivedRequest) -> Reply:
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


@pytest.mark.threat("A hostile API answer")
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
@pytest.mark.parametrize("media_type", ["text/plain", "text/html"])
def test_no_body_is_downloaded(status, media_type):
    """Neither the answer's nor a redirect's: both would take minutes here. Of a page the title is looked for."""
    headers = {"Content-Type": media_type, **({"Location": "/next"} if status == 302 else {})}
    endless = Reply(status=status, body=b"x" * 600, drip=300, headers=headers)
    with Answering(endless, Reply(status=204)) as server:
        cancellation = Cancellation()
        watchdog = threading.Timer(20, cancellation.request)
        watchdog.start()
        clock = SystemClock(cancellation)
        codes = parsers.status_codes("200-204")
        deadline = Deadline.after(clock, 15)
        healthy = wait_until_healthy(server.url, deployment_id="8216", accepted=codes, clock=clock, deadline=deadline)
        assert healthy.health is Health.HEALTHY
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


def recorded_preview(note: str) -> Reply:
    (answer,) = [
        exchange["response"]
        for exchange in recorded.exchanges("previews")
        if exchange.get("note") == note and exchange["request"]["path"] == "/"
    ]
    headers = {name: value for name, value in answer["headers"].items() if name != "content-length"}
    return Reply(status=answer["status"], body=answer["text"], headers=headers)


UP_AND_OURS = Reply(body="<h1>hello</h1>", headers={"X-Sk-Version": "8216", "Content-Type": "text/html"})


def test_a_preview_that_was_opened_too_early_is_asked_seldom_and_its_cause_is_named():
    clock = FakeClock()
    with Answering(recorded_preview("after the success: still missing")) as server:
        found = result(server.url, clock=clock)
        assert len(server.requests) == 3
    assert found.health is Health.UNHEALTHY
    assert "the preview was opened before its build ended" in found.reason
    assert "until nobody has opened it for ten minutes, or a deployment of the app is published" in found.reason
    assert clock.slept == [OWN_404_PAUSE_S] * 2


def test_a_preview_that_recovers_from_an_early_look_is_healthy():
    with Answering(recorded_preview("after the success: still missing"), UP_AND_OURS) as server:
        assert result(server.url).health is Health.HEALTHY


def test_the_answer_of_another_deployment_is_not_that_of_ours():
    other = Reply(body="fine", headers={"X-Sk-Version": "8215"})
    with Answering(other, UP_AND_OURS) as server:
        assert result(server.url).health is Health.HEALTHY
        assert len(server.requests) == 2
    with Answering(other) as server:
        assert checked(server.url, seconds=0) == "another deployment answered"


def test_behind_the_page_that_asks_for_a_password_nothing_is_known():
    page = Reply(
        body="<!DOCTYPE html><html><head><title>Stormkit - Password protected deployment</title></head></html>",
        headers={"Content-Type": "text/html; charset=utf-8"},
    )
    clock = FakeClock()
    with Answering(page) as server:
        found = result(server.url, clock=clock)
        assert len(server.requests) == 1
    assert found.health is Health.UNKNOWN
    assert "asks for a password" in found.reason
    assert clock.slept == []


def test_a_login_page_on_another_host_is_not_the_preview():
    with Answering(UP) as login:
        away = Reply(status=302, headers={"Location": login.url.replace("127.0.0.1", "localhost")})
        with Answering(away) as server:
            found = result(server.url)
    assert found.health is Health.UNKNOWN
    assert "it redirects to another host (localhost)" in found.reason


def test_a_deployment_that_answers_on_another_host_is_recognized_by_its_header():
    with Answering(UP_AND_OURS) as other:
        away = Reply(status=302, headers={"Location": other.url.replace("127.0.0.1", "localhost")})
        with Answering(away) as server:
            assert result(server.url).health is Health.HEALTHY


def test_a_page_of_an_older_server_without_the_header_is_healthy():
    with Answering(Reply(body="<title>My site</title>", headers={"Content-Type": "text/html"})) as server:
        assert result(server.url).health is Health.HEALTHY


def test_a_cookie_that_can_not_be_parsed_is_ignored_and_prints_nothing():
    """In a process of its own: pytest has warnings of its own."""
    malformed = "expires=Wednesday, 31-Feb-26 25:61:61 GMT; expires=9999-99-99T99:99:99Z; max-age"
    script = "import sys; from stormkit_action.stormkit.session import PlainSession; PlainSession().get(sys.argv[1])"
    with Answering(Reply(headers={"Set-Cookie": malformed})) as server:
        command = [sys.executable, "-c", script, server.url]
        finished = subprocess.run(command, check=True, capture_output=True, timeout=60)
    assert (finished.stdout, finished.stderr) == (b"", b"")
