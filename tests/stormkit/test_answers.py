"""How answers become values or errors: the kind of error, its message and its advice."""

import json
import re
import tracemalloc
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stormkit_action.errors import Busy, NotFound, Refused, Rejected, ServerFault, StormkitError
from stormkit_action.stormkit.answers import Response, failure, http_date, parse_json, requested_pause, server_message
from stormkit_action.stormkit.trigger import is_lost, may_have_started
from tests.stormkit import recorded

NOW = "Sat, 14 Mar 2026 09:26:53 GMT"
UNEXPECTED = {"ok": False, "error": "unexpected-error"}
OVER_LIMIT = {"error": "You have exceeded your build minutes limit"}


def response(status: int, data: Any = None, *, text: str = "", is_first: bool = False, **headers: str) -> Response:
    as_text = text or ("" if data is None else json.dumps(data))
    media_type = "text/plain" if text else "application/json"
    return Response(
        status=status,
        headers={"Content-Type": media_type, **{name.replace("_", "-"): value for name, value in headers.items()}},
        data=data,
        text=as_text,
        action="reading deployment 8241",
        origin="https://api.example.com",
        is_first=is_first,
    )


def error_for(status: int, data: Any = None, **more: Any) -> StormkitError:
    return failure(response(status, data, **more))


@pytest.mark.parametrize(
    ("status", "data", "kind", "message", "advice"),
    [
        (400, {"errors": ["no such thing"]}, Rejected, "no such thing", "Correct what it names"),
        (400, {"errors": {"branch": "is empty"}}, Rejected, "branch: is empty", "Correct what it names"),
        (400, None, Rejected, "", "Correct what it names"),
        (401, None, Refused, "", "Create one under Your App → Environment → Config → Other → API Keys"),
        (402, OVER_LIMIT, Refused, OVER_LIMIT["error"], "change the plan; nothing was built"),
        (403, None, Refused, "", "with an app, team or user key check env-id too"),
        (403, {"error": "No.", "code": "forbidden", "docs": "https://x"}, Refused, "No.", "repository secret"),
        (404, None, NotFound, "", "without env-id. An app, team or user key needs env-id"),
        (
            404,
            {"error": "gone", "code": "not-found"},
            NotFound,
            "gone",
            "with an environment's key check the other values",
        ),
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
def test_each_status_has_its_kind_of_error_message_and_advice(status, data, kind, message, advice):
    error = error_for(status, data)
    assert type(error) is kind
    assert (error.status, error.server_message) == (status, message)
    assert f"{status}" in error.text
    assert re.search(r" while reading deployment 8241[.,]", error.text)
    assert advice in error.text
    assert (f'It says: "{message.removesuffix(".")}".' in error.text) is bool(message)
    assert error.text == str(error)


def test_a_server_fault_says_whether_it_is_stormkit_s_own_answer():
    assert isinstance(error := error_for(500, UNEXPECTED), ServerFault)
    assert error.from_stormkit
    assert isinstance(error := error_for(502), ServerFault)
    assert not error.from_stormkit


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308, 304])
def test_a_redirect_is_rejected_and_names_its_target(status):
    error = error_for(status, Location="https://elsewhere.example.com/\x1b[31mx")
    assert type(error) is Rejected
    assert "a redirect to https://elsewhere.example.com/x " in error.text
    assert "set api-url to the API's own origin" in error.text
    assert "another address" in error_for(status).text


def test_an_error_passes_on_the_requested_pause():
    assert error_for(429, Retry_After="7").retry_after == 7
    assert error_for(503, Retry_After="7").retry_after == 7


@pytest.mark.parametrize(
    ("data", "message"),
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
def test_the_server_s_message_is_read_from_error_or_errors(data, message):
    assert server_message(data) == message


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
        *[("", {"retry": pause}, 0.0) for pause in (None, True, "3", -1, 10**400, float("nan"), float("inf"), [], {})],
        ("", {"retry": 1e300}, 0.0),
        ("", [], 0.0),
    ],
)
def test_the_requested_pause_is_read_from_header_or_body(header, data, seconds):
    assert requested_pause({"Retry-After": header, "Date": NOW}, data) == seconds


@given(
    st.text(max_size=60)
    | st.from_regex(r"[A-Z][a-z]{2}, [0-9]{1,3} [A-Z][a-z]{2} [0-9]{1,6} [0-9:]{1,9} [+-][0-9]{1,9}")
)
def test_any_retry_after_header_gives_a_pause_within_a_day(text):
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
def test_invalid_or_oversized_json_is_none_and_takes_little_memory(body):
    tracemalloc.start()
    try:
        assert parse_json(body) is None
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 4 * len(body) + 30_000_000


def test_brackets_inside_strings_do_not_count_as_depth_or_size():
    log = '{"a": [1, 2], "b": "\\" },' * 100_000
    assert parse_json(json.dumps({"logs": [{"message": log}]}).encode()) == {"logs": [{"message": log}]}


def test_a_page_of_deployments_is_within_the_limits():
    rows = [{f"field{number}": [number, {}] for number in range(100)} for _ in range(20)]
    assert parse_json(json.dumps(rows).encode()) == rows


@given(st.text(st.sampled_from('{}[]",:\\u0d8e1 \n'), max_size=40))
def test_small_documents_are_parsed_like_json_loads(text):
    try:
        expected = json.loads(text)
    except ValueError:
        expected = None
    assert parse_json(text.encode()) == expected


@pytest.mark.parametrize(
    ("status", "data", "is_own"),
    [
        (500, UNEXPECTED, True),
        (500, {**UNEXPECTED, "more": 1}, False),
        (500, {"error": "unexpected-error"}, False),
        (500, {"message": "Internal server error"}, False),
        (502, UNEXPECTED, False),
        (502, {"cloudflare_error": True, "title": "Error 502: Bad gateway"}, False),
        (503, {"message": "name resolution failed"}, False),
        (504, {"message": "Endpoint request timed out"}, False),
        (500, None, False),
    ],
)
def test_only_a_500_with_stormkit_s_exact_body_is_its_own_answer(status, data, is_own):
    error = error_for(status, data)
    assert isinstance(error, ServerFault)
    assert error.from_stormkit is is_own
    assert error.retryable


@pytest.mark.parametrize("status", [100, 102, 103, 408, 425])
@pytest.mark.parametrize("is_first", [True, False])
def test_statuses_that_say_nothing_about_the_request_count_as_lost_answers(status, is_first):
    error = error_for(status, is_first=is_first)
    assert is_lost(error)
    assert error.retryable


def test_a_421_is_retryable_and_was_not_carried_out():
    error = error_for(421)
    assert error.retryable
    assert not may_have_started(error)


@pytest.mark.parametrize(
    ("data", "text", "content_type", "is_proof"),
    [
        (None, "", "application/json", True),
        (None, "", "application/json; charset=utf-8", True),
        ({"error": "The requested resource was not found.", "code": "not-found"}, "", "application/json", True),
        ({"error": "Repository is not found or is inaccessible."}, "", "application/json", False),
    ],
)
def test_a_404_of_a_handler_proves_that_the_deployment_is_gone(data, text, content_type, is_proof):
    error = error_for(404, data, text=text, Content_Type=content_type)
    assert isinstance(error, NotFound)
    assert error.from_handler is is_proof
    assert not error.retryable


@pytest.mark.parametrize(
    ("data", "text", "content_type"),
    [
        (None, "404 page not found\n", "text/plain; charset=utf-8"),
        (None, "default backend - 404", "text/plain"),
        (None, "", "text/plain"),
        (None, "", ""),
        (None, "<html>404 Not Found</html>", "text/html"),
        ({"message": "no Route matched with those values"}, "", "application/json"),
    ],
)
def test_a_404_of_a_proxy_is_a_server_fault(data, text, content_type):
    error = error_for(404, data, text=text, Content_Type=content_type)
    assert isinstance(error, ServerFault)
    assert not error.from_stormkit
    assert "check api-url" in error.text


def test_a_404_names_the_environment_of_the_request():
    error = failure(response(404)._replace(env_id="999"))
    assert "while reading deployment 8241 in environment 999." in error.text
    assert "that the API key reaches environment 999" in error.text


def test_a_404_advises_checking_api_url_too():
    assert "Check api-url too: the API is at https://api.<domain>." in error_for(404).text


@pytest.mark.parametrize("body", [{"text": "<html>Access denied</html>"}, {"data": {"message": "Forbidden"}}])
def test_a_firewall_s_403_is_final_at_first_and_retryable_after_an_answer(body):
    data = body.get("data")
    first = error_for(403, data, text=body.get("text", ""), is_first=True)
    assert isinstance(first, Refused)
    later = error_for(403, data, text=body.get("text", ""))
    assert isinstance(later, ServerFault)
    for error in (first, later):
        assert "firewall or proxy" in error.text
        assert "let the runner reach https://api.example.com" in error.text
        assert "Create one" not in error.text
    assert later.retryable


def test_a_rate_limit_s_reset_is_relative_to_the_server_s_own_clock():
    reset = int(parsedate_to_datetime(NOW).timestamp()) + 7
    error = error_for(429, text="Too many requests", Date=NOW, X_RateLimit_Reset=str(reset))
    assert isinstance(error, Busy)
    assert error.retry_after == 7


RECORDED_REFUSALS = [
    exchange
    for scenario in ("refusals", "delete", "previews", "restart-after-failure")
    for exchange in recorded.exchanges(scenario)
    if exchange["response"]["status"] >= 400 and exchange["request"]["path"].startswith("/v1/")
]


@pytest.mark.parametrize(
    "exchange", RECORDED_REFUSALS, ids=lambda exchange: f"{exchange['request']['method']} {exchange['request']['path']}"
)
def test_a_recorded_refusal_has_the_expected_kind_of_error(exchange):
    answer = exchange["response"]
    text = json.dumps(answer["json"]) if "json" in answer else answer.get("text", "")
    headers = {name.title(): value for name, value in answer["headers"].items()}
    error = failure(
        Response(
            status=answer["status"],
            headers=headers,
            data=parse_json(text.encode()),
            text=text,
            action="trying",
            origin="https://api.example.com",
            is_first=True,
        )
    )
    content_type = headers.get("Content-Type", "")
    kinds = {400: Rejected, 403: Refused, 404: NotFound, 405: Rejected}
    expected = kinds[answer["status"]]
    if answer["status"] == 404 and "html" in content_type:
        expected = Rejected
    elif answer["status"] == 404 and "text/plain" in content_type:
        expected = ServerFault
    assert type(error) is expected
    if isinstance(error, NotFound):
        assert error.from_handler
    if expected is Refused:
        assert "refused the API key" in error.text
