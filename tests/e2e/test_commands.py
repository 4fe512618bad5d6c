"""Every command but deploy's plain way, as a process: confirmed, idempotent, harmless."""

import json
import time

import pytest

from sandbox.events import HEAD_BRANCH
from sandbox.stormkit.server import Build, Generation, Step

OTHER = "docs/typo"
BOTH = pytest.mark.parametrize("stormkit", list(Generation), indirect=True)
KEYS = {"environment-key": {"api_key": "SK_sandbox"}, "user-key": {"api_key": "SK_user", "env_id": "305"}}


def pytest_generate_tests(metafunc):
    """Whoever takes a `command` runs against an older server with its own key, and a newer one with a user's."""
    if "key" in metafunc.fixturenames:
        cases = list(zip(KEYS.values(), (Generation.OLDER, Generation.NEWER), strict=True))
        metafunc.parametrize(("key", "stormkit"), cases, ids=KEYS, indirect=["stormkit"])


@pytest.fixture
def command(step, key):
    """Runs a command with one of the keys."""
    return lambda name, **inputs: step(command=name, comment="false", **key, **inputs).run()


def succeeded(finished, said=""):
    assert (finished.exit_code, finished.problems) == (0, []), finished.log
    assert said in finished.log
    return finished.outputs


def refused(finished, *words):
    """One error, which says what and what to do."""
    assert (finished.exit_code, finished.outputs["status"]) == (1, "failed"), finished.log
    (error,) = finished.annotated("error")
    for each in words:
        assert each in error
    assert "Traceback" not in finished.log
    return finished.outputs


def gone(stormkit):
    return [each.id for each in stormkit.deployments if each.deleted]


class TestPublish:
    def test_the_newest_successful_one_of_the_branch_and_again(self, stormkit, command):
        stormkit.add_deployment(published=True)
        newest = stormkit.add_deployment()
        stormkit.add_deployment(status="failed")
        stormkit.add_deployment(OTHER)
        outputs = succeeded(command("publish"))
        assert (outputs["deployment-id"], outputs["published"], stormkit.live()) == (newest.id, "true", newest.id)
        before = len(stormkit.received("POST"))
        again = succeeded(command("publish"), "is already live")
        assert (again["published"], len(stormkit.received("POST"))) == ("true", before)

    def test_one_by_its_id(self, stormkit, command):
        older = stormkit.add_deployment()
        stormkit.add_deployment(published=True)
        assert succeeded(command("publish", deployment_id=older.id))["published"] == "true"
        assert stormkit.live() == older.id

    @pytest.mark.parametrize("status", ["failed", "running", "stopped"])
    def test_only_a_successful_build(self, stormkit, command, status):
        live = stormkit.add_deployment(published=True)
        other = stormkit.add_deployment(status=status)
        refused(command("publish", deployment_id=other.id), "can't be published", status)
        assert (stormkit.live(), stormkit.received("POST")) == (live.id, [])

    def test_nothing_to_publish(self, stormkit, command):
        stormkit.add_deployment(status="failed")
        refused(command("publish"), "no successful deployment")

    def test_an_id_of_another_environment(self, stormkit, command):
        stormkit.add_environment("306", name="docs")
        other = stormkit.add_deployment(env_id="306")
        refused(command("publish", deployment_id=other.id), f"There is no deployment {other.id} in", "env-id")
        assert stormkit.received("POST") == []


@pytest.mark.parametrize("stormkit", [Generation.NEWER], indirect=True)
class TestWarmUp:
    def test_it_waits_until_it_is_live(self, stormkit, step):
        stormkit.add_deployment(published=True)
        newest = stormkit.add_deployment(warm_up=1.0, warm_up_after=0.1)
        outputs = succeeded(step(command="publish", comment="false").run(), "is warming up")
        assert (outputs["published"], stormkit.live()) == ("true", newest.id)

    @pytest.mark.parametrize("command", ["publish", "deploy"])
    def test_one_that_never_comes_up_leaves_the_old_one(self, stormkit, step, command):
        live = stormkit.add_deployment(published=True)
        if command == "publish":
            stormkit.add_deployment(warm_up=0.5, comes_up=False)
        stormkit.next_build(seconds=0.2, warm_up=0.5, comes_up=False)
        finished = step(command=command, publish="true", comment="false").run()
        assert refused(finished, "never came up", f"{live.id} is live")["published"] == "false"
        assert stormkit.live() == live.id


class TestRollback:
    def test_the_newest_older_one_of_the_live_branch(self, stormkit, command):
        oldest = stormkit.add_deployment("main")
        target = stormkit.add_deployment("main")
        stormkit.add_deployment(OTHER)  # a preview, which nobody wants live
        stormkit.add_deployment("main", status="failed")
        stormkit.add_deployment("main", published=True)
        stormkit.add_deployment("main")
        outputs = succeeded(command("rollback"))
        assert (outputs["deployment-id"], outputs["published"], stormkit.live()) == (target.id, "true", target.id)
        assert succeeded(command("rollback"))["deployment-id"] == oldest.id

    def test_nothing_older(self, stormkit, command):
        stormkit.add_deployment("main", status="failed")
        stormkit.add_deployment(OTHER)
        live = stormkit.add_deployment("main", published=True)
        refused(command("rollback"), "Nothing was rolled back", "of branch main older than the live one")
        assert stormkit.live() == live.id

    def test_nothing_live(self, stormkit, command):
        stormkit.add_deployment("main")
        refused(command("rollback"), "has no live deployment")
        assert stormkit.received("POST") == []


class TestRestart:
    def test_the_newest_failed_one_and_waits(self, stormkit, command):
        stormkit.add_deployment(status="failed")
        failed = stormkit.add_deployment(status="failed")
        outputs = succeeded(command("restart"))
        assert (outputs["deployment-id"], outputs["status"], stormkit.builds) == (failed.id, "success", 1)
        refused(command("restart", deployment_id=failed.id), "can't be restarted", "success", "Deploy again")
        assert stormkit.builds == 1

    def test_as_often_as_retries_allows(self, stormkit, command):
        # Longer than a second: `createdAt` tells one build from the next.
        for outcome in ("failed", "failed", "success"):
            stormkit.next_build(seconds=1.1, outcome=outcome)
        finished = command("deploy", retries="2")
        outputs = succeeded(finished)
        assert (outputs["status"], stormkit.builds, len(stormkit.deployments)) == ("success", 3, 3)
        assert len(finished.annotated("warning")) == 2

    def test_no_more_than_retries_allows(self, stormkit, command):
        stormkit.default_build = Build(seconds=1.1, outcome="failed")
        outputs = refused(command("deploy", retries="1"), "failed")
        assert (outputs["status"], stormkit.builds) == ("failed", 2)

    def test_one_that_is_gone(self, stormkit, command):
        stormkit.add_deployment(status="failed")
        stormkit.before_answer("restart", lambda: stormkit.state.records["8241"].__setattr__("deleted", True))
        finished = command("restart", deployment_id="8241")
        assert (finished.exit_code, finished.outputs["status"]) == (1, "stopped"), finished.log
        assert "deleted" in finished.outputs["reason"]


class TestStop:
    def test_every_running_one_of_the_branch_and_again(self, stormkit, command):
        running = [stormkit.add_deployment(status="running") for _ in range(3)]
        other = stormkit.add_deployment(OTHER, status="running")
        outputs = succeeded(command("stop"))
        assert (outputs["status"], outputs["deployment-id"]) == ("stopped", running[-1].id)
        assert all(stormkit.deployment(each.id).stopped_manually for each in running)
        assert stormkit.deployment(other.id).status == "running"
        before = len(stormkit.received("POST"))
        succeeded(command("stop"), "Nothing to stop.")
        assert len(stormkit.received("POST")) == before

    def test_a_finished_one_by_its_id(self, stormkit, command):
        done = stormkit.add_deployment()
        outputs = succeeded(command("stop", deployment_id=done.id), "Nothing to stop.")
        assert (outputs["status"], stormkit.received("POST")) == ("success", [])

    def test_one_failure_leaves_the_others_stopped(self, stormkit, command):
        for _ in range(3):
            stormkit.add_deployment(status="running")
        stormkit.fault("stop", "403")
        refused(command("stop"), "could not be stopped")
        assert sorted(each.stopped_manually for each in stormkit.deployments) == [False, True, True]

    def test_superseded_ones_before_the_trigger(self, stormkit, command):
        older = [stormkit.add_deployment(status="running") for _ in range(2)]
        other = stormkit.add_deployment(OTHER, status="running")
        stormkit.fault("stop", "answer-lost")
        outputs = succeeded(command("deploy", stop_superseded="true"), f"Stopped deployment {older[1].id}")
        assert outputs["status"] == "success"
        assert all(stormkit.deployment(each.id).stopped_manually for each in older)
        assert stormkit.deployment(other.id).status == "running"
        sent = [each.path for each in stormkit.requests if each.method == "POST"]
        assert sent[-1] == "/v1/deploy"

    def test_a_superseded_one_that_goes_on_is_a_warning(self, stormkit, command):
        stormkit.add_deployment(status="running")
        stormkit.fault("stop", "403")
        finished = command("deploy", stop_superseded="true")
        succeeded(finished)
        (warning,) = finished.annotated("warning")
        assert "superseded deployment is still running" in warning


class TestDelete:
    def test_one_and_again(self, stormkit, command):
        old = stormkit.add_deployment()
        assert succeeded(command("delete", deployment_id=old.id))["deleted"] == "1"
        assert gone(stormkit) == [old.id]
        assert succeeded(command("delete", deployment_id=old.id), "nothing to delete")["deleted"] == "0"

    def test_a_published_one_is_refused(self, stormkit, command):
        live = stormkit.add_deployment(published=True)
        refused(command("delete", deployment_id=live.id), "is published", "Publish another deployment first")
        assert (gone(stormkit), stormkit.received("DELETE")) == ([], [])

    def test_a_server_that_does_not_tell_whether_it_is_published(self, stormkit, command):
        old = stormkit.add_deployment()
        stormkit.answers.without.add("published")
        refused(command("delete", deployment_id=old.id), "may be published")
        assert stormkit.received("DELETE") == []

    def test_without_an_id(self, stormkit, command):
        refused(command("delete"), "deployment-id")
        assert stormkit.requests == []


class TestLooking:
    def test_list(self, stormkit, command):
        mine = [stormkit.add_deployment(status=status).id for status in ("success", "failed")]
        stormkit.add_deployment(OTHER)
        finished = command("list")
        succeeded(finished)
        rows = json.loads(finished.outputs["result"])["deployments"]
        assert [(row["deployment-id"], row["status"]) for row in rows] == [(mine[1], "failed"), (mine[0], "success")]
        assert stormkit.received("POST") == []

    def test_status_exits_0_whatever_it_reports(self, stormkit, command):
        stormkit.add_deployment(status="failed")
        finished = command("status")
        assert (finished.exit_code, finished.outputs["status"]) == (0, "failed")
        refused(command("status", deployment_id="1"), "no deployment 1")

    def test_check_changes_nothing(self, stormkit, command):
        finished = command("check")
        succeeded(finished, "A deploy would build branch")
        assert {each.method for each in stormkit.requests} == {"GET"}

    def test_check_says_that_a_closed_pull_request_is_not_deployed(self, step):
        finished = step("pull_request_closed", command="check").run()
        succeeded(finished, "A deploy would be skipped. Pull request #42 is closed")


@BOTH
class TestHealthCheck:
    def test_nothing_is_published_before_it_answers(self, stormkit, step):
        stormkit.preview(after=2)
        finished = step(health_check="/healthz?deep=1", publish="true", comment="false").run()
        assert succeeded(finished)["published"] == "true"
        paths = [each.path.rpartition("/")[2] for each in stormkit.requests]
        assert [each for each in paths if each in ("healthz", "publish")] == ["healthz"] * 3 + ["publish"]
        checks = [each for each in stormkit.requests if each.path == "/healthz"]
        assert all("authorization" not in each.headers and each.query == {"deep": "1"} for each in checks)

    def test_the_step_s_timeout_is_told_from_its_own(self, stormkit, step):
        stormkit.preview(status=500)
        finished = step(health_check="/", timeout="2s", publish="true", comment="false").run()
        assert (finished.exit_code, finished.outputs["status"]) == (1, "timed-out")
        assert "Ran out of time: the health check of" in finished.outputs["reason"]
        assert finished.outputs["reason"].endswith("Nothing was published. Raise timeout.")
        assert stormkit.received("POST", "publish") == []

    def test_it_fails_when_the_time_is_over(self, stormkit, step):
        stormkit.preview(status=500)
        finished = step(health_check="/", health_check_timeout="1s", publish="true", comment="false").run()
        outputs = refused(finished, "it answered 500", "Nothing was published")
        assert (outputs["published"], stormkit.received("POST", "publish")) == ("false", [])

    def test_the_body_is_not_downloaded_and_redirects_are_followed(self, stormkit, step):
        stormkit.preview(status=302, headers={"location": f"{stormkit.url}/preview/"})
        loop = step(health_check="/", health_check_timeout="1s", comment="false").run()
        refused(loop, "redirects more than")
        stormkit.preview(status=200, body=b"x" * 1000, drip=60.0)
        began = time.monotonic()
        succeeded(step(health_check="/", comment="false").run())
        assert time.monotonic() - began < 15

    def test_it_leads_nowhere_but_to_http(self, stormkit, step):
        stormkit.preview(status=302, headers={"location": "file:///etc/passwd"})
        finished = step(health_check="/", health_check_timeout="1s", comment="false").run()
        refused(finished, "not http or https")

    @pytest.mark.parametrize("path", ["https://example.com/", "//example.com/", "http:example.com", "healthz"])
    def test_a_foreign_url_is_no_path(self, stormkit, step, path):
        refused(step(health_check=path).run(), "health-check", path)
        assert stormkit.requests == []

    def test_another_commit_is_never_published(self, stormkit, step):
        stormkit.next_build(seconds=0.2, sha="f" * 40)
        finished = step(publish="true", comment="false").run()
        outputs = succeeded(finished)
        assert (outputs["commit-matches"], outputs["published"]) == ("false", "false")
        assert "Not published" in outputs["reason"]
        assert stormkit.received("POST", "publish") == []

    def test_a_build_whose_status_check_failed_is_never_published(self, stormkit, step):
        stormkit.next_build(seconds=0.2, checks=[Step(title="e2e", message="1 failed\n", ok=False)], check_seconds=0.1)
        assert refused(step(publish="true", comment="false").run(), "e2e")["published"] == "false"
        assert stormkit.received("POST", "publish") == []


@BOTH
@pytest.mark.parametrize("fault", ["answer-lost", "500", "500-unqueued", "garbage", "empty-object", "429-body", "late"])
def test_a_fault_of_the_trigger_is_one_build(stormkit, step, fault):
    """As a process; the rest of the faults, whose waits are long, is in tests/reliability."""
    stormkit.fault("trigger", fault, seconds=1.0 if fault == "429-body" else 0.0)
    outputs = succeeded(step(comment="false").run())
    assert (outputs["status"], stormkit.builds) == ("success", 1)
    built = [each for each in stormkit.deployments if not each.unqueued]
    assert [each.id for each in built] == [outputs["deployment-id"]]
    assert all(each.stopped_manually for each in stormkit.deployments if each.unqueued)


@BOTH
def test_commands_for_several_environments(stormkit, step):
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
    assert [each.id for each in stormkit.deployments if not each.deleted and each.branch == HEAD_BRANCH]


class TestAnotherEnvironmentsKey:
    """The key of 306, where the inputs mean 305: Stormkit answers for 306."""

    @pytest.fixture
    def other(self, stormkit, step):
        stormkit.add_environment("306", name="docs")
        stormkit.add_key("SK_docs", env_id="306")
        closed = "pull_request_closed"
        return lambda name, **inputs: step(closed, command=name, comment="false", api_key="SK_docs", **inputs).run()

    @pytest.mark.parametrize("name", ["list", "stop", "cleanup"])
    def test_nothing_of_the_branch_is_no_success(self, stormkit, other, name):
        stormkit.add_deployment("main" if name != "list" else HEAD_BRANCH, env_id="306")
        refused(other(name, env_id="305"), "This API key belongs to environment 306, not to 305.")

    def test_what_it_does_not_reach_is_not_called_deleted(self, stormkit, other):
        stormkit.add_deployment("main", env_id="306", published=True)
        ours = stormkit.add_deployment()
        finished = other("delete", deployment_id=ours.id)
        outputs = succeeded(finished, f"There is no deployment {ours.id} in environment 306: nothing to delete.")
        assert (outputs["branch"], outputs["published"]) == (HEAD_BRANCH, "false")
        assert gone(stormkit) == []


@pytest.mark.parametrize("name", ["deploy", "cleanup"])
def test_of_several_sites_each_line_says_which_it_is_about(stormkit, step, name):
    stormkit.add_environment("306", name="docs")
    for env_id in ("305", "306"):
        stormkit.add_deployment(env_id=env_id)
    sites = {"api_key": "SK_user", "environments": "website: 305\ndocs: 306", "comment": "false"}
    event = "pull_request_closed" if name == "cleanup" else "pull_request_opened"
    finished = step(event, command=name, publish="true", **sites).run()
    succeeded(finished)
    before_the_result = finished.log.partition("site: ")[0].splitlines()
    about_one = [line for line in before_the_result if line and not line.startswith(("::", "stormkit_action"))]
    assert {line.partition(" ")[0] for line in about_one} == {"[website]", "[docs]"}


def test_a_list_of_several_sites_has_a_column_for_them(stormkit, step):
    stormkit.add_environment("306", name="docs")
    ids = [stormkit.add_deployment(env_id=env_id).id for env_id in ("305", "306")]
    finished = step(command="list", api_key="SK_user", environments="website: 305\ndocs: 306").run()
    succeeded(finished)
    head, *rows = finished.log[finished.log.index("Site ") :].splitlines()
    assert head.split()[:2] == ["Site", "Deployment"]
    assert [row.split()[:2] for row in rows[:2]] == [["website", ids[0]], ["docs", ids[1]]]
    assert "| website | " in finished.summary


@pytest.mark.parametrize("name", ["stop", "list", "status"])
def test_of_several_sites_the_one_that_was_not_reached_is_the_reason(stormkit, step, name):
    """What the other one's deployment ended as is no failure of the command."""
    stormkit.add_deployment(status="running" if name == "stop" else "failed")
    finished = step(command=name, api_key="SK_user", environments="website: 305\ngone: 999", comment="false").run()
    assert (finished.exit_code, finished.outputs["status"]) == (1, "failed"), finished.log
    assert "999" in finished.outputs["reason"]
    assert [error for error in finished.annotated("error") if not error] == []


@pytest.mark.parametrize("name", ["auto", "deploy", "list", "check"])
def test_a_command_that_acts_on_none_by_its_id_takes_none(stormkit, step, name):
    finished = step(command=name, deployment_id="8241").run()
    outputs = refused(finished, f"Input deployment-id: {name} acts on none by its id; these do: delete, publish, ")
    assert (outputs["deployment-id"], stormkit.received()) == ("", [])


def test_why_it_was_not_published_is_in_the_comment(stormkit, github, step):
    stormkit.next_build(seconds=0.2)
    stormkit.answers.without.add("commit")
    finished = step(publish="true").run()
    assert (finished.exit_code, finished.outputs["published"]) == (0, "false")
    assert "Not published: Stormkit does not say which commit it built" in github.state.comments()[0].body


@pytest.mark.parametrize("stormkit", [Generation.NEWER], indirect=True)
def test_a_rollback_that_never_comes_up_was_not_replaced_by_the_live_one(stormkit, step):
    stormkit.add_deployment(warm_up=0.5, comes_up=False)
    live = stormkit.add_deployment(published=True)
    refused(step(command="rollback", comment="false").run(), "never came up", f"{live.id} is live")
