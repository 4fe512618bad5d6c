"""The commands besides a plain deploy, as a process: each is confirmed, and repeating it does no harm."""

import json
import time

import pytest

from sandbox.events import HEAD_BRANCH
from sandbox.stormkit.server import Build, Generation, Step

OTHER = "docs/typo"
EVERY_GENERATION = pytest.mark.parametrize("stormkit", list(Generation), indirect=True)
KEYS = {"environment-key": {"api_key": "SK_sandbox"}, "user-key": {"api_key": "SK_user", "env_id": "305"}}


def pytest_generate_tests(metafunc):
    """Run tests that use `command` twice: environment key on an older server, user key on a newer one."""
    if "key" in metafunc.fixturenames:
        cases = list(zip(KEYS.values(), (Generation.OLDER, Generation.NEWER), strict=True))
        metafunc.parametrize(("key", "stormkit"), cases, ids=KEYS, indirect=["stormkit"])


@pytest.fixture
def command(step, key):
    """Run a command with the key that the test is parametrized with."""

    def run(name, **inputs):
        return step(command=name, comment="false", **key, **inputs).run()

    return run


def assert_succeeded(finished, said=""):
    """Check that the step succeeded and that its log contains `said`; return the outputs."""
    assert (finished.exit_code, finished.problems) == (0, []), finished.log
    assert said in finished.log
    return finished.outputs


def assert_refused(finished, *words):
    """Check that the step failed with one error that contains every word; return the outputs."""
    assert (finished.exit_code, finished.outputs["status"]) == (1, "failed"), finished.log
    (error,) = finished.annotated("error")
    for part in words:
        assert part in error
    assert "Traceback" not in finished.log
    return finished.outputs


def deleted_ids(stormkit):
    return [deployment.id for deployment in stormkit.deployments if deployment.deleted]


class TestPublish:
    def test_publish_takes_the_branch_s_newest_success_and_can_be_repeated(self, stormkit, command):
        stormkit.add_deployment(published=True)
        newest = stormkit.add_deployment()
        stormkit.add_deployment(status="failed")
        stormkit.add_deployment(OTHER)
        outputs = assert_succeeded(command("publish"))
        assert (outputs["deployment-id"], outputs["published"], stormkit.live()) == (newest.id, "true", newest.id)
        before = len(stormkit.received("POST"))
        again = assert_succeeded(command("publish"), "is already live")
        assert (again["published"], len(stormkit.received("POST"))) == ("true", before)

    def test_publish_takes_the_deployment_named_by_its_id(self, stormkit, command):
        older = stormkit.add_deployment()
        stormkit.add_deployment(published=True)
        assert assert_succeeded(command("publish", deployment_id=older.id))["published"] == "true"
        assert stormkit.live() == older.id

    @pytest.mark.parametrize("status", ["failed", "running", "stopped"])
    def test_publish_refuses_a_build_that_is_not_successful(self, stormkit, command, status):
        live = stormkit.add_deployment(published=True)
        other = stormkit.add_deployment(status=status)
        assert_refused(command("publish", deployment_id=other.id), "can't be published", status)
        assert (stormkit.live(), stormkit.received("POST")) == (live.id, [])

    def test_publish_fails_without_a_successful_deployment(self, stormkit, command):
        stormkit.add_deployment(status="failed")
        assert_refused(command("publish"), "no successful deployment")

    def test_publish_refuses_an_id_of_another_environment(self, stormkit, command):
        stormkit.add_environment("306", name="docs")
        other = stormkit.add_deployment(env_id="306")
        assert_refused(command("publish", deployment_id=other.id), f"There is no deployment {other.id} in", "env-id")
        assert stormkit.received("POST") == []


@pytest.mark.parametrize("stormkit", [Generation.NEWER], indirect=True)
class TestWarmUp:
    def test_publish_waits_until_the_deployment_has_warmed_up(self, stormkit, step):
        stormkit.add_deployment(published=True)
        newest = stormkit.add_deployment(warm_up=1.0, warm_up_after=0.1)
        outputs = assert_succeeded(step(command="publish", comment="false").run(), "is warming up")
        assert (outputs["published"], stormkit.live()) == ("true", newest.id)

    @pytest.mark.parametrize("command", ["publish", "deploy"])
    def test_a_deployment_that_never_warms_up_leaves_the_old_one_live(self, stormkit, step, command):
        live = stormkit.add_deployment(published=True)
        if command == "publish":
            stormkit.add_deployment(warm_up=0.5, comes_up=False)
        stormkit.next_build(seconds=0.2, warm_up=0.5, comes_up=False)
        finished = step(command=command, publish="true", comment="false").run()
        assert assert_refused(finished, "never came up", f"{live.id} is live")["published"] == "false"
        assert stormkit.live() == live.id


class TestRollback:
    def test_rollback_takes_the_newest_older_success_of_the_live_branch(self, stormkit, command):
        oldest = stormkit.add_deployment("main")
        target = stormkit.add_deployment("main")
        stormkit.add_deployment(OTHER)  # a preview: never a target of a rollback
        stormkit.add_deployment("main", status="failed")
        stormkit.add_deployment("main", published=True)
        stormkit.add_deployment("main")
        outputs = assert_succeeded(command("rollback"))
        assert (outputs["deployment-id"], outputs["published"], stormkit.live()) == (target.id, "true", target.id)
        assert assert_succeeded(command("rollback"))["deployment-id"] == oldest.id

    def test_rollback_fails_without_an_older_deployment_of_the_live_branch(self, stormkit, command):
        stormkit.add_deployment("main", status="failed")
        stormkit.add_deployment(OTHER)
        live = stormkit.add_deployment("main", published=True)
        assert_refused(command("rollback"), "Nothing was rolled back", "of branch main older than the live one")
        assert stormkit.live() == live.id

    def test_rollback_fails_without_a_live_deployment(self, stormkit, command):
        stormkit.add_deployment("main")
        assert_refused(command("rollback"), "has no live deployment")
        assert stormkit.received("POST") == []


class TestRestart:
    def test_restart_takes_the_newest_failed_deployment_and_waits_for_it(self, stormkit, command):
        stormkit.add_deployment(status="failed")
        failed = stormkit.add_deployment(status="failed")
        outputs = assert_succeeded(command("restart"))
        assert (outputs["deployment-id"], outputs["status"], stormkit.builds) == (failed.id, "success", 1)
        assert_refused(command("restart", deployment_id=failed.id), "can't be restarted", "success", "Deploy again")
        assert stormkit.builds == 1

    def test_deploy_retries_a_failed_build_until_it_succeeds(self, stormkit, command):
        for outcome in ("failed", "failed", "success"):
            stormkit.next_build(seconds=0.1, outcome=outcome)
        finished = command("deploy", retries="2")
        outputs = assert_succeeded(finished)
        assert (outputs["status"], stormkit.builds, len(stormkit.deployments)) == ("success", 3, 3)
        assert len(finished.annotated("warning")) == 2

    def test_deploy_fails_after_the_last_retry(self, stormkit, command):
        stormkit.default_build = Build(seconds=0.1, outcome="failed")
        outputs = assert_refused(command("deploy", retries="1"), "failed")
        assert (outputs["status"], stormkit.builds) == ("failed", 2)

    def test_restart_reports_a_deployment_deleted_in_the_meantime(self, stormkit, command):
        def delete():
            stormkit.state.records["8241"].deleted = True

        stormkit.add_deployment(status="failed")
        stormkit.before_answer("restart", delete)
        finished = command("restart", deployment_id="8241")
        assert (finished.exit_code, finished.outputs["status"]) == (1, "stopped"), finished.log
        assert "deleted" in finished.outputs["reason"]


class TestStop:
    def test_stop_stops_every_running_build_of_the_branch_and_can_be_repeated(self, stormkit, command):
        running = [stormkit.add_deployment(status="running") for _ in range(3)]
        other = stormkit.add_deployment(OTHER, status="running")
        outputs = assert_succeeded(command("stop"))
        assert (outputs["status"], outputs["deployment-id"]) == ("stopped", running[-1].id)
        assert all(stormkit.deployment(deployment.id).stopped_manually for deployment in running)
        assert stormkit.deployment(other.id).status == "running"
        before = len(stormkit.received("POST"))
        assert_succeeded(command("stop"), "Nothing to stop.")
        assert len(stormkit.received("POST")) == before

    def test_stop_leaves_a_finished_deployment_alone(self, stormkit, command):
        done = stormkit.add_deployment()
        outputs = assert_succeeded(command("stop", deployment_id=done.id), "Nothing to stop.")
        assert (outputs["status"], stormkit.received("POST")) == ("success", [])

    def test_stop_goes_on_after_one_deployment_could_not_be_stopped(self, stormkit, command):
        for _ in range(3):
            stormkit.add_deployment(status="running")
        stormkit.fault("stop", "403")
        assert_refused(command("stop"), "could not be stopped")
        assert sorted(deployment.stopped_manually for deployment in stormkit.deployments) == [False, True, True]

    def test_stop_superseded_stops_older_builds_before_the_trigger(self, stormkit, command):
        older = [stormkit.add_deployment(status="running") for _ in range(2)]
        other = stormkit.add_deployment(OTHER, status="running")
        stormkit.fault("stop", "answer-lost")
        outputs = assert_succeeded(command("deploy", stop_superseded="true"), f"Stopped deployment {older[1].id}")
        assert outputs["status"] == "success"
        assert all(stormkit.deployment(deployment.id).stopped_manually for deployment in older)
        assert stormkit.deployment(other.id).status == "running"
        sent = [request.path for request in stormkit.requests if request.method == "POST"]
        assert sent[-1] == "/v1/deploy"

    def test_a_superseded_build_that_cannot_be_stopped_is_a_warning(self, stormkit, command):
        stormkit.add_deployment(status="running")
        stormkit.fault("stop", "403")
        finished = command("deploy", stop_superseded="true")
        assert_succeeded(finished)
        (warning,) = finished.annotated("warning")
        assert "superseded deployment is still running" in warning


class TestDelete:
    def test_delete_deletes_one_deployment_and_can_be_repeated(self, stormkit, command):
        old = stormkit.add_deployment()
        assert assert_succeeded(command("delete", deployment_id=old.id))["deleted"] == "1"
        assert deleted_ids(stormkit) == [old.id]
        assert assert_succeeded(command("delete", deployment_id=old.id), "nothing to delete")["deleted"] == "0"

    def test_delete_refuses_a_published_deployment(self, stormkit, command):
        live = stormkit.add_deployment(published=True)
        assert_refused(command("delete", deployment_id=live.id), "is published", "Publish another deployment first")
        assert (deleted_ids(stormkit), stormkit.received("DELETE")) == ([], [])

    def test_delete_refuses_a_deployment_that_may_be_published(self, stormkit, command):
        old = stormkit.add_deployment()
        stormkit.answers.without.add("published")
        assert_refused(command("delete", deployment_id=old.id), "may be published")
        assert stormkit.received("DELETE") == []

    def test_delete_needs_a_deployment_id(self, stormkit, command):
        assert_refused(command("delete"), "deployment-id")
        assert stormkit.requests == []


class TestReadOnlyCommands:
    def test_list_shows_the_branch_s_deployments_newest_first(self, stormkit, command):
        mine = [stormkit.add_deployment(status=status).id for status in ("success", "failed")]
        stormkit.add_deployment(OTHER)
        finished = command("list")
        assert_succeeded(finished)
        rows = json.loads(finished.outputs["result"])["deployments"]
        assert [(row["deployment-id"], row["status"]) for row in rows] == [(mine[1], "failed"), (mine[0], "success")]
        assert stormkit.received("POST") == []

    def test_status_exits_0_whatever_it_reports(self, stormkit, command):
        stormkit.add_deployment(status="failed")
        finished = command("status")
        assert (finished.exit_code, finished.outputs["status"]) == (0, "failed")
        assert_refused(command("status", deployment_id="1"), "no deployment 1")

    def test_check_changes_nothing(self, stormkit, command):
        finished = command("check")
        assert_succeeded(finished, "A deploy would build branch")
        assert {request.method for request in stormkit.requests} == {"GET"}

    def test_check_says_that_a_closed_pull_request_is_not_deployed(self, step):
        finished = step("pull_request_closed", command="check").run()
        assert_succeeded(finished, "A deploy would be skipped. Pull request #42 is closed")


@EVERY_GENERATION
class TestHealthCheck:
    def test_nothing_is_published_before_the_health_check_succeeds(self, stormkit, step):
        stormkit.preview(after=2)
        finished = step(health_check="/healthz?deep=1", publish="true", comment="false").run()
        assert assert_succeeded(finished)["published"] == "true"
        paths = [request.path.rpartition("/")[2] for request in stormkit.requests]
        assert [path for path in paths if path in ("healthz", "publish")] == ["healthz"] * 3 + ["publish"]
        checks = [request for request in stormkit.requests if request.path == "/healthz"]
        assert all("authorization" not in request.headers and request.query == {"deep": "1"} for request in checks)

    def test_the_step_s_timeout_during_a_health_check_is_reported_as_timed_out(self, stormkit, step):
        stormkit.preview(status=500)
        finished = step(health_check="/", timeout="2s", publish="true", comment="false").run()
        assert (finished.exit_code, finished.outputs["status"]) == (1, "timed-out")
        assert "Ran out of time: the health check of" in finished.outputs["reason"]
        assert finished.outputs["reason"].endswith("Nothing was published. Raise timeout.")
        assert stormkit.received("POST", "publish") == []

    def test_the_health_check_s_own_timeout_fails_the_step(self, stormkit, step):
        stormkit.preview(status=500)
        finished = step(health_check="/", health_check_timeout="1s", publish="true", comment="false").run()
        outputs = assert_refused(finished, "it answered 500", "Nothing was published")
        assert (outputs["published"], stormkit.received("POST", "publish")) == ("false", [])

    def test_a_health_check_follows_redirects_and_downloads_no_body(self, stormkit, step):
        stormkit.preview(status=302, headers={"location": f"{stormkit.url}/preview/"})
        loop = step(health_check="/", health_check_timeout="1s", comment="false").run()
        assert_refused(loop, "redirects more than")
        stormkit.preview(status=200, body=b"x" * 1000, drip=60.0)
        began = time.monotonic()
        assert_succeeded(step(health_check="/", comment="false").run())
        assert time.monotonic() - began < 15

    def test_a_health_check_follows_redirects_to_http_only(self, stormkit, step):
        stormkit.preview(status=302, headers={"location": "file:///etc/passwd"})
        finished = step(health_check="/", health_check_timeout="1s", comment="false").run()
        assert_refused(finished, "not http or https")

    @pytest.mark.parametrize("path", ["https://example.com/", "//example.com/", "http:example.com", "healthz"])
    def test_health_check_takes_a_path_and_no_foreign_url(self, stormkit, step, path):
        assert_refused(step(health_check=path).run(), "health-check", path)
        assert stormkit.requests == []

    def test_another_commit_is_never_published(self, stormkit, step):
        stormkit.next_build(seconds=0.2, sha="f" * 40)
        finished = step(publish="true", comment="false").run()
        outputs = assert_succeeded(finished)
        assert (outputs["commit-matches"], outputs["published"]) == ("false", "false")
        assert "Not published" in outputs["reason"]
        assert stormkit.received("POST", "publish") == []

    def test_a_build_whose_status_check_failed_is_never_published(self, stormkit, step):
        stormkit.next_build(seconds=0.2, checks=[Step(title="e2e", message="1 failed\n", ok=False)], check_seconds=0.1)
        assert assert_refused(step(publish="true", comment="false").run(), "e2e")["published"] == "false"
        assert stormkit.received("POST", "publish") == []


@EVERY_GENERATION
@pytest.mark.parametrize("fault", ["answer-lost", "500", "500-unqueued", "garbage", "empty-object", "429-body", "late"])
def test_a_fault_of_the_trigger_leads_to_exactly_one_build(stormkit, step, fault):
    """The faults with short waits; tests/reliability has the others, on a fake clock."""
    stormkit.fault("trigger", fault, seconds=1.0 if fault == "429-body" else 0.0)
    outputs = assert_succeeded(step(comment="false").run())
    assert (outputs["status"], stormkit.builds) == ("success", 1)
    built = [deployment for deployment in stormkit.deployments if not deployment.unqueued]
    assert [deployment.id for deployment in built] == [outputs["deployment-id"]]
    assert all(deployment.stopped_manually for deployment in stormkit.deployments if deployment.unqueued)


@EVERY_GENERATION
def test_commands_run_in_several_environments(stormkit, step):
    stormkit.add_environment("306", name="docs")
    environments = "site: 305\ndocs: 306"
    for env_id in ("305", "306"):
        stormkit.add_deployment(env_id=env_id, published=True)
        stormkit.add_deployment(env_id=env_id, status="running")

    def run(command, **inputs):
        given = {"api_key": "SK_user", "environments": environments, "comment": "false", **inputs}
        finished = step(command=command, **given).run()
        return finished, json.loads(finished.outputs["result"])["deployments"]

    finished, rows = run("stop")
    assert [(row["name"], row["status"]) for row in rows] == [("site", "stopped"), ("docs", "stopped")], finished.log
    assert finished.exit_code == 0
    finished, rows = run("status")
    assert [row["status"] for row in rows] == ["stopped", "stopped"]
    finished, rows = run("cleanup", branch=HEAD_BRANCH)
    assert (finished.exit_code, finished.outputs["deleted"], len(rows)) == (0, "2", 2)
    finished, rows = run("publish")
    assert [row["published"] for row in rows] == [True, True]
    stormkit.fault("read", "403")
    finished, rows = run("publish")
    assert (finished.exit_code, sorted(row["status"] for row in rows)) == (1, ["failed", "success"])
    assert run("publish", deployment_id="8241")[0].exit_code == 1
    assert [
        deployment.id
        for deployment in stormkit.deployments
        if not deployment.deleted and deployment.branch == HEAD_BRANCH
    ]


class TestAnotherEnvironmentsKey:
    """The inputs mean environment 305, but the key is that of 306, so Stormkit answers for 306."""

    @pytest.fixture
    def run_with_wrong_key(self, stormkit, step):
        stormkit.add_environment("306", name="docs")
        stormkit.add_key("SK_docs", env_id="306")

        def run(name, **inputs):
            return step("pull_request_closed", command=name, comment="false", api_key="SK_docs", **inputs).run()

        return run

    @pytest.mark.parametrize("name", ["list", "stop", "cleanup"])
    def test_another_environment_s_key_is_refused_where_the_branch_has_nothing(
        self, stormkit, run_with_wrong_key, name
    ):
        stormkit.add_deployment("main" if name != "list" else HEAD_BRANCH, env_id="306")
        assert_refused(run_with_wrong_key(name, env_id="305"), "This API key belongs to environment 306, not to 305.")

    def test_delete_names_the_environment_in_which_it_found_nothing(self, stormkit, run_with_wrong_key):
        stormkit.add_deployment("main", env_id="306", published=True)
        ours = stormkit.add_deployment()
        finished = run_with_wrong_key("delete", deployment_id=ours.id)
        outputs = assert_succeeded(finished, f"There is no deployment {ours.id} in environment 306: nothing to delete.")
        assert (outputs["branch"], outputs["published"]) == (HEAD_BRANCH, "false")
        assert deleted_ids(stormkit) == []


@pytest.mark.parametrize("name", ["deploy", "cleanup"])
def test_with_several_sites_every_log_line_names_its_site(stormkit, step, name):
    stormkit.add_environment("306", name="docs")
    for env_id in ("305", "306"):
        stormkit.add_deployment(env_id=env_id)
    sites = {"api_key": "SK_user", "environments": "website: 305\ndocs: 306", "comment": "false"}
    event = "pull_request_closed" if name == "cleanup" else "pull_request_opened"
    finished = step(event, command=name, publish="true", **sites).run()
    assert_succeeded(finished)
    before_the_result = finished.log.partition("site: ")[0].splitlines()
    about_one = [line for line in before_the_result if line and not line.startswith(("::", "stormkit_action"))]
    assert {line.partition(" ")[0] for line in about_one} == {"[website]", "[docs]"}


def test_a_list_of_several_sites_has_a_site_column(stormkit, step):
    stormkit.add_environment("306", name="docs")
    ids = [stormkit.add_deployment(env_id=env_id).id for env_id in ("305", "306")]
    finished = step(command="list", api_key="SK_user", environments="website: 305\ndocs: 306").run()
    assert_succeeded(finished)
    head, *rows = finished.log[finished.log.index("Site ") :].splitlines()
    assert head.split()[:2] == ["Site", "Deployment"]
    assert [row.split()[:2] for row in rows[:2]] == [["website", ids[0]], ["docs", ids[1]]]
    assert "| website | " in finished.summary


@pytest.mark.parametrize("name", ["stop", "list", "status"])
def test_with_several_sites_the_reason_is_the_one_that_could_not_be_reached(stormkit, step, name):
    """A failed build in the other environment is not an error of the command."""
    stormkit.add_deployment(status="running" if name == "stop" else "failed")
    finished = step(command=name, api_key="SK_user", environments="website: 305\ngone: 999", comment="false").run()
    assert (finished.exit_code, finished.outputs["status"]) == (1, "failed"), finished.log
    assert "999" in finished.outputs["reason"]
    assert [error for error in finished.annotated("error") if not error] == []


@pytest.mark.parametrize("name", ["auto", "deploy", "list", "check"])
def test_a_command_that_acts_on_no_single_deployment_refuses_deployment_id(stormkit, step, name):
    finished = step(command=name, deployment_id="8241").run()
    outputs = assert_refused(
        finished, f"Input deployment-id: {name} acts on none by its id; these do: delete, publish, "
    )
    assert (outputs["deployment-id"], stormkit.received()) == ("", [])


def test_the_comment_says_why_a_deployment_was_not_published(stormkit, github, step):
    stormkit.next_build(seconds=0.2)
    stormkit.answers.without.add("commit")
    finished = step(publish="true").run()
    assert (finished.exit_code, finished.outputs["published"]) == (0, "false")
    assert "Not published: Stormkit does not say which commit it built" in github.state.comments()[0].body


@pytest.mark.parametrize("stormkit", [Generation.NEWER], indirect=True)
def test_a_rollback_that_never_warms_up_is_not_reported_as_overtaken(stormkit, step):
    stormkit.add_deployment(warm_up=0.5, comes_up=False)
    live = stormkit.add_deployment(published=True)
    assert_refused(step(command="rollback", comment="false").run(), "never came up", f"{live.id} is live")
