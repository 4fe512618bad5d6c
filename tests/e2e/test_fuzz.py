"""Random inputs, events, answers and branches: no traceback, all outputs, exit code 0 or 1."""

import contextlib
import io
import json
import string

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sandbox import events
from sandbox.clock import FakeClock
from sandbox.web import ReceivedRequest, Reply, Server
from stormkit_action.inputs import INPUTS
from stormkit_action.main import main
from stormkit_action.reporting.console import GitHubConsole
from stormkit_action.reporting.outputs import OUTPUTS

TEXT = st.text(max_size=60)
WORDS = st.sampled_from(
    (
        "|true|auto|false|0|5s|30m|305|/|main|deploy|status|list|cleanup|stop|publish|rollback|restart|delete|check"
        "|always|stream|a: 1\nb: 2|200-299|2026"
    ).split("|")
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=True) | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)
# Field names that Stormkit and GitHub use, so that random answers pass the first checks.
NAMES = st.sampled_from(
    (
        "id status deployment deployments hasNextPage branch commit sha logs title message published isWarmingUp"
        " createdAt duration previewUrl detailsUrl error errors ok retry number head ref repo full_name pull_request"
        " action workflow_run head_branch issue"
    ).split()
)
VALUES = st.sampled_from(
    ["running", "success", "failed", "stopped", "8241", "1742300400", "main", True, False, None, 0]
)
LIKELY = st.recursive(
    VALUES | JSON, lambda inner: st.dictionaries(NAMES, inner, max_size=8) | st.lists(inner, max_size=3), max_leaves=25
)
STATUSES = st.sampled_from([200, 200, 200, 200, 201, 204, 302, 400, 401, 402, 403, 404, 409, 422, 429, 500, 502, 503])
REPLIES = st.builds(
    Reply,
    status=STATUSES,
    body=st.dictionaries(NAMES, LIKELY, max_size=10) | LIKELY | TEXT | st.binary(max_size=60),
    dropped=st.sampled_from([False, False, False, True]),
)


class FuzzServer(Server):
    """Answers both Stormkit's and GitHub's calls with the given replies, in a cycle."""

    def __init__(self):
        super().__init__()
        self.replies = [Reply()]

    def handle(self, request: ReceivedRequest) -> Reply:
        reply = self.replies[len(self.requests) % len(self.replies)]
        if isinstance(reply.body, str):
            return Reply(status=reply.status, body=reply.body.encode("utf-8", "replace"))
        return reply


class MemoryFiles:
    """StepFiles that keep the outputs in memory."""

    def __init__(self):
        self.outputs = {}

    def write(self, texts):
        self.outputs = dict(texts)

    def write_summary(self, markdown):
        markdown.encode()

    def save_state(self, name, text):
        pass


@pytest.fixture(scope="module")
def server():
    with FuzzServer() as fuzz_server:
        yield fuzz_server


def run(server, inputs, environ):
    """Run main() in this process, on a fake clock, and check how it ends."""
    environ = {
        "GITHUB_ACTIONS": "true",
        "GITHUB_API_URL": server.url,
        **environ,
        **{f"INPUT_{name.upper()}": value for name, value in inputs.items()},
    }
    files, log = MemoryFiles(), io.StringIO()
    with contextlib.redirect_stdout(log), contextlib.redirect_stderr(log):
        code = main(environ, console=GitHubConsole(), files=files, clock=FakeClock())
    assert "Traceback" not in log.getvalue(), log.getvalue()
    assert code in (0, 1), log.getvalue()
    assert set(files.outputs) == set(OUTPUTS)
    json.loads(files.outputs["result"])
    assert "\n" not in files.outputs["reason"]
    log.getvalue().encode()
    return files


FUZZ_SETTINGS = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@FUZZ_SETTINGS
@given(inputs=st.dictionaries(st.sampled_from([spec.name for spec in INPUTS]), WORDS | TEXT, max_size=12))
def test_any_inputs_end_the_step_cleanly(server, inputs):
    server.replies = [Reply(status=403)]
    run(server, {"api-key": "SK_fuzz_key", "api-url": server.url, **inputs, "github-token": ""}, {})


@FUZZ_SETTINGS
@given(payload=LIKELY | st.dictionaries(NAMES, LIKELY, max_size=10), name=st.sampled_from(events.names()))
def test_any_event_ends_the_step_cleanly(server, tmp_path_factory, payload, name):
    server.replies = [Reply(status=403)]
    path = tmp_path_factory.mktemp("event") / "event.json"
    path.write_text(json.dumps(payload), encoding="utf-8")
    environ = events.environment_for(name, payload if isinstance(payload, dict) else {})
    run(server, {"api-key": "SK_fuzz_key", "api-url": server.url}, {**environ, "GITHUB_EVENT_PATH": str(path)})


COMMANDS = st.sampled_from(["deploy", "status", "list", "check", "publish", "rollback", "restart", "stop", "cleanup"])
BUILD_LOGS = st.sampled_from(["failure", "always", "stream", "never"])


@FUZZ_SETTINGS
@given(
    replies=st.lists(REPLIES, min_size=1, max_size=6),
    given_inputs=st.fixed_dictionaries(
        {
            "command": COMMANDS,
            "build-log": BUILD_LOGS,
            "publish": st.sampled_from(["true", "false"]),
            "github-token": st.sampled_from(["", "ghs_fuzz_token"]),
        }
    ),
)
def test_any_answers_of_the_servers_end_the_step_cleanly(server, tmp_path_factory, replies, given_inputs):
    server.replies = replies
    payload = events.load("pull_request_opened")
    path = tmp_path_factory.mktemp("event") / "event.json"
    path.write_text(json.dumps(payload), encoding="utf-8")
    environ = {**events.environment_for("pull_request_opened", payload), "GITHUB_EVENT_PATH": str(path)}
    inputs = {
        "api-key": "SK_fuzz_key",
        "api-url": server.url,
        "timeout": "30s",
        "branch": "main",
        **given_inputs,
    }
    run(server, inputs, environ)


@FUZZ_SETTINGS
@given(name=st.text(alphabet=string.printable, min_size=1, max_size=40))
def test_any_branch_name_ends_the_step_cleanly(server, name):
    server.replies = [Reply(status=404)]
    run(server, {"api-key": "SK_fuzz_key", "api-url": server.url, "branch": name}, {})
