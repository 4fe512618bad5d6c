import itertools

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stormkit_action.stormkit import long_text
from stormkit_action.stormkit.long_text import LINE, TAIL, LongText, lines


def test_lines_have_no_ends():
    assert list(lines(["one\ntwo\r\nthr", "ee\n"])) == ["one", "two", "three", ""]


def test_nothing_is_one_empty_line():
    assert list(lines([])) == list(lines([""])) == [""]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text("ab\n\r", max_size=60), cuts=st.lists(st.integers(min_value=0, max_value=60), max_size=6))
def test_the_lines_are_the_same_however_the_text_is_cut(monkeypatch, text, cuts):
    monkeypatch.setattr(long_text, "LINE", 5)
    places = [0, *sorted(cuts), len(text)]
    pieces = [text[start:end] for start, end in itertools.pairwise(places)]
    assert list(lines(pieces)) == list(lines([text]))
    assert "".join(lines([text])).replace("\r", "") == text.replace("\n", "").replace("\r", "")


def test_a_line_without_end_comes_in_parts():
    assert [len(line) for line in lines(["x" * LINE, "x" * LINE, "x"])] == [LINE, LINE, 1]


def test_a_long_text_keeps_all_of_it_and_its_tail():
    text = LongText()
    for number in range(1000):
        text.append(f"{number} 😀\n" * 20)
    whole = "".join(text.pieces())
    assert whole.count("\n") == 20_000
    assert text.tail == whole[-TAIL:]
    assert "999" not in repr(text)
