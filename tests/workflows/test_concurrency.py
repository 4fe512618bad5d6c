"""Concurrency groups: only runs that deploy to the same place share one. Previews are removed in the end."""

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from sandbox.runner.runner import ACTION
from tests.recipes.expressions import condition, filled
from tests.workflows.linting import EXAMPLES, OWN, TEMPLATES, load, name_of, quick_starts, steps

BRANCH = "patch-1"
"""The name that GitHub's editor gives the first branch of every fork, so forks share it."""


@dataclass(frozen=True, kw_only=True)
class Run:
    """A workflow run. Runs with the same `subject` deploy to the same place and must not run at the same time."""

    subject: str
    name: str
    event: Mapping[str, Any] = field(default_factory=dict)
    inputs: Mapping[str, Any] = field(default_factory=dict)
    number: int = 1000

    def contexts(self, workflow: str = "Preview") -> dict[str, Any]:
        """The contexts for the workflow's expressions."""
        github = {
            "event": self.event,
            "event_name": self.name,
            "workflow": workflow,
            "repository": "octocat/hello-world",
            "ref": "refs/heads/main",
            "run_id": self.number,
        }
        return {"github": github, "inputs": self.inputs, "needs": {}}


def pull_request(number: int, *, repository: int = 1, name: str = "pull_request", branch: str = BRANCH, **event) -> Run:
    repositories = {1: "octocat/hello-world", 2: "monalisa/hello-world"}
    head = {"ref": branch, "repo": {"id": repository, "full_name": repositories[repository]}}
    labels = [{"name": "preview"}]
    described = {"number": number, "state": "open", "head": head, "labels": labels}
    return Run(subject=f"#{number}", name=name, event={"pull_request": described, "action": "opened"} | event)


def workflow_run(subject: str, *, repository: int, branch: str = BRANCH) -> Run:
    run = {"head_branch": branch, "head_repository": {"id": repository}, "conclusion": "success"}
    return Run(subject=subject, name="workflow_run", event={"workflow_run": run | {"event": "pull_request"}})


def merge_group(sha: str) -> Run:
    return Run(subject=sha, name="merge_group", event={"merge_group": {"head_sha": sha}})


def comment(number: int, state: str = "open") -> Run:
    event = {
        "issue": {"number": number, "state": state, "pull_request": {"url": "…"}},
        "comment": {"body": "/deploy", "author_association": "OWNER"},
    }
    return Run(subject=f"#{number}", name="issue_comment", event=event)


def dispatched(branch: str, command: str) -> Run:
    return Run(subject=branch, name="workflow_dispatch", inputs={"branch": branch, "command": command})


def fork(number: int, action: str, label: str = "preview", state: str = "open") -> Run:
    event = {"action": action, "label": {"name": label}}
    run = pull_request(number, repository=2, name="pull_request_target", **event)
    run.event["pull_request"]["state"] = state
    return run


PULL_REQUESTS = [
    pull_request(41, branch="patch-2"),
    pull_request(42, action="synchronize"),
    pull_request(42, action="closed"),
    pull_request(43, repository=2),
]
RUNS = {
    "after-ci": [
        pull_request(41, branch="patch-2", action="closed"),
        pull_request(42, action="closed"),
        workflow_run("#42", repository=1),
        workflow_run("#43", repository=2),
        workflow_run("#44", repository=1, branch="patch-3"),
    ],
    "chatops": [*PULL_REQUESTS, comment(42), comment(44)],
    "merge-queue": [*PULL_REQUESTS, merge_group("6dcb09b"), merge_group("c3d0be4")],
    "fork-deploy": [dispatched(BRANCH, "deploy"), dispatched(BRANCH, "cleanup"), dispatched("patch-2", "deploy")],
    "fork-label": [fork(42, "labeled"), fork(42, "unlabeled"), fork(42, "closed"), fork(43, "labeled")],
    "ci": [
        *PULL_REQUESTS,
        *(Run(subject=f"run {number}", name="push", number=number) for number in (1, 2)),
        Run(subject="run 3", name="schedule", number=3),
    ],
}
"""Runs of the workflows that start on other events than pull_request or are not about previews."""

PREVIEWS = [path for path in (*EXAMPLES, *TEMPLATES) if "pull_request" in load(path)["on"]]
FOR_ONE_SUBJECT = [
    *PREVIEWS,
    *(path for path in (*EXAMPLES, *OWN) if path.stem in RUNS and path not in PREVIEWS),
]
PRODUCTION = [
    path
    for path in (*EXAMPLES, *TEMPLATES)
    if path.stem in {"production", "stormkit-production", "reusable-production", "rollback", "scheduled"}
]


def concurrency(workflow: Mapping[str, Any], contexts: Mapping[str, Any]) -> list[tuple[str, bool]]:
    """The groups that a run enters, and whether it cancels runs in them; skipped jobs enter none."""
    jobs = [job for job in workflow["jobs"].values() if condition(job.get("if", "true"), contexts)]
    declared = [part["concurrency"] for part in (workflow, *jobs) if "concurrency" in part]
    return [(filled(entry["group"], contexts), entry["cancel-in-progress"]) for entry in declared]


def groups(path, run: Run, workflow: str = "Preview") -> set[str]:
    """The names of the groups, which GitHub compares without regard to case."""
    return {group.lower() for group, _ in concurrency(load(path), run.contexts(workflow))}


@pytest.mark.parametrize("path", FOR_ONE_SUBJECT, ids=name_of)
def test_two_runs_share_a_group_only_if_they_deploy_to_the_same_place(path):
    for one, other in itertools.combinations_with_replacement(RUNS.get(path.stem, PULL_REQUESTS), 2):
        assert groups(path, one), one
        if one.subject == other.subject:
            assert groups(path, one) == groups(path, other), (one, other)
        else:
            assert not groups(path, one) & groups(path, other), (one, other)


@pytest.mark.parametrize("path", [path for path in FOR_ONE_SUBJECT if path not in OWN], ids=name_of)
def test_two_workflows_for_two_sites_never_share_a_group(path):
    for run in RUNS.get(path.stem, PULL_REQUESTS):
        assert not groups(path, run, "Website") & groups(path, run, "Docs")


@pytest.mark.parametrize(
    ("name", "run"),
    [
        (
            "chatops",
            Run(subject="", name="issue_comment", event={"issue": {"number": 42}, "comment": {"body": "/deploy"}}),
        ),
        ("chatops", Run(subject="", name="issue_comment", event=comment(42).event | {"comment": {"body": "Thanks!"}})),
        ("after-ci", Run(subject="", name="workflow_run", event={"workflow_run": {"conclusion": "failure"}})),
        ("chatops", comment(42, "closed")),
        ("fork-label", fork(42, "labeled", state="closed")),
        ("fork-label", fork(42, "labeled", "bug")),
        ("fork-label", fork(42, "unlabeled", "bug")),
    ],
)
def test_an_event_that_deploys_nothing_enters_no_group(name, run):
    assert groups(ACTION / f"examples/{name}.yml", run) == set()


def test_workflows_that_publish_wait_for_each_other():
    runs = [
        Run(subject="main", name=name, inputs={"rollback": name == "workflow_dispatch"})
        for name in ("push", "workflow_dispatch")
    ]
    entered = [concurrency(load(path), run.contexts(path.stem)) for path in PRODUCTION for run in runs]
    assert len(PRODUCTION) == 5
    assert entered == [[("production", False)]] * 10


def test_a_reusable_workflow_leaves_the_group_to_its_caller():
    for path in OWN:
        loaded = load(path)
        if "workflow_call" in loaded["on"]:
            assert concurrency(loaded, Run(subject="", name="push").contexts()) == []
    callers = [path for path in EXAMPLES if any("uses" in job for job in load(path)["jobs"].values())]
    assert len(callers) == 2
    assert all("concurrency" in load(path) for path in callers)


@pytest.mark.parametrize("name", quick_starts())
def test_a_quick_start_has_the_group_of_its_example(name):
    run = pull_request(42)
    example = load(ACTION / f"examples/{'production' if 'production' in name else 'preview'}.yml")
    assert concurrency(quick_starts()[name], run.contexts()) == concurrency(example, run.contexts())


@pytest.mark.parametrize("path", PREVIEWS, ids=name_of)
def test_every_preview_is_removed_when_its_pull_request_closes(path):
    assert "closed" in load(path)["on"]["pull_request"]["types"]


@pytest.mark.parametrize("path", [path for path in (*EXAMPLES, *TEMPLATES) if path not in PREVIEWS], ids=name_of)
def test_only_a_workflow_that_leaves_deployments_says_so_in_its_first_comment(path):
    workflow = load(path)
    deploys = {"deploy", "auto", "${{ inputs.command }}"}
    deploy_steps = [step for step in steps(workflow) if step.get("with", {}).get("command", "auto") in deploys]
    calls_reusable_workflow = any("uses" in job for job in workflow["jobs"].values())
    leaves_deployments = calls_reusable_workflow or any("api-key" in step.get("with", {}) for step in deploy_steps)
    first_comment = path.read_text(encoding="utf-8").partition("\n\n")[2].partition("\non:")[0]
    assert ("stay" in first_comment) is leaves_deployments
