"""Inputs about reports to GitHub, in a run outside GitHub."""

import pytest

from sandbox.clock import FakeClock
from stormkit_action import main
from stormkit_action.names import ELSEWHERE
from stormkit_action.reporting.console import PlainConsole
from stormkit_action.reporting.step_files import JsonOutput


@pytest.mark.parametrize(
    ("inputs", "warning"),
    [
        ({}, ""),
        ({"COMMENT": "false", "GITHUB-DEPLOYMENT": "auto"}, ""),
        ({"COMMENT": "true"}, "No comment: this is not"),
        ({"COMMENT": "true", "GITHUB-DEPLOYMENT": "true"}, "No comment and no GitHub Deployment: this is not"),
    ],
)
def test_outside_github_a_requested_report_is_a_warning(capsys, inputs, warning):
    values = {"API-KEY": "SK_sandbox", "API-URL": "http://127.0.0.1:9", "BRANCH": "main", "TIMEOUT": "1s", **inputs}
    environ = {f"INPUT_{name}": text for name, text in values.items()}
    files = JsonOutput(as_json=False)
    assert main.main(environ, console=PlainConsole(), files=files, clock=FakeClock(), names=ELSEWHERE) == 1
    log = capsys.readouterr().err
    assert warning in log
    assert ("not a step of a GitHub workflow" in log) is bool(warning)
