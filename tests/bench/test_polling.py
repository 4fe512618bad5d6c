import pytest

from tools.bench.polling import ACTION_NAME, FAILURE_SHARE, LOOP_INTERVAL_S, LOOP_NAME, builds, measure, optimum


@pytest.fixture(scope="module")
def known():
    """The loop and the action, with builds before it to learn from."""
    measured = measure(builds(0.1, count=1000))
    return measured[LOOP_NAME], measured[ACTION_NAME]


def test_an_end_is_noticed_earlier_than_by_the_loop_of_the_documentation_whether_the_build_fails_early_or_not(known):
    loop, action = known
    assert action.usual <= 0.25 * loop.usual
    assert action.early <= 1.05 * loop.early
    assert action.lag <= 0.38 * loop.lag
    assert action.requests <= 1.5 * loop.requests


def test_a_first_build_is_noticed_earlier_too():
    measured = measure(builds(0.1, history=0, count=1000))
    assert measured[ACTION_NAME].lag <= 0.75 * measured[LOOP_NAME].lag
    assert measured[ACTION_NAME].requests <= 1.5 * measured[LOOP_NAME].requests


def test_no_schedule_is_better_than_the_optimum(known):
    _, action = known
    assert action.lag > optimum(0.1, FAILURE_SHARE, action.requests)[0]


def test_the_loop_is_late_by_half_its_pause(known):
    loop, _ = known
    assert loop.lag == pytest.approx(LOOP_INTERVAL_S / 2, rel=0.1)
