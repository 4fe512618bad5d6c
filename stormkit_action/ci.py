"""What other CIs say about a pipeline in their documented variables: branch, commit, default branch, fork."""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

_SHA = r"[0-9a-f]{40}"


class Pipeline(NamedTuple):
    """A pipeline of the CI called `name`. What the CI does not say is empty.

    `branch` is the source branch in a merge request. `branch_variable` and `sha_variable` are where the CI has branch
    and commit, as far as it has them. `fork` is the repository that the branch lives in, where that is another one.
    `remote_branch` is the name of a remote-tracking branch, where the CI gives no other. `request` is what the CI calls
    a pull request.
    """

    name: str
    branch: str = ""
    sha: str = ""
    default_branch: str = ""
    tag: str = ""
    fork: str = ""
    branch_variable: str = ""
    sha_variable: str = ""
    remote_branch: str = ""
    request: str = "pull request"

    @property
    def text(self) -> str:
        """The log's line about where branch and commit come from."""
        if not self.sha:
            return f"{self.name}: branch {self.branch} (from {self.branch_variable})"
        variables = f"{self.branch_variable}, {self.sha_variable}"
        return f"{self.name}: branch {self.branch}, commit {self.sha[:7]} (from {variables})"

    def branch_advice(self, given: str) -> str:
        """What to say where the branch's name was given wrongly, by the flag or variable `given`."""
        return f"{self.name} has that in {self.branch_variable}: {self.branch}. Drop {given}."


Environ = Mapping[str, str]


def read(environ: Environ) -> Pipeline | None:
    """The pipeline that `environ` describes; None in a terminal and in a CI that is not known."""
    for is_here, reader in _CIS:
        if is_here(environ):
            pipeline = reader(environ)
            return pipeline._replace(sha=pipeline.sha if pipeline.branch and re.fullmatch(_SHA, pipeline.sha) else "")
    return None


def checked_out_branch(directory: Path) -> str:
    """The branch that is checked out in the Git work tree around `directory`; empty without one."""
    for folder in (directory, *directory.parents):
        git = folder / ".git"
        try:
            if git.is_file():
                git = folder / git.read_text(encoding="utf-8").removeprefix("gitdir:").strip()
            head = (git / "HEAD").read_text(encoding="utf-8")
        except (OSError, ValueError):
            continue
        return head.removeprefix("ref: refs/heads/").strip() if head.startswith("ref: refs/heads/") else ""
    return ""


def _gitlab(environ: Environ) -> Pipeline:
    base = Pipeline(name="GitLab", request="merge request", default_branch=environ.get("CI_DEFAULT_BRANCH", ""))
    if not environ.get("CI_MERGE_REQUEST_IID"):
        return _branch(base, environ, "CI_COMMIT_BRANCH", "CI_COMMIT_SHA", tag="CI_COMMIT_TAG")
    # Set in pipelines for merged results alone, where CI_COMMIT_SHA is the merge commit.
    sha = "CI_MERGE_REQUEST_SOURCE_BRANCH_SHA"
    sha = sha if environ.get(sha) else "CI_COMMIT_SHA"
    source, target = (environ.get(f"CI_MERGE_REQUEST_{side}PROJECT_ID", "") for side in ("SOURCE_", ""))
    fork = environ.get("CI_MERGE_REQUEST_SOURCE_PROJECT_PATH") or f"project {source}" if source != target else ""
    return _branch(base, environ, "CI_MERGE_REQUEST_SOURCE_BRANCH_NAME", sha)._replace(fork=fork)


def _bitbucket(environ: Environ) -> Pipeline:
    return _branch(Pipeline(name="Bitbucket"), environ, "BITBUCKET_BRANCH", "BITBUCKET_COMMIT", tag="BITBUCKET_TAG")


def _jenkins(environ: Environ) -> Pipeline:
    base = Pipeline(name="Jenkins")
    if environ.get("CHANGE_ID"):
        # GIT_COMMIT may be a merge commit of Jenkins' own, so no commit is expected.
        return _branch(base, environ, "CHANGE_BRANCH", "")._replace(fork=environ.get("CHANGE_FORK", ""))
    pipeline = _branch(base, environ, "BRANCH_NAME", "GIT_COMMIT", tag="TAG_NAME")
    remote = "" if pipeline.branch or pipeline.tag else environ.get("GIT_BRANCH", "")
    return pipeline._replace(remote_branch=remote if remote.startswith("origin/") else "")


def _circleci(environ: Environ) -> Pipeline:
    fork = "/".join(filter(None, map(environ.get, ("CIRCLE_PR_USERNAME", "CIRCLE_PR_REPONAME"))))
    pipeline = _branch(Pipeline(name="CircleCI"), environ, "CIRCLE_BRANCH", "CIRCLE_SHA1", tag="CIRCLE_TAG")
    return pipeline._replace(fork=fork)


def _buildkite(environ: Environ) -> Pipeline:
    base = Pipeline(name="Buildkite", default_branch=environ.get("BUILDKITE_PIPELINE_DEFAULT_BRANCH", ""))
    source, own = environ.get("BUILDKITE_PULL_REQUEST_REPO", ""), environ.get("BUILDKITE_REPO", "")
    fork = source if _repository(source) not in ("", _repository(own)) else ""
    pipeline = _branch(base, environ, "BUILDKITE_BRANCH", "BUILDKITE_COMMIT", tag="BUILDKITE_TAG")
    return pipeline._replace(fork=fork)


def _repository(url: str) -> str:
    """ "owner/name" of a clone URL, of which Buildkite tells one in each of two spellings."""
    return "/".join(re.split(r"[/:]", url.lower().removesuffix(".git"))[-2:])


def _azure(environ: Environ) -> Pipeline:
    base = Pipeline(name="Azure Pipelines")
    if environ.get("SYSTEM_PULLREQUEST_PULLREQUESTID"):
        is_fork = environ.get("SYSTEM_PULLREQUEST_ISFORK", "").lower() == "true"
        fork = environ.get("SYSTEM_PULLREQUEST_SOURCEREPOSITORYURI") or "another repository" if is_fork else ""
        commit = "SYSTEM_PULLREQUEST_SOURCECOMMITID"
        return _branch(base, environ, "SYSTEM_PULLREQUEST_SOURCEBRANCH", commit)._replace(fork=fork)
    ref = environ.get("BUILD_SOURCEBRANCH", "")
    if ref.startswith("refs/tags/"):
        return base._replace(tag=ref.removeprefix("refs/tags/"))
    return _branch(base, environ, "BUILD_SOURCEBRANCH", "BUILD_SOURCEVERSION")


def _woodpecker(environ: Environ) -> Pipeline:
    base = Pipeline(name="Woodpecker", default_branch=environ.get("CI_REPO_DEFAULT_BRANCH", ""))
    # In a pull request CI_COMMIT_BRANCH is the target.
    source = "CI_COMMIT_SOURCE_BRANCH"
    return _branch(
        base, environ, source if environ.get(source) else "CI_COMMIT_BRANCH", "CI_COMMIT_SHA", tag="CI_COMMIT_TAG"
    )


def _branch(pipeline: Pipeline, environ: Environ, branch: str, sha: str, *, tag: str = "") -> Pipeline:
    """`pipeline` with branch, commit and tag from the variables of these names."""
    pipeline = pipeline._replace(branch_variable=branch, sha_variable=sha)
    tag_name, name = environ.get(tag, ""), environ.get(branch, "").removeprefix("refs/heads/")
    if tag_name:
        return pipeline._replace(tag=tag_name)
    if not name or name.startswith("refs/"):
        return pipeline
    return pipeline._replace(branch=name, sha=environ.get(sha, ""))


_CIS: tuple[tuple[Callable[[Environ], bool], Callable[[Environ], Pipeline]], ...] = (
    (lambda environ: environ.get("GITLAB_CI") == "true", _gitlab),
    (lambda environ: "BITBUCKET_BUILD_NUMBER" in environ, _bitbucket),
    (lambda environ: "JENKINS_URL" in environ, _jenkins),
    (lambda environ: environ.get("CIRCLECI") == "true", _circleci),
    (lambda environ: environ.get("BUILDKITE") == "true", _buildkite),
    (lambda environ: environ.get("TF_BUILD", "").lower() == "true", _azure),
    (lambda environ: environ.get("CI") == "woodpecker", _woodpecker),
)
