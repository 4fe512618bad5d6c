"""The inputs' table, and the inputs read by it: all errors at once.

INPUTS is the source of names, defaults and meanings; action.yml, the README and the command line's help are compared
with it or made from it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from stormkit_action import parsers
from stormkit_action.errors import InputError
from stormkit_action.inputs import BuildLog, Command, Environment, Inputs, OnGivingUp, Switch
from stormkit_action.text import redact


@dataclass(frozen=True, kw_only=True, slots=True)
class Input:
    """One input: `help` is its meaning in a line, `parse` raises ValueError with what is accepted."""

    name: str
    default: str
    help: str
    parse: Callable[[str], Any]
    secret: bool = False

    @property
    def field(self) -> str:
        """Its name in Inputs."""
        return self.name.replace("-", "_")

    @property
    def variable(self) -> str:
        """The environment variable GitHub passes it in: upper-cased, hyphens kept."""
        return f"INPUT_{self.name.upper()}"


def _environments(text: str) -> tuple[Environment, ...]:
    return tuple(Environment(name=name, env_id=env_id) for name, env_id in parsers.environments(text))


INPUTS: tuple[Input, ...] = (
    Input(
        name="api-key",
        default="",
        help=(
            "Stormkit API key, from a repository secret. A key of the environment is enough; an app, team or"
            " user key also needs env-id."
        ),
        parse=parsers.api_key,
        secret=True,
    ),
    Input(
        name="env-id",
        default="",
        help="Environment id, such as 305. Needed with an app, team or user key.",
        parse=parsers.env_id,
    ),
    Input(
        name="environments",
        default="",
        help=(
            "Several environments in one step, one `name: env-id` a line. Excludes env-id; needs a key that "
            "reaches them all."
        ),
        parse=_environments,
    ),
    Input(
        name="command",
        default="auto",
        help=(
            "auto (deploy, or cleanup when the pull request closes), deploy, publish, rollback, restart, "
            "stop, delete, cleanup, status, list or check."
        ),
        parse=parsers.one_of(Command),
    ),
    Input(
        name="branch",
        default="",
        help="Branch to deploy, or to look deployments up by. Default: the event's.",
        parse=parsers.branch,
    ),
    Input(
        name="sha",
        default="",
        help=(
            "The commit that is expected to be built. Default: the event's; nothing is expected when branch is given."
        ),
        parse=parsers.sha,
    ),
    Input(
        name="deployment-id",
        default="",
        help="The deployment that publish, restart, stop, delete and status act on, such as 8241.",
        parse=parsers.deployment_id,
    ),
    Input(
        name="publish",
        default="false",
        help="Make the deployment live once everything else has passed.",
        parse=parsers.boolean,
    ),
    Input(
        name="wait",
        default="true",
        help="Wait for the build. false triggers it, reports running and ends.",
        parse=parsers.boolean,
    ),
    Input(
        name="timeout",
        default="30m",
        help="For the whole step, publishing and health check included, such as 90s, 15m or 1h30m.",
        parse=parsers.duration(),
    ),
    Input(
        name="on-timeout",
        default="leave",
        help="leave or stop the remote deployment when the time is over.",
        parse=parsers.one_of(OnGivingUp),
    ),
    Input(
        name="on-cancel",
        default="stop",
        help="stop or leave the remote deployment when the job is cancelled.",
        parse=parsers.one_of(OnGivingUp),
    ),
    Input(
        name="retries",
        default="0",
        help="How many times a failed build is restarted.",
        parse=parsers.whole_number(most=10),
    ),
    Input(
        name="poll-interval",
        default="2s",
        help="Shortest wait between two polls, such as 2s or 0.2s.",
        parse=parsers.duration(least=0.1, most=300),
    ),
    Input(
        name="stop-superseded",
        default="false",
        help="Before triggering, stop older deployments of the same branch and environment that still run.",
        parse=parsers.boolean,
    ),
    Input(
        name="health-check",
        default="",
        help=(
            "Path on the preview URL, such as / or /health, that must answer before the step succeeds and "
            "before anything is published."
        ),
        parse=parsers.url_path,
    ),
    Input(
        name="health-check-status",
        default="200-399",
        help="Status codes that the health check accepts, such as 200, 200-399 or 200,401.",
        parse=parsers.status_codes,
    ),
    Input(
        name="health-check-timeout",
        default="60s",
        help="How long the preview may take to come up.",
        parse=parsers.duration(),
    ),
    Input(
        name="keep-latest",
        default="0",
        help="cleanup keeps this many of the branch's newest deployments.",
        parse=parsers.whole_number(most=100_000),
    ),
    Input(
        name="build-log",
        default="failure",
        help="When to show the build's log: failure, always, stream (live) or never.",
        parse=parsers.one_of(BuildLog),
    ),
    Input(
        name="github-token",
        default="${{ github.token }}",
        help="Token for the comment, the GitHub Deployment and pull request look-ups.",
        parse=parsers.token,
        secret=True,
    ),
    Input(
        name="comment",
        default="auto",
        help="The sticky pull request comment: auto, true or false.",
        parse=parsers.switch(Switch),
    ),
    Input(
        name="comment-key",
        default="stormkit",
        help="Separates independent comments on one pull request.",
        parse=parsers.comment_key,
    ),
    Input(
        name="label",
        default="",
        help=(
            "What this deployment is called in comment, summary and log. Default: Stormkit's app and environment name."
        ),
        parse=parsers.line(100),
    ),
    Input(
        name="github-deployment",
        default="auto",
        help="GitHub Deployment with the environment's URL: auto, true or false.",
        parse=parsers.switch(Switch),
    ),
    Input(
        name="environment",
        default="",
        help="The GitHub Deployment's environment name. Default: Preview, or Production when published.",
        parse=parsers.line(200),
    ),
    Input(name="job-summary", default="true", help="Write the job summary.", parse=parsers.boolean),
    Input(
        name="api-url",
        default="https://api.stormkit.io",
        help="Self-hosted Stormkit: your API's origin.",
        parse=parsers.origin,
    ),
    Input(
        name="dashboard-url",
        default="https://app.stormkit.io",
        help="Self-hosted Stormkit: your dashboard's origin, for links.",
        parse=parsers.origin,
    ),
)


def secrets_in(environ: Mapping[str, str]) -> set[str]:
    """The values that must never be printed, as they stand in `environ` and as they are used."""
    given = [environ.get(spec.variable, "") for spec in INPUTS if spec.secret]
    return {form for value in given for form in (value, value.strip(), parsers.bare_key(value)) if form}


def from_environment(environ: Mapping[str, str]) -> Inputs:
    """The inputs in `environ`. Raises InputError with every problem at once.

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
            values[spec.field] = spec.parse(text if spec.secret else _harmless(text, secrets))
        except ValueError as error:
            value = (
                "the value given (not shown)" if spec.secret and text else f'"{parsers.shown(redact(text, secrets))}"'
            )
            problems.append(f"Input {spec.name}: {value} is not accepted; {error}.")
    problems += _contradictions(values)
    if problems:
        raise InputError(problems)
    return Inputs(**values)


def _harmless(text: str, secrets: Sequence[str]) -> str:
    """`text`, which may be written and shown. Raises ValueError where it may not."""
    if text != text.encode("utf-8", "replace").decode():
        raise ValueError("it is text in UTF-8")
    if redact(text, secrets) != text:
        raise ValueError("it holds a secret, which belongs into no other input")
    return text


def _contradictions(values: Mapping[str, Any]) -> list[str]:
    """Inputs that are fine alone but not together. Missing keys are inputs that had a problem of their own."""
    problems = []
    command = values.get("command")
    environments, deployment_id = values.get("environments"), values.get("deployment_id")
    if environments and values.get("env_id"):
        problems.append("Inputs environments and env-id: only one of them can be given; drop env-id.")
    if environments and deployment_id:
        problems.append(
            "Inputs environments and deployment-id: a deployment belongs to one environment; give its env-id instead"
            " of environments."
        )
    if deployment_id and command in (Command.ROLLBACK, Command.CLEANUP):
        verb = "publish" if command == Command.ROLLBACK else "delete"
        problems.append(
            f"Inputs command and deployment-id: {command} finds its deployments itself; for one of them use {verb}."
        )
    if command == Command.DELETE and deployment_id == "":
        problems.append('Input deployment-id: "" is not accepted; command delete needs the id of a deployment.')
    if values.get("wait") is False:
        for name, off in (("publish", False), ("health_check", ""), ("retries", 0)):
            if values.get(name, off) != off:
                problems.append(
                    f"Inputs wait and {name.replace('_', '-')}: without waiting there is no finished build;"
                    " set wait: true."
                )
    return problems
