"""Publishing, restarting, stopping and deleting on the local Stormkit, in each generation."""

import pytest

from sandbox.stormkit.server import Generation
from tests.sandbox.stormkit_requests import call, read, trigger

PUSHED_SHA = "0123456789abcdef0123456789abcdef01234567"


@pytest.mark.parametrize("generation", [Generation.OLDER, Generation.APRIL])
def test_older_servers_publish_at_once_and_even_a_running_build(request, generation, clock):
    older = request.getfixturevalue(str(generation))
    before = older.add_deployment(published=True).id
    running = older.add_deployment(status="running").id
    assert read(older, before)["published"] == [{"envId": "305", "percentage": 100}]
    assert "isWarmingUp" not in read(older, before)
    assert call(older, "POST", f"/deployments/{running}/publish").json() == {"ok": True}
    assert read(older, before)["published"] == []
    assert older.live() == running
    failed = older.add_deployment(status="failed").id
    assert call(older, "POST", f"/deployments/{failed}/publish").status_code == 400


@pytest.mark.parametrize("comes_up", [True, False])
def test_newer_servers_publish_a_success_after_its_warm_up(newer, clock, comes_up):
    before = newer.add_deployment(published=True).id
    wanted = newer.add_deployment(warm_up=3.0, warm_up_after=1.0, comes_up=comes_up).id
    running = newer.add_deployment(status="running").id
    assert call(newer, "POST", f"/deployments/{running}/publish").status_code == 400
    assert call(newer, "POST", f"/deployments/{wanted}/publish").json() == {"ok": True, "status": "publishing"}
    seen = []
    for _ in range(5):
        deployment = read(newer, wanted)
        seen.append((deployment["isWarmingUp"], deployment["published"]))
        clock.advance(1)
    assert seen == [(False, False), *[(True, False)] * 3, (False, comes_up)]
    assert newer.live() == (wanted if comes_up else before)


def test_a_trigger_with_publish_makes_a_success_live(stormkit, clock):
    stormkit.next_build(seconds=1)
    asked, failing, silent = trigger(stormkit, publish=True), None, None
    clock.advance(1)
    assert stormkit.deployment(asked).should_publish
    clock.advance(1)
    assert stormkit.live() == asked
    stormkit.next_build(seconds=1, outcome="failed")
    failing = trigger(stormkit, publish=True)
    silent = trigger(stormkit)
    clock.advance(9)
    assert stormkit.live() == asked
    assert [read(stormkit, deployment_id)["isAutoPublish"] for deployment_id in (asked, failing, silent)] == [
        True,
        True,
        False,
    ]


def test_a_push_deploys_and_publishes_by_the_environment_s_settings(stormkit, clock):
    stormkit.add_environment("306", name="docs", auto_publish=True)
    stormkit.push("main", PUSHED_SHA, deploy=True)
    clock.advance(9)
    by_push = stormkit.deployments
    assert [(deployment.env.id, deployment.auto, deployment.published) for deployment in by_push] == [
        ("305", True, False),
        ("306", True, True),
    ]
    assert read(stormkit, by_push[0].id)["isAutoDeploy"] is True


def test_deleting_a_published_deployment_takes_the_site_down(stormkit):
    older = stormkit.add_deployment(published=True).id
    live = stormkit.add_deployment(published=True).id
    assert stormkit.live() == live
    assert call(stormkit, "DELETE", f"/deployments/{older}").status_code == 200
    assert stormkit.live() == live
    assert call(stormkit, "DELETE", f"/deployments/{live}").json() == {"ok": True}
    assert stormkit.live() == ""
    assert call(stormkit, "DELETE", f"/deployments/{live}").status_code == 404
    assert [deployment.deleted for deployment in stormkit.deployments] == [True, True]


def test_a_running_deployment_can_be_deleted(stormkit):
    deployment_id = trigger(stormkit)
    assert call(stormkit, "DELETE", f"/deployments/{deployment_id}").status_code == 200
    assert call(stormkit, "GET", f"/deployments/{deployment_id}/poll").status_code == 404


def test_a_failed_deployment_can_be_restarted(stormkit, clock):
    stormkit.next_build(seconds=2, outcome="failed")
    deployment_id = trigger(stormkit)
    assert call(stormkit, "POST", f"/deployments/{deployment_id}/restart").status_code == 400
    clock.advance(5)
    before = read(stormkit, deployment_id, logs="true")
    assert before["status"] == "failed"
    assert before["error"]
    stormkit.next_build(seconds=3)
    assert call(stormkit, "POST", f"/deployments/{deployment_id}/restart").json() == {"ok": True}
    after = read(stormkit, deployment_id, logs="true")
    assert int(after["createdAt"]) - int(before["createdAt"]) == 5
    assert after.items() >= {"id": deployment_id, "status": "running", "error": "", "stoppedAt": None}.items()
    assert not after["logs"]
    recorded = stormkit.state.generation is Generation.APRIL
    assert after["commit"]["sha"] == (before["commit"]["sha"] if recorded else None)
    assert (after["snapshot"] is None) is recorded
    clock.advance(3)
    assert read(stormkit, deployment_id)["status"] == "success"
    assert call(stormkit, "POST", f"/deployments/{deployment_id}/restart").status_code == 400
    assert stormkit.builds == 2


def test_a_restart_needs_the_repository_but_on_the_april_generation(stormkit):
    deployment_id = stormkit.add_deployment(status="failed").id
    stormkit.state.repository.accessible = False
    recorded = stormkit.state.generation is Generation.APRIL
    assert call(stormkit, "POST", f"/deployments/{deployment_id}/restart").status_code == (200 if recorded else 404)
    assert stormkit.builds == int(recorded)


def test_a_restart_right_after_a_stop_answers_500_but_builds(april, clock):
    deployment_id = trigger(april)
    clock.advance(2)
    call(april, "POST", f"/deployments/{deployment_id}/stop")
    clock.advance(2)
    assert call(april, "POST", f"/deployments/{deployment_id}/restart").status_code == 500
    clock.advance(60)
    assert read(april, deployment_id)["status"] == "success"
    deployment_id = trigger(april)
    call(april, "POST", f"/deployments/{deployment_id}/stop")
    clock.advance(5)
    assert call(april, "POST", f"/deployments/{deployment_id}/restart").status_code == 200


def test_an_overtaken_publish_is_dropped_silently(newer, clock):
    first, second = (newer.add_deployment(warm_up=60.0).id for _ in range(2))
    call(newer, "POST", f"/deployments/{first}/publish")
    clock.advance(10)
    call(newer, "POST", f"/deployments/{second}/publish")
    deployment = read(newer, first)
    assert (deployment["isWarmingUp"], deployment["published"]) == (False, False)
    clock.advance(60)
    assert newer.live() == second


def test_a_build_ends_15_minutes_after_its_trigger(april, clock):
    april.next_build(seconds=3600, queued=600)
    deployment_id = trigger(april)
    clock.advance(900 - 60)
    assert read(april, deployment_id)["status"] == "running"
    clock.advance(120)
    ended = read(april, deployment_id, logs="true")
    assert ended.items() >= {"status": "failed", "error": "", "stoppedManually": False, "uploadResult": None}.items()
    assert 900 <= ended["duration"] <= 960
    assert ended["logs"][-1]["status"] is False


@pytest.mark.parametrize("word", ["failed", "stopped"])
def test_a_stop_ends_a_running_build_and_leaves_a_finished_one(stormkit, clock, word):
    stormkit.answers.stopped_status = word
    deployment_id = trigger(stormkit)
    clock.advance(2)
    assert call(stormkit, "POST", f"/deployments/{deployment_id}/stop").json() == {"ok": True}
    clock.advance(60)
    stopped = read(stormkit, deployment_id)
    assert stopped.items() >= {"status": word, "stoppedManually": True, "duration": 2, "error": ""}.items()
    assert "failureSummary" not in stopped
    finished = stormkit.add_deployment().id
    assert call(stormkit, "POST", f"/deployments/{finished}/stop").json() == {"ok": True}
    assert read(stormkit, finished)["status"] == "success"
