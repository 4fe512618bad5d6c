"""Runs the action as GitHub's runner runs a container action, but as a process on this machine."""

import json
import re
import sys
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sandbox import events
from sandbox.runner.directory import JobDirectory
from sandbox.runner.files import FileCommand, create_files
from sandbox.runner.log import Level, StepLog
from sandbox.runner.masks import SecretMasker
from sandbox.runner.step import Step, StepResult
from stormkit_action.inputs import INPUTS

ACTION = Path(__file__).parents[2]
"""The directory of the action, which contains action.yml."""

# A test compares these with action.yml.
INPUT_DEFAULTS = {spec.name: spec.default for spec in INPUTS}
POST_ENTRYPOINT = "/app/post_entrypoint.py"

UNREACHABLE_URL = "http://127.0.0.1:9"
"""The default for GitHub's URL. It refuses connections, so that no run reaches the real GitHub by accident."""

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_GITHUB_TOKEN = re.compile(r"\$\{\{\s*github\.token\s*\}\}")


class Runner:
    """Runs one step of a job, and its post step.

    `event` is the name of a payload in `sandbox/events`, or a payload together with its `event_name`. `inputs` are the
    inputs that the workflow sets; the others have their `defaults`. `env` overrides all other variables. `token` and
    `secrets` are masked from the start, like a workflow's secrets.
    """

    def __init__(
        self,
        *,
        event: str | Mapping[str, Any],
        inputs: Mapping[str, str],
        directory: Path,
        event_name: str = "",
        github_url: str = "",
        token: str = "ghs_sandbox",
        secrets: Sequence[str] = (),
        env: Mapping[str, str] | None = None,
        entrypoint: Path = ACTION / "entrypoint.py",
        defaults: Mapping[str, str] = INPUT_DEFAULTS,
        post_entrypoint: str = POST_ENTRYPOINT,
        python: str = sys.executable,
    ) -> None:
        self.payload = events.load(event) if isinstance(event, str) else dict(event)
        self.event_name = event_name or (event if isinstance(event, str) else "")
        self.defaults = defaults
        self._post_entrypoint = post_entrypoint
        self.directory = JobDirectory(root=directory)
        self.state: dict[str, str] = {}
        self._inputs = dict(inputs)
        self._github_url = github_url
        self._token = token
        self._secrets = (token, *secrets)
        self._env = dict(env or {})
        self._entrypoint = entrypoint
        self._python = python

    def start(self) -> Step:
        """Start the step."""
        return self._start("", {})

    def run(self, timeout: float = 60.0) -> StepResult:
        """Run the step to its end, for at most `timeout` seconds, and keep its state for `post`."""
        result = self.start().wait(timeout)
        self.state = result.state
        return result

    def start_post(self, state: Mapping[str, str] | None = None) -> Step:
        """Start the post step, with the state that the last `run` saved or with `state`."""
        return self._start(self._post_entrypoint, self.state if state is None else state)

    def post(self, timeout: float = 60.0, state: Mapping[str, str] | None = None) -> StepResult:
        """Run the post step to its end, for at most `timeout` seconds."""
        return self.start_post(state).wait(timeout)

    def prepare(self, state: Mapping[str, str] | None = None) -> tuple[dict[str, str], dict[FileCommand, Path]]:
        """Create the job's directories and the files of a step, and return the step's environment and these files.

        Paths are those of the host. For a container, `directory.in_container` rewrites them.
        """
        self.directory.create()
        self.directory.event.write_text(json.dumps(self.payload), encoding="utf-8")
        files = create_files(self.directory.file_commands, str(uuid.uuid4()))
        environment = step_environment(
            defaults=self.defaults,
            inputs=self._inputs,
            token=self._token,
            github=events.environment_for(self.event_name, self.payload),
            github_url=self._github_url or UNREACHABLE_URL,
            directory=self.directory,
            files=files,
            state=state or {},
        )
        return environment | self._env, files

    def open_log(self) -> tuple[StepLog, SecretMasker]:
        """A log that masks the job's secrets, with a warning about inputs that the action doesn't have."""
        masker = SecretMasker()
        for secret in self._secrets:
            masker.add(secret)
        log = StepLog(masker, debug=self._env.get("RUNNER_DEBUG") == "1")
        unknown = sorted(set(self._inputs) - set(self.defaults))
        if unknown:
            valid = ", ".join(f"'{name}'" for name in self.defaults)
            names = ", ".join(f"'{name}'" for name in unknown)
            log.issue(Level.WARNING, f"Unexpected input(s) {names}, valid inputs are [{valid}]")
        return log, masker

    def _start(self, post_entrypoint: str, state: Mapping[str, str]) -> Step:
        """Start the step, or the post step if `post_entrypoint` isn't empty."""
        entrypoint = self._entrypoint
        if post_entrypoint:
            # That is a path in the image; here the file is in the same directory as the entrypoint.
            entrypoint = self._entrypoint.parent / Path(post_entrypoint).name
        environment, files = self.prepare(state)
        log, masker = self.open_log()
        return Step(
            # As in the image's ENTRYPOINT.
            [self._python, "-Eu", str(entrypoint)],
            environment=environment,
            directory=self.directory.workspace,
            files=files,
            log=log,
            masker=masker,
        )


def step_environment(
    *,
    defaults: Mapping[str, str],
    inputs: Mapping[str, str],
    token: str,
    github: Mapping[str, str],
    github_url: str,
    directory: JobDirectory,
    files: Mapping[FileCommand, Path],
    state: Mapping[str, str],
) -> dict[str, str]:
    """The whole environment of a step, with the paths of the host.

    `github` are the variables that depend on the event. Source of the list: actions/runner, GitHubContext.cs,
    RunnerContext.cs and Handlers/Handler.cs. The job's token is not among them: a step gets it only through an input.
    """
    return {
        "PATH": _PATH,
        "HOME": str(directory.home),
        "CI": "true",
        "GITHUB_ACTIONS": "true",
        **github,
        **_urls(github_url),
        "GITHUB_EVENT_PATH": str(directory.event),
        "GITHUB_WORKSPACE": str(directory.workspace),
        **{f"GITHUB_{command}": str(path) for command, path in files.items()},
        "RUNNER_ARCH": "X64",
        "RUNNER_ENVIRONMENT": "github-hosted",
        "RUNNER_NAME": "GitHub Actions 1",
        "RUNNER_OS": "Linux",
        "RUNNER_TEMP": str(directory.temp),
        "RUNNER_TOOL_CACHE": str(directory.tools),
        "RUNNER_WORKSPACE": str(directory.workspace.parent),
        **{f"STATE_{name}": value for name, value in state.items()},
        **input_variables(defaults, inputs, token),
    }


def input_variables(defaults: Mapping[str, str], inputs: Mapping[str, str], token: str) -> dict[str, str]:
    """The variable INPUT_* of every input, with its default evaluated if the workflow does not set it."""
    values = {name: _evaluated(default, token) for name, default in defaults.items()} | dict(inputs)
    # The runner replaces spaces but keeps hyphens: INPUT_API-KEY.
    return {f"INPUT_{name.replace(' ', '_').upper()}": value for name, value in values.items()}


def _evaluated(default: str, token: str) -> str:
    """An input's default, in which `${{ github.token }}` is the only expression that is supported."""
    value = _GITHUB_TOKEN.sub(lambda _: token, default)
    if "${{" in value:
        raise ValueError(f"the sandbox can't evaluate {default!r}")
    return value


def _urls(api_url: str) -> dict[str, str]:
    api_url = api_url.rstrip("/")
    if api_url.endswith("/api/v3"):
        # GitHub Enterprise Server serves its API and its web pages from one origin.
        server_url = api_url.removesuffix("/api/v3")
        graphql_url = f"{server_url}/api/graphql"
    else:
        server_url = "https://github.com"
        graphql_url = f"{api_url}/graphql"
    return {"GITHUB_API_URL": api_url, "GITHUB_GRAPHQL_URL": graphql_url, "GITHUB_SERVER_URL": server_url}
