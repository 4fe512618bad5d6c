"""What the comparison with GitHub's OpenAPI document accepts and finds; a fixture applies it in every test."""

import json
import shutil
import subprocess
from dataclasses import replace

import pytest

from sandbox.github.api import Answer
from sandbox.web import ReceivedRequest
from tests.github_api import openapi
from tools import github_openapi

REPOSITORY = "/repos/octocat/hello-world"
DEPLOYMENTS = f"{REPOSITORY}/deployments"
HEADERS = {
    "accept": "application/vnd.github+json",
    "authorization": "token ghs_sandbox",
    "user-agent": "stormkit-action/1.0.0",
    "x-github-api-version": "2022-11-28",
    "content-type": "application/json",
}
# npm's error codes for a registry that can't be reached.
OFFLINE = ("ENOTFOUND", "ECONNREFUSED", "ECONNRESET", "EAI_AGAIN", "ETIMEDOUT")
ACCOUNT = {"id": 1, "login": "octocat", "type": "User"}
COMMENT = {"id": 1, "body": "hello", "html_url": "https://github.com/octocat/hello-world/pull/42", "user": ACCOUNT}


def request(method: str, target: str, body: object = None, **headers: str) -> ReceivedRequest:
    content = b"" if body is None else json.dumps(body).encode()
    given = {**HEADERS, **{name.replace("_", "-"): text for name, text in headers.items()}}
    return ReceivedRequest(method=method, path="", query={}, headers=given, content=content, at=0.0, target=target)


def problems(sent: ReceivedRequest, answer: Answer | None = None) -> list[str]:
    return list(openapi.problems(sent, answer))


@pytest.mark.parametrize(
    "sent",
    [
        request("GET", f"{REPOSITORY}/branches/feature%2Fprotection"),
        request("GET", f"/api/v3{REPOSITORY}/pulls?state=open&head=octocat%3Amain&per_page=100&page=1"),
        request("POST", "/repositories/1296269/issues/42/comments", {"body": "hello"}),
        request("POST", f"{DEPLOYMENTS}/7/statuses", {"state": "in_progress"}),
        request("POST", "/graphql", {"query": "query { viewer { login } }"}),
    ],
    ids=lambda sent: f"{sent.method} {sent.target}",
)
def test_a_documented_request_passes(sent):
    assert problems(sent) == []


@pytest.mark.parametrize(
    ("sent", "problem"),
    [
        (request("GET", f"{REPOSITORY}/branches/feature/protected"), "no such operation"),
        (request("PUT", DEPLOYMENTS), "no such operation"),
        (request("GET", f"{REPOSITORY}/pulls?branch=main"), "parameter branch is not documented"),
        (request("GET", f"{REPOSITORY}/pulls?state=any"), "parameter state: $: 'any' is not one of"),
        (request("GET", f"{REPOSITORY}/pulls?per_page=all"), "parameter per_page: $: 'all' is not of type 'integer'"),
        (request("GET", f"{REPOSITORY}/issues/main/comments"), "parameter issue_number: $: 'main' is not of type"),
        (request("GET", f"{REPOSITORY}/pulls/42", {}), "it takes no body"),
        (request("POST", DEPLOYMENTS, {"task": "deploy"}), "body: $: 'ref' is a required property"),
        (request("POST", DEPLOYMENTS, {"ref": "main", "auto_merge": "no"}), "body: $.auto_merge: 'no' is not of type"),
        (request("POST", DEPLOYMENTS, {"ref": "main", "sha": "x"}), "body: $: Additional properties are not allowed"),
        (request("POST", f"{DEPLOYMENTS}/7/statuses", {"state": "done"}), "body: $.state: 'done' is not one of"),
        (request("GET", DEPLOYMENTS, accept="*/*"), "header accept is '*/*'"),
        (request("GET", DEPLOYMENTS, x_github_api_version=""), "header x-github-api-version is ''"),
        (request("GET", DEPLOYMENTS, user_agent="python-requests"), "header user-agent is 'python-requests'"),
        (request("GET", DEPLOYMENTS, x_forwarded_for="1.2.3.4"), "headers that are not documented: x-forwarded-for"),
        (request("POST", "/graphql", {"viewer": 1}), "GraphQL takes a query in a POST"),
    ],
)
def test_an_undocumented_request_is_a_problem(sent, problem):
    [found] = problems(sent)
    assert found.startswith(problem)


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (Answer(status=201, body=COMMENT), ""),
        (Answer(status=201, body=COMMENT | {"user": None}), ""),
        (Answer(status=403, body={"message": "no"}), ""),
        (Answer(status=200, body=COMMENT), "the answer 200 is not documented"),
        (Answer(status=201, body=COMMENT | {"id": "1"}), "answer: $.id: '1' is not of type 'integer'"),
        (Answer(status=201, body={"id": 1}), "answer: $: 'html_url' is a required property"),
    ],
)
def test_an_answer_without_its_documented_fields_is_a_problem(answer, problem):
    found = problems(request("POST", f"{REPOSITORY}/issues/42/comments", {"body": "hello"}), answer)
    if problem:
        assert found[0].startswith(problem)
    else:
        assert found == []


def test_a_problem_does_not_contain_the_token():
    sent = replace(request("GET", DEPLOYMENTS, authorization="Basic ghs_secret"), method="PUT")
    assert not [text for text in problems(sent) if "ghs_secret" in text]


def test_the_excerpt_matches_the_npm_package():
    if shutil.which("npm") is None:
        pytest.skip("npm is not installed")
    stored = openapi.EXCERPT.read_text(encoding="utf-8")
    version = json.loads(stored)["package"].rpartition("@")[2]
    try:
        document = github_openapi.download(version)
    except subprocess.TimeoutExpired:
        pytest.skip("npm's registry does not answer")
    except subprocess.CalledProcessError as error:
        if not any(code in error.stderr for code in OFFLINE):
            raise
        pytest.skip("npm's registry can't be reached")
    assert github_openapi.text(github_openapi.excerpt(document)) == stored
