"""Runs the action's image as GitHub's runner does.

Source: actions/runner, Runner.Worker/Container/DockerCommandManager.cs and Handlers/ContainerActionHandler.cs. The only
difference: the container shares the host's network, because the sandbox's servers listen on its loopback interface.
"""

import os
import shutil
import subprocess
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from sandbox.runner.directory import in_container
from sandbox.runner.runner import Runner
from sandbox.runner.step import Step

RUNNER_UID = 1001
"""The user id of the runner on GitHub's machines, which owns a job's files."""

_SOCKET = Path("/var/run/docker.sock")
_DOCKER_TIMEOUT_S = 60.0


class ContainerRunner(Runner):
    """Runs one step of a job, and its post step, in containers of `image`. Needs a Docker engine.

    `options` are added to `docker run`. Runner's `python` and `entrypoint` are ignored, because the image defines them.
    At the end of its `with` block, containers that outlived their step are removed.
    """

    def __init__(self, *, image: str, network: str = "host", options: Sequence[str] = (), **job: Any) -> None:
        super().__init__(**job)
        self.label = f"stormkit-action-sandbox={uuid.uuid4().hex}"
        self._image = image
        self._options = [f"--network={network}", *options]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if remaining := self.containers():
            docker("rm", "--force", *remaining)

    def containers(self) -> list[str]:
        """The ids of this job's containers that exist, running or not."""
        return docker("ps", "--all", "--quiet", "--filter", f"label={self.label}").split()

    def _start(self, post_entrypoint: str, state: Mapping[str, str]) -> Step:
        environment, files = self.prepare(state)
        if os.getuid() == 0:
            _hand_over(self.directory.root)
        log, masker = self.open_log()
        inside = in_container(environment, self.directory.mounts) | {"HOME": "/github/home"}
        # The image has its own PATH; the job's PATH is passed on only if the workflow sets it.
        names = [name for name in inside if name != "PATH" or name in self._env]
        return Step(
            [_client(), *self._arguments(names, post_entrypoint)],
            environment=_client_environment() | inside,
            directory=self.directory.workspace,
            files=files,
            log=log,
            masker=masker,
        )

    def _arguments(self, names: Sequence[str], entrypoint: str) -> list[str]:
        mounts = {_SOCKET: str(_SOCKET)} if _SOCKET.exists() else {}
        return [
            "run",
            f"--name=stormkit_action_{uuid.uuid4().hex}",
            f"--label={self.label}",
            "--workdir=/github/workspace",
            "--rm",
            # Only the names: the client reads the values from its environment, so that no process list shows them.
            *(argument for name in names for argument in ("-e", name)),
            *(["--entrypoint", entrypoint] if entrypoint else []),
            *self._options,
            *(f"--volume={host}:{inside}" for host, inside in (mounts | self.directory.mounts).items()),
            self._image,
        ]


def docker(*arguments: str) -> str:
    """Run a `docker` command and return its output. Raises RuntimeError with its error output if it fails."""
    command = [_client(), *arguments]
    finished = subprocess.run(command, capture_output=True, text=True, timeout=_DOCKER_TIMEOUT_S, check=False)
    if finished.returncode:
        raise RuntimeError(f"docker {arguments[0]} failed ({finished.returncode}): {finished.stderr.strip()}")
    return finished.stdout


def _client() -> str:
    # An absolute path, because the client runs with the workflow's PATH.
    client = shutil.which("docker")
    if client is None:
        raise FileNotFoundError("no docker client on the PATH")
    return client


def _client_environment() -> dict[str, str]:
    """The variables with which the client finds its engine and configuration; its HOME is the container's."""
    config = os.environ.get("DOCKER_CONFIG") or str(Path.home() / ".docker")
    engine = {name: value for name, value in os.environ.items() if name.startswith("DOCKER_")}
    return engine | {"DOCKER_CONFIG": config}


def _hand_over(root: Path) -> None:
    """Give the job's files to the runner's user, so that the container's root writes to another user's files."""
    for path in (root, *root.rglob("*")):
        os.chown(path, RUNNER_UID, RUNNER_UID, follow_symlinks=False)
