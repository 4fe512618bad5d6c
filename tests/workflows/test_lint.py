"""Workflows, templates and examples: GitHub's schemas, zizmor, actionlint and our own rules."""

import json
import re

import pytest

from sandbox.runner.runner import ACTION
from stormkit_action.inputs import INPUTS
from stormkit_action.reporting.outputs import OUTPUTS
from tests.workflows.linting import (
    EXAMPLES,
    OTHER_CI,
    OWN,
    STAND_IN,
    TEMPLATES,
    WORKFLOWS,
    comments,
    is_own_action,
    load,
    name_of,
    own_workflow,
    quick_start_texts,
    scripts,
    steps,
    tool,
    uses,
)

every_workflow = pytest.mark.parametrize("path", WORKFLOWS, ids=name_of)
SCHEMAS = {
    "github-workflows": WORKFLOWS,
    "github-actions": [ACTION / "action.yml"],
    "github-issue-forms": sorted((ACTION / ".github/ISSUE_TEMPLATE").glob("*.yml")),
    "dependabot": [ACTION / ".github/dependabot.yml"],
    "bitbucket-pipelines": OTHER_CI[:1],
    "gitlab-ci": OTHER_CI[1:],
}


@pytest.mark.parametrize("schema", SCHEMAS)
def test_files_match_their_schemas(schema):
    assert tool("check-jsonschema", "--builtin-schema", f"vendor.{schema}", *map(str, SCHEMAS[schema])) == ""


@pytest.mark.parametrize(
    ("persona", "paths"),
    [("pedantic", [".github", "action.yml"]), ("regular", [*map(name_of, (*EXAMPLES, *TEMPLATES))])],
)
def test_zizmor_finds_nothing(persona, paths):
    options = ("--offline", "--quiet", "--strict-collection", "--config=.github/zizmor.yml", f"--persona={persona}")
    assert tool("zizmor", *options, *paths) == ""


def test_zizmor_finds_a_template_injection(tmp_path):
    bad = tmp_path / "bad.yml"
    bad.write_text("on: pull_request_target\njobs: {a: {runs-on: x, steps: [{run: 'echo ${{ github.head_ref }}'}]}}\n")
    assert "template-injection" in tool("zizmor", "--offline", "--quiet", str(bad))


def test_actionlint_finds_nothing():
    """Without shellcheck and pyflakes, which are not installed in this environment."""
    # actionlint looks for the post-entrypoint in the repository, but it is a path in the image.
    options = ("-shellcheck=", "-pyflakes=", "-ignore", "post_entrypoint")
    assert tool("actionlint", *options, *map(str, WORKFLOWS)) == ""


@pytest.mark.parametrize("name", quick_start_texts())
def test_a_quick_start_is_a_workflow(tmp_path, name):
    path = tmp_path / "workflow.yml"
    path.write_text(quick_start_texts()[name], encoding="utf-8")
    assert tool("actionlint", "-shellcheck=", "-pyflakes=", str(path)) == ""
    assert tool("check-jsonschema", "--builtin-schema", "vendor.github-workflows", str(path)) == ""


def test_actionlint_rejects_the_root_of_the_repository_as_an_action(tmp_path):
    """GitHub's runner does too: the rest after `$/` must not be empty."""
    bad = tmp_path / "bad.yml"
    bad.write_text("on: push\njobs: {a: {runs-on: ubuntu-24.04, steps: [{uses: $/}]}}\n", encoding="utf-8")
    assert "$/" in tool("actionlint", str(bad))


def test_jactionlint_finds_nothing():
    # The post-entrypoint is a path in the image; the linter looks for it in the repository.
    options = ("--profile=correctness", "--strict-exit", "--ignore=/app/post_entrypoint.py", "--no-online")
    # shellcheck is not installed in this environment.
    assert tool("jactionlint", *options, "--shellcheck=", "--pyflakes=", *map(str, WORKFLOWS)) == ""


@pytest.mark.threat("The supply chain")
@every_workflow
def test_permissions_are_granted_per_job(path):
    workflow = load(path)
    assert workflow["permissions"] == {}
    for name, job in workflow["jobs"].items():
        assert job["permissions"], name
        assert job["permissions"] != "write-all"


@pytest.mark.threat("The supply chain")
@every_workflow
def test_no_shell_script_contains_an_expression(path):
    assert [script for script in scripts(load(path)) if "${{" in script] == []


@pytest.mark.threat("The supply chain")
@every_workflow
def test_actions_are_pinned_by_full_sha_with_the_version_in_a_comment(path):
    version_comments = comments(path)
    for used in uses(load(path)):
        if is_own_action(used) or own_workflow(used):
            continue
        assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", used)
        assert re.fullmatch(r"v\d+\.\d+\.\d+", version_comments[used])


def test_each_action_is_used_in_one_version():
    versions = {}
    for path in WORKFLOWS:
        for used in uses(load(path)):
            name, _, version = used.partition("@")
            # The reusable workflows use this action at the last release's tag, everything else at the major version's.
            versions.setdefault(name, set()).add(version.partition(".")[0] if name == STAND_IN else version)
    assert {name: found for name, found in versions.items() if len(found) > 1} == {}


@every_workflow
def test_checkouts_keep_no_credentials(path):
    for step in steps(load(path)):
        if step.get("uses", "").startswith("actions/checkout@"):
            assert step["with"]["persist-credentials"] is False


@every_workflow
def test_only_existing_inputs_and_outputs_are_used(path):
    workflow = load(path)
    ours = [step for step in steps(workflow) if is_own_action(step.get("uses", ""))]
    for step in ours:
        assert set(step["with"]) <= {spec.name for spec in INPUTS}
        assert "api-key" in step["with"]
    text = path.read_text(encoding="utf-8")
    for step_id, output in re.findall(r"steps\.([\w-]+)\.outputs\.([\w-]+)", text):
        if step_id in {step.get("id") for step in ours}:
            assert output in OUTPUTS


def test_our_own_jobs_have_a_timeout():
    for path in OWN:
        for name, job in load(path)["jobs"].items():
            assert "timeout-minutes" in job, f"{path.name}: {name}"


@pytest.mark.parametrize("path", TEMPLATES, ids=name_of)
def test_a_template_has_valid_properties(path):
    properties = json.loads(path.with_suffix(".properties.json").read_text(encoding="utf-8"))
    assert {"name", "description"} <= set(properties)
    assert set(properties) <= {"name", "description", "iconName", "categories", "filePatterns"}
    assert properties["name"] == load(path)["name"]
    for pattern in properties.get("filePatterns", []):
        re.compile(pattern)


def test_the_production_template_uses_github_s_default_branch_placeholder():
    branches = {path.stem: load(path)["on"].get("push") for path in TEMPLATES}
    assert branches["stormkit-production"] == {"branches": ["$default-branch"]}


@pytest.mark.parametrize("name", ["preview", "production"])
def test_a_reusable_workflow_passes_on_all_its_inputs_and_outputs(name):
    workflow = load(ACTION / f".github/workflows/{name}.yml")
    called = workflow["on"]["workflow_call"]
    (job,) = workflow["jobs"].values()
    (step,) = job["steps"]
    used = set(re.findall(r"inputs\.([\w-]+)", str(workflow["jobs"])))
    assert used == set(called["inputs"])
    assert called["outputs"].keys() == job["outputs"].keys()
    for output, passed in job["outputs"].items():
        assert passed == f"${{{{ steps.{step['id']}.outputs.{output} }}}}"
        assert called["outputs"][output]["value"] == f"${{{{ jobs.{name}.outputs.{output} }}}}"
    defaults = {spec.name: spec.default for spec in INPUTS}
    own = {"runs-on", "rollback", *({"health-check", "environment"} if name == "production" else ())}
    for input_name, spec in called["inputs"].items():
        assert input_name in own or spec["default"] == defaults[input_name]


# The inputs that a reusable workflow sets itself.
SET_BY_THE_WORKFLOW = {
    "api-key",
    "github-token",
    "command",
    "branch",
    "sha",
    "deployment-id",
    "publish",
    "wait",
    "stop-superseded",
}


@pytest.mark.parametrize(
    ("name", "set_by_the_workflow"),
    [("preview", SET_BY_THE_WORKFLOW), ("production", SET_BY_THE_WORKFLOW | {"comment", "comment-key", "keep-latest"})],
)
def test_a_reusable_workflow_accepts_every_input_that_it_does_not_set(name, set_by_the_workflow):
    called = load(ACTION / f".github/workflows/{name}.yml")["on"]["workflow_call"]
    own = {"runs-on", "rollback"}
    assert set(called["inputs"]) - own == {spec.name for spec in INPUTS} - set_by_the_workflow


def test_callers_match_the_interface_of_the_reusable_workflows():
    for path in EXAMPLES:
        for job in load(path)["jobs"].values():
            if "uses" not in job:
                continue
            called = load(own_workflow(job["uses"]))
            assert set(job.get("with", {})) <= set(called["on"]["workflow_call"]["inputs"])
            assert set(job["secrets"]) == set(called["on"]["workflow_call"]["secrets"])
            (inner,) = called["jobs"].values()
            assert job["permissions"] == inner["permissions"]


def test_the_repository_has_one_name_in_everything_users_read():
    files = [*WORKFLOWS, *OTHER_CI, *(ACTION / "docs").glob("*.md"), *ACTION.glob("*.md")]
    found = {
        match
        for path in files
        for match in re.findall(r"([\w.-]+/stormkit_action)\b(?!/)", path.read_text(encoding="utf-8"))
    }
    assert found <= {STAND_IN}


def test_files_named_in_the_release_workflow_exist():
    """The release workflow names tests and tools, which must not move without it."""
    release = (ACTION / ".github/workflows/release.yml").read_text(encoding="utf-8")
    for path in re.findall(r"tests/\S+\.py", release):
        assert (ACTION / path).exists()
    for module in re.findall(r"python -m tools\.release\.(\w+)", release):
        assert (ACTION / f"tools/release/{module}.py").exists()
