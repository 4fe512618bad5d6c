"""What messages call inputs outside GitHub."""

import ast
import re

import pytest

from sandbox.runner.runner import ACTION
from stormkit_action.inputs import INPUTS
from stormkit_action.wording import with_flags

HYPHENATED = "|".join(spec.name for spec in INPUTS if "-" in spec.name and not spec.secret)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "Create one and save it as a repository secret; check env-id too.",
            "set STORMKIT_API_KEY to it; check --env-id",
        ),
        (
            "while listing, without an env-id. A user key env-id is needed",
            "without --env-id. A user key --env-id is needed",
        ),
        ("Check deployment-id and env-id: x", "Check --deployment-id and --env-id: x"),
        ("was left running (on-cancel: leave).", "was left running (--on-cancel leave)."),
        (
            "after 2s (input timeout); it was left (on-timeout: leave). Raise timeout.",
            "(--timeout); it was left (--on-t",
        ),
        ("not live. Raise timeout, or look", "Raise --timeout, or look"),
        (
            "adjust health-check, health-check-status and health-check-timeout.",
            "adjust --health-check, --health-check-status and --health-check-timeout.",
        ),
        (
            "deploying health-check at https://x/api-url/?env-id=1",
            "deploying health-check at https://x/api-url/?env-id=1",
        ),
        ("Set --api-url; set api-url-x", "Set --api-url; set api-url-x"),
    ],
)
def test_inputs_are_called_by_their_flags(text, expected):
    assert expected in with_flags(text)
    assert with_flags(with_flags(text)) == with_flags(text)


def messages() -> list[str]:
    """The texts in the code, without its docstrings, and with an x for each value in them."""
    found = []
    for folder in ("commands", "stormkit"):
        for path in (ACTION / "stormkit_action" / folder).glob("*.py"):
            tree = ast.parse(path.read_text(encoding="utf-8"))
            apart = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
            for node in ast.walk(tree):
                if isinstance(node, ast.JoinedStr):
                    apart |= {id(part) for part in node.values}
                    found.append("".join(part.value if isinstance(part, ast.Constant) else "x" for part in node.values))
                elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in apart:
                    found.append(node.value)
    return [text for text in found if " " in text]


def test_no_message_is_left_with_an_input_s_name():
    said = messages()
    assert len(said) > 200
    assert [text for text in said if re.search(rf"(?<![\w-])(?:{HYPHENATED})(?![\w-])", with_flags(text))] == []
