"""tests/recipes/expressions.py evaluates expressions as GitHub does."""

import pytest

from tests.recipes.expressions import condition, evaluate, filled

CONTEXT = {
    "github": {"event": {"number": 42, "label": {"name": "Preview"}, "labels": [{"name": "a"}, {"name": "b"}]}},
    "inputs": {"rollback": False, "branch": ""},
}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("github.event.number", 42),
        ("github.event.pull_request.number", None),
        ("github.event.pull_request.number || github.event.number", 42),
        ("github.event.label.name == 'preview'", True),
        ("github.event.label.name != 'preview'", False),
        ("!inputs.rollback", True),
        ("inputs.rollback && 'rollback' || 'deploy'", "deploy"),
        ("contains(github.event.labels.*.name, 'b')", True),
        ("contains(fromJSON('[\"OWNER\", \"MEMBER\"]'), 'NONE')", False),
        ("contains('abc', 'B')", True),
        ("(false || true) && 'it''s'", "it's"),
        ("null", None),
    ],
)
def test_expressions_have_the_value_that_github_gives_them(text, value):
    assert evaluate(text, CONTEXT) == value


def test_expressions_in_text_are_replaced_by_their_values():
    assert (
        filled("pr-${{ github.event.number }}-${{ inputs.branch }}-${{ !inputs.rollback }}", CONTEXT) == "pr-42--true"
    )
    assert condition("${{ github.event.number }}", CONTEXT)


@pytest.mark.parametrize("text", ["env.X", "1 < 2", "github.event.number)", "(true", "hashFiles('a')", "steps.a"])
def test_anything_that_the_recipes_do_not_use_is_an_error(text):
    with pytest.raises((ValueError, KeyError, IndexError)):
        evaluate(text, CONTEXT)
