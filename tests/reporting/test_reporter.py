"""What is shown on GitHub while a build runs: at its beginning, and at each quarter of a usually long one."""

import pytest

from sandbox.clock import TODAY
from sandbox.events import HEAD_SHA
from sandbox.github.server import GitHub
from stormkit_action.context import Environment
from stormkit_action.later import Later
from stormkit_action.reporting.comment_body import read_rows
from stormkit_action.reporting.console import PlainConsole
from stormkit_action.reporting.reporter import Shown, StepReporter
from stormkit_action.reporting.step_files import JsonOutput
from stormkit_action.stormkit.client import StormkitClient
from stormkit_action.stormkit.models import Commit, Deployment, Status
from stormkit_action.stormkit.schedule import UsualDuration
from stormkit_action.stormkit.session import Transport
from stormkit_action.stormkit.waiting import Progress
from tests.reporting.test_github_report import Step


@pytest.mark.parametrize(
    ("usual", "commit_after", "shown_at"),
    [
        (None, 0, [0]),
        (None, 3, [3]),
        (None, 600, [5]),
        (60, 0, [0]),
        (60, 3, [3]),
        (240, 0, [0, 60, 120, 180]),
        (240, 100, [5, 60, 120, 180]),
    ],
)
def test_when_the_comment_is_written(usual, commit_after, shown_at):
    with GitHub() as github:
        step = Step(github, {"github-deployment": "false"})
        shown = Shown(label="docs", branch="main", expected_sha=HEAD_SHA, dashboard_url="", run=step.run)
        live = StepReporter(
            console=PlainConsole(),
            files=JsonOutput(as_json=False),
            clock=step.clock,
            shown=shown,
            github=Later(lambda: step.report),
        )
        transport = Transport(origin="https://api.example.com", api_key="SK", clock=step.clock, secrets=())
        environment = Environment(client=StormkitClient(transport))
        seen, written = [], 0
        for elapsed in range(0, 600):
            step.clock.advance(1)
            commit = Commit(sha=HEAD_SHA if elapsed >= commit_after else None)
            deployment = Deployment(id="8007", status=Status.RUNNING, commit=commit)
            known = UsualDuration(seconds=usual, count=3) if usual else None
            live.progress(environment, Progress(deployment=deployment, elapsed=elapsed, usual=known))
            step.settle()
            writes = len(github.received("POST")) + len(github.received("PATCH"))
            if writes > written:
                seen.append(elapsed)
                written = writes
        [row] = read_rows(github.state.comments()[0].body)
    assert seen == shown_at
    assert row.usual == (usual or 0)
    assert row.ready_at == (pytest.approx(TODAY.timestamp() + usual + 1, abs=2) if usual else 0)
