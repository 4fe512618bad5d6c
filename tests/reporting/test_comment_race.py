"""Sixteen jobs write one comment at the same moment, with lost answers; `tools/bench` does it more often."""

from functools import partial

import pytest

from tools.bench.comment_race import run

# Everything happens this many times faster than it would: pauses, latency and all.
SPEED = 2.5


@pytest.mark.parametrize("seed", range(3))
def test_every_row_survives_in_one_comment(seed):
    race = partial(run, seed, jobs=16, latency=0.05, jitter=0.1, lost=0.05, speed=SPEED)
    one = race(apart=0.0 if seed else 2.0)
    assert one.problems == ()
    assert max(one.requests) <= 40
