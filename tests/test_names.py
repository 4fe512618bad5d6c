"""What messages call inputs."""

import ast
import re

import pytest

from sandbox.runner.runner import ACTION
from stormkit_action.inputs import INPUTS
from stormkit_action.names import ON_GITHUB, Names

HYPHENATED = "|".join(spec.name for spec in INPUTS if "-" in spec.name)
ELSEWHERE = Names(on_github=False, from_variables=frozenset({"timeout"}))


@pytest.mark.parametrize(
    ("names", "one", "beginning", "both", "setting"),
    [
        (ON_GITHUB, "env-id", "Input env-id", "Inputs env-id and timeout", "timeout: 1m"),
        (ELSEWHERE, "--env-id", "--env-id", "--env-id and STORMKIT_TIMEOUT", "STORMKIT_TIMEOUT=1m"),
        (Names(on_github=False), "--env-id", "--env-id", "--env-id and --timeout", "--timeout 1m"),
    ],
)
def test_an_input_is_called_what_its_user_wrote(names, one, beginning, both, setting):
    assert names("env-id") == one
    assert names.subject("env-id") == beginning
    assert names.subject("env-id", "timeout") == both
    assert names.setting("timeout", "1m") == setting


@pytest.mark.parametrize("name", ["api-key", "command"])
def test_what_has_no_flag_is_called_by_its_variable(name):
    assert ELSEWHERE(name) == f"STORMKIT_{name.upper().replace('-', '_')}"


def texts() -> list[str]:
    """The fixed parts of the texts that are shown outside GitHub as well, without docstrings."""
    found = []
    for folder in ("commands", "stormkit"):
        for path in (ACTION / "stormkit_action" / folder).glob("*.py"):
            tree = ast.parse(path.read_text(encoding="utf-8"))
            apart = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
            found += [
                node.value
                for node in ast.walk(tree)
                if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in apart
            ]
    return [text for text in found if " " in text.strip()]


def test_no_text_that_is_shown_elsewhere_has_an_input_s_name_written_into_it():
    assert len(texts()) > 200
    assert [text for text in texts() if re.search(rf"(?<![\w-])(?:{HYPHENATED})(?![\w-])", text)] == []
