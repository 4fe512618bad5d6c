"""FakeClock behaves like SystemClock, without waiting."""

from datetime import timedelta

import pytest

from sandbox.clock import TODAY, FakeClock
from stormkit_action.cancellation import Cancellation
from stormkit_action.clock import Clock, Deadline, SystemClock
from stormkit_action.errors import Cancelled


def test_sleeping_advances_the_monotonic_clock_and_the_date():
    clock: Clock = FakeClock()
    began = clock.monotonic()
    clock.sleep(1.5)
    clock.sleep(-1)
    assert clock.monotonic() - began == 1.5
    assert clock.now() - TODAY == timedelta(seconds=1.5)


def test_a_cancel_interrupts_a_sleep_and_everything_after_it():
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


def test_an_uncancelled_clock_shares_the_time_of_the_cancelled_one():
    clock = FakeClock()
    clock.cancel()
    uncancelled = clock.uncancelled()
    uncancelled.sleep(2)
    assert clock.passed == uncancelled.passed == 2
    assert uncancelled.start(lambda: "done").wait(1) == "done"


def test_a_call_that_takes_too_long_times_out():
    clock = FakeClock()
    with pytest.raises(TimeoutError):
        clock.start(lambda: clock.advance(40)).wait(30)
    assert clock.passed == 30
    clock.start(lambda: clock.advance(30)).wait(30)
    assert clock.passed == 60


def test_a_cancel_interrupts_a_call():
    clock = FakeClock(cancel_after=10)
    with pytest.raises(Cancelled):
        clock.start(lambda: clock.advance(20)).wait(30)
    assert clock.passed == 10


def test_a_call_raises_what_its_function_raises():
    with pytest.raises(ZeroDivisionError):
        FakeClock().start(lambda: 1 // 0).wait(1)


@pytest.mark.parametrize("kind", ["fake", "system"])
def test_the_fake_and_the_system_clock_behave_alike(kind):
    cancellation = Cancellation()
    fake = FakeClock()
    clock: Clock = fake if kind == "fake" else SystemClock(cancellation)
    assert clock.start(lambda: 7).wait(5) == 7
    deadline = Deadline.after(clock, 100)
    assert 99 < deadline.remaining <= 100
    assert deadline.within(10).remaining <= 10
    assert deadline.within(1000).remaining <= 100
    if kind == "fake":
        fake.cancel()
    else:
        cancellation.request()
    with pytest.raises(Cancelled):
        clock.sleep(0)
    with pytest.raises(Cancelled):
        clock.start(lambda: 7).wait(5)
    assert clock.uncancelled().start(lambda: 7).wait(5) == 7
