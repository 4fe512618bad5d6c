"""Foreign text in markdown: escaping, code, fences, links and tables."""

import re

import pytest

from stormkit_action.reporting.markdown import ZERO_WIDTH, code, details, fence, link, table, text
from tests.reporting.samples import HOSTILE

# Short, so that the table below stays parse_shown_line.
_ = ZERO_WIDTH


@pytest.mark.parametrize(
    ("foreign", "harmless"),
    [
        ("plain words, 42 of them.", "plain words, 42 of them."),
        ("two\nlines\r\nand\ttabs", "two lines and tabs"),
        ("@octocat", f"@{_}octocat"),
        ("hi@octocat", f"hi@{_}octocat"),
        ("@@octocat", f"@{_}@{_}octocat"),
        (f"@{ZERO_WIDTH}octocat", f"@{_}octocat"),
        ("&#64;octocat", f"&#38;#{_}64;octocat"),
        ("&commat;octocat", "&#38;commat;octocat"),
        ("#12", f"#{_}12"),
        ("# 12", "# 12"),
        ("GH-12", f"G{_}H-12"),
        ("octocat/hello#12", f"octocat/hello#{_}12"),
        ("16ab41e8", f"16ab41{_}e8"),
        ("16ab41", "16ab41"),
        ("main:prod", f"main:{_}prod"),
        ("https://evil.example", f"https:/{_}/evil.example"),
        ("www.evil.example", f"w{_}ww.evil.example"),
        (":tada:", f":{_}tada:"),
        ("main.ts:3:9:", "main.ts:3:9:"),
        ("<b>", "&#60;b&#62;"),
        ("<!-- x -->", "&#60;&#33;-- x --&#62;"),
        ("a|b", "a&#124;b"),
        ("`a`", "&#96;a&#96;"),
        ("**a** __b__ ~~c~~", "&#42;&#42;a&#42;&#42; &#95;&#95;b&#95;&#95; &#126;&#126;c&#126;&#126;"),
        ("[a](b)", "&#91;a&#93;&#40;b&#41;"),
        ("\\|", "&#92;&#124;"),
        ("$x$", "<span>&#36;</span>x<span>&#36;</span>"),
        ("\u202eabc\u202c\u200b\u2066", "abc"),
        ("\x1b[31mred\x1b[0m \x00\x07", "red"),
        ("\ud800", ""),
        ("a\U000e0041b", "ab"),
    ],
)
def test_foreign_text_is_escaped(foreign: str, harmless: str) -> None:
    assert text(foreign) == harmless


@pytest.mark.parametrize("make", [text, code])
def test_text_of_any_length_is_one_short_line(make: object) -> None:
    assert callable(make)
    markdown = make(HOSTILE * 5, 50)
    assert "\n" not in markdown
    assert len(markdown) < 50 * 20


@pytest.mark.parametrize(
    ("foreign", "shown"),
    [
        ("16ab41e", "<code>16ab41e</code>"),
        ("fix/#12-thing", "<code>fix/#12-thing</code>"),
        ("a|`b`", "<code>a&#124;&#96;b&#96;</code>"),
        ("</code>@octocat", f"<code>&#60;/code&#62;<span>@</span>{_}octocat</code>"),
        ("types@1.2", "<code>types<span>@</span>1.2</code>"),
        ("", ""),
    ],
)
def test_code_is_escaped_and_mentions_nobody(foreign: str, shown: str) -> None:
    assert code(foreign) == shown


@pytest.mark.parametrize("foreign", ["\u05e9\u05dc\u05d1", "\u0645\u0631\u062d\u0644\u0629"])
def test_a_right_to_left_name_is_followed_by_a_left_to_right_mark(foreign: str) -> None:
    assert text(foreign) == f"{foreign}\u200e"
    assert code(foreign) == f"<code>{foreign}</code>\u200e"


def test_a_link_without_a_url_is_its_label() -> None:
    assert link("Build log", "") == "Build log"


def test_a_url_cannot_break_out_of_its_attribute_or_cell() -> None:
    url = 'https://example.com/?a=1&b="><script>|'
    assert link("x", url) == '<a href="https://example.com/?a=1&amp;b=%22%3E%3Cscript%3E%7C">x</a>'


@pytest.mark.threat("A hostile build log")
@pytest.mark.parametrize("run", ["", "`", "```", "`````", "~~~"])
def test_a_fence_is_longer_than_any_fence_inside(run: str) -> None:
    lines = fence(f"a\n{run}\nb").split("\n")
    ticks = lines[0].removesuffix("text")
    assert set(ticks) == {"`"}
    assert len(ticks) >= 3
    assert lines[-1] == ticks
    assert all(ticks not in line for line in lines[1:-1])


@pytest.mark.threat("A hostile build log")
@pytest.mark.parametrize(
    ("foreign", "shown"),
    [
        ("inflight@1.0.6", "inflight@1.0.6"),
        ("at @vue/cli", f"at @{_}vue/cli"),
        ("&#64;octocat", "&#64;octocat"),
        ("<!-- stormkit-action comment stormkit -->", f"<{_}!-- stormkit-action comment stormkit -->"),
        ("\x1b[31mred\x1b[0m\r\nnext\rlast", "red\nnext\nlast"),
    ],
)
def test_a_fence_shows_output_unchanged_but_mentions_nobody(foreign: str, shown: str) -> None:
    assert fence(foreign) == f"```text\n{shown}\n```"


def test_columns_of_numbers_are_right_aligned() -> None:
    assert table(["a", "b"], [["1", "2"]]) == "| a | b |\n| :--- | :--- |\n| 1 | 2 |"
    assert table(["a", "b"], [["1", "2"]], numbers=True) == "| a | b |\n| :--- | ---: |\n| 1 | 2 |"


def test_details_are_folded_by_default() -> None:
    assert details("s", "b") == "<details>\n<summary>s</summary>\n\nb\n\n</details>"
    assert details("s", "b", unfolded=True).startswith("<details open>\n")


@pytest.mark.threat("A hostile pull request")
def test_no_active_character_of_hostile_text_remains() -> None:
    assert not re.search(r"[<>|`*_~\[\]()\\]", re.sub("</?span>", "", text(HOSTILE, 100_000)))
