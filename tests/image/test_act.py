"""A real workflow run by nektos/act, with the action from a checkout."""

import re
import shutil
import subprocess
import sys
import uuid
from pathlib import Path

import pytest

from sandbox import events
from sandbox.runner.runner import ACTION
from tests.image.conftest import KEY

pytestmark = pytest.mark.docker

ACT = Path(sys.executable).parent / "act"
WORKFLOW = Path(__file__).parent / "workflows" / "preview.yml"


@pytest.fixture
def checkout(image, tmp_path):
    """A Git repository with action.yml and a Dockerfile that names the image built before."""
    root = tmp_path / "hello-world"
    root.mkdir()
    shutil.copy(ACTION / "action.yml", root / "action.yml")
    (root / "Dockerfile").write_text(f"FROM {image}\n", encoding="utf-8")
    for command in (
        f"init --quiet --initial-branch {events.HEAD_BRANCH}",
        f"remote add origin https://github.com/{events.REPOSITORY}.git",
        "add .",
        "-c user.name=monalisa -c user.email=monalisa@example.com commit --quiet --message=Action",
    ):
        subprocess.run(["git", *command.split()], cwd=root, check=True, timeout=60)
    return root


@pytest.fixture
def act(builder, checkout, stormkit, github, tmp_path):
    """Run the workflow for a pull request, and return act's exit code and log; `builder` removes act's image."""
    builder.build()
    # act names containers after the workflow, so tests that run at the same time need different names.
    workflow = tmp_path / "preview.yml"
    workflow.write_text(WORKFLOW.read_text(encoding="utf-8").replace("name: Preview", f"name: {uuid.uuid4().hex}"))
    event = ACTION / "sandbox" / "events" / "pull_request_opened.json"

    def run() -> tuple[int, str]:
        done = subprocess.run(
            [
                *(str(ACT), "pull_request", f"--workflows={workflow}", f"--eventpath={event}"),
                *(f"--platform=ubuntu-latest={builder.base}", "--pull=false", "--action-offline-mode", "--rm"),
                *("--secret=GITHUB_TOKEN", "--secret=STORMKIT_API_KEY", f"--var=STORMKIT_API_URL={stormkit.url}"),
                f"--env=GITHUB_API_URL={github.url}",
            ],
            cwd=checkout,
            # act takes a secret without a value from the environment and keeps its files in HOME.
            env={
                "PATH": "/usr/local/bin:/usr/bin:/bin",
                "HOME": str(tmp_path / "home"),
                "GITHUB_TOKEN": "ghs_sandbox",
                "STORMKIT_API_KEY": KEY,
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=300,
            check=False,
        )
        return done.returncode, done.stdout

    return run


def test_the_action_s_outputs_reach_the_next_step_of_the_workflow(act, stormkit, github):
    code, log = act()
    assert code == 0, log
    assert stormkit.builds == 1
    assert re.search(r"The next step sees success at http\S+", log), log
    assert len(github.state.comments()) == 1
    assert KEY not in log


def test_a_failed_deployment_fails_the_job(act, stormkit):
    stormkit.next_build(outcome="failed")
    code, log = act()
    assert code == 1, log
    assert "The next step" not in log
