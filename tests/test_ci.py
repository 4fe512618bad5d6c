"""Branch, commit and tag from the documented variables of other CIs."""

import pytest

from sandbox.events import HEAD_BRANCH, HEAD_SHA, MERGE_SHA
from stormkit_action import ci
from stormkit_action.errors import InputError
from stormkit_action.event import read as read_event
from stormkit_action.names import Names
from stormkit_action.plan import decide, skip_reason
from tests.test_inputs import parsed

GITLAB = {"GITLAB_CI": "true", "CI_DEFAULT_BRANCH": "main", "CI_COMMIT_SHA": HEAD_SHA}
MERGE_REQUEST = {
    **GITLAB,
    "CI_MERGE_REQUEST_IID": "7",
    "CI_MERGE_REQUEST_SOURCE_BRANCH_NAME": HEAD_BRANCH,
    "CI_MERGE_REQUEST_SOURCE_PROJECT_ID": "1",
    "CI_MERGE_REQUEST_PROJECT_ID": "1",
}
JENKINS = {"JENKINS_URL": "https://ci.example.com/", "GIT_COMMIT": HEAD_SHA}
AZURE_PULL_REQUEST = {
    "TF_BUILD": "True",
    "BUILD_SOURCEBRANCH": "refs/pull/7/merge",
    "BUILD_SOURCEVERSION": MERGE_SHA,
    "SYSTEM_PULLREQUEST_PULLREQUESTID": "7",
    "SYSTEM_PULLREQUEST_SOURCEBRANCH": f"refs/heads/{HEAD_BRANCH}",
    "SYSTEM_PULLREQUEST_SOURCECOMMITID": HEAD_SHA,
    "SYSTEM_PULLREQUEST_ISFORK": "False",
}
WOODPECKER = {"CI": "woodpecker", "CI_COMMIT_SHA": HEAD_SHA, "CI_REPO_DEFAULT_BRANCH": "main"}
BUILDKITE = {
    "BUILDKITE": "true",
    "BUILDKITE_BRANCH": HEAD_BRANCH,
    "BUILDKITE_COMMIT": HEAD_SHA,
    "BUILDKITE_REPO": "git@github.com:octocat/hello-world.git",
}

# Variables and the expected CI, branch, commit and tag.
TABLE = [
    ({**GITLAB, "CI_COMMIT_BRANCH": "main"}, ("GitLab", "main", HEAD_SHA, "")),
    ({**GITLAB, "CI_COMMIT_TAG": "v1"}, ("GitLab", "", "", "v1")),
    (MERGE_REQUEST, ("GitLab", HEAD_BRANCH, HEAD_SHA, "")),
    (
        {**MERGE_REQUEST, "CI_COMMIT_SHA": MERGE_SHA, "CI_MERGE_REQUEST_SOURCE_BRANCH_SHA": HEAD_SHA},
        ("GitLab", HEAD_BRANCH, HEAD_SHA, ""),
    ),
    (
        {"BITBUCKET_BUILD_NUMBER": "1", "BITBUCKET_BRANCH": HEAD_BRANCH, "BITBUCKET_COMMIT": HEAD_SHA},
        ("Bitbucket", HEAD_BRANCH, HEAD_SHA, ""),
    ),
    ({"BITBUCKET_BUILD_NUMBER": "1", "BITBUCKET_TAG": "v1"}, ("Bitbucket", "", "", "v1")),
    ({**JENKINS, "BRANCH_NAME": "main"}, ("Jenkins", "main", HEAD_SHA, "")),
    (
        {**JENKINS, "BRANCH_NAME": "PR-12", "CHANGE_ID": "12", "CHANGE_BRANCH": HEAD_BRANCH},
        ("Jenkins", HEAD_BRANCH, "", ""),
    ),
    ({**JENKINS, "GIT_BRANCH": "origin/main"}, ("Jenkins", "", "", "")),
    ({**JENKINS, "BRANCH_NAME": "v1", "TAG_NAME": "v1"}, ("Jenkins", "", "", "v1")),
    (
        {"CIRCLECI": "true", "CIRCLE_BRANCH": HEAD_BRANCH, "CIRCLE_SHA1": HEAD_SHA},
        ("CircleCI", HEAD_BRANCH, HEAD_SHA, ""),
    ),
    ({"CIRCLECI": "true", "CIRCLE_TAG": "v1", "CIRCLE_SHA1": HEAD_SHA}, ("CircleCI", "", "", "v1")),
    (BUILDKITE, ("Buildkite", HEAD_BRANCH, HEAD_SHA, "")),
    ({**BUILDKITE, "BUILDKITE_COMMIT": "HEAD"}, ("Buildkite", HEAD_BRANCH, "", "")),
    (
        {"TF_BUILD": "True", "BUILD_SOURCEBRANCH": "refs/heads/main", "BUILD_SOURCEVERSION": HEAD_SHA},
        ("Azure Pipelines", "main", HEAD_SHA, ""),
    ),
    ({"TF_BUILD": "True", "BUILD_SOURCEBRANCH": "refs/tags/v1"}, ("Azure Pipelines", "", "", "v1")),
    (AZURE_PULL_REQUEST, ("Azure Pipelines", HEAD_BRANCH, HEAD_SHA, "")),
    ({**WOODPECKER, "CI_COMMIT_BRANCH": "main"}, ("Woodpecker", "main", HEAD_SHA, "")),
    (
        {**WOODPECKER, "CI_COMMIT_BRANCH": "main", "CI_COMMIT_SOURCE_BRANCH": HEAD_BRANCH},
        ("Woodpecker", HEAD_BRANCH, HEAD_SHA, ""),
    ),
]


@pytest.mark.parametrize(("environ", "expected"), TABLE, ids=lambda value: " ".join(value)[:60])
def test_branch_commit_and_tag_come_from_the_ci_s_documented_variables(environ, expected):
    pipeline = ci.read(environ)
    assert pipeline is not None
    assert (pipeline.name, pipeline.branch, pipeline.sha, pipeline.tag) == expected
    event = read_event(environ)
    assert (event.branch, event.sha, event.tag, event.on_github) == (*expected[1:], False)


def test_generic_variables_outside_a_known_ci_are_ignored():
    assert ci.read({"CI": "true", "BRANCH_NAME": "main"}) is None


@pytest.mark.parametrize(
    "environ",
    [
        {**MERGE_REQUEST, "CI_MERGE_REQUEST_SOURCE_PROJECT_ID": "2"},
        {**JENKINS, "CHANGE_ID": "12", "CHANGE_BRANCH": "main", "CHANGE_FORK": "monalisa"},
        {"CIRCLECI": "true", "CIRCLE_BRANCH": "pull/7", "CIRCLE_PR_USERNAME": "monalisa"},
        {**BUILDKITE, "BUILDKITE_PULL_REQUEST_REPO": "https://github.com/monalisa/hello-world.git"},
        {**AZURE_PULL_REQUEST, "SYSTEM_PULLREQUEST_ISFORK": "True"},
    ],
    ids=["GitLab", "Jenkins", "CircleCI", "Buildkite", "Azure Pipelines"],
)
def test_a_fork_is_skipped_in_every_ci(environ):
    request = "merge request" if "GITLAB_CI" in environ else "pull request"
    assert f"The {request} comes from a fork" in skip_reason(read_event(environ), has_key=True)


@pytest.mark.parametrize(
    ("commit", "text"),
    [
        (HEAD_SHA, f"commit {HEAD_SHA[:7]} (from BUILDKITE_BRANCH, BUILDKITE_COMMIT)"),
        ("HEAD", "(from BUILDKITE_BRANCH)"),
    ],
)
def test_the_log_names_the_variables_that_were_used(commit, text):
    assert ci.read({**BUILDKITE, "BUILDKITE_COMMIT": commit}).text.endswith(text)


def test_the_message_for_a_missing_branch_names_the_ci_s_variable():
    with pytest.raises(InputError, match="Bitbucket names none in BITBUCKET_BRANCH"):
        decide(parsed(), read_event({"BITBUCKET_BUILD_NUMBER": "1"}), Names(on_github=False))


@pytest.mark.parametrize(
    "environ",
    [
        MERGE_REQUEST,
        AZURE_PULL_REQUEST,
        {**BUILDKITE, "BUILDKITE_PULL_REQUEST_REPO": "https://github.com/octocat/hello-world"},
    ],
    ids=["GitLab", "Azure Pipelines", "Buildkite"],
)
def test_the_repository_s_own_branches_are_not_taken_for_forks(environ):
    assert skip_reason(read_event(environ), has_key=True) == ""


def test_the_checked_out_branch_is_read_from_the_git_directory(tmp_path):
    assert ci.checked_out_branch(tmp_path) == ""
    (tmp_path / ".git").mkdir()
    head = tmp_path / ".git/HEAD"
    head.write_text("ref: refs/heads/feature/x\n", encoding="utf-8")
    (tmp_path / "a/b").mkdir(parents=True)
    assert ci.checked_out_branch(tmp_path / "a/b") == "feature/x"
    head.write_text(f"{HEAD_SHA}\n", encoding="utf-8")
    assert ci.checked_out_branch(tmp_path) == ""
    worktree = tmp_path / "worktree"
    worktree.mkdir()
    (worktree / ".git").write_text(f"gitdir: {tmp_path}/own\n", encoding="utf-8")
    (tmp_path / "own").mkdir()
    (tmp_path / "own/HEAD").write_text("ref: refs/heads/y\n", encoding="utf-8")
    assert ci.checked_out_branch(worktree) == "y"
