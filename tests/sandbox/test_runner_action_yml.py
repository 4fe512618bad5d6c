"""action.yml is read as a YAML library reads it, or refused."""

from pathlib import Path

import pytest
import yaml

from sandbox.runner import action_yml
from sandbox.runner.action_yml import ActionYmlError, Input

REAL = Path(__file__).parents[2] / "action.yml"

SAMPLE = """\
# An action for tests.
name: Greet
author: octocat
description: >-
  Greets
  everybody.

  And it's friendly: really # no comment
branding:
  icon: 'upload-cloud'   # Feather
  color: blue

inputs:
  who-to-greet:
    description: "Whom to greet: a name.\\n\\"Quoted\\" too."
    required: true
  greeting:
    description: 'It''s what is said'
    default: Hello, world
  how often:
    description: |
      A number.
        Indented.

      Default: 1
    default: 1
  quiet:
    description: >
      No more
      words.
    default: false
  token:
    default: ${{ github.token }}
  nothing:
    description:
    default: ''

outputs:
  greeting:
    description: What was said # to whom?
runs:
  using: docker
  image: Dockerfile
  post-entrypoint: /app/post.py
"""


def test_it_reads_what_a_yaml_library_reads():
    assert action_yml.read(SAMPLE) == yaml.load(SAMPLE, Loader=yaml.BaseLoader)


@pytest.mark.skipif(not REAL.exists(), reason="the action has no action.yml yet")
def test_it_reads_the_action_itself_as_a_yaml_library_does():
    assert action_yml.read(REAL.read_text(encoding="utf-8")) == yaml.load(
        REAL.read_text(encoding="utf-8"), Loader=yaml.BaseLoader
    )
    assert action_yml.load(REAL).inputs


def test_metadata(tmp_path):
    path = tmp_path / "action.yml"
    path.write_text(SAMPLE, encoding="utf-8")
    action = action_yml.load(path)

    assert action.name == "Greet"
    assert list(action.inputs) == ["who-to-greet", "greeting", "how often", "quiet", "token", "nothing"]
    assert action.inputs["who-to-greet"].required
    assert action.inputs["greeting"] == Input(description="It's what is said", default="Hello, world")
    assert action.inputs["token"].default == "${{ github.token }}"
    assert action.inputs["nothing"] == Input()
    assert action.outputs == {"greeting": "What was said"}
    assert action.post_entrypoint == "/app/post.py"


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("name: a\nname: b", "line 2 has the key 'name' a second time"),
        ("inputs:\n  - a", "line 2 is no `key: value`"),
        ("inputs:\n\ta: b", "line 2 is no `key: value`"),
        ("inputs:\n  a:\n    b: c\n   d: e", "line 4 is no `key: value`"),
        ("name: [a, b]", "line 1 has a value"),
        ("name: &anchor a", "line 1 has a value"),
        ("name: a: b", "line 1 has a value"),
        ("name: 'a", "line 1 has a value"),
        ('name: "\\x41"', "line 1 has an escape"),
        ("name: a\n  and more", "line 2 is no `key: value`"),
        ("name: >\n  a\n    b\n  c", "indented deeper"),
        ("  name: a", "line 1 is no `key: value`"),
    ],
)
def test_what_it_does_not_know_is_an_error(text, error):
    with pytest.raises(ActionYmlError) as raised:
        action_yml.read(text)
    assert error in str(raised.value)


@pytest.mark.parametrize("text", ["inputs: text", "name:\n  a: b", "inputs:\n  a: text"])
def test_texts_and_mappings_in_each_others_places(tmp_path, text):
    path = tmp_path / "action.yml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ActionYmlError, match="stands where"):
        action_yml.load(path)
