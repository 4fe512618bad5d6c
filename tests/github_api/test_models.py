"""GitHub's refusals: how long to wait, whether to try again, and the sentence for a person."""

import pytest

from stormkit_action.github_api.models import Comment, Failure, GitHubDeployment, failure

NOW = 1_000_000.0


@pytest.mark.parametrize(
    ("status", "message", "headers", "wait", "passing"),
    [
        (500, "Server Error", {}, 0, True),
        (502, None, {}, 0, True),
        (403, "Resource not accessible by integration", {}, 0, False),
        (404, "Not Found", {}, 0, False),
        (422, "Validation Failed", {}, 0, False),
        (429, "Too many", {"Retry-After": "7"}, 7, True),
        (429, "Too many", {}, 60, True),
        (403, "You have exceeded a secondary rate limit.", {"retry-after": "30"}, 30, True),
        (403, "You have exceeded a secondary rate limit.", {}, 60, True),
        (403, "API rate limit exceeded", {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "1000090"}, 90, True),
        (403, "in other words", {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "1000090"}, 90, True),
        (403, "in other words", {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "999000"}, 1, True),
        (403, "Resource not accessible", {"x-ratelimit-remaining": "17", "x-ratelimit-reset": "1000090"}, 0, False),
        (404, "Not Found", {"x-ratelimit-remaining": "0"}, 0, False),
    ],
)
def test_what_a_refusal_means(status, message, headers, wait, passing):
    seen = failure(status, {"message": message}, headers, now=NOW)
    assert (seen.status, seen.wait, seen.passing) == (status, wait, passing)


@pytest.mark.parametrize("data", [None, "<html>", [], {}, {"message": 7}])
def test_a_refusal_without_words(data):
    assert failure(502, data, {}, now=NOW).text == "no reason given"


def test_a_missing_permission_names_the_line_to_add():
    refused = failure(403, {"message": "Nope."}, {"x-accepted-github-permissions": "deployments=write"}, now=NOW)
    assert refused.explain("creating it", "deployments: write") == (
        "GitHub did not go along with creating it (403): Nope (it takes deployments=write). The token may lack a"
        " permission: add `permissions: { deployments: write }` to the job (naming one permission sets all others to"
        " none)."
    )


@pytest.mark.parametrize(
    ("refused", "said"),
    [
        (Failure(status=401, text="Bad credentials"), "The github-token is not valid"),
        (Failure(status=None, text="no answer in time"), "Run the job again later."),
        (Failure(status=403, text="rate limit", wait=60), "Run the job again later."),
        (Failure(status=404, text="Not Found"), "permissions: { pull-requests: write }"),
    ],
)
def test_a_refusal_says_what_to_do(refused, said):
    assert said in refused.explain("it", "pull-requests: write")


def test_what_an_answer_lacks_is_empty():
    assert Comment.from_api({"id": 1, "user": None, "body": None}) == Comment(id=1, author="", body="", url="")
    assert GitHubDeployment.from_api({"id": 2, "payload": "text"}).payload == {}
    with pytest.raises(ValueError, match="no id"):
        Comment.from_api({"body": "without an id"})
