"""Concurrency groups: runs about different things share none, and nothing that is made is left without an end."""

import pytest

from tests.recipes.expressions import filled
from tests.workflows.linting import EXAMPLES, OWN, TEMPLATES, load, name_of

PREVIEWS = [path for path in (*EXAMPLES, *TEMPLATES) if "pull_request" in load(path)["on"]]


def groups(path, event, *, name=None, workflow="Preview"):
    """The groups of a workflow's run, filled in."""
    loaded = load(path)
    given = [loaded.get("concurrency"), *(job.get("concurrency") for job in loaded["jobs"].values())]
    github = {"event": event, "event_name": name, "workflow": workflow, "ref": "refs/heads/main"}
    return [filled(entry["group"], {"github": github, "inputs": {}}) for entry in given if entry]


def pull_request(number, *, repository=1, ref="patch-1"):
    return {"pull_request": {"number": number, "head": {"ref": ref, "repo": {"id": repository}}}}


def workflow_run(*, repository=1, branch="patch-1"):
    return {"workflow_run": {"head_branch": branch, "head_repository": {"id": repository}}}


@pytest.mark.parametrize("path", PREVIEWS, ids=name_of)
def test_two_pull_requests_never_share_a_group(path):
    [one] = groups(path, pull_request(41, ref="one"), name="pull_request")
    [other] = groups(path, pull_request(42, ref="two"), name="pull_request")
    assert one != other


@pytest.mark.parametrize("path", PREVIEWS, ids=name_of)
def test_two_workflows_for_two_sites_never_share_a_group(path):
    [one] = groups(path, pull_request(42), name="pull_request", workflow="Website")
    [other] = groups(path, pull_request(42), name="pull_request", workflow="Docs")
    assert one != other


def test_a_fork_s_branch_of_the_same_name_does_not_cancel_the_repository_s_own_run():
    [path] = [path for path in EXAMPLES if path.name == "after-ci.yml"]
    [own] = groups(path, workflow_run(), name="workflow_run")
    [fork] = groups(path, workflow_run(repository=2), name="workflow_run")
    [closed] = groups(path, pull_request(42), name="pull_request")
    assert own != fork
    assert own == closed


def test_a_reusable_workflow_leaves_the_group_to_its_caller_who_knows_its_sites():
    for path in OWN:
        loaded = load(path)
        if "workflow_call" in loaded["on"]:
            assert groups(path, {}) == []
            assert "#   concurrency:" in path.read_text(encoding="utf-8")
    callers = [path for path in EXAMPLES if any("uses" in job for job in load(path)["jobs"].values())]
    assert len(callers) == 2
    assert all("concurrency" in load(path) for path in callers)


@pytest.mark.parametrize("path", PREVIEWS, ids=name_of)
def test_every_preview_is_removed_when_its_pull_request_closes(path):
    assert "closed" in load(path)["on"]["pull_request"]["types"]
