"""Previews of a pull request across its events, runs and renames, with the whole program as a process."""

from dataclasses import replace

import pytest

from sandbox import events
from sandbox.events import HEAD_BRANCH
from sandbox.github.api import ApiError
from sandbox.github.server import GitHub
from sandbox.runner.log import Level
from sandbox.stormkit.builds import Build
from sandbox.web import ReceivedRequest, Reply
from stormkit_action.reporting.comment_body import read_rows
from stormkit_action.reporting.rows import State

ACTIVE = {"success", "in_progress", "queued", "pending", ""}
FORK = "octocat/hello-world-fork"
TAG = "refs/tags/v1.0.0"


class AdaptableGitHub(GitHub):
    """A GitHub that can refuse all writes, or answer as if octocat/hello-world had been renamed."""

    refusal: ApiError | None = None
    is_renamed = False

    def handle(self, request: ReceivedRequest) -> Reply:
        old, new = "/repos/octocat/hello-world", "/repositories/1296269"
        if self.refusal is not None and request.method in ("POST", "PATCH") and "graphql" not in request.path:
            answer = self.refusal.answer
            return Reply(status=answer.status, body=answer.body)
        if self.is_renamed and request.path.startswith(f"{old}/"):
            location = f"{self.url}{new}{request.target.removeprefix(old)}"
            return Reply(status=301 if request.method == "GET" else 307, headers={"location": location})
        return super().handle(replace(request, path=request.path.replace(new, old)))


@pytest.fixture
def github():
    with AdaptableGitHub() as server:
        yield server


def run_variables(number: int, attempt: int = 1) -> dict[str, str]:
    return {"GITHUB_RUN_ID": str(number), "GITHUB_RUN_ATTEMPT": str(attempt)}


def payload(name: str, **changes) -> dict:
    return {**events.load(name), **changes}


def active_ids(github: GitHub) -> list[str]:
    return [
        deployment.payload["deployment-id"] for deployment in github.state.deployments if deployment.state in ACTIVE
    ]


def available_ids(stormkit) -> list[str]:
    return [
        deployment.id
        for deployment in stormkit.deployments
        if not deployment.deleted and deployment.status in ("running", "success")
    ]


def rows(github: GitHub, number: int = 42) -> list[tuple[State, str]]:
    return [
        (row.state, row.deployment_id) for comment in github.state.comments(number) for row in read_rows(comment.body)
    ]


def set_pull_request_state(github: GitHub, state: str) -> None:
    github.state.repository().pull_requests[42].state = state


def label_on_a_closed_pull_request() -> dict:
    event = payload("pull_request_opened", action="labeled")
    event["pull_request"]["state"] = "closed"
    return event


def comment_on_a_closed_pull_request() -> dict:
    event = payload("issue_comment_created")
    event["issue"]["state"] = "closed"
    return event


def ci_run_without_pull_requests():
    event = payload("workflow_run_completed")
    event["workflow_run"]["pull_requests"] = []
    return event


@pytest.mark.parametrize(
    ("event", "triggers"),
    [
        pytest.param(("issue_comment", comment_on_a_closed_pull_request()), 0, id="comment"),
        pytest.param(("pull_request", label_on_a_closed_pull_request()), 0, id="label"),
        pytest.param(("pull_request", payload("pull_request_synchronize")), 1, id="push before it closed"),
        pytest.param(("workflow_run", payload("workflow_run_completed")), 1, id="CI that ended after it closed"),
        pytest.param(("workflow_run", ci_run_without_pull_requests()), 1, id="CI that began after it closed"),
    ],
)
def test_a_closed_pull_request_is_not_deployed(stormkit, github, step, event, triggers):
    set_pull_request_state(github, "closed")
    name, content = event
    finished = step(content, event_name=name).run()
    assert (finished.exit_code, finished.outputs["status"]) == (0, "skipped"), finished.log
    assert "42 is closed" in finished.outputs["reason"].replace("#", "")
    assert finished.log.count(finished.outputs["reason"]) == 1
    assert stormkit.builds == triggers
    assert (available_ids(stormkit), active_ids(github)) == ([], [])
    assert State.READY not in [state for state, _ in rows(github)]


def test_a_rerun_of_a_cleanup_is_skipped_if_the_pull_request_was_reopened(stormkit, github, step):
    step("pull_request_closed", env=run_variables(100)).run()
    set_pull_request_state(github, "open")
    reopened = step(
        payload("pull_request_opened", action="reopened"), event_name="pull_request", env=run_variables(101)
    ).run()
    number = reopened.outputs["deployment-id"]
    again = step("pull_request_closed", env=run_variables(100, 2))
    set_pull_request_state(github, "open")
    finished = again.run()
    assert (finished.exit_code, finished.outputs["status"]) == (0, "skipped"), finished.log
    assert (available_ids(stormkit), active_ids(github), rows(github)) == ([number], [number], [(State.READY, number)])


def test_a_rerun_replaces_the_row_of_a_later_run(stormkit, github, step):
    step("pull_request_synchronize", env=run_variables(100)).run()
    step("pull_request_closed", env=run_variables(101)).run()
    assert [state for state, _ in rows(github)] == [State.REMOVED]
    set_pull_request_state(github, "open")
    number = step("pull_request_synchronize", env=run_variables(100, 2)).run().outputs["deployment-id"]
    assert (available_ids(stormkit), active_ids(github), rows(github)) == ([number], [number], [(State.READY, number)])


def test_a_deleted_merge_queue_deployment_is_offered_nowhere(stormkit, github, step):
    number = step().run().outputs["deployment-id"]
    event = events.load("merge_group_checks_requested")["merge_group"]
    stormkit.push(event["head_ref"].removeprefix("refs/heads/"), event["head_sha"])
    github.state.add_branch(event["head_ref"].removeprefix("refs/heads/"), event["head_sha"])
    queued = step("merge_group_checks_requested", env=run_variables(200)).run()
    assert queued.outputs["status"] == "success", queued.log
    deleted = step(
        "merge_group_checks_requested",
        env=run_variables(200),
        command="delete",
        deployment_id=queued.outputs["deployment-id"],
    ).run()
    assert (deleted.exit_code, deleted.outputs["preview-url"]) == (0, ""), deleted.log
    assert (available_ids(stormkit), active_ids(github), rows(github)) == ([number], [number], [(State.READY, number)])


def test_a_deleted_deployment_is_offered_nowhere(stormkit, github, step):
    number = step().run().outputs["deployment-id"]
    finished = step(command="delete", deployment_id=number).run()
    assert (finished.exit_code, finished.outputs["preview-url"]) == (0, "")
    assert (active_ids(github), [state for state, _ in rows(github)]) == ([], [State.REMOVED])
    assert f"/preview/{number}" not in github.state.comments()[0].body


def test_a_stopped_deployment_is_shown_even_if_another_could_not_be_stopped(stormkit, github, step, monkeypatch):
    stormkit.default_build = Build(seconds=600)
    number = step(wait="false").run().outputs["deployment-id"]
    other = stormkit.add_deployment(status="running", created_at=stormkit.now() - 60).id
    answer = stormkit.handle
    refusal = Reply(status=403, headers={"content-type": "application/json"})

    def refuse_to_stop_the_other(request: ReceivedRequest) -> Reply:
        return refusal if f"{other}/stop" in request.path else answer(request)

    monkeypatch.setattr(stormkit, "handle", refuse_to_stop_the_other)
    finished = step(command="stop").run()
    assert (finished.exit_code, stormkit.deployment(number).stopped_manually) == (1, True)
    assert f"{other} could not be stopped" in finished.outputs["reason"]
    assert (active_ids(github), rows(github)) == ([], [(State.STOPPED, number)])


def test_a_build_that_is_not_waited_for_is_in_progress_on_github(github, step):
    step(wait="false").run()
    assert [deployment.state for deployment in github.state.deployments] == ["in_progress"]
    assert [state for state, _ in rows(github)] == [State.BUILDING]


def test_only_the_last_of_three_published_pushes_stays_active(github, step):
    numbers = [
        step("push_branch", env=run_variables(run), publish="true").run().outputs["deployment-id"] for run in (1, 2, 3)
    ]
    assert active_ids(github) == numbers[-1:]


def test_a_pull_request_from_the_owner_s_fork_gets_no_comment(stormkit, github, step):
    github.state.add_repository(FORK)
    github.state.add_pull_request(44, HEAD_BRANCH, head_repo=FORK)
    set_pull_request_state(github, "closed")
    finished = step(payload("push_branch", ref=f"refs/heads/{HEAD_BRANCH}"), event_name="push").run()
    assert finished.exit_code == 0
    assert rows(github, 44) == []


def test_a_pull_request_from_the_owner_s_fork_does_not_keep_a_preview(stormkit, github, step):
    step().run()
    github.state.add_repository(FORK)
    github.state.add_pull_request(44, HEAD_BRANCH, head_repo=FORK)
    finished = step("pull_request_closed", env=run_variables(101)).run()
    assert (finished.outputs["status"], available_ids(stormkit), active_ids(github)) == ("success", [], []), (
        finished.log
    )


def test_two_sites_with_their_own_keys_keep_their_own_github_deployments(stormkit, github, step):
    stormkit.add_environment("306", name="docs")
    stormkit.add_key("SK_docs", env_id="306")
    set_pull_request_state(github, "closed")
    for run in (1, 2):
        for key in ("SK_sandbox", "SK_docs"):
            step("push_branch", env=run_variables(run), api_key=key, comment="false").run()
    assert len(active_ids(github)) == 2
    sites = {deployment.payload["env-id"] for deployment in github.state.deployments if deployment.state == "success"}
    assert sites == {"305", "306"}


def test_a_renamed_repository_gets_its_comment_and_its_cleanup(stormkit, github, step):
    github.is_renamed = True
    github.state.add_pull_request(50, "unrelated", "5" * 40)
    opened = step().run()
    assert (opened.outputs["status"], opened.annotated(Level.WARNING)) == ("success", [])
    assert (rows(github), active_ids(github)) == ([(State.READY, "8241")], ["8241"])
    closed = step("pull_request_closed", env=run_variables(101)).run()
    assert (closed.outputs["status"], available_ids(stormkit), active_ids(github)) == ("success", [], []), closed.log


def test_the_old_name_of_a_renamed_repository_is_not_taken_for_a_fork(step):
    event = payload("pull_request_opened")
    for side in ("head", "base"):
        event["pull_request"][side]["repo"]["full_name"] = "octocat/hello-earth"
    assert step(event, event_name="pull_request").run().outputs["status"] == "success"


def test_two_pull_requests_of_one_branch_both_get_the_comment(github, step):
    github.state.add_pull_request(43, HEAD_BRANCH, base_ref="develop")
    step(payload("push_branch", ref=f"refs/heads/{HEAD_BRANCH}"), event_name="push").run()
    assert rows(github) == rows(github, 43) == [(State.READY, "8241")]


@pytest.mark.parametrize("event", ["pull_request_review", "pull_request_review_comment"])
def test_a_review_deploys_the_branch_of_its_pull_request(github, step, event):
    finished = step(payload("pull_request_opened"), event_name=event).run()
    assert (finished.exit_code, finished.outputs["branch"]) == (0, HEAD_BRANCH), finished.log
    assert rows(github) == [(State.READY, "8241")]


def test_a_created_branch_is_deployed(step):
    event = {**events.load("push_branch"), "ref": HEAD_BRANCH, "ref_type": "branch"}
    finished = step(event, event_name="create").run()
    assert (finished.outputs["status"], finished.outputs["branch"]) == ("success", HEAD_BRANCH), finished.log


@pytest.mark.parametrize(
    ("name", "event"),
    [
        ("push", payload("push_tag", ref=TAG, deleted=True, after="0" * 40)),
        ("delete", {**events.load("push_tag"), "ref": "v1.0.0", "ref_type": "tag"}),
    ],
    ids=["push", "delete"],
)
def test_a_deleted_tag_is_skipped(stormkit, step, name, event):
    finished = step(event, event_name=name).run()
    assert (finished.exit_code, finished.outputs["status"]) == (0, "skipped"), finished.log
    assert stormkit.builds == 0


def test_a_workflow_run_of_a_tag_deploys_nothing_and_gets_no_row(stormkit, github, step):
    event = payload("workflow_run_completed")
    event["workflow_run"] |= {"head_branch": "v1.2.3", "event": "push", "pull_requests": []}
    finished = step(event, event_name="workflow_run").run()
    assert "v1.2.3" in finished.outputs["reason"]
    assert (available_ids(stormkit), active_ids(github), rows(github)) == ([], [], [])


LOCKED = "Unable to create comment because issue is locked."
ARCHIVED = "Repository was archived so is read-only."
TOO_LONG = "Body is too long (maximum is 65536 characters)"


@pytest.mark.parametrize(
    ("refusal", "message"),
    [
        (ApiError(403, LOCKED), LOCKED),
        (ApiError(403, ARCHIVED), ARCHIVED),
        (ApiError(422, "Validation Failed", errors=[{"code": "custom", "message": TOO_LONG}]), TOO_LONG),
    ],
    ids=["locked", "archived", "too long"],
)
def test_a_refused_comment_is_a_warning_in_github_s_own_words(github, step, refusal, message):
    github.refusal = refusal
    finished = step(comment="true", github_deployment="false").run()
    [warning] = finished.annotated(Level.WARNING)
    assert finished.exit_code == 0
    assert message.rstrip(".") in warning
    assert "permissions" not in warning


@pytest.mark.parametrize("message", [LOCKED, ARCHIVED])
def test_check_gives_the_warnings_of_a_deploy_and_succeeds(stormkit, github, step, message):
    github.refusal = ApiError(403, message)
    github.state.add_branch(HEAD_BRANCH, "7" * 40)
    finished = step(command="check", comment="true", github_deployment="false").run()
    assert (finished.exit_code, finished.outputs["status"]) == (0, "success"), finished.log
    moved, refused = finished.annotated(Level.WARNING)
    assert "at 7777777, not at the expected" in moved
    assert message.rstrip(".") in refused
    assert "permissions" not in refused


def test_check_fails_if_the_branch_does_not_exist(github, step):
    github.state.delete_branch(HEAD_BRANCH)
    finished = step(command="check").run()
    assert (finished.exit_code, finished.outputs["status"]) == (1, "failed")
    assert f"Branch {HEAD_BRANCH} does not exist" in finished.outputs["reason"]
