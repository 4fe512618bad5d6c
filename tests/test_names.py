"""The names of inputs in messages: an input on GitHub, a flag or a variable elsewhere."""

import ast
import re

import pytest

from sandbox.runner.runner import ACTION
from stormkit_action.inputs import INPUTS
from stormkit_action.names import ON_GITHUB, Names

HYPHENATED = "|".join(spec.name for spec in INPUTS if "-" in spec.name)
OUTSIDE_GITHUB = Names(on_github=False, from_variables=frozenset({"timeout"}))


@pytest.mark.parametrize(
    ("names", "one", "beginning", "both", "setting"),
    [
        (ON_GITHUB, "env-id", "Input env-id", "Inputs env-id and timeout", "timeout: 1m"),
        (OUTSIDE_GITHUB, "--env-id", "--env-id", "--env-id and STORMKIT_TIMEOUT", "STORMKIT_TIMEOUT=1m"),
        (Names(on_github=False), "--env-id", "--env-id", "--env-id and --timeout", "--timeout 1m"),
    ],
)
def test_an_input_is_named_as_its_user_wrote_it(names, one, beginning, both, setting):
    assert names("env-id") == one
    assert names.subject("env-id") == beginning
    assert names.subject("env-id", "timeout") == both
    assert names.setting("timeout", "1m") == setting


@pytest.mark.parametrize("name", ["api-key", "command"])
def test_an_input_without_a_flag_is_named_by_its_variable(name):
    assert OUTSIDE_GITHUB(name) == f"STORMKIT_{name.upper().replace('-', '_')}"


def texts() -> list[str]:
    """The fixed parts of all texts that are shown outside GitHub too, without docstrings."""
    found = []
    for folder in ("commands", "stormkit"):
        for path in (ACTION / "stormkit_action" / folder).glob("*.py"):
            tree = ast.parse(path.read_text(encoding="utf-8"))
            docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
            found += [
                node.value
                for node in ast.walk(tree)
                if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings
            ]
    return [text for text in found if " " in text.strip()]


def test_no_text_shown_outside_github_contains_the_name_of_an_input():
    assert len(texts()) > 200
    assert [text for text in texts() if re.search(rf"(?<![\w-])(?:{HYPHENATED})(?![\w-])", text)] == []
