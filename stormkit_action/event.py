"""What happened on GitHub: repository, branch, commit, pull request, fork, run."""

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from stormkit_action import ci, fields
from stormkit_action.ci import Pipeline
from stormkit_action.errors import InputError
from stormkit_action.text import encodable

PULL_REQUEST_EVENTS = frozenset({"pull_request", "pull_request_target"})
DEPENDABOT = "dependabot[bot]"
_SHA = re.compile(r"[0-9a-f]{40,64}")
_QUEUE_REF = r"(?:refs/heads/)?gh-readonly-queue/.+/pr-(?P<number>[0-9]{1,9})-[0-9a-f]{40,64}"
_COUNT = re.compile(r"[0-9]{1,18}")

Json = Mapping[str, Any]

_NO_EVENT_FILE = (
    "The event file {} does not exist: the runner's work directory is not visible in containers. On a runner that runs"
    " in a container itself, mount its work directory at the same path on the Docker host; on Kubernetes, put it on a"
    " volume that the job's containers share."
)


class Repository(NamedTuple):
    """A repository: its id (None where it is not known) and "owner/name". A fork that was deleted has neither."""

    id: int | None = None
    name: str = ""

    def is_same(self, other: "Repository") -> bool:
        """Whether both are one repository. Ids decide where both are known: a name changes, an id doesn't."""
        if self.id is not None and other.id is not None:
            return self.id == other.id
        return self.name.lower() == other.name.lower()


class PullRequest(NamedTuple):
    """A pull request. `head_repository` is "owner/name", empty when the fork was deleted."""

    number: int
    head_ref: str
    head_sha: str
    head_repository: str
    head_repository_id: int | None = None
    state: str = "open"

    @property
    def closed(self) -> bool:
        """Whether it is closed, merged or not."""
        return self.state == "closed"


class Run(NamedTuple):
    """The workflow run. Ids grow from run to run; a re-run keeps its id and counts its attempts."""

    id: int = 0
    attempt: int = 1
    job: str = ""
    url: str = ""


class Event(NamedTuple):
    """The event that started the workflow.

    `branch` is the branch it is about (empty where it is not about one) and `sha` the commit at its head.
    `pull_request_closed` is what the payload says; the pull request may have changed since.
    `head_repository` is where the branch lives when the payload says so ("owner/name", empty for a deleted fork, None
    when it doesn't).
    `branch_may_be_tag` is True where the payload doesn't tell a tag from a branch: only GitHub knows whether there is
    such a branch.
    `follows_pull_request_run` is True for the `workflow_run` after a run that a pull request started.
    Outside GitHub `pipeline` is what another CI says, and `checked_out` the branch of the Git work tree in a terminal.
    """

    name: str = ""
    action: str = ""
    repository: str = ""
    repository_id: int | None = None
    default_branch: str = ""
    branch: str = ""
    sha: str = ""
    tag: str = ""
    ref_deleted: bool = False
    branch_may_be_tag: bool = False
    follows_pull_request_run: bool = False
    pull_request_number: int | None = None
    pull_request_closed: bool = False
    head_repository: str | None = None
    head_repository_id: int | None = None
    actor: str = ""
    run: Run = Run()
    pipeline: Pipeline | None = None
    checked_out: str = ""
    api_url: str = "https://api.github.com"

    @property
    def closes_pull_request(self) -> bool:
        """Whether a pull request was closed (merged or not)."""
        return self.name in PULL_REQUEST_EVENTS and self.action == "closed"

    @property
    def from_fork(self) -> bool:
        """Whether the branch lives in another repository than the one whose workflow runs."""
        if self.head_repository is None:
            return False
        return not self.base.is_same(Repository(id=self.head_repository_id, name=self.head_repository))

    @property
    def base(self) -> Repository:
        """The repository whose workflow runs."""
        return Repository(id=self.repository_id, name=self.repository)

    @property
    def in_merge_queue(self) -> bool:
        """Whether the branch is a merge queue's own: the pull request's comment is not about it."""
        return self.name == "merge_group"

    @property
    def needs_pull_request(self) -> bool:
        """Whether branch and commit are known only after asking GitHub for the pull request."""
        return self.name == "issue_comment" and self.pull_request_number is not None

    @property
    def on_github(self) -> bool:
        """Whether a GitHub workflow runs this, rather than another CI or a terminal."""
        return bool(self.name)


def read(environ: Mapping[str, str]) -> Event:
    """Read the event from the runner's variables and its event file. Raises InputError."""
    name = environ.get("GITHUB_EVENT_NAME", "")
    if not name:
        return _elsewhere(environ)
    payload = _payload(environ.get("GITHUB_EVENT_PATH", ""))
    repository = environ.get("GITHUB_REPOSITORY") or _full_name(payload.get("repository"))
    server_url = environ.get("GITHUB_SERVER_URL") or "https://github.com"
    event = Event(
        name=name,
        action=_text(payload, "action"),
        repository=repository,
        repository_id=_id(environ.get("GITHUB_REPOSITORY_ID"), _at(payload, "repository", "id")),
        default_branch=_text(payload.get("repository"), "default_branch"),
        actor=environ.get("GITHUB_ACTOR", ""),
        run=_run(environ, server_url, repository),
        api_url=environ.get("GITHUB_API_URL") or "https://api.github.com",
    )
    return _READERS.get(name, _ref_event)(event, payload, environ)


def _elsewhere(environ: Mapping[str, str]) -> Event:
    """The event outside GitHub: the pipeline of another CI, or none in a terminal."""
    pipeline = ci.read(environ)
    if pipeline is None:
        return Event(checked_out=ci.checked_out_branch(Path.cwd()))
    return Event(
        branch=pipeline.branch,
        sha=pipeline.sha,
        tag=pipeline.tag,
        default_branch=pipeline.default_branch,
        head_repository=pipeline.fork or None,
        pipeline=pipeline,
    )


def _payload(path: str) -> Json:
    if not path:
        raise InputError(["GITHUB_EVENT_PATH is not set, so the event is not known; GitHub's runner sets it."])
    try:
        payload = json.loads(Path(path).read_bytes().decode("utf-8-sig", "replace"))
    except FileNotFoundError:
        raise InputError([_NO_EVENT_FILE.format(path)]) from None
    except OSError as error:
        raise InputError(
            [f"The event file {path} can't be read ({error.strerror}). GitHub's runner writes it; run the job again."]
        ) from None
    except (ValueError, RecursionError):
        raise InputError(
            [f"The event file {path} is not JSON. GitHub's runner writes it; run the job again."]
        ) from None
    if not isinstance(payload, dict):
        raise InputError([f"The event file {path} is not a JSON object. GitHub's runner writes it; run the job again."])
    return payload


def _pull_request_event(event: Event, payload: Json, _environ: Mapping[str, str]) -> Event:
    pull_request = pull_request_from(payload.get("pull_request"))
    if pull_request is None:
        raise InputError(
            [
                f"The {event.name} event has no usable pull_request in its event file: number, head.ref, head.sha are"
                " needed."
            ]
        )
    return _about(event, pull_request)


def _about(event: Event, pull_request: PullRequest) -> Event:
    return event._replace(
        branch=pull_request.head_ref,
        sha=pull_request.head_sha,
        pull_request_number=pull_request.number,
        pull_request_closed=pull_request.closed,
        head_repository=pull_request.head_repository,
        head_repository_id=pull_request.head_repository_id,
    )


def _workflow_run_event(event: Event, payload: Json, _environ: Mapping[str, str]) -> Event:
    run = payload.get("workflow_run")
    if not isinstance(run, Mapping):
        raise InputError(["The workflow_run event has no workflow_run in its event file; run the job again."])
    entries = run.get("pull_requests")
    numbers = [_number(entry) for entry in entries if _is_of(event, entry)] if isinstance(entries, list) else []
    branch = _text(run, "head_branch")
    follows_pull_request = run.get("event") in PULL_REQUEST_EVENTS
    return event._replace(
        branch=branch,
        sha=_sha(run.get("head_sha")),
        # `head_branch` is the tag's name for a run of a tag, and nothing else in the payload says so.
        branch_may_be_tag=not follows_pull_request and branch != event.default_branch,
        follows_pull_request_run=follows_pull_request,
        pull_request_number=next(filter(None, numbers), None),
        head_repository=_full_name(run.get("head_repository")),
        head_repository_id=_id(_at(run, "head_repository", "id")),
    )


def _is_of(event: Event, pull_request: object) -> bool:
    """Whether a pull request is one of the event's repository.

    GitHub lists those that have the run's head, and these may belong to other repositories of the network too.
    """
    return _at(pull_request, "base", "repo", "id") in (None, event.repository_id)


def _issue_comment_event(event: Event, payload: Json, _environ: Mapping[str, str]) -> Event:
    issue = payload.get("issue")
    number = _number(issue)
    if not isinstance(issue, Mapping) or number is None:
        raise InputError(["The issue_comment event has no usable issue in its event file; run the job again."])
    if not isinstance(issue.get("pull_request"), Mapping):
        return event
    return event._replace(pull_request_number=number, pull_request_closed=issue.get("state") == "closed")


def _merge_group_event(event: Event, payload: Json, _environ: Mapping[str, str]) -> Event:
    group = payload.get("merge_group")
    ref = _text(group, "head_ref")
    match = re.fullmatch(_QUEUE_REF, ref)
    return event._replace(
        branch=ref.removeprefix("refs/heads/"),
        sha=_sha(_at(group, "head_sha")),
        pull_request_number=int(match["number"]) if match else None,
    )


def _push_event(event: Event, payload: Json, environ: Mapping[str, str]) -> Event:
    if payload.get("deleted") is True:
        return _deleted_ref_event(event, _text(payload, "ref"))
    return _ref_event(event, payload, environ)


def _delete_event(event: Event, payload: Json, _environ: Mapping[str, str]) -> Event:
    kind = "tags" if payload.get("ref_type") == "tag" else "heads"
    return _deleted_ref_event(event, f"refs/{kind}/{_text(payload, 'ref')}")


def _deleted_ref_event(event: Event, ref: str) -> Event:
    """The event of a ref that is gone. GITHUB_REF names the default branch then."""
    if ref.startswith("refs/tags/"):
        return event._replace(tag=ref.removeprefix("refs/tags/"), ref_deleted=True)
    return event._replace(branch=ref.removeprefix("refs/heads/"), ref_deleted=True)


def _ref_event(event: Event, payload: Json, environ: Mapping[str, str]) -> Event:
    # Reviews carry their pull request too, and so whether it comes from a fork.
    pull_request = pull_request_from(payload.get("pull_request"))
    if pull_request:
        return _about(event, pull_request)
    ref, sha = _text(environ, "GITHUB_REF"), _sha(environ.get("GITHUB_SHA"))
    if ref.startswith("refs/heads/"):
        return event._replace(branch=ref.removeprefix("refs/heads/"), sha=sha)
    if ref.startswith("refs/tags/"):
        return event._replace(tag=ref.removeprefix("refs/tags/"))
    return event


_READERS: Mapping[str, Callable[[Event, Json, Mapping[str, str]], Event]] = {
    "pull_request": _pull_request_event,
    "pull_request_target": _pull_request_event,
    "workflow_run": _workflow_run_event,
    "issue_comment": _issue_comment_event,
    "merge_group": _merge_group_event,
    "push": _push_event,
    "delete": _delete_event,
}


def pull_request_from(data: object) -> PullRequest | None:
    """A pull request from GitHub's JSON; None when number, head ref or head sha are missing."""
    head = _at(data, "head")
    number, ref, sha = _number(data), _text(head, "ref"), _sha(_at(head, "sha"))
    if number is None or not ref or not sha:
        return None
    return PullRequest(
        number=number,
        head_ref=ref,
        head_sha=sha,
        head_repository=_full_name(_at(head, "repo")),
        head_repository_id=_id(_at(head, "repo", "id")),
        state=_text(data, "state") or "open",
    )


def _run(environ: Mapping[str, str], server_url: str, repository: str) -> Run:
    run_id, attempt = environ.get("GITHUB_RUN_ID", ""), environ.get("GITHUB_RUN_ATTEMPT", "")
    if not _COUNT.fullmatch(run_id) or not repository:
        return Run(job=environ.get("GITHUB_JOB", ""))
    number = int(attempt) if _COUNT.fullmatch(attempt) else 1
    return Run(
        id=int(run_id),
        attempt=number,
        job=environ.get("GITHUB_JOB", ""),
        url=f"{server_url}/{repository}/actions/runs/{run_id}/attempts/{number}",
    )


def _at(data: object, *keys: str) -> object:
    """The value at this path of a JSON document; None where there is none."""
    for key in keys:
        data = data.get(key) if isinstance(data, Mapping) else None
    return data


def _text(data: object, key: str) -> str:
    """A string that any file can hold; empty for anything else."""
    return encodable(fields.text(_at(data, key)))


def _full_name(repository: object) -> str:
    """ "owner/name"; empty for a repository that is gone (GitHub sends null for a deleted fork)."""
    return _text(repository, "full_name")


def _number(data: object) -> int | None:
    """The number of an issue or a pull request."""
    number = _at(data, "number")
    return number if isinstance(number, int) and not isinstance(number, bool) and number > 0 else None


def _id(*values: object) -> int | None:
    """The first of `values` that is an id, as a number or in digits."""
    for value in values:
        if isinstance(value, str) and _COUNT.fullmatch(value):
            return int(value)
        if isinstance(value, int) and not isinstance(value, bool):
            return value
    return None


def _sha(value: object) -> str:
    return value if isinstance(value, str) and _SHA.fullmatch(value) else ""
