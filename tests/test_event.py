"""What value event says, from GitHub's payloads and from broken ones."""

import contextlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sandbox import events
from sandbox.events import BASE_SHA, FORK, HEAD_BRANCH, HEAD_SHA, REPOSITORY, environment_for, load
from stormkit_action.errors import InputError
from stormkit_action.event import Event, Run, pull_request_from
from stormkit_action.event import read as read_event

QUEUE = f"gh-readonly-queue/main/pr-42-{BASE_SHA}"
GROUP_SHA = "9049f1265b7d61be4a8904a9a27120d2064dab3b"

# payload: branch, commit, pull request, where the head lives (None: not told), fork
TABLE: dict[str, tuple[str, str, int | None, str | None, bool]] = {
    "pull_request_opened": (HEAD_BRANCH, HEAD_SHA, 42, REPOSITORY, False),
    "pull_request_synchronize": (HEAD_BRANCH, HEAD_SHA, 42, REPOSITORY, False),
    "pull_request_closed": (HEAD_BRANCH, HEAD_SHA, 42, REPOSITORY, False),
    "pull_request_dependabot": ("dependabot/npm_and_yarn/vite-6.2.1", HEAD_SHA, 42, REPOSITORY, False),
    "pull_request_fork": (HEAD_BRANCH, HEAD_SHA, 42, FORK, True),
    "pull_request_fork_deleted": (HEAD_BRANCH, HEAD_SHA, 42, "", True),
    "pull_request_target_opened": (HEAD_BRANCH, HEAD_SHA, 42, REPOSITORY, False),
    "pull_request_target_fork": (HEAD_BRANCH, HEAD_SHA, 42, FORK, True),
    "push_branch": (HEAD_BRANCH, HEAD_SHA, None, None, False),
    "push_tag": ("", "", None, None, False),
    "push_branch_deleted": (HEAD_BRANCH, "", None, None, False),
    "workflow_dispatch": (HEAD_BRANCH, HEAD_SHA, None, None, False),
    "workflow_run_completed": (HEAD_BRANCH, HEAD_SHA, 42, REPOSITORY, False),
    "workflow_run_fork": (HEAD_BRANCH, HEAD_SHA, None, FORK, True),
    "issue_comment_created": ("", "", 42, None, False),
    "issue_comment_on_issue": ("", "", None, None, False),
    "merge_group_checks_requested": (QUEUE, GROUP_SHA, 42, None, False),
    "schedule": ("main", BASE_SHA, None, None, False),
    "repository_dispatch": ("main", BASE_SHA, None, None, False),
    "deployment": (HEAD_BRANCH, HEAD_SHA, None, None, False),
}


class Reader:
    """Reads an event the way the program does: variables, and a file."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / "event.json"

    def __call__(self, name: str, payload: Any, **variables: str) -> Event:
        raw = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        self.path.write_bytes(raw)
        told = environment_for(name, payload if isinstance(payload, Mapping) else {})
        return read_event({**told, "GITHUB_EVENT_PATH": str(self.path), **variables})


@pytest.fixture(name="read")
def _read(tmp_path: Path) -> Reader:
    return Reader(tmp_path)


def test_every_payload_is_in_the_table():
    assert sorted(TABLE) == events.names()


@pytest.mark.parametrize("name", TABLE)
def test_branch_commit_and_pull_request(read, name):
    branch, sha, number, head_repository, fork = TABLE[name]
    event = read(name, load(name))

    assert (event.branch, event.sha, event.pull_request_number) == (branch, sha, number)
    assert (event.head_repository, event.from_fork) == (head_repository, fork)
    assert event.name == events.event_name(name)
    assert event.repository == REPOSITORY
    assert event.on_github
    assert event.tag == ("v1.2.0" if name == "push_tag" else "")
    assert event.ref_deleted is (name == "push_branch_deleted")
    assert event.pull_request_closed is (name == "pull_request_closed")
    assert event.in_merge_queue is (name == "merge_group_checks_requested")
    assert event.branch_may_be_tag is False
    assert event.closes_pull_request is (name == "pull_request_closed")
    assert event.needs_pull_request is (name == "issue_comment_created")


def test_the_run(read):
    event = read(
        "push", {"ref": "refs/heads/main"}, GITHUB_RUN_ATTEMPT="3", GITHUB_SERVER_URL="https://ghe.example.com"
    )
    assert event.run == Run(
        id=9876543210,
        attempt=3,
        job="preview",
        url="https://ghe.example.com/octocat/hello-world/actions/runs/9876543210/attempts/3",
    )
    assert event.api_url == "https://api.github.com"
    assert read("push", {}, GITHUB_API_URL="https://ghe.example.com/api/v3").api_url == "https://ghe.example.com/api/v3"


@pytest.mark.parametrize("run_id", ["", "x", "-1", "9" * 5000, "٣"])
def test_a_run_without_a_usable_id(read, run_id):
    assert read("push", {}, GITHUB_RUN_ID=run_id).run == Run(job="preview")


def test_outside_of_github_there_is_no_event(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    event = read_event({})
    assert not event.on_github
    assert event == Event()


def test_the_actor_and_the_case_of_repository_names(read):
    payload = load("pull_request_opened")
    payload["pull_request"]["head"]["repo"]["full_name"] = "OctoCat/Hello-World"
    event = read("pull_request_opened", payload, GITHUB_ACTOR="dependabot[bot]")
    assert (event.from_fork, event.actor) == (False, "dependabot[bot]")


def test_the_repository_is_in_the_payload_too(read):
    event = read("pull_request_opened", load("pull_request_opened"), GITHUB_REPOSITORY="")
    assert (event.repository, event.from_fork) == (REPOSITORY, False)


@pytest.mark.parametrize("name", ["pull_request_review", "pull_request_review_comment"])
@pytest.mark.parametrize(("payload", "fork"), [("pull_request_opened", False), ("pull_request_fork", True)])
def test_reviews_tell_of_their_pull_request(read, name, payload, fork):
    event = read(name, {**load(payload), "action": "submitted"}, GITHUB_REF="refs/pull/42/merge")
    assert (event.branch, event.sha, event.pull_request_number) == (HEAD_BRANCH, HEAD_SHA, 42)
    assert event.from_fork is fork


@pytest.mark.parametrize(
    ("name", "payload", "branch", "tag"),
    [
        ("delete", {"ref": "old", "ref_type": "branch"}, "old", ""),
        ("delete", {"ref": "v1", "ref_type": "tag"}, "", "v1"),
        ("push", {"ref": "refs/tags/v1", "deleted": True}, "", "v1"),
        ("push", {"ref": "refs/heads/old", "deleted": True}, "old", ""),
    ],
)
def test_what_is_deleted_is_never_the_default_branch(read, name, payload, branch, tag):
    event = read(name, payload, GITHUB_REF="refs/heads/main")
    assert (event.branch, event.tag, event.ref_deleted) == (branch, tag, True)


@pytest.mark.parametrize(
    ("repository", "fork"),
    [
        ({"id": 1296269, "full_name": "octocat/hello-earth"}, False),
        ({"id": 1296270, "full_name": REPOSITORY}, True),
        ({"id": 1296270, "full_name": "octocat/hello-world-fork"}, True),
        ({"full_name": REPOSITORY}, False),
        ({"id": None, "full_name": "octocat/hello-world-fork"}, True),
        (None, True),
    ],
)
def test_ids_decide_whether_a_head_repository_is_a_fork_and_else_full_names(read, repository, fork):
    payload = load("pull_request_opened")
    payload["pull_request"]["head"]["repo"] = repository
    assert read("pull_request_opened", payload).from_fork is fork
    run = load("workflow_run_completed")
    run["workflow_run"]["head_repository"] = repository
    assert read("workflow_run_completed", run).from_fork is fork


def test_the_repository_s_id_is_the_runner_s_or_the_payload_s(read):
    payload = load("pull_request_opened")
    assert read("pull_request_opened", payload, GITHUB_REPOSITORY_ID="7").repository_id == 7
    assert read("pull_request_opened", payload, GITHUB_REPOSITORY_ID="").repository_id == 1296269
    assert read("pull_request_opened", {**payload, "repository": {}}, GITHUB_REPOSITORY_ID="x").repository_id is None


@pytest.mark.parametrize("name", ["pull_request", "pull_request_target", "pull_request_review"])
@pytest.mark.parametrize("action", ["labeled", "edited", "submitted"])
def test_a_payload_says_whether_its_pull_request_is_closed(read, name, action):
    for state in ("open", "closed"):
        payload = {**load("pull_request_opened"), "action": action}
        payload["pull_request"]["state"] = state
        assert read(name, payload).pull_request_closed is (state == "closed")


def test_a_comment_says_whether_its_pull_request_is_closed(read):
    payload = load("issue_comment_created")
    payload["issue"]["state"] = "closed"
    assert read("issue_comment_created", payload).pull_request_closed
    issue = load("issue_comment_on_issue")
    issue["issue"]["state"] = "closed"
    assert not read("issue_comment_on_issue", issue).pull_request_closed


@pytest.mark.parametrize(
    ("trigger", "branch", "uncertain"),
    [
        ("push", "v1.2.3", True),
        ("push", "main", False),
        ("pull_request", "v1.2.3", False),
        ("pull_request_target", "v1.2.3", False),
        ("release", "v1.2.3", True),
        (None, "v1.2.3", True),
    ],
)
def test_the_branch_of_a_workflow_run_may_be_a_tag_unless_a_pull_request_started_it(read, trigger, branch, uncertain):
    payload = load("workflow_run_completed")
    payload["workflow_run"] |= {"event": trigger, "head_branch": branch}
    assert read("workflow_run_completed", payload).branch_may_be_tag is uncertain


def test_a_new_release_is_about_a_tag(read):
    event = read("release", {"action": "published"}, GITHUB_REF="refs/tags/v2")
    assert (event.branch, event.tag) == ("", "v2")


def test_a_deployment_by_commit_has_no_ref(read):
    event = read("deployment", {"deployment": {"ref": HEAD_SHA, "sha": HEAD_SHA}})
    assert (event.branch, event.sha, event.tag) == ("", "", "")


@pytest.mark.parametrize(
    ("pull_requests", "number"),
    [
        ([], None),
        (None, None),
        (5, None),
        ("42", None),
        ([None, 7, "x", {}], None),
        ([{"number": True}, {"number": "42"}, {"number": -1}], None),
        ([{"number": 42}], 42),
        ([{"number": 41, "base": {"repo": {"id": 99}}}, {"number": 42, "base": {"repo": {"id": 1296269}}}], 42),
        ([{"number": 41, "base": {"repo": {"id": 99}}}], None),
        ([{"number": 42, "base": None}], 42),
    ],
)
def test_the_pull_request_of_a_workflow_run_is_one_of_this_repository(read, pull_requests, number):
    payload = load("workflow_run_completed")
    payload["workflow_run"]["pull_requests"] = pull_requests
    assert read("workflow_run_completed", payload).pull_request_number == number


@pytest.mark.parametrize("head_repository", [None, {}, {"full_name": None}, "octocat/hello-world"])
def test_a_workflow_run_of_nobody_knows_where_counts_as_a_forks(read, head_repository):
    payload = load("workflow_run_completed")
    payload["workflow_run"]["head_repository"] = head_repository
    assert read("workflow_run_completed", payload).from_fork


def test_a_workflow_run_and_a_merge_group_without_a_branch_leave_it_to_the_input(read):
    payload = load("workflow_run_completed")
    payload["workflow_run"]["head_branch"] = None
    assert read("workflow_run_completed", payload).branch == ""
    for group in (None, {}, {"head_ref": None}, {"head_ref": 5}, []):
        assert read("merge_group", {"merge_group": group}, GITHUB_REF="").branch == ""


@pytest.mark.parametrize(
    ("ref", "number"),
    [
        (f"refs/heads/{QUEUE}", 42),
        (f"refs/heads/gh-readonly-queue/release/v1/pr-7-{BASE_SHA}", 7),
        (f"gh-readonly-queue/main/pr-7-{'a' * 64}", 7),
        ("refs/heads/gh-readonly-queue/main/pr-x-abc", None),
        (f"refs/heads/gh-readonly-queue/main/pr-{'9' * 5000}-{BASE_SHA}", None),
        ("refs/heads/main", None),
    ],
)
def test_the_pull_request_in_a_merge_queues_ref(read, ref, number):
    event = read("merge_group", {"merge_group": {"head_ref": ref, "head_sha": GROUP_SHA}})
    assert event.pull_request_number == number
    assert event.branch == ref.removeprefix("refs/heads/")


BROKEN = [
    *[("pull_request", {"pull_request": value}) for value in (None, [], "x", {}, {"number": 42})],
    *[
        ("pull_request", {"pull_request": {"number": number, "head": {"ref": "x", "sha": sha}}})
        for number, sha in (
            (None, HEAD_SHA),
            ("42", HEAD_SHA),
            (True, HEAD_SHA),
            (0, HEAD_SHA),
            (42, "HEAD"),
            (42, None),
        )
    ],
    ("pull_request_target", {"pull_request": {"number": 42, "head": {"ref": None, "sha": HEAD_SHA}}}),
    *[("workflow_run", {"workflow_run": value}) for value in (None, [], "x")],
    *[
        ("issue_comment", {"issue": value})
        for value in (None, {}, {"number": "42", "pull_request": {}}, {"number": True})
    ],
    *[("push", raw) for raw in (b"", b"{", b"[]", b"null", b"5", b"\xff\xfe", b"[" * 100_000, b"9" * 5000)],
]


@pytest.mark.parametrize(("name", "payload"), BROKEN, ids=lambda value: str(value)[:60])
def test_broken_payloads_are_input_errors_that_name_what_is_missing(read, name, payload):
    with pytest.raises(InputError, match="event") as caught:
        read(name, payload)
    (problem,) = caught.value.problems
    assert problem.endswith(".")


def test_an_event_file_that_is_not_there(tmp_path):
    environ = environment_for("push", {})
    for path, words in ((tmp_path / "none", "not visible in containers"), (tmp_path, "directory"), ("a\0b", "JSON")):
        with pytest.raises(InputError, match=words):
            read_event({**environ, "GITHUB_EVENT_PATH": str(path)})
    with pytest.raises(InputError, match="GITHUB_EVENT_PATH is not set"):
        read_event(environ)


def test_a_byte_order_mark_and_bytes_that_are_no_utf8(read):
    assert read("push", b"\xef\xbb\xbf{}", GITHUB_REF="refs/heads/main").branch == "main"
    raw = json.dumps(load("pull_request_opened")).encode().replace(HEAD_BRANCH.encode(), b"caf\xe9")
    assert read("pull_request", raw).branch == "caf�"


def test_half_a_character_in_a_branch_name_can_be_written(read):
    payload = load("pull_request_opened")
    payload["pull_request"]["head"]["ref"] = "half-\ud800"
    assert read("pull_request_opened", payload).branch.encode() == b"half-?"
    assert read("push", {}, GITHUB_REF="refs/heads/half-\udcff").branch.encode() == b"half-?"


def test_a_pull_request_from_githubs_api():
    data = load("pull_request_fork_deleted")["pull_request"]
    found = pull_request_from(data)
    assert found is not None
    assert (found.number, found.head_ref, found.head_repository, found.state) == (42, HEAD_BRANCH, "", "open")
    for value in (None, [], {}, {**data, "head": None}, {**data, "number": None}):
        assert pull_request_from(value) is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10) | st.just(HEAD_SHA),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@st.composite
def _bent(draw: st.DrawFn) -> tuple[str, Any]:
    """A real payload in which a few values are something else."""
    name = draw(st.sampled_from(events.names()))
    payload = load(name)
    for _ in range(draw(st.integers(1, 3))):
        node: Any = payload
        while isinstance(node, dict) and node:
            # The fields that are read lie on these ways.
            keys = [key for key in node if key in WAYS] or sorted(node)
            key = draw(st.sampled_from(keys))
            if not isinstance(node[key], dict) or draw(st.booleans()):
                node[key] = draw(JSON)
                break
            node = node[key]
    return name, payload


WAYS = {
    *(
        "pull_request",
        "workflow_run",
        "issue",
        "merge_group",
        "head",
        "repo",
        "repository",
        "head_repository",
        "number",
    ),
    *("ref", "sha", "full_name", "head_ref", "head_branch", "head_sha", "pull_requests", "deleted", "state", "action"),
}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(case=_bent())
def test_nothing_but_an_input_error(read, case):
    name, payload = case
    with contextlib.suppress(InputError):
        event = read(name, payload)
        json.dumps([event.branch, event.head_repository, event.action], ensure_ascii=False).encode()
