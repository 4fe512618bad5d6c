"""The names and defaults that users rely on, repeated here so that they can't change unnoticed."""

import dataclasses
import os
import re
import tomllib

import pytest
import yaml

import stormkit_action
from sandbox.runner import runner
from sandbox.runner.runner import ACTION
from stormkit_action.errors import InputError
from stormkit_action.inputs import INPUTS, BuildLog, Command, Inputs, OnGivingUp, Switch, read
from stormkit_action.reporting.outputs import OUTPUTS
from stormkit_action.result import Outcome

CONTRACT_INPUTS = {
    "api-key": "",
    "env-id": "",
    "environments": "",
    "command": "auto",
    "branch": "",
    "sha": "",
    "deployment-id": "",
    "publish": "false",
    "wait": "true",
    "timeout": "30m",
    "on-timeout": "leave",
    "on-cancel": "stop",
    "retries": "0",
    "poll-interval": "0.5s",
    "stop-superseded": "false",
    "health-check": "",
    "health-check-status": "200-399",
    "health-check-timeout": "60s",
    "keep-latest": "0",
    "build-log": "failure",
    "github-token": "${{ github.token }}",
    "comment": "auto",
    "comment-key": "stormkit",
    "label": "",
    "github-deployment": "auto",
    "environment": "",
    "job-summary": "true",
    "api-url": "https://api.stormkit.io",
    "dashboard-url": "",
}
CONTRACT_OUTPUTS = [
    "status",
    "reason",
    "deployment-id",
    "branch",
    "commit-sha",
    "duration",
    "commit-matches",
    "preview-url",
    "details-url",
    "published",
    "deleted",
    "comment-url",
    "github-deployment-id",
    "result",
]
ACTION_YML = yaml.safe_load((ACTION / "action.yml").read_text(encoding="utf-8"))


def test_inputs_and_their_defaults_do_not_change():
    assert {spec.name: spec.default for spec in INPUTS} == CONTRACT_INPUTS
    assert {name: spec.get("default", "") for name, spec in ACTION_YML["inputs"].items()} == CONTRACT_INPUTS
    assert runner.INPUT_DEFAULTS == CONTRACT_INPUTS
    assert [name for name, spec in ACTION_YML["inputs"].items() if spec["required"]] == ["api-key"]
    assert [spec.field for spec in INPUTS] == [field.name for field in dataclasses.fields(Inputs)]


def test_action_yml_describes_inputs_like_the_code():
    assert {name: spec["description"] for name, spec in ACTION_YML["inputs"].items()} == {
        spec.name: spec.help for spec in INPUTS
    }


def test_outputs_and_their_order_do_not_change():
    assert list(OUTPUTS) == CONTRACT_OUTPUTS
    assert {name: spec["description"] for name, spec in ACTION_YML["outputs"].items()} == dict(OUTPUTS)


def test_commands_statuses_and_choices_do_not_change():
    commands = "auto deploy publish rollback restart stop delete cleanup status list check"
    assert " ".join(Command) == commands
    assert sorted(Outcome) == ["cancelled", "failed", "running", "skipped", "stopped", "success", "timed-out"]
    assert sorted(BuildLog) == ["always", "failure", "never", "stream"]
    assert sorted(OnGivingUp) == ["leave", "stop"]
    assert sorted(Switch) == ["auto", "false", "true"]


def test_only_the_key_and_the_token_are_secret():
    assert [spec.name for spec in INPUTS if spec.secret] == ["api-key", "github-token"]


def test_the_defaults_of_action_yml_are_accepted():
    environ = {f"INPUT_{name.upper()}": default for name, default in CONTRACT_INPUTS.items()}
    environ |= {"INPUT_API-KEY": "SK_x", "INPUT_GITHUB-TOKEN": "ghs_x"}
    assert read(environ) == read({"INPUT_API-KEY": "SK_x", "INPUT_GITHUB-TOKEN": "ghs_x"})
    with pytest.raises(InputError):
        read({})


@pytest.mark.parametrize("name", ["entrypoint.py", "post_entrypoint.py"])
def test_entry_points_are_executable_and_name_their_interpreter(name):
    path = ACTION / name
    assert os.access(path, os.X_OK)
    # GitHub passes no arguments to a post-entrypoint, so the file names its interpreter itself.
    assert path.read_text(encoding="utf-8").startswith(
        "#!/usr/bin/env -S --block-signal=INT,TERM,HUP -u PYTHONEXECUTABLE -u __PYVENV_LAUNCHER__"
        " /opt/venv/bin/python -Eu\n"
    )


def test_the_post_entry_point_is_where_the_image_has_it():
    assert ACTION_YML["runs"]["post-entrypoint"] == runner.POST_ENTRYPOINT == "/app/post_entrypoint.py"


def test_the_version_is_defined_only_in_the_package():
    project = tomllib.loads((ACTION / "pyproject.toml").read_text(encoding="utf-8"))
    assert project["project"]["dynamic"] == ["version"]
    assert project["tool"]["setuptools"]["dynamic"]["version"] == {"attr": "stormkit_action.__version__"}
    assert re.fullmatch(r"\d+\.\d+\.\d+", stormkit_action.__version__)


def test_every_package_is_listed_in_pyproject():
    project = tomllib.loads((ACTION / "pyproject.toml").read_text(encoding="utf-8"))
    found = {
        ".".join(path.parent.relative_to(ACTION).parts) for path in (ACTION / "stormkit_action").rglob("__init__.py")
    }
    assert set(project["tool"]["setuptools"]["packages"]) == found
