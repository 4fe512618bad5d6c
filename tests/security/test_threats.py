"""SECURITY.md's threats against the whole program, over real HTTP."""

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


class Recorder(Server):
    """Answers every request alike."""

    reply = Reply(body={})

    def handle(self, request: ReceivedRequest) -> Reply:
        return self.reply


@pytest.fixture
def elsewhere():
    """Another server."""
    with Recorder() as server:
        yield server


@pytest.fixture
def run(stormkit, github, tmp_path):
    """Runs the action on the pull request."""

    def run(**inputs):
        given = {"api-key": ENV_KEY, "api-url": stormkit.url, "poll-interval": "0.1s", **inputs}
        made = Runner(
            event="pull_request_opened",
            inputs=given,
            directory=tmp_path / "job",
            github_url=github.url,
            secrets=[ENV_KEY],
        )
        return made.run()

    return run


def everything(finished, github) -> str:
    """All that anybody gets to see."""
    comments = "".join(comment.body for comment in github.state.comments())
    return f"{finished.log}{finished.summary}{finished.outputs}{finished.state}{comments}"


def keyless(server) -> bool:
    return all(ENV_KEY not in f"{each.path}{each.query}{each.headers}{each.content!r}" for each in server.requests)


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
def test_a_hostile_commit_does_nothing_but_stand_there(run, stormkit, github, outcome):
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
def test_the_key_follows_no_redirect(run, stormkit, elsewhere, status):
    with Recorder() as server:
        server.reply = Reply(status=status, headers={"location": f"{elsewhere.url}/v1/deploy"})
        finished = run(**{"api-url": server.url})
    assert finished.exit_code == 1
    assert "redirect" in finished.outputs["reason"]
    assert elsewhere.requests == []


@pytest.mark.threat("A hostile API answer")
def test_a_health_check_carries_no_key_wherever_it_is_led(run, stormkit, elsewhere):
    stormkit.preview(status=302, headers={"location": f"{elsewhere.url}/"})
    finished = run(**{"health-check": "/"})
    assert finished.exit_code == 0, finished.log
    assert elsewhere.requests
    assert keyless(elsewhere)
    assert all("authorization" not in each.headers for each in elsewhere.requests)


@pytest.mark.threat("A leaked log")
def test_github_never_sees_the_key_nor_stormkit_the_token(run, stormkit, github):
    finished = run(**{"health-check": "/"})
    assert finished.exit_code == 0, finished.log
    assert keyless(github)
    assert [each for each in stormkit.requests if TOKEN in str(each.headers)] == []
    assert [each for each in stormkit.requests if ENV_KEY in f"{each.path}{each.query}{each.content!r}"] == []


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
def test_a_server_that_says_the_key_back_makes_nobody_see_it(run, github, reply):
    with Recorder() as server:
        server.reply = reply
        finished = run(**{"api-url": server.url, "timeout": "2s"})
    assert finished.exit_code == 1
    assert "Traceback" not in finished.log
    # The runner masks what is printed; what is posted or put into files nobody does.
    commands = [f"::add-mask::{secret}\n" for secret in (ENV_KEY, TOKEN)]
    seen = everything(finished, github)
    for command in commands:
        seen = seen.replace(command, "")
    assert ENV_KEY not in seen
    assert TOKEN not in seen


@pytest.mark.parametrize("between", ["\x1b[31m", "\u200b", "\x00", "\x9b", "\u202e"], ids=ascii)
@pytest.mark.parametrize("build_log", ["failure", "stream"])
def test_a_key_that_a_build_prints_with_controls_inside_is_shown_nowhere(run, stormkit, github, between, build_log):
    printed = f"{ENV_KEY[:5]}{between}{ENV_KEY[5:]}"
    stormkit.next_build(
        seconds=0.2, outcome="failed", steps=[Step(title=f"echo {printed}", message=f"{printed}\n", ok=False)]
    )
    finished = run(**{"build-log": build_log})
    assert finished.exit_code == 1
    seen = everything(finished, github).replace(f"::add-mask::{ENV_KEY}\n", "")
    assert "***" in seen
    assert ENV_KEY not in strip_controls(seen)


def test_a_log_that_is_never_to_be_shown_is_shown_nowhere(run, stormkit, github):
    stormkit.next_build(
        seconds=0.2, outcome="failed", steps=[Step(title="npm run build", message="a line of output\n", ok=False)]
    )
    stormkit.answers.overrides = {"failureSummary": "a line of output"}
    finished = run(**{"build-log": "never"})
    assert finished.exit_code == 1
    assert finished.outputs["status"] == "failed"
    assert "line of output" not in everything(finished, github)
    assert not [request for request in stormkit.requests if "logs" in request.query]


@pytest.mark.threat("A leaked log")
def test_the_secrets_are_masked_before_anything_else_is_printed(run):
    lines = run().log.splitlines()
    masks = [line for line in lines if line.startswith("::add-mask::")]
    assert lines[: len(masks)] == masks
    assert {f"::add-mask::{ENV_KEY}", f"::add-mask::{TOKEN}"} <= set(masks)


@pytest.mark.threat("A hostile API answer")
@pytest.mark.parametrize("link", ["javascript:alert(1)", "https://user:secret@example.com", "//example.com", "x y"])
def test_a_link_that_is_none_is_not_shown(run, stormkit, github, link):
    stormkit.answers.overrides = {"previewUrl": link, "detailsUrl": link, "logsUrl": link}
    finished = run()
    assert finished.outputs["preview-url"] == ""
    assert link not in everything(finished, github)
