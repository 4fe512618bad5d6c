import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stormkit_action.stormkit import json_reader
from stormkit_action.stormkit.json_reader import MAX_SIZE, JsonReader, read_document
from stormkit_action.stormkit.long_text import LongText
from stormkit_action.stormkit.models import Deployment
from stormkit_action.text import redact_json

SECRETS = ("SK_secret_key", "ghs_token")

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=60),
    st.text(st.sampled_from('ab"\\\n\r\t/é😀\u0000'), max_size=60),
    st.lists(st.sampled_from(["SK_secret", "_key", "SK_secret_key", "x" * 9, "\n"]), max_size=12).map("".join),
)
documents = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("abc", max_size=3), inner, max_size=4),
    max_leaves=12,
)


def whole(value: Any) -> Any:
    """The same with every LongText as a string."""
    if isinstance(value, LongText):
        return "".join(value.pieces())
    if isinstance(value, list):
        return [whole(entry) for entry in value]
    if isinstance(value, dict):
        return {key: whole(entry) for key, entry in value.items()}
    return value


def read(data: bytes, size: int) -> Any:
    reader = JsonReader(SECRETS)
    for start in range(0, len(data), size):
        reader.feed(data[start : start + size])
    return reader.result()


@pytest.fixture
def small_pieces(monkeypatch):
    monkeypatch.setattr(json_reader, "LONG", 16)
    monkeypatch.setattr(json_reader, "PIECE", 24)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=300)
@given(document=documents, size=st.integers(min_value=1, max_value=40), escaped=st.booleans())
def test_reads_what_the_library_reads_however_it_arrives(small_pieces, document, size, escaped):
    data = json.dumps(document, ensure_ascii=escaped).encode()
    assert whole(read(data, size)) == redact_json(json.loads(data), SECRETS)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=300)
@given(text=st.text('{}[]",:\\u0d8e1 \n', max_size=40), size=st.integers(min_value=1, max_value=9))
def test_refuses_what_the_library_refuses(small_pieces, text, size):
    try:
        expected = redact_json(json.loads(text), SECRETS)
    except ValueError:
        with pytest.raises(ValueError):  # noqa: PT011 - json's own is one
            read(text.encode(), size)
    else:
        assert whole(read(text.encode(), size)) == expected


@pytest.mark.parametrize("size", [1, 5, 6, 7, 1000])
@pytest.mark.parametrize("escaped", [True, False])
def test_a_character_is_not_cut_in_two(small_pieces, size, escaped):
    text = "😀" * 200
    assert whole(read(json.dumps(text, ensure_ascii=escaped).encode(), size)) == text


@pytest.mark.parametrize("size", [1, 13, 64])
def test_half_a_character_and_broken_bytes_are_replaced(small_pieces, size):
    lone = whole(read(b'"' + b"a" * 30 + rb"\ud83d" + b"b" * 30 + b'"', size))
    broken = whole(read(b'"' + b"a" * 30 + b"\xff" + b"b" * 30 + b'"', size))
    assert lone == "a" * 30 + "?" + "b" * 30
    assert broken == "a" * 30 + "\ufffd" + "b" * 30


def test_a_secret_is_kept_out_wherever_a_piece_ends(small_pieces):
    for before in range(60):
        text = "." * before + "SK_secret_key" + "." * 60
        assert whole(read(json.dumps(text).encode(), 7)) == text.replace("SK_secret_key", "***")


def test_only_a_big_answer_is_read_that_way():
    small = read_document([json.dumps({"deployment": {"message": "x" * 20_000}}).encode()], SECRETS)
    assert isinstance(small["deployment"]["message"], str)
    message = "line\n" * 200_000
    big = read_document([json.dumps({"id": "8241", "logs": [{"message": message}]}).encode()], SECRETS)
    assert big["id"] == "8241"
    assert whole(big["logs"][0]["message"]) == message


def test_an_answer_without_end_is_given_up():
    def chunks():
        yield b'"'
        while True:
            yield b"x" * 1_000_000

    assert read_document(chunks(), SECRETS) is None
    assert MAX_SIZE < 100_000_000


@pytest.mark.parametrize(
    "data", [b"", b"<html>" + b"x" * 500_000, b'{"a": ' * 100_000, b'"' + b"x" * 500_000, b'"\\x' * 100_000]
)
def test_what_is_no_json_is_none(data):
    assert read_document([data], SECRETS) is None


def test_a_long_log_keeps_its_end_at_hand_and_its_lines_in_reach():
    lines = [f"line {number} 😀" for number in range(100_000)]
    steps = [{"title": "npm ci", "message": "\r\n".join(lines), "status": False, "duration": 3}]
    body = json.dumps({"id": 1, "status": "failed", "error": "e" * 300_000, "logs": steps}).encode()
    deployment = Deployment.from_api(read_document([body], SECRETS))
    step = deployment.failing_step
    assert step is not None
    assert step.message.endswith(lines[-1])
    assert len(step.message) <= 40_000
    assert list(step.lines()) == lines
    assert deployment.error.startswith("eee")
