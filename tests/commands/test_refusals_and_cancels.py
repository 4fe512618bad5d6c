"""What a command still reports when it is refused or cancelled half-way, on a fake clock."""

import pytest

from stormkit_action.result import Outcome
from tests.commands.command_runner import CommandRunner


def test_a_refused_retry_reports_the_failed_build(april: CommandRunner) -> None:
    april.stormkit.next_build(seconds=5, outcome="failed")
    april.stormkit.fault("trigger", "403", after=1)
    result = april.run(retries="1")
    assert (result.status, result.exit_code) == (Outcome.FAILED, 1)
    assert result.main is not None
    assert result.main.deployment_id == "8241"
    assert result.main.failing_step is not None
    assert "exit status 2. Building it again did not work: Stormkit refused the API key (403)" in result.reason


def test_a_cancel_before_a_retry_reports_the_failed_build(april: CommandRunner) -> None:
    april.stormkit.next_build(seconds=5, outcome="failed")
    april.stormkit.fault("trigger", "429-header", after=1, seconds=60, times=9)
    april.clock.cancel_after = 10
    result = april.run(retries="1")
    assert result.reason == "The job was cancelled before the build was tried again."
    assert result.main is not None
    assert result.main.deployment_id == "8241"


def test_a_build_restarted_by_somebody_without_its_configuration_is_not_published(april: CommandRunner) -> None:
    april.stormkit.next_build(seconds=5)
    april.stormkit.answers.overrides = {"snapshot": None}
    result = april.run(publish="true")
    assert result.exit_code == 0
    assert result.reason.startswith(
        "Not published: A restart built deployment 8241 without the environment's configuration"
    )
    assert april.stormkit.live() == ""


def test_a_cancelled_stop_names_what_it_has_stopped(april: CommandRunner) -> None:
    for _ in range(3):
        april.stormkit.add_deployment(status="running")
    april.stormkit.before_answer("stop", april.clock.cancel)
    result = april.run("stop")
    assert (result.status, result.exit_code) == (Outcome.CANCELLED, 130)
    assert result.main is not None
    stopped = [deployment.id for deployment in april.stormkit.deployments if deployment.stopped_manually]
    assert set(result.main.ended_ids) <= set(stopped)
    assert f"after {len(result.main.ended_ids)} of 3 deployments were stopped" in result.reason


@pytest.mark.parametrize(
    ("command", "operation", "reason"),
    [
        ("publish", "publish", "was being published: it may still go live."),
        ("rollback", "publish", "was being published: it may still go live."),
        ("delete", "delete", "was being deleted."),
    ],
)
def test_a_cancelled_command_names_its_deployment(
    april: CommandRunner, command: str, operation: str, reason: str
) -> None:
    older = april.stormkit.add_deployment()
    april.stormkit.add_deployment(published=command == "rollback")
    april.stormkit.before_answer(operation, april.clock.cancel)
    named = {"deployment_id": older.id} if command != "rollback" else {}
    result = april.run(command, **named)
    assert (result.status, result.exit_code) == (Outcome.CANCELLED, 130)
    assert result.main is not None
    assert result.main.deployment_id == older.id
    assert result.reason.endswith(reason)


def test_a_rollback_takes_no_newer_deployment_that_appears_while_the_list_is_read(april: CommandRunner) -> None:
    for _ in range(25):
        april.stormkit.add_deployment(status="failed")
    live = april.stormkit.add_deployment(published=True)
    april.stormkit.before_answer("list", april.stormkit.add_deployment)
    result = april.run("rollback")
    assert result.status is Outcome.FAILED
    assert f"older than the live one ({live.id})" in result.reason
    assert april.stormkit.live() == live.id


def test_a_restart_that_does_not_wait_reports_a_running_build(april: CommandRunner) -> None:
    april.stormkit.add_deployment(status="failed")
    april.stormkit.next_build(seconds=60)
    april.stormkit.answers.overrides = {"snapshot": {}}
    result = april.run("restart", wait="false")
    assert (result.status, result.exit_code) == (Outcome.RUNNING, 0)
    assert april.clock.passed < 60


def test_the_result_names_the_environment_of_a_wrong_key(april: CommandRunner) -> None:
    april.stormkit.add_deployment()
    result = april.run("status", env_id="306")
    assert result.main is not None
    assert (result.main.env_id, result.main.deployment_id) == ("305", "")


def test_no_output_links_to_the_page_of_a_deleted_deployment(april: CommandRunner) -> None:
    deployment = april.stormkit.add_deployment()
    result = april.run("delete", deployment_id=deployment.id, dashboard_url="https://stormkit.example.com")
    assert result.main is not None
    assert (result.main.deleted, result.main.details_url, result.main.preview_url) == (1, "", "")
