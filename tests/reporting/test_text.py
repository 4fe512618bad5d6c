"""Foreign text made printable, and numbers made parse_shown_line."""

import pytest

from stormkit_action.text import duration, one_line, redact, redact_json, size, strip_controls, tail


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\r\nb\rc\nd", "a\nb\nc\nd"),
        ("\x1b[1;31mred\x1b[0m", "red"),
        ("\x1b]8;;https://evil.example\x07link\x1b]8;;\x1b\\", "link"),
        ("\x1bMup", "up"),
        ("bell\x07, null\x00, delete\x7f, c1\x9b", "bell, null, delete, c1"),
        ("\ttab", "\ttab"),
        ("\u202eright to left\u202c, \u2066isolated\u2069, \u200fmark", "right to left, isolated, mark"),
        ("zero\u200bwidth\ufeff soft\u00adhyphen", "zerowidth softhyphen"),
        ("tag\U000e0041\U000e007f", "tag"),
        ("lone\ud800 surrogate\udfff", "lone surrogate"),
        ("🧪 ⚠️ é 漢", "🧪 ⚠️ é 漢"),
    ],
)
def test_control_characters_are_stripped(text: str, shown: str) -> None:
    assert strip_controls(text) == shown


@pytest.mark.parametrize(
    ("text", "limit", "line"),
    [
        ("", 10, ""),
        (" a \n\n b\t", 10, "a b"),
        ("0123456789", 10, "0123456789"),
        ("0123456789a", 10, "012345678…"),
        ("01234567 9a", 10, "01234567…"),
        ("\x1b[31m" * 10 + "x", 10, "x"),
        ("x" * 10_000_000, 10, "xxxxxxxxx…"),
    ],
)
def test_one_line_collapses_whitespace_and_cuts_to_its_limit(text: str, limit: int, line: str) -> None:
    assert one_line(text, limit) == line


@pytest.mark.parametrize(
    ("text", "lines", "characters", "end"),
    [
        ("", 3, 100, ""),
        ("a\nb\nc\n\n\n", 2, 100, "b\nc"),
        ("a\r\nb", 2, 100, "a\nb"),
        ("abcdef", 2, 3, "def"),
        ("x\n" * 10_000_000 + "end", 2, 100, "x\nend"),
    ],
)
def test_a_tail_has_the_last_lines_and_characters(text: str, lines: int, characters: int, end: str) -> None:
    assert tail(text, lines=lines, characters=characters) == end


def test_secrets_are_redacted_in_text_and_json_unless_too_short() -> None:
    assert redact("key SK_123456 and ab", ["SK_123456", "ab", ""]) == "key *** and ab"
    document = {"SK_123456": ["x SK_123456", 1, None, {"a": "\ud800"}]}
    assert redact_json(document, ("SK_123456",)) == {"***": ["x ***", 1, None, {"a": "?"}]}


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (-1, "0s"),
        (0, "0s"),
        (0.4, "0s"),
        (42, "42s"),
        (59.6, "1m 00s"),
        (185, "3m 05s"),
        (3599, "59m 59s"),
        (3720, "1h 02m"),
        (1e300, "999h 59m"),
    ],
)
def test_durations_are_formatted_for_people(seconds: float, shown: str) -> None:
    assert duration(seconds) == shown


@pytest.mark.parametrize(
    ("count", "shown"),
    [
        (0, "0 bytes"),
        (1, "1 byte"),
        (999, "999 bytes"),
        (1000, "1 kB"),
        (204_800, "205 kB"),
        (999_499, "999 kB"),
        (999_500, "1.0 MB"),
        (1_482_000, "1.5 MB"),
        (999_949_999, "999.9 MB"),
        (999_950_000, "1.0 GB"),
        (12_345_678_901, "12.3 GB"),
    ],
)
def test_sizes_are_formatted_for_people(count: int, shown: str) -> None:
    assert size(count) == shown
