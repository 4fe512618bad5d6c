"""Builds the images for the tests with `make image`, once for all pytest-xdist workers, and removes them."""

import fcntl
import os
import shutil
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sandbox.runner.container import docker
from sandbox.runner.runner import ACTION

BASE = "python:3.13-slim"
"""The base image without its digest, so that a local image of that name also works offline."""

ACT = "act-dockeraction:latest"
"""The image that act builds for `uses: ./`."""

_BARE = f"FROM {BASE}\nRUN find / -xdev -name '*.pyc' -delete\n"


class Builder:
    """Builds the images once for all processes that share `directory`; the last one to close removes them.

    `image` is the action's image on `base`. `base` has no bytecode, like the official base image.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._users = (directory / "image.users").open("w")
        with self._locked():
            fcntl.flock(self._users, fcntl.LOCK_SH)
            name = directory / "image.name"
            if not name.exists():
                # The name is unique because another checkout's tests may run at the same time.
                name.write_text(f"stormkit-action-test-{uuid.uuid4().hex[:12]}", encoding="utf-8")
            self._name = name.read_text(encoding="utf-8")
        self._pulled = directory / "image.pulled"
        self.base = f"{self._name}:base"
        self.image = f"{self._name}:image"

    def build(self) -> None:
        """Build both images, unless another process has built them."""
        with self._locked():
            if not _exists(self.image):
                if not _exists(BASE):
                    self._pulled.touch()
                _run("docker", "build", "--tag", self.base, "-", stdin=_BARE)
                source = self._private_copy()
                # Without BuildKit, the stage `build` becomes an image too; it needs a name to be removed by.
                for name, flags in ((f"{self._name}:build", "--target=build"), (self.image, "")):
                    _run("make", "image", f"IMAGE={name}", f"BASE={self.base}", f"BUILD_FLAGS={flags}", cwd=source)

    def _private_copy(self) -> Path:
        """Copy the files that the image is built from, with the permissions of a checkout under umask 077."""
        copy = self._directory / "source"
        copy.mkdir()
        for name in (
            "Makefile",
            "Dockerfile",
            ".dockerignore",
            "requirements.txt",
            "entrypoint.py",
            "post_entrypoint.py",
        ):
            shutil.copy(ACTION / name, copy)
        shutil.copytree(ACTION / "stormkit_action", copy / "stormkit_action")
        for path in (copy, *copy.rglob("*")):
            path.chmod(path.stat().st_mode & ~0o077)
        return copy

    def close(self) -> None:
        """Remove the images, unless another process still uses them."""
        with self._locked(), self._users:
            try:
                fcntl.flock(self._users, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return
            # The base is removed last because the others are built on it.
            made = [ACT, *(f"{self._name}:{tag}" for tag in ("image", "build", "base"))]
            if self._pulled.exists():
                made.append(BASE)
            if left := [*filter(_exists, made)]:
                docker("image", "rm", *left)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        with (self._directory / "image.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def _exists(image: str) -> bool:
    return bool(docker("images", "--quiet", image))


def _run(*command: str, stdin: str = "", cwd: Path = ACTION) -> None:
    # Drop the flags and the job server of a make that runs the tests.
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    done = subprocess.run(
        command, cwd=cwd, env=environment, input=stdin, capture_output=True, text=True, timeout=900, check=False
    )
    if done.returncode:
        raise RuntimeError(f"{command[0]} failed ({done.returncode}):\n{done.stdout}{done.stderr}")
