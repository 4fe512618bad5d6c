"""The wait, on a clock of its own, against a server whose answers are written down."""

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
class Script:
    """A server for one deployment. `faults` are raised by the requests of that number, counted from 1."""

    clock: FakeClock
    seconds: float = 40.0
    ends: Status = Status.SUCCESS
    word: str = ""
    checked_out: float = 3.0
    faults: dict[int, Exception] = field(default_factory=dict)
    history: tuple[float, ...] = ()
    created_at: datetime | None = None
    log_takes: float = 0.0
    poll_takes: float = 0.0
    asked: list[tuple[str, float]] = field(default_factory=list)

    def deployment(self, deployment_id: str, *, logs: bool = False, patience: float) -> Deployment:
        self._ask("log" if logs else "read")
        if logs:
            self.clock.advance(self.log_takes)
        passed = self.clock.passed
        return Deployment(
            id=deployment_id,
            status=self._status,
            unknown_status=self._word,
            commit=Commit(sha=SHA if passed >= self.checked_out else None),
            created_at=self.created_at,
            logs=(LogStep(title="build", message="line\n" * int(passed), ok=True, duration=0),) if logs else (),
        )

    def within(self, deadline: Deadline) -> "Script":
        return self

    def poll(self, deployment_id: str, *, patience: float) -> PolledStatus:
        self.clock.advance(self.poll_takes)
        self._ask("poll")
        return PolledStatus(status=self._status, unknown_status=self._word)

    def deployments(self, *, patience: float) -> Page:
        self._ask("list")
        rows = tuple(Deployment(id="1", status=Status.SUCCESS, duration=seconds) for seconds in self.history)
        return Page(deployments=rows, has_next=False)

    @property
    def kinds(self) -> list[str]:
        return [kind for kind, _ in self.asked]

    @property
    def _status(self) -> Status:
        return self.ends if self.clock.passed >= self.seconds else Status.RUNNING

    @property
    def _word(self) -> str:
        return self.word if self._status is Status.RUNNING else ""

    def _ask(self, kind: str) -> None:
        self.asked.append((kind, self.clock.passed))
        if len(self.asked) in self.faults:
            raise self.faults[len(self.asked)]


@dataclass(kw_only=True)
class Waited:
    wait: BuildWait
    progress: list[Progress]


def waiting(
    script: Script, *, timeout: float = 1800.0, live_log: Callable[[Deployment], None] | None = None, **more: Any
) -> Waited:
    progress: list[Progress] = []
    wait = BuildWait(
        client=script,  # type: ignore[arg-type]
        deployment_id="8241",
        clock=script.clock,
        deadline=Deadline.after(script.clock, timeout),
        shortest_pause=2.0,
        report=progress.append,
        live_log=live_log,
        **more,
    )
    return Waited(wait=wait, progress=progress)


def fault(text: str = "HTTP 502", *, retry_after: float = 0.0) -> ServerFault:
    return ServerFault(text, status=502, retry_after=retry_after)


def test_reads_until_the_commit_is_known_then_polls_then_reads_the_result():
    script = Script(clock=FakeClock())
    ended = waiting(script).wait.run()
    assert ended is not None
    assert (ended.status, ended.commit.sha) == (Status.SUCCESS, SHA)
    first_poll = script.kinds.index("poll")
    assert script.kinds[:3] == ["read", "list", "read"]
    assert set(script.kinds[3:first_poll]) <= {"read"}
    assert set(script.kinds[first_poll:-1]) == {"poll"}
    assert script.kinds[-1] == "read"


def test_no_two_looks_are_closer_than_the_floor():
    script = Script(clock=FakeClock(), history=(40, 41, 39, 40))
    waiting(script).wait.run()
    looks = [at for kind, at in script.asked if kind != "list"][:-1]
    assert min(later - earlier for earlier, later in pairwise(looks)) >= 2.0 - 1e-9


@pytest.mark.parametrize("status", [Status.FAILED, Status.STOPPED])
def test_a_failure_is_read_at_once_and_then_its_log(status):
    script = Script(clock=FakeClock(), ends=status)
    wait = waiting(script).wait
    ended = wait.run()
    assert ended is not None
    assert ended.status is status
    assert ended.logs
    assert script.kinds[-3:] == ["poll", "read", "log"]
    assert wait.log_is_read


@pytest.mark.parametrize("status", [Status.FAILED, Status.STOPPED, Status.SUCCESS])
def test_no_log_is_asked_for_where_none_is_shown(status):
    script = Script(clock=FakeClock(), ends=status)
    wait = waiting(script, log_of_failure=False).wait
    ended = wait.run()
    assert ended is not None
    assert ended.logs == ()
    assert "log" not in script.kinds
    assert not wait.log_is_read


def test_a_success_is_read_with_its_log_where_that_is_wanted():
    script = Script(clock=FakeClock())
    wait = waiting(script, log_at_end=True).wait
    assert wait.run() is not None
    assert script.kinds[-3:] == ["poll", "read", "log"]
    assert wait.log_is_read


def test_a_log_that_can_not_be_read_is_asked_for_once_after_the_failure_was_reported():
    script = Script(clock=FakeClock(), ends=Status.FAILED)
    waiting(script).wait.run()
    number = len(script.asked)
    script = Script(clock=FakeClock(), ends=Status.FAILED, faults={number: fault("timeout (503)")})
    waited = waiting(script)
    ended = waited.wait.run()
    assert ended is not None
    assert ended.status is Status.FAILED
    assert script.kinds[-3:] == ["poll", "read", "log"]
    assert script.kinds.count("log") == 1
    assert not waited.wait.log_is_read
    assert waited.wait.log_problem == "timeout (503)"
    assert waited.progress[-1].deployment is not None
    assert waited.progress[-1].deployment.status is Status.FAILED
    assert not waited.progress[-1].trouble


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
def test_errors_while_polling_do_not_decide(error, first):
    script = Script(clock=FakeClock(), faults=dict.fromkeys(range(first, first + 4), error))
    waited = waiting(script)
    ended = waited.wait.run()
    assert ended is not None
    assert ended.status is Status.SUCCESS
    assert [progress.trouble for progress in waited.progress if progress.trouble] == [error.text]


@pytest.mark.parametrize("error", [Refused("key", status=403), Refused("minutes", status=402)])
@pytest.mark.parametrize("number", [1, 3, 7])
def test_402_and_403_decide_at_once(error, number):
    script = Script(clock=FakeClock(), faults={number: error})
    with pytest.raises(type(error)):
        waiting(script).wait.run()
    assert len(script.asked) == number


GONE = NotFound("not found", from_handler=True)


@pytest.mark.parametrize("number", [1, 3, 7])
def test_a_deployment_that_is_not_found_once_is_read_again_and_not_gone(number):
    script = Script(clock=FakeClock(), faults={number: GONE})
    waited = waiting(script)
    ended = waited.wait.run()
    assert ended is not None
    assert ended.status is Status.SUCCESS
    assert script.kinds[number] == "read"
    assert script.asked[number][1] - script.asked[number - 1][1] >= GONE_PAUSE_S


@pytest.mark.parametrize("number", [1, 3, 7])
def test_a_deployment_is_gone_when_it_is_not_found_again_after_a_pause(number):
    script = Script(clock=FakeClock(), faults={number: GONE, number + 1: GONE})
    with pytest.raises(NotFound):
        waiting(script).wait.run()
    assert len(script.asked) == number + 1
    assert script.kinds[number] == "read"
    assert GONE_PAUSE_S <= script.asked[number][1] - script.asked[number - 1][1] < GONE_PAUSE_S + 1


def test_a_404_that_is_not_that_of_a_handler_is_never_proof():
    foreign = NotFound("no repository", from_handler=False)
    script = Script(clock=FakeClock(), faults=dict.fromkeys(range(4, 9), foreign))
    ended = waiting(script).wait.run()
    assert ended is not None
    assert ended.status is Status.SUCCESS


def test_where_there_is_no_poll_the_deployment_is_read_instead():
    """The oldest servers answer /poll with 404 in text, while reading works."""

    class WithoutPoll(Script):
        def poll(self, deployment_id: str, *, patience: float) -> PolledStatus:
            self._ask("poll")
            raise ServerFault("404 page not found", status=404)

    script = WithoutPoll(clock=FakeClock())
    waited = waiting(script)
    ended = waited.wait.run()
    assert ended is not None
    assert ended.status is Status.SUCCESS
    assert script.kinds.count("poll") == 1
    assert not any(progress.trouble for progress in waited.progress)


def test_polls_are_dense_again_where_stormkits_own_time_limit_ends_builds():
    script = Script(clock=FakeClock(), seconds=916, ends=Status.FAILED, history=(60,) * 10)
    waiting(script).wait.run()
    assert 916 <= script.clock.passed < 916 + 5.1


@pytest.mark.parametrize("error", [Refused("", status=403), GONE, fault()])
def test_the_list_of_earlier_builds_decides_nothing(error):
    script = Script(clock=FakeClock(), faults={2: error})
    waited = waiting(script)
    assert waited.wait.run() is not None
    assert script.kinds.count("list") == 1
    assert not any(progress.trouble for progress in waited.progress)


def test_no_list_is_asked_for_while_nothing_answers():
    script = Script(clock=FakeClock(), faults={1: fault(), 2: fault()})
    waiting(script).wait.run()
    assert script.kinds[:4] == ["read", "read", "read", "list"]


@pytest.mark.parametrize(("requested", "pause"), [(7.0, 7.0), (45.0, 15.0), (3600.0, 15.0)])
def test_retry_after_is_obeyed_up_to_15_seconds(requested, pause):
    script = Script(clock=FakeClock(), seconds=100, faults={5: fault(retry_after=requested)})
    waiting(script).wait.run()
    times = [at for _, at in script.asked]
    assert times[5] - times[4] == pytest.approx(pause)
    assert times[6] - times[5] < 7


def test_a_long_retry_after_does_not_outlast_the_deadline():
    faults: dict[int, Exception] = {3: Busy("busy", status=429, retry_after=86400)}
    script = Script(clock=FakeClock(), seconds=50, checked_out=0.0, faults=faults)
    ended = waiting(script, timeout=8).wait.run()
    assert ended is not None
    assert ended.running
    assert script.clock.passed == pytest.approx(8, abs=0.01)


def test_the_deadline_is_exact_and_followed_by_one_last_look():
    script = Script(clock=FakeClock(), seconds=1000)
    ended = waiting(script, timeout=123.4).wait.run()
    assert ended is not None
    assert ended.running
    assert script.asked[-1][1] == pytest.approx(123.4, abs=0.01)
    assert script.clock.passed == pytest.approx(123.4, abs=0.01)


def test_none_where_nothing_could_be_read():
    script = Script(clock=FakeClock(), faults=dict.fromkeys(range(1, 1000), fault()))
    assert waiting(script, timeout=100).wait.run() is None


def test_an_unknown_status_counts_as_running_and_is_read_until_it_is_known():
    script = Script(clock=FakeClock(), word="warming-up")
    waited = waiting(script)
    ended = waited.wait.run()
    assert ended is not None
    assert ended.status is Status.SUCCESS
    words = [progress.deployment.unknown_status for progress in waited.progress if progress.deployment]
    assert set(words) == {"warming-up", ""}


def test_one_trouble_after_the_other_is_said_once():
    faults: dict[int, Exception] = {number: fault(f"HTTP 502, request {number}") for number in range(4, 9)}
    waited = waiting(Script(clock=FakeClock(), faults=faults))
    waited.wait.run()
    assert len([progress for progress in waited.progress if progress.trouble]) == 1


def test_the_first_line_already_tells_what_is_usual():
    waited = waiting(Script(clock=FakeClock(), history=(40,)))
    waited.wait.run()
    assert waited.progress[0].elapsed == 0
    assert waited.progress[0].usual is not None


def test_polls_that_hang_make_no_longer_silence():
    script = Script(clock=FakeClock(), seconds=300, poll_takes=LOOK_TIMEOUT_S)
    waited = waiting(script)
    waited.wait.run()
    times = [progress.elapsed for progress in waited.progress]
    assert max(later - earlier for earlier, later in pairwise(times)) <= HEARTBEAT_S + 0.01


def test_a_cancel_ends_the_wait():
    clock = FakeClock(cancel_after=11)
    with pytest.raises(Cancelled):
        waiting(Script(clock=clock)).wait.run()
    assert clock.passed == 11


def test_something_is_said_when_it_changes_and_every_30_seconds():
    script = Script(clock=FakeClock(), seconds=200, history=(100, 100, 100))
    waited = waiting(script)
    waited.wait.run()
    times = [progress.elapsed for progress in waited.progress]
    assert max(later - earlier for earlier, later in pairwise(times)) <= HEARTBEAT_S + 0.01
    facts = [
        (progress.deployment and (progress.deployment.status, progress.deployment.commit), progress.usual)
        for progress in waited.progress
    ]
    again = [at for at, now, before in zip(times[1:], facts[1:], facts, strict=False) if now == before]
    assert len(again) <= 200 / (HEARTBEAT_S - LOOK_TIMEOUT_S)
    assert waited.progress[-1].usual is not None


def test_a_clock_that_rounds_does_not_hang_the_wait():
    clock = FakeClock()
    clock.advance(1e9 + 0.1)
    script = Script(clock=clock, seconds=1e9 + 300)
    assert waiting(script).wait.run() is not None


class TestRestart:
    FAILED = Deployment(
        id="8241",
        status=Status.FAILED,
        created_at=datetime(2026, 3, 14, tzinfo=UTC),
        stopped_at=datetime(2026, 3, 14, 0, 1, tzinfo=UTC),
    )

    def test_the_failure_before_it_is_not_taken_for_its_end(self):
        clock = FakeClock()
        script = Script(clock=clock)
        stale = self.FAILED
        answers = iter([stale, stale])
        read = script.deployment
        script.deployment = lambda *arguments, **more: next(answers, None) or read(*arguments, **more)  # type: ignore[method-assign]
        ended = waiting(script).wait.run(restarted=self.FAILED)
        assert ended is not None
        assert ended.status is Status.SUCCESS

    def test_a_failure_that_stays_is_believed_in_the_end(self):
        script = Script(clock=FakeClock())
        script.deployment = lambda *_, **__: self.FAILED  # type: ignore[method-assign]
        ended = waiting(script).wait.run(restarted=self.FAILED)
        assert ended == self.FAILED
        assert RESTART_LAG_S <= script.clock.passed < RESTART_LAG_S + 5

    def test_a_new_failure_within_the_same_second_of_the_clock_counts(self):
        script = Script(clock=FakeClock())
        again = self.FAILED._replace(stopped_at=datetime(2026, 3, 14, 0, 1, 5, tzinfo=UTC))
        script.deployment = lambda *_, **__: again  # type: ignore[method-assign]
        assert waiting(script).wait.run(restarted=self.FAILED) == again
        assert script.clock.passed == 0

    def test_the_usual_duration_is_asked_for_once(self):
        script = Script(clock=FakeClock(), history=(40,))
        wait = waiting(script).wait
        wait.run()
        script.seconds = script.clock.passed + 20
        wait.run(restarted=self.FAILED)
        assert script.kinds.count("list") == 1


class TestLiveLog:
    def run(self, script: Script) -> tuple[list[Deployment], Waited]:
        seen: list[Deployment] = []
        waited = waiting(script, live_log=seen.append)
        waited.wait.run()
        return seen, waited

    def test_a_small_log_is_read_instead_of_a_poll(self):
        script = Script(clock=FakeClock(), seconds=60)
        seen, waited = self.run(script)
        assert set(script.kinds) == {"log", "list"}
        assert not seen[-1].running
        assert waited.wait.log_is_read
        times = [at for kind, at in script.asked if kind == "log"]
        assert max(later - earlier for earlier, later in pairwise(times)) <= 5.0 + 0.01

    def test_the_last_lines_come_before_the_word_that_the_build_has_ended(self):
        script = Script(clock=FakeClock(), seconds=300, log_takes=2.0)
        seen: list[tuple[Status, int]] = []
        waited = waiting(script, live_log=lambda deployment: seen.append((deployment.status, len(waited.progress))))
        waited.wait.run()
        assert waited.progress[-1].deployment is not None
        assert waited.progress[-1].deployment.status is Status.SUCCESS
        assert seen[-1] == (Status.SUCCESS, len(waited.progress) - 1)

    def test_a_big_log_takes_a_small_share_of_the_time(self):
        script = Script(clock=FakeClock(), seconds=300, log_takes=2.0)
        seen, _waited = self.run(script)
        assert 2.0 * (script.kinds.count("log") - 1) <= 0.06 * 300
        assert "poll" in script.kinds
        assert script.kinds[-1] == "log"
        assert not seen[-1].running

    def test_a_log_that_does_not_grow_is_read_less_and_less_often(self):
        script = Script(clock=FakeClock(), seconds=300)
        read = script.deployment
        script.deployment = lambda *arguments, **more: read(*arguments, **more)._replace(logs=())  # type: ignore[method-assign]
        self.run(script)
        assert script.kinds.count("log") < 300 / 12
        times = [at for kind, at in script.asked if kind == "log"]
        assert max(later - earlier for earlier, later in pairwise(times)) < 40

    def test_an_error_of_the_log_is_endured(self):
        script = Script(clock=FakeClock(), seconds=60, faults={1: fault(), 4: fault()})
        seen, _ = self.run(script)
        assert not seen[-1].running

    def test_progress_is_told_as_often_as_without_it(self):
        script = Script(clock=FakeClock(), seconds=200)
        _, waited = self.run(script)
        times = [progress.elapsed for progress in waited.progress]
        assert max(later - earlier for earlier, later in pairwise(times)) <= HEARTBEAT_S + 0.01
        assert len(times) <= 200 / (HEARTBEAT_S - LOOK_TIMEOUT_S) + 4
