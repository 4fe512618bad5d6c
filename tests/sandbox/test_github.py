"""The local GitHub over real HTTP: permissions, pages, limits and faults."""

import time

import pytest
import requests

from sandbox.events import BASE_SHA, HEAD_BRANCH, HEAD_SHA
from sandbox.github.server import ENTERPRISE, TOKEN, GitHub

REPOSITORY = "/repos/octocat/hello-world"
COMMENTS = f"{REPOSITORY}/issues/42/comments"


@pytest.fixture(autouse=True)
def documented_requests() -> None:
    """Turn the comparison with OpenAPI off: these tests send wrong requests on purpose."""


def call(github: GitHub, method: str, path: str, body: object = None, *, token: str = TOKEN) -> requests.Response:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    url = path if path.startswith("http") else f"{github.url}{path}"
    return requests.request(method, url, json=body, headers=headers, timeout=5)


@pytest.mark.parametrize(
    ("authorization", "status"),
    [("Bearer ghs_sandbox", 200), ("token ghs_sandbox", 200), ("token wrong", 401), ("Basic ghs_sandbox", 401)],
)
def test_a_token_is_accepted_as_bearer_or_token(github, authorization, status):
    answer = requests.get(f"{github.url}{COMMENTS}", headers={"Authorization": authorization}, timeout=5)
    assert answer.status_code == status
    if status == 200:
        assert answer.json() == []
    else:
        assert answer.json()["message"] == "Bad credentials"


def test_comments_are_created_edited_and_deleted(github):
    created = call(github, "POST", COMMENTS, {"body": "one"})
    assert created.status_code == 201
    assert created.json()["user"] == created.json()["user"] | {"login": "github-actions[bot]", "type": "Bot"}
    assert created.json()["html_url"].startswith("https://github.com/octocat/hello-world/pull/42#issuecomment-")
    assert call(github, "PATCH", created.json()["url"], {"body": "two"}).json()["body"] == "two"
    assert [comment.body for comment in github.state.comments()] == ["two"]
    assert call(github, "DELETE", created.json()["url"]).status_code == 204
    assert github.state.comments() == []
    assert call(github, "GET", created.json()["url"]).status_code == 404


@pytest.mark.parametrize(("body", "status"), [("", 422), (" ", 422), ("x" * 65_536, 201), ("x" * 65_537, 422)])
def test_a_comment_that_is_empty_or_too_long_is_refused(github, body, status):
    assert call(github, "POST", COMMENTS, {"body": body}).status_code == status


def test_pages_are_linked_oldest_first(github):
    for number in range(5):
        github.state.add_comment(body=str(number))
    bodies, url = [], f"{COMMENTS}?per_page=2"
    while url:
        page = call(github, "GET", url)
        bodies.append([comment["body"] for comment in page.json()])
        url = page.links.get("next", {}).get("url", "")
    assert bodies == [["0", "1"], ["2", "3"], ["4"]]


def test_a_missing_permission_is_named(github):
    github.state.add_token("ghs_reader", permissions={"contents": "read"})
    refused = call(github, "POST", COMMENTS, {"body": "hello"}, token="ghs_reader")
    assert refused.status_code == 403
    assert refused.json()["message"] == "Resource not accessible by integration"
    assert refused.headers["x-accepted-github-permissions"] == "issues=write; pull_requests=write"
    assert call(github, "GET", COMMENTS, token="ghs_reader").status_code == 200, "it is public"


def test_without_a_token_only_public_reads_are_allowed(github):
    assert call(github, "GET", COMMENTS, token="").status_code == 200
    assert call(github, "POST", COMMENTS, {"body": "hello"}, token="").status_code == 401
    github.state.repository().private = True
    assert call(github, "GET", COMMENTS, token="").status_code == 404


def test_only_graphql_returns_the_login_of_an_installation(github):
    assert call(github, "GET", "/user").status_code == 403
    answer = call(github, "POST", "/graphql", {"query": "query { viewer { login } }"}).json()
    assert answer == {"data": {"viewer": {"login": "github-actions[bot]"}}}


def test_enterprise_server_has_its_api_below_its_own_url(github):
    created = call(github, "POST", f"{ENTERPRISE}{COMMENTS}", {"body": "one"}).json()
    assert created["url"].startswith(f"{github.url}{ENTERPRISE}/repos/")
    assert created["html_url"].startswith(f"{github.url}/octocat/hello-world/pull/42")
    assert "data" in call(github, "POST", "/api/graphql", {"query": "{ viewer { login } }"}).json()


def test_branches_and_pull_requests_can_be_looked_up(github):
    assert call(github, "GET", f"{REPOSITORY}/branches/{HEAD_BRANCH}").json()["commit"]["sha"] == HEAD_SHA
    assert call(github, "GET", f"{REPOSITORY}/branches/gone").status_code == 404
    pull = call(github, "GET", f"{REPOSITORY}/pulls/42").json()
    assert (pull["head"]["sha"], pull["base"]["sha"]) == (HEAD_SHA, BASE_SHA)
    assert "merged" in pull
    heads = call(github, "GET", f"{REPOSITORY}/pulls?state=open&head=octocat:{HEAD_BRANCH}").json()
    assert [pull_request["number"] for pull_request in heads] == [42]
    assert not heads[0].keys() & {"merged", "mergeable", "mergeable_state"}, "lists leave these out"
    assert [
        pull_request["number"] for pull_request in call(github, "GET", f"{REPOSITORY}/commits/{HEAD_SHA}/pulls").json()
    ] == [42]


def test_a_deployment_needs_passing_checks_unless_none_are_required(github):
    wanted = {"ref": HEAD_SHA, "environment": "Preview", "auto_merge": False, "transient_environment": True}
    assert call(github, "POST", f"{REPOSITORY}/deployments", wanted).status_code == 409
    created = call(github, "POST", f"{REPOSITORY}/deployments", wanted | {"required_contexts": []})
    assert created.status_code == 201
    states = created.json()["statuses_url"]
    assert call(github, "POST", states, {"state": "success", "description": "x" * 141}).status_code == 422
    status = call(github, "POST", states, {"state": "success", "log_url": "https://example.com/log"}).json()
    assert (status["state"], status["log_url"]) == ("success", "https://example.com/log")
    assert [deployment.state for deployment in github.state.deployments] == ["success"]
    assert call(github, "GET", f"{REPOSITORY}/deployments?environment=Other").json() == []


def test_the_hourly_rate_limit_runs_out(github):
    github.state.add_token("ghs_limited", limit=2)
    answers = [call(github, "GET", COMMENTS, token="ghs_limited") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 403]
    assert [answer.headers["x-ratelimit-remaining"] for answer in answers] == ["1", "0", "0"]
    assert int(answers[2].headers["x-ratelimit-reset"]) > time.time()
    assert "API rate limit exceeded" in answers[2].json()["message"]
    assert call(github, "GET", "/rate_limit", token="ghs_limited").json()["rate"]["remaining"] == 0


@pytest.mark.parametrize(
    ("kind", "status", "is_carried_out"),
    [
        ("answer-lost", None, True),
        ("never-arrived", None, False),
        ("500", 500, False),
        ("502-html", 502, False),
        ("429", 429, False),
        ("secondary-limit", 403, False),
        ("primary-limit", 403, False),
        ("403", 403, False),
        ("404", 404, False),
        ("slow", 201, True),
        ("garbage", 200, False),
    ],
)
def test_each_fault_strikes_once_and_some_after_the_request_was_carried_out(github, kind, status, is_carried_out):
    github.fault("POST .*/comments", kind, seconds=1 if "limit" in kind else 0)
    if status is None:
        with pytest.raises(requests.ConnectionError):
            call(github, "POST", COMMENTS, {"body": "one"})
    else:
        assert call(github, "POST", COMMENTS, {"body": "one"}).status_code == status
    assert bool(github.state.comments()) is is_carried_out
    assert call(github, "POST", COMMENTS, {"body": "two"}).status_code == 201, "it strikes once"


def test_a_fault_can_spare_the_first_requests(github):
    github.fault("GET", "500", times=2, after=1)
    assert [call(github, "GET", COMMENTS).status_code for _ in range(4)] == [200, 500, 500, 200]


def test_a_secondary_limit_says_how_long_to_wait(github):
    github.fault("GET", "secondary-limit", seconds=7)
    assert call(github, "GET", COMMENTS).headers["retry-after"] == "7"


def test_answers_take_the_given_latency(github):
    github.latency = 0.1
    began = time.monotonic()
    call(github, "GET", COMMENTS)
    assert time.monotonic() - began >= 0.1
