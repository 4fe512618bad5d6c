"""The action's inputs as typed values. What they are called and how they are read is in input_table.py."""

from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum

from stormkit_action.parsers import StatusCodes


class Command(StrEnum):
    """What to do."""

    AUTO = "auto"
    DEPLOY = "deploy"
    PUBLISH = "publish"
    ROLLBACK = "rollback"
    RESTART = "restart"
    STOP = "stop"
    DELETE = "delete"
    CLEANUP = "cleanup"
    STATUS = "status"
    LIST = "list"
    CHECK = "check"


class Switch(StrEnum):
    """`auto` does it where it can and says in one line where it can't; `true` warns when it can't."""

    AUTO = "auto"
    TRUE = "true"
    FALSE = "false"


class OnGivingUp(StrEnum):
    """What becomes of the remote deployment when this step gives up on it."""

    STOP = "stop"
    LEAVE = "leave"


class BuildLog(StrEnum):
    """When the build's log is shown in the step's log."""

    FAILURE = "failure"
    ALWAYS = "always"
    STREAM = "stream"
    NEVER = "never"


@dataclass(frozen=True, kw_only=True, slots=True)
class Environment:
    """One Stormkit environment to deploy; `name` is what the workflow's author calls it."""

    name: str
    env_id: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Inputs:
    """The inputs, parsed. Secrets are not in its repr."""

    api_key: str = field(repr=False)
    env_id: str
    environments: tuple[Environment, ...]
    command: Command
    branch: str
    sha: str
    deployment_id: str
    publish: bool
    wait: bool
    timeout: timedelta
    on_timeout: OnGivingUp
    on_cancel: OnGivingUp
    retries: int
    poll_interval: timedelta
    stop_superseded: bool
    health_check: str
    health_check_status: StatusCodes
    health_check_timeout: timedelta
    keep_latest: int
    build_log: BuildLog
    github_token: str = field(repr=False)
    comment: Switch
    comment_key: str
    label: str
    github_deployment: Switch
    environment: str
    job_summary: bool
    api_url: str
    dashboard_url: str
