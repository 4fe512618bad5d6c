"""BuildWait on a fake clock, against a model of the server."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import pytest

from sandbox.clock import FakeClock
from stormkit_action.clock import Deadline
from stormkit_action.errors import Busy, Cancelled, NoAnswer, NotFound, Refused, Rejected, ServerFault
from stormkit_action.stormkit.client import GONE_PAUSE_S
from stormkit_action.stormkit.models import Commit, Deployment, LogStep, Page, PolledStatus, Status
from stormkit_action.stormkit.waiting import HEARTBEAT_S, LOOK_TIMEOUT_S, RESTART_LAG_S, BuildWait, Progress

SHA = "16ab41e8"


@dataclass(kw_only=True)
class FakeStormkit:
    """A Stormkit with one deployment. `faults` are raised by the requests of that number, counted from 1."""

    clock: FakeClock
    seconds: float = 40.0
    final_status: Status = Status.SUCCESS
    unknown_status: str = ""
    commit_known_after: float = 3.0
    faults: dict[int, Exception] = field(default_factory=dict)
    history: tuple[float, ...] = ()
    created_at: datetime | None = None
    log_takes: float = 0.0
    poll_takes: float = 0.0
    requests: list[tuple[str, float]] = field(default_factory=list)

    def deployment(self, deployment_id: str, *, logs: bool = False, patience: float) -> Deployment:
        self._record("log" if logs else "read")
        if logs:
            self.clock.advance(self.log_takes)
        passed = self.clock.passed
        return Deployment(
            id=deployment_id,
            status=self._status,
            unknown_status=self._unknown_status,
            commit=Commit(sha=SHA if passed >= self.commit_known_after else None),
            created_at=self.created_at,
            logs=(LogStep(title="build", message="line\n" * int(passed), ok=True, duration=0),) if logs else (),
        )

    def within(self, deadline: Deadline) -> "FakeStormkit":
        return self

    def poll(self, deployment_id: str, *, patience: float) -> PolledStatus:
        self.clock.advance(self.poll_takes)
        self._record("poll")
        return PolledStatus(status=self._status, unknown_status=self._unknown_status)

    def deployments(self, *, patience: float) -> Page:
        self._record("list")
        rows = tuple(Deployment(id="1", status=Status.SUCCESS, duration=seconds) for seconds in self.history)
        return Page(deployments=rows, has_next=False)

    @property
    def kinds(self) -> list[str]:
        return [kind for kind, _ in self.requests]

    @property
    def _status(self) -> Status:
        return self.final_status if self.clock.passed >= self.seconds else Status.RUNNING

    @property
    def _unknown_status(self) -> str:
        return self.unknown_status if self._status is Status.RUNNING else ""

    def _record(self, kind: str) -> None:
        self.requests.append((kind, self.clock.passed))
        if len(self.requests) in self.faults:
            raise self.faults[len(self.requests)]


@dataclass(kw_only=True)
class PreparedWait:
    wait: BuildWait
    progress: list[Progress]


def prepare_wait(
    stormkit: FakeStormkit,
    *,
    timeout: float = 1800.0,
    live_log: Callable[[Deployment], None] | None = None,
    **more: Any,
) -> PreparedWait:
    progress: list[Progress] = []
    wait = BuildWait(
        client=stormkit,  # type: ignore[arg-type]
        deployment_id="8241",
        clock=stormkit.clock,
        deadline=Deadline.after(stormkit.clock, timeout),
        shortest_pause=2.0,
        report=progress.append,
        live_log=live_log,
        **more,
    )
    return PreparedWait(wait=wait, progress=progress)


def fault(text: str = "HTTP 502", *, retry_after: float = 0.0) -> ServerFault:
    return ServerFault(text, status=502, retry_after=retry_after)


def test_a_wait_reads_until_the_commit_is_known_then_polls_then_reads_the_result():
    stormkit = FakeStormkit(clock=FakeClock())
    ended = prepare_wait(stormkit).wait.run()
    assert ended is not None
    assert (ended.status, ended.commit.sha) == (Status.SUCCESS, SHA)
    first_poll = stormkit.kinds.index("poll")
    assert stormkit.kinds[:3] == ["read", "list", "read"]
    assert set(stormkit.kinds[3:first_poll]) <= {"read"}
    assert set(stormkit.kinds[first_poll:-1]) == {"poll"}
    assert stormkit.kinds[-1] == "read"


def test_no_two_requests_are_closer_than_the_shortest_pause():
    stormkit = FakeStormkit(clock=FakeClock(), history=(40, 41, 39, 40))
    prepare_wait(stormkit).wait.run()
    reads = [at for kind, at in stormkit.requests if kind != "list"][:-1]
    assert min(later - earlier for earlier, later in pairwise(reads)) >= 2.0 - 1e-9


@pytest.mark.parametrize("status", [Status.FAILED, Status.STOPPED])
def test_a_failure_is_read_at_once_and_then_with_its_log(status):
    stormkit = FakeStormkit(clock=FakeClock(), final_status=status)
    wait = prepare_wait(stormkit).wait
    ended = wait.run()
    assert ended is not None
    assert ended.status is status
    assert ended.logs
    assert stormkit.kinds[-3:] == ["poll", "read", "log"]
    assert wait.log_is_read


@pytest.mark.parametrize("status", [Status.FAILED, Status.STOPPED, Status.SUCCESS])
def test_no_log_is_requested_if_none_is_shown(status):
    stormkit = FakeStormkit(clock=FakeClock(), final_status=status)
    wait = prepare_wait(stormkit, log_of_failure=False).wait
    ended = wait.run()
    assert ended is not None
    assert ended.logs == ()
    assert "log" not in stormkit.kinds
    assert not wait.log_is_read


def test_a_success_is_read_with_its_log_if_it_is_shown():
    stormkit = FakeStormkit(clock=FakeClock())
    wait = prepare_wait(stormkit, log_at_end=True).wait
    assert wait.run() is not None
    assert stormkit.kinds[-3:] == ["poll", "read", "log"]
    assert wait.log_is_read


def test_an_unreadable_log_is_requested_once_after_the_failure_was_reported():
    stormkit = FakeStormkit(clock=FakeClock(), final_status=Status.FAILED)
    prepare_wait(stormkit).wait.run()
    number = len(stormkit.requests)
    stormkit = FakeStormkit(clock=FakeClock(), final_status=Status.FAILED, faults={number: fault("timeout (503)")})
    prepared = prepare_wait(stormkit)
    ended = prepared.wait.run()
    assert ended is not None
    assert ended.status is Status.FAILED
    assert stormkit.kinds[-3:] == ["poll", "read", "log"]
    assert stormkit.kinds.count("log") == 1
    assert not prepared.wait.log_is_read
    assert prepared.wait.log_problem == "timeout (503)"
    assert prepared.progress[-1].deployment is not None
    assert prepared.progress[-1].deployment.status is Status.FAILED
    assert not prepared.progress[-1].trouble


@pytest.mark.parametrize(
    "error",
    [
        NoAnswer("no answer", may_have_arrived=True),
        NoAnswer("certificate", may_have_arrived=False, retryable=False),
        fault(),
        Busy("busy", status=429),
        Rejected("what?", status=400),
        Rejected("redirect", status=302),
    ],
)
@pytest.mark.parametrize("first", [1, 6])
def test_errors_while_polling_do_not_end_the_wait(error, first):
    stormkit = FakeStormkit(clock=FakeClock(), faults=dict.fromkeys(range(first, first + 4), error))
    prepared = prepare_wait(stormkit)
    ended = prepared.wait.run()
    assert ended is not None
    assert ended.status is Status.SUCCESS
    assert [progress.trouble for progress in prepared.progress if progress.trouble] == [error.text]


@pytest.mark.parametrize("error", [Refused("key", status=403), Refused("minutes", status=402)])
@pytest.mark.parametrize("number", [1, 3, 7])
def test_a_402_or_403_ends_the_wait_at_once(error, number):
    stormkit = FakeStormkit(clock=FakeClock(), faults={number: error})
    with pytest.raises(type(error)):
        prepare_wait(stormkit).wait.run()
    assert len(stormkit.requests) == number


GONE = NotFound("not found", from_handler=True)


@pytest.mark.parametrize("number", [1, 3, 7])
def test_a_deployment_not_found_once_is_read_again(number):
    stormkit = FakeStormkit(clock=FakeClock(), faults={number: GONE})
    prepared = prepare_wait(stormkit)
    ended = prepared.wait.run()
    assert ended is not None
    assert ended.status is Status.SUCCESS
    assert stormkit.kinds[number] == "read"
    assert stormkit.requests[number][1] - stormkit.requests[number - 1][1] >= GONE_PAUSE_S


@pytest.mark.parametrize("number", [1, 3, 7])
def test_a_deployment_not_found_again_after_a_pause_is_gone(number):
    stormkit = FakeStormkit(clock=FakeClock(), faults={number: GONE, number + 1: GONE})
    with pytest.raises(NotFound):
        prepare_wait(stormkit).wait.run()
    assert len(stormkit.requests) == number + 1
    assert stormkit.kinds[number] == "read"
    assert GONE_PAUSE_S <= stormkit.requests[number][1] - stormkit.requests[number - 1][1] < GONE_PAUSE_S + 1


def test_a_404_that_is_not_a_handler_s_never_ends_the_wait():
    foreign = NotFound("no repository", from_handler=False)
    stormkit = FakeStormkit(clock=FakeClock(), faults=dict.fromkeys(range(4, 9), foreign))
    ended = prepare_wait(stormkit).wait.run()
    assert ended is not None
    assert ended.status is Status.SUCCESS


def test_without_a_poll_endpoint_the_deployment_is_read_instead():
    """The oldest servers answer /poll with a 404 in plain text, but reads work."""

    class WithoutPoll(FakeStormkit):
        def poll(self, deployment_id: str, *, patience: float) -> PolledStatus:
            self._record("poll")
            raise ServerFault("404 page not found", status=404)

    stormkit = WithoutPoll(clock=FakeClock())
    prepared = prepare_wait(stormkit)
    ended = prepared.wait.run()
    assert ended is not None
    assert ended.status is Status.SUCCESS
    assert stormkit.kinds.count("poll") == 1
    assert not any(progress.trouble for progress in prepared.progress)


def test_an_end_by_stormkit_s_time_limit_is_noticed_within_five_seconds():
    stormkit = FakeStormkit(clock=FakeClock(), seconds=916, final_status=Status.FAILED, history=(60,) * 10)
    prepare_wait(stormkit).wait.run()
    assert 916 <= stormkit.clock.passed < 916 + 5.1


@pytest.mark.parametrize("error", [Refused("", status=403), GONE, fault()])
def test_an_error_of_the_list_of_earlier_builds_is_ignored(error):
    stormkit = FakeStormkit(clock=FakeClock(), faults={2: error})
    prepared = prepare_wait(stormkit)
    assert prepared.wait.run() is not None
    assert stormkit.kinds.count("list") == 1
    assert not any(progress.trouble for progress in prepared.progress)


def test_the_list_is_requested_only_after_a_read_succeeded():
    stormkit = FakeStormkit(clock=FakeClock(), faults={1: fault(), 2: fault()})
    prepare_wait(stormkit).wait.run()
    assert stormkit.kinds[:4] == ["read", "read", "read", "list"]


@pytest.mark.parametrize(("requested", "pause"), [(7.0, 7.0), (45.0, 15.0), (3600.0, 15.0)])
def test_retry_after_is_respected_up_to_15_seconds(requested, pause):
    stormkit = FakeStormkit(clock=FakeClock(), seconds=100, faults={5: fault(retry_after=requested)})
    prepare_wait(stormkit).wait.run()
    times = [at for _, at in stormkit.requests]
    assert times[5] - times[4] == pytest.approx(pause)
    assert times[6] - times[5] < 7


def test_a_long_retry_after_does_not_outlast_the_deadline():
    faults: dict[int, Exception] = {3: Busy("busy", status=429, retry_after=86400)}
    stormkit = FakeStormkit(clock=FakeClock(), seconds=50, commit_known_after=0.0, faults=faults)
    ended = prepare_wait(stormkit, timeout=8).wait.run()
    assert ended is not None
    assert ended.running
    assert stormkit.clock.passed == pytest.approx(8, abs=0.01)


def test_the_deadline_is_exact_and_followed_by_one_last_read():
    stormkit = FakeStormkit(clock=FakeClock(), seconds=1000)
    ended = prepare_wait(stormkit, timeout=123.4).wait.run()
    assert ended is not None
    assert ended.running
    assert stormkit.requests[-1][1] == pytest.approx(123.4, abs=0.01)
    assert stormkit.clock.passed == pytest.approx(123.4, abs=0.01)


def test_the_result_is_none_if_nothing_could_be_read():
    stormkit = FakeStormkit(clock=FakeClock(), faults=dict.fromkeys(range(1, 1000), fault()))
    assert prepare_wait(stormkit, timeout=100).wait.run() is None


def test_an_unknown_status_counts_as_running_and_is_read_until_it_is_known():
    stormkit = FakeStormkit(clock=FakeClock(), unknown_status="warming-up")
    prepared = prepare_wait(stormkit)
    ended = prepared.wait.run()
    assert ended is not None
    assert ended.status is Status.SUCCESS
    words = [progress.deployment.unknown_status for progress in prepared.progress if progress.deployment]
    assert set(words) == {"warming-up", ""}


def test_consecutive_errors_are_reported_once():
    faults: dict[int, Exception] = {number: fault(f"HTTP 502, request {number}") for number in range(4, 9)}
    prepared = prepare_wait(FakeStormkit(clock=FakeClock(), faults=faults))
    prepared.wait.run()
    assert len([progress for progress in prepared.progress if progress.trouble]) == 1


def test_the_first_progress_already_has_the_usual_duration():
    prepared = prepare_wait(FakeStormkit(clock=FakeClock(), history=(40,)))
    prepared.wait.run()
    assert prepared.progress[0].elapsed == 0
    assert prepared.progress[0].usual is not None


def test_hanging_polls_do_not_delay_the_heartbeat():
    stormkit = FakeStormkit(clock=FakeClock(), seconds=300, poll_takes=LOOK_TIMEOUT_S)
    prepared = prepare_wait(stormkit)
    prepared.wait.run()
    times = [progress.elapsed for progress in prepared.progress]
    assert max(later - earlier for earlier, later in pairwise(times)) <= HEARTBEAT_S + 0.01


def test_a_cancel_ends_the_wait():
    clock = FakeClock(cancel_after=11)
    with pytest.raises(Cancelled):
        prepare_wait(FakeStormkit(clock=clock)).wait.run()
    assert clock.passed == 11


def test_progress_is_reported_on_changes_and_every_30_seconds():
    stormkit = FakeStormkit(clock=FakeClock(), seconds=200, history=(100, 100, 100))
    prepared = prepare_wait(stormkit)
    prepared.wait.run()
    times = [progress.elapsed for progress in prepared.progress]
    assert max(later - earlier for earlier, later in pairwise(times)) <= HEARTBEAT_S + 0.01
    facts = [
        (progress.deployment and (progress.deployment.status, progress.deployment.commit), progress.usual)
        for progress in prepared.progress
    ]
    unchanged = [before for before, after in pairwise(facts) if before == after]
    assert len(unchanged) <= 200 / (HEARTBEAT_S - LOOK_TIMEOUT_S)
    assert prepared.progress[-1].usual is not None


def test_a_clock_without_small_steps_does_not_hang_the_wait():
    clock = FakeClock()
    clock.advance(1e9 + 0.1)
    stormkit = FakeStormkit(clock=clock, seconds=1e9 + 300)
    assert prepare_wait(stormkit).wait.run() is not None


class TestRestart:
    FAILED = Deployment(
        id="8241",
        status=Status.FAILED,
        created_at=datetime(2026, 3, 14, tzinfo=UTC),
        stopped_at=datetime(2026, 3, 14, 0, 1, tzinfo=UTC),
    )

    def test_the_failure_before_a_restart_is_not_taken_for_its_end(self):
        stale_answers = [self.FAILED, self.FAILED]

        class StaleAtFirst(FakeStormkit):
            def deployment(self, deployment_id: str, *, logs: bool = False, patience: float) -> Deployment:
                if stale_answers:
                    return stale_answers.pop()
                return super().deployment(deployment_id, logs=logs, patience=patience)

        stormkit = StaleAtFirst(clock=FakeClock())
        ended = prepare_wait(stormkit).wait.run(restarted=self.FAILED)
        assert ended is not None
        assert ended.status is Status.SUCCESS

    def test_a_failure_that_stays_after_a_restart_is_finally_believed(self):
        stormkit = FakeStormkit(clock=FakeClock())
        stormkit.deployment = lambda *_, **__: self.FAILED  # type: ignore[method-assign]
        ended = prepare_wait(stormkit).wait.run(restarted=self.FAILED)
        assert ended == self.FAILED
        assert RESTART_LAG_S <= stormkit.clock.passed < RESTART_LAG_S + 5

    def test_a_failure_with_a_later_end_is_a_new_failure(self):
        stormkit = FakeStormkit(clock=FakeClock())
        again = self.FAILED._replace(stopped_at=datetime(2026, 3, 14, 0, 1, 5, tzinfo=UTC))
        stormkit.deployment = lambda *_, **__: again  # type: ignore[method-assign]
        assert prepare_wait(stormkit).wait.run(restarted=self.FAILED) == again
        assert stormkit.clock.passed == 0

    def test_a_second_wait_does_not_request_the_usual_duration_again(self):
        stormkit = FakeStormkit(clock=FakeClock(), history=(40,))
        wait = prepare_wait(stormkit).wait
        wait.run()
        stormkit.seconds = stormkit.clock.passed + 20
        wait.run(restarted=self.FAILED)
        assert stormkit.kinds.count("list") == 1


class TestLiveLog:
    def run(self, stormkit: FakeStormkit) -> tuple[list[Deployment], PreparedWait]:
        seen: list[Deployment] = []
        prepared = prepare_wait(stormkit, live_log=seen.append)
        prepared.wait.run()
        return seen, prepared

    def test_a_small_live_log_is_read_instead_of_polling(self):
        stormkit = FakeStormkit(clock=FakeClock(), seconds=60)
        seen, prepared = self.run(stormkit)
        assert set(stormkit.kinds) == {"log", "list"}
        assert not seen[-1].running
        assert prepared.wait.log_is_read
        times = [at for kind, at in stormkit.requests if kind == "log"]
        assert max(later - earlier for earlier, later in pairwise(times)) <= 5.0 + 0.01

    def test_the_last_lines_are_shown_before_the_end_is_reported(self):
        stormkit = FakeStormkit(clock=FakeClock(), seconds=300, log_takes=2.0)
        seen: list[tuple[Status, int]] = []
        prepared = prepare_wait(
            stormkit, live_log=lambda deployment: seen.append((deployment.status, len(prepared.progress)))
        )
        prepared.wait.run()
        assert prepared.progress[-1].deployment is not None
        assert prepared.progress[-1].deployment.status is Status.SUCCESS
        assert seen[-1] == (Status.SUCCESS, len(prepared.progress) - 1)

    def test_a_big_live_log_takes_a_small_share_of_the_time(self):
        stormkit = FakeStormkit(clock=FakeClock(), seconds=300, log_takes=2.0)
        seen, _ = self.run(stormkit)
        assert 2.0 * (stormkit.kinds.count("log") - 1) <= 0.06 * 300
        assert "poll" in stormkit.kinds
        assert stormkit.kinds[-1] == "log"
        assert not seen[-1].running

    def test_a_live_log_that_does_not_grow_is_read_less_and_less_often(self):
        class WithoutLog(FakeStormkit):
            def deployment(self, deployment_id: str, *, logs: bool = False, patience: float) -> Deployment:
                return super().deployment(deployment_id, logs=logs, patience=patience)._replace(logs=())

        stormkit = WithoutLog(clock=FakeClock(), seconds=300)
        self.run(stormkit)
        assert stormkit.kinds.count("log") < 300 / 12
        times = [at for kind, at in stormkit.requests if kind == "log"]
        assert max(later - earlier for earlier, later in pairwise(times)) < 40

    def test_an_error_of_the_live_log_does_not_end_the_wait(self):
        stormkit = FakeStormkit(clock=FakeClock(), seconds=60, faults={1: fault(), 4: fault()})
        seen, _ = self.run(stormkit)
        assert not seen[-1].running

    def test_a_live_log_does_not_change_how_often_progress_is_reported(self):
        stormkit = FakeStormkit(clock=FakeClock(), seconds=200)
        _, prepared = self.run(stormkit)
        times = [progress.elapsed for progress in prepared.progress]
        assert max(later - earlier for earlier, later in pairwise(times)) <= HEARTBEAT_S + 0.01
        assert len(times) <= 200 / (HEARTBEAT_S - LOOK_TIMEOUT_S) + 4
