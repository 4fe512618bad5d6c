import math
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stormkit_action.stormkit.models import TIME_LIMIT_S, Deployment, Status
from stormkit_action.stormkit.schedule import (
    LEAST_SPREAD,
    MAX_BUILD_S,
    MAX_PAUSE_S,
    MAX_SPARSE_PAUSE_S,
    TIME_LIMIT_LAG_S,
    TIME_LIMIT_PAUSE_S,
    UsualDuration,
    pause,
)

USUAL = UsualDuration(seconds=100, builds=10, spread=0.1)

times = st.floats(min_value=0, max_value=1e9)
floors = st.floats(min_value=0.05, max_value=30)
usuals = st.builds(
    UsualDuration,
    seconds=st.floats(min_value=1, max_value=MAX_BUILD_S),
    builds=st.integers(min_value=1, max_value=10),
    spread=st.floats(min_value=LEAST_SPREAD, max_value=3),
)


def build(seconds: float, status: Status = Status.SUCCESS) -> Deployment:
    return Deployment(id="1", status=status, duration=seconds)


@pytest.mark.parametrize(
    ("elapsed", "seconds"),
    [
        (0, 2),
        (5, 2),
        (20, 2),
        (50, 5),
        (100, 10),
        (149, 14.9),
        (600, MAX_PAUSE_S),
        (1e12, MAX_PAUSE_S),
        (-3, 2),
        (math.nan, 2),
        (math.inf, 2),
    ],
)
def test_without_history_a_tenth_of_the_time_waited(elapsed, seconds):
    assert pause(elapsed, shortest=2) == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("elapsed", "at_least", "at_most"),
    [
        (0, 3, 6),  # quick at first
        (30, 8, 25),  # sparse while an end is unlikely
        (60, 8, 25),
        (90, 0.3, 1.3),  # dense around the usual end
        (100, 0.3, 1.0),
        (110, 0.3, 1.0),
        (160, 5, 16),  # overdue: as if nothing were known
        (300, MAX_PAUSE_S * 0.9, MAX_PAUSE_S),
    ],
)
def test_with_history_sparse_then_dense_then_backing_off(elapsed, at_least, at_most):
    assert at_least <= pause(elapsed, shortest=0.2, usual=USUAL) <= at_most


def test_a_sparse_pause_ends_where_the_dense_part_begins():
    """A pause is not taken from the moment alone: it would lead over the usual end."""
    now, looks = 0.0, []
    while now < 130:
        now += pause(now, shortest=0.2, usual=USUAL)
        looks.append(now)
    assert len([each for each in looks if each < 70]) <= 7
    assert len([each for each in looks if 80 <= each < 120]) >= 15


@pytest.mark.parametrize("earlier", [10, 30, 50])
def test_an_early_end_is_noticed_before_it_is_twice_as_old(earlier):
    now = 0.0
    while now < earlier:
        now += pause(now, shortest=0.2, usual=USUAL)
    assert now < 2 * earlier


def test_the_wider_the_spread_the_longer_the_pauses_at_the_usual_end():
    spreads = (0.03, 0.05, 0.1, 0.2, 0.4)
    pauses = [pause(100, shortest=0, usual=UsualDuration(seconds=100, builds=10, spread=each)) for each in spreads]
    assert pauses == sorted(pauses)


def test_long_builds_are_polled_less_densely_but_more_often_than_short_ones():
    def looks(usual: float) -> int:
        now, count = 0.0, 0
        while now < usual:
            now += pause(now, shortest=0.2, usual=UsualDuration(seconds=usual, builds=10, spread=0.1))
            count += 1
        return count

    counts = [looks(usual) for usual in (15, 60, 240, 960)]
    assert counts == sorted(counts)
    assert counts[3] < 8 * counts[0]  # 64 times as long


@given(elapsed=times, shortest=floors)
def test_never_slower_than_a_tenth_and_never_below_the_floor_without_history(elapsed, shortest):
    seconds = pause(elapsed, shortest=shortest)
    assert shortest <= seconds <= max(shortest, elapsed / 10, 0)


@given(one=times, other=times, shortest=floors)
def test_pauses_only_grow_without_history(one, other, shortest):
    first, second = sorted((one, other))
    assert pause(first, shortest=shortest) <= pause(second, shortest=shortest)


@given(elapsed=times, shortest=floors, usual=usuals)
def test_with_history_a_pause_is_finite_and_bounded(elapsed, shortest, usual):
    seconds = pause(elapsed, shortest=shortest, usual=usual)
    assert math.isfinite(seconds)
    assert shortest <= seconds <= max(shortest, MAX_SPARSE_PAUSE_S * 1.001)


@given(usual=usuals, over=st.floats(min_value=50, max_value=1e6))
def test_what_is_long_overdue_is_polled_as_if_nothing_were_known(usual, over):
    overdue = UsualDuration(seconds=usual.seconds, builds=usual.builds, spread=min(usual.spread, 0.3))
    elapsed = overdue.seconds * over
    assert pause(elapsed, shortest=0, usual=overdue) <= 1.001 * min(elapsed / 10 + 1, MAX_PAUSE_S)


@given(elapsed=st.floats(allow_nan=True, allow_infinity=True), usual=usuals)
def test_no_time_is_too_odd(elapsed, usual):
    assert 0.2 <= pause(elapsed, shortest=0.2, usual=usual) <= MAX_SPARSE_PAUSE_S * 1.001


@pytest.mark.parametrize(
    ("durations", "seconds", "count"),
    [
        ([42], 42, 1),
        ([10, 20, 90], 20, 3),
        ([10, 20], 15, 2),
        ([*[60] * 10, *[600] * 10], 60, 10),  # only the newest count
        ([0.2], 1, 1),
    ],
)
def test_what_is_usual_is_the_median_of_the_newest(durations, seconds, count):
    usual = UsualDuration.of(build(each) for each in durations)
    assert usual is not None
    assert (usual.seconds, usual.builds) == (seconds, count)


@pytest.mark.parametrize(
    "deployments",
    [
        [],
        [build(42, Status.FAILED), build(42, Status.STOPPED), build(42, Status.RUNNING)],
        [build(0)],
        [build(timedelta(days=30).total_seconds()), build(1e300)],
    ],
)
def test_only_successful_builds_with_a_plausible_duration_tell_what_is_usual(deployments):
    assert UsualDuration.of(deployments) is None


def spread_of(*durations: float) -> float:
    usual = UsualDuration.of(build(each) for each in durations)
    assert usual is not None
    return usual.spread


def test_few_builds_make_the_spread_wide():
    assert spread_of(60) > spread_of(60, 60) > spread_of(*[60] * 5) > spread_of(*[60] * 10) >= LEAST_SPREAD


def test_one_odd_build_does_not_decide_the_spread():
    steady = [58, 60, 61, 59, 60, 62, 60, 59, 61]
    assert spread_of(*steady, 180) < 0.25
    assert spread_of(30, 60, 120, 45, 90, 25, 140, 60, 70, 50) > 0.4


def test_builds_of_seconds_are_no_narrower_than_their_rounding():
    assert spread_of(*[1] * 10) >= 0.4


@given(st.lists(st.floats(min_value=0, max_value=1e308), min_size=1, max_size=20))
def test_any_history_gives_a_usable_spread(durations):
    usual = UsualDuration.of(build(each) for each in durations)
    if usual is not None:
        assert 1 <= usual.seconds <= MAX_BUILD_S
        assert LEAST_SPREAD <= usual.spread < 20
        assert pause(usual.seconds, shortest=0.2, usual=usual) <= MAX_SPARSE_PAUSE_S * 1.001


@pytest.mark.parametrize("usual", [None, UsualDuration(seconds=60, builds=10), UsualDuration(seconds=5000, builds=10)])
def test_polls_meet_the_time_limit_of_stormkit_and_are_dense_after_it(usual):
    elapsed, polls = 600.0, list[float]()
    while elapsed < 1200:
        polls.append(elapsed)
        elapsed += pause(elapsed, shortest=2, usual=usual)
    assert any(TIME_LIMIT_S <= poll < TIME_LIMIT_S + 2 for poll in polls)
    dense = [poll for poll in polls if TIME_LIMIT_S <= poll < TIME_LIMIT_S + TIME_LIMIT_LAG_S]
    assert len(dense) >= TIME_LIMIT_LAG_S / TIME_LIMIT_PAUSE_S - 1
    assert len(polls) - len(dense) < 60
