"""Pins the action to an image: `python -m tools.release.pin_image action.yml ghcr.io/OWNER/NAME:vX.Y.Z@sha256:…`.

On main, action.yml has `image: Dockerfile`, with which every job builds the image. A release's commit has `docker://…`
instead, with which a job pulls it.
"""

import re
import sys
from pathlib import Path

_BUILT = re.compile(r"^  image: Dockerfile$", re.MULTILINE)
_IMAGE = re.compile(r"ghcr\.io/[a-z0-9][a-z0-9-]*/[a-z0-9][a-z0-9._-]*:v\d+\.\d+\.\d+@sha256:[0-9a-f]{64}")


def pinned(metadata: str, image: str) -> str:
    """The content of action.yml with `image` in place of `Dockerfile`.

    Raises ValueError if `image` lacks a version or digest, or if there is not exactly one line `  image: Dockerfile`.
    """
    if not _IMAGE.fullmatch(image):
        raise ValueError(f"{image!r} is not ghcr.io/owner/name:vX.Y.Z@sha256:<64 hexadecimal digits>, in lower case")
    found = len(_BUILT.findall(metadata))
    if found != 1:
        raise ValueError(f"there are {found} lines '  image: Dockerfile', not one")
    return _BUILT.sub(f"  image: docker://{image}", metadata)


def main(arguments: list[str]) -> None:
    """Rewrite the file."""
    name, image = arguments
    path = Path(name)
    try:
        path.write_text(pinned(path.read_text(encoding="utf-8"), image), encoding="utf-8")
    except ValueError as error:
        sys.exit(f"{name}: {error}")


if __name__ == "__main__":
    main(sys.argv[1:])
