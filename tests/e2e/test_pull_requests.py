"""What becomes of a pull request's previews, whatever its events, runs and names: the whole program each time."""

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


class GitHubWithFaces(GitHub):
    """A GitHub that can refuse all writes in its own words, or tell that octocat/hello-world has a newer name."""

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
    with GitHubWithFaces() as server:
        yield server


def run_of(number: int, attempt: int = 1) -> dict[str, str]:
    return {"GITHUB_RUN_ID": str(number), "GITHUB_RUN_ATTEMPT": str(attempt)}


def payload(name: str, **changes) -> dict:
    return {**events.load(name), **changes}


def active(github: GitHub) -> list[str]:
    return [each.payload["deployment-id"] for each in github.state.deployments if each.state in ACTIVE]


def alive(stormkit) -> list[str]:
    return [each.id for each in stormkit.deployments if not each.deleted and each.status in ("running", "success")]


def rows(github: GitHub, number: int = 42) -> list[tuple[State, str]]:
    return [
        (row.state, row.deployment_id) for comment in github.state.comments(number) for row in read_rows(comment.body)
    ]


def set_state(github: GitHub, state: str) -> None:
    github.state.repository().pull_requests[42].state = state


def labeled_when_closed() -> dict:
    event = payload("pull_request_opened", action="labeled")
    event["pull_request"]["state"] = "closed"
    return event


def comment_on_a_closed_one() -> dict:
    event = payload("issue_comment_created")
    event["issue"]["state"] = "closed"
    return event


@pytest.mark.parametrize(
    ("event", "triggers"),
    [
        pytest.param(("issue_comment", comment_on_a_closed_one()), 0, id="a comment on a closed one"),
        pytest.param(("pull_request", labeled_when_closed()), 0, id="a label of a closed one"),
        pytest.param(("pull_request", payload("pull_request_synchronize")), 1, id="a push whose run came late"),
        pytest.param(("workflow_run", payload("workflow_run_completed")), 1, id="CI that ended after it was closed"),
    ],
)
def test_a_closed_pull_request_is_not_deployed(stormkit, github, step, event, triggers):
    set_state(github, "closed")
    name, content = event
    finished = step(content, event_name=name).run()
    assert (finished.exit_code, finished.outputs["status"]) == (0, "skipped"), finished.log
    assert "42 is closed" in finished.outputs["reason"].replace("#", "")
    assert stormkit.builds == triggers
    assert (alive(stormkit), active(github)) == ([], [])
    assert State.READY not in [state for state, _ in rows(github)]


def test_a_cleanup_that_is_run_again_deletes_nothing_of_a_reopened_pull_request(stormkit, github, step):
    step("pull_request_closed", env=run_of(100)).run()
    set_state(github, "open")
    reopened = step(payload("pull_request_opened", action="reopened"), event_name="pull_request", env=run_of(101)).run()
    number = reopened.outputs["deployment-id"]
    again = step("pull_request_closed", env=run_of(100, 2))
    set_state(github, "open")
    finished = again.run()
    assert (finished.exit_code, finished.outputs["status"]) == (0, "skipped"), finished.log
    assert (alive(stormkit), active(github), rows(github)) == ([number], [number], [(State.READY, number)])


def test_a_run_that_is_run_again_is_newer_than_what_it_finds(stormkit, github, step):
    step("pull_request_synchronize", env=run_of(100)).run()
    step("pull_request_closed", env=run_of(101)).run()
    assert [state for state, _ in rows(github)] == [State.REMOVED]
    set_state(github, "open")
    number = step("pull_request_synchronize", env=run_of(100, 2)).run().outputs["deployment-id"]
    assert (alive(stormkit), active(github), rows(github)) == ([number], [number], [(State.READY, number)])


def test_what_the_merge_queue_deployed_and_deleted_is_offered_nowhere(stormkit, github, step):
    number = step().run().outputs["deployment-id"]
    event = events.load("merge_group_checks_requested")["merge_group"]
    stormkit.push(event["head_ref"].removeprefix("refs/heads/"), event["head_sha"])
    github.state.add_branch(event["head_ref"].removeprefix("refs/heads/"), event["head_sha"])
    queued = step("merge_group_checks_requested", env=run_of(200)).run()
    assert queued.outputs["status"] == "success", queued.log
    deleted = step(
        "merge_group_checks_requested",
        env=run_of(200),
        command="delete",
        deployment_id=queued.outputs["deployment-id"],
    ).run()
    assert (deleted.exit_code, deleted.outputs["preview-url"]) == (0, ""), deleted.log
    assert (alive(stormkit), active(github), rows(github)) == ([number], [number], [(State.READY, number)])


def test_a_deployment_that_delete_removed_is_offered_nowhere(stormkit, github, step):
    number = step().run().outputs["deployment-id"]
    finished = step(command="delete", deployment_id=number).run()
    assert (finished.exit_code, finished.outputs["preview-url"]) == (0, "")
    assert (active(github), [state for state, _ in rows(github)]) == ([], [State.REMOVED])
    assert f"/preview/{number}" not in github.state.comments()[0].body


def test_what_stop_stopped_is_told_although_another_goes_on(stormkit, github, step, monkeypatch):
    stormkit.default_build = Build(seconds=600)
    number = step(wait="false").run().outputs["deployment-id"]
    other = stormkit.add_deployment(status="running", created_at=stormkit.now() - 60).id
    answer = stormkit.handle
    refusal = Reply(status=403, headers={"content-type": "application/json"})
    monkeypatch.setattr(stormkit, "handle", lambda sent: refusal if f"{other}/stop" in sent.path else answer(sent))
    finished = step(command="stop").run()
    assert (finished.exit_code, stormkit.deployment(number).stopped_manually) == (1, True)
    assert f"{other} could not be stopped" in finished.outputs["reason"]
    assert (active(github), rows(github)) == ([], [(State.STOPPED, number)])


def test_a_build_that_nobody_waits_for_is_in_progress_on_github(github, step):
    step(wait="false").run()
    assert [each.state for each in github.state.deployments] == ["in_progress"]
    assert [state for state, _ in rows(github)] == [State.BUILDING]


def test_of_three_published_pushes_the_last_one_is_active(github, step):
    numbers = [step("push_branch", env=run_of(run), publish="true").run().outputs["deployment-id"] for run in (1, 2, 3)]
    assert active(github) == numbers[-1:]


def test_a_pull_request_from_the_owner_s_other_repository_gets_no_comment(stormkit, github, step):
    github.state.add_repository(FORK)
    github.state.add_pull_request(44, HEAD_BRANCH, head_repo=FORK)
    set_state(github, "closed")
    finished = step(payload("push_branch", ref=f"refs/heads/{HEAD_BRANCH}"), event_name="push").run()
    assert finished.exit_code == 0
    assert rows(github, 44) == []


def test_a_pull_request_from_the_owner_s_other_repository_keeps_no_preview(stormkit, github, step):
    step().run()
    github.state.add_repository(FORK)
    github.state.add_pull_request(44, HEAD_BRANCH, head_repo=FORK)
    finished = step("pull_request_closed", env=run_of(101)).run()
    assert (finished.outputs["status"], alive(stormkit), active(github)) == ("success", [], []), finished.log


def test_two_sites_by_their_own_keys_leave_each_other_s_github_deployment_alone(stormkit, github, step):
    stormkit.add_environment("306", name="docs")
    stormkit.add_key("SK_docs", env_id="306")
    set_state(github, "closed")
    for run in (1, 2):
        for key in ("SK_sandbox", "SK_docs"):
            step("push_branch", env=run_of(run), api_key=key, comment="false").run()
    assert len(active(github)) == 2
    sites = {each.payload["env-id"] for each in github.state.deployments if each.state == "success"}
    assert sites == {"305", "306"}


def test_a_renamed_repository_gets_its_comment_and_cleans_up_beside_an_unrelated_pull_request(stormkit, github, step):
    github.is_renamed = True
    github.state.add_pull_request(50, "unrelated", "5" * 40)
    opened = step().run()
    assert (opened.outputs["status"], opened.annotated(Level.WARNING)) == ("success", [])
    assert (rows(github), active(github)) == ([(State.READY, "8241")], ["8241"])
    closed = step("pull_request_closed", env=run_of(101)).run()
    assert (closed.outputs["status"], alive(stormkit), active(github)) == ("success", [], []), closed.log


def test_the_old_name_of_a_renamed_repository_is_no_fork(step):
    event = payload("pull_request_opened")
    for side in ("head", "base"):
        event["pull_request"][side]["repo"]["full_name"] = "octocat/hello-earth"
    assert step(event, event_name="pull_request").run().outputs["status"] == "success"


def test_two_pull_requests_of_one_branch_are_both_told(github, step):
    github.state.add_pull_request(43, HEAD_BRANCH, base_ref="develop")
    step(payload("push_branch", ref=f"refs/heads/{HEAD_BRANCH}"), event_name="push").run()
    assert rows(github) == rows(github, 43) == [(State.READY, "8241")]


@pytest.mark.parametrize("event", ["pull_request_review", "pull_request_review_comment"])
def test_a_review_deploys_its_pull_request(github, step, event):
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
)
def test_a_deleted_tag_is_a_skip(stormkit, step, name, event):
    finished = step(event, event_name=name).run()
    assert (finished.exit_code, finished.outputs["status"]) == (0, "skipped"), finished.log
    assert stormkit.builds == 0


def test_the_run_of_a_tag_deploys_nothing_and_gets_no_row(stormkit, github, step):
    event = payload("workflow_run_completed")
    event["workflow_run"] |= {"head_branch": "v1.2.3", "event": "push", "pull_requests": []}
    finished = step(event, event_name="workflow_run").run()
    assert "v1.2.3" in finished.outputs["reason"]
    assert (alive(stormkit), active(github), rows(github)) == ([], [], [])


LOCKED = "Unable to create comment because issue is locked."
ARCHIVED = "Repository was archived so is read-only."
TOO_LONG = "Body is too long (maximum is 65536 characters)"


@pytest.mark.parametrize(
    ("refusal", "words"),
    [
        (ApiError(403, LOCKED), LOCKED),
        (ApiError(403, ARCHIVED), ARCHIVED),
        (ApiError(422, "Validation Failed", errors=[{"code": "custom", "message": TOO_LONG}]), TOO_LONG),
    ],
    ids=["locked", "archived", "too long"],
)
def test_a_comment_that_is_refused_is_a_warning_in_github_s_words(github, step, refusal, words):
    github.refusal = refusal
    finished = step(comment="true", github_deployment="false").run()
    [warning] = finished.annotated(Level.WARNING)
    assert (finished.exit_code, words.rstrip(".") in warning, "permissions" in warning) == (0, True, False), warning


@pytest.mark.parametrize("words", [LOCKED, ARCHIVED])
def test_check_warns_of_what_a_deploy_would_warn_of_and_does_not_fail(stormkit, github, step, words):
    github.refusal = ApiError(403, words)
    github.state.add_branch(HEAD_BRANCH, "7" * 40)
    finished = step(command="check", comment="true", github_deployment="false").run()
    assert (finished.exit_code, finished.outputs["status"]) == (0, "success"), finished.log
    moved, refused = finished.annotated(Level.WARNING)
    assert "at 7777777, not at the expected" in moved
    assert words.rstrip(".") in refused
    assert "permissions" not in refused


def test_check_fails_where_the_branch_is_not_there(github, step):
    github.state.delete_branch(HEAD_BRANCH)
    finished = step(command="check").run()
    assert (finished.exit_code, finished.outputs["status"]) == (1, "failed")
    assert f"Branch {HEAD_BRANCH} does not exist" in finished.outputs["reason"]
