"""Sixteen jobs write one comment at the same time, with lost answers; `tools/bench` repeats it more often."""

from functools import partial

import pytest

from tools.bench.comment_race import run

# Pauses and latency are divided by this.
SPEED = 2.5


@pytest.mark.parametrize("seed", range(3))
def test_the_rows_of_16_simultaneous_jobs_all_survive_in_one_comment(seed):
    race = partial(run, seed, jobs=16, latency=0.05, jitter=0.1, lost=0.05, speed=SPEED)
    one = race(apart=0.0 if seed else 2.0)
    assert one.problems == ()
    assert max(one.requests) <= 40
