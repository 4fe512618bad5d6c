"""What the image contains, and what it must not contain."""

import json
import re
import subprocess
import textwrap
from pathlib import Path

import pytest

from sandbox.runner import runner
from sandbox.runner.container import docker
from sandbox.runner.runner import ACTION

pytestmark = pytest.mark.docker

MAX_ADDED_BYTES = 40_000_000


def inspect(image: str) -> dict:
    return json.loads(docker("image", "inspect", image))[0]


def test_the_image_adds_less_than_40_megabytes_to_its_base(built_image, builder):
    assert inspect(built_image)["Size"] - inspect(builder.base)["Size"] < MAX_ADDED_BYTES


def test_the_image_s_configuration_is_what_github_asks_for(image):
    config = inspect(image)["Config"]
    without = ["/usr/bin/env", "--block-signal=INT,TERM,HUP", "-u", "PYTHONEXECUTABLE", "-u", "__PYVENV_LAUNCHER__"]
    assert config["Entrypoint"] == [*without, "/opt/venv/bin/python", "-Eu", "/app/entrypoint.py"]
    assert not config["Cmd"]
    assert not config["User"], "GitHub: a container action runs as root"
    assert not config["WorkingDir"], "GitHub sets the working directory"
    assert {"org.opencontainers.image.title", "org.opencontainers.image.description"} <= set(config["Labels"])


def test_the_post_entrypoint_is_an_executable_that_the_venv_runs(image, python):
    post = runner.POST_ENTRYPOINT
    seen = python(f"import os; print(os.access({post!r}, os.X_OK), open({post!r}).readline(), end='')")
    [command] = re.findall(r"^True #!/usr/bin/env -S (.+)\n\Z", seen)
    assert command.split() == inspect(image)["Config"]["Entrypoint"][1:-1]


@pytest.mark.threat("The supply chain")
def test_the_venv_contains_exactly_the_locked_packages(python):
    script = "import importlib.metadata as m; [print(f'{d.name}=={d.version}') for d in m.distributions()]"
    locked = re.findall(r"^(\S+==\S+)", (ACTION / "requirements.txt").read_text(encoding="utf-8"), re.MULTILINE)
    pins = sorted(re.sub(r"\[.*\]", "", pin) for pin in locked)
    assert sorted(python(script).lower().replace("_", "-").split()) == pins


@pytest.mark.parametrize("module", ["pip", "setuptools", "wheel", "pytest", "tests", "sandbox"])
def test_tools_and_tests_are_not_in_the_image(python, module):
    assert python(f"import importlib.util as u; print(u.find_spec({module!r}))") == "None\n"


def test_the_image_contains_exactly_the_tracked_files_of_the_package(python):
    script = "from pathlib import Path; [print(p.relative_to('/app')) for p in Path('/app').rglob('*') if p.is_file()]"
    files = {Path(line) for line in python(script).splitlines()}
    tracked = subprocess.run(["git", "ls-files"], cwd=ACTION, capture_output=True, text=True, check=False)
    if tracked.returncode:
        pytest.skip("needs the repository: this is no git checkout")
    package = {
        Path(line) for line in tracked.stdout.splitlines() if re.match(r"(stormkit_action/|\w*entrypoint)", line)
    }
    assert {path for path in files if "__pycache__" not in path.parts} == package


def test_the_image_contains_no_caches_or_stub_files(image):
    script = "ls -A /tmp /root/.cache /root/.config 2>/dev/null; find /opt /app -name '*.pyi'"
    left = docker("run", "--rm", "--entrypoint=sh", image, "-c", script)
    assert [line for line in left.splitlines() if line and not line.endswith(":")] == []


BYTECODE = """
    import importlib.util, pathlib
    for root in ("/opt/venv", "/app/stormkit_action"):
        for source in pathlib.Path(root).rglob("*.py"):
            cached = pathlib.Path(importlib.util.cache_from_source(str(source)))
            # PEP 552: 1 means a hash that is not checked.
            if not cached.exists() or cached.read_bytes()[4:8] != bytes([1, 0, 0, 0]):
                print(source)
"""


def test_every_module_has_bytecode_that_is_never_revalidated(python):
    assert python(textwrap.dedent(BYTECODE)) == ""


def test_after_a_normal_end_the_post_entrypoint_loads_nothing(image):
    done = subprocess.run(
        [
            *("docker", "run", "--rm", "--network=none", "-e", "STATE_started=[]", "-e", "STATE_finished=true"),
            *("--entrypoint=/opt/venv/bin/python", image, "-Eu", "-X", "importtime", "/app/post_entrypoint.py"),
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout == ""
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "site" in imported
    assert not {
        name for name in imported if name.partition(".")[0] in {"stormkit_action", "requests", "json", "signal"}
    }
