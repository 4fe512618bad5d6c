"""Measures the size of the image: `python -m tools.bench.image` prints markdown. Run `make image` first."""

import json
import os
import re
import subprocess
import tarfile
import tempfile
import zlib
from pathlib import Path

from tools.bench.section import Section

IMAGE = "stormkit-action:local"
DOCKERFILE = Path(__file__).parents[2] / "Dockerfile"


def base() -> str:
    """The name of the base image: BASE, or the one that the Dockerfile pins."""
    pinned = re.search(r"^FROM (.*) AS pinned$", DOCKERFILE.read_text(encoding="utf-8"), re.MULTILINE)
    assert pinned is not None, "the Dockerfile names no base"
    return os.environ.get("BASE") or pinned[1]


def layers() -> list[int]:
    """The compressed size of each of the image's layers in bytes, those of the base first."""
    with tempfile.TemporaryDirectory() as directory:
        saved = Path(directory) / "image.tar"
        subprocess.run(["docker", "save", "--output", saved, IMAGE], check=True)
        with tarfile.open(saved) as tar:
            (image,) = json.loads(_content(tar, "manifest.json"))
            return [_compressed(_content(tar, name)) for name in image["Layers"]]


def _content(tar: tarfile.TarFile, name: str) -> bytes:
    file = tar.extractfile(name)
    assert file is not None, f"{name} is not a file"
    return file.read()


def _compressed(layer: bytes) -> int:
    """The size of a layer with gzip, as registries serve it. Some engines save layers already compressed."""
    return len(layer) if layer.startswith(b"\x1f\x8b") else len(zlib.compress(layer, 6))


def added() -> int:
    """The compressed size in bytes of the layers that the image adds to its base."""
    inspect = ["docker", "image", "inspect", "--format", "{{len .RootFS.Layers}}", base()]
    base_layers = int(subprocess.run(inspect, check=True, capture_output=True, text=True).stdout)
    return sum(layers()[base_layers:])


def section() -> Section:
    """Measure, and describe the results."""
    megabytes = f"{added() / 1e6:.1f} MB"
    name = base().split("@")[0]
    return Section(
        title="The size of the image",
        answer=f"The image adds {megabytes} to `{name}`, compressed.",
        details=[
            "As a registry sends them. Run `make image` first.",
            "",
            "| layers | compressed |",
            "|---|---:|",
            f"| added to `{name}` | {megabytes} |",
        ],
    )


if __name__ == "__main__":
    print(section().whole())
