"""Errors link to the section of docs/troubleshooting.md that explains them."""

import pytest

from stormkit_action import troubleshooting
from stormkit_action.inputs import WrongInputs, read
from stormkit_action.troubleshooting import SECTIONS, anchor, link, with_link
from tests.docs.test_links import anchors
from tools.doc_tables import ROOT

ACTION = {"GITHUB_ACTION_REPOSITORY": "octocat/stormkit_action", "GITHUB_ACTION_REF": "v1"}
PAGE = "https://github.com/octocat/stormkit_action/blob/v1/docs/troubleshooting.md"


def test_every_section_has_an_anchor_on_the_page():
    page = (ROOT / "docs/troubleshooting.md").read_text(encoding="utf-8")
    assert {anchor(heading) for heading in SECTIONS} <= anchors(page)


def test_an_error_links_to_its_section():
    with pytest.raises(WrongInputs) as caught:
        read({"GITHUB_ACTIONS": "true"})
    assert link(caught.value.text, ACTION) == f"{PAGE}#input-api-key--is-not-valid"
    assert with_link("x\nThe build of deployment 8241 failed in install.", ACTION).endswith(
        f"\n{PAGE}#the-build-of-deployment--failed"
    )


def test_an_error_without_a_section_or_outside_an_action_links_to_nothing():
    assert with_link("Something else.", ACTION) == "Something else."
    assert link(SECTIONS[0].replace("…", "x"), {}) == ""


def test_a_section_is_about_one_line(monkeypatch):
    monkeypatch.setattr(troubleshooting, "SECTIONS", ("one … two",))
    assert link("one and two", ACTION)
    assert not link("one\nand two", ACTION)
