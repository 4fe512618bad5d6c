"""The poll schedule keeps what docs/performance.md says of it."""

import pytest

from tools.bench.polling import LOOP, Measured, builds, every, optimum, polling_at, this_action

SAMPLE = builds(0.1, count=1000)
BY_LOOP = Measured.of([polling_at(lambda: every(LOOP))(each) for each in SAMPLE])


def test_a_short_interval_is_four_times_as_quick_as_the_loop_for_no_more_requests():
    measured = Measured.of([this_action(0.2)(each) for each in SAMPLE])
    assert measured.lag < BY_LOOP.lag / 4
    assert measured.everything <= BY_LOOP.requests
    assert measured.lag > optimum(0.1, measured.requests)


def test_the_default_interval_is_twice_as_quick_for_fewer_requests():
    measured = Measured.of([this_action(2.0)(each) for each in SAMPLE])
    assert measured.lag < BY_LOOP.lag / 2
    assert measured.everything < BY_LOOP.requests


def test_the_loop_is_late_by_half_its_pause():
    assert BY_LOOP.lag == pytest.approx(LOOP / 2, rel=0.1)
