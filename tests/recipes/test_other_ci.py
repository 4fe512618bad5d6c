"""The recipes for other CIs: their scripts run unchanged, with the variables that those CIs set."""

import json
import os
import re
import subprocess
import sys
from importlib.resources import files

import jsonschema
import pytest
import yaml

from sandbox.events import BASE_SHA, HEAD_BRANCH, HEAD_SHA
from sandbox.runner.runner import ACTION
from sandbox.stormkit.server import ENV_ID, ENV_KEY
from tests.recipes import gitlab
from tests.workflows.linting import load

COMPONENT = (ACTION / "templates/preview.yml").read_text(encoding="utf-8")
JOBS = gitlab.component(COMPONENT)
GITLAB = load(ACTION / "examples/gitlab-ci.yml")
BITBUCKET = load(ACTION / "examples/bitbucket-pipelines.yml")["pipelines"]
PAGE = (ACTION / "docs/other-ci.md").read_text(encoding="utf-8")

BRANCH_PIPELINE = {
    "GITLAB_CI": "true",
    "CI_PIPELINE_SOURCE": "push",
    "CI_COMMIT_BRANCH": "main",
    "CI_COMMIT_SHA": BASE_SHA,
    "CI_DEFAULT_BRANCH": "main",
}
MERGE_REQUEST = {
    "GITLAB_CI": "true",
    "CI_PIPELINE_SOURCE": "merge_request_event",
    "CI_MERGE_REQUEST_IID": "7",
    "CI_MERGE_REQUEST_SOURCE_BRANCH_NAME": HEAD_BRANCH,
    "CI_MERGE_REQUEST_SOURCE_PROJECT_ID": "1",
    "CI_MERGE_REQUEST_PROJECT_ID": "1",
    "CI_COMMIT_SHA": HEAD_SHA,
    "CI_DEFAULT_BRANCH": "main",
}


def schema(name: str) -> dict:
    return json.loads((files("check_jsonschema") / f"builtin_schemas/vendor/{name}.json").read_text(encoding="utf-8"))


@pytest.fixture
def run(stormkit, tmp_path):
    """Run a job's script and return what it prints."""
    command = tmp_path / "bin/stormkit-action"
    command.parent.mkdir()
    # In the image, the command of this name runs the entrypoint too.
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -Eu "{ACTION / "entrypoint.py"}" "$@"\n', encoding="utf-8")
    curl = command.with_name("curl")
    curl.write_text('#!/bin/sh\nprintf "%s\\n" "$@" > curl-arguments\n', encoding="utf-8")
    for program in (command, curl):
        program.chmod(0o755)

    def run(script: list[str], *, code: int = 0, **variables: str) -> str:
        environment = {
            "PATH": f"{command.parent}:{os.environ['PATH']}",
            "CI": "true",
            "STORMKIT_API_KEY": ENV_KEY,
            "STORMKIT_API_URL": stormkit.url,
            "STORMKIT_POLL_INTERVAL": "0.1s",
            **variables,
        }
        done = subprocess.run(
            ["sh", "-e", "-c", "\n".join(script)],
            cwd=tmp_path,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == code, done.stdout
        return done.stdout

    return run


def assert_is_for_people(log: str) -> None:
    assert log
    assert ENV_KEY not in log
    assert [line for line in log.splitlines() if line.lstrip().startswith("::") or "##[" in line] == []


def the_deployment(path) -> dict:
    document = json.loads(path.read_text(encoding="utf-8"))
    assert document["status"] == "success"
    (deployment,) = document["deployments"]
    return deployment


def variables_of(job: dict) -> dict[str, str]:
    return {name: str(value) for name, value in job["variables"].items()}


def test_gitlab_deploys_a_merge_request_and_cleans_up(run, stormkit, tmp_path):
    """The recipe `"gitlab-ci"`, through the component that it includes."""
    job = JOBS["preview"]
    dashboard = {"STORMKIT_DASHBOARD_URL": "https://stormkit.example.com"}
    log = run(job["script"], **MERGE_REQUEST, **variables_of(job), **dashboard)
    assert_is_for_people(log)
    deployment = the_deployment(tmp_path / "stormkit.json")
    assert (deployment["branch"], deployment["commit-matches"]) == (HEAD_BRANCH, True)
    dotenv = (tmp_path / "stormkit.env").read_text(encoding="utf-8").splitlines()
    assert f"STORMKIT_PREVIEW_URL={deployment['preview-url']}" in dotenv
    assert len(dotenv) <= 20
    run(job["after_script"], **MERGE_REQUEST, CI_JOB_STATUS="success")
    links = json.loads((tmp_path / "stormkit-links.json").read_text(encoding="utf-8"))
    assert links["Stormkit"][0]["external_link"]["label"] == "Deployment"
    assert_is_for_people(run(JOBS["preview-cleanup"]["script"], **MERGE_REQUEST))
    assert [deployment.deleted for deployment in stormkit.deployments] == [True]


def test_gitlab_writes_no_link_without_a_url(run, tmp_path):
    (tmp_path / "stormkit.env").write_text("STORMKIT_DETAILS_URL=\n", encoding="utf-8")
    run(JOBS["preview"]["after_script"], **MERGE_REQUEST, CI_JOB_STATUS="failed")
    assert not (tmp_path / "stormkit-links.json").exists()


def test_gitlab_publishes_the_default_branch(run, stormkit, tmp_path):
    assert_is_for_people(run(GITLAB["production"]["script"], **BRANCH_PIPELINE))
    assert stormkit.live(ENV_ID) == stormkit.deployments[-1].id


def test_a_cancelled_gitlab_job_stops_its_build(run, stormkit, tmp_path):
    stormkit.next_build(seconds=60)
    run(["stormkit-action deploy --no-wait --dotenv stormkit.env"], **MERGE_REQUEST)
    run(JOBS["preview"]["after_script"], **MERGE_REQUEST, CI_JOB_STATUS="canceled")
    assert "running" not in {str(deployment.status) for deployment in stormkit.deployments}


MERGE_REQUEST_OF_MAIN = {**MERGE_REQUEST, "CI_MERGE_REQUEST_SOURCE_BRANCH_NAME": "main"}


@pytest.mark.parametrize(
    ("variables", "preview", "cleanup", "production"),
    [
        (MERGE_REQUEST, "on_success", "manual", "never"),
        ({**MERGE_REQUEST, "CI_MERGE_REQUEST_SOURCE_PROJECT_ID": "2"}, "never", "never", "never"),
        (MERGE_REQUEST_OF_MAIN, "never", "never", "never"),
        (BRANCH_PIPELINE, "never", "never", "on_success"),
        ({**BRANCH_PIPELINE, "CI_COMMIT_BRANCH": "x"}, "never", "never", "never"),
        ({"CI_PIPELINE_SOURCE": "push", "CI_COMMIT_TAG": "v1", "CI_DEFAULT_BRANCH": "main"}, *["never"] * 3),
    ],
    ids=["merge request", "from a fork", "of the default branch", "default branch", "other branch", "tag"],
)
def test_gitlab_rules_select_the_jobs_of_a_pipeline(variables, preview, cleanup, production):
    assert gitlab.when(JOBS["preview"], variables) == preview
    assert gitlab.when(JOBS["preview-cleanup"], variables) == cleanup
    assert gitlab.when(GITLAB["production"], variables) == production


@pytest.mark.parametrize("branch", ["feature/x", "a+b", "ünïcode-#42", "a@b,c", "x" * 250])
def test_gitlab_accepts_the_environment_name_for_any_branch(branch):
    variables = {**MERGE_REQUEST, "CI_MERGE_REQUEST_SOURCE_BRANCH_NAME": branch}
    for job in JOBS.values():
        name = gitlab.expanded(job["environment"]["name"], variables)
        assert name == "preview/mr-7"
        assert gitlab.is_environment_name(name)
        assert gitlab.expanded(job["resource_group"], variables) == name
    assert not gitlab.is_environment_name("preview/a+b")


def test_the_gitlab_cleanup_job_belongs_to_the_preview_s_environment():
    preview, cleanup = JOBS["preview"], JOBS["preview-cleanup"]
    assert preview["environment"]["on_stop"] == "preview-cleanup"
    assert preview["environment"]["name"] == cleanup["environment"]["name"]
    assert cleanup["environment"]["action"] == "stop"
    assert preview["stage"] == cleanup["stage"]
    # GitLab can stop an environment only if the job for it is in the same pipeline.
    assert preview["rules"][:-1] == cleanup["rules"][:-1]
    # The source branch may be deleted by the time the cleanup runs.
    assert cleanup["variables"]["GIT_STRATEGY"] == "none"
    assert preview["artifacts"]["when"] == "always"


def test_several_gitlab_sites_have_their_own_jobs_and_environments():
    docs = gitlab.component(COMPONENT, name="docs", **{"env-id": "306"})
    assert set(docs) == {"docs", "docs-cleanup"}
    assert docs["docs"]["environment"]["name"] != JOBS["preview"]["environment"]["name"]
    assert docs["docs"]["variables"]["STORMKIT_ENV_ID"] == "306"


def test_the_gitlab_component_and_its_example_match_gitlab_s_schema():
    specification = yaml.safe_load(COMPONENT.partition("\n---\n")[0])
    for document in (specification, JOBS):
        jsonschema.Draft7Validator(schema("gitlab-ci")).validate(document)
    (include,) = GITLAB["include"]
    gitlab.component(COMPONENT, **include["inputs"])


def test_bitbucket_deploys_a_pull_request_and_publishes_main(run, stormkit, tmp_path):
    """The recipe `"bitbucket-pipelines"`."""
    preview, link = (entry["step"] for entry in BITBUCKET["pull-requests"]["**"])
    variables = {"BITBUCKET_BUILD_NUMBER": "1", "BITBUCKET_BRANCH": HEAD_BRANCH, "BITBUCKET_COMMIT": HEAD_SHA}
    assert_is_for_people(run(preview["script"], **variables))
    deployment = the_deployment(tmp_path / "result.json")
    assert deployment["commit-matches"] is True
    run(link["script"], **variables, BITBUCKET_REPO_FULL_NAME="octocat/hello-world")
    report = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert (report["link"], report["result"]) == (deployment["preview-url"], "PASSED")
    address = (tmp_path / "curl-arguments").read_text(encoding="utf-8").splitlines()[-1]
    assert address.endswith(f"/repositories/octocat/hello-world/commit/{HEAD_SHA}/reports/stormkit")
    (production,) = BITBUCKET["branches"]["main"]
    variables |= {"BITBUCKET_BRANCH": "main", "BITBUCKET_COMMIT": BASE_SHA}
    assert_is_for_people(run(production["step"]["script"], **variables))
    assert stormkit.live(ENV_ID) == stormkit.deployments[-1].id


def test_a_failed_bitbucket_step_stops_its_build(run, stormkit):
    variables = {"BITBUCKET_BUILD_NUMBER": "1", "BITBUCKET_BRANCH": HEAD_BRANCH, "BITBUCKET_COMMIT": HEAD_SHA}
    stormkit.next_build(seconds=60)
    run(["stormkit-action deploy --no-wait"], **variables)
    run(BITBUCKET["pull-requests"]["**"][0]["step"]["after-script"], **variables, BITBUCKET_EXIT_CODE="143")
    assert "running" not in {str(deployment.status) for deployment in stormkit.deployments}


def test_the_custom_bitbucket_pipeline_cleans_up_a_branch(run, stormkit):
    run([f"stormkit-action deploy --branch {HEAD_BRANCH}"])
    run(BITBUCKET["custom"]["cleanup"][1]["step"]["script"], BITBUCKET_BUILD_NUMBER="1", BRANCH=HEAD_BRANCH)
    assert [deployment.deleted for deployment in stormkit.deployments] == [True]


SNIPPETS = {
    section.partition("\n")[0]: "".join(re.findall(r"^```yaml\n(.*?)^```", section, re.MULTILINE | re.DOTALL))
    for section in PAGE.split("\n## ")
}
SCHEMAS = {"Azure Pipelines": "azure-pipelines", "CircleCI": "circle-ci", "Woodpecker": "woodpecker-ci"}


@pytest.mark.parametrize("title", SCHEMAS)
def test_snippets_on_the_page_match_the_schema_of_their_ci(title):
    document = yaml.safe_load(SNIPPETS[title])
    checked = schema(SCHEMAS[title])
    jsonschema.validators.validator_for(checked)(checked).validate(document)


# The documented variables of these CIs for a pull request within one repository.
VARIABLES = {
    "Azure Pipelines": {
        "TF_BUILD": "True",
        "SYSTEM_PULLREQUEST_PULLREQUESTID": "7",
        "SYSTEM_PULLREQUEST_SOURCEBRANCH": f"refs/heads/{HEAD_BRANCH}",
        "SYSTEM_PULLREQUEST_SOURCECOMMITID": HEAD_SHA,
    },
    "CircleCI": {"CIRCLECI": "true", "CIRCLE_BRANCH": HEAD_BRANCH, "CIRCLE_SHA1": HEAD_SHA},
    "Woodpecker": {
        "CI": "woodpecker",
        "CI_COMMIT_BRANCH": "main",
        "CI_COMMIT_SOURCE_BRANCH": HEAD_BRANCH,
        "CI_COMMIT_SHA": HEAD_SHA,
    },
}


@pytest.mark.parametrize("title", VARIABLES)
def test_commands_on_the_page_deploy_the_pull_request_s_branch(run, stormkit, title):
    (arguments,) = re.findall(r"\bdeploy(?: --[a-z-]+)*", SNIPPETS[title])
    assert_is_for_people(run([f"stormkit-action {arguments}"], **VARIABLES[title]))
    assert [deployment.branch for deployment in stormkit.deployments] == [HEAD_BRANCH]


def test_the_jenkinsfile_passes_on_the_variables_that_name_the_branch():
    text = (ACTION / "examples/Jenkinsfile").read_text(encoding="utf-8")
    branch = {"JENKINS_URL", "BRANCH_NAME", "CHANGE_ID", "CHANGE_BRANCH", "TAG_NAME", "GIT_COMMIT"}
    assert {*branch, "STORMKIT_API_KEY"} == set(re.findall(r"--env (\w+)", text))
    assert "exec docker run" in text
