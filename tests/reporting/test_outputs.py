"""A step's outputs: always the same keys, in files that the runner can read."""

import json
import os
import re
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sandbox.runner.files import FileCommand, create_files, read_files
from stormkit_action import result as results
from stormkit_action.errors import ActionError
from stormkit_action.reporting.outputs import MAX_RESULT_BYTES, OUTPUTS, GitHubWrites, values
from stormkit_action.reporting.step_files import JsonOutput, RunnerFiles
from stormkit_action.result import DeploymentResult, Outcome, Result
from stormkit_action.stormkit.models import Commit, Deployment, Status

SHA = "6dcb09b5b57875f334f61aebed695e2e4193db5e"
BUILT = DeploymentResult(
    status=Outcome.SUCCESS,
    label="hello-world / production",
    name="docs",
    env_id="305",
    deployment_id="8241",
    branch="main",
    expected_sha=SHA,
    dashboard_url="https://app.stormkit.io",
    live=True,
    deployment=Deployment(
        id="8241",
        status=Status.SUCCESS,
        commit=Commit(sha=SHA[:8]),
        preview_url="https://8241--hello.stormkit.dev",
        details_path="/apps/1/deployments/8241",
        duration=41.6,
    ),
)
SCALARS = [name for name in OUTPUTS if name != "result"]


def document(texts: dict[str, str]) -> dict[str, object]:
    parsed: dict[str, object] = json.loads(texts["result"])
    return parsed


def test_a_deployment_sets_every_output():
    written = GitHubWrites(
        comment_url="https://github.com/octocat/hello-world/issues/42#c", github_deployment_ids={"docs": "7"}
    )
    texts = values(results.of_deployments((BUILT,)), written)
    result = texts.pop("result")
    assert texts == {
        "status": "success",
        "reason": "",
        "deployment-id": "8241",
        "branch": "main",
        "commit-sha": SHA[:8],
        "duration": "42",
        "commit-matches": "true",
        "preview-url": "https://8241--hello.stormkit.dev",
        "details-url": "https://app.stormkit.io/apps/1/deployments/8241",
        "published": "true",
        "deleted": "0",
        "comment-url": written.comment_url,
        "github-deployment-id": "7",
    }
    assert json.loads(result) == {
        "status": "success",
        "reason": "",
        "deployments": [
            {
                **texts,
                "duration": 42,
                "commit-matches": True,
                "published": True,
                "deleted": 0,
                "name": "docs",
                "env-id": "305",
            }
        ],
    }


RESULTS = {
    "skipped": results.skipped("The pull request comes from a fork."),
    "failed before": results.failed("Input api-key: no.\nInput timeout: no."),
    "nothing found": results.of_deployments(()),
    "cancelled": Result(status=Outcome.CANCELLED, reason="The job was cancelled.", exit_code=130),
    **{str(outcome): results.of_deployments((DeploymentResult(status=outcome, reason="why"),)) for outcome in Outcome},
    "listing": results.of_listing((BUILT, BUILT)),
    "several": results.of_deployments((BUILT, DeploymentResult(status=Outcome.FAILED, deployment_id="9"))),
}


@pytest.mark.parametrize("name", RESULTS)
def test_every_result_sets_all_outputs_in_the_same_order(name):
    result = RESULTS[name]
    texts = values(result, GitHubWrites())
    assert list(texts) == list(OUTPUTS)
    assert all(isinstance(text, str) and "\n" not in text for text in texts.values())
    assert texts["status"] == result.status
    assert texts["published"] in ("true", "false")
    assert texts["deleted"] == str(result.deleted)
    parsed = document(texts)
    assert set(parsed) == {"status", "reason", "deployments"}
    assert isinstance(parsed["deployments"], list)
    for entry in parsed["deployments"]:
        assert set(entry) == {*SCALARS, "name", "env-id"}


def test_unknown_values_are_empty_and_null_in_the_result():
    texts = values(results.of_deployments((DeploymentResult(status=Outcome.RUNNING),)), GitHubWrites())
    assert (texts["duration"], texts["commit-matches"], texts["preview-url"], texts["published"]) == (
        "",
        "",
        "",
        "false",
    )
    (entry,) = json.loads(texts["result"])["deployments"]
    assert (entry["duration"], entry["commit-matches"], entry["published"]) == (None, None, False)


def test_deletions_are_counted_per_environment_and_in_total():
    removed = [DeploymentResult(status=Outcome.SUCCESS, name=name, deleted=n) for name, n in (("web", 2), ("docs", 3))]
    texts = values(results.of_deployments(removed), GitHubWrites())
    assert texts["deleted"] == "5"
    assert [entry["deleted"] for entry in json.loads(texts["result"])["deployments"]] == [2, 3]


def test_the_outputs_describe_the_first_environment_that_failed():
    assert values(RESULTS["several"], GitHubWrites())["deployment-id"] == "9"
    assert values(RESULTS["several"], GitHubWrites())["status"] == "failed"


def test_the_reason_of_several_problems_is_one_line():
    assert values(RESULTS["failed before"], GitHubWrites())["reason"] == "Input api-key: no."


HOSTILE = DeploymentResult(
    status=Outcome.FAILED,
    reason="one\ntwo\r::set-output name=x::y\x1b[31m" + "x" * 5000,
    branch="half-\ud800\nghadelimiter_x",
    name="\udcff\n",
    deployment=Deployment(id="1", status=Status.FAILED, commit=Commit(sha="a\nb" * 100)),
)


def test_foreign_text_is_one_line_of_valid_characters():
    texts = values(results.of_deployments((HOSTILE,)), GitHubWrites())
    for text in texts.values():
        text.encode()
        assert not set(text) & set("\r\n\x1b")
    assert len(texts["reason"]) <= 1000
    assert texts["branch"] == "half- ghadelimiter_x"
    assert json.loads(texts["result"])["deployments"][0]["name"] == ""


def test_a_long_list_is_cut_to_fit_a_variable_and_counts_what_is_left_out():
    many = tuple(
        DeploymentResult(status=Outcome.SUCCESS, deployment_id=str(number), reason="😀" * 200) for number in range(5000)
    )
    texts = values(results.of_listing(many), GitHubWrites())
    document = json.loads(texts["result"])
    entries = document["deployments"]
    assert len(texts["result"].encode()) <= MAX_RESULT_BYTES
    assert document["left-out"] == 5000 - len(entries)
    assert [entry["deployment-id"] for entry in entries] == [str(number) for number in range(len(entries))]
    assert len(entries) > 80


@pytest.fixture(name="files")
def _files(tmp_path, monkeypatch) -> dict[FileCommand, Path]:
    files = create_files(tmp_path, "x")
    for command, path in files.items():
        monkeypatch.setenv(f"GITHUB_{command}", str(path))
    return files


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(st.sampled_from(list(OUTPUTS)), st.text(st.characters(codec="utf-8"))))
def test_the_runner_reads_outputs_back_as_they_were_written(files, texts):
    files[FileCommand.OUTPUT].write_bytes(b"")
    RunnerFiles().write(texts)
    read = read_files(files)
    assert not read.errors
    # The runner reads every kind of line end as \n.
    assert {name: _lines(text) for name, text in read.outputs.items()} == {
        name: _lines(text) for name, text in texts.items()
    }


def _lines(text: str) -> list[str]:
    return text.replace("\r\n", "\n").replace("\r", "\n").rstrip("\n").split("\n")


@pytest.mark.threat("A hostile pull request")
def test_hostile_values_add_no_output(files):
    RunnerFiles().write(values(results.of_deployments((HOSTILE,)), GitHubWrites()))
    read = read_files(files)
    assert not read.errors
    assert set(read.outputs) == set(OUTPUTS)


@pytest.mark.threat("A hostile pull request")
def test_delimiters_are_random_and_never_reused(files):
    for _ in range(2):
        RunnerFiles().write({"status": "success", "reason": ""})
    delimiters = re.findall(r"^\w+<<(\S+)$", files[FileCommand.OUTPUT].read_text(encoding="utf-8"), re.MULTILINE)
    assert len(set(delimiters)) == 4
    assert all(len(delimiter) > 32 for delimiter in delimiters)


def test_state_and_summary_are_written_into_their_files(files):
    step_files = RunnerFiles()
    step_files.save_state("finished", "true")
    step_files.write_summary("# One\n")
    step_files.write_summary("# Two\n")
    read = read_files(files)
    assert read.state == {"finished": "true"}
    assert read.summary.split() == ["#", "One", "#", "Two"]


@pytest.mark.parametrize("broken", ["gone", "directory"])
def test_files_that_cannot_be_written_are_errors_but_for_the_state(files, broken, tmp_path, monkeypatch):
    for command in files:
        monkeypatch.setenv(f"GITHUB_{command}", str(tmp_path / "gone" if broken == "gone" else tmp_path))
    step_files = RunnerFiles()
    with pytest.raises(ActionError, match="could not be written to GITHUB_OUTPUT"):
        step_files.write({"status": "success"})
    with pytest.raises(ActionError, match="GITHUB_STEP_SUMMARY is not a writable file"):
        step_files.write_summary("x")
    step_files.save_state("finished", "true")


def test_standard_output_gets_only_the_json_document(capsys):
    texts = values(RESULTS["several"], GitHubWrites())
    for files in (JsonOutput(as_json=False), JsonOutput(as_json=True)):
        files.write(texts)
        files.write_summary("# x")
        files.save_state("a", "b")
    out, err = capsys.readouterr()
    assert (out, err) == (f"{texts['result']}{os.linesep}", "")


def test_a_dotenv_file_cannot_run_code_in_a_shell(tmp_path):
    """GitLab accepts neither spaces nor quotes, so both are replaced."""
    path = tmp_path / "stormkit.env"
    hostile = BUILT._replace(reason="The build failed; touch owned", branch="a$(touch owned)`touch owned`|&'\"\\b")
    JsonOutput(as_json=False, dotenv=str(path)).write(values(results.of_deployments((hostile,)), GitHubWrites()))
    lines = path.read_text(encoding="utf-8").splitlines()
    assert [line.partition("=")[0] for line in lines] == [
        f"STORMKIT_{name.upper().replace('-', '_')}" for name in SCALARS
    ]
    assert "STORMKIT_PREVIEW_URL=https://8241--hello.stormkit.dev" in lines
    assert "STORMKIT_REASON=The\u00a0build\u00a0failed_\u00a0touch\u00a0owned" in lines
    assert not any(" " in line for line in lines)
    script = 'set -eu; . ./stormkit.env; printf %s "$STORMKIT_BRANCH"'
    shell = subprocess.run(["bash", "-c", script], cwd=tmp_path, capture_output=True, text=True, timeout=10, check=True)
    assert shell.stdout == "a__touch\u00a0owned__touch\u00a0owned______b"
    assert list(tmp_path.iterdir()) == [path]
