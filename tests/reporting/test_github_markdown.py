"""Reports as GitHub shows them: by cmark-gfm, and by the references that GitHub documents."""

import pytest

from stormkit_action.reporting import summary
from stormkit_action.reporting.comment_body import render
from stormkit_action.reporting.markdown import code, fence, table, text
from tests.reporting.samples import COMMENTS, HOSTILE, SUMMARIES
from tools.fuzz import documents, github

SHA = "16ab41e8c9d2f0b7a3e5d4c6b8a9f0e1d2c3b4a5"


@pytest.mark.parametrize(
    "foreign",
    [
        "a@evil.example",
        "mailto:a@evil.example",
        "xmpp:a@evil.example/b",
        "https://evil.example",
        "see www.evil.example",
        "FTP://evil.example",
        "<https://evil.example>",
        "</code>[x](https://evil.example)",
    ],
)
@pytest.mark.parametrize("make", [text, code])
def test_an_address_in_a_name_becomes_no_link(foreign, make):
    for markdown in (make(foreign), table(["a"], [[make(foreign)]]), f"a, {make(f'b {foreign} c')}."):
        page = github.render(markdown)
        assert page.links == []
        assert page.references == []


@pytest.mark.parametrize(
    "foreign",
    [
        SHA,
        SHA.upper(),
        f"9f3{SHA}",
        f"\u00e9{SHA}",
        f"{SHA}\u00e9",
        f"x{SHA}",
        f"octocat@{SHA}",
        f"octocat/hello-world@{SHA[:7]}",
        "0123456789",
        "defaced",
        "succeeded1",
    ],
)
def test_a_sha_in_text_becomes_no_link_whatever_stands_around_it(foreign):
    assert github.render(text(foreign)).references == []


@pytest.mark.parametrize("word", ["succeeded", "The build succeeded, but", "unaccededs", "écceeded"])
def test_a_word_with_letters_that_are_hex_digits_stays_as_it_is(word):
    assert text(word) == word
    assert github.render(text(word)).references == []


@pytest.mark.parametrize(
    "foreign", ["@octocat", "\u00e9@octocat", "@acme/admins", "#12", "GH-12", "o/r#12", ":tada:", ":+1:", "a :100: b"]
)
def test_text_holds_no_mention_reference_or_emoji(foreign):
    assert github.render(text(foreign)).references == []
    assert github.render(f"{text(foreign.removesuffix(':'))}: the last lines").references == []


def test_code_of_nothing_is_nothing():
    assert code("\u200b \n") == ""


def test_what_is_copied_from_code_is_the_branch():
    for branch in ("a@evil.example", "https://evil.example", "fix/www.evil.example"):
        assert github.render(code(branch)).text == branch


def test_a_fence_holds_whatever_it_is_given():
    assert github.render(fence(HOSTILE)).tags == github.render(fence("x")).tags


@pytest.mark.parametrize("name", COMMENTS)
def test_a_comment_shows_our_own_links_alone(name):
    page = github.render(render(COMMENTS[name], "stormkit"))
    assert page.references == []
    assert all("evil" not in link for link in page.links)
    assert not [tag for tag in page.tags if "without its beginning" in tag]


@pytest.mark.parametrize("name", SUMMARIES)
def test_a_summary_shows_our_own_links_alone(name):
    page = github.render(summary.render(SUMMARIES[name]))
    assert page.references == []
    assert all("evil" not in link for link in page.links)
    assert not [tag for tag in page.tags if "without its beginning" in tag]


@pytest.mark.threat("A hostile pull request")
@pytest.mark.parametrize("first", range(0, 400, 100))
def test_hostile_reports_show_what_their_harmless_twins_show(first):
    """`make fuzz` judges many more."""
    for number in range(first, first + 100):
        case = documents.make(number)
        assert case.problems() == [], f"document {number}"


@pytest.mark.parametrize(
    ("markdown", "found"),
    [
        ("@octocat", "mention"),
        ("#12", "issue"),
        (SHA, "commit"),
        ("evil.example/x", "link"),
        (":tada:", "emoji"),
        ("$x$", "formula"),
        ("`a @octocat`", "mention in code"),
    ],
)
def test_the_judge_finds_each_kind_of_reference(markdown, found):
    assert any(reference.startswith(found) for reference in github.render(markdown).references)


@pytest.mark.parametrize(
    "hostile",
    ["[x](https://evil.example)", "x |\n| d | e", "<b>x</b>", "*x*", "a@evil.example", "<!-- x -->", "|\n\n- [ ] x"],
)
def test_the_judge_finds_what_a_harmless_twin_does_not_show(hostile):
    head = "| a | b |\n| - | - |\n| c | "
    assert documents.Case(hostile=head + hostile, harmless=f"{head}x").problems()
