import pytest

from tools.bench.polling import ACTION_NAME, FAILURE_SHARE, LOOP_INTERVAL_S, LOOP_NAME, builds, measure, optimum


@pytest.fixture(scope="module")
def with_history():
    """What the documented loop and the action measure, with earlier builds for the action to learn from."""
    measured = measure(builds(0.1, count=1000))
    return measured[LOOP_NAME], measured[ACTION_NAME]


def test_the_action_notices_an_end_earlier_than_the_documented_polling_loop(with_history):
    loop, action = with_history
    assert action.usual <= 0.25 * loop.usual
    assert action.early <= 1.05 * loop.early
    assert action.lag <= 0.38 * loop.lag
    assert action.requests <= 1.5 * loop.requests


def test_without_earlier_builds_the_action_still_notices_an_end_earlier_than_the_loop():
    measured = measure(builds(0.1, history=0, count=1000))
    assert measured[ACTION_NAME].lag <= 0.75 * measured[LOOP_NAME].lag
    assert measured[ACTION_NAME].requests <= 1.5 * measured[LOOP_NAME].requests


def test_the_measured_lag_never_beats_the_theoretical_optimum(with_history):
    _, action = with_history
    assert action.lag > optimum(0.1, FAILURE_SHARE, action.requests)[0]


def test_the_loop_notices_an_end_half_a_pause_late_on_average(with_history):
    loop, _ = with_history
    assert loop.lag == pytest.approx(LOOP_INTERVAL_S / 2, rel=0.1)
