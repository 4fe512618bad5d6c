"""SECURITY.md names tests that exist, and some for each threat."""

import ast
import re

import pytest

from tools.doc_tables import ROOT

TEXT = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
THREATS = re.split(r"^### ", TEXT.partition("\n## Threats\n")[2].partition("\n## ")[0], flags=re.MULTILINE)[1:]
NAMED = re.findall(r"^- `(tests/\S+\.py)::(\w+)`$", TEXT, re.MULTILINE)


@pytest.mark.parametrize(("path", "name"), NAMED)
def test_a_named_test_exists(path, name):
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize("threat", THREATS, ids=lambda threat: threat.partition("\n")[0])
def test_each_threat_has_its_tests(threat):
    assert "\nTests:\n\n- `tests/" in threat
