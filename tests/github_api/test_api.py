"""What the action asks of GitHub, over real HTTP and through PyGithub."""

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


def asked(github: GitHub) -> list[str]:
    """The requests since the last look, without the repository."""
    seen = [f"{each.method} {each.path.removeprefix('/repos/octocat/hello-world')}" for each in github.requests]
    github.requests.clear()
    return seen


@pytest.mark.parametrize("base", ["", ENTERPRISE])
def test_a_comments_life(github, clock, base):
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


def test_every_page_is_read_with_one_request_each(github, api):
    for number in range(230):
        github.state.add_comment(body=str(number))
    assert [comment.body for comment in api.comments(42)] == [str(number) for number in range(230)]
    assert asked(github) == ["GET /issues/42/comments"] * 3


def test_look_ups_take_one_request_each(github, api):
    github.state.add_pull_request(43, "other", "1" * 40)
    assert api.pull_request(42).head_sha == HEAD_SHA
    assert [each.number for each in api.pull_requests_of_branch(HEAD_BRANCH)] == [42]
    assert [each.number for each in api.pull_requests_of_commit(HEAD_SHA)] == [42]
    assert api.branch_tip(HEAD_BRANCH) == HEAD_SHA
    assert api.branch_tip("gone") is None
    assert len(asked(github)) == 5


def test_a_pull_request_of_a_deleted_fork_has_no_head_repository(github, api):
    github.state.add_pull_request(44, "patch-1", "2" * 40, head_repo=None)
    assert api.pull_request(44).head_repository == ""


@pytest.mark.parametrize("create", ["comment", "deployment"])
def test_the_account_is_learnt_from_what_was_created(github, api, create):
    api.create_comment(42, "hello") if create == "comment" else api.create_deployment(**DEPLOYMENT)
    asked(github)
    assert api.account() == BOT
    assert asked(github) == []


def test_the_account_is_asked_for_once_by_all_connections(github, api, clock):
    assert api.within(Deadline.after(clock, 5)).account().is_same(BOT)
    assert api.account().is_same(BOT)
    assert asked(github) == ["POST /graphql"]


class RefusingGraphQL(GitHub):
    """A GitHub whose GraphQL refuses, or leaves away what it may."""

    body: object = None

    def handle(self, request: ReceivedRequest) -> Reply:
        if request.path == "/graphql":
            return Reply(status=200, body=self.body)
        return super().handle(request)


FORBIDDEN = {"data": {"viewer": None}, "errors": [{"type": "FORBIDDEN", "message": "Resource not accessible"}]}


@pytest.mark.parametrize("body", [FORBIDDEN, {"errors": [{"message": "no"}]}, {"data": None}, {}])
def test_a_person_is_told_by_rest_where_graphql_refuses_in_a_200(clock, body):
    with RefusingGraphQL() as github:
        github.body = body
        github.state.add_token("ghp_mona", "monalisa", "user", {"contents": "read"})
        assert connect(github, clock, "ghp_mona").account().login == "monalisa"
        assert [request.path for request in github.requests] == ["/graphql", "/user"]
    assert clock.slept == []


def test_an_installation_is_a_bot_where_graphql_tells_its_login_alone(clock):
    with RefusingGraphQL() as github:
        github.body = {"data": {"viewer": {"login": "github-actions", "databaseId": None}}}
        assert connect(github, clock).account().is_same(BOT)


def test_the_account_of_a_person_where_graphql_is_closed(github, clock):
    github.state.add_token("ghp_mona", "monalisa", "user", {"contents": "read"})
    github.fault("POST /graphql", "403")
    assert connect(github, clock, "ghp_mona").account().login == "monalisa"


def test_a_deployment_is_a_transient_one_of_a_commit_and_waits_for_no_check(github, api):
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
    assert [each.id for each in api.deployments(task="deploy:stormkit")] == [created.id]
    assert api.deployments(task="other") == []


def test_the_state_of_a_deployment_without_one(api):
    assert api.deployment_state(api.create_deployment(**DEPLOYMENT).id) == ""


@pytest.mark.parametrize("kind", ["500", "502-html", "answer-lost", "never-arrived", "429", "garbage"])
def test_what_is_safe_to_repeat_is_repeated(github, api, clock, kind):
    github.fault("GET", kind, seconds=3 if kind == "429" else 0)
    assert api.comments(42) == []
    assert len(asked(github)) == 2
    assert clock.slept == [3.0] if kind == "429" else clock.passed <= 0.5


@pytest.mark.parametrize("kind", ["500", "answer-lost", "never-arrived"])
@pytest.mark.parametrize(
    "write",
    [
        lambda api, comment: api.create_comment(42, "two"),
        lambda api, comment: api.edit_comment(42, comment.id, "two"),
        lambda api, comment: api.create_deployment(**DEPLOYMENT),
    ],
)
def test_what_could_be_done_twice_or_be_stale_is_sent_once(github, api, kind, write):
    comment = github.state.add_comment(body="one", login="github-actions[bot]")
    github.fault("(POST|PATCH)", kind)
    with pytest.raises(GitHubError) as raised:
        write(api, comment)
    assert raised.value.retryable
    assert len(asked(github)) == 1


def test_a_limit_is_waited_out_when_there_is_time(github, api, clock):
    github.fault("POST .*/deployments", "secondary-limit", seconds=20)
    api.create_deployment(**DEPLOYMENT)
    assert clock.slept == [20.0]


def test_a_limit_that_lasts_too_long_is_an_error_at_once(github, api, clock):
    github.state.add_token("ghs_poor", limit=1)
    poor = connect(github, clock, "ghs_poor")
    poor.comments(42)
    clock.today = clock.today.replace(year=2020)  # the end of the hour is far away
    with pytest.raises(GitHubError, match="rate limit exceeded") as raised:
        poor.comments(42)
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


def test_no_token_asks_nothing(github, clock):
    with pytest.raises(GitHubError, match="No github-token"):
        connect(github, clock, "").comments(42)
    assert asked(github) == []


def test_nobody_is_there(clock):
    api = GitHubApi(token=TOKEN, repository="octocat/hello-world", api_url="http://127.0.0.1:9", clock=clock)
    with pytest.raises(GitHubError, match="the connection failed") as raised:
        api.comments(42)
    assert raised.value.status is None


@pytest.mark.parametrize(("permissions", "may"), [(None, True), ({"contents": "read"}, False)])
def test_what_the_token_may_do_is_found_out_without_doing_it(github, clock, permissions, may):
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


def test_two_threads_never_send_through_the_same_object(github, clock):
    connection = Connection(token=TOKEN, repository="octocat/hello-world", api_url=github.url, clock=clock)
    together = threading.Barrier(2, timeout=10)

    def ask(meet):
        return connection.ask("asking", "GET", "pulls/42", lambda _: meet(), needs="contents: read")

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda _: ask(together.wait), range(2)))
    assert len(connection.shared.idle) == 2
    ask(lambda: 0)
    assert len(connection.shared.idle) == 2


class Moved(Server):
    """A GitHub that has moved."""

    def handle(self, request: ReceivedRequest) -> Reply:
        return Reply(status=301, headers={"location": "https://github.example.com/"})


def test_a_redirect_to_another_host_is_not_followed(clock):
    with Moved() as moved, pytest.raises(GitHubError, match=r"redirects to github\.example\.com"):
        connect(moved, clock).pull_request(42)


def test_a_ca_bundle_that_is_not_there_is_no_bug(clock, monkeypatch):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nowhere/ca.pem")
    api = GitHubApi(token=TOKEN, repository="octocat/hello-world", api_url="https://127.0.0.1:9", clock=clock)
    with pytest.raises(GitHubError, match="the connection failed"):
        api.comments(42)


class Renamed(GitHub):
    """A GitHub on which octocat/hello-earth was octocat/hello-world, as the runner's variables still say."""

    def handle(self, request: ReceivedRequest) -> Reply:
        old, new = "/repos/octocat/hello-world", "/repositories/1296269"
        if request.path.startswith(old):
            location = f"http://ghes.internal{new}{request.target.removeprefix(old)}"
            return Reply(status=301 if request.method == "GET" else 307, headers={"location": location})
        if request.path.startswith(new):
            return super().handle(replace(request, path=old + request.path.removeprefix(new)))
        return super().handle(request)


def test_a_renamed_repository_is_followed_by_its_id_with_query_and_method_kept(clock):
    with Renamed() as github:
        github.state.add_pull_request(50, "unrelated", "5" * 40)
        api = connect(github, clock)
        assert [pull_request.number for pull_request in api.pull_requests_of_branch(HEAD_BRANCH)] == [42]
        created = api.create_comment(42, "hello")
        api.edit_comment(42, created.id, "again")
        assert [comment.body for comment in api.comments(42)] == ["again"]
        assert len([request for request in github.requests if request.path.startswith("/repos/")]) == 1
        assert github.requests[1].query["head"] == f"octocat:{HEAD_BRANCH}"
    assert clock.slept == []


def test_a_write_to_a_renamed_repository_is_repeated_at_its_new_place(clock):
    with Renamed() as github:
        assert connect(github, clock).create_comment(42, "hello").body == "hello"
        assert len(github.state.comments()) == 1


class Internal(GitHub):
    """A GitHub whose links name a host that only it knows."""

    def handle(self, request: ReceivedRequest) -> Reply:
        reply = super().handle(request)
        link = reply.headers.get("link", "").replace(self.url, "http://ghes.internal")
        return replace(reply, headers={**reply.headers, "link": link})


def test_of_a_link_to_the_next_page_only_its_being_there_counts(clock):
    with Internal() as github:
        for number in range(150):
            github.state.add_comment(body=str(number))
        assert len(connect(github, clock).comments(42)) == 150


def test_pull_requests_of_the_owners_other_repositories_are_left_out(github, api):
    github.state.add_repository("octocat/hello-world-fork")
    github.state.add_pull_request(44, HEAD_BRANCH, HEAD_SHA, head_repo="octocat/hello-world-fork")
    assert [pull_request.number for pull_request in api.pull_requests_of_branch(HEAD_BRANCH)] == [42]
    assert [pull_request.number for pull_request in api.pull_requests_of_commit(HEAD_SHA)] == [42]


@pytest.mark.parametrize("branch", ["feature/protection", "a b", "a%2Fb", "größe", "a?b#c"])
def test_a_branch_is_named_whole_in_the_request(github, api, branch):
    github.state.add_branch(branch, "7" * 40)
    assert api.branch_tip(branch) == "7" * 40
    assert github.requests[-1].target == f"/repos/octocat/hello-world/branches/{quote(branch, safe='')}"


def test_every_request_says_what_it_is_as_github_documents_it(github, api):
    api.create_comment(42, "hello")
    created = api.create_deployment(**DEPLOYMENT)
    api.set_deployment_state(created.id, "success", description="")
    api.comments(42)
    api.branch_tip(HEAD_BRANCH)
    for request in github.requests:
        assert request.headers["accept"] == "application/vnd.github+json"
        assert request.headers["x-github-api-version"] == "2022-11-28"
        assert request.headers["user-agent"].startswith("stormkit-action/")


def test_a_pull_request_is_told_with_its_state(github, api):
    github.state.repository().pull_requests[42].state = "closed"
    assert api.pull_request(42).state == "closed"


@pytest.mark.parametrize("status", [301, 404])
def test_a_branch_that_was_renamed_is_not_there(clock, status):
    class Gone(Server):
        def handle(self, request: ReceivedRequest) -> Reply:
            location = {"location": f"{self.url}/repos/octocat/hello-world/branches/new"}
            return Reply(status=status, headers=location if status == 301 else {}, body="{}")

    with Gone() as github:
        assert connect(github, clock).branch_tip("old") is None


def test_pygithub_prints_nothing_of_its_own(api, capfd):
    api.pull_request(42)
    logging.getLogger("github.Requester").error("Following Github server redirection")
    assert capfd.readouterr() == ("", "")
