"""Whole steps in the image, started as GitHub's runner starts them."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from sandbox.events import HEAD_BRANCH
from sandbox.runner.container import RUNNER_UID, docker
from sandbox.runner.directory import JobDirectory
from sandbox.runner.runner import ACTION
from stormkit_action import __version__
from stormkit_action.reporting.outputs import OUTPUTS
from tests.image.conftest import KEY

pytestmark = pytest.mark.docker


def assert_deployed(finished):
    assert (finished.exit_code, finished.outputs.get("status")) == (0, "success"), finished.log
    assert finished.problems == []
    assert not finished.failed


def test_a_deploy_writes_its_results_into_the_runner_s_files(job, github):
    runner = job()
    finished = runner.run()
    assert_deployed(finished)
    assert set(finished.outputs) == set(OUTPUTS)
    assert finished.outputs["preview-url"] in finished.summary
    assert finished.state["finished"] == "true"
    assert len(github.state.comments()) == 1
    files = list(runner.directory.file_commands.iterdir())
    assert files
    # Only root can give the job's files to the runner's user, so without root they belong to this user.
    owner = RUNNER_UID if os.getuid() == 0 else os.getuid()
    assert all(path.stat().st_uid == owner for path in files), "the container's root must not replace the files"


def test_a_deploy_works_on_a_read_only_root(job):
    assert_deployed(job(options=["--read-only"]).run())


@pytest.mark.parametrize(("outcome", "exit_code"), [("success", 0), ("failed", 1)])
def test_a_deploy_writes_nothing_into_the_container_s_own_file_system(job, built_image, stormkit, outcome, exit_code):
    # The base has no bytecode, so a module that the image brings without it would be compiled and written now.
    stormkit.next_build(seconds=0.5, outcome=outcome)
    runner = job(image=built_image, options=["--rm=false"], inputs={"health-check": "/", "build-log": "always"})
    finished = runner.run()
    assert finished.exit_code == exit_code, finished.log
    (container,) = runner.containers()
    changed = {Path(line.partition(" ")[2]) for line in docker("diff", container).splitlines()}
    mounts = {
        Path(inside) for inside in (*runner.directory.mounts.values(), "/run/docker.sock", "/var/run/docker.sock")
    }
    assert changed <= mounts | {parent for mount in mounts for parent in mount.parents}


HOSTILE = {
    "PATH": "/nowhere",
    "PYTHONHOME": "/nowhere",
    "PYTHONPATH": "/github/workspace",
    "PYTHONSTARTUP": "/github/workspace/json.py",
    "PYTHONWARNINGS": "error",
    "PYTHONUSERBASE": "/github/home/.local",
    "PYTHONINSPECT": "1",
    "PYTHONIOENCODING": "ascii",
    "PYTHONMALLOC": "nonsense",
    # Neither -E nor -I ignores these: they name the virtual environment that a pyvenv.cfg beside them describes.
    "PYTHONEXECUTABLE": "/github/workspace/bin/python",
    "__PYVENV_LAUNCHER__": "/github/workspace/bin/python",
}


@pytest.mark.threat("A hostile pull request")
def test_the_checkout_and_the_job_s_variables_cannot_influence_the_image_s_python(job):
    # The sandbox's checkout has a requests.py, a json.py and so on, which end the program that imports them.
    runner = job(env=HOSTILE)
    runner.directory.create()
    environment = runner.directory.home / ".local/lib/python3.13/site-packages"
    environment.mkdir(parents=True)
    for name in ("usercustomize.py", "requests.py"):
        (environment / name).write_text("raise SystemExit('imported from HOME')\n", encoding="utf-8")
    assert (runner.directory.workspace / "requests.py").exists()
    foreign = runner.directory.workspace / "lib/python3.13/site-packages"
    foreign.mkdir(parents=True)
    (runner.directory.workspace / "pyvenv.cfg").write_text("home = /usr/local/bin\n", encoding="utf-8")
    program = "import os; os.write(1, b'owned by the checkout'); os._exit(9)\n"
    (foreign / "owned.pth").write_text(program, encoding="utf-8")
    finished = runner.run()
    assert_deployed(finished)
    after_a_kill = runner.post(state={"started": finished.state["started"]})
    assert after_a_kill.exit_code == 0, after_a_kill.log


def test_the_image_has_a_command_for_other_cis(image, stormkit, github, tmp_path):
    JobDirectory(root=tmp_path).create()
    output = docker(
        *(
            "run",
            "--rm",
            "--network=host",
            "--env=STORMKIT_API_KEY=SK_sandbox",
            f"--env=STORMKIT_API_URL={stormkit.url}",
        ),
        *(f"--volume={JobDirectory(root=tmp_path).workspace}:/builds", "--workdir=/builds", "--entrypoint=sh", image),
        *("-c", f"stormkit-action --branch {HEAD_BRANCH} --json"),
    )
    assert json.loads(output)["status"] == "success"


@pytest.mark.parametrize("user", ["0", "1000", "12345:12345"])
def test_any_user_can_run_the_image_on_a_read_only_root(image, user):
    """The image is built from files that only their owner can read."""
    output = docker("run", "--rm", "--network=none", f"--user={user}", "--read-only", image, "--version")
    assert output == f"{__version__}\n"


@pytest.mark.threat("A leaked log")
def test_the_key_is_in_no_command_line(job, stormkit):
    stormkit.next_build(seconds=60)
    runner = job()
    step = runner.start()
    assert any("Started deployment" in line for line in step.lines())
    (container,) = runner.containers()
    inside = docker("exec", container, "cat", "/proc/1/cmdline")
    client = Path(f"/proc/{step.pid}/cmdline").read_text(encoding="utf-8")
    step.cancel()
    assert "INPUT_API-KEY" in client
    assert "entrypoint.py" in inside
    assert KEY not in client + inside


def test_a_deploy_needs_no_network_but_the_loopback(job, builder, tmp_path):
    builder.build()
    # The servers run in a container without a network, and the step's container shares its loopback.
    serve = [
        "--volume",
        f"{ACTION / 'sandbox'}:/serve/sandbox:ro",
        "--workdir=/serve",
        builder.base,
        "python",
        "-Buc",
        SERVERS,
    ]
    servers = docker("run", "--detach", "--rm", "--network=none", *serve).strip()
    try:
        urls = json.loads(first_line(servers))
        runner = job(
            network=f"container:{servers}",
            inputs={"api-url": urls["stormkit"]},
            github_url=urls["github"],
            options=["--read-only"],
        )
        finished = runner.run()
    finally:
        docker("rm", "--force", servers)
    assert_deployed(finished)
    assert finished.outputs["comment-url"]


SERVERS = """
import json, threading
from sandbox.github.server import GitHub
from sandbox.stormkit.server import Stormkit
with Stormkit() as stormkit, GitHub() as github:
    print(json.dumps({"stormkit": stormkit.url, "github": github.url}))
    threading.Event().wait(120)
"""


def first_line(container: str) -> str:
    """Wait for the first line that the container prints, and return it."""
    with subprocess.Popen(["docker", "logs", "--follow", container], stdout=subprocess.PIPE, text=True) as logs:
        assert logs.stdout is not None
        line = logs.stdout.readline()
        logs.kill()
    return line
