"""What the commands make of what real servers do, on a clock of their own, against the sandbox as it was recorded."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from sandbox.clock import FakeClock
from sandbox.events import HEAD_BRANCH
from sandbox.stormkit.server import ENV_KEY, USER_KEY, Generation, Step, Stormkit
from stormkit_action import inputs as action_inputs
from stormkit_action.clock import Deadline
from stormkit_action.commands import dispatch
from stormkit_action.context import Context
from stormkit_action.event import Event
from stormkit_action.inputs import Environment
from stormkit_action.main import stormkit_client
from stormkit_action.plan import Plan
from stormkit_action.result import Outcome, Result
from tests.commands.test_build import RecordingReporter

CHECK = Step(title="npm run e2e", message="1 failed\n", ok=False)


class April:
    """A Stormkit v2026.04.17, and commands that are run against it."""

    def __init__(self, stormkit: Stormkit, clock: FakeClock) -> None:
        self.stormkit = stormkit
        self.clock = clock
        self.reporter = RecordingReporter()

    def run(self, command: str = "deploy", *, key: str = ENV_KEY, **inputs: str) -> Result:
        given = {"api-key": key, "api-url": self.stormkit.url, "command": command, "branch": HEAD_BRANCH}
        given |= {name.replace("_", "-"): value for name, value in inputs.items()}
        parsed = action_inputs.read({f"INPUT_{name.upper()}": value for name, value in given.items()})
        environments = parsed.environments or (Environment(name="", env_id=parsed.env_id),)
        return dispatch.run(
            [
                Context(
                    inputs=parsed,
                    event=Event(),
                    plan=Plan(command=parsed.command, branch=parsed.branch),
                    environment=environment,
                    stormkit=stormkit_client(parsed, self.clock, environment),
                    github=None,
                    clock=self.clock,
                    deadline=Deadline.after(self.clock, parsed.timeout.total_seconds()),
                    reporter=self.reporter,
                )
                for environment in environments
            ]
        )


@pytest.fixture
def april() -> Iterator[April]:
    clock = FakeClock()
    with Stormkit(generation=Generation.APRIL, clock=clock.monotonic) as stormkit:
        yield April(stormkit, clock)


def test_a_failed_status_check_is_built_again_as_a_new_deployment_whose_checks_run(april):
    april.stormkit.next_build(seconds=20, checks=[CHECK], check_seconds=5)
    april.stormkit.next_build(seconds=20, checks=[replace(CHECK, ok=True)], check_seconds=5)
    result = april.run(retries="1", publish="true")
    assert (result.status, result.exit_code) == (Outcome.SUCCESS, 0)
    assert result.main is not None
    assert (result.main.deployment_id, result.main.live) == ("8242", True)
    assert result.main.deployment is not None
    assert result.main.deployment.status_checks_passed
    assert april.stormkit.received("POST", "restart") == []


@pytest.mark.parametrize("dies_after", [10, 25], ids=["while it builds", "during the status checks"])
@pytest.mark.parametrize("build_log", ["failure", "stream"])
def test_a_runner_that_dies_and_is_replaced_is_waited_for(april, dies_after, build_log):
    april.stormkit.next_build(
        seconds=20,
        checks=[replace(CHECK, ok=True)],
        check_seconds=10,
        dies_after=dies_after,
        replaced_after=60,
    )
    result = april.run(publish="true", build_log=build_log)
    assert result.main is not None
    assert (result.status, result.main.live, april.stormkit.builds) == (Outcome.SUCCESS, True, 1)
    assert april.clock.passed >= 20 + 10 + 60 + dies_after


def test_a_failed_status_check_is_not_called_a_failed_build(april):
    april.stormkit.next_build(seconds=20, checks=[CHECK], check_seconds=5)
    result = april.run()
    assert result.reason.startswith(
        "The build of deployment 8241 succeeded, but its status checks failed or were stopped"
    )


def test_a_restart_that_lost_the_configuration_is_stopped_and_fails(april):
    april.stormkit.add_deployment(status="failed")
    april.stormkit.next_build(seconds=60)
    result = april.run("restart", publish="true")
    assert (result.status, result.exit_code) == (Outcome.FAILED, 1)
    assert "without the environment's variables, build command, output folder and status checks" in result.reason
    assert "Its build was stopped and nothing was published." in result.reason
    assert april.stormkit.deployment("8241").status != "running"
    assert april.stormkit.received("POST", "publish") == []


def test_a_deployment_that_a_restart_built_without_its_configuration_is_never_published(april):
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
def test_a_key_of_another_environment_is_found_out_before_anything_is_changed(april, command):
    april.stormkit.add_deployment(published=True)
    april.stormkit.add_deployment(status="failed")
    april.stormkit.add_deployment()
    before = {each.id: (each.status, each.deleted) for each in april.stormkit.deployments}
    named = {"deployment_id": "8243"} if command == "delete" else {}
    result = april.run(command, env_id="306", publish="true" if command == "deploy" else "false", **named)
    assert result.exit_code == 1
    assert "This API key belongs to environment 305, not to 306." in result.reason
    assert {each.id: (each.status, each.deleted) for each in april.stormkit.deployments if each.id in before} == before
    assert april.stormkit.live() == "8241"
    assert not any("✓ Environment" in line for line in april.reporter.lines)


def test_a_build_in_another_environment_than_the_one_asked_for_is_stopped_and_not_published(april):
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


def test_several_environments_with_the_key_of_one_of_them_show_no_site_under_another_name(april):
    april.stormkit.add_environment("306", name="docs")
    result = april.run(environments="website: 305\ndocs: 306")
    assert [(each.name, each.status, each.env_id) for each in result.deployments] == [
        ("website", Outcome.SUCCESS, "305"),
        ("docs", Outcome.FAILED, "305"),
    ]
    assert result.deployments[1].preview_url == ""


def test_a_stop_during_the_status_checks_is_told_as_one(april):
    april.stormkit.next_build(seconds=10, checks=[CHECK], check_seconds=600)
    april.clock.cancel_after = 60
    result = april.run()
    assert (result.status, result.exit_code) == (Outcome.CANCELLED, 130)
    assert result.reason == "The job was cancelled and deployment 8241 stopped."


def test_a_timeout_during_the_status_checks_stops_them_and_says_so(april):
    april.stormkit.next_build(seconds=10, checks=[CHECK], check_seconds=600)
    result = april.run(timeout="60s", on_timeout="stop")
    assert result.status is Outcome.TIMED_OUT
    assert result.reason.endswith("it was stopped.")


def test_the_command_stop_during_the_status_checks_says_that_it_stopped_them(april):
    april.stormkit.add_deployment(
        created_at=april.stormkit.now() - 30, duration=10.0, checks=[CHECK], check_seconds=600.0
    )
    result = april.run("stop")
    assert (result.status, result.exit_code) == (Outcome.STOPPED, 0)
    assert april.reporter.lines == ["Stopped deployment 8241."]


def test_keep_latest_keeps_successful_deployments_and_no_stopped_ones(april):
    moment = april.stormkit.now() - 5000
    ids = [
        april.stormkit.add_deployment(status=status, created_at=moment + 100 * number).id
        for number, status in enumerate(["success", "success", "stopped", "stopped"])
    ]
    result = april.run("cleanup", keep_latest="2")
    assert result.deleted == 2
    assert [each.id for each in april.stormkit.deployments if not each.deleted] == ids[:2]


def test_cleanup_does_not_take_a_proxy_s_404_for_gone(april):
    for _ in range(2):
        april.stormkit.add_deployment()
    april.stormkit.fault("read", "404-ingress", times=2)
    result = april.run("cleanup")
    assert (result.status, result.deleted) == (Outcome.SUCCESS, 2)
    assert all(each.deleted for each in april.stormkit.deployments)


def test_a_refusal_tells_the_deployment_that_was_read(april):
    live = april.stormkit.add_deployment(branch="main", published=True)
    result = april.run("delete", deployment_id=live.id)
    assert (result.status, result.main is not None) == (Outcome.FAILED, True)
    assert result.main is not None
    assert (result.main.live, result.main.branch, result.main.commit_sha) == (True, "main", live.commit.sha)
    assert result.main.details_url == ""


def test_rollback_never_takes_another_branch_s_deployment_unless_it_is_named(april):
    april.stormkit.add_deployment(branch="main", created_at=april.stormkit.now() - 3000)
    april.stormkit.add_deployment(branch=HEAD_BRANCH, created_at=april.stormkit.now() - 2000)
    april.stormkit.add_deployment(branch="main", published=True, created_at=april.stormkit.now() - 1000)
    assert april.run("rollback", branch="").main.deployment_id == "8241"  # type: ignore[union-attr]


def test_a_user_s_key_reaches_the_environment_that_is_named(april):
    assert april.run(key=USER_KEY, env_id="305").status is Outcome.SUCCESS


def test_a_success_with_an_error_is_not_published_and_says_why(april):
    april.stormkit.next_build(seconds=5, error="failed to acquire advisory lock for running migrations")
    result = april.run(publish="true")
    assert (result.status, result.exit_code) == (Outcome.SUCCESS, 0)
    assert "failed to acquire advisory lock for running migrations" in result.reason
    assert april.stormkit.received("POST", "publish") == []
