"""When to poll next, and what the earlier builds say about the usual duration."""

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
    POLLS_PER_ROOT_SECOND,
    TIME_LIMIT_LAG_S,
    TIME_LIMIT_PAUSE_S,
    UsualDuration,
    density_and_survival,
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
    failures=st.floats(min_value=0.01, max_value=0.9),
)


def build(seconds: float, status: Status = Status.SUCCESS) -> Deployment:
    return Deployment(id="1", status=status, duration=seconds)


@pytest.mark.parametrize(
    ("usual", "elapsed", "at_least", "at_most"),
    [
        (None, 0, 0.2, 0.2),  # nothing known: the build may end at any moment
        (None, 1.4, 0.2, 0.2),
        (None, 1.5, 2, 8),  # then like the first minutes of any build
        (None, 5, 2, 6),
        (None, 60, 2, 5),
        (None, 300, 3, 6),
        (None, 3600, 10, MAX_PAUSE_S),
        (None, 1e12, MAX_PAUSE_S, MAX_PAUSE_S),
        (None, -3, 0.2, 0.2),
        (None, math.nan, 0.2, 0.2),
        (None, math.inf, MAX_PAUSE_S, MAX_PAUSE_S),
        (USUAL, 0, 3, 8),  # sparse while only a failure can end the build
        (USUAL, 30, 3, 8),
        (USUAL, 60, 3, 8),
        (USUAL, 90, 0.3, 1.3),  # dense around the usual end
        (USUAL, 100, 0.3, 1.0),
        (USUAL, 110, 0.3, 1.0),
        (USUAL, 160, 2, 8),  # overdue: any moment is equally likely
        (USUAL, 1e4, MAX_PAUSE_S, MAX_PAUSE_S),
    ],
)
def test_polls_are_sparse_then_dense_then_back_off(usual, elapsed, at_least, at_most):
    assert at_least <= pause(elapsed, shortest=0.2, usual=usual) <= at_most


def test_a_sparse_pause_ends_where_dense_polling_begins():
    """A pause chosen by the current moment alone would skip the usual end."""
    now, polls = 0.0, []
    while now < 130:
        now += pause(now, shortest=0.2, usual=USUAL)
        polls.append(now)
    assert len([poll for poll in polls if poll < 70]) <= 17
    assert len([poll for poll in polls if 80 <= poll < 120]) >= 15


@pytest.mark.parametrize("earlier", [10, 30, 50])
def test_an_early_end_is_noticed_within_twice_its_duration(earlier):
    now = 0.0
    while now < earlier:
        now += pause(now, shortest=0.2, usual=USUAL)
    assert now < 2 * earlier


def test_a_wider_spread_means_longer_pauses_at_the_usual_end():
    spreads = (0.03, 0.05, 0.1, 0.2, 0.4)
    pauses = [pause(100, shortest=0, usual=UsualDuration(seconds=100, builds=10, spread=spread)) for spread in spreads]
    assert pauses == sorted(pauses)


def test_long_builds_are_polled_more_often_in_total_but_less_densely():
    def polls(usual: float) -> int:
        now, count = 0.0, 0
        while now < usual:
            now += pause(now, shortest=0.2, usual=UsualDuration(seconds=usual, builds=10, spread=0.1))
            count += 1
        return count

    counts = [polls(usual) for usual in (15, 60, 240, 960)]
    assert counts == sorted(counts)
    assert counts[3] < 8 * counts[0]  # 64 times as long


@given(elapsed=times, shortest=floors, usual=usuals)
def test_with_history_a_pause_is_finite_and_bounded(elapsed, shortest, usual):
    seconds = pause(elapsed, shortest=shortest, usual=usual)
    assert math.isfinite(seconds)
    assert shortest <= seconds <= max(shortest, MAX_PAUSE_S)


@given(usual=usuals, share=st.floats(min_value=1e-6, max_value=1e6))
def test_the_survival_function_decreases_by_the_density(usual, share):
    elapsed, step = usual.seconds * share, usual.seconds * share * 1e-4
    (density, survival), (later_density, later) = (
        density_and_survival(elapsed, usual),
        density_and_survival(elapsed + step, usual),
    )
    assert 1 >= survival > later > 0
    if share < 0.999 or share > 1:
        most, least = max(density, later_density), min(density, later_density)
        assert 0.99 * least * step - 1e-12 <= survival - later <= 1.01 * most * step + 1e-12


@pytest.mark.parametrize("failures", [0.05, 0.15, 0.5])
@pytest.mark.parametrize("seconds", [15, 100, 600])
def test_the_number_of_polls_grows_with_the_root_of_the_usual_duration(seconds, failures):
    usual = UsualDuration(seconds=seconds, builds=10, spread=0.1, failures=failures)
    now, polls, running = 0.0, 0.0, 1.0
    while now < 5 * seconds:
        now += pause(now, shortest=0, usual=usual)
        polls, running = polls + running, density_and_survival(now, usual)[1]
    assert polls == pytest.approx(POLLS_PER_ROOT_SECOND * math.sqrt(seconds), rel=0.15)


@given(elapsed=st.floats(allow_nan=True, allow_infinity=True), usual=usuals)
def test_any_elapsed_time_gives_a_bounded_pause(elapsed, usual):
    assert 0.2 <= pause(elapsed, shortest=0.2, usual=usual) <= MAX_PAUSE_S


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
def test_the_usual_duration_is_the_median_of_the_newest_builds(durations, seconds, count):
    usual = UsualDuration.of(build(seconds) for seconds in durations)
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
def test_only_successful_builds_with_a_plausible_duration_count(deployments):
    assert UsualDuration.of(deployments) is None


@pytest.mark.parametrize(("failed", "at_least", "at_most"), [(0, 0.05, 0.1), (2, 0.1, 0.2), (20, 0.4, 0.6)])
def test_the_share_of_failures_is_learnt_from_failed_builds(failed, at_least, at_most):
    usual = UsualDuration.of([*[build(20, Status.FAILED)] * failed, *[build(60)] * 10, build(5, Status.STOPPED)])
    assert usual is not None
    assert at_least <= usual.failures <= at_most


def spread_of(*durations: float) -> float:
    usual = UsualDuration.of(build(seconds) for seconds in durations)
    assert usual is not None
    return usual.spread


def test_few_builds_make_the_spread_wide():
    assert spread_of(60) > spread_of(60, 60) > spread_of(*[60] * 5) > spread_of(*[60] * 10) >= LEAST_SPREAD


def test_one_odd_build_does_not_decide_the_spread():
    steady = [58, 60, 61, 59, 60, 62, 60, 59, 61]
    assert spread_of(*steady, 180) < 0.25
    assert spread_of(30, 60, 120, 45, 90, 25, 140, 60, 70, 50) > 0.4


def test_the_spread_of_short_builds_includes_their_rounding():
    assert spread_of(*[1] * 10) >= 0.4


@given(st.lists(st.floats(min_value=0, max_value=1e308), min_size=1, max_size=20))
def test_any_history_gives_a_usable_spread(durations):
    usual = UsualDuration.of(build(seconds) for seconds in durations)
    if usual is not None:
        assert 1 <= usual.seconds <= MAX_BUILD_S
        assert LEAST_SPREAD <= usual.spread < 20
        assert pause(usual.seconds, shortest=0.2, usual=usual) <= MAX_PAUSE_S


@pytest.mark.parametrize("usual", [None, UsualDuration(seconds=60, builds=10), UsualDuration(seconds=5000, builds=10)])
def test_polls_meet_stormkit_s_time_limit_and_are_dense_after_it(usual):
    elapsed, polls = 600.0, list[float]()
    while elapsed < 1200:
        polls.append(elapsed)
        elapsed += pause(elapsed, shortest=2, usual=usual)
    assert any(TIME_LIMIT_S <= poll < TIME_LIMIT_S + 2 for poll in polls)
    dense = [poll for poll in polls if TIME_LIMIT_S <= poll < TIME_LIMIT_S + TIME_LIMIT_LAG_S]
    assert len(dense) >= TIME_LIMIT_LAG_S / TIME_LIMIT_PAUSE_S - 1
    assert len(polls) - len(dense) < 110
