"""Builds of the local Stormkit: their logs, durations, status checks and failures."""

import math
import threading
import time

import pytest

from sandbox.clock import FakeClock
from sandbox.events import HEAD_BRANCH
from sandbox.stormkit.builds import Timeline
from sandbox.stormkit.server import Build, Generation, Outcome, Step, Stormkit
from tests.sandbox.stormkit_requests import call, read, trigger

ONE, TWO = Step(title="one", message="a1\na2\n"), Step(title="two", message="0123456789", share=3)


def timeline(**fields):
    build = Build(**{"steps": (ONE, TWO), "seconds": 12, "queued": 2, **fields})
    return Timeline(build=build, branch="main")


def summarized(entries):
    return [(entry.title, entry.message, entry.status) for entry in entries]


# Two seconds in the queue, then ten of work: 2.25 s and 6.75 s for the steps, and the rest for the upload.
@pytest.mark.parametrize(
    ("moment", "log"),
    [
        (0, []),
        (1.9, []),
        (2, [("one", "", False)]),
        (3.2, [("one", "a1\n", False)]),
        (4.3, [("one", "a1\na2\n", True), ("two", "", False)]),
        (7.7, [("one", "a1\na2\n", True), ("two", "01234", False)]),
        (11.5, [("one", "a1\na2\n", True), ("two", "0123456789", True), ("deploy", "", False)]),
        (
            12,
            [
                ("one", "a1\na2\n", True),
                ("two", "0123456789", True),
                ("deploy", "\nSuccessfully deployed client side.\nTotal bytes uploaded: 436 B\n\n", True),
            ],
        ),
    ],
)
def test_a_log_grows_with_the_time_of_the_build(moment, log):
    assert summarized(timeline().logs(moment)) == log


@pytest.mark.parametrize(
    ("fields", "last"),
    [
        ({"outcome": Outcome.FAILED}, ("two", "0123456789", False)),
        ({"outcome": Outcome.TIMEOUT}, ("two", "0123456789", False)),
        ({"outcome": Outcome.FAILED, "steps": (Step(title="no", ok=False), TWO)}, ("no", "", False)),
        ({"seconds": math.inf}, ("two", "0123456789", False)),
    ],
)
def test_the_last_step_of_a_log_shows_the_outcome(fields, last):
    assert summarized(timeline(**fields).logs(99))[-1] == last


def test_the_default_steps_fail_in_the_build_command():
    for outcome in (Outcome.FAILED, Outcome.TIMEOUT):
        failing = timeline(outcome=outcome, steps=()).logs(12)[-1]
        assert (failing.title, failing.status) == ("{build}", False)
    assert timeline(steps=()).logs(12)[0].title == "checkout main"


def test_durations_grow_with_the_reported_one():
    reported = timeline(reported=120)
    assert reported.duration(12) == 120
    assert reported.duration(6) == 60
    assert [entry.duration for entry in reported.logs(12)] == pytest.approx([22.5, 67.5, 10])
    assert [entry.duration for entry in timeline().logs(5.25)] == pytest.approx([2.25, 1])


def test_a_build_can_take_no_time():
    instant = timeline(seconds=0)
    assert instant.end == 0
    assert [entry.title for entry in instant.logs(0)] == ["one", "two", "deploy"]


@pytest.mark.parametrize("passes", [True, False])
def test_status_checks_run_after_the_build(passes):
    clock = FakeClock()
    with Stormkit(clock=clock.monotonic) as server:
        checks = [Step(title="lighthouse", message="Score: 98\n"), Step(title="e2e", message="1 failed\n", ok=passes)]
        server.next_build(seconds=4, checks=checks, check_seconds=4)
        deployment_id = trigger(server)
        clock.advance(5)
        checking = read(server, deployment_id, logs="true")
        clock.advance(3)
        over = read(server, deployment_id, logs="true")
    assert (checking["status"], checking["stoppedAt"], checking["statusChecksPassed"]) == ("running", None, False)
    assert checking["logs"][-1]["title"] == "deploy"
    assert [check["title"] for check in checking["statusChecks"]] == ["lighthouse"]
    assert (over["status"], over["duration"], over["statusChecksPassed"]) == (
        "success" if passes else "failed",
        8,
        passes,
    )
    assert [check["status"] for check in over["statusChecks"]] == [True, passes]
    assert ("1 failed" in over.get("failureSummary", "")) is not passes


def test_a_log_can_contain_invalid_utf8_and_megabytes():
    with Stormkit() as server:
        steps = [Step(title="npm install", message=b"caf\xe9 \xff\n"), Step(title="huge", message="x" * 5_000_000)]
        path = f"/deployments/{server.add_deployment(steps=steps).id}"
        answer = call(server, "GET", path, query={"logs": "true"})
    assert b'"message": "caf\xe9 \xff\\n"' in answer.content
    assert len(answer.content) > 5_000_000


def test_a_log_that_does_not_exist_yet_is_null_or_empty():
    for generation, logs in ((Generation.OLDER, None), (Generation.NEWER, [])):
        with Stormkit(generation=generation, clock=FakeClock().monotonic) as server:
            deployment_id = trigger(server)
            assert read(server, deployment_id, logs="true")["logs"] == logs
            assert read(server, deployment_id)["logs"] is None


def test_simultaneous_triggers_get_their_own_deployments():
    with Stormkit() as server:
        ids = []
        callers = [threading.Thread(target=lambda: ids.extend(trigger(server) for _ in range(5))) for _ in range(8)]
        for caller in callers:
            caller.start()
        for caller in callers:
            caller.join()
        assert len(set(ids)) == server.builds == 40
        assert {deployment.status for deployment in server.deployments} == {"running"}


def test_builds_run_on_a_real_clock_too():
    with Stormkit() as server:
        server.next_build(seconds=0.2, reported=42)
        deployment_id = trigger(server)
        began = time.monotonic()
        while read(server, deployment_id, logs="true")["status"] == "running":
            server.closing.wait(0.02)
        assert 0.1 < time.monotonic() - began < 2
        assert read(server, deployment_id, logs="true")["duration"] == 42


def test_the_log_starts_over_when_a_dead_runner_is_replaced(stormkit, clock):
    stormkit.next_build(seconds=20, queued=0, dies_after=15, replaced_after=40)
    deployment_id = trigger(stormkit)
    titles = []
    for _ in range(7):
        clock.advance(10)
        deployment = read(stormkit, deployment_id, logs="true")
        titles.append((deployment["status"], len(deployment["logs"] or ())))
    statuses, lengths = zip(*titles, strict=True)
    assert statuses == ("running",) * 7
    assert lengths[0] <= lengths[1] == lengths[4]
    assert lengths[5] < lengths[4]
    clock.advance(5)
    ended = read(stormkit, deployment_id, logs="true")
    assert (ended["status"], ended["id"], ended["duration"]) == ("success", deployment_id, 75)
    assert stormkit.builds == 1


def test_everything_starts_over_when_a_runner_dies_during_the_status_checks(stormkit, clock):
    checks = [Step(title="e2e", message="1 passed\n")]
    stormkit.next_build(seconds=20, queued=0, checks=checks, check_seconds=20, dies_after=30, replaced_after=40)
    deployment_id = trigger(stormkit)
    observed = []
    for seconds in (25, 30, 20, 20, 10):
        clock.advance(seconds)
        deployment = read(stormkit, deployment_id, logs="true")
        titles = [step["title"] for step in deployment["logs"] or ()]
        observed.append((deployment["status"], "deploy" in titles, len(deployment["statusChecks"] or ())))
    checking = ("running", True, 1)
    assert observed == [checking, checking, ("running", False, 0), checking, checking]
    clock.advance(6)
    ended = read(stormkit, deployment_id, logs="true")
    assert (ended["status"], ended["id"], ended["statusChecks"][0]["status"]) == ("success", deployment_id, True)
    assert stormkit.builds == 1


def test_a_success_can_have_an_error(stormkit):
    deployment_id = stormkit.add_deployment(error="migration 003_users failed").id
    deployment = read(stormkit, deployment_id)
    assert (deployment["status"], deployment["error"]) == ("success", "migration 003_users failed")


def test_the_april_generation_logs_the_recorded_steps(april, clock):
    april.next_build(seconds=20, queued=0)
    deployment_id = trigger(april)
    april.state.environments["305"].variables.update(SMTP_PASS="hunter2", API_SECRET="s3cr3t")
    clock.advance(8)
    running = read(april, deployment_id, logs="true")["logs"]
    assert running[-1]["duration"] < -1_000_000_000
    assert running[-1]["message"].endswith("\n")
    clock.advance(30)
    steps = {step["title"]: step["message"] for step in read(april, deployment_id, logs="true")["logs"]}
    assert list(steps) == [
        f"checkout {HEAD_BRANCH}",
        "mise install",
        "node --version",
        "environment variables",
        "npm install",
        "npm run build",
        "deploy",
    ]
    assert "SMTP_PASS=hunter2\n" in steps["environment variables"]
    assert "API_SECRET=***************\n" in steps["environment variables"]
