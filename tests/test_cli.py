"""The command line outside of GitHub: flags, variables, help, exit codes, and one JSON document."""

import json

import pytest

from sandbox.stormkit.server import Stormkit
from stormkit_action import __version__
from stormkit_action.cancellation import Cancellation
from stormkit_action.inputs import INPUTS
from stormkit_action.main import run_command_line
from stormkit_action.reporting.outputs import OUTPUTS

KEY = "SK_sandbox"


class Ran:
    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err

    @property
    def result(self):
        return json.loads(self.out)


@pytest.fixture(name="run")
def _run(capsys):
    def run(*arguments: str, **environ: str) -> Ran:
        try:
            code = run_command_line(arguments, environ, Cancellation())
        except SystemExit as left:
            code = int(left.code or 0)
        out, err = capsys.readouterr()
        return Ran(code, out, err)

    return run


def test_help_names_every_input_but_no_secret_and_says_what_the_codes_mean(run):
    shown = run("--help")
    words = " ".join(shown.out.split())
    assert (shown.code, shown.err) == (0, "")
    for spec in INPUTS:
        assert (f"--{spec.name} VALUE" in words) is not spec.secret
        if not spec.secret:
            assert " ".join(spec.help.split()).split(".")[0] in words
        if spec.default and not spec.secret:
            assert f"Default: {spec.default}." in words
    assert "STORMKIT_API_KEY" in words
    assert "Exit codes: 0 success, 1 failure, 130 cancelled, 3 a bug." in words


def test_version(run):
    assert run("--version").out == f"{__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--brunch", "main"], "there is no flag --brunch"),
        (["--api-key", "SK_do_not_show"], "there is no flag --api-key"),
        (["--api-key=SK_do_not_show"], "there is no flag --api-key"),
        (["--github-token=ghp_do_not_show"], "there is no flag --github-token"),
        (["SK_do_not_show"], "every value needs a flag before it"),
        (["--bran", "main"], "there is no flag --bran"),
        (["--branch"], "argument --branch: expected one argument"),
    ],
)
def test_wrong_flags_exit_as_wrong_inputs_do_and_never_repeat_a_key(run, arguments, words):
    shown = run(*arguments)
    assert (shown.code, shown.out) == (1, "")
    assert words in shown.err
    assert "do_not_show" not in shown.err
    assert shown.err.count("\n") == 1, "one line, not all flags before it"


def test_wrong_inputs_are_in_the_log_and_in_the_document(run):
    shown = run("--json", "--timeout", "soon", "--publish", "yse")
    assert shown.code == 1
    for name in ("api-key", "timeout", "publish"):
        assert f"Input {name}: " in shown.err
    assert shown.result["status"] == "failed"
    assert shown.result["reason"].startswith("Input api-key: ")
    assert shown.result["deployments"] == []
    assert "::" not in shown.err


def test_outside_of_github_nothing_of_it_is_used(run):
    """Another CI may set these too; and a flag is what counts."""
    shown = run(
        "--json", STORMKIT_API_KEY=KEY, GITHUB_EVENT_NAME="push", GITHUB_REF="refs/heads/main", INPUT_BRANCH="x"
    )
    assert shown.code == 1
    assert "there is no event to take one from; set branch" in shown.result["reason"]


def test_no_document_without_json(run):
    assert run("--branch", "main").out == ""


def test_a_deploy(run):
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


def test_variables_and_that_flags_go_before_them(run):
    with Stormkit() as stormkit:
        stormkit.add_environment("306", name="docs")
        environ = {"STORMKIT_API_KEY": "SK_user", "STORMKIT_ENV_ID": "306", "STORMKIT_API_URL": stormkit.url}
        assert run("--command", "list", "--json", **environ).code == 0
        assert stormkit.received("GET", "/v1/deployments")[-1].query["envId"] == "306"
        assert run("--command", "list", "--env-id", "305", **environ).code == 0
        assert stormkit.received("GET", "/v1/deployments")[-1].query["envId"] == "305"


def test_a_check_says_what_it_could_not_look_at(run):
    with Stormkit() as stormkit:
        shown = run(
            *("--command", "check", "--branch", "no-such-branch", "--api-url", stormkit.url), STORMKIT_API_KEY=KEY
        )
        assert stormkit.builds == 0
    assert shown.code == 0, shown.err
    assert "? Branch no-such-branch was not looked up" in shown.err


def test_the_log_tells_several_sites_apart_and_what_is_live(run):
    with Stormkit() as stormkit:
        stormkit.add_environment("306", name="docs")
        for outcome in ("success", "failed"):
            stormkit.next_build(seconds=0.1, outcome=outcome)
        shown = run(
            *("--environments", "website: 305\ndocs: 306", "--branch", "main", "--publish", "true"),
            *("--api-url", stormkit.url, "--poll-interval", "0.1s"),
            STORMKIT_API_KEY="SK_user",
        )
    assert shown.code == 1
    ends = shown.err.split("site:       ")[1:]
    assert [end.split("\n")[0] for end in ends] == ["website", "docs"]
    assert sorted("published:  true" in end for end in ends) == [False, True]


def test_an_error_that_is_no_deployment_s_is_not_called_one(run):
    with Stormkit() as stormkit:
        shown = run("--command", "rollback", "--branch", "main", "--api-url", stormkit.url, STORMKIT_API_KEY=KEY)
    assert shown.code == 1
    assert "error: Stormkit: failed: Nothing was rolled back" in shown.err
