"""A step starts exactly one build, whatever happens to its requests and their answers."""

import math

import pytest
from hypothesis import event, example, given, settings
from hypothesis import strategies as st

from sandbox.clock import FakeClock
from stormkit_action.clock import Deadline
from stormkit_action.errors import Cancelled, StormkitError
from stormkit_action.stormkit.session import PATIENCE_S
from stormkit_action.stormkit.trigger import MAX_DELAY_S, Trigger
from tests.reliability.model_server import BRANCH, TURNED_AWAY, Answer, Delivery, ModelServer

LOST = (Answer.RESET, Answer.SILENCE, Answer.BAD_GATEWAY, Answer.GATEWAY_JSON, Answer.GARBAGE)

# Answers that are sent once the row is stored.
AFTER_STORING = (Answer.NOT_QUEUED, Answer.QUEUED_LATER, Answer.NO_REPOSITORY)

# Answers after which nothing is retried.
FINAL = (Answer.NO_MINUTES, Answer.NO_REPOSITORY)

# A working API surely leads to a build if this much patience is left: 20 s for a lost request under way, 12 s for
# the search after it, and a pause.
ENOUGH_PATIENCE_S = 35.0

seconds = st.sampled_from((0.05, 0.4, 1.5, 6.0, 15.0, 25.0, 45.0))


@st.composite
def deliveries(draw: st.DrawFn) -> Delivery:
    answer = draw(st.sampled_from(Answer).filter(lambda answer: answer not in FINAL))
    stored_after = draw(seconds if answer is Answer.SILENCE else st.sampled_from((0.05, 0.4, 1.5)))
    lost_on_its_way = answer in LOST and draw(st.booleans())
    return Delivery(
        answer=answer,
        stored_after=math.inf if lost_on_its_way else stored_after,
        answer_after=stored_after if answer in AFTER_STORING else draw(seconds),
        # With an answer, the repeated request's deployment looks like another workflow's.
        times=draw(st.integers(1, 2)) if answer in LOST else 1,
    )


def add_foreign_deployments(server: ModelServer) -> None:
    """Add deployments that are not ours: an older one, one of another branch, and auto-deployments."""
    server.add(-30.0, ours=False)
    server.add(0.2, ours=False, branch="main")
    for at in (0.1, 3.0, 30.0):
        server.add(at, ours=False, auto=True)


def assert_foreign_deployments_are_untouched(server: ModelServer) -> None:
    assert [stored.id for stored in server.stored if not stored.ours and stored.stopped] == []


def wait_and_stop_orphans(trigger: Trigger, clock: FakeClock) -> None:
    clock.advance(60.0)
    trigger.stop_orphans()


@settings(max_examples=300)
@given(
    first=st.lists(deliveries(), max_size=5),
    reads_from=st.sampled_from((0.0, 0.0, 5.0, 20.0)),
    skew=st.sampled_from((-7200.3, -0.6, 0.0, 0.7, 31.4)),
    began=st.floats(0, 1),
)
@example(first=[Delivery(answer=Answer.SILENCE, stored_after=45.0)], reads_from=0.0, skew=0.0, began=0.0)
@example(first=[Delivery(answer=Answer.RESET, stored_after=1.5, times=2)], reads_from=0.0, skew=0.7, began=0.9)
def test_exactly_one_build_remains_and_one_starts_if_the_api_works_in_time(
    first: list[Delivery], reads_from: float, skew: float, began: float
) -> None:
    clock = FakeClock()
    clock.advance(began)
    server = ModelServer(clock=clock, deliveries=list(first), reads_from=reads_from, skew=skew)
    add_foreign_deployments(server)
    trigger = Trigger(client=server, branch=BRANCH, clock=clock)  # type: ignore[arg-type]
    try:
        deployment_id = trigger.run()
    except StormkitError:
        deployment_id = ""
    took = clock.passed - began
    assert took < PATIENCE_S + 25
    # From here on, the API answers and works.
    good_from = max([reads_from, *server.triggers[: len(first)]])
    wait_and_stop_orphans(trigger, clock)

    event("a build" if deployment_id else "no build")
    building = server.building()
    if deployment_id:
        assert building == [deployment_id]
    else:
        assert len(server.triggers) <= len(first) or good_from - began > PATIENCE_S - ENOUGH_PATIENCE_S
    if good_from - began <= PATIENCE_S - ENOUGH_PATIENCE_S and len(server.triggers) > len(first):
        assert deployment_id
    assert_foreign_deployments_are_untouched(server)


@settings(max_examples=300)
@given(
    first=st.lists(deliveries(), max_size=3),
    cancel_after=st.sampled_from((0.02, 0.1, 0.3, 1.0, 4.0, 18.0, 30.0)),
    skew=st.sampled_from((-7200.3, 0.0, 31.4)),
)
def test_a_cancel_in_flight_leaves_no_build_behind(first: list[Delivery], cancel_after: float, skew: float) -> None:
    clock = FakeClock(cancel_after=cancel_after)
    server = ModelServer(clock=clock, deliveries=list(first), skew=skew)
    add_foreign_deployments(server)
    trigger = Trigger(client=server, branch=BRANCH, clock=clock)  # type: ignore[arg-type]
    try:
        adopted = {trigger.run()}
    except Cancelled:
        adopted = set()
    except StormkitError:
        return
    free = clock.uncancelled()
    trigger.stop_after_cancel(Deadline.after(free, 2.5))
    if trigger.unacknowledged:
        # The post step runs later in its own process, when every request has arrived.
        free.advance(60.0)
        later = Trigger.sent_before(
            free.passed, client=server.within(Deadline.after(free, 10)), branch=BRANCH, clock=free
        )  # type: ignore[arg-type]
        later.stop_after_cancel(Deadline.after(free, 10.0))
    assert set(server.building()) <= adopted
    assert_foreign_deployments_are_untouched(server)


@settings(max_examples=300)
@given(first=st.lists(deliveries(), max_size=3), again=st.lists(deliveries(), max_size=2), took=seconds)
def test_a_retried_build_is_not_stopped_as_an_orphan(first: list[Delivery], again: list[Delivery], took: float) -> None:
    clock = FakeClock()
    server = ModelServer(clock=clock, deliveries=list(first))
    trigger = Trigger(client=server, branch=BRANCH, clock=clock)  # type: ignore[arg-type]
    try:
        failed = trigger.run()
        clock.advance(took)
        server.stop(failed, patience=0.0)
        server.deliveries[:] = again
        retried = trigger.run()
    except StormkitError:
        return
    assert retried != failed
    wait_and_stop_orphans(trigger, clock)
    assert retried in server.building()


@pytest.mark.parametrize("answer", [answer for answer in Answer if answer in TURNED_AWAY])
def test_a_trigger_that_was_not_carried_out_is_acknowledged(answer: Answer) -> None:
    clock = FakeClock()
    server = ModelServer(clock=clock, deliveries=[Delivery(answer=answer)])
    trigger = Trigger(client=server, branch=BRANCH, clock=clock)  # type: ignore[arg-type]
    if answer is Answer.NO_MINUTES:
        with pytest.raises(StormkitError):
            trigger.run()
        assert len(server.triggers) == 1
    else:
        assert trigger.run()
    assert not trigger.unacknowledged


def test_a_running_build_is_adopted_even_if_the_second_trigger_is_refused() -> None:
    clock = FakeClock()
    first = Delivery(answer=Answer.SILENCE, stored_after=32.5)
    server = ModelServer(clock=clock, deliveries=[first, Delivery(answer=Answer.NO_MINUTES, answer_after=3.0)])
    trigger = Trigger(client=server, branch=BRANCH, clock=clock)  # type: ignore[arg-type]
    assert [trigger.run()] == server.building()


def test_an_orphan_that_appears_during_the_build_is_stopped_at_its_end() -> None:
    clock, log_lines = FakeClock(), list[str]()
    server = ModelServer(clock=clock, deliveries=[Delivery(answer=Answer.SILENCE, stored_after=45.0)])
    trigger = Trigger(client=server, branch=BRANCH, clock=clock, log=log_lines.append)  # type: ignore[arg-type]
    deployment_id = trigger.run()
    assert clock.passed < 45
    assert trigger.unacknowledged
    wait_and_stop_orphans(trigger, clock)
    assert server.building() == [deployment_id]
    assert not trigger.unacknowledged
    assert log_lines[-1].endswith("which an earlier trigger of this step had started late.")


def test_a_build_that_may_be_another_workflow_s_is_left_alone() -> None:
    clock, log_lines = FakeClock(), list[str]()
    server = ModelServer(clock=clock, deliveries=[Delivery(answer=Answer.SILENCE, stored_after=45.0)])
    trigger = Trigger(client=server, branch=BRANCH, clock=clock, log=log_lines.append)  # type: ignore[arg-type]
    deployment_id = trigger.run()
    foreign = server.add(clock.passed + 3, ours=False)
    wait_and_stop_orphans(trigger, clock)
    assert not foreign.stopped
    assert deployment_id in server.building()
    assert "which one is not known, so none was stopped" in log_lines[-1]


def test_the_build_of_a_newer_push_is_not_stopped_as_an_orphan() -> None:
    clock = FakeClock()
    server = ModelServer(clock=clock, deliveries=[Delivery(answer=Answer.SILENCE, stored_after=math.inf)])
    trigger = Trigger(client=server, branch=BRANCH, clock=clock)  # type: ignore[arg-type]
    trigger.run()
    newer = server.add(clock.passed + MAX_DELAY_S + 5, ours=False)
    clock.advance(MAX_DELAY_S + 60)
    trigger.stop_orphans()
    assert not newer.stopped


@pytest.mark.parametrize("patience", [1.0, 5.0, 20.0])
def test_patience_of_less_than_a_minute_is_kept(patience: float) -> None:
    clock = FakeClock()
    silent = Delivery(answer=Answer.SILENCE, stored_after=math.inf)
    server = ModelServer(clock=clock, deliveries=[silent] * 9)
    trigger = Trigger(client=server, branch=BRANCH, clock=clock)  # type: ignore[arg-type]
    with pytest.raises(StormkitError) as raised:
        trigger.run(patience=patience)
    assert clock.passed < patience + 2.5
    assert "may still be carried out" in raised.value.text


@settings(max_examples=200)
@given(
    first=st.lists(deliveries(), max_size=2),
    stored_after=st.sampled_from((0.05, 0.4, 1.5)),
    skew=st.sampled_from((-7200.3, 0.0, 31.4)),
)
def test_a_refusal_that_leaves_an_unqueued_row_leaves_nothing_running(
    first: list[Delivery], stored_after: float, skew: float
) -> None:
    clock = FakeClock()
    refused = Delivery(answer=Answer.NO_REPOSITORY, stored_after=stored_after, answer_after=stored_after)
    server = ModelServer(clock=clock, deliveries=[*first, *[refused] * 9], skew=skew)
    add_foreign_deployments(server)
    trigger = Trigger(client=server, branch=BRANCH, clock=clock)  # type: ignore[arg-type]
    try:
        adopted = [trigger.run()]
    except StormkitError:
        adopted = []
    wait_and_stop_orphans(trigger, clock)
    assert server.building() == adopted
    assert [stored.id for stored in server.stored if stored.unqueued and not stored.stopped] == []
    assert_foreign_deployments_are_untouched(server)
