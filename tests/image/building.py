"""Builds the image with `make image`, once for all the workers of pytest-xdist."""

import fcntl
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from sandbox.runner.runner import ACTION

BASE = "python:3.13-slim"

BARE = "stormkit-action-test:bare-base"
"""The base without bytecode, as the official one is; one that was made in another way may have some."""

_BARE = f"FROM {BASE}\nRUN find / -xdev -name '*.pyc' -delete\n"


@dataclass(frozen=True, kw_only=True, slots=True)
class Builder:
    """Builds each image once in `directory`'s lifetime."""

    directory: Path

    def image(self, name: str, *, base: str = BASE) -> str:
        """Id of the image on `base`."""
        built = self.directory / f"image-{name}"
        with (self.directory / "image.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not built.exists():
                if base == BARE:
                    _run("docker", "build", "--tag", BARE, "-", stdin=_BARE)
                # The id, since other checkouts' tests may take the tag over.
                _run(
                    "make",
                    "image",
                    f"IMAGE=stormkit-action-test:{name}",
                    f"BASE={base}",
                    f"BUILD_FLAGS=--iidfile={built.with_suffix('.new')}",
                )
                built.with_suffix(".new").rename(built)
        return built.read_text(encoding="utf-8")


def _run(*command: str, stdin: str = "") -> None:
    # Without the flags and the job server of a make that the tests run in.
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    done = subprocess.run(
        command, cwd=ACTION, env=environment, input=stdin, capture_output=True, text=True, timeout=900, check=False
    )
    if done.returncode:
        raise RuntimeError(f"{command[0]} failed ({done.returncode}):\n{done.stdout}{done.stderr}")
