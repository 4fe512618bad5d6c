"""Errors link to the section of docs/troubleshooting.md that explains them."""

import pytest

from stormkit_action import troubleshooting
from stormkit_action.inputs import WrongInputs, read
from stormkit_action.troubleshooting import SECTIONS, anchor, links, section
from tests.docs.test_links import anchors
from tools.doc_tables import ROOT

ACTION = {"GITHUB_ACTION_REPOSITORY": "octocat/stormkit_action", "GITHUB_ACTION_REF": "v1"}
PAGE = "https://github.com/octocat/stormkit_action/blob/v1/docs/troubleshooting.md"


def test_every_section_has_its_own_anchor_on_the_page():
    page = (ROOT / "docs/troubleshooting.md").read_text(encoding="utf-8")
    assert {anchor(heading) for heading in SECTIONS} <= anchors(page)
    assert len({anchor(heading) for heading in SECTIONS}) == len(SECTIONS)


def test_an_error_links_to_its_section():
    with pytest.raises(WrongInputs) as caught:
        read({"GITHUB_ACTIONS": "true"})
    assert links(caught.value.text, ACTION) == [f"{PAGE}#input-api-key--is-not-valid"]
    assert links("x\nThe build of deployment 8241 failed in install.", ACTION) == [
        f"{PAGE}#the-build-of-deployment--failed"
    ]


def test_several_problems_link_to_each_section_once_up_to_a_limit():
    assert links("is closed\nInput a: x is not valid\nInput b: y is not valid", ACTION) == [
        f"{PAGE}#input---is-not-valid"
    ]
    assert len(links("\n".join(SECTIONS), ACTION)) == troubleshooting.MAX_LINKS


def test_an_error_without_a_section_or_outside_github_has_no_link():
    assert links("Something else.", ACTION) == []
    assert links(SECTIONS[0].replace("…", "x"), {}) == []


def test_a_heading_s_parts_must_be_in_one_line_in_order(monkeypatch):
    monkeypatch.setattr(troubleshooting, "SECTIONS", ("one … two",))
    assert section("one and two") == "one … two"
    assert section("two and one") == ""
    assert links("one\nand two", ACTION) == []
