"""The documentation's pictures: what can be checked without drawing them."""

import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
IMAGES = sorted((ROOT / "docs/images").glob("*.png"))


def test_the_npm_lock_names_no_registry_and_has_all_hashes() -> None:
    lock = json.loads((ROOT / "tools/pictures/package-lock.json").read_text())
    packages = {name: entry for name, entry in lock["packages"].items() if name}
    assert packages
    assert not [name for name, entry in packages.items() if "resolved" in entry]
    assert all(entry["integrity"].startswith("sha512-") for entry in packages.values())


@pytest.mark.parametrize("image", IMAGES, ids=lambda image: image.name)
def test_a_picture_is_small_and_exists_in_light_and_dark(image: Path) -> None:
    assert image.stat().st_size <= 100_000
    name, scheme = re.fullmatch(r"(.*)(light|dark)\.png", image.name).groups()
    other_scheme = "dark" if scheme == "light" else "light"
    assert image.with_name(f"{name}{other_scheme}.png") in IMAGES


def test_every_picture_in_the_documentation_exists() -> None:
    for page in (ROOT / "README.md", *(ROOT / "docs").glob("*.md")):
        shown = re.findall(r"[\w./-]*images/[\w-]+\.png", page.read_text(encoding="utf-8"))
        assert not [path for path in shown if not (page.parent / path).is_file()], page.name
