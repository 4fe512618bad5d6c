"""The progress line in the step's log."""

import pytest

from stormkit_action.reporting.log import bar, estimate, progress_line
from stormkit_action.stormkit.models import Commit, Deployment, Status
from stormkit_action.stormkit.schedule import UsualDuration
from stormkit_action.stormkit.waiting import Progress

RUNNING = Deployment(id="8241", status=Status.RUNNING)
BUILT = RUNNING._replace(commit=Commit(sha="16ab41e8c0ffee"))
USUAL = UsualDuration(seconds=105, builds=10, spread=0.1)


@pytest.mark.parametrize(
    ("progress", "text"),
    [
        (Progress(deployment=None, elapsed=0), "0s: waiting"),
        (Progress(deployment=RUNNING, elapsed=2), "2s: running"),
        (Progress(deployment=BUILT, elapsed=2), "2s: running, commit 16ab41e"),
        (
            Progress(deployment=BUILT, elapsed=65, usual=USUAL),
            "1m 05s: running [######----] about 40s left, usually 1m 45s, commit 16ab41e",
        ),
        (
            Progress(deployment=RUNNING, elapsed=170, usual=USUAL),
            "2m 50s: running [##########] overdue by 1m 05s, usually 1m 45s",
        ),
        (
            Progress(deployment=BUILT._replace(status=Status.SUCCESS), elapsed=103, usual=USUAL),
            "1m 43s: success, commit 16ab41e",
        ),
        (Progress(deployment=BUILT, elapsed=30, usual=USUAL, trouble="No answer."), "30s: still trying. No answer."),
    ],
)
def test_a_progress_line_shows_time_status_estimate_and_commit(progress, text):
    assert progress_line(progress) == text


@pytest.mark.parametrize(
    ("elapsed", "text"),
    [
        (0, "about 1m 00s left"),
        (22, "about 40s left"),
        (45, "about 15s left"),
        (58.7, "about 1s left"),
        (59.5, "due now"),
        (66, "due now"),
        (66.2, "overdue by 6s"),
        (600, "overdue by 9m 00s"),
    ],
)
def test_an_estimate_is_time_left_due_or_overdue(elapsed, text):
    assert estimate(elapsed, 60, 0.1) == text


@pytest.mark.parametrize(
    ("elapsed", "text"), [(0, "[----------]"), (59, "[#########-]"), (60, "[##########]"), (1e9, "[##########]")]
)
def test_a_bar_fills_up_to_the_usual_duration(elapsed, text):
    assert bar(elapsed, 60) == text


def test_a_hostile_commit_stays_on_one_line():
    assert (
        progress_line(Progress(deployment=RUNNING._replace(commit=Commit(sha="a\n::error::")), elapsed=1)).count("\n")
        == 0
    )
