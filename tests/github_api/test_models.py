"""GitHub's refusals (how long to wait, whether to retry, the message) and its objects read from JSON."""

import pytest

from stormkit_action.github_api.models import Account, Comment, GitHubDeployment, Refusal

NOW = 1_000_000.0
BOT = Account(id=41898282, login="github-actions[bot]", type="Bot")


def refusal(status, message, headers=None, **more) -> Refusal:
    data = {"message": message, **more}
    return Refusal.from_answer(status, data, headers or {}, now=NOW)


@pytest.mark.parametrize(
    ("status", "message", "headers", "retry_after", "retryable"),
    [
        (500, "Server Error", {}, 0, True),
        (502, None, {}, 0, True),
        (403, "Resource not accessible by integration", {}, 0, False),
        (404, "Not Found", {}, 0, False),
        (422, "Validation Failed", {}, 0, False),
        (429, "Too many", {"retry-after": "7"}, 7, True),
        (429, "Too many", {}, 60, True),
        (403, "You have exceeded a secondary rate limit.", {"retry-after": "30"}, 30, True),
        (403, "You have exceeded a secondary rate limit.", {}, 60, True),
        (403, "API rate limit exceeded", {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "1000090"}, 90, True),
        (403, "in other words", {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "1000090"}, 90, True),
        (403, "in other words", {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "999000"}, 1, True),
        (403, "Resource not accessible", {"x-ratelimit-remaining": "17", "x-ratelimit-reset": "1000090"}, 0, False),
        (404, "Not Found", {"x-ratelimit-remaining": "0"}, 0, False),
    ],
)
def test_a_refusal_says_whether_and_when_to_retry(status, message, headers, retry_after, retryable):
    refused = refusal(status, message, headers)
    assert (refused.status, refused.retry_after, refused.retryable) == (status, retry_after, retryable)


@pytest.mark.parametrize("data", [None, "<html>", [], {}, {"message": 7}, {"errors": 7}, {"errors": [7, {}]}])
def test_a_refusal_without_a_message_gives_no_reason(data):
    assert Refusal.from_answer(502, data, {}, now=NOW).message == "no reason given"


def test_a_missing_permission_names_the_line_to_add():
    message = "Resource not accessible by integration"
    refused = refusal(403, message, {"x-accepted-github-permissions": "issues=write; pull_requests=write"})
    assert refused.explain("commenting", "pull-requests: write") == (
        "GitHub refused commenting (403): Resource not accessible by integration (it requires issues=write;"
        " pull_requests=write). The token lacks a permission: add `permissions: { pull-requests: write }` to the job"
        " (naming one permission sets all others to none)."
    )


def test_the_advice_names_contents_read_for_deployments_of_a_private_repository():
    refused = refusal(403, "Resource not accessible by integration")
    assert "add `permissions: { deployments: write }` to the job, in a private repository also `contents: read`" in (
        refused.explain("creating it", "deployments: write, contents: read")
    )


def test_the_advice_for_a_personal_token_does_not_mention_the_workflow():
    refused = refusal(403, "Resource not accessible by personal access token")
    assert refused.explain("it", "deployments: write").endswith("Give the token this permission: deployments: write.")


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (403, "Unable to create comment because issue is locked."),
        (403, "Repository was archived so is read-only."),
        (403, "Resource protected by organization SAML enforcement. You must grant your token access."),
    ],
)
def test_other_refusals_are_reported_in_github_s_words_without_advice(status, message):
    text = refusal(status, message).explain("commenting", "pull-requests: write")
    assert text == f"GitHub refused commenting ({status}): {message.rstrip('.')}."


def test_what_is_not_found_may_be_out_of_the_token_s_reach():
    text = refusal(404, "Not Found").explain("commenting", "pull-requests: write")
    assert text.endswith("It does not exist, or the github-token has no access to this repository.")


TOO_LONG = "Body is too long (maximum is 65536 characters)"


@pytest.mark.parametrize(
    ("errors", "in_message"),
    [
        ([{"resource": "IssueComment", "code": "unprocessable", "field": "data", "message": TOO_LONG}], TOO_LONG),
        ([{"resource": "Deployment", "field": "ref", "code": "missing_field"}], "Deployment ref is missing field"),
        ([{"code": "custom", "message": TOO_LONG}], TOO_LONG),
        ([{"code": "invalid"}], "invalid"),
        ([TOO_LONG], TOO_LONG),
        (["one", {"message": "two"}], "one; two"),
        (TOO_LONG, TOO_LONG),
        ({"message": TOO_LONG}, TOO_LONG),
    ],
)
def test_a_422_repeats_the_errors_in_its_body(errors, in_message):
    refused = refusal(422, "Validation Failed", errors=errors)
    assert refused.explain("it", "x: y") == f"GitHub refused it (422): Validation Failed: {in_message}."


@pytest.mark.parametrize(
    ("refused", "advice"),
    [
        (Refusal(status=401, message="Bad credentials"), "The github-token is not valid"),
        (Refusal(status=None, message="the request timed out"), "Run the job again later."),
        (Refusal(status=403, message="rate limit", retry_after=60), "Run the job again later."),
    ],
)
def test_a_refusal_advises_what_to_do_next(refused, advice):
    assert advice in refused.explain("it", "pull-requests: write")


def test_fields_missing_from_an_answer_are_empty_but_the_id_is_required():
    assert Comment.from_api({"id": 1, "user": None, "body": None}) == Comment(id=1, author=Account(), body="", url="")
    assert GitHubDeployment.from_api({"id": 2, "payload": "text"}).payload == {}
    with pytest.raises(ValueError, match="no id"):
        Comment.from_api({"body": "without an id"})


@pytest.mark.parametrize(
    ("other", "same"),
    [
        (BOT, True),
        (Account(id=41898282, login="renamed[bot]", type="Bot"), True),
        (Account(id=7, login="github-actions[bot]", type="Bot"), False),
        # How GraphQL describes an installation when it leaves out the id.
        (Account(login="github-actions", type="Bot"), True),
        # A person whose name is a bot's without the suffix.
        (Account(login="github-actions", type="User"), False),
        (Account(), False),
    ],
)
def test_accounts_are_compared_by_id_or_else_by_login_and_type(other, same):
    assert BOT.is_same(other) is same
    assert other.is_same(BOT) is same


def test_two_deleted_accounts_are_not_the_same():
    assert not Account().is_same(Account())
