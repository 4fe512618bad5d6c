"""Statements about the code in README, CONTRIBUTING and docs/ are compared with the code."""

import json
import re
import tomllib

import pytest

from stormkit_action.inputs import INPUTS
from stormkit_action.reporting.outputs import OUTPUTS
from tools.doc_tables import ROOT

PAGES = ("how-it-works", "inputs", "outputs", "recipes", "reliability", "troubleshooting")
PROSE = ("README.md", "CONTRIBUTING.md", *(f"docs/{name}.md" for name in PAGES))


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def test_the_diagram_in_contributing_shows_every_layer():
    (contract,) = tomllib.loads(read("pyproject.toml"))["tool"]["importlinter"]["contracts"]
    modules = {name.strip().rpartition(".")[2] for layer in contract["layers"] for name in layer.split("|")}
    diagram = re.search(r"```mermaid\n(.*?)```", read("CONTRIBUTING.md"), re.DOTALL)[1]
    shown = set()
    # A label either explains its modules ("plan — pure") or only lists them ("a, b").
    for explained, listed in re.findall(r'"(.*?) —|"([\w, ]+)"', diagram):
        shown.update(re.findall(r"\w+", explained or listed))
    assert shown == modules


def test_the_documented_example_of_result_has_every_field():
    (example,) = map(json.loads, re.findall(r"```json\n(.*?)```", read("docs/outputs.md"), re.DOTALL))
    (deployment,) = example["deployments"]
    assert deployment.keys() == OUTPUTS.keys() - {"result"} | {"name", "env-id"}


def test_every_make_target_that_a_page_names_exists():
    targets = set(re.findall(r"^([a-z]+):", read("Makefile"), re.MULTILINE))
    pages = (*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), *(ROOT / ".github/workflows").glob("*.yml"))
    named = {name for page in pages for name in re.findall(r"(?:`|run: )make ([a-z]+)", page.read_text("utf-8"))}
    assert named
    assert named <= targets


def test_the_readme_shows_the_inputs_and_defaults_of_the_code():
    rows = re.findall(r"^\| `([a-z-]+)` \| (.*?) \| .* \|$", read("README.md").partition("## Inputs")[2], re.MULTILINE)
    defaults = {spec.name: f"`{spec.default}`" if spec.default else "" for spec in INPUTS}
    shown = {name: default.strip() for name, default in rows if name in defaults}
    assert len(shown) == 8
    in_other_words = {"api-key": "required", "branch": "the event's"}
    assert shown == {name: in_other_words.get(name, defaults[name]) for name in shown}


def test_the_readme_shows_the_outputs_of_the_code():
    rows = re.findall(r"^\| `([a-z-]+)` \| (.*) \|$", read("README.md").partition("## Outputs")[2], re.MULTILINE)
    shown = {name: meaning for name, meaning in rows if name in OUTPUTS}
    assert shown == {name: OUTPUTS[name] for name in shown}
    assert {"status", "preview-url"} <= shown.keys()


def test_every_file_that_contributing_names_exists():
    """Names are relative to the repository, to the package, or to one of the package's folders."""
    folders = (ROOT, ROOT / "stormkit_action", *(ROOT / "stormkit_action").glob("*/"))
    named = set(re.findall(r"`([\w./]+\.py)`", read("CONTRIBUTING.md")))
    assert len(named) > 15
    assert [name for name in named if not any((folder / name).is_file() for folder in folders)] == []


@pytest.mark.parametrize("name", PROSE)
def test_a_line_of_prose_has_at_most_120_characters(name):
    prose = re.sub(r"^```.*?^```$", "", read(name), flags=re.DOTALL | re.MULTILINE)
    assert [line for line in prose.splitlines() if len(line) > 120 and not re.match(r"\||\s*<", line)] == []
