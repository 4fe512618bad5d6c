"""The inputs: a field of `Inputs` is the one place where an input is written down.

Names, defaults and meanings in action.yml, the documentation and the command line's help are made from these fields.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any, NamedTuple

from stormkit_action import ci, parsers
from stormkit_action.errors import InputError
from stormkit_action.names import ON_GITHUB, Names
from stormkit_action.text import encodable, redact


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


# Commands that act on one deployment when its id is given, and on the branch's otherwise.
BY_ID = frozenset({Command.PUBLISH, Command.RESTART, Command.STOP, Command.DELETE, Command.STATUS})


class Switch(StrEnum):
    """`auto` does it where it can and says in one line where it can't; `true` warns when it can't."""

    AUTO = "auto"
    TRUE = "true"
    FALSE = "false"


class OnGivingUp(StrEnum):
    """What happens to the remote deployment when this step gives up on it."""

    STOP = "stop"
    LEAVE = "leave"


class BuildLog(StrEnum):
    """When the build's log is shown in the step's log."""

    FAILURE = "failure"
    ALWAYS = "always"
    STREAM = "stream"
    NEVER = "never"


class Environment(NamedTuple):
    """A Stormkit environment. `name` is what the workflow's author calls it; both are empty where none was named."""

    name: str
    env_id: str


class Input(NamedTuple):
    """The description of an input. `parse` raises ValueError with what is valid instead."""

    name: str
    default: str
    help: str
    parse: Callable[[str], Any]
    kind: Any = str
    secret: bool = False

    @property
    def field(self) -> str:
        """Its field in Inputs."""
        return self.name.replace("-", "_")

    @property
    def variable(self) -> str:
        """The environment variable GitHub passes it in: upper-cased, hyphens kept."""
        return f"INPUT_{self.name.upper()}"

    @property
    def choices(self) -> tuple[str, ...]:
        """The values it accepts; empty when others than these may be valid."""
        is_enumeration = isinstance(self.kind, type) and issubclass(self.kind, StrEnum)
        return tuple(self.kind) if is_enumeration else ()


def _input(parse: Callable[[str], Any], meaning: str, *, default: str = "", secret: bool = False) -> Any:
    """A field of Inputs with the description of its input."""
    described = {"parse": parse, "help": meaning, "default": default, "secret": secret}
    return dataclasses.field(repr=not secret, metadata=described)


def _environments(text: str) -> tuple[Environment, ...]:
    return tuple(Environment(name=name, env_id=env_id) for name, env_id in parsers.environments(text))


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """The inputs, parsed. Secrets are not in its repr."""

    api_key: str = _input(
        parsers.api_key,
        "Stormkit API key, from a repository secret.",
        secret=True,
    )
    env_id: str = _input(
        parsers.env_id,
        "Environment id, such as 305. Needed with the key of an app, a team or a user; an environment's key must belong"
        " to it.",
    )
    environments: tuple[Environment, ...] = _input(
        _environments,
        "Several environments in one step, one `name: env-id` a line. Excludes env-id; needs a key that reaches"
        " them all.",
    )
    command: Command = _input(
        parsers.one_of(Command),
        "auto (deploy, or cleanup when the pull request closes), deploy, publish, rollback, restart, stop, delete,"
        " cleanup, status, list or check.",
        default="auto",
    )
    branch: str = _input(
        parsers.branch,
        "Branch to deploy, or to look deployments up by. Default: the event's.",
    )
    sha: str = _input(
        parsers.sha,
        "The commit that is expected to be built. Default: the event's; nothing is expected when branch is given.",
    )
    deployment_id: str = _input(
        parsers.deployment_id,
        "The deployment that publish, restart, stop, delete and status act on, such as 8241.",
    )
    publish: bool = _input(
        parsers.boolean,
        "Make the deployment live once everything else has passed.",
        default="false",
    )
    wait: bool = _input(
        parsers.boolean,
        "Wait for the build. false triggers it, reports running and ends.",
        default="true",
    )
    timeout: timedelta = _input(
        parsers.duration(),
        "For the whole step, publishing and health check included, such as 90s, 15m or 1h30m.",
        default="30m",
    )
    on_timeout: OnGivingUp = _input(
        parsers.one_of(OnGivingUp),
        "leave or stop the remote deployment when the timeout is over.",
        default="leave",
    )
    on_cancel: OnGivingUp = _input(
        parsers.one_of(OnGivingUp),
        "stop or leave the remote deployment when the job is cancelled.",
        default="stop",
    )
    retries: int = _input(
        parsers.whole_number(most=10),
        "How many times a failed build is built again, each time as a new deployment.",
        default="0",
    )
    poll_interval: timedelta = _input(
        parsers.duration(least=0.1, most=300),
        "Shortest wait between two polls, such as 0.5s or 2s.",
        default="0.5s",
    )
    stop_superseded: bool = _input(
        parsers.boolean,
        "Before triggering, stop older deployments of the same branch and environment that still run.",
        default="false",
    )
    health_check: str = _input(
        parsers.url_path,
        "Path on the preview URL, such as / or /health, that must answer before the step succeeds and before anything"
        " is published.",
    )
    health_check_status: frozenset[int] = _input(
        parsers.status_codes,
        "Status codes that the health check accepts, such as 200, 200-399 or 200,401.",
        default="200-399",
    )
    health_check_timeout: timedelta = _input(
        parsers.duration(),
        "How long the preview may take to come up.",
        default="60s",
    )
    keep_latest: int = _input(
        parsers.whole_number(most=100_000),
        "cleanup keeps this many of the branch's newest successful deployments.",
        default="0",
    )
    build_log: BuildLog = _input(
        parsers.one_of(BuildLog),
        "When to show the build's log: failure, always, stream (live, one log group per build step) or never (not"
        " shown anywhere).",
        default="failure",
    )
    github_token: str = _input(
        parsers.token,
        "Token for the comment, the GitHub Deployment and pull request look-ups.",
        default="${{ github.token }}",
        secret=True,
    )
    comment: Switch = _input(
        parsers.switch(Switch),
        "The sticky pull request comment: auto, true or false.",
        default="auto",
    )
    comment_key: str = _input(
        parsers.comment_key,
        "Separates independent comments on one pull request.",
        default="stormkit",
    )
    label: str = _input(
        parsers.line(100),
        "What this deployment is called in comment, summary and log. Default: Stormkit's app and environment name. Not"
        " used with environments, which have names.",
    )
    github_deployment: Switch = _input(
        parsers.switch(Switch),
        "GitHub Deployment with the environment's URL: auto, true or false.",
        default="auto",
    )
    environment: str = _input(
        parsers.line(200),
        "The GitHub Deployment's environment name. Default: Preview, or Production when published.",
    )
    job_summary: bool = _input(
        parsers.boolean,
        "Write the job summary.",
        default="true",
    )
    api_url: str = _input(
        parsers.origin,
        "Self-hosted Stormkit: your API's origin.",
        default="https://api.stormkit.io",
    )
    dashboard_url: str = _input(
        parsers.optional_origin,
        "Self-hosted Stormkit: your dashboard's origin, for links. Default: https://stormkit.example.com when api-url"
        " is https://api.example.com; without links for any other address.",
    )


class WrongInputs(InputError):
    """Inputs with problems. `inputs` has defaults in place of wrong values; None where branch or command is wrong."""

    def __init__(self, problems: Sequence[str], inputs: Inputs | None) -> None:
        super().__init__(problems)
        self.inputs = inputs


INPUTS: tuple[Input, ...] = tuple(
    Input(name=field.name.replace("_", "-"), kind=field.type, **field.metadata) for field in dataclasses.fields(Inputs)
)
_NO_KEY = (
    "STORMKIT_API_KEY is empty: set it to a Stormkit API key, or set STORMKIT_API_KEY_FILE to the path of a file that"
    " holds one."
)
_EMPTY_KEY_FILE = "STORMKIT_API_KEY_FILE names an empty file: write a Stormkit API key into it."


def secrets_in(environ: Mapping[str, str]) -> set[str]:
    """The values that must never be printed, as they are given in `environ` and as they are used."""
    given = [environ.get(spec.variable, "") for spec in INPUTS if spec.secret]
    return {form for value in given for form in (value, value.strip(), parsers.bare_key(value)) if form}


def read(environ: Mapping[str, str], names: Names = ON_GITHUB) -> Inputs:
    """Read the inputs from `environ`. Raises WrongInputs with every problem at once.

    An empty value counts as the default, so that a workflow can pass an empty expression on.
    """
    values: dict[str, Any] = {}
    problems: list[str] = []
    secrets = sorted(secrets_in(environ), key=len, reverse=True)
    for spec in INPUTS:
        text = environ.get(spec.variable, "").strip()
        if not text and not spec.default.startswith("${{"):
            text = spec.default
        try:
            values[spec.field] = spec.parse(text if spec.secret else _without_secrets(text, secrets, names))
        except ValueError as error:
            if spec.field == "api_key" and not parsers.bare_key(text) and not names.on_github:
                problems.append(_EMPTY_KEY_FILE if names.has_key_file else _NO_KEY)
                continue
            value = "the value (not shown)" if spec.secret and text else f'"{parsers.shown(redact(text, secrets))}"'
            problems.append(f"{names.subject(spec.name)}: {value} is not valid: {error}.")
            pipeline = None if names.on_github or spec.field != "branch" else ci.read(environ)
            if pipeline is not None and pipeline.branch:
                problems[-1] += f" {pipeline.branch_advice(names(spec.name))}"
    problems += _contradictions(values, names)
    if problems:
        raise WrongInputs(problems, _with_defaults(values))
    values["dashboard_url"] = values["dashboard_url"] or _dashboard_of(values["api_url"])
    return Inputs(**values)


def notices(environ: Mapping[str, str], names: Names = ON_GITHUB) -> tuple[str, ...]:
    """Messages about inputs that are valid but probably a mistake."""
    found = []
    given = {spec.name: environ.get(spec.variable, "").strip() for spec in INPUTS}
    seconds = given["timeout"]
    if seconds.isdecimal() and int(seconds) < 60:
        alike = ", as in timeout-minutes" if names.on_github else ""
        subject = names.subject("timeout")
        found.append(f"{subject}: {seconds} is {seconds} seconds. For minutes{alike}, write {seconds}m.")
    if given["label"] and given["environments"]:
        found.append(f"{names.subject('label')}: {names('environments')} has a name for each, so it is not used.")
    return tuple(found)


def _with_defaults(values: Mapping[str, Any]) -> Inputs | None:
    """Inputs with defaults in place of the wrong ones, so that problems of the plan can be reported too."""
    if "branch" not in values or "command" not in values:
        return None
    defaults = {spec.field: "" if spec.secret else spec.parse(spec.default) for spec in INPUTS}
    return Inputs(**{**defaults, **values})


def _without_secrets(text: str, secrets: Sequence[str], names: Names) -> str:
    """`text`, which is safe to show. Raises ValueError when it holds a secret or is not UTF-8."""
    if text != encodable(text):
        raise ValueError("use text in UTF-8")
    if redact(text, secrets) != text:
        places = "api-key and github-token" if names.on_github else names("api-key")
        raise ValueError(f"it contains a secret; secrets belong in {places} only")
    return text


def _dashboard_of(api_url: str) -> str:
    """The dashboard that belongs to an API, empty where that can't be told.

    A wrong guess would link to somebody else's server.
    """
    domain = api_url.removeprefix("https://api.")
    if domain == api_url or ":" in domain:
        return ""
    return "https://app.stormkit.io" if domain == "stormkit.io" else f"https://stormkit.{domain}"


def _contradictions(values: Mapping[str, Any], names: Names) -> list[str]:
    """Inputs that are valid alone but not together. Missing keys are inputs that had a problem of their own."""
    problems = []
    command = values.get("command")
    environments, deployment_id = values.get("environments"), values.get("deployment_id")
    if environments and values.get("env_id"):
        both = names.subject("environments", "env-id")
        problems.append(f"{both}: only one of them can be given; drop {names('env-id')}.")
    if environments and deployment_id:
        problems.append(
            f"{names.subject('environments', 'deployment-id')}: a deployment belongs to one environment; give its"
            f" {names('env-id')} instead of {names('environments')}."
        )
    if deployment_id and command in (Command.ROLLBACK, Command.CLEANUP):
        verb = "publish" if command == Command.ROLLBACK else "delete"
        both = names.subject(*(("command",) if names.on_github else ()), "deployment-id")
        problems.append(f"{both}: {command} finds its deployments itself; to name one use {verb}.")
    elif deployment_id and not environments and command is not None and command not in BY_ID:
        by_id = ", ".join(sorted(BY_ID))
        problems.append(f"{names.subject('deployment-id')}: {command} acts on none by its id; these do: {by_id}.")
    if command == Command.DELETE and deployment_id == "":
        problems.append(
            f'{names.subject("deployment-id")}: "" is not valid: command delete needs the id of a deployment.'
        )
    if values.get("wait") is False:
        wait = names.switched_off("wait")
        way_out = "set wait: true" if names.on_github else f"drop {names(wait)}"
        for name, off in (("publish", False), ("health_check", ""), ("retries", 0)):
            if values.get(name, off) != off:
                both = names.subject(wait, name.replace("_", "-"))
                problems.append(f"{both}: without waiting there is no finished build; {way_out}.")
    return problems
