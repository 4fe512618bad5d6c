"""Realistic webhook payloads (`events/*.json`), and the GITHUB_* variables that GitHub sets for each event.

All payloads belong to one repository, one pull request and one head commit, so a test can combine them.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

DIRECTORY = Path(__file__).with_name("events")

REPOSITORY = "octocat/hello-world"
FORK = "monalisa/hello-world"
PULL_REQUEST = 42
HEAD_BRANCH = "feature/preview-links"
HEAD_SHA = "6dcb09b5b57875f334f61aebed695e2e4193db5e"
BASE_BRANCH = "main"
BASE_SHA = "c3d0be41ecbe669545ee3e94d31ed9a4bc91ee3c"
MERGE_SHA = "e5bd3914e2e596debea16f433f57875b5b90bcd6"

# Longer names first, so that `pull_request_target_fork` is not taken for a `pull_request`.
_EVENTS = (
    "pull_request_review_comment",
    "pull_request_review",
    "pull_request_target",
    "pull_request",
    "workflow_dispatch",
    "workflow_run",
    "repository_dispatch",
    "issue_comment",
    "merge_group",
    "deployment_status",
    "deployment",
    "release",
    "create",
    "schedule",
    "push",
)
_WORKFLOW = ".github/workflows/preview.yml"


def names() -> list[str]:
    """The names of all payloads, for `load`."""
    return sorted(path.stem for path in DIRECTORY.glob("*.json"))


def load(name: str) -> dict[str, Any]:
    """A fresh copy of the payload with that name."""
    path = DIRECTORY / f"{name}.json"
    if not path.is_file():
        raise KeyError(f"there is no event {name!r}; there are {', '.join(names())}")
    payload: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return payload


def event_name(name: str) -> str:
    """The GITHUB_EVENT_NAME of a payload: `push_tag` is a `push`. Other names are returned unchanged."""
    return next((event for event in _EVENTS if name == event or name.startswith(f"{event}_")), name)


def environment_for(name: str, payload: Mapping[str, Any]) -> dict[str, str]:
    """The GITHUB_* variables of a run with this payload; `name` is the name of a payload or of an event.

    The runner adds those that depend on the machine: URLs, paths and file commands. A field that is missing from the
    payload falls back to the value that the payloads here have, so that incomplete payloads can be run too.
    """
    event = event_name(name)
    ref, sha = _ref_and_sha(event, payload)
    repository = _text(payload, "repository", "full_name") or REPOSITORY
    actor = _text(payload, "sender", "login") or "octocat"
    variables = {
        "GITHUB_ACTION": "__run",
        "GITHUB_ACTOR": actor,
        "GITHUB_ACTOR_ID": _text(payload, "sender", "id") or "583231",
        "GITHUB_EVENT_NAME": event,
        "GITHUB_JOB": "preview",
        "GITHUB_REF": ref,
        "GITHUB_REF_NAME": _short(ref),
        "GITHUB_REF_PROTECTED": "false",
        "GITHUB_REF_TYPE": "tag" if ref.startswith("refs/tags/") else "branch",
        "GITHUB_REPOSITORY": repository,
        "GITHUB_REPOSITORY_ID": _text(payload, "repository", "id") or "1296269",
        "GITHUB_REPOSITORY_OWNER": repository.partition("/")[0],
        "GITHUB_REPOSITORY_OWNER_ID": _text(payload, "repository", "owner", "id") or "583231",
        "GITHUB_RETENTION_DAYS": "90",
        "GITHUB_RUN_ATTEMPT": "1",
        "GITHUB_RUN_ID": "9876543210",
        "GITHUB_RUN_NUMBER": "17",
        "GITHUB_SHA": sha,
        "GITHUB_TRIGGERING_ACTOR": actor,
        "GITHUB_WORKFLOW": "Preview",
        "GITHUB_WORKFLOW_REF": f"{repository}/{_WORKFLOW}@{ref}",
        "GITHUB_WORKFLOW_SHA": sha,
    }
    if event in {"pull_request", "pull_request_target"}:
        variables["GITHUB_HEAD_REF"] = _text(payload, "pull_request", "head", "ref")
        variables["GITHUB_BASE_REF"] = _text(payload, "pull_request", "base", "ref")
    return variables


def _ref_and_sha(event: str, payload: Mapping[str, Any]) -> tuple[str, str]:
    """GITHUB_REF and GITHUB_SHA, as listed in GitHub's documentation, "Events that trigger workflows"."""
    default = _text(payload, "repository", "default_branch") or BASE_BRANCH
    on_default_branch = (f"refs/heads/{default}", BASE_SHA)
    match event:
        case "pull_request" | "pull_request_review" | "pull_request_review_comment":
            return _pull_request_ref_and_sha(payload)
        case "push" if payload.get("deleted") is not True:
            return _text(payload, "ref") or on_default_branch[0], _text(payload, "after") or HEAD_SHA
        case "workflow_dispatch":
            ref = _text(payload, "ref") or on_default_branch[0]
            return ref, BASE_SHA if ref == on_default_branch[0] else HEAD_SHA
        case "merge_group":
            return _text(payload, "merge_group", "head_ref"), _text(payload, "merge_group", "head_sha")
        case "create" if _text(payload, "ref"):
            kind = "tags" if _text(payload, "ref_type") == "tag" else "heads"
            return f"refs/{kind}/{_text(payload, 'ref')}", HEAD_SHA
        case "release" if _text(payload, "release", "tag_name"):
            return f"refs/tags/{_text(payload, 'release', 'tag_name')}", HEAD_SHA
        case "deployment" | "deployment_status":
            ref, sha = _text(payload, "deployment", "ref"), _text(payload, "deployment", "sha")
            # A deployment that was created for a commit instead of a branch has an empty GITHUB_REF.
            return "" if ref in {"", sha} else f"refs/heads/{ref}", sha
    # All other events run on the default branch, including pull_request_target and a push that deletes a branch.
    return on_default_branch


def _pull_request_ref_and_sha(payload: Mapping[str, Any]) -> tuple[str, str]:
    # GITHUB_SHA is the merge commit, never the head. The payload of a new pull request does not have it yet.
    sha = _text(payload, "pull_request", "merge_commit_sha") or MERGE_SHA
    pull_request = payload.get("pull_request")
    if isinstance(pull_request, Mapping) and pull_request.get("merged") is True:
        return f"refs/heads/{_text(payload, 'pull_request', 'base', 'ref')}", sha
    number = _text(payload, "pull_request", "number") or _text(payload, "number") or str(PULL_REQUEST)
    return f"refs/pull/{number}/merge", sha


def _short(ref: str) -> str:
    for prefix in ("refs/heads/", "refs/tags/", "refs/pull/"):
        ref = ref.removeprefix(prefix)
    return ref


def _text(payload: object, *path: str) -> str:
    """The text or number at `path` as a string, "" if there is none."""
    for key in path:
        if not isinstance(payload, Mapping):
            return ""
        payload = payload.get(key)
    return str(payload) if isinstance(payload, str | int) and not isinstance(payload, bool) else ""
