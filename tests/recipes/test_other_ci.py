"""The recipes for other CIs: their scripts are run as they stand, in the environment that those CIs give."""

import json
import os
import subprocess
import sys

import pytest

from sandbox.events import BASE_SHA, HEAD_BRANCH, HEAD_SHA
from sandbox.runner.runner import ACTION
from sandbox.stormkit.server import ENV_ID, ENV_KEY
from tests.workflows.linting import load

GITLAB = load(ACTION / "examples/gitlab-ci.yml")
BITBUCKET = load(ACTION / "examples/bitbucket-pipelines.yml")["pipelines"]
GITLAB_VARIABLES = {"GITLAB_CI": "true", "CI_MERGE_REQUEST_SOURCE_BRANCH_NAME": HEAD_BRANCH, "CI_COMMIT_SHA": HEAD_SHA}


@pytest.fixture
def run(stormkit, tmp_path):
    """Runs a job's script and returns what it printed."""
    command = tmp_path / "bin/stormkit-action"
    command.parent.mkdir()
    # As in the image, where this name leads to the entrypoint.
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -Eu "{ACTION / "entrypoint.py"}" "$@"\n', encoding="utf-8")
    command.chmod(0o755)
    (command.parent / "python").symlink_to(sys.executable)

    def run(script: list[str], **variables: str) -> str:
        environment = {
            "PATH": f"{command.parent}:{os.environ['PATH']}",
            "CI": "true",
            "STORMKIT_API_KEY": ENV_KEY,
            "STORMKIT_API_URL": stormkit.url,
            **variables,
        }
        done = subprocess.run(
            ["sh", "-e", "-c", "\n".join(script)],
            cwd=tmp_path,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stdout
        return done.stdout

    return run


def assert_is_for_people(log: str) -> None:
    assert log
    assert ENV_KEY not in log
    assert [line for line in log.splitlines() if line.lstrip().startswith("::") or "##[" in line] == []


def the_deployment(tmp_path) -> dict:
    document = json.loads((tmp_path / "result.json").read_text(encoding="utf-8"))
    assert document["status"] == "success"
    (deployment,) = document["deployments"]
    return deployment


def test_gitlab(run, stormkit, tmp_path):
    """The recipe `"gitlab-ci"`."""
    log = run(GITLAB["preview"]["script"], **GITLAB_VARIABLES)
    assert_is_for_people(log)
    deployment = the_deployment(tmp_path)
    assert (deployment["branch"], deployment["commit-matches"]) == (HEAD_BRANCH, True)
    assert (tmp_path / "preview.env").read_text(encoding="utf-8") == f"PREVIEW_URL={deployment['preview-url']}\n"
    log = run(GITLAB["cleanup"]["script"], **GITLAB_VARIABLES)
    assert_is_for_people(log)
    assert [each.deleted for each in stormkit.deployments] == [True]


def test_bitbucket(run, stormkit, tmp_path):
    """The recipe `"bitbucket-pipelines"`."""
    step = BITBUCKET["pull-requests"]["**"][0]["step"]
    assert_is_for_people(run(step["script"], BITBUCKET_BRANCH=HEAD_BRANCH, BITBUCKET_COMMIT=HEAD_SHA))
    assert the_deployment(tmp_path)["commit-matches"] is True
    step = BITBUCKET["branches"]["main"][0]["step"]
    assert_is_for_people(run(step["script"], BITBUCKET_BRANCH="main", BITBUCKET_COMMIT=BASE_SHA))
    assert stormkit.live(ENV_ID) == stormkit.deployments[-1].id
