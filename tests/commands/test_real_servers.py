"""How commands handle the behavior recorded from real Stormkit servers, on a fake clock."""

import time
from dataclasses import replace

import pytest

from sandbox.clock import TODAY, FakeClock
from sandbox.events import HEAD_BRANCH
from sandbox.stormkit.server import ENV_KEY, USER_KEY, Generation, Step, Stormkit
from stormkit_action import inputs as action_inputs
from stormkit_action.inputs import Environment
from stormkit_action.main import stormkit_client
from stormkit_action.result import Outcome
from tests.commands.command_runner import CommandRunner

FAILING_CHECK = Step(title="npm run e2e", message="1 failed\n", ok=False)


def test_a_failed_status_check_is_retried_as_a_new_deployment_with_its_checks(april):
    april.stormkit.next_build(seconds=20, checks=[FAILING_CHECK], check_seconds=5)
    april.stormkit.next_build(seconds=20, checks=[replace(FAILING_CHECK, ok=True)], check_seconds=5)
    result = april.run(retries="1", publish="true")
    assert (result.status, result.exit_code) == (Outcome.SUCCESS, 0)
    assert result.main is not None
    assert (result.main.deployment_id, result.main.live) == ("8242", True)
    assert result.main.deployment is not None
    assert result.main.deployment.status_checks_passed
    assert april.stormkit.received("POST", "restart") == []


@pytest.mark.parametrize("dies_after", [10, 25], ids=["while it builds", "during the status checks"])
@pytest.mark.parametrize("build_log", ["failure", "stream"])
def test_the_build_of_a_runner_that_dies_and_is_replaced_is_waited_for(april, dies_after, build_log):
    april.stormkit.next_build(
        seconds=20,
        checks=[replace(FAILING_CHECK, ok=True)],
        check_seconds=10,
        dies_after=dies_after,
        replaced_after=60,
    )
    result = april.run(publish="true", build_log=build_log)
    assert result.main is not None
    assert (result.status, result.main.live, april.stormkit.builds) == (Outcome.SUCCESS, True, 1)
    assert april.clock.passed >= 20 + 10 + 60 + dies_after


def test_a_failed_status_check_is_not_reported_as_a_failed_build(april):
    april.stormkit.next_build(seconds=20, checks=[FAILING_CHECK], check_seconds=5)
    result = april.run()
    assert result.reason.startswith(
        "The build of deployment 8241 succeeded, but its status checks failed or were stopped"
    )


def test_a_restart_that_lost_its_configuration_is_stopped_and_fails(april):
    april.stormkit.add_deployment(status="failed")
    april.stormkit.next_build(seconds=60)
    result = april.run("restart", publish="true")
    assert (result.status, result.exit_code) == (Outcome.FAILED, 1)
    assert (
        "without the environment's configuration (variables, build command, output folder and status checks)"
        in result.reason
    )
    assert "Its build was stopped and nothing was published." in result.reason
    assert april.stormkit.deployment("8241").status != "running"
    assert april.stormkit.received("POST", "publish") == []


def test_a_deployment_restarted_without_its_configuration_is_never_published(april):
    april.stormkit.add_deployment(status="failed")
    april.stormkit.next_build(seconds=1)
    stormkit_client(
        action_inputs.read({"INPUT_API-KEY": ENV_KEY, "INPUT_API-URL": april.stormkit.url}),
        april.clock,
        Environment(name="", env_id=""),
    ).restart("8241")
    april.clock.advance(10)
    assert april.stormkit.deployment("8241").status == "success"
    result = april.run("publish", deployment_id="8241")
    assert (result.status, april.stormkit.received("POST", "publish")) == (Outcome.FAILED, [])
    assert "was not published" in result.reason
    assert "no successful deployment" in april.run("publish").reason


@pytest.mark.parametrize("command", ["deploy", "stop", "cleanup", "publish", "rollback", "restart", "check", "delete"])
def test_the_key_of_another_environment_is_refused_before_anything_changes(april, command):
    april.stormkit.add_deployment(published=True)
    april.stormkit.add_deployment(status="failed")
    april.stormkit.add_deployment()
    before = {deployment.id: (deployment.status, deployment.deleted) for deployment in april.stormkit.deployments}
    named = {"deployment_id": "8243"} if command == "delete" else {}
    result = april.run(command, env_id="306", publish="true" if command == "deploy" else "false", **named)
    assert result.exit_code == 1
    assert "This API key belongs to environment 305, not to 306." in result.reason
    assert {
        deployment.id: (deployment.status, deployment.deleted)
        for deployment in april.stormkit.deployments
        if deployment.id in before
    } == before
    assert april.stormkit.live() == "8241"
    assert not any("✓ Environment" in line for line in april.reporter.lines)


def test_check_does_not_confirm_an_environment_without_deployments(april):
    assert april.run("check", env_id="306").exit_code == 0
    assert april.reporter.lines[1] == (
        "? Environment: environment 306. It has no deployment yet, so only a deploy shows whether the API key belongs"
        " to environment 306."
    )


def test_a_build_in_the_wrong_environment_is_stopped_and_not_published(april):
    april.stormkit.next_build(seconds=60)
    result = april.run(env_id="306", publish="true")
    assert (result.status, result.exit_code) == (Outcome.FAILED, 1)
    assert result.reason == (
        "This API key belongs to environment 305, not to 306. Use the key of environment 306, or correct the id. Its"
        " build was stopped and nothing was published."
    )
    assert april.stormkit.deployment("8241").stopped_manually
    assert result.main is not None
    assert result.main.env_id == "305"


def test_a_key_of_one_environment_deploys_no_site_under_another_one_s_name(april):
    april.stormkit.add_environment("306", name="docs")
    result = april.run(environments="website: 305\ndocs: 306")
    assert [(deployment.name, deployment.status, deployment.env_id) for deployment in result.deployments] == [
        ("website", Outcome.SUCCESS, "305"),
        ("docs", Outcome.FAILED, "305"),
    ]
    assert result.deployments[1].preview_url == ""


def test_a_cancel_during_the_status_checks_stops_the_deployment(april):
    april.stormkit.next_build(seconds=10, checks=[FAILING_CHECK], check_seconds=600)
    april.clock.cancel_after = 60
    result = april.run()
    assert (result.status, result.exit_code) == (Outcome.CANCELLED, 130)
    assert result.reason == "The job was cancelled and deployment 8241 was stopped."


def test_on_timeout_stop_stops_running_status_checks(april):
    april.stormkit.next_build(seconds=10, checks=[FAILING_CHECK], check_seconds=600)
    result = april.run(timeout="60s", on_timeout="stop")
    assert result.status is Outcome.TIMED_OUT
    assert result.reason.endswith("it was stopped.")


def test_the_stop_command_stops_running_status_checks(april):
    april.stormkit.add_deployment(
        created_at=april.stormkit.now() - 30, duration=10.0, checks=[FAILING_CHECK], check_seconds=600.0
    )
    result = april.run("stop")
    assert (result.status, result.exit_code) == (Outcome.STOPPED, 0)
    assert april.reporter.lines == ["Stopped deployment 8241."]


def test_keep_latest_counts_successful_deployments_only(april):
    moment = april.stormkit.now() - 5000
    ids = [
        april.stormkit.add_deployment(status=status, created_at=moment + 100 * number).id
        for number, status in enumerate(["success", "success", "stopped", "stopped"])
    ]
    result = april.run("cleanup", keep_latest="2")
    assert result.deleted == 2
    assert [deployment.id for deployment in april.stormkit.deployments if not deployment.deleted] == ids[:2]


def test_cleanup_does_not_take_a_proxy_s_404_for_a_deletion(april):
    for _ in range(2):
        april.stormkit.add_deployment()
    april.stormkit.fault("read", "404-ingress", times=2)
    result = april.run("cleanup")
    assert (result.status, result.deleted) == (Outcome.SUCCESS, 2)
    assert all(deployment.deleted for deployment in april.stormkit.deployments)


def test_a_refused_delete_still_describes_the_live_deployment(april):
    live = april.stormkit.add_deployment(branch="main", published=True)
    result = april.run("delete", deployment_id=live.id)
    assert (result.status, result.main is not None) == (Outcome.FAILED, True)
    assert result.main is not None
    assert (result.main.live, result.main.branch, result.main.commit_sha) == (True, "main", live.commit.sha)
    assert result.main.details_url == ""


def test_rollback_stays_on_the_live_deployment_s_branch(april):
    april.stormkit.add_deployment(branch="main", created_at=april.stormkit.now() - 3000)
    april.stormkit.add_deployment(branch=HEAD_BRANCH, created_at=april.stormkit.now() - 2000)
    april.stormkit.add_deployment(branch="main", published=True, created_at=april.stormkit.now() - 1000)
    assert april.run("rollback", branch="").main.deployment_id == "8241"  # type: ignore[union-attr]


def test_a_user_key_reaches_the_environment_in_env_id(april):
    assert april.run(key=USER_KEY, env_id="305").status is Outcome.SUCCESS


def test_a_success_with_an_error_is_not_published_and_says_why(april):
    april.stormkit.next_build(seconds=5, error="failed to acquire advisory lock for running migrations")
    result = april.run(publish="true")
    assert (result.status, result.exit_code) == (Outcome.SUCCESS, 0)
    assert "failed to acquire advisory lock for running migrations" in result.reason
    assert april.stormkit.received("POST", "publish") == []


@pytest.mark.parametrize(
    ("command", "status"),
    [("restart", "running"), ("restart", "success"), ("publish", "failed"), ("publish", "running"), ("delete", "live")],
)
def test_a_refused_command_still_describes_the_deployment_it_read(april, command, status):
    state = "success" if status == "live" else status
    april.stormkit.add_deployment(branch="main", status=state, published=status == "live")
    result = april.run(command, deployment_id="8241", branch="")
    assert (result.status, result.exit_code) == (Outcome.FAILED, 1)
    assert result.main is not None
    assert (result.main.deployment_id, result.main.branch) == ("8241", "main")
    assert result.main.live is (status == "live")
    assert result.main.commit_sha


def test_a_stop_that_is_refused_fails_and_describes_the_deployment(april):
    april.stormkit.add_deployment(status="running")
    april.stormkit.fault("stop", "403", times=9)
    result = april.run("stop")
    assert (result.status, result.exit_code) == (Outcome.FAILED, 1)
    assert result.main is not None
    assert (result.main.deployment_id, result.main.branch) == ("8241", HEAD_BRANCH)


@pytest.mark.parametrize("command", ["publish", "restart", "stop", "delete", "status"])
def test_an_id_beyond_the_server_s_range_is_refused_without_a_wait(april, command):
    result = april.run(command, deployment_id="2147483648", branch="")
    assert (result.status, result.exit_code) == (Outcome.FAILED, 1)
    assert result.reason == "Stormkit has no deployment 2147483648: its ids end at 2147483647. Check deployment-id."
    assert april.clock.passed == 0


def test_an_unknown_id_is_reported_in_one_reason(april):
    assert april.run("publish", deployment_id="9999", branch="").reason == (
        "There is no deployment 9999 in the key's environment; nothing was changed. Check deployment-id and env-id: a"
        " deployment belongs to one environment."
    )


@pytest.mark.parametrize("generation", [Generation.APRIL, Generation.NEWER])
def test_a_restart_right_after_a_stop_waits_for_the_old_runner(generation):
    clock = FakeClock()
    skew = TODAY.timestamp() - time.time()
    with Stormkit(generation=generation, clock=clock.monotonic, skew=skew) as stormkit:
        stormkit.add_deployment(status="stopped", created_at=stormkit.now() - 60, duration=59.0)
        stormkit.next_build(seconds=10)
        result = CommandRunner(stormkit, clock).run("restart", deployment_id="8241")
        stopped_for = 1.0 + clock.slept[0]
        restarts = stormkit.received("POST", "restart")
        status_left = stormkit.deployment("8241").status
    assert stopped_for >= 5
    assert len(restarts) == 1
    # Only the newer server keeps the environment's configuration on a restart.
    assert result.status is (Outcome.SUCCESS if generation is Generation.NEWER else Outcome.FAILED)
    assert status_left != "running"


@pytest.mark.parametrize("build_log", ["failure", "stream"])
def test_an_undeliverable_log_is_requested_once_and_reported_in_one_line(april, build_log):
    april.stormkit.next_build(seconds=60, outcome="failed")
    april.stormkit.fault("log", "503-timeout", seconds=30, times=99)
    result = april.run(build_log=build_log, job_summary="false")
    assert result.status is Outcome.FAILED
    assert result.reason == "The build of deployment 8241 failed: exit status 2"
    assert len([request for request in april.stormkit.requests if request.query.get("logs")]) == 1
    assert [line for line in april.reporter.lines if "log could not be read" in line] == april.reporter.lines[-1:]
    assert april.clock.passed < 60 * 1.1 + 31


def test_the_error_of_a_build_is_reported_once(april):
    april.stormkit.next_build(seconds=5, outcome="failed")
    april.stormkit.fault("log", "503-timeout", times=9)
    result = april.run()
    assert result.main is not None
    assert result.reason.endswith("failed: exit status 2")
    assert result.main.failing_step is None


def test_cleanup_fails_if_listed_deployments_cannot_be_read(april):
    for _ in range(2):
        april.stormkit.add_deployment()
    april.stormkit.fault("read", "404", times=99)
    result = april.run("cleanup")
    assert (result.status, result.deleted) == (Outcome.FAILED, 0)
    assert result.reason == (
        "0 of 2 deployments were deleted. What went wrong: 8241: it could not be read (404), but it is still listed;"
        " 8242: it could not be read (404), but it is still listed."
    )


def test_a_preview_behind_the_auth_wall_is_neither_healthy_nor_published(april):
    april.stormkit.preview(auth_wall=True)
    result = april.run(health_check="/health", publish="true")
    assert (result.status, result.exit_code) == (Outcome.FAILED, 1)
    assert "is not known" in result.reason
    assert "the preview asks for a password" in result.reason
    assert april.stormkit.received("POST", "publish") == []


@pytest.mark.parametrize("queued", [0, 4000], ids=["building", "queued"])
def test_the_server_s_15_minute_limit_is_noticed_soon_and_named(april, queued):
    april.stormkit.next_build(seconds=5000, queued=queued)
    result = april.run()
    assert (result.status, result.exit_code) == (Outcome.FAILED, 1)
    assert "it allows 15 minutes for the queue and the build together" in result.reason
    ended = april.stormkit.deployment("8241")
    assert april.clock.passed - ended.duration < 10


def test_a_server_without_a_poll_endpoint_is_read_instead(april):
    april.stormkit.state.missing_routes.update(["poll", "list", "restart", "delete", "stop"])
    april.stormkit.next_build(seconds=20)
    assert april.run().status is Outcome.SUCCESS


def test_the_end_of_a_one_second_build_is_noticed_within_half_a_second(april):
    april.stormkit.next_build(seconds=1.1, queued=0.2)
    assert april.run().status is Outcome.SUCCESS
    assert april.clock.passed <= 1.6


def test_a_gateway_that_asks_for_an_hour_s_pause_is_polled_sooner(april):
    april.stormkit.next_build(seconds=4)
    april.stormkit.fault("poll", "503", seconds=3600)
    assert april.run(timeout="45s").status is Outcome.SUCCESS
    assert april.clock.passed < 4 + 15


def test_an_overtaken_publish_names_the_newer_deployment():
    clock = FakeClock()
    with Stormkit(generation=Generation.NEWER, clock=clock.monotonic) as stormkit:
        stormkit.add_deployment(warm_up=30.0)
        newer = stormkit.add_deployment("main")

        def overtake() -> None:
            stormkit.state.publish(stormkit.state.records[newer.id], stormkit.state.clock())

        stormkit.before_answer("read", overtake, after=2)
        result = CommandRunner(stormkit, clock).run("publish", deployment_id="8241", branch="")
    assert result.status is Outcome.FAILED
    assert result.reason == f"Deployment 8241 is not live: a newer publish, of deployment {newer.id}, has replaced it."


def test_without_waiting_no_preview_url_is_returned(april):
    april.stormkit.next_build(seconds=60)
    result = april.run(wait="false")
    assert result.status is Outcome.RUNNING
    assert result.main is not None
    assert result.main.preview_url == ""


def test_nothing_is_published_after_the_timeout(april):
    april.stormkit.next_build(seconds=59.9)
    result = april.run(timeout="60s", publish="true", health_check="/")
    assert (result.status, result.exit_code) == (Outcome.TIMED_OUT, 1)
    assert result.reason == "Ran out of time: deployment 8241 was not published. Raise timeout."
    assert april.stormkit.received("POST", "publish") == []
