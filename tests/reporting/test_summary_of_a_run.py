"""The job summary of whole steps, run as a process."""

import json
from pathlib import Path

import pytest

from sandbox.runner.runner import Runner
from sandbox.stormkit.server import Stormkit


def _run(stormkit: Stormkit, directory: Path, **inputs: str) -> Runner:
    values = {name.replace("_", "-"): value for name, value in inputs.items()}
    defaults = {"api-key": "SK_sandbox", "api-url": stormkit.url, "poll-interval": "0.1s", "comment": "false"}
    return Runner(
        event="pull_request_opened",
        inputs={**defaults, "github-deployment": "false", **values},
        directory=directory,
        secrets=["SK_sandbox"],
    )


@pytest.mark.parametrize("job_summary", ["true", "false"])
def test_a_success_reads_its_log_only_to_draw_its_steps(tmp_path: Path, job_summary: str) -> None:
    with Stormkit() as stormkit:
        stormkit.next_build(seconds=0.2, reported=42)
        finished = _run(stormkit, tmp_path, job_summary=job_summary).run()
        with_logs = [request for request in stormkit.requests if request.query.get("logs")]
    assert finished.exit_code == 0
    has_summary = job_summary == "true"
    assert ("| Steps of " in finished.summary) == has_summary
    assert ("| <b>hello-world / production</b> | 436 bytes | none | none |" in finished.summary) == has_summary
    assert len(with_logs) == has_summary


def test_a_failure_shows_the_failed_step_and_its_last_lines(tmp_path: Path) -> None:
    with Stormkit() as stormkit:
        stormkit.next_build(seconds=0.2, outcome="failed", reported=42)
        finished = _run(stormkit, tmp_path).run()
    assert finished.exit_code == 1
    assert "| ❌ failed: npm run build, " in finished.summary
    assert "exit status 2" in finished.summary


def test_a_list_is_a_table_in_log_and_summary(tmp_path: Path) -> None:
    with Stormkit() as stormkit:
        for _ in range(600):
            stormkit.add_deployment(branch="docs", status="success", duration=42)
        finished = _run(stormkit, tmp_path, command="list", branch="docs").run()
    assert finished.exit_code == 0
    left_out = "100 older deployments are not shown. Name a branch to list fewer."
    assert left_out in finished.log
    assert left_out in finished.summary
    assert finished.log.count("Ready, 42s") == 500
    assert finished.summary.count("✅ Ready, 42s") == 500
    document = json.loads(finished.outputs["result"])
    assert len(document["deployments"]) + document["left-out"] == 600
