"""What Stormkit tells about a deployment, parsed once.

Only `id` and `status` can be counted on: other fields come and go between server versions, so everything
else has a value for "not told". Texts are foreign: whoever shows one escapes it.
"""

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any
from urllib.parse import quote, urlsplit

from stormkit_action.stormkit import long_text
from stormkit_action.stormkit.long_text import LongText

_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_ABBREVIATED_SHA = re.compile(r"[0-9a-f]{7,64}")


class Status(StrEnum):
    """How a deployment stands. `running` covers the queue, the build and the status checks after it."""

    RUNNING = "running"
    SUCCESS = "success"
    FAILED = "failed"
    STOPPED = "stopped"

    @classmethod
    def parse(cls, text: str) -> "Status":
        """The status called `text`; one nobody knows counts as still running."""
        try:
            return cls(text)
        except ValueError:
            return cls.RUNNING


@dataclass(frozen=True, kw_only=True, slots=True)
class Commit:
    """The commit that was built; None until the build has checked it out. `sha` may be abbreviated."""

    sha: str | None = None
    author: str | None = None
    message: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class LogStep:
    """One step of a build (or one status check); `duration` in seconds.

    `message` is its output, or the end of it where that is long; then `text` has all of it.
    """

    title: str
    message: str
    ok: bool
    duration: float
    text: LongText | None = None

    @property
    def size(self) -> int:
        """Characters of output."""
        return len(self.message) if self.text is None else self.text.size

    def lines(self) -> Iterator[str]:
        """The lines of its output, without their ends; the last one has none yet (empty if the output ends in one)."""
        return long_text.lines((self.message,) if self.text is None else self.text.pieces())


@dataclass(frozen=True, kw_only=True, slots=True)
class UploadSize:
    """What was uploaded, in bytes."""

    client: int
    server: int
    serverless: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Deployment:
    """One deployment of an environment, as Stormkit tells it.

    `unknown_status` holds a status that this program does not know (it counts as running).
    `published`, `is_auto_deploy`, `status_checks_passed` and `warming_up` are None where the server does not tell.
    `duration` is in seconds, 0 while running.
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
    logs_url: str = ""
    failure_summary: str = ""
    duration: float = 0.0
    created_at: datetime | None = None
    stopped_at: datetime | None = None
    published: bool | None = None
    warming_up: bool | None = None
    logs: tuple[LogStep, ...] = ()
    status_checks: tuple[LogStep, ...] = ()
    upload: UploadSize | None = None

    @property
    def running(self) -> bool:
        """Whether it may still change by itself."""
        return self.status is Status.RUNNING

    @property
    def name(self) -> str:
        """Its app and environment, for people; empty when the server tells neither."""
        return " / ".join(part for part in (self.app_name, self.env_name) if part)

    @property
    def failing_step(self) -> LogStep | None:
        """The step or status check that failed, the last one if there are several."""
        failing = [step for step in (*self.logs, *self.status_checks) if not step.ok]
        return failing[-1] if failing else None

    @classmethod
    def from_api(cls, data: Mapping[str, Any]) -> "Deployment":
        """A deployment from a JSON object. Raises ValueError when `id` or `status` is missing."""
        raw_status = _text(data.get("status"))
        if not raw_status:
            raise ValueError("the deployment has no status")
        status = Status.parse(raw_status)
        if status is Status.FAILED and data.get("stoppedManually") is True:
            # Real servers report a stop as a failure (the documentation has a status of its own for it).
            status = Status.STOPPED
        return cls(
            id=parse_id(data.get("id")),
            status=status,
            unknown_status="" if raw_status in set(Status) else raw_status,
            branch=_text(data.get("branch")),
            commit=_commit(data.get("commit")),
            error=_text(data.get("error")),
            app_name=_text(data.get("displayName")),
            env_id=_text(data.get("envId")),
            env_name=_text(data.get("envName")),
            is_auto_deploy=_flag(data.get("isAutoDeploy")),
            status_checks_passed=_flag(data.get("statusChecksPassed")),
            preview_url=web_url(data.get("previewUrl")),
            details_path=_path(data.get("detailsUrl")),
            logs_url=web_url(data.get("logsUrl")),
            failure_summary=_text(data.get("failureSummary")),
            duration=_number(data.get("duration")),
            created_at=_time(data.get("createdAt")),
            stopped_at=_time(data.get("stoppedAt")),
            published=_published(data.get("published")),
            warming_up=_flag(data.get("isWarmingUp")),
            logs=_steps(data.get("logs")),
            status_checks=_steps(data.get("statusChecks")),
            upload=_upload(data.get("uploadResult")),
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Page:
    """One page of the deployments list, newest first; `server_date` is the server's clock, where it told."""

    deployments: tuple[Deployment, ...]
    has_next: bool
    server_date: datetime | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class PolledStatus:
    """A status, and the server's own word for it where this program does not know it."""

    status: Status
    unknown_status: str = ""


def parse_id(value: object) -> str:
    """A deployment id (a decimal string on real servers). Raises ValueError when it can't be one."""
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else _text(value)
    if not _ID.fullmatch(text):
        raise ValueError("the deployment has no usable id")
    return text


def commits_match(built: str | None, expected: str) -> bool | None:
    """Whether `built` is the commit `expected`; None when nothing is known. Either may be abbreviated."""
    if not built or not expected:
        return None
    one, other = built.lower(), expected.lower()
    if not _ABBREVIATED_SHA.fullmatch(one):
        return None
    return one.startswith(other) or other.startswith(one)


def web_url(value: object) -> str:
    """`value` as an http(s) URL that is safe to print and link, else empty."""
    text = _text(value).strip()
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return ""
    if parts.scheme not in ("http", "https") or not host or "@" in parts.netloc or len(text) > 2000:
        return ""
    # urlsplit() drops line ends in silence, so they are looked for in the text.
    if not re.fullmatch(r"[A-Za-z0-9.:\[\]_-]+", parts.netloc) or re.search(r"[\x00-\x1f\x7f]", text):
        return ""
    return quote(text, safe=":/?#[]@!$&*+,;=%~-._", errors="replace")


def _path(value: object) -> str:
    """A path on the dashboard's origin: never another origin, whatever the server says."""
    text = _text(value)
    if not text.startswith("/") or text.startswith(("//", "/\\")) or len(text) > 2000:
        return ""
    return quote(text, safe="/?#=&%~-._:,;+", errors="replace")


def _text(value: object) -> str:
    if isinstance(value, LongText):
        return value.tail
    return value if isinstance(value, str) else ""


def _flag(value: object) -> bool | None:
    return value if isinstance(value, bool) else None


def _number(value: object) -> float:
    """A non-negative number, 0 for anything else (a JSON document may hold NaN and Infinity)."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return 0.0
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return 0.0
    return number if math.isfinite(number) and number > 0 else 0.0


def _time(value: object) -> datetime | None:
    """Unix seconds, as a string or a number."""
    seconds = _number(value)
    if not seconds:
        return None
    try:
        return datetime.fromtimestamp(0, UTC) + timedelta(seconds=seconds)
    except OverflowError:
        return None


def _commit(value: object) -> Commit:
    if not isinstance(value, Mapping):
        return Commit()
    return Commit(
        sha=_text(value.get("sha")) or None,
        author=_text(value.get("author")) or None,
        message=_text(value.get("message")) or None,
    )


def _published(value: object) -> bool | None:
    """A boolean on newer servers; on older ones a list of where it is live, empty when nowhere."""
    if isinstance(value, bool):
        return value
    if isinstance(value, list):
        return any(not isinstance(entry, Mapping) or entry.get("percentage") != 0 for entry in value)
    return None


def _steps(value: object) -> tuple[LogStep, ...]:
    if not isinstance(value, list):
        return ()
    return tuple(
        LogStep(
            title=_text(entry.get("title")),
            message=_text(entry.get("message")),
            ok=entry.get("status") is not False,
            duration=_number(entry.get("duration")),
            text=message if isinstance(message := entry.get("message"), LongText) else None,
        )
        for entry in value
        if isinstance(entry, Mapping)
    )


def _upload(value: object) -> UploadSize | None:
    if not isinstance(value, Mapping):
        return None
    sizes = (value.get("clientBytes"), value.get("serverBytes"), value.get("serverlessBytes"))
    client, server, serverless = (int(_number(size)) for size in sizes)
    return UploadSize(client=client, server=server, serverless=serverless)
