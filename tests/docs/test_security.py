"""The threats in SECURITY.md and the tests marked with them (`pytest.mark.threat`) match."""

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
def test_every_threat_in_security_md_has_at_least_five_marked_tests(threat):
    assert MARKS.count(threat) >= 5


def test_every_threat_mark_is_a_heading_of_security_md():
    assert set(MARKS) <= set(THREATS)
