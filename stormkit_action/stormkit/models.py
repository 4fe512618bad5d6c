"""What Stormkit reports about a deployment, parsed once.

Only `id` and `status` can be counted on: other fields come and go between server versions, so all others have a value
for "not reported". Texts are foreign: whoever shows one escapes it.
"""

import re
from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple

from stormkit_action import fields
from stormkit_action.text import duration as duration_text

_ID = r"[A-Za-z0-9_-]{1,64}"
# Fewer than 8 digits prove nothing: the documentation's example has 8, real servers report all 40.
_BUILT_SHA = r"[0-9a-f]{8,64}"

# Stormkit ends a build after this long, the queue included. A job looks once a minute, so it takes up to a minute more.
TIME_LIMIT_S = 900.0

# The step that prints every variable with its value, and what the server's own variables begin with.
_VARIABLES_STEP = "environment variables"
_SERVER_VARIABLES = ("SK_", "STORMKIT", "MISE_", "NODE_")

# Splitting a text into lines can take 20 times its memory, so only this much of these two is split.
MAX_VARIABLES_CHARACTERS = 250_000
MAX_SUMMARY_CHARACTERS = 250_000

_MISSING_BRANCH = r"(?m)^fatal: Remote branch (\S+) not found in upstream"


# What a restart drops on servers that lose the environment's configuration then.
CONFIGURATION = "variables, build command, output folder and status checks"


class Status(StrEnum):
    """The state of a deployment. `running` covers the queue, the build and the status checks after it."""

    RUNNING = "running"
    SUCCESS = "success"
    FAILED = "failed"
    STOPPED = "stopped"

    @classmethod
    def parse(cls, text: str) -> "Status":
        """The status called `text`; an unknown one counts as still running."""
        try:
            return cls(text)
        except ValueError:
            return cls.RUNNING


class Commit(NamedTuple):
    """The commit that was built; None until the build has checked it out. `sha` may be abbreviated."""

    sha: str | None = None
    author: str | None = None
    message: str | None = None


class LogStep(NamedTuple):
    """One step of a build, or one status check: `message` is its output, `duration` is in seconds."""

    title: str
    message: str
    ok: bool
    duration: float


class UploadSize(NamedTuple):
    """What was uploaded, in bytes."""

    client: int
    server: int
    serverless: int


class Deployment(NamedTuple):
    """One deployment of an environment.

    `unknown_status` is a status that this program does not know (it counts as running). `published`, `is_auto_deploy`,
    `status_checks_passed`, `warming_up` and `configuration_lost` are None where the server does not report them.
    `duration` is in seconds, 0 while running.

    `configuration_lost` is True after a restart that ran without the environment's configuration (variables, build
    command, output folder and status checks): its status says nothing then.
    """

    id: str
    status: Status
    unknown_status: str = ""
    branch: str = ""
    commit: Commit = Commit()
    error: str = ""
    app_name: str = ""
    env_id: str = ""
    env_name: str = ""
    is_auto_deploy: bool | None = None
    status_checks_passed: bool | None = None
    preview_url: str = ""
    details_path: str = ""
    failure_summary: str = ""
    duration: float = 0.0
    created_at: datetime | None = None
    stopped_at: datetime | None = None
    published: bool | None = None
    warming_up: bool | None = None
    logs: tuple[LogStep, ...] = ()
    status_checks: tuple[LogStep, ...] = ()
    upload: UploadSize | None = None
    configuration_lost: bool | None = None

    @property
    def running(self) -> bool:
        """Whether it may still change by itself."""
        return self.status is Status.RUNNING

    @property
    def name(self) -> str:
        """Its app and environment, for people; empty when the server reports neither."""
        return " / ".join(part for part in (self.app_name, self.env_name) if part)

    @property
    def failing_step(self) -> LogStep | None:
        """The step or status check that failed, the last one if there are several."""
        failing = [step for step in (*self.logs, *self.status_checks) if not step.ok]
        return failing[-1] if failing else None

    @property
    def has_hit_time_limit(self) -> bool:
        """Whether Stormkit's own time limit ended it."""
        return (
            self.status is Status.FAILED
            and self.duration >= TIME_LIMIT_S
            and not self.error
            and self.status_checks_passed is not False
        )

    @property
    def has_failed_checks(self) -> bool:
        """Whether the build itself succeeded, but its status checks failed or were stopped."""
        return self.status_checks_passed is False and not self.error and all(step.ok for step in self.logs)

    def without_output(self) -> "Deployment":
        """The deployment without any line of build output, for `build-log: never`."""
        return self._replace(logs=(), status_checks=(), failure_summary="")

    @classmethod
    def from_api(cls, data: Mapping[str, Any]) -> "Deployment":
        """A deployment from a JSON object. Raises ValueError when `id` or `status` is missing."""
        raw_status = fields.text(data.get("status"))
        if not raw_status:
            raise ValueError("the deployment has no status")
        status = Status.parse(raw_status)
        if status is Status.FAILED and data.get("stoppedManually") is True:
            # Real servers report a stop as a failure (the documentation has a status of its own for it).
            status = Status.STOPPED
        variables = _variables(data.get("snapshot"))
        running = status is Status.RUNNING
        return cls(
            id=parse_id(data.get("id")),
            status=status,
            unknown_status="" if raw_status in set(Status) else raw_status,
            branch=fields.text(data.get("branch")),
            commit=_commit(data.get("commit")),
            error=fields.text(data.get("error")),
            app_name=fields.text(data.get("displayName")),
            env_id=fields.text(data.get("envId")),
            env_name=fields.text(data.get("envName")),
            is_auto_deploy=fields.flag(data.get("isAutoDeploy")),
            status_checks_passed=fields.flag(data.get("statusChecksPassed")),
            preview_url=fields.web_url(data.get("previewUrl")),
            details_path=fields.url_path(data.get("detailsUrl")),
            failure_summary=_without_values(fields.text(data.get("failureSummary")), variables),
            duration=max(0.0, fields.number(data.get("duration"))),
            created_at=fields.unix_time(data.get("createdAt")),
            stopped_at=fields.unix_time(data.get("stoppedAt")),
            published=_published(data.get("published")),
            warming_up=fields.flag(data.get("isWarmingUp")),
            logs=_steps(data.get("logs"), variables, running=running),
            status_checks=_steps(data.get("statusChecks"), variables, running=running),
            upload=_upload(data.get("uploadResult")),
            configuration_lost=data["snapshot"] is None if "snapshot" in data else None,
        )


class Page(NamedTuple):
    """One page of the deployments list, newest first; `server_date` is the server's clock, where it is known."""

    deployments: tuple[Deployment, ...]
    has_next: bool
    server_date: datetime | None = None


class PolledStatus(NamedTuple):
    """A status, and the server's own word for it where this program does not know it."""

    status: Status
    unknown_status: str = ""


def parse_id(value: object) -> str:
    """A deployment id (a decimal string on real servers). Raises ValueError when it can't be one."""
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else fields.text(value)
    if not re.fullmatch(_ID, text):
        raise ValueError("the deployment has no usable id")
    return text


def is_newer(one: Deployment, other: Deployment) -> bool:
    """Whether `one` was created after `other`: Stormkit's ids grow."""
    if one.id.isdecimal() and other.id.isdecimal():
        return int(one.id) > int(other.id)
    return one.created_at is not None and other.created_at is not None and one.created_at > other.created_at


def commits_match(built: str | None, expected: str) -> bool | None:
    """Whether `built` is the commit `expected`; None when that can't be known.

    `built` may be abbreviated to 8 digits and `expected` to 7.
    """
    if not built or not expected:
        return None
    one, other = built.lower(), expected.lower()
    if not re.fullmatch(_BUILT_SHA, one):
        return None
    return one.startswith(other) or other.startswith(one)


def _commit(value: object) -> Commit:
    if not isinstance(value, Mapping):
        return Commit()
    return Commit(
        sha=fields.text(value.get("sha")) or None,
        author=_author(fields.text(value.get("author"))) or None,
        message=fields.text(value.get("message")) or None,
    )


def _published(value: object) -> bool | None:
    """A boolean on newer servers; on older ones a list of where it is live, empty when nowhere."""
    if isinstance(value, bool):
        return value
    if isinstance(value, list):
        return any(not isinstance(entry, Mapping) or entry.get("percentage") != 0 for entry in value)
    return None


def _author(text: str) -> str:
    """The name in `Name <mail address>`: a public log is no place for addresses."""
    name = re.sub(r"<[^>]*>?", "", text)
    return " ".join(word for word in name.split() if "@" not in word)


def _steps(value: object, variables: Mapping[str, object], *, running: bool) -> tuple[LogStep, ...]:
    if not isinstance(value, list):
        return ()
    return tuple(_step(entry, variables, running=running) for entry in value if isinstance(entry, Mapping))


def _step(entry: Mapping[str, Any], variables: Mapping[str, object], *, running: bool) -> LogStep:
    """One step, without the values of `variables`."""
    title, message = fields.text(entry.get("title")), fields.text(entry.get("message"))
    duration = fields.number(entry.get("duration"))
    # The step that runs has `status: false`, a duration of minus the Unix time, and one line break more than later. A
    # status check that runs has a duration of 0.
    if duration < 0:
        message = message.removesuffix("\n")
    if title.strip().lower() == _VARIABLES_STEP:
        message = _names(message, variables)
    return LogStep(
        title=title,
        message=message,
        ok=entry.get("status") is not False or (running and duration <= 0),
        duration=max(0.0, duration),
    )


def _variables(snapshot: object) -> Mapping[str, object]:
    """The environment's variables with their values, which are used to drop them from the log, and never kept."""
    build = snapshot.get("build") if isinstance(snapshot, Mapping) else None
    variables = build.get("vars") if isinstance(build, Mapping) else None
    return variables if isinstance(variables, Mapping) else {}


def _names(message: str, variables: Mapping[str, object]) -> str:
    """The names in a list of `NAME=value` lines.

    A value may have several lines, which may look like anything: only names that are known are shown.
    """
    lines = message[:MAX_VARIABLES_CHARACTERS].split("\n")
    names = [line.partition("=")[0] for line in lines if "=" in line]
    return "".join(f"{name}\n" for name in names if name in variables or name.startswith(_SERVER_VARIABLES))


def _without_values(text: str, variables: Mapping[str, object]) -> str:
    """`text` with each `NAME=value` cut to the name; of a very long one only the last lines."""
    for name, value in variables.items():
        if isinstance(value, str) and "\n" in value:
            text = text.replace(f"{name}={value}", name)
    if len(text) > MAX_SUMMARY_CHARACTERS:
        # What is left of a line that is cut could be a value.
        text = text[-MAX_SUMMARY_CHARACTERS:].partition("\n")[2]
    lines = []
    for line in text.split("\n"):
        name = line.partition("=")[0]
        lines.append(name if name in variables else line)
    return "\n".join(lines)


def failure_reason(deployment: Deployment) -> str:
    """Why a deployment failed, in one line without a full stop at its end."""
    step = deployment.failing_step
    if deployment.has_hit_time_limit:
        return (
            f"Stormkit ended deployment {deployment.id} after {duration_text(deployment.duration)}: it allows 15"
            " minutes for the queue and the build together"
        )
    if deployment.has_failed_checks:
        check = f" ({step.title})" if step and step.title else ""
        return f"The build of deployment {deployment.id} succeeded, but its status checks failed or were stopped{check}"
    missing = re.search(_MISSING_BRANCH, step.message) if step else None
    if missing:
        return (
            f"The build of deployment {deployment.id} failed: branch {missing[1]} does not exist in the repository that"
            " Stormkit deploys"
        )
    where = f" in {step.title}" if step and step.title else ""
    failed = f"The build of deployment {deployment.id} failed{where}"
    # `Error: exit status 2`: the first word says nothing.
    error = deployment.error.removeprefix("Error: ")
    return f"{failed}: {error}" if error else failed


def _upload(value: object) -> UploadSize | None:
    if not isinstance(value, Mapping):
        return None
    return UploadSize(
        client=_bytes(value.get("clientBytes")),
        server=_bytes(value.get("serverBytes")),
        serverless=_bytes(value.get("serverlessBytes")),
    )


def _bytes(value: object) -> int:
    return int(max(0.0, fields.number(value)))
