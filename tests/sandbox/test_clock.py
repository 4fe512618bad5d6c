"""The fake clock behaves as the real one does, without the waiting."""

from datetime import timedelta

import pytest

from sandbox.clock import TODAY, FakeClock
from stormkit_action.cancellation import Cancellation
from stormkit_action.clock import Clock, Deadline, SystemClock
from stormkit_action.errors import Cancelled


def test_sleeping_moves_both_clocks():
    clock: Clock = FakeClock()
    began = clock.monotonic()
    clock.sleep(1.5)
    clock.sleep(-1)
    assert clock.monotonic() - began == 1.5
    assert clock.now() - TODAY == timedelta(seconds=1.5)


def test_the_cancel_comes_in_the_middle_of_a_sleep_and_stays():
    clock = FakeClock(cancel_after=10)
    clock.sleep(9)
    with pytest.raises(Cancelled):
        clock.sleep(5)
    assert clock.passed == 10
    with pytest.raises(Cancelled):
        clock.sleep(0)
    with pytest.raises(Cancelled):
        clock.start(lambda: 1).wait(1)
    assert clock.passed == 10


def test_what_must_be_done_because_of_the_cancel_shares_the_time():
    clock = FakeClock()
    clock.cancel()
    other = clock.uncancelled()
    other.sleep(2)
    assert clock.passed == other.passed == 2
    assert other.start(lambda: "done").wait(1) == "done"


def test_a_call_that_takes_too_long():
    clock = FakeClock()
    with pytest.raises(TimeoutError):
        clock.start(lambda: clock.advance(40)).wait(30)
    assert clock.passed == 30
    clock.start(lambda: clock.advance(30)).wait(30)
    assert clock.passed == 60


def test_a_call_that_the_cancel_interrupts():
    clock = FakeClock(cancel_after=10)
    with pytest.raises(Cancelled):
        clock.start(lambda: clock.advance(20)).wait(30)
    assert clock.passed == 10


def test_a_call_hands_on_what_the_function_raises():
    with pytest.raises(ZeroDivisionError):
        FakeClock().start(lambda: 1 // 0).wait(1)


@pytest.mark.parametrize("kind", ["fake", "system"])
def test_both_clocks_agree(kind):
    cancellation = Cancellation()
    fake = FakeClock()
    clock: Clock = fake if kind == "fake" else SystemClock(cancellation)
    assert clock.start(lambda: 7).wait(5) == 7
    deadline = Deadline.after(clock, 100)
    assert 99 < deadline.remaining <= 100
    assert deadline.within(10).remaining <= 10
    assert deadline.within(1000).remaining <= 100
    (fake.cancel if kind == "fake" else cancellation.request)()
    with pytest.raises(Cancelled):
        clock.sleep(0)
    with pytest.raises(Cancelled):
        clock.start(lambda: 7).wait(5)
    assert clock.uncancelled().start(lambda: 7).wait(5) == 7
