import pytest

from tools.bench.polling import ACTION_NAME, FAILURES, LOOP, LOOP_NAME, builds, measure, optimum

KNOWN = measure(builds(0.1, count=1000))
LOOP_KNOWN, ACTION_KNOWN = KNOWN[LOOP_NAME], KNOWN[ACTION_NAME]


def test_an_end_is_noticed_earlier_than_by_the_loop_of_the_documentation_whether_the_build_fails_early_or_not():
    assert ACTION_KNOWN.usual <= 0.25 * LOOP_KNOWN.usual
    assert ACTION_KNOWN.early <= 1.05 * LOOP_KNOWN.early
    assert ACTION_KNOWN.lag <= 0.38 * LOOP_KNOWN.lag
    assert ACTION_KNOWN.requests <= 1.5 * LOOP_KNOWN.requests


def test_a_first_build_is_noticed_earlier_too():
    measured = measure(builds(0.1, history=0, count=1000))
    assert measured[ACTION_NAME].lag <= 0.75 * measured[LOOP_NAME].lag
    assert measured[ACTION_NAME].requests <= 1.5 * measured[LOOP_NAME].requests


def test_no_schedule_is_better_than_the_optimum():
    assert ACTION_KNOWN.lag > optimum(0.1, FAILURES, ACTION_KNOWN.requests)[0]


def test_the_loop_is_late_by_half_its_pause():
    assert LOOP_KNOWN.lag == pytest.approx(LOOP / 2, rel=0.1)
