"""tools/release/pin_image.py writes the released image into action.yml."""

import pytest

from sandbox.runner.runner import ACTION
from tools.release.pin_image import main, pinned

DIGEST = "sha256:" + "0123456789abcdef" * 4
IMAGE = f"ghcr.io/octocat/stormkit_action:v1.2.3@{DIGEST}"


def test_pinning_changes_exactly_one_line_of_action_yml(tmp_path):
    before = (ACTION / "action.yml").read_text(encoding="utf-8")
    path = tmp_path / "action.yml"
    path.write_text(before, encoding="utf-8")
    main([str(path), IMAGE])
    after = path.read_text(encoding="utf-8").splitlines()
    changed = [(old, new) for old, new in zip(before.splitlines(), after, strict=True) if old != new]
    assert changed == [("  image: Dockerfile", f"  image: docker://{IMAGE}")]


@pytest.mark.threat("The supply chain")
@pytest.mark.parametrize(
    "image",
    [
        "",
        "ghcr.io/octocat/stormkit_action:v1.2.3",
        f"ghcr.io/octocat/stormkit_action@{DIGEST}",
        f"ghcr.io/Octocat/stormkit_action:v1.2.3@{DIGEST}",
        f"ghcr.io/octocat/stormkit_action:v1@{DIGEST}",
        f"ghcr.io/octocat/stormkit_action:v1.2.3@{DIGEST[:-1]}",
        f"registry.example.com/octocat/stormkit_action:v1.2.3@{DIGEST}",
        f"{IMAGE}\n  args: [x]",
        "ghcr.io/octocat/stormkit_action:v1.2.3@",
    ],
)
def test_an_image_that_is_not_pinned_by_version_and_digest_is_refused(image):
    with pytest.raises(ValueError, match=r"is not ghcr\.io/owner/name"):
        pinned("runs:\n  image: Dockerfile\n", image)


@pytest.mark.parametrize(
    "metadata",
    [
        "runs:\n  image: docker://ghcr.io/octocat/stormkit_action:v1.0.0\n",
        "runs:\n  image: Dockerfile\n  image: Dockerfile\n",
        "runs:\n    image: Dockerfile\n",
        "",
    ],
)
def test_an_action_without_exactly_one_image_line_is_refused(metadata, tmp_path):
    path = tmp_path / "action.yml"
    path.write_text(metadata, encoding="utf-8")
    with pytest.raises(SystemExit, match="not one"):
        main([str(path), IMAGE])
    assert path.read_text(encoding="utf-8") == metadata
