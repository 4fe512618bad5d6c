"""All inputs together: defaults, all errors at once, contradictions and secrets."""

import contextlib
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stormkit_action import inputs as inputs_module
from stormkit_action.errors import InputError
from stormkit_action.inputs import (
    INPUTS,
    BuildLog,
    Command,
    Environment,
    Inputs,
    OnGivingUp,
    Switch,
    WrongInputs,
    read,
    secrets_in,
)

KEY = "SK_0123456789abcdef"


def parsed(**inputs: str) -> Inputs:
    return read(environment(**inputs))


def environment(**inputs: str) -> dict[str, str]:
    """Inputs as GitHub passes them: `env_id` is `INPUT_ENV-ID`."""
    values = {"api_key": KEY, **inputs}
    variables = {f"INPUT_{name.upper().replace('_', '-')}": value for name, value in values.items()}
    return {"GITHUB_ACTIONS": "true", **variables}


def problems(**inputs: str) -> tuple[str, ...]:
    with pytest.raises(InputError) as caught:
        parsed(**inputs)
    return caught.value.problems


def test_inputs_have_the_documented_defaults():
    inputs = parsed()
    assert inputs == Inputs(
        api_key=KEY,
        env_id="",
        environments=(),
        command=Command.AUTO,
        branch="",
        sha="",
        deployment_id="",
        publish=False,
        wait=True,
        timeout=timedelta(minutes=30),
        on_timeout=OnGivingUp.LEAVE,
        on_cancel=OnGivingUp.STOP,
        retries=0,
        poll_interval=timedelta(seconds=0.5),
        stop_superseded=False,
        health_check="",
        health_check_status=inputs.health_check_status,
        health_check_timeout=timedelta(seconds=60),
        keep_latest=0,
        build_log=BuildLog.FAILURE,
        github_token="",
        comment=Switch.AUTO,
        comment_key="stormkit",
        label="",
        github_deployment=Switch.AUTO,
        environment="",
        job_summary=True,
        api_url="https://api.stormkit.io",
        dashboard_url="https://app.stormkit.io",
    )
    assert 399 in inputs.health_check_status
    assert 400 not in inputs.health_check_status


def test_a_blank_value_is_the_default_and_values_are_stripped():
    inputs = parsed(timeout="", retries="  ", command="\n", build_log=" never ", env_id=" 305\n")
    assert inputs.timeout == timedelta(minutes=30)
    assert (inputs.retries, inputs.command) == (0, Command.AUTO)
    assert (inputs.build_log, inputs.env_id) == (BuildLog.NEVER, "305")


def test_given_values_are_parsed():
    inputs = parsed(
        environments="docs: 305\nweb: 306",
        command="restart",
        publish="true",
        timeout="1h30m",
        poll_interval="0.2s",
        health_check="/health",
        github_token="ghs_x",
        api_url="http://localhost:8080/",
    )
    assert inputs.environments == (Environment(name="docs", env_id="305"), Environment(name="web", env_id="306"))
    assert (inputs.command, inputs.publish, inputs.health_check) == (Command.RESTART, True, "/health")
    assert inputs.poll_interval == timedelta(milliseconds=200)
    assert (inputs.github_token, inputs.api_url) == ("ghs_x", "http://localhost:8080")


def test_all_errors_are_reported_at_once_with_value_and_valid_values():
    found = problems(
        publish="yse", timeout="soon", command="depoly", api_url="example.com", environments="docs", comment_key="-->"
    )
    assert found == (
        'Input environments: "docs" is not valid: use one "name: env-id" a line, such as "docs: 305"; line 1 has'
        " no colon.",
        'Input command: "depoly" is not valid: use auto, deploy, publish, rollback, restart, stop, delete, cleanup,'
        " status, list or check.",
        'Input publish: "yse" is not valid: use true or false.',
        'Input timeout: "soon" is not valid: use a duration such as 90, 90s, 15m or 1h30m.',
        'Input comment-key: "-->" is not valid: use up to 64 letters, digits, dots, underscores and single hyphens.',
        'Input api-url: "example.com" is not valid: use an origin such as https://api.example.com, without a path.',
    )


@pytest.mark.parametrize("spec", INPUTS, ids=lambda spec: spec.name)
def test_every_input_s_error_names_the_input(spec):
    found = problems(**{spec.field: "\x00"})
    assert [problem for problem in found if problem.startswith(f"Input {spec.name}: ")]
    assert all(problem.endswith(".") for problem in found)
    assert all("\n" not in problem and "\x00" not in problem for problem in found)


@pytest.mark.parametrize("spec", INPUTS, ids=lambda spec: spec.name)
def test_invalid_utf8_is_an_error_of_its_input(spec):
    assert any(problem.startswith(f"Input {spec.name}: ") for problem in problems(**{spec.field: "a\udcffb"}))


def test_the_error_for_a_missing_key_says_how_to_provide_one():
    for value in ("", " ", "Bearer ", "Bearer"):
        (problem,) = problems(api_key=value)
        assert problem.startswith("Input api-key: ")
        assert "pass it as api-key: ${{ secrets.STORMKIT_API_KEY }}" in problem
        assert problem.endswith("STORMKIT_API_KEY }}.")
    assert problems(api_key="")[0].startswith('Input api-key: "" is not valid: save a Stormkit API key')


@pytest.mark.parametrize(
    ("inputs", "text"),
    [
        ({"environments": "docs: 305", "env_id": "305"}, "environments and env-id"),
        ({"environments": "docs: 305", "deployment_id": "8241"}, "environments and deployment-id"),
        ({"command": "delete"}, "delete needs the id"),
        ({"command": "rollback", "deployment_id": "8241"}, "to name one use publish"),
        ({"command": "cleanup", "deployment_id": "8241"}, "to name one use delete"),
        ({"wait": "false", "publish": "true"}, "wait and publish"),
        ({"wait": "false", "health_check": "/"}, "wait and health-check"),
        ({"wait": "false", "retries": "1"}, "wait and retries"),
    ],
)
def test_contradictory_inputs_are_one_error_that_names_them(inputs, text):
    (problem,) = problems(**inputs)
    assert text in problem


@pytest.mark.parametrize(("timeout", "notices"), [("30", 1), ("59", 1), ("60", 0), ("30s", 0), ("30m", 0), ("", 0)])
def test_a_short_timeout_without_a_unit_gets_a_notice(timeout, notices):
    found = inputs_module.notices(environment(timeout=timeout))
    assert len(found) == notices
    for notice in found:
        assert (
            notice
            == f"Input timeout: {timeout} is {timeout} seconds. For minutes, as in timeout-minutes, write {timeout}m."
        )


def test_a_wrong_inputs_error_has_the_other_inputs_if_command_and_branch_are_valid():
    with pytest.raises(WrongInputs) as caught:
        parsed(timeout="soon", command="status", api_key="")
    assert caught.value.inputs is not None
    assert (caught.value.inputs.command, caught.value.inputs.timeout) == (Command.STATUS, timedelta(minutes=30))
    for wrong in ({"branch": "a..b"}, {"command": "depoly"}):
        with pytest.raises(WrongInputs) as caught:
            parsed(**wrong)
        assert caught.value.inputs is None


def test_contradictions_are_reported_together_with_other_errors():
    found = problems(environments="docs: 305", env_id="305", publish="yse", wait="false", retries="2")
    assert [problem.split(":")[0] for problem in found] == [
        "Input publish",
        "Inputs environments and env-id",
        "Inputs wait and retries",
    ]


@pytest.mark.parametrize("command", ["publish", "restart", "stop", "delete", "status"])
def test_commands_that_act_on_one_deployment_accept_an_id(command):
    assert parsed(command=command, deployment_id="8241").deployment_id == "8241"


TOKEN = "ghs_abcdefghijklmnop"


@pytest.mark.threat("A leaked log")
@pytest.mark.parametrize("field", [spec.field for spec in INPUTS if not spec.secret])
@pytest.mark.parametrize("secret", [KEY, "plain-key-without-prefix", TOKEN])
def test_a_secret_in_the_wrong_input_is_not_shown(field, secret):
    """Not even a part of it is shown where a long value is cut."""
    for value in (secret, f"{secret} \x00", f"{'x' * 70}{secret}", f"https://{secret}@x"):
        found = problems(**{field: value, "api_key": f"Bearer {secret}", "github_token": TOKEN})
        assert found[0].startswith(f"Input {field.replace('_', '-')}: ")
        assert secret[:6] not in "".join(found)


def test_a_key_in_another_input_is_refused_and_not_shown():
    found = problems(api_key="", env_id=KEY, environments=f"docs: {KEY}", deployment_id=KEY)
    assert [problem.split(":")[0] for problem in found] == [
        "Input api-key",
        "Input env-id",
        "Input environments",
        "Input deployment-id",
    ]
    assert KEY not in "".join(found)


@pytest.mark.parametrize(
    ("api_url", "dashboard_url"),
    [
        ("", "https://app.stormkit.io"),
        ("https://api.stormkit.io/", "https://app.stormkit.io"),
        ("https://api.example.com", "https://stormkit.example.com"),
        ("https://api.eu.example.com", "https://stormkit.eu.example.com"),
        ("https://stormkit-api.example.com", ""),
        ("https://api.example.com:8443", ""),
        ("http://api.example.com", ""),
        ("http://127.0.0.1:8080", ""),
    ],
)
def test_the_dashboard_url_is_derived_from_the_api_url_or_empty(api_url, dashboard_url):
    assert parsed(api_url=api_url).dashboard_url == dashboard_url
    assert parsed(api_url=api_url, dashboard_url="https://x.example.com").dashboard_url == "https://x.example.com"


def test_secrets_are_found_in_every_form_they_take():
    environ = {"INPUT_API-KEY": "  Bearer SK_abc\n", "INPUT_GITHUB-TOKEN": "ghs_x", "INPUT_LABEL": "x"}
    assert secrets_in(environ) == {"  Bearer SK_abc\n", "Bearer SK_abc", "SK_abc", "ghs_x"}
    assert secrets_in({}) == set()


@pytest.mark.threat("A leaked log")
def test_secrets_are_in_no_repr():
    inputs = parsed(github_token="ghs_x")
    assert KEY not in repr(inputs)
    assert "ghs_x" not in repr(inputs)


NAMES = st.sampled_from([spec.variable for spec in INPUTS])


@given(st.dictionaries(NAMES, st.text()))
def test_reading_any_inputs_raises_nothing_but_an_input_error(environ):
    with contextlib.suppress(InputError):
        read({**environ, "INPUT_API-KEY": KEY})
