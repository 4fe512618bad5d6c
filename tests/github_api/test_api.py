"""GitHubApi through PyGithub, over real HTTP to the local GitHub."""

import logging
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from urllib.parse import quote

import pytest

from sandbox.clock import FakeClock
from sandbox.events import HEAD_BRANCH, HEAD_SHA
from sandbox.github.server import ENTERPRISE, TOKEN, GitHub
from sandbox.web import ReceivedRequest, Reply, Server
from stormkit_action.clock import Deadline
from stormkit_action.errors import GitHubError
from stormkit_action.github_api.api import GitHubApi
from stormkit_action.github_api.connection import Connection
from stormkit_action.github_api.models import Account

BOT = Account(id=41898282, login="github-actions[bot]", type="Bot")
DEPLOYMENT = {
    "sha": HEAD_SHA,
    "task": "deploy:stormkit",
    "environment": "Preview",
    "description": "Stormkit",
    "payload": {"branch": HEAD_BRANCH},
    "production": False,
}


@pytest.fixture
def github() -> Iterator[GitHub]:
    with GitHub() as server:
        yield server


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def api(github, clock) -> GitHubApi:
    return connect(github, clock)


def connect(github: GitHub, clock: FakeClock, token: str = TOKEN, base: str = "") -> GitHubApi:
    return GitHubApi(token=token, repository="octocat/hello-world", api_url=f"{github.url}{base}", clock=clock)


def recorded_requests(github: GitHub) -> list[str]:
    """The requests since the last call, as method and path below the repository."""
    seen = [
        f"{request.method} {request.path.removeprefix('/repos/octocat/hello-world')}" for request in github.requests
    ]
    github.requests.clear()
    return seen


@pytest.mark.parametrize("base", ["", ENTERPRISE])
def test_comments_are_created_edited_read_and_deleted(github, clock, base):
    api = connect(github, clock, base=base)
    created = api.create_comment(42, "one")
    assert created.author.login == "github-actions[bot]"
    api.edit_comment(42, created.id, "two")
    assert [comment.body for comment in api.comments(42)] == ["two"]
    assert api.comment(42, created.id).body == "two"
    api.delete_comment(42, created.id)
    api.delete_comment(42, created.id)
    assert api.comment(42, created.id) is None
    assert api.comments(42) == []


def test_each_page_of_comments_takes_one_request(github, api):
    for number in range(230):
        github.state.add_comment(body=str(number))
    assert [comment.body for comment in api.comments(42)] == [str(number) for number in range(230)]
    assert recorded_requests(github) == ["GET /issues/42/comments"] * 3


def test_each_lookup_takes_one_request(github, api):
    github.state.add_pull_request(43, "other", "1" * 40)
    assert api.pull_request(42).head_sha == HEAD_SHA
    assert [pull_request.number for pull_request in api.pull_requests_of_branch(HEAD_BRANCH)] == [42]
    assert [pull_request.number for pull_request in api.pull_requests_of_commit(HEAD_SHA)] == [42]
    assert api.branch_tip(HEAD_BRANCH) == HEAD_SHA
    assert api.branch_tip("gone") is None
    assert len(recorded_requests(github)) == 5


def test_a_pull_request_of_a_deleted_fork_has_no_head_repository(github, api):
    github.state.add_pull_request(44, "patch-1", "2" * 40, head_repo=None)
    assert api.pull_request(44).head_repository == ""


@pytest.mark.parametrize("create", ["comment", "deployment"])
def test_the_account_is_taken_from_the_answer_to_a_write(github, api, create):
    api.create_comment(42, "hello") if create == "comment" else api.create_deployment(**DEPLOYMENT)
    recorded_requests(github)
    assert api.account() == BOT
    assert recorded_requests(github) == []


def test_all_connections_look_up_the_account_once(github, api, clock):
    assert api.within(Deadline.after(clock, 5)).account().is_same(BOT)
    assert api.account().is_same(BOT)
    assert recorded_requests(github) == ["POST /graphql"]


class GitHubWithFixedGraphQL(GitHub):
    """A GitHub whose GraphQL endpoint answers 200 with a given body."""

    body: object = None

    def handle(self, request: ReceivedRequest) -> Reply:
        if request.path == "/graphql":
            return Reply(status=200, body=self.body)
        return super().handle(request)


FORBIDDEN = {"data": {"viewer": None}, "errors": [{"type": "FORBIDDEN", "message": "Resource not accessible"}]}


@pytest.mark.parametrize("body", [FORBIDDEN, {"errors": [{"message": "no"}]}, {"data": None}, {}])
def test_a_person_s_account_comes_from_rest_if_graphql_refuses_with_status_200(clock, body):
    with GitHubWithFixedGraphQL() as github:
        github.body = body
        github.state.add_token("ghp_mona", "monalisa", "user", {"contents": "read"})
        assert connect(github, clock, "ghp_mona").account().login == "monalisa"
        assert [request.path for request in github.requests] == ["/graphql", "/user"]
    assert clock.slept == []


def test_an_installation_is_a_bot_if_graphql_returns_only_its_login(clock):
    with GitHubWithFixedGraphQL() as github:
        github.body = {"data": {"viewer": {"login": "github-actions", "databaseId": None}}}
        assert connect(github, clock).account().is_same(BOT)


def test_a_person_s_account_comes_from_rest_if_graphql_is_forbidden(github, clock):
    github.state.add_token("ghp_mona", "monalisa", "user", {"contents": "read"})
    github.fault("POST /graphql", "403")
    assert connect(github, clock, "ghp_mona").account().login == "monalisa"


def test_a_deployment_is_transient_and_waits_for_no_status_check(github, api):
    created = api.create_deployment(**DEPLOYMENT)
    body = github.received("POST", "/deployments")[0].body
    assert body == {
        "ref": HEAD_SHA,
        "task": "deploy:stormkit",
        "required_contexts": [],
        "auto_merge": False,
        "environment": "Preview",
        "description": "Stormkit",
        "payload": {"branch": HEAD_BRANCH},
        "transient_environment": True,
        "production_environment": False,
    }
    api.set_deployment_state(created.id, "in_progress", description="", log_url="https://example.com/log")
    assert github.received("POST", "/statuses")[0].body == {
        "state": "in_progress",
        "log_url": "https://example.com/log",
    }
    assert api.deployment_state(created.id) == "in_progress"
    assert [deployment.id for deployment in api.deployments(task="deploy:stormkit")] == [created.id]
    assert api.deployments(task="other") == []


def test_a_deployment_without_a_status_has_an_empty_state(api):
    assert api.deployment_state(api.create_deployment(**DEPLOYMENT).id) == ""


@pytest.mark.parametrize("kind", ["500", "502-html", "answer-lost", "never-arrived", "429", "garbage"])
def test_reads_are_retried(github, api, clock, kind):
    github.fault("GET", kind, seconds=3 if kind == "429" else 0)
    assert api.comments(42) == []
    assert len(recorded_requests(github)) == 2
    if kind == "429":
        assert clock.slept == [3.0]
    else:
        assert clock.passed <= 0.5


@pytest.mark.parametrize("kind", ["500", "answer-lost", "never-arrived"])
@pytest.mark.parametrize(
    "write",
    [
        lambda api, comment: api.create_comment(42, "two"),
        lambda api, comment: api.edit_comment(42, comment.id, "two"),
        lambda api, comment: api.create_deployment(**DEPLOYMENT),
    ],
    ids=["create comment", "edit comment", "create deployment"],
)
def test_writes_are_sent_once(github, api, kind, write):
    comment = github.state.add_comment(body="one", login="github-actions[bot]")
    github.fault("(POST|PATCH)", kind)
    with pytest.raises(GitHubError) as raised:
        write(api, comment)
    assert raised.value.retryable
    assert len(recorded_requests(github)) == 1


def test_a_rate_limit_is_waited_out_within_the_deadline(github, api, clock):
    github.fault("POST .*/deployments", "secondary-limit", seconds=20)
    api.create_deployment(**DEPLOYMENT)
    assert clock.slept == [20.0]


def test_a_rate_limit_beyond_the_deadline_is_an_error_at_once(github, api, clock):
    github.state.add_token("ghs_poor", limit=1)
    limited = connect(github, clock, "ghs_poor")
    limited.comments(42)
    clock.today = clock.today.replace(year=2020)  # the limit's reset is years ahead
    with pytest.raises(GitHubError, match="rate limit exceeded") as raised:
        limited.comments(42)
    assert (raised.value.status, clock.slept) == (403, [])
    assert "permission" not in raised.value.text


def test_a_deadline_ends_every_call(github, clock):
    api = connect(github, clock).within(Deadline.after(clock, 2.5))
    github.fault("GET", "500", times=100)
    with pytest.raises(GitHubError, match=r"\(500\)"):
        api.comments(42)
    assert clock.passed <= 2.5


@pytest.mark.parametrize(
    ("permissions", "act", "named"),
    [
        ({"contents": "read"}, lambda api: api.create_comment(42, "hi"), "pull-requests: write"),
        ({"pull_requests": "write"}, lambda api: api.create_deployment(**DEPLOYMENT), "deployments: write"),
        ({"contents": "read"}, lambda api: api.pull_requests_of_branch(HEAD_BRANCH), "pull-requests: write"),
    ],
    ids=["comment", "deployment", "pull requests"],
)
def test_a_missing_permission_is_named(github, clock, permissions, act, named):
    github.state.repository().private = True
    github.state.add_token("ghs_reader", permissions={"contents": "read", **permissions})
    with pytest.raises(GitHubError, match="Resource not accessible by integration") as raised:
        act(connect(github, clock, "ghs_reader"))
    assert f"permissions: {{ {named} }}" in raised.value.text
    assert not raised.value.retryable


def test_a_wrong_token_is_not_shown(github, clock):
    with pytest.raises(GitHubError, match="token is not valid") as raised:
        connect(github, clock, "ghs_wrong_token").comments(42)
    assert "ghs_wrong_token" not in raised.value.text


def test_without_a_token_no_request_is_sent(github, clock):
    with pytest.raises(GitHubError, match="No github-token"):
        connect(github, clock, "").comments(42)
    assert recorded_requests(github) == []


def test_a_server_that_does_not_listen_is_a_connection_error(clock):
    api = GitHubApi(token=TOKEN, repository="octocat/hello-world", api_url="http://127.0.0.1:9", clock=clock)
    with pytest.raises(GitHubError, match="the connection failed") as raised:
        api.comments(42)
    assert raised.value.status is None


@pytest.mark.parametrize(("permissions", "may"), [(None, True), ({"contents": "read"}, False)])
def test_the_permissions_of_a_token_are_tested_without_a_write(github, clock, permissions, may):
    github.state.add_token("ghs_other", permissions=permissions)
    api = connect(github, clock, "ghs_other")
    refusals = (api.comment_refusal(42), api.deployment_refusal())
    assert ["Resource not accessible" in refusal for refusal in refusals] == [not may, not may]
    assert all(refusals) is not may
    assert github.state.comments() == github.state.deployments == []


def test_the_token_is_in_no_repr(github, clock):
    api = connect(github, clock)
    assert TOKEN not in repr(api)
    assert TOKEN not in repr(api._connection)


def test_two_threads_never_share_a_pygithub_requester(github, clock):
    connection = Connection(token=TOKEN, repository="octocat/hello-world", api_url=github.url, clock=clock)
    both_use_one = threading.Barrier(2, timeout=10)

    def ask(while_in_use):
        return connection.ask("asking", "GET", "pulls/42", lambda _: while_in_use(), needs="contents: read")

    with ThreadPoolExecutor(2) as pool:
        calls = [pool.submit(ask, both_use_one.wait) for _ in range(2)]
    for call in calls:
        call.result()
    assert len(connection.shared.idle) == 2
    ask(lambda: 0)
    assert len(connection.shared.idle) == 2


class RedirectingServer(Server):
    """Redirects every request to another host."""

    def handle(self, request: ReceivedRequest) -> Reply:
        return Reply(status=301, headers={"location": "https://github.example.com/"})


def test_a_redirect_to_another_host_is_not_followed(clock):
    with RedirectingServer() as moved, pytest.raises(GitHubError, match=r"redirects to github\.example\.com"):
        connect(moved, clock).pull_request(42)


def test_a_missing_ca_bundle_is_a_connection_error(clock, monkeypatch):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nowhere/ca.pem")
    api = GitHubApi(token=TOKEN, repository="octocat/hello-world", api_url="https://127.0.0.1:9", clock=clock)
    with pytest.raises(GitHubError, match="the connection failed"):
        api.comments(42)


class GitHubAfterRename(GitHub):
    """A GitHub on which octocat/hello-world, the name in the runner's variables, is a repository's old name."""

    def handle(self, request: ReceivedRequest) -> Reply:
        old, new = "/repos/octocat/hello-world", "/repositories/1296269"
        if request.path.startswith(old):
            location = f"http://ghes.internal{new}{request.target.removeprefix(old)}"
            return Reply(status=301 if request.method == "GET" else 307, headers={"location": location})
        if request.path.startswith(new):
            return super().handle(replace(request, path=old + request.path.removeprefix(new)))
        return super().handle(request)


def test_a_redirect_to_a_renamed_repository_keeps_query_and_method(clock):
    with GitHubAfterRename() as github:
        github.state.add_pull_request(50, "unrelated", "5" * 40)
        api = connect(github, clock)
        assert [pull_request.number for pull_request in api.pull_requests_of_branch(HEAD_BRANCH)] == [42]
        created = api.create_comment(42, "hello")
        api.edit_comment(42, created.id, "again")
        assert [comment.body for comment in api.comments(42)] == ["again"]
        assert len([request for request in github.requests if request.path.startswith("/repos/")]) == 1
        assert github.requests[1].query["head"] == f"octocat:{HEAD_BRANCH}"
    assert clock.slept == []


def test_a_write_to_a_renamed_repository_is_sent_to_its_new_path(clock):
    with GitHubAfterRename() as github:
        assert connect(github, clock).create_comment(42, "hello").body == "hello"
        assert len(github.state.comments()) == 1


class GitHubWithInternalLinks(GitHub):
    """A GitHub whose links to further pages name a host that the client can't reach."""

    def handle(self, request: ReceivedRequest) -> Reply:
        reply = super().handle(request)
        link = reply.headers.get("link", "").replace(self.url, "http://ghes.internal")
        return replace(reply, headers={**reply.headers, "link": link})


def test_a_next_page_link_with_an_unreachable_host_still_leads_to_the_next_page(clock):
    with GitHubWithInternalLinks() as github:
        for number in range(150):
            github.state.add_comment(body=str(number))
        assert len(connect(github, clock).comments(42)) == 150


def test_pull_requests_from_the_owner_s_other_repositories_are_left_out(github, api):
    github.state.add_repository("octocat/hello-world-fork")
    github.state.add_pull_request(44, HEAD_BRANCH, HEAD_SHA, head_repo="octocat/hello-world-fork")
    assert [pull_request.number for pull_request in api.pull_requests_of_branch(HEAD_BRANCH)] == [42]
    assert [pull_request.number for pull_request in api.pull_requests_of_commit(HEAD_SHA)] == [42]


@pytest.mark.parametrize("branch", ["feature/protection", "a b", "a%2Fb", "größe", "a?b#c"])
def test_a_branch_name_is_percent_encoded_in_the_request(github, api, branch):
    github.state.add_branch(branch, "7" * 40)
    assert api.branch_tip(branch) == "7" * 40
    assert github.requests[-1].target == f"/repos/octocat/hello-world/branches/{quote(branch, safe='')}"


def test_every_request_has_the_headers_that_github_documents(github, api):
    api.create_comment(42, "hello")
    created = api.create_deployment(**DEPLOYMENT)
    api.set_deployment_state(created.id, "success", description="")
    api.comments(42)
    api.branch_tip(HEAD_BRANCH)
    for request in github.requests:
        assert request.headers["accept"] == "application/vnd.github+json"
        assert request.headers["x-github-api-version"] == "2022-11-28"
        assert request.headers["user-agent"].startswith("stormkit-action/")


def test_a_pull_request_has_its_state(github, api):
    github.state.repository().pull_requests[42].state = "closed"
    assert api.pull_request(42).state == "closed"


@pytest.mark.parametrize("status", [301, 404])
def test_a_renamed_or_missing_branch_has_no_tip(clock, status):
    class GitHubWithoutTheBranch(Server):
        def handle(self, request: ReceivedRequest) -> Reply:
            location = {"location": f"{self.url}/repos/octocat/hello-world/branches/new"}
            return Reply(status=status, headers=location if status == 301 else {}, body="{}")

    with GitHubWithoutTheBranch() as github:
        assert connect(github, clock).branch_tip("old") is None


def test_pygithub_prints_nothing_of_its_own(api, capfd):
    api.pull_request(42)
    logging.getLogger("github.Requester").error("Following Github server redirection")
    assert capfd.readouterr() == ("", "")
