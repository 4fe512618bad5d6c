"""Runs the action's image as GitHub's runner does.

Source: actions/runner, Runner.Worker/Container/DockerCommandManager.cs and Handlers/ContainerActionHandler.cs. There is
one deviation: the container shares the host's network, because the sandbox's servers listen on its loopback.
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
"""Owner of a job's files on GitHub's machines."""

_SOCKET = Path("/var/run/docker.sock")
_PATIENCE = 60.0


class ContainerRunner(Runner):
    """Runs one step of a job, and what it leaves for after the job, in containers of `image`.

    `options` are added to `docker run`. What Runner's `python` and `entrypoint` say is the image's business here.
    Use it in a `with`, which removes containers that outlived their step. Needs a Docker engine.
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
        if left := self.containers():
            docker("rm", "--force", *left)

    def containers(self) -> list[str]:
        """Ids of this job's containers that are left, running or not."""
        return docker("ps", "--all", "--quiet", "--filter", f"label={self.label}").split()

    def _start(self, post_entrypoint: str, state: Mapping[str, str]) -> Step:
        environment, files = self.prepare(state)
        if os.getuid() == 0:
            _hand_over(self.directory.root)
        log, masker = self.open_log()
        inside = in_container(environment, self.directory.mounts) | {"HOME": "/github/home"}
        # The image has a PATH; a job's own one reaches a container only when the workflow sets it.
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
            # Names alone: values would be seen in the list of processes, so the client's environment has them.
            *(argument for name in names for argument in ("-e", name)),
            *(["--entrypoint", entrypoint] if entrypoint else []),
            *self._options,
            *(f"--volume={host}:{inside}" for host, inside in (mounts | self.directory.mounts).items()),
            self._image,
        ]


def docker(*arguments: str) -> str:
    """What a `docker` command prints. Raises RuntimeError, with what it said, when it fails."""
    done = subprocess.run([_client(), *arguments], capture_output=True, text=True, timeout=_PATIENCE, check=False)
    if done.returncode:
        raise RuntimeError(f"docker {arguments[0]} failed ({done.returncode}): {done.stderr.strip()}")
    return done.stdout


def _client() -> str:
    # By its path: the PATH that it gets is the workflow's.
    client = shutil.which("docker")
    if client is None:
        raise FileNotFoundError("no docker client on the PATH")
    return client


def _client_environment() -> dict[str, str]:
    """How the client finds its engine. HOME in its environment is the container's."""
    config = os.environ.get("DOCKER_CONFIG") or str(Path.home() / ".docker")
    engine = {name: value for name, value in os.environ.items() if name.startswith("DOCKER_")}
    return engine | {"DOCKER_CONFIG": config}


def _hand_over(root: Path) -> None:
    """Give the job's files to the runner's user, so that the container's root writes into another user's files."""
    for path in (root, *root.rglob("*")):
        os.chown(path, RUNNER_UID, RUNNER_UID, follow_symlinks=False)
