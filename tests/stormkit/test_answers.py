"""What a refusal means: its kind, its words, and what to do next."""

import json
import tracemalloc
from datetime import UTC
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stormkit_action.errors import Busy, NotFound, Refused, Rejected, ServerFault, StormkitError
from stormkit_action.stormkit.answers import Response, failure, http_date, parse_json, requested_pause, server_message

NOW = "Sat, 14 Mar 2026 09:26:53 GMT"
UNEXPECTED = {"ok": False, "error": "unexpected-error"}
OVER_LIMIT = {"error": "You have exceeded your build minutes limit"}


def refused(status: int, data: Any = None, **headers: str) -> StormkitError:
    return failure(
        Response(
            status=status,
            headers={name.replace("_", "-"): value for name, value in headers.items()},
            data=data,
            action="reading deployment 8241",
            origin="https://api.example.com",
        )
    )


@pytest.mark.parametrize(
    ("status", "data", "kind", "words", "advice"),
    [
        (400, {"errors": ["no such thing"]}, Rejected, "no such thing", "Correct what it names"),
        (400, {"errors": {"branch": "is empty"}}, Rejected, "branch: is empty", "Correct what it names"),
        (400, None, Rejected, "", "Correct what it names"),
        (401, None, Refused, "", "Create one under Your App → Environment → Config → Other → API Keys"),
        (402, OVER_LIMIT, Refused, OVER_LIMIT["error"], "change the plan; nothing was built"),
        (403, None, Refused, "", "with an app, team or user key check env-id too"),
        (403, {"error": "No.", "code": "forbidden", "docs": "https://x"}, Refused, "No.", "repository secret"),
        (404, None, NotFound, "", "env-id is needed"),
        (404, {"error": "gone", "code": "not-found"}, NotFound, "gone", "Check env-id, the ids and the branch"),
        (405, None, Rejected, "", "Correct what it names"),
        (418, {"error": ""}, Rejected, "", "Correct what it names"),
        (429, {"error": "too-many-requests"}, Busy, "too-many-requests", "Run again later"),
        (500, UNEXPECTED, ServerFault, "unexpected-error", "look at the server's own log"),
        (500, None, ServerFault, "", "check that https://api.example.com serves the Stormkit API"),
        (502, None, ServerFault, "", "or a proxy in front of it"),
        (503, None, ServerFault, "", "or a proxy in front of it"),
        (599, [], ServerFault, "", "or a proxy in front of it"),
    ],
)
def test_kinds_words_and_advice(status, data, kind, words, advice):
    error = refused(status, data)
    assert type(error) is kind
    assert (error.status, error.server_message) == (status, words)
    assert f"{status}" in error.text
    assert " while reading deployment 8241." in error.text
    assert advice in error.text
    assert (f'It says: "{words}".' in error.text) is bool(words)
    assert error.text == str(error)


def test_who_says_that_the_server_failed():
    assert isinstance(error := refused(500, UNEXPECTED), ServerFault)
    assert error.from_stormkit
    assert isinstance(error := refused(502), ServerFault)
    assert not error.from_stormkit


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308, 304])
def test_redirects_say_where_they_lead(status):
    error = refused(status, Location="https://elsewhere.example.com/\x1b[31mx")
    assert type(error) is Rejected
    assert "a redirect to https://elsewhere.example.com/x " in error.text
    assert "set api-url to the API's own origin" in error.text
    assert "another address" in refused(status).text


def test_how_long_to_wait_is_handed_on():
    assert refused(429, Retry_After="7").retry_after == 7
    assert refused(503, Retry_After="7").retry_after == 7


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"error": "one\ntwo\x1b[31m"}, "one two"),
        ({"error": "x" * 500}, "x" * 199 + "…"),
        ({"error": "first", "errors": ["second"]}, "first"),
        ({"error": " ", "errors": ["a", 5, "b"]}, "a; b"),
        ({"errors": {"a": "b", "c": 5, "d": "e"}}, "a: b; d: e"),
        *[
            (data, "")
            for data in (None, [], "x", 5, {}, {"error": None}, {"error": {}}, {"errors": "x"}, {"errors": [[]]})
        ],
    ],
)
def test_words(data, words):
    assert server_message(data) == words


@pytest.mark.parametrize(
    ("header", "data", "seconds"),
    [
        ("", None, 0.0),
        ("7", None, 7.0),
        ("0.5", None, 0.5),
        ("", {"retry": 3}, 3.0),
        ("", {"retry": 2.5}, 2.5),
        ("5", {"retry": 3}, 5.0),
        ("1", {"retry": 3}, 3.0),
        ("Sat, 14 Mar 2026 09:27:03 GMT", None, 10.0),
        ("Sat, 14 Mar 2026 10:27:03 +0100", None, 10.0),
        ("Sat, 14 Mar 2026 09:27:03 -0000", None, 10.0),
        ("86400", None, 86400.0),
        *[
            (header, None, 0.0)
            for header in ("-5", "soon", "nan", "inf", "1e300", "86401", "Sat, 14 Mar 2020 09:27:03 GMT")
        ],
        *[
            (header, None, 0.0)
            for header in ("Fri, 31 Dec 9999 23:59:59 -2300", "Mon, 1 Jan 2026 00:00:00 +" + "9" * 30)
        ],
        *[("", {"retry": each}, 0.0) for each in (None, True, "3", -1, 10**400, float("nan"), float("inf"), [], {})],
        ("", {"retry": 1e300}, 0.0),
        ("", [], 0.0),
    ],
)
def test_how_long_the_server_asks_to_wait(header, data, seconds):
    assert requested_pause({"Retry-After": header, "Date": NOW}, data) == seconds


@given(
    st.text(max_size=60)
    | st.from_regex(r"[A-Z][a-z]{2}, [0-9]{1,3} [A-Z][a-z]{2} [0-9]{1,6} [0-9:]{1,9} [+-][0-9]{1,9}")
)
def test_any_header_is_survived(text):
    assert 0.0 <= requested_pause({"Retry-After": text, "Date": NOW}, None) <= 86400.0
    date = http_date(text)
    assert date is None or date.tzinfo is UTC


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"{",
        b'"' + b"x" * 500_000,
        b'"\\x"',
        pytest.param(b"[" * 100_000, id="depth"),
        pytest.param(b"[" * 65 + b"]" * 65, id="one level too deep"),
        pytest.param(b'{"a":' * 100_000, id="depth of objects"),
        pytest.param(b'{"n": ' + b"9" * 5000 + b"}", id="a number too long to convert"),
        pytest.param(b"[" + b"{}," * 20_000_000 + b"{}]", id="60 MB of {},"),
        pytest.param(b"[" + b'"",' * 20_000_000 + b'""]', id="60 MB of empty strings"),
        pytest.param(b'["' + b'\\"' * 20_000_000, id="60 MB of escapes"),
    ],
)
def test_what_is_no_json_or_more_than_any_answer_is_none(body):
    tracemalloc.start()
    try:
        assert parse_json(body) is None
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 4 * len(body) + 30_000_000


def test_what_stands_inside_strings_counts_for_nothing():
    log = '{"a": [1, 2], "b": "\\" },' * 100_000
    assert parse_json(json.dumps({"logs": [{"message": log}]}).encode()) == {"logs": [{"message": log}]}


def test_as_much_as_a_page_of_deployments_is_read():
    rows = [{f"field{number}": [number, {}] for number in range(100)} for _ in range(20)]
    assert parse_json(json.dumps(rows).encode()) == rows


@given(st.text(st.sampled_from('{}[]",:\\u0d8e1 \n'), max_size=40))
def test_small_documents_are_read_as_the_library_reads_them(text):
    try:
        expected = json.loads(text)
    except ValueError:
        expected = None
    assert parse_json(text.encode()) == expected
