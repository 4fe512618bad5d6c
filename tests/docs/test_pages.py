"""What pages say of the code, where it can be compared."""

import json
import re
import tomllib

from stormkit_action.reporting.outputs import OUTPUTS
from tools.doc_tables import ROOT


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def test_the_house_shows_every_layer():
    (contract,) = tomllib.loads(read("pyproject.toml"))["tool"]["importlinter"]["contracts"]
    modules = {name.strip().rpartition(".")[2] for layer in contract["layers"] for name in layer.split("|")}
    picture = re.search(r"```mermaid\n(.*?)```", read("CONTRIBUTING.md"), re.DOTALL)[1]
    shown = {
        word for label in re.findall(r'"(.*?) —|"([\w, ]+)"', picture) for word in re.findall(r"\w+", "".join(label))
    }
    assert shown == modules


def test_the_result_s_example_has_every_field():
    (example,) = map(json.loads, re.findall(r"```json\n(.*?)```", read("docs/outputs.md"), re.DOTALL))
    (deployment,) = example["deployments"]
    assert deployment.keys() == OUTPUTS.keys() - {"result"} | {"name", "env-id"}


def test_every_make_target_that_is_named_exists():
    targets = set(re.findall(r"^([a-z]+):", read("Makefile"), re.MULTILINE))
    pages = (*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), *(ROOT / ".github/workflows").glob("*.yml"))
    named = {name for page in pages for name in re.findall(r"(?:`|run: )make ([a-z]+)", page.read_text("utf-8"))}
    assert named
    assert named <= targets
