"""The JSON of Stormkit's answers, which differs between generations of servers."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from sandbox.stormkit.builds import LogEntry
from sandbox.stormkit.records import Deployment
from sandbox.stormkit.state import Generation, Refusal

Json = dict[str, Any]

DOCS = "https://www.stormkit.io/docs/api"
CODES = {400: "bad-request", 402: "payment-required", 403: "forbidden", 404: "not-found"}
MESSAGES = {
    402: "You have exceeded your build minutes limit. Please upgrade your subscription to continue.",
    403: "The API key is missing, invalid, or has no access to this resource.",
    404: "The requested resource was not found.",
}
# How many lines of the failing step a `failureSummary` has at most.
MAX_SUMMARY_LINES = 20


@dataclass(kw_only=True, slots=True)
class AnswerOptions:
    """How a server's answers differ from the usual ones.

    `without`: names of fields that deployments lack.
    `overrides`: fields that are replaced or added.
    `abbreviated`: if not 0, a commit's SHA is cut to this many digits.
    `stopped_status`: the status of a stopped deployment.
    `previews`: whether deployments have a preview URL.
    `documented_trigger`: whether a trigger is answered with the fields that Stormkit's documentation lists, instead of
    those that its servers send.
    `domain`: if set, each host below it has its own meaning: `api.`, `stormkit.` (the dashboard) and the previews'.
    """

    without: set[str] = field(default_factory=set)
    overrides: Json = field(default_factory=dict)
    abbreviated: int = 0
    stopped_status: str = "failed"
    previews: bool = True
    documented_trigger: bool = False
    dashboard_url: str = "https://app.stormkit.io"
    domain: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class JsonBuilder:
    """Builds the JSON for one request. `origin` is the server's origin as the client knows it."""

    generation: Generation
    answers: AnswerOptions
    origin: str

    def deployment(self, deployment: Deployment, *, logs: bool = False) -> Json:
        """A deployment."""
        env = deployment.env
        details_path = f"/apps/{env.app.id}/environments/{env.id}/deployments/{deployment.id}"
        entries, checks = (deployment.logs, deployment.checks) if logs else (None, None)
        body = {
            "id": deployment.id,
            "appId": env.app.id,
            "envId": env.id,
            "envName": env.name,
            "displayName": env.app.name,
            "repo": f"github/{env.app.repository.name}",
            "branch": deployment.branch,
            "status": self.status(deployment),
            "error": deployment.error,
            "isAutoDeploy": deployment.auto,
            "isAutoPublish": deployment.should_publish,
            "stoppedManually": deployment.stopped_manually,
            "statusChecksPassed": deployment.checks_passed,
            "apiPathPrefix": "/api" if deployment.is_april else "",
            "previewUrl": self._preview_url(deployment),
            "detailsUrl": details_path,
            "duration": _duration(deployment),
            "createdAt": _seconds(deployment.created_at),
            "stoppedAt": None if deployment.stopped_at is None else _seconds(deployment.stopped_at),
            "commit": self._commit(deployment),
            "snapshot": _snapshot(deployment),
            "logs": self._entries(entries),
            "statusChecks": self._entries(checks),
            "published": self._published(deployment),
            "uploadResult": None if deployment.upload is None else dict(deployment.upload),
        }
        if self.generation is Generation.NEWER:
            body["isWarmingUp"] = deployment.warming_up
            if deployment.status == "failed" and not deployment.stopped_manually:
                body["failureSummary"] = failure_summary(deployment)
                body["logsUrl"] = f"{self.answers.dashboard_url}{details_path}"
        return self._with_overrides(body)

    def triggered(self, deployment: Deployment) -> Json:
        """The answer to `POST /v1/deploy`."""
        if not self.answers.documented_trigger:
            return self.deployment(deployment)
        env = deployment.env
        return self._with_overrides(
            {
                "id": deployment.id,
                "appId": env.app.id,
                "envId": env.id,
                "branch": deployment.branch,
                "checkoutRepo": f"github/{env.app.repository.name}",
                "shouldPublish": deployment.should_publish,
                "isAutoDeploy": deployment.auto,
                "pullRequestNumber": None,
                "isFork": False,
                "commit": self._commit(deployment),
                "createdAt": _seconds(deployment.created_at),
                "stoppedAt": None,
            }
        )

    def status(self, deployment: Deployment) -> str:
        """The status that the server reports."""
        return self.answers.stopped_status if deployment.stopped_manually else deployment.status

    def _preview_url(self, deployment: Deployment) -> str:
        if not self.answers.previews:
            return ""
        if self.answers.domain:
            return f"http://{deployment.env.app.name}--{deployment.id}.{self.answers.domain}"
        return f"{self.origin}/preview/{deployment.id}/"

    def _commit(self, deployment: Deployment) -> Json:
        commit = deployment.commit
        if commit is None:
            return {"author": None, "message": None, "sha": None}
        sha = commit.sha[: self.answers.abbreviated] if self.answers.abbreviated else commit.sha
        return {"author": commit.author or None, "message": commit.message or None, "sha": sha}

    def _published(self, deployment: Deployment) -> bool | list[Json]:
        if self.generation is Generation.NEWER:
            return deployment.published
        return [{"envId": deployment.env.id, "percentage": 100}] if deployment.published else []

    def _entries(self, entries: Iterable[LogEntry] | None) -> list[Json] | None:
        """A log. Older servers send null for an empty one."""
        if entries is None:
            return None
        rows = [
            {
                "title": entry.title,
                "message": entry.message,
                "status": entry.status,
                "payload": None,
                "duration": int(entry.duration) if self.generation is Generation.APRIL else round(entry.duration),
            }
            for entry in entries
        ]
        return rows or (None if self.generation is Generation.OLDER else [])

    def _with_overrides(self, body: Json) -> Json:
        without = self.answers.without
        return {name: value for name, value in {**body, **self.answers.overrides}.items() if name not in without}


def _duration(deployment: Deployment) -> int:
    """The duration in whole seconds; v2026.04.17 subtracts the two truncated times (recorded: deploy-success)."""
    if deployment.is_april and deployment.stopped_at is not None:
        return int(deployment.stopped_at) - int(deployment.created_at)
    return round(deployment.duration)


def _snapshot(deployment: Deployment) -> Json | None:
    """The configuration of the build, null after a restart (recorded: restart-after-failure)."""
    env = deployment.env
    if not deployment.configured:
        return None
    build: Json = {"buildCmd": env.build_command, "distFolder": env.output_folder, "vars": dict(env.variables)}
    if deployment.is_april:
        build["previewLinks"] = None
    if env.status_checks:
        build["statusChecks"] = [dict(check) for check in env.status_checks]
    return {"build": build, "env": env.name, "envId": env.id}


def failure_summary(deployment: Deployment) -> str:
    """The last lines of the step or status check that failed."""
    failing = [entry for entry in (*(deployment.logs or ()), *(deployment.checks or ())) if not entry.status]
    return "\n".join(failing[-1].message.splitlines()[-MAX_SUMMARY_LINES:]) if failing else ""


def refusal(generation: Generation, refused: Refusal) -> Json | str | None:
    """The body of an error. Only newer servers send one with 403 and 404 (recorded: refusals)."""
    message = refused.message or MESSAGES.get(refused.status, "")
    if refused.text is not None:
        return refused.text
    match refused.status:
        case 400 if refused.field_name:
            return {"errors": {refused.field_name: message}}
        case 400:
            return {"errors": [message]}
        case 402:
            return {"error": message}
        case 500:
            return {"ok": False, "error": "unexpected-error"}
    if generation is not Generation.NEWER:
        return {"error": refused.message} if refused.message else None
    return {"error": message, "code": CODES.get(refused.status, "error"), "docs": DOCS}


def encoded(body: Json) -> bytes:
    """The body as JSON. Bytes of a log that are not UTF-8 are sent unchanged."""
    return json.dumps(body, ensure_ascii=False).encode("utf-8", "surrogateescape")


def _seconds(unix_time: float) -> str:
    return str(int(unix_time))
