"""The health check: whether a preview answers, and why not."""

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
from tests.stormkit.scripted_server import ScriptedServer

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


def problem_of(url: str, *, accepted: str = "200-399", seconds: float = 60, clock: FakeClock | None = None) -> str:
    """The reason why a preview is not healthy; empty if it is."""
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
def test_the_checked_url_is_the_path_on_the_preview_s_origin(preview, path, url):
    assert check_url(preview, path) == url


def test_a_healthy_preview_is_requested_once_without_the_key():
    with ScriptedServer(UP) as server:
        assert problem_of(f"{server.url}/health") == ""
        (request,) = server.requests
    assert (request.method, request.path) == ("GET", "/health")
    assert "authorization" not in request.headers
    assert "cookie" not in request.headers


def test_the_check_waits_for_the_preview_with_growing_pauses():
    clock = FakeClock()
    with ScriptedServer(*[DOWN] * 6, UP) as server:
        assert problem_of(server.url, clock=clock) == ""
    assert clock.slept == [0.5, 1, 2, 4, 5, 5]
    assert (clock.slept[0], clock.slept[-1]) == (FIRST_PAUSE_S, MAX_PAUSE_S)


def test_at_the_deadline_the_last_answer_is_the_reason():
    clock = FakeClock()
    with ScriptedServer(DOWN) as server:
        assert problem_of(server.url, seconds=20, clock=clock) == "it answered 503"
    assert clock.passed == 20


@pytest.mark.parametrize(
    ("status", "accepted", "problem"),
    [
        (204, "200-399", ""),
        (401, "200,401", ""),
        (404, "200-399", "it answered 404"),
        (200, "401", "it answered 200"),
        # A redirect without a target counts as an answer.
        (304, "200-399", ""),
        (302, "200", "it answered 302"),
    ],
)
def test_a_preview_is_healthy_if_its_status_is_accepted(status, accepted, problem):
    with ScriptedServer(Reply(status=status)) as server:
        assert problem_of(server.url, accepted=accepted, seconds=1) == problem


def test_redirects_are_followed_and_the_last_answer_counts():
    with ScriptedServer(Reply(status=302, headers={"Location": "/login"}), UP) as server:
        assert problem_of(server.url, accepted="200") == ""
        assert [request.path for request in server.requests] == ["/", "/login"]
    with ScriptedServer(Reply(status=404)) as other:
        away = Reply(status=307, headers={"Location": f"{other.url}/x"})
        with ScriptedServer(away) as server:
            assert problem_of(server.url, seconds=0) == "it answered 404"


def test_cookies_are_kept_across_redirects():
    def reply(request: ReceivedRequest) -> Reply:
        if "seen=1" in request.headers.get("cookie", ""):
            return UP
        return Reply(status=302, headers={"Location": "/", "Set-Cookie": "seen=1; Path=/"})

    with ScriptedServer(reply) as server:
        assert problem_of(server.url) == ""


@pytest.mark.parametrize("target", ["file:///etc/passwd", "ftp://example.com/", "javascript:alert(1)"])
def test_a_redirect_to_something_other_than_http_is_a_failure(target):
    with ScriptedServer(Reply(status=302, headers={"Location": target})) as server:
        assert problem_of(server.url, seconds=0) == "it redirects to something that is not http or https"


def test_endless_redirects_are_a_failure():
    with ScriptedServer(Reply(status=302, headers={"Location": "/again"})) as server:
        assert problem_of(server.url, seconds=0) == f"it redirects more than {MAX_REDIRECTS} times"
        assert len(server.requests) == MAX_REDIRECTS + 1


@pytest.mark.threat("A hostile API answer")
def test_no_password_of_a_netrc_file_is_sent_after_a_redirect(tmp_path, monkeypatch):
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login monalisa password word\ndefault login octocat password word\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    with ScriptedServer(UP) as other, ScriptedServer(Reply(status=302, headers={"Location": other.url})) as server:
        assert problem_of(server.url) == ""
        requests = server.requests + other.requests
    assert len(requests) == 2
    assert not any("authorization" in request.headers for request in requests)


@pytest.mark.parametrize("status", [200, 302])
@pytest.mark.parametrize("media_type", ["text/plain", "text/html"])
def test_bodies_are_not_downloaded(status, media_type):
    """The body of the answer or the redirect would take minutes; of an HTML page, only the title is read."""
    headers = {"Content-Type": media_type, **({"Location": "/next"} if status == 302 else {})}
    endless = Reply(status=status, body=b"x" * 600, drip=300, headers=headers)
    with ScriptedServer(endless, Reply(status=204)) as server:
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
def test_a_request_that_cannot_be_made_says_why(monkeypatch, url, problem):
    monkeypatch.delenv("http_proxy", raising=False)
    monkeypatch.delenv("HTTP_PROXY", raising=False)
    assert problem_of(url, seconds=0) == problem


def test_a_broken_connection_is_the_reason():
    with ScriptedServer(Reply(dropped=True)) as server:
        assert problem_of(server.url, seconds=0) == "the connection broke before the answer came"


def test_a_preview_that_never_answers_did_not_answer_in_time():
    class ClockOfAStuckServer(FakeClock):
        def start(self, function):
            return super().start(lambda: self.advance(60))

    assert problem_of("http://example.com", seconds=30, clock=ClockOfAStuckServer()) == "it did not answer in time"


def test_a_cancel_ends_the_check():
    clock = FakeClock(cancel_after=3)
    with ScriptedServer(DOWN) as server, pytest.raises(Cancelled):
        problem_of(server.url, clock=clock)
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


def test_a_preview_opened_too_early_is_requested_rarely_and_the_reason_explains_it():
    clock = FakeClock()
    with ScriptedServer(recorded_preview("after the success: still missing")) as server:
        found = result(server.url, clock=clock)
        assert len(server.requests) == 3
    assert found.health is Health.UNHEALTHY
    assert "the preview was opened before its build ended" in found.reason
    assert "until nobody has opened it for ten minutes, or a deployment of the app is published" in found.reason
    assert clock.slept == [OWN_404_PAUSE_S] * 2


def test_a_preview_opened_too_early_can_become_healthy():
    with ScriptedServer(recorded_preview("after the success: still missing"), UP_AND_OURS) as server:
        assert result(server.url).health is Health.HEALTHY


def test_an_answer_of_another_deployment_does_not_count():
    other = Reply(body="fine", headers={"X-Sk-Version": "8215"})
    with ScriptedServer(other, UP_AND_OURS) as server:
        assert result(server.url).health is Health.HEALTHY
        assert len(server.requests) == 2
    with ScriptedServer(other) as server:
        assert problem_of(server.url, seconds=0) == "another deployment answered"


def test_a_preview_behind_a_password_page_has_unknown_health():
    page = Reply(
        body="<!DOCTYPE html><html><head><title>Stormkit - Password protected deployment</title></head></html>",
        headers={"Content-Type": "text/html; charset=utf-8"},
    )
    clock = FakeClock()
    with ScriptedServer(page) as server:
        found = result(server.url, clock=clock)
        assert len(server.requests) == 1
    assert found.health is Health.UNKNOWN
    assert "asks for a password" in found.reason
    assert clock.slept == []


def test_a_login_page_on_another_host_does_not_count_as_the_preview():
    with ScriptedServer(UP) as login:
        away = Reply(status=302, headers={"Location": login.url.replace("127.0.0.1", "localhost")})
        with ScriptedServer(away) as server:
            found = result(server.url)
    assert found.health is Health.UNKNOWN
    assert "it redirects to another host (localhost)" in found.reason


def test_a_deployment_that_answers_on_another_host_is_recognized_by_its_header():
    with ScriptedServer(UP_AND_OURS) as other:
        away = Reply(status=302, headers={"Location": other.url.replace("127.0.0.1", "localhost")})
        with ScriptedServer(away) as server:
            assert result(server.url).health is Health.HEALTHY


def test_a_page_without_the_version_header_of_an_older_server_is_healthy():
    with ScriptedServer(Reply(body="<title>My site</title>", headers={"Content-Type": "text/html"})) as server:
        assert result(server.url).health is Health.HEALTHY


def test_a_malformed_cookie_is_ignored_silently():
    """A separate process shows what would be printed, because pytest captures warnings."""
    malformed = "expires=Wednesday, 31-Feb-26 25:61:61 GMT; expires=9999-99-99T99:99:99Z; max-age"
    script = "import sys; from stormkit_action.stormkit.session import PlainSession; PlainSession().get(sys.argv[1])"
    with ScriptedServer(Reply(headers={"Set-Cookie": malformed})) as server:
        command = [sys.executable, "-c", script, server.url]
        finished = subprocess.run(command, check=True, capture_output=True, timeout=60)
    assert (finished.stdout, finished.stderr) == (b"", b"")
