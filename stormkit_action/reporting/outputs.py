"""What the step's outputs are. They have the same keys in every ending, empty where unknown."""

import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from stormkit_action.result import DeploymentResult, Result
from stormkit_action.text import encodable, one_line

OUTPUTS: Mapping[str, str] = {
    "status": "success, failed, stopped, timed-out, cancelled, skipped or running.",
    "reason": "One line: why it was skipped, failed, or not published. Empty on plain success.",
    "deployment-id": "Id of the Stormkit deployment.",
    "branch": "Branch that was deployed.",
    "commit-sha": "Commit that was built, as Stormkit reports it.",
    "duration": "How long the build took, in seconds.",
    "commit-matches": "true, false, or empty when nothing was expected or nothing is known.",
    "preview-url": "Where the deployment can be seen.",
    "details-url": "Its page on Stormkit's dashboard.",
    "published": "true or false: is it live now, as read back from Stormkit.",
    "deleted": "How many deployments delete or cleanup removed.",
    "comment-url": "The pull request comment that was written.",
    "github-deployment-id": "The GitHub Deployment that was written.",
    "result": "All of it as one JSON document, with one entry per deployment.",
}


# Linux passes at most 131,072 bytes in one environment variable, and a step that takes `result` as one has to start.
MAX_RESULT_BYTES = 120_000


class GitHubWrites(NamedTuple):
    """What was written to GitHub: the comment's URL, and the GitHub Deployments' ids by the environment's name.

    `settled` is False when a later try may still write more of it.
    """

    comment_url: str = ""
    github_deployment_ids: Mapping[str, str] = MappingProxyType({})
    settled: bool = True


def values(result: Result, written: GitHubWrites) -> dict[str, str]:
    """Every output as text."""
    main = result.main
    scalars: dict[str, Any] = _fields(main, written) if main else dict(_EMPTY)
    scalars |= {
        "deleted": result.deleted,
        "status": str(result.status),
        "reason": one_line(result.reason, 1000),
        "comment-url": written.comment_url,
    }
    entries = [
        {
            **_fields(deployment, written),
            "name": one_line(deployment.name or deployment.label),
            "env-id": deployment.env_id,
        }
        for deployment in result.deployments
    ]
    document = {"status": scalars["status"], "reason": scalars["reason"], "deployments": entries}
    texts = {name: _as_text(scalars[name]) for name in OUTPUTS if name != "result"}
    return {name: encodable(text) for name, text in {**texts, "result": _json(document)}.items()}


def _json(document: dict[str, Any]) -> str:
    """`document` as JSON of at most MAX_RESULT_BYTES, without the oldest deployments where it would be longer."""
    text = json.dumps(document, ensure_ascii=False)
    deployments = document["deployments"]
    count = len(deployments)
    while count and (size := len(text.encode("utf-8", "replace"))) > MAX_RESULT_BYTES:
        count = min(count * MAX_RESULT_BYTES // size, count - 1)
        shortened = {**document, "deployments": deployments[:count], "left-out": len(deployments) - count}
        text = json.dumps(shortened, ensure_ascii=False)
    return text


_EMPTY: Mapping[str, Any] = {
    "deployment-id": "",
    "branch": "",
    "commit-sha": "",
    "duration": None,
    "commit-matches": None,
    "preview-url": "",
    "details-url": "",
    "published": False,
    "github-deployment-id": "",
}


def _fields(deployment: DeploymentResult, written: GitHubWrites) -> dict[str, Any]:
    """One deployment's values as JSON has them: numbers, booleans, null for what is not known."""
    return {
        "status": str(deployment.status),
        "reason": one_line(deployment.reason, 1000),
        "deployment-id": deployment.deployment_id,
        "branch": one_line(deployment.branch, 300),
        "commit-sha": one_line(deployment.commit_sha, 64),
        "duration": None if deployment.duration is None else round(deployment.duration),
        "commit-matches": deployment.commit_matches,
        "preview-url": deployment.preview_url,
        "details-url": deployment.details_url,
        "published": deployment.live,
        "deleted": deployment.deleted,
        "comment-url": written.comment_url,
        "github-deployment-id": written.github_deployment_ids.get(deployment.name, ""),
    }


def _as_text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
