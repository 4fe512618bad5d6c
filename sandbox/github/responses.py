"""GitHub's REST objects as JSON, with the fields that its documentation shows and that client libraries read."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote

from sandbox.github.state import (
    Account,
    Comment,
    Deployment,
    DeploymentStatus,
    PullRequest,
    Repository,
)

Json = dict[str, Any]

# Fields of a pull request that GitHub leaves out of lists.
_NOT_IN_LISTS = ("merged", "mergeable", "mergeable_state")


@dataclass(frozen=True, kw_only=True, slots=True)
class JsonBuilder:
    """Builds the JSON of GitHub's objects.

    Links to the API begin with `api`, links to web pages with `site`: the URLs that the client uses.
    """

    api: str
    site: str

    def user(self, account: Account) -> Json:
        """A simple user."""
        url = f"{self.api}/users/{quote(account.login)}"
        page = account.login if account.type != "Bot" else f"apps/{account.login.removesuffix('[bot]')}"
        return {
            "login": account.login,
            "id": account.id,
            "node_id": _node_id("User", account.id),
            "avatar_url": f"https://avatars.githubusercontent.com/u/{account.id}?v=4",
            "gravatar_id": "",
            "url": url,
            "html_url": f"{self.site}/{page}",
            "repos_url": f"{url}/repos",
            "type": account.type,
            "user_view_type": "public",
            "site_admin": False,
        }

    def repository(self, repository: Repository) -> Json:
        """A repository."""
        owner, _, name = repository.full_name.partition("/")
        url, page = self._repository_url(repository), f"{self.site}/{repository.full_name}"
        return {
            "id": repository.id,
            "node_id": _node_id("Repository", repository.id),
            "name": name,
            "full_name": repository.full_name,
            "private": repository.private,
            "visibility": "private" if repository.private else "public",
            "owner": self.user(Account(login=owner, id=583231)),
            "html_url": page,
            "description": None,
            "fork": False,
            "url": url,
            "branches_url": f"{url}/branches{{/branch}}",
            "comments_url": f"{url}/comments{{/number}}",
            "deployments_url": f"{url}/deployments",
            "issues_url": f"{url}/issues{{/number}}",
            "pulls_url": f"{url}/pulls{{/number}}",
            "clone_url": f"{page}.git",
            "default_branch": repository.default_branch,
            "archived": False,
            "disabled": False,
        }

    def comment(self, repository: Repository, comment: Comment) -> Json:
        """A comment on a pull request, which GitHub's API calls an issue comment."""
        url = self._repository_url(repository)
        page = f"{self.site}/{repository.full_name}/pull/{comment.number}"
        return {
            "id": comment.id,
            "node_id": _node_id("IssueComment", comment.id),
            "url": f"{url}/issues/comments/{comment.id}",
            "html_url": f"{page}#issuecomment-{comment.id}",
            "issue_url": f"{url}/issues/{comment.number}",
            "user": self.user(comment.author),
            "body": comment.body,
            "created_at": _time(comment.history[0].at),
            "updated_at": _time(comment.history[-1].at),
            "author_association": "CONTRIBUTOR" if comment.author.type == "Bot" else "OWNER",
            "performed_via_github_app": None,
        }

    def pull_request(self, repository: Repository, pull: PullRequest, repositories: Mapping[str, Repository]) -> Json:
        """A pull request as `GET /repos/{owner}/{repo}/pulls/{number}` returns it."""
        url = f"{self._repository_url(repository)}/pulls/{pull.number}"
        issue = f"{self._repository_url(repository)}/issues/{pull.number}"
        page = f"{self.site}/{repository.full_name}/pull/{pull.number}"
        closed = None if pull.state == "open" else _time(pull.created_at)
        owner = repository.full_name.partition("/")[0]
        fork = None if pull.head_repo is None else repositories.get(pull.head_repo.lower())
        return {
            "id": pull.number + 1_724_860_100,
            "node_id": _node_id("PullRequest", pull.number),
            "number": pull.number,
            "url": url,
            "html_url": page,
            "diff_url": f"{page}.diff",
            "patch_url": f"{page}.patch",
            "issue_url": issue,
            "comments_url": f"{issue}/comments",
            "commits_url": f"{url}/commits",
            "state": pull.state,
            "locked": False,
            "draft": False,
            "title": pull.title,
            "body": None,
            "user": self.user(pull.author),
            "labels": [],
            "assignee": None,
            "assignees": [],
            "created_at": _time(pull.created_at),
            "updated_at": _time(pull.created_at),
            "closed_at": closed,
            "merged_at": closed if pull.merged else None,
            "merged": pull.merged,
            "mergeable": None if closed else True,
            "mergeable_state": "unknown" if closed else "clean",
            "merge_commit_sha": pull.merge_sha,
            "head": {
                "label": f"{pull.head_owner}:{pull.head_ref}",
                "ref": pull.head_ref,
                "sha": pull.head_sha,
                "user": self.user(pull.author),
                "repo": self._head_repository(pull, fork),
            },
            "base": {
                "label": f"{owner}:{pull.base_ref}",
                "ref": pull.base_ref,
                "sha": repository.branches.get(pull.base_ref, ""),
                "user": self.user(Account(login=owner, id=583231)),
                "repo": self.repository(repository),
            },
            "_links": {"self": {"href": url}, "html": {"href": page}, "comments": {"href": f"{issue}/comments"}},
            "author_association": "OWNER",
        }

    def listed_pull_request(
        self, repository: Repository, pull: PullRequest, repositories: Mapping[str, Repository]
    ) -> Json:
        """A pull request as lists return it, without some fields."""
        whole = self.pull_request(repository, pull, repositories)
        return {name: value for name, value in whole.items() if name not in _NOT_IN_LISTS}

    def branch(self, repository: Repository, name: str) -> Json:
        """A branch and its newest commit."""
        url = f"{self._repository_url(repository)}/branches/{quote(name)}"
        sha = repository.branches[name]
        commit = f"{self._repository_url(repository)}/commits/{sha}"
        return {
            "name": name,
            "commit": {
                "sha": sha,
                "node_id": _node_id("Commit", sha),
                "url": commit,
                "html_url": f"{self.site}/{repository.full_name}/commit/{sha}",
                "parents": [],
            },
            "_links": {"self": url, "html": f"{self.site}/{repository.full_name}/tree/{name}"},
            "protected": False,
            "protection_url": f"{url}/protection",
        }

    def deployment(self, repository: Repository, deployment: Deployment) -> Json:
        """A deployment."""
        url = f"{self._repository_url(repository)}/deployments/{deployment.id}"
        changed = deployment.statuses[-1].created_at if deployment.statuses else deployment.created_at
        return {
            "id": deployment.id,
            "node_id": _node_id("Deployment", deployment.id),
            "url": url,
            "sha": deployment.sha,
            "ref": deployment.ref,
            "task": deployment.task,
            "payload": deployment.payload,
            "original_environment": deployment.environment,
            "environment": deployment.environment,
            "description": deployment.description,
            "creator": self.user(deployment.creator),
            "created_at": _time(deployment.created_at),
            "updated_at": _time(changed),
            "statuses_url": f"{url}/statuses",
            "repository_url": self._repository_url(repository),
            "transient_environment": deployment.transient_environment,
            "production_environment": deployment.production_environment,
            "performed_via_github_app": None,
        }

    def deployment_status(self, repository: Repository, deployment: Deployment, status: DeploymentStatus) -> Json:
        """A status of a deployment."""
        url = f"{self._repository_url(repository)}/deployments/{deployment.id}"
        return {
            "id": status.id,
            "node_id": _node_id("DeploymentStatus", status.id),
            "url": f"{url}/statuses/{status.id}",
            "state": status.state,
            "creator": self.user(status.creator),
            "description": status.description,
            "environment": status.environment,
            "environment_url": status.environment_url,
            "target_url": status.log_url,
            "log_url": status.log_url,
            "created_at": _time(status.created_at),
            "updated_at": _time(status.created_at),
            "deployment_url": url,
            "repository_url": self._repository_url(repository),
            "performed_via_github_app": None,
        }

    def _head_repository(self, pull: PullRequest, repository: Repository | None) -> Json | None:
        if pull.head_repo is None:
            return None
        unknown = Repository(
            full_name=pull.head_repo, id=738204511, private=False, default_branch="main", pending_contexts=()
        )
        return self.repository(repository or unknown) | {"fork": repository is None}

    def _repository_url(self, repository: Repository) -> str:
        return f"{self.api}/repos/{repository.full_name}"


def _node_id(kind: str, number: object) -> str:
    return base64.b64encode(f"{len(kind):02}:{kind}{number}".encode()).decode()


def _time(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
