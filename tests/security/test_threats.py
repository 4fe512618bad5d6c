"""The threats in SECURITY.md, against the whole program over real HTTP."""

import pytest

from sandbox.events import HEAD_BRANCH, HEAD_SHA
from sandbox.github.server import TOKEN
from sandbox.runner.runner import Runner
from sandbox.stormkit.server import ENV_KEY, Step
from sandbox.web import ReceivedRequest, Reply, Server
from stormkit_action.text import strip_controls

HOSTILE = (
    "@monalisa <!-- stormkit --> | `x` <script>alert(1)</script>\r::set-output name=status::hacked\n##[error]boo %0A"
)


class FixedReplyServer(Server):
    """Answers every request with the same reply."""

    reply = Reply(body={})

    def handle(self, request: ReceivedRequest) -> Reply:
        return self.reply


@pytest.fixture
def foreign_server():
    """A server that is neither Stormkit nor GitHub, to which nothing secret may be sent."""
    with FixedReplyServer() as server:
        yield server


@pytest.fixture
def run(stormkit, github, tmp_path):
    """Run the action for the pull request; inputs are keyword arguments."""

    def run(**inputs):
        values = {"api-key": ENV_KEY, "api-url": stormkit.url, "poll-interval": "0.1s", **inputs}
        runner = Runner(
            event="pull_request_opened",
            inputs=values,
            directory=tmp_path / "job",
            github_url=github.url,
            secrets=[ENV_KEY],
        )
        return runner.run()

    return run


def everything_shown(finished, github) -> str:
    """All text that the action shows anywhere."""
    comments = "".join(comment.body for comment in github.state.comments())
    return f"{finished.log}{finished.summary}{finished.outputs}{finished.state}{comments}"


def received_no_key(server) -> bool:
    return all(
        ENV_KEY not in f"{request.path}{request.query}{request.headers}{request.content!r}"
        for request in server.requests
    )


@pytest.mark.threat("A hostile comment author")
def test_a_foreign_comment_with_our_marker_is_left_alone(run, github):
    run()
    (ours,) = github.state.comments()
    forged = ours.body.replace("hello-world", "evil")
    github.state.repository().comments.clear()
    theirs = github.state.add_comment(login="monalisa", body=forged)
    finished = run()
    assert theirs.body == forged
    (new,) = [comment for comment in github.state.comments() if comment.login != "monalisa"]
    assert "evil" not in new.body
    assert finished.outputs["comment-url"].endswith(str(new.id))


@pytest.mark.threat("A hostile pull request")
@pytest.mark.parametrize("outcome", ["success", "failed"])
def test_a_hostile_commit_mentions_nobody_and_adds_no_markup(run, stormkit, github, outcome):
    stormkit.push(HEAD_BRANCH, HEAD_SHA, author=HOSTILE, message=HOSTILE)
    stormkit.next_build(seconds=0.1, outcome=outcome)
    finished = run(**{"build-log": "always"})
    assert finished.problems == []
    assert finished.outputs["status"] == outcome
    (comment,) = github.state.comments()
    for text in (comment.body, finished.summary):
        assert "@monalisa" not in text
        assert "<script>" not in text


@pytest.mark.threat("A hostile API answer")
@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_the_key_is_not_sent_to_the_target_of_a_redirect(run, stormkit, foreign_server, status):
    with FixedReplyServer() as server:
        server.reply = Reply(status=status, headers={"location": f"{foreign_server.url}/v1/deploy"})
        finished = run(**{"api-url": server.url})
    assert finished.exit_code == 1
    assert "redirect" in finished.outputs["reason"]
    assert foreign_server.requests == []


@pytest.mark.threat("A hostile API answer")
def test_a_health_check_sends_no_key_even_after_a_redirect(run, stormkit, foreign_server):
    stormkit.preview(status=302, headers={"location": f"{foreign_server.url}/"})
    finished = run(**{"health-check": "/"})
    assert finished.exit_code == 0, finished.log
    assert foreign_server.requests
    assert received_no_key(foreign_server)
    assert all("authorization" not in request.headers for request in foreign_server.requests)


@pytest.mark.threat("A leaked log")
def test_github_never_receives_the_key_nor_stormkit_the_token(run, stormkit, github):
    finished = run(**{"health-check": "/"})
    assert finished.exit_code == 0, finished.log
    assert received_no_key(github)
    assert [request for request in stormkit.requests if TOKEN in str(request.headers)] == []
    assert [
        request for request in stormkit.requests if ENV_KEY in f"{request.path}{request.query}{request.content!r}"
    ] == []


@pytest.mark.threat("A leaked log")
@pytest.mark.parametrize(
    "reply",
    [
        Reply(status=403, body={"error": f"key {ENV_KEY} is not welcome"}),
        Reply(status=400, body={"errors": [f"{ENV_KEY} {TOKEN}"]}),
        Reply(status=302, headers={"location": f"https://example.com/?key={ENV_KEY}"}),
        Reply(status=500, body=f"<html>{ENV_KEY}</html>"),
        Reply(status=201, body={"id": f"{ENV_KEY}", "error": ENV_KEY}),
    ],
)
def test_secrets_that_a_server_repeats_are_shown_nowhere(run, github, reply):
    with FixedReplyServer() as server:
        server.reply = reply
        finished = run(**{"api-url": server.url, "timeout": "2s"})
    assert finished.exit_code == 1
    assert "Traceback" not in finished.log
    # The runner masks only what is printed, so the action must redact comments and files itself.
    commands = [f"::add-mask::{secret}\n" for secret in (ENV_KEY, TOKEN)]
    seen = everything_shown(finished, github)
    for command in commands:
        seen = seen.replace(command, "")
    assert ENV_KEY not in seen
    assert TOKEN not in seen


@pytest.mark.parametrize("between", ["\x1b[31m", "\u200b", "\x00", "\x9b", "\u202e"], ids=ascii)
@pytest.mark.parametrize("build_log", ["failure", "stream"])
def test_a_key_with_control_characters_in_the_build_log_is_shown_nowhere(run, stormkit, github, between, build_log):
    printed = f"{ENV_KEY[:5]}{between}{ENV_KEY[5:]}"
    stormkit.next_build(
        seconds=0.2, outcome="failed", steps=[Step(title=f"echo {printed}", message=f"{printed}\n", ok=False)]
    )
    finished = run(**{"build-log": build_log})
    assert finished.exit_code == 1
    seen = everything_shown(finished, github).replace(f"::add-mask::{ENV_KEY}\n", "")
    assert "***" in seen
    assert ENV_KEY not in strip_controls(seen)


def test_build_log_never_shows_no_line_of_the_log_anywhere(run, stormkit, github):
    stormkit.next_build(
        seconds=0.2, outcome="failed", steps=[Step(title="npm run build", message="a line of output\n", ok=False)]
    )
    stormkit.answers.overrides = {"failureSummary": "a line of output"}
    finished = run(**{"build-log": "never"})
    assert finished.exit_code == 1
    assert finished.outputs["status"] == "failed"
    assert "line of output" not in everything_shown(finished, github)
    assert not [request for request in stormkit.requests if "logs" in request.query]


@pytest.mark.threat("A leaked log")
def test_secrets_are_masked_before_anything_else_is_printed(run):
    lines = run().log.splitlines()
    masks = [line for line in lines if line.startswith("::add-mask::")]
    assert lines[: len(masks)] == masks
    assert {f"::add-mask::{ENV_KEY}", f"::add-mask::{TOKEN}"} <= set(masks)


@pytest.mark.threat("A hostile API answer")
@pytest.mark.parametrize("link", ["javascript:alert(1)", "https://user:secret@example.com", "//example.com", "x y"])
def test_an_invalid_link_is_not_shown(run, stormkit, github, link):
    stormkit.answers.overrides = {"previewUrl": link, "detailsUrl": link, "logsUrl": link}
    finished = run()
    assert finished.outputs["preview-url"] == ""
    assert link not in everything_shown(finished, github)
