"""The command line outside GitHub: commands, flags, variables, help, exit codes, and one JSON document."""

import json
import subprocess
import sys

import pytest

from sandbox.events import HEAD_BRANCH, HEAD_SHA
from sandbox.runner.runner import ACTION
from sandbox.stormkit.server import Stormkit
from stormkit_action import __version__, cli
from stormkit_action.cancellation import Cancellation
from stormkit_action.inputs import INPUTS
from stormkit_action.main import run_command_line
from stormkit_action.reporting.outputs import OUTPUTS

KEY = "SK_sandbox"
# Inputs that are useful only in a step on GitHub.
ON_GITHUB_ONLY = {"github-token", "comment", "comment-key", "github-deployment", "environment", "job-summary"}


class CommandLineResult:
    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err

    @property
    def result(self):
        return json.loads(self.out)


@pytest.fixture(name="run")
def _run(capsys, monkeypatch, tmp_path):
    """Run the command line with arguments and variables, outside this repository's work tree."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str, **environ: str) -> CommandLineResult:
        try:
            code = run_command_line(arguments, environ, Cancellation())
        except SystemExit as exited:
            code = int(exited.code or 0)
        out, err = capsys.readouterr()
        return CommandLineResult(code, out, err)

    return run


def inputs(*arguments: str, **environ: str) -> dict[str, str]:
    """The inputs read from the arguments and variables, by name."""
    command_line = cli.read(arguments, {"STORMKIT_API_KEY": KEY, **environ})
    assert command_line.problems == ()
    return {
        spec.name: command_line.environ[spec.variable] for spec in INPUTS if command_line.environ.get(spec.variable)
    }


def problem(*arguments: str, **environ: str) -> str:
    (found,) = cli.read(arguments, {"STORMKIT_API_KEY": KEY, **environ}).problems
    return found


def test_help_shows_commands_groups_choices_and_exit_codes_in_80_columns(run, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    shown = run("--help")
    assert (shown.code, shown.err) == (0, "")
    assert max(map(len, shown.out.splitlines())) <= 80
    text = " ".join(shown.out.split())
    assert "commands (deploy when none is given): deploy, publish, rollback, restart, stop, delete, cleanup" in text
    for part in (
        "what to act on:",
        "health check:",
        "--no-wait",
        "--publish",
        "--on-timeout stop|leave",
        "exit codes:",
    ):
        assert part in text
    for part in ("STORMKIT_API_KEY_FILE", "--output FILE", "--dotenv FILE", "2 wrong usage or a wrong value"):
        assert part in text


def test_every_input_that_is_useful_outside_github_has_a_flag(run):
    text = run("--help").out
    for spec in INPUTS:
        has_flag = spec.name not in {*ON_GITHUB_ONLY, "api-key", "command"}
        assert (f"--{spec.name} " in text or f"--no-{spec.name}" in text) is has_flag, spec.name


def test_version_prints_the_version(run):
    assert run("--version").out == f"{__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], {"command": "deploy"}),
        (["deploy", "--branch", "main"], {"command": "deploy", "branch": "main"}),
        (["--branch", "main", "status"], {"command": "status", "branch": "main"}),
        (["deploy", "--branch=main", "--publish"], {"command": "deploy", "branch": "main", "publish": "true"}),
        (["auto"], {"command": "auto"}),
        (["--no-wait", "--no-publish"], {"command": "deploy", "wait": "false", "publish": "false"}),
        (
            ["--environments", "website: 305", "--environments", "docs: 306"],
            {"command": "deploy", "environments": "website: 305\ndocs: 306"},
        ),
        (["cleanup", "--branch", "x", "--json", "--output", "f"], {"command": "cleanup", "branch": "x"}),
    ],
)
def test_arguments_become_inputs(arguments, expected):
    assert inputs(*arguments) == {"api-key": KEY, **expected}


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--brunch", "main"], "There is no flag --brunch. Did you mean --branch? --help lists all flags."),
        (["--bran", "main"], "There is no flag --bran. Did you mean --branch?"),
        (["--zzz"], "There is no flag --zzz. --help lists all flags."),
        (["--api-key", "SK_do_not_show"], "There is no flag --api-key: arguments are visible to everybody. Set STORM"),
        (["--api-key=SK_do_not_show"], "Set STORMKIT_API_KEY."),
        (["--github-token=ghp_do_not_show"], "There is no flag --github-token"),
        (["-kSK_do_not_show"], "There is no flag -k…"),
        (["--SK_do_not_show"], "There is no flag --…"),
        (["--json=SK_do_not_show"], "--json takes no value."),
        (["--publish=do_not_show"], "--publish takes no value."),
        (["--comment", "false"], "There is no flag --comment: it has no use outside GitHub."),
        (["SK_do_not_show"], "There is no such command."),
        (["depoly"], "There is no such command. Did you mean deploy?"),
        (["deploy", "do_not_show"], "Give one command: 2 arguments"),
        (["--publish", "true"], "There is no such command."),
        (["--branch"], "--branch needs a value."),
        (["--branch", "a", "--branch", "b"], "--branch is given twice."),
        (["--wait", "--no-wait"], "--wait is given twice."),
    ],
)
def test_wrong_usage_is_explained_without_repeating_a_possible_secret(arguments, text):
    found = problem(*arguments)
    assert text in found
    assert "do_not_show" not in found


def test_wrong_usage_exits_with_2_and_is_in_the_json_document(run):
    shown = run("--json", "--brunch", "main", STORMKIT_API_KEY=KEY)
    assert shown.code == 2
    assert shown.err.count("Did you mean --branch?") == 1
    assert (shown.result["status"], shown.result["deployments"]) == ("failed", [])
    assert shown.result["reason"].startswith("There is no flag --brunch.")


def test_output_files_are_known_even_with_wrong_usage():
    command_line = cli.read(["--output", "a", "--dotenv=b", "--brunch"], {})
    assert (command_line.output, command_line.dotenv, bool(command_line.problems)) == ("a", "b", True)
    command_line = cli.read([], {"STORMKIT_OUTPUT": "a", "STORMKIT_DOTENV": "b", "STORMKIT_JSON": "true"})
    assert (command_line.output, command_line.dotenv, command_line.json) == ("a", "b", True)


@pytest.mark.parametrize("arguments", [["--brunch"], ["--timeout", "soon"], ["list"]])
def test_output_files_are_written_however_the_command_ends(run, tmp_path, stormkit, arguments):
    stormkit.state.keys.clear()
    files = ["--output", "out.json", "--dotenv", "out.env"]
    shown = run("--json", *arguments, "--api-url", stormkit.url, *files, STORMKIT_API_KEY=KEY)
    assert shown.code in (1, 2)
    assert json.loads((tmp_path / "out.json").read_text(encoding="utf-8")) == shown.result
    lines = (tmp_path / "out.env").read_text(encoding="utf-8").splitlines()
    assert [line.partition("=")[0] for line in lines] == [
        f"STORMKIT_{name.upper().replace('-', '_')}" for name in OUTPUTS if name != "result"
    ]
    assert lines[0] == "STORMKIT_STATUS=failed"


def test_one_file_for_output_and_dotenv_is_an_error(run, tmp_path):
    shown = run("--output", "x", STORMKIT_DOTENV="./x", STORMKIT_API_KEY=KEY)
    assert shown.code == 2
    assert "--output and --dotenv name the same file, x: give each its own." in shown.err
    assert json.loads((tmp_path / "x").read_text(encoding="utf-8"))["status"] == "failed"


def test_a_dash_means_standard_output(run, tmp_path):
    shown = run("--brunch", "--json", "--output", "-")
    assert shown.result["status"] == "failed"
    assert not (tmp_path / "-").exists()


def test_an_unwritable_file_is_one_error_and_the_other_file_is_written(run, tmp_path):
    shown = run("--brunch", "--output", "/nowhere/x", "--dotenv", "out.env")
    assert shown.err.count("/nowhere/x could not be written (No such file or directory).") == 1
    assert (tmp_path / "out.env").exists()


def test_wrong_inputs_are_all_reported_as_flags_and_exit_with_2(run):
    shown = run("--json", "--timeout", "soon", "--on-cancel", "kill", STORMKIT_PUBLISH="yse")
    assert shown.code == 2
    for text in (
        "STORMKIT_API_KEY is empty: set it",
        '--timeout: "soon" is not valid',
        'STORMKIT_PUBLISH: "yse" is not valid: use true or false.',
        "--branch is needed: no CI names one.",
    ):
        assert shown.err.count(text) == 1
    assert "Input" not in shown.err
    assert shown.result["reason"].startswith("STORMKIT_API_KEY is empty")
    assert "::" not in shown.err


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--environments", "a: 1", "--env-id", "1"], "--environments and --env-id: only one"),
        (["delete"], "--deployment-id: "),
        (["rollback", "--deployment-id", "1"], "--deployment-id: rollback finds"),
        (["--no-wait", "--publish"], "--no-wait and --publish: without waiting there is no finished build; drop --no-"),
    ],
)
def test_contradictions_name_the_flags(run, arguments, text):
    shown = run(*arguments, "--branch", "main", STORMKIT_API_KEY=KEY)
    assert shown.code == 2
    assert text in shown.err


@pytest.mark.parametrize(
    ("arguments", "environ", "text"),
    [
        (["status", "--deployment-id", "1"], {}, "Check --deployment-id and --env-id: "),
        (
            [],
            {"STORMKIT_API_KEY": "SK_wrong"},
            "and set STORMKIT_API_KEY to it; with an app, team or user key check --en",
        ),
        (["list", "--api-url", "http://127.0.0.1:1", "--timeout", "1s"], {}, "Check that --api-url is right"),
        (
            ["list", "--timeout", "1s"],
            {"STORMKIT_API_URL": "http://127.0.0.1:1"},
            "Check that STORMKIT_API_URL is right",
        ),
        ([], {"JENKINS_URL": "x", "BRANCH_NAME": "main", "STORMKIT_BRANCH": "PR-1"}, "main. Drop STORMKIT_BRANCH."),
        (
            [],
            {"STORMKIT_API_KEY": "", "STORMKIT_API_KEY_FILE": __file__},
            "STORMKIT_API_KEY_FILE: the value (not shown) is not valid",
        ),
        (["--label", KEY], {}, "secrets belong in STORMKIT_API_KEY only."),
        (["--publish"], {"STORMKIT_NO_WAIT": "true"}, "STORMKIT_NO_WAIT and --publish: "),
        (["--publish"], {"STORMKIT_NO_WAIT": "true"}, "there is no finished build; drop STORMKIT_NO_WAIT."),
        (["--publish"], {"STORMKIT_WAIT": "false"}, "STORMKIT_WAIT and --publish: "),
        ([], {"STORMKIT_COMMAND": "depoly"}, 'STORMKIT_COMMAND: "depoly" is not valid'),
        (["--environments", "a: 1", "--env-id", "1"], {}, "drop --env-id."),
        (["list", "--timeout", "5"], {}, "--timeout: 5 is 5 seconds. For minutes, write 5m."),
    ],
)
def test_messages_name_flags_and_variables(run, stormkit, arguments, environ, text):
    known = {"STORMKIT_API_KEY": KEY, "STORMKIT_API_URL": stormkit.url, "STORMKIT_BRANCH": "main", **environ}
    shown = run("--json", *arguments, **known)
    assert text in shown.err
    assert "repository secret" not in shown.err
    if shown.code:
        assert text in shown.result["reason"]


@pytest.mark.parametrize("separator", ["\\n", "; ", ";", " ", ", "])
def test_several_environments_in_one_value_are_an_error(run, separator):
    shown = run("--environments", f"website: 305{separator}docs: 306", "--branch", "main", STORMKIT_API_KEY=KEY)
    assert shown.code == 2
    assert "line 1 has more than one environment: begin a new line for each" in shown.err


def test_outside_github_its_variables_are_ignored(run):
    """Other CIs may set these variables too."""
    shown = run("--json", STORMKIT_API_KEY=KEY, GITHUB_EVENT_NAME="push", GITHUB_REF="refs/heads/x", INPUT_BRANCH="x")
    assert shown.code == 2
    assert shown.result["reason"] == "--branch is needed: no CI names one."


def test_every_flag_can_come_from_a_variable_and_the_flag_wins():
    environ = {"STORMKIT_ENV_ID": "306", "STORMKIT_NO_SUCH": "x", "STORMKIT_WAIT": "false", "STORMKIT_COMMAND": "list"}
    assert inputs(**environ) == {"api-key": KEY, "command": "list", "env-id": "306", "wait": "false"}
    assert inputs("status", "--env-id", "305", "--wait", **environ) == {
        "api-key": KEY,
        "command": "status",
        "env-id": "305",
        "wait": "true",
    }


@pytest.mark.parametrize(
    ("arguments", "environ"),
    [
        (["cleanup"], {}),
        (["cleanup", "--branch", " main"], {}),
        (["cleanup"], {"STORMKIT_BRANCH": "main\n"}),
        ([], {"STORMKIT_COMMAND": " cleanup"}),
    ],
)
def test_cleanup_recognizes_the_default_branch_despite_whitespace(arguments, environ):
    gitlab = {"GITLAB_CI": "true", "CI_COMMIT_BRANCH": "main", "CI_DEFAULT_BRANCH": "main"}
    assert problem(*arguments, **gitlab, **environ).startswith("main is the default branch")


def test_an_empty_key_file_is_an_error_that_says_so(run, tmp_path):
    (tmp_path / "key").touch()
    shown = run("list", STORMKIT_API_KEY_FILE=str(tmp_path / "key"))
    assert (shown.code, "STORMKIT_API_KEY_FILE names an empty file" in shown.err) == (2, True)


def test_a_flag_s_two_variables_must_not_both_be_set():
    found = problem(STORMKIT_WAIT="true", STORMKIT_NO_WAIT="true")
    assert found == "STORMKIT_WAIT and STORMKIT_NO_WAIT are both set: drop one of them."


@pytest.mark.parametrize("content", [b"\xef\xbb\xbfSK_file\r\n", b"SK_file"])
def test_the_key_is_read_from_a_file_with_a_byte_order_mark_and_line_end(tmp_path, content):
    (tmp_path / "key").write_bytes(content)
    environ = {"STORMKIT_API_KEY": " \n", "STORMKIT_API_KEY_FILE": f" {tmp_path / 'key'} "}
    assert inputs(**environ)["api-key"] == "SK_file"


def test_flags_without_a_value_have_variables_too():
    assert inputs(STORMKIT_NO_WAIT="true")["wait"] == "false"
    assert "wait" not in inputs(STORMKIT_NO_WAIT="false")
    assert inputs("--wait", STORMKIT_NO_WAIT="true")["wait"] == "true"
    assert cli.read([], {"STORMKIT_JSON": "True"}).json
    for name in ("NO_WAIT", "JSON"):
        found = problem(**{f"STORMKIT_{name}": "yes"})
        assert found == f'STORMKIT_{name}: "yes" is not valid: use true or false.'


def test_a_flag_is_not_taken_for_a_file_name():
    command_line = cli.read(["--output", "--dotenv", "x"], {})
    assert (command_line.output, command_line.dotenv, command_line.problems) == ("", "x", ("--output needs a value.",))


def test_the_help_does_not_mention_steps_or_comments(run):
    text = " ".join(run("--help").out.split())
    for word in ("comment", "log group", "the step ", "whole step", "api-url is"):
        assert f" {word}" not in text, word


def test_the_key_comes_from_a_file_if_its_variable_is_empty(tmp_path):
    path = tmp_path / "key"
    path.write_text(f"{KEY}\n", encoding="utf-8")
    assert inputs(STORMKIT_API_KEY="", STORMKIT_API_KEY_FILE=str(path))["api-key"] == KEY
    assert inputs(STORMKIT_API_KEY="SK_first", STORMKIT_API_KEY_FILE=str(path))["api-key"] == "SK_first"


def test_an_unreadable_key_file_is_named_unless_it_looks_like_a_key():
    found = problem(STORMKIT_API_KEY="", STORMKIT_API_KEY_FILE="/nowhere/key")
    assert found == "STORMKIT_API_KEY_FILE: /nowhere/key can't be read (No such file or directory)."
    assert "do_not" not in problem(STORMKIT_API_KEY="", STORMKIT_API_KEY_FILE="SK_do_not_show")


GITLAB = {
    "GITLAB_CI": "true",
    "CI_DEFAULT_BRANCH": "main",
    "CI_COMMIT_BRANCH": "main",
    "CI_COMMIT_SHA": HEAD_SHA,
}


@pytest.mark.parametrize(
    ("arguments", "is_refused"),
    [
        ([], True),
        (["--branch", "main"], True),
        (["--branch", "refs/heads/main"], True),
        (["--include-default-branch"], True),
        (["--branch", "main", "--include-default-branch"], False),
        (["--branch", "other"], False),
    ],
)
@pytest.mark.parametrize("by_variable", [False, True])
def test_cleanup_of_the_default_branch_needs_two_flags(arguments, is_refused, by_variable):
    environ = {"STORMKIT_API_KEY": KEY, **GITLAB}
    if by_variable and "--include-default-branch" in arguments:
        arguments = [argument for argument in arguments if argument != "--include-default-branch"]
        environ["STORMKIT_INCLUDE_DEFAULT_BRANCH"] = "true"
    problems = cli.read(["cleanup", *arguments], environ).problems
    assert bool(problems) is is_refused
    if is_refused:
        assert "give --branch main --include-default-branch" in problems[0]


@pytest.mark.parametrize("name", ["origin/main", "PR-12", "HEAD"])
def test_a_name_that_the_ci_made_up_is_not_accepted_as_a_branch(run, name):
    jenkins = {"JENKINS_URL": "https://ci.example.com/", "CHANGE_ID": "12", "CHANGE_BRANCH": HEAD_BRANCH}
    shown = run("--branch", name, STORMKIT_API_KEY=KEY, **jenkins)
    assert shown.code == 2
    assert "--branch: " in shown.err
    assert f" Jenkins has that in CHANGE_BRANCH: {HEAD_BRANCH}. Drop --branch." in shown.err


def test_the_message_for_a_plain_jenkins_job_suggests_its_branch(run):
    jenkins = {"JENKINS_URL": "https://ci.example.com/", "GIT_BRANCH": "origin/feature/x"}
    shown = run(STORMKIT_API_KEY=KEY, **jenkins)
    assert shown.code == 2
    assert "--branch is needed. GIT_BRANCH is origin/feature/x: give --branch feature/x." in shown.err


def test_the_message_for_a_missing_branch_names_the_checked_out_one(run, tmp_path):
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git/HEAD").write_text("ref: refs/heads/feature/x\n", encoding="utf-8")
    shown = run(STORMKIT_API_KEY=KEY)
    assert shown.code == 2
    assert "--branch is needed. The branch that is checked out here is feature/x." in shown.err


def test_the_branch_of_a_ci_is_deployed_and_logged_in_one_line(run):
    with Stormkit() as stormkit:
        stormkit.next_build(seconds=0.1)
        shown = run(*("--json", "--api-url", stormkit.url, "--poll-interval", "0.1s"), STORMKIT_API_KEY=KEY, **GITLAB)
        (request,) = stormkit.received("POST", "/v1/deploy")
    assert shown.code == 0, shown.err
    assert request.body["branch"] == "main"
    assert f"GitLab: branch main, commit {HEAD_SHA[:7]} (from CI_COMMIT_BRANCH, CI_COMMIT_SHA)" in shown.err


def test_without_json_nothing_is_printed_to_standard_output(run):
    assert run("--branch", "main").out == ""


def test_a_deploy_prints_its_result_as_json(run):
    with Stormkit() as stormkit:
        stormkit.next_build(seconds=0.1)
        shown = run(
            *("--json", "--branch", "main", "--api-url", stormkit.url, "--poll-interval", "0.1s"), STORMKIT_API_KEY=KEY
        )
        assert stormkit.builds == 1
    assert shown.code == 0, shown.err
    assert shown.result["status"] == "success"
    (deployment,) = shown.result["deployments"]
    assert set(deployment) == {*OUTPUTS, "name", "env-id"} - {"result"}
    assert (deployment["branch"], deployment["published"], deployment["env-id"]) == ("main", False, "305")
    assert isinstance(deployment["duration"], int)
    assert KEY not in shown.out + shown.err
    assert "::" not in shown.err.replace("://", "")


def test_check_says_what_it_could_not_look_up(run):
    with Stormkit() as stormkit:
        shown = run("check", "--branch", "no-such-branch", "--api-url", stormkit.url, STORMKIT_API_KEY=KEY)
        assert stormkit.builds == 0
    assert shown.code == 0, shown.err
    assert "? Branch no-such-branch was not looked up" in shown.err


def test_the_log_shows_each_site_and_whether_it_is_published(run):
    with Stormkit() as stormkit:
        stormkit.add_environment("306", name="docs")
        for outcome in ("success", "failed"):
            stormkit.next_build(seconds=0.1, outcome=outcome)
        shown = run(
            *("--environments", "website: 305", "--environments", "docs: 306", "--branch", "main", "--publish"),
            *("--api-url", stormkit.url, "--poll-interval", "0.1s"),
            STORMKIT_API_KEY="SK_user",
        )
    assert shown.code == 1
    ends = shown.err.split("site:       ")[1:]
    assert [end.split("\n")[0] for end in ends] == ["website", "docs"]
    assert sorted("published:  true" in end for end in ends) == [False, True]


@pytest.mark.parametrize("name", ["output", "dotenv"])
def test_a_directory_that_does_not_exist_is_found_out_before_anything_is_built(run, tmp_path, name):
    with Stormkit() as stormkit:
        path = str(tmp_path / "none" / "file")
        shown = run("--branch", "main", f"--{name}", path, "--api-url", stormkit.url, STORMKIT_API_KEY=KEY)
        assert stormkit.builds == 0
    assert shown.code == 2
    assert f"--{name}: there is no directory {tmp_path / 'none'}." in shown.err


def test_a_list_of_which_an_environment_fails_shows_the_others(run):
    with Stormkit() as stormkit:
        stormkit.add_deployment("main")
        environments = ("--environments", "website: 305", "--environments", "docs: 306")
        shown = run("list", *environments, "--api-url", stormkit.url, STORMKIT_API_KEY="SK_user")
    assert shown.code == 1
    assert "website  8241        Ready" in shown.err
    assert "error: docs failed: " in shown.err


def test_an_error_without_a_deployment_names_no_deployment(run):
    with Stormkit() as stormkit:
        shown = run("rollback", "--branch", "main", "--api-url", stormkit.url, STORMKIT_API_KEY=KEY)
    assert shown.code == 1
    assert "error: Nothing was rolled back" in shown.err


@pytest.mark.parametrize("build_log", ["failure", "stream"])
def test_a_failed_build_s_output_is_printed_once(run, build_log):
    with Stormkit() as stormkit:
        stormkit.next_build(seconds=0.1, outcome="failed")
        shown = run(
            *("--branch", "main", "--build-log", build_log, "--api-url", stormkit.url, "--poll-interval", "0.1s"),
            STORMKIT_API_KEY=KEY,
        )
    assert shown.code == 1
    assert shown.err.count("error TS2322") == 1
    assert "failed: The build of deployment 8241 failed in npm run build: exit status 2\ndeployment: 8241" in shown.err


@pytest.mark.parametrize("start", [["entrypoint.py"], ["-m", "stormkit_action"]])
def test_a_program_as_the_first_argument_is_executed(start):
    done = subprocess.run(
        [
            sys.executable,
            *start,
            "bash",
            "-c",
            "yes $0 $STORMKIT_X | head -n 1; exit $((${PIPESTATUS[0]} - 141 + 7))",
            "word",
        ],
        cwd=ACTION,
        env={"PATH": "/usr/bin:/bin", "STORMKIT_X": "kept"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (7, "word kept\n", "")
