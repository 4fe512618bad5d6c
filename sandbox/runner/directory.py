"""Directories of a job on a runner's machine, and where a container action sees them.

Source: actions/runner, Runner.Worker/Handlers/ContainerActionHandler.cs.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

# A checkout may hold modules of any name. None of them may be imported in place of the action's own.
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
    """Where a job's files are, on the host."""

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
        """HOME, shared by all the steps of a job."""
        return self.temp / "_github_home"

    @property
    def file_commands(self) -> Path:
        """The files behind GITHUB_OUTPUT and the like."""
        return self.temp / "_runner_file_commands"

    @property
    def event(self) -> Path:
        """GITHUB_EVENT_PATH."""
        return self.temp / "_github_workflow" / "event.json"

    @property
    def mounts(self) -> dict[Path, str]:
        """Host directories and where the action's container has them; the Docker socket comes on top."""
        return {
            self.home: "/github/home",
            self.event.parent: "/github/workflow",
            self.file_commands: "/github/file_commands",
            self.workspace: "/github/workspace",
            self.temp: "/github/runner_temp",
        }

    def create(self) -> None:
        """Create the directories, and a checkout whose modules would break an action that imports them."""
        for directory in (self.workspace, self.home, self.file_commands, self.event.parent, self.tools):
            directory.mkdir(parents=True, exist_ok=True)
        for module in _SHADOWING_MODULES:
            (self.workspace / f"{module}.py").write_text(_SHADOW, encoding="utf-8")


def in_container(environment: Mapping[str, str], mounts: Mapping[Path, str]) -> dict[str, str]:
    """`environment` as a container gets it: values that are, or lie in, a mounted directory are rewritten."""
    # Directories of the job lie within each other; the innermost one counts.
    innermost_first = sorted(mounts.items(), key=lambda mount: len(str(mount[0])), reverse=True)
    return {name: _translated(value, innermost_first) for name, value in environment.items()}


def _translated(value: str, mounts: list[tuple[Path, str]]) -> str:
    for host, container in mounts:
        if value == str(host):
            return container
        if value.startswith(f"{host}/"):
            return container + value.removeprefix(str(host))
    return value
