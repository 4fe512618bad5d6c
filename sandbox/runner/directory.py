"""The directories of a job on a runner's machine, and their paths inside an action's container.

Source: actions/runner, Runner.Worker/Handlers/ContainerActionHandler.cs.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

# A user's checkout can contain modules with these names. The action must not import them in place of its own.
_SHADOWING_MODULES = (
    "actions_toolkit",
    "backoff",
    "github",
    "json",
    "requests",
    "sitecustomize",
    "stormkit_action",
)
_SHADOW = 'raise SystemExit(f"{__file__} of the checkout was imported")\n'


@dataclass(frozen=True, kw_only=True, slots=True)
class JobDirectory:
    """The paths of a job's files on the host."""

    root: Path
    repository: str = "hello-world"

    @property
    def workspace(self) -> Path:
        """The user's checkout, the step's working directory."""
        return self.root / "work" / self.repository / self.repository

    @property
    def temp(self) -> Path:
        """RUNNER_TEMP."""
        return self.root / "work" / "_temp"

    @property
    def tools(self) -> Path:
        """RUNNER_TOOL_CACHE."""
        return self.root / "tools"

    @property
    def home(self) -> Path:
        """HOME, which all steps of a job share."""
        return self.temp / "_github_home"

    @property
    def file_commands(self) -> Path:
        """The directory of the files that GITHUB_OUTPUT, GITHUB_STATE and so on name."""
        return self.temp / "_runner_file_commands"

    @property
    def event(self) -> Path:
        """GITHUB_EVENT_PATH."""
        return self.temp / "_github_workflow" / "event.json"

    @property
    def mounts(self) -> dict[Path, str]:
        """Host directories and their paths in the action's container, without the Docker socket."""
        return {
            self.home: "/github/home",
            self.event.parent: "/github/workflow",
            self.file_commands: "/github/file_commands",
            self.workspace: "/github/workspace",
            self.temp: "/github/runner_temp",
        }

    def create(self) -> None:
        """Create the directories, and in the checkout modules that make any program exit that imports them."""
        for directory in (self.workspace, self.home, self.file_commands, self.event.parent, self.tools):
            directory.mkdir(parents=True, exist_ok=True)
        for module in _SHADOWING_MODULES:
            (self.workspace / f"{module}.py").write_text(_SHADOW, encoding="utf-8")


def in_container(environment: Mapping[str, str], mounts: Mapping[Path, str]) -> dict[str, str]:
    """`environment` as a container gets it: a value that is a path in a mounted directory is rewritten."""
    # The job's directories are nested, and the innermost mount decides.
    innermost_first = sorted(mounts.items(), key=lambda mount: len(str(mount[0])), reverse=True)
    return {name: _translated(value, innermost_first) for name, value in environment.items()}


def _translated(value: str, mounts: list[tuple[Path, str]]) -> str:
    for host, container in mounts:
        if value == str(host):
            return container
        if value.startswith(f"{host}/"):
            return container + value.removeprefix(str(host))
    return value
