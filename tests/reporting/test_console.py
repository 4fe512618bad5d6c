"""The consoles' output as GitHub's runner reads it: sandbox/runner/log.py parses commands by the runner's rules."""

import re
import threading

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sandbox.runner.log import StepLog
from sandbox.runner.masks import SecretMasker
from stormkit_action.reporting import console as consoles
from stormkit_action.reporting.console import GitHubConsole, PlainConsole, neutralize

HARMLESS = {"group", "endgroup", "stop-commands"}

HOSTILE = [
    "::error::owned",
    "::set-output name=status::success",
    "  ::add-mask::a",
    "\t::warning file=a.js,line=1::x",
    "\u00a0::error::no-break space",
    "\u2003\u3000::error::wide spaces",
    "##[error]owned",
    "text before ##[set-output name=a;]b",
    "###[error]x",
    "####[group]x",
    "##[##[error]x",
    "progress 10%\r::error::after a carriage return",
    "\r\r::error::x",
    "\r\n::error::x",
    "\x00::error::x",
    "\x1b[31m::error::red",
    "\x1b::error::x",
    "\x0b::error::x",
    "\x0c::error::x",
    "\x1c::error::x",
    "\x85::error::x",
    "\u2028::error::x",
    "\u200b::error::x",
    "\ufeff::error::x",
    "::stop-commands::mine",
    "::endgroup::",
    "::group::fake",
    "##[endgroup]",
    "::add-path::/tmp",
    ":::error::x",
    "::::error::x",
    "#\u2060#[error]x",
    ":\u2060:error::x",
    "::ERROR::x",
    "::error ::x",
    "::echo::on",
    "::save-state name=started::[]",
]


def read(text: str) -> StepLog:
    """The log as the runner reads it; a bare carriage return begins a new line there too."""
    log = StepLog(SecretMasker())
    for line in re.split(r"\r\n|\r|\n", text):
        log.feed(line)
    return log


def commands(log: StepLog) -> list[str]:
    return [command.name for command in log.commands]


@pytest.mark.parametrize("text", HOSTILE)
def test_a_log_line_issues_no_command(text, capsys):
    GitHubConsole().log(text)
    assert commands(read(capsys.readouterr().out)) == []


@pytest.mark.threat("A hostile build log")
@pytest.mark.parametrize("text", HOSTILE)
def test_the_output_of_a_build_issues_no_command(text, capsys):
    console = GitHubConsole()
    console.group("step", f"{text}\nafter")
    console.section("key", "other step", text)
    console.section("key", "other step", text)
    console.log("end")
    log = read(capsys.readouterr().out)
    assert set(commands(log)) <= HARMLESS
    assert commands(log).count("group") == commands(log).count("endgroup") == 2
    assert log.problems == []
    assert log.annotations == []


@pytest.mark.parametrize("text", HOSTILE)
def test_a_title_issues_no_command_and_begins_no_line(text, capsys):
    GitHubConsole().group(text, "")
    GitHubConsole().section(1, text, "")
    assert commands(read(capsys.readouterr().out)) == ["group", "endgroup", "group"]


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("kind", ["notice", "warning", "error"])
def test_an_annotation_issues_no_other_command(text, kind, capsys):
    getattr(GitHubConsole(), kind)(text)
    log = read(capsys.readouterr().out)
    assert commands(log) == [kind]


@pytest.mark.threat("A hostile build log")
@pytest.mark.parametrize("text", HOSTILE)
def test_command_marks_are_broken_even_while_commands_are_on(text):
    """The runner reads stdout and stderr separately, so stop-commands may take effect after the output."""
    assert commands(read(neutralize(text))) == []


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.text(st.sampled_from(":#[]\r\n\t \x1berohgupdn\u00a0\u2060\u200b"), max_size=40), max_size=6))
def test_no_combination_of_the_marks_is_a_command(capsys, lines):
    console = GitHubConsole()
    console.log("\n".join(lines))
    console.group("step", "\n".join(lines))
    log = read(capsys.readouterr().out)
    assert commands(log)[:2] in (["group", "stop-commands"], ["group", "endgroup"])
    assert commands(log)[-1] == "endgroup"
    assert set(commands(log)) <= HARMLESS


def test_output_without_marks_is_not_wrapped_in_stop_commands(capsys):
    """GitHub shows stop-commands in the log, so it is only used where needed."""
    GitHubConsole().group("npm install", "up to date in 333ms: 0 vulnerabilities\n# done")
    assert commands(read(capsys.readouterr().out)) == ["group", "endgroup"]


@pytest.mark.threat("A hostile build log")
def test_the_stop_token_is_long_random_and_new_each_time(capsys):
    console = GitHubConsole()
    for _ in range(3):
        console.section("key", "step", "::error::owned")
    tokens = re.findall(r"^::stop-commands::(.*)$", capsys.readouterr().out, re.MULTILINE)
    assert len(set(tokens)) == 3
    assert all(re.fullmatch("[0-9a-f]{32}", token) for token in tokens)


def test_an_earlier_stop_token_does_not_turn_commands_on(capsys):
    console = GitHubConsole()
    console.section("key", "step", "::error::owned")
    (token,) = re.findall(r"^::stop-commands::(.*)$", capsys.readouterr().out, re.MULTILINE)
    console.section("key", "step", f"::{token}::\n::error::owned")
    assert "error" not in commands(read(capsys.readouterr().out))


@pytest.mark.threat("A leaked log")
def test_a_masked_secret_is_never_printed(capsys):
    console = GitHubConsole()
    console.mask("SK_secret_key")
    capsys.readouterr()
    console.log("a SK_secret_key")
    console.group("SK_secret_key", "b SK_secret_key")
    console.section(1, "SK_secret_key", "c SK_secret_key")
    console.error("SK_secret_key", title="SK_secret_key")
    assert "SK_secret_key" not in capsys.readouterr().out


def test_a_section_continues_until_something_else_is_printed(capsys):
    console = GitHubConsole()
    console.section("a", "npm install", "1")
    console.section("a", "npm install", "2")
    console.log("between")
    console.section("a", "npm install", "3")
    console.section("b", "npm run build", "4")
    console.warning("look")
    assert read(capsys.readouterr().out).shown == [
        "##[group]npm install",
        "1",
        "2",
        "##[endgroup]",
        "between",
        "##[group]npm install (continued)",
        "3",
        "##[endgroup]",
        "##[group]npm run build",
        "4",
        "##[endgroup]",
        "##[warning]look",
        "",
    ]


def test_threads_do_not_interleave_inside_a_group(capsys):
    console = GitHubConsole()

    def stream(name: str) -> None:
        for number in range(50):
            console.section(name, name, "\n".join(f"{name} {number} {part}" for part in range(20)))

    threads = [threading.Thread(target=stream, args=(name,)) for name in ("docs", "site", "blog")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    console.log()
    log = read(capsys.readouterr().out)
    inside, lines = "", dict.fromkeys(("docs", "site", "blog"), 0)
    for line in log.shown:
        if line.startswith("##[group]"):
            assert inside == ""
            inside = line.removeprefix("##[group]").removesuffix(" (continued)")
        elif line == "##[endgroup]":
            inside = ""
        elif inside and not line.startswith("::"):
            assert line.startswith(inside)
            lines[inside] += 1
    assert set(lines.values()) == {1000}


def test_an_annotation_is_cut_to_github_s_limit(capsys):
    GitHubConsole().error("x" * 10_000)
    (annotation,) = read(capsys.readouterr().out).annotations
    assert len(annotation.message) == consoles.MAX_ANNOTATION_CHARACTERS
    assert annotation.message.endswith("…")


def test_long_runs_of_blank_lines_or_marks_are_printed_quickly(capsys):
    """A pattern that looks ahead over such a run would take quadratic time."""
    console = GitHubConsole()
    console.group("step", "\n".join(["\n" * 300_000, " " * 300_000, ":" * 300_000, "#" * 300_000]))
    assert commands(read(capsys.readouterr().out)) == ["group", "stop-commands", "endgroup"]


def test_outside_github_the_log_is_plain_text_on_standard_error(capsys):
    console = PlainConsole()
    console.mask("SK_secret_key")
    console.log("SK_secret_key ::error::x")
    console.section("a", "npm install", "1\n2\r3")
    console.section("a", "npm install", "SK_secret_key")
    console.warning("careful")
    console.section("a", "npm install", "4")
    console.group("deploy", "5")
    out, err = capsys.readouterr()
    assert out == ""
    assert err.split("\n") == [
        "*** ::error::x",
        "▸ npm install",
        "  1",
        "  2",
        "  3",
        "  ***",
        "warning: careful",
        "▸ npm install (continued)",
        "  4",
        "▸ deploy",
        "  5",
        "",
    ]


@pytest.mark.parametrize("kind", ["notice", "warning", "error"])
def test_an_annotation_ends_with_a_link_to_its_explanation(capsys, kind):
    environ = {"GITHUB_ACTION_REPOSITORY": "octocat/stormkit_action", "GITHUB_ACTION_REF": "v1"}
    page = "https://github.com/octocat/stormkit_action/blob/v1/docs/troubleshooting.md"
    text = f"Pull request #42 is closed, so its branch was not deployed.\n{'x' * 10_000}"
    getattr(GitHubConsole(environ), kind)(text)
    line = capsys.readouterr().out.rstrip("\n")
    assert line.startswith(f"::{kind}::Pull request #42 is closed")
    assert line.endswith(f"…%0A{page}#pull-request--is-closed")
