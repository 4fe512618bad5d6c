"""Each threat in SECURITY.md has tests that are marked with its heading, and each mark is such a heading."""

import re

import pytest

from tools.doc_tables import ROOT

TEXT = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
THREATS = re.findall(r"^### (.+)$", TEXT, re.MULTILINE)
MARKS = [
    mark
    for path in sorted((ROOT / "tests").rglob("test_*.py"))
    for mark in re.findall(r'^ *@pytest\.mark\.threat\("(.+)"\)$', path.read_text(encoding="utf-8"), re.MULTILINE)
]


@pytest.mark.parametrize("threat", THREATS)
def test_each_threat_has_its_tests(threat):
    assert MARKS.count(threat) >= 5


def test_each_mark_is_a_threat():
    assert set(MARKS) <= set(THREATS)
