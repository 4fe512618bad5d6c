"""The sandbox finds commands, annotations and masks in a log like GitHub's runner."""

import base64

import pytest

from sandbox.runner.commands import Command, parse
from sandbox.runner.log import Level, StepLog, parse_shown_line
from sandbox.runner.masks import SecretMasker


def log_of(*lines: str, secrets: tuple[str, ...] = (), debug: bool = False) -> StepLog:
    masker = SecretMasker()
    for secret in secrets:
        masker.add(secret)
    log = StepLog(masker, debug=debug)
    for line in lines:
        log.feed(f"{line}\n")
    return log


@pytest.mark.parametrize(
    ("line", "command"),
    [
        ("::notice::hello", Command(name="notice", value="hello")),
        ("  \t::notice::hello", Command(name="notice", value="hello")),
        ("::Notice::hello", Command(name="notice", value="hello")),
        ("::endgroup::", Command(name="endgroup")),
        ("::error file=a.py,line=3::no", Command(name="error", properties={"file": "a.py", "line": "3"}, value="no")),
        (
            "::error title=a%3Ab%2Cc%25::x%0Ay%250A",
            Command(name="error", properties={"title": "a:b,c%"}, value="x\ny%0A"),
        ),
        ("::error file=,line==7,col::x", Command(name="error", properties={"line": "7"}, value="x")),
        ("::set-output name=a::b::c", Command(name="set-output", properties={"name": "a"}, value="b::c")),
        ("say ::notice::hello", None),
        ("::notice:hello", None),
        ("::notice", None),
        (":: notice::hello", None),
        ("::unknown::hello", None),
        ("\u200b::notice::hello", None),
        ("##[error]no", Command(name="error", value="no")),
        ("any text ##[error]no", Command(name="error", value="no")),
        (
            "##[set-output name=a;x=y%3B]b%5D%25",
            Command(name="set-output", properties={"name": "a", "x": "y;"}, value="b]%"),
        ),
        ("##[unknown]##[error]no", None),
        ("##[error no", None),
        ("::unknown::##[error]no", Command(name="error", value="no")),
    ],
)
def test_a_line_is_parsed_as_a_command_by_the_runner_s_rules(line, command):
    assert parse(line) == command


def test_the_shown_log_has_groups_and_annotations_instead_of_commands():
    log = log_of(
        "plain",
        "::group::Build",
        "::error title=Oh::broken%0Atwice",
        "::warning::careful",
        "::notice::well",
        "::debug::hidden",
        "::endgroup::",
        "::unknown::stays",
    )
    assert log.shown == [
        "plain",
        "##[group]Build",
        "##[error]broken\ntwice",
        "##[warning]careful",
        "##[notice]well",
        "##[endgroup]",
        "::unknown::stays",
    ]
    assert [annotation.level for annotation in log.annotations] == [Level.ERROR, Level.WARNING, Level.NOTICE]
    assert log.annotations[0].title == "Oh"
    assert not log.problems


def test_debug_logging_shows_debug_messages_and_echoes_commands():
    log = log_of("::debug::hello", "::group::a", "::add-mask::secret", debug=True)
    assert log.shown == ["##[debug]hello", "::group::a", "##[group]a", "::add-mask::***"]


def test_echo_commands_turn_the_echo_on_and_off():
    log = log_of("::group::a", "::echo::on", "::group::b", "::echo::off", "::group::c", "::echo::loud")
    assert log.shown == [
        "##[group]a",
        "::group::b",
        "##[group]b",
        "::echo::off",
        "##[group]c",
        "##[error]Invalid echo command value 'loud': use 'on' or 'off'.",
    ]
    assert log.command_failed


def test_annotations_are_limited_per_level():
    log = log_of(*["::error::e"] * 12, "::warning::" + "w" * 5000)
    assert [annotation.level for annotation in log.annotations] == [Level.ERROR] * 10 + [Level.WARNING]
    assert log.dropped_annotations == 2
    assert len(log.annotations[-1].message) == 4096
    assert len(log.shown) == 13


def test_commands_are_ignored_between_stop_commands_and_its_token():
    log = log_of(
        "::stop-commands::f00dcafe",
        "::error::one",
        "##[set-output name=a]b",
        "::stop-commands::other",
        "::F00DCAFE::",
        "::error::two",
    )
    assert [annotation.message for annotation in log.annotations] == ["two"]
    assert [command.name for command in log.commands] == ["stop-commands", "error"]
    # The runner masks the token from then on, in the spelling of the command.
    assert log.shown[0] == "::stop-commands::***"
    assert log.shown[1:4] == ["::error::one", "##[set-output name=a]b", "::stop-commands::other"]
    assert not log.outputs


@pytest.mark.parametrize("token", ["", "pause-logging", "error"])
def test_stop_tokens_that_can_be_guessed_are_refused(token):
    log = log_of(f"::stop-commands::{token}", "::notice::still here")
    assert log.command_failed
    assert "Invalid stop-commands token" in log.problems[0]
    assert log.annotations[-1].message == "still here"


def test_set_output_and_save_state_need_a_name():
    log = log_of("::set-output name=url::https://example.com", "::save-state name=id::7", "::set-output::lost")
    assert log.outputs == {"url": "https://example.com"}
    assert log.state == {"id": "7"}
    assert log.problems == ["Required field 'name' is missing in ##[set-output] command."]


@pytest.mark.parametrize("line", ["::set-env name=PATH::/evil", "::add-path::/evil", "text ##[set-env name=a]b"])
def test_disabled_commands_fail_the_step(line):
    log = log_of(line)
    assert log.command_failed
    assert "is disabled" in log.problems[0]


def test_masked_text_is_replaced_everywhere():
    log = log_of("::add-mask::hunter2", "It is hunter2, and hunter2hunter2.", "::error title=hunter2::hunter2")
    assert log.masks == ["hunter2"]
    assert log.shown == ["It is ***, and ***.", "##[error]***"]
    assert log.annotations[0].message == "***"
    assert not log.leaks()


def test_each_line_of_a_mask_is_masked():
    log = log_of("::add-mask::first%0A  second%0D%0A", "second", "first")
    assert log.shown == ["***", "***"]


@pytest.mark.parametrize(
    "text",
    [
        base64.b64encode(b'pa"ss w&rd').decode(),
        base64.b64encode(b'a"ss w&rd').decode(),
        base64.b64encode(b'"ss w&rd').decode(),
        "pa%22ss%20w%26rd",
        'pa\\"ss w&rd',
        "pa&quot;ss w&amp;rd",
    ],
)
def test_encodings_of_a_secret_are_masked_too(text):
    masker = SecretMasker()
    masker.add('pa"ss w&rd')
    assert masker.mask(f"<{text}>") == "<***>"
    assert masker.contains_secret(text)
    assert not masker.contains_secret("pass")


def test_empty_masks_are_only_a_warning():
    log = log_of("::add-mask::  ")
    assert log.masks == []
    assert log.annotations[0].level is Level.WARNING
    assert log.shown == ["##[warning]Can't add secret mask for empty string in ##[add-mask] command."]


def test_a_secret_shown_before_its_mask_is_a_leak():
    log = log_of("key hunter2 found", "fine", "::add-mask::hunter2", "hunter2")
    assert log.leaks() == ["line 1 of the log shows a secret before its add-mask: 'key hunter2 found'"]


def test_secrets_known_to_the_runner_cannot_leak():
    assert not log_of("hunter2", "::add-mask::hunter2", secrets=("hunter2",)).leaks()


@pytest.mark.parametrize(
    ("line", "kind", "text"),
    [
        ("up to date", "", "up to date"),
        ("::group::npm install", "group", "▸ npm install"),
        ("::endgroup::", "endgroup", ""),
        ("::error::first%0Asecond", "error", "Error: first\nsecond"),
        ("::stop-commands::0123456789abcdef", "stop-commands", "::stop-commands::***"),
        ("a ::group:: in the middle", "", "a ::group:: in the middle"),
    ],
)
def test_a_shown_line_has_a_kind_and_a_text(line, kind, text):
    (shown,) = log_of(line).shown
    assert parse_shown_line(shown) == (kind, text)
