"""What StepReporter writes to GitHub while a build runs."""

import pytest

from sandbox.events import HEAD_SHA
from sandbox.github.server import GitHub
from stormkit_action.reporting.comment_body import read_rows
from stormkit_action.reporting.console import PlainConsole
from stormkit_action.reporting.reporter import StepReporter
from stormkit_action.reporting.step import Step as StepSoFar
from stormkit_action.reporting.step_files import JsonOutput
from stormkit_action.result import Outcome
from stormkit_action.stormkit.models import Commit
from stormkit_action.stormkit.schedule import UsualDuration
from stormkit_action.stormkit.waiting import Progress
from tests.reporting.github_step import ReportingStep, result


@pytest.mark.parametrize("usual", [None, 60, 240])
def test_the_comment_is_created_at_the_first_read_and_not_edited_while_the_build_runs(usual):
    with GitHub() as github:
        step = ReportingStep(github, {"github-deployment": "false"})
        so_far = StepSoFar(inputs=step.inputs, github=step.report)
        reporter = StepReporter(console=PlainConsole(), files=JsonOutput(as_json=False), clock=step.clock, step=so_far)
        usual_duration = UsualDuration(seconds=usual, builds=3) if usual else None
        for elapsed in range(600):
            running = result(Outcome.RUNNING, deployment_id="8007")
            assert running.deployment is not None
            deployment = running.deployment._replace(commit=Commit(sha=HEAD_SHA if elapsed > 3 else None))
            running = running._replace(deployment=deployment)
            reporter.progress(running, Progress(deployment=deployment, elapsed=elapsed, usual=usual_duration))
            step.wait_for_writes()
        assert len(github.received("POST")) + len(github.received("PATCH")) == 1
        [row] = read_rows(github.state.comments()[0].body)
    assert row.usual == (usual or 0)
