"""`cleanup`, as a command and on a closed pull request: what it deletes, what it keeps and how it fails."""

import signal

import pytest

from sandbox.events import HEAD_BRANCH
from sandbox.stormkit.server import Generation
from stormkit_action.reporting.comment_body import read_rows
from stormkit_action.reporting.rows import State

OTHER = "docs/typo"
EVERY_GENERATION = pytest.mark.parametrize("stormkit", list(Generation), indirect=True)


def remaining_ids(stormkit):
    return [deployment.id for deployment in stormkit.deployments if not deployment.deleted]


@EVERY_GENERATION
@pytest.mark.parametrize(
    "key", [{"api_key": "SK_sandbox"}, {"api_key": "SK_user", "env_id": "305"}], ids=["env", "user"]
)
def test_a_closed_pull_request_keeps_the_live_deployment_and_other_branches(stormkit, github, step, key):
    live = stormkit.add_deployment(published=True)
    other = stormkit.add_deployment(OTHER)
    step(**key).run()
    running = stormkit.add_deployment(status="running")
    finished = step("pull_request_closed", **key).run()
    assert (finished.exit_code, finished.problems) == (0, []), finished.log
    assert (finished.outputs["status"], finished.outputs["deleted"]) == ("success", "2")
    assert remaining_ids(stormkit) == [live.id, other.id]
    assert stormkit.deployment(running.id).stopped_manually
    assert stormkit.live() == live.id

    again = step("pull_request_closed", **key).run()
    assert (again.exit_code, again.outputs["deleted"]) == (0, "0")
    assert "Nothing to delete" in again.log
    assert len(github.state.comments()) == 1


def test_cleanup_marks_the_row_in_the_comment_as_removed(stormkit, github, step):
    step().run()
    step("pull_request_closed").run()
    [comment] = github.state.comments()
    assert [row.state for row in read_rows(comment.body)] == [State.REMOVED]


def test_keep_latest_keeps_the_newest_successes_and_deletes_running_builds(stormkit, step):
    old = [stormkit.add_deployment(created_at=stormkit.now() - 1000 + number).id for number in range(3)]
    stopped = stormkit.add_deployment(status="stopped", created_at=stormkit.now() - 90)
    running = stormkit.add_deployment(status="running", created_at=stormkit.now() - 60)
    finished = step(command="cleanup", branch=HEAD_BRANCH, keep_latest="2").run()
    assert (finished.exit_code, finished.outputs["deleted"]) == (0, "3")
    assert remaining_ids(stormkit) == old[1:]
    assert {stopped.id, running.id}.isdisjoint(remaining_ids(stormkit))
    assert f"2 kept ({old[2]}, {old[1]})" in finished.log
    assert "Removed" in finished.summary
    assert "Ready" not in finished.summary


def test_another_pull_request_of_the_same_branch_keeps_its_deployments(stormkit, github, step):
    stormkit.add_deployment()
    github.state.add_pull_request(43, head_ref=HEAD_BRANCH)
    finished = step("pull_request_closed").run()
    assert (finished.exit_code, finished.outputs["status"]) == (0, "skipped")
    assert "#43" in finished.outputs["reason"]
    assert stormkit.received("DELETE") == []


def test_a_deployment_published_during_the_cleanup_is_kept(stormkit, step):
    deployment = stormkit.add_deployment()
    stormkit.before_answer("list", lambda: stormkit.state.publish(stormkit.state.records[deployment.id], 0.0))
    finished = step(command="cleanup", branch=HEAD_BRANCH).run()
    assert (finished.exit_code, finished.outputs["deleted"]) == (0, "0")
    assert "was published meanwhile" in finished.log
    assert stormkit.live() == deployment.id


def test_a_deletion_without_effect_fails_the_cleanup(stormkit, step):
    stormkit.add_deployment()
    # A 404 to a DELETE means that the deployment is gone already.
    stormkit.fault("delete", "404")
    finished = step(command="cleanup", branch=HEAD_BRANCH).run()
    assert (finished.exit_code, finished.outputs["deleted"]) == (1, "0")
    assert "still there" in finished.outputs["reason"]


def test_a_thousand_deployments_are_deleted_several_at_a_time(stormkit, step):
    """Rows move while the list is read, and one deletion is refused."""
    for number in range(1000):
        stormkit.add_deployment(created_at=stormkit.now() - 5000 + number)
    live = stormkit.add_deployment(published=True, created_at=stormkit.now() - 9000)
    other = stormkit.add_deployment(OTHER)
    stormkit.latency = 0.03
    new = []
    stormkit.before_answer("list", lambda: new.append(stormkit.add_deployment().id), after=3)
    stormkit.before_answer("list", lambda: setattr(stormkit.state.records["8241"], "deleted", True), after=7)
    stormkit.fault("delete", "403", after=500)
    finished = step(command="cleanup", branch=HEAD_BRANCH).run(timeout=120)
    assert (finished.exit_code, finished.outputs["status"]) == (1, "failed"), finished.log
    assert "999 of 1000" in finished.outputs["reason"] or finished.outputs["deleted"] == "999"
    remaining = set(remaining_ids(stormkit)) - {live.id, other.id}
    assert len(remaining - set(new)) == 1, "the one that was refused, and nothing else"
    assert finished.log.count(" done.") >= 10
    assert "refused the API key (403) while deleting" in finished.outputs["reason"]
    # At least four deletions were sent within one latency, so they ran at the same time.
    times = sorted(request.at for request in stormkit.received("DELETE"))
    assert any(later - sooner < stormkit.latency for sooner, later in zip(times, times[3:], strict=False))


def test_a_cancelled_cleanup_reports_how_many_it_deleted(stormkit, step):
    for _ in range(100):
        stormkit.add_deployment()
    stormkit.latency = 0.1
    running = step(command="cleanup", branch=HEAD_BRANCH).start()
    assert any("50 of 100 done." in line for line in running.lines())
    running.send_signal(signal.SIGTERM)
    finished = running.wait(10)
    assert (finished.exit_code, finished.outputs["status"]) == (130, "cancelled")
    deleted = sum(deployment.deleted for deployment in stormkit.deployments)
    assert 40 <= int(finished.outputs["deleted"]) <= deleted < 100
    assert f"{finished.outputs['deleted']} of 100" in finished.outputs["reason"]
