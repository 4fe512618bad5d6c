"""Parsers of single input values: what they accept, what it becomes, and what they refuse."""

import contextlib
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stormkit_action import parsers
from stormkit_action.inputs import Command, Switch

# Parser, accepted text, and the value it becomes.
ACCEPTED: list[tuple[Callable[[str], Any], str, Any]] = [
    (parsers.api_key, "SK_abc", "SK_abc"),
    (parsers.api_key, "Bearer SK_abc", "SK_abc"),
    (parsers.api_key, "bearer   SK_abc", "SK_abc"),
    (parsers.api_key, "BearerOfNews", "BearerOfNews"),
    (parsers.token, "", ""),
    (parsers.token, "ghs_x.y-z_1!", "ghs_x.y-z_1!"),
    (parsers.env_id, "", ""),
    (parsers.env_id, "305", "305"),
    (parsers.deployment_id, "8241", "8241"),
    (parsers.environments, "", []),
    (parsers.environments, "docs: 305", [("docs", "305")]),
    (parsers.environments, "\n  docs :305  \r\n\n web app:306\n", [("docs", "305"), ("web app", "306")]),
    (parsers.environments, "docs, v2: 305", [("docs, v2", "305")]),
    (parsers.environments, "# off: 304\ndocs: 305", [("docs", "305")]),
    (parsers.environments, "a   b\t c: 1", [("a b c", "1")]),
    (parsers.environments, "ドキュメント: 305", [("ドキュメント", "305")]),
    (parsers.one_of(Command), "cleanup", Command.CLEANUP),
    (parsers.switch(Switch), "auto", Switch.AUTO),
    (parsers.switch(Switch), "True", Switch.TRUE),
    (parsers.switch(Switch), "FALSE", Switch.FALSE),
    *[(parsers.boolean, text, True) for text in ("true", "True", "TRUE")],
    *[(parsers.boolean, text, False) for text in ("false", "False", "FALSE")],
    (parsers.duration(), "90", timedelta(seconds=90)),
    (parsers.duration(), "90s", timedelta(seconds=90)),
    (parsers.duration(), "15m", timedelta(minutes=15)),
    (parsers.duration(), "1h30m", timedelta(minutes=90)),
    (parsers.duration(), "1h30m10s", timedelta(minutes=90, seconds=10)),
    (parsers.duration(), "1h5s", timedelta(hours=1, seconds=5)),
    (parsers.duration(), "1.5h", timedelta(minutes=90)),
    (parsers.duration(), "0h1m", timedelta(minutes=1)),
    (parsers.duration(), "168h", timedelta(days=7)),
    (parsers.duration(least=0.1, most=300), "0.2s", timedelta(milliseconds=200)),
    (parsers.duration(least=0.1, most=300), "0.1", timedelta(milliseconds=100)),
    (parsers.whole_number(most=10), "0", 0),
    (parsers.whole_number(most=10), "10", 10),
    (parsers.whole_number(most=10), "007", 7),
    (parsers.line(10), "", ""),
    (parsers.line(10), "Doc’s  ✅", "Doc’s  ✅"),
    (parsers.branch, "", ""),
    (parsers.branch, "main", "main"),
    (parsers.branch, "refs/heads/feature/x", "feature/x"),
    (parsers.branch, "feature/ünïcode-#42+{x}", "feature/ünïcode-#42+{x}"),
    (parsers.branch, "gh-readonly-queue/main/pr-1-abc", "gh-readonly-queue/main/pr-1-abc"),
    (parsers.branch, "a@b", "a@b"),
    (parsers.branch, "locked/x", "locked/x"),
    (parsers.sha, "", ""),
    (parsers.sha, "6DCB09B", "6dcb09b"),
    (parsers.sha, "a" * 40, "a" * 40),
    (parsers.comment_key, "stormkit", "stormkit"),
    (parsers.comment_key, "docs.v2_a-b", "docs.v2_a-b"),
    (parsers.url_path, "", ""),
    (parsers.url_path, "/", "/"),
    (parsers.url_path, "/health?deep=1&x=%20#a", "/health?deep=1&x=%20#a"),
    (parsers.origin, "https://api.stormkit.io", "https://api.stormkit.io"),
    (parsers.origin, "https://api.stormkit.io/", "https://api.stormkit.io"),
    (parsers.origin, "HTTPS://API.Example.com:8443//", "https://api.example.com:8443"),
    (parsers.origin, "http://localhost:3000", "http://localhost:3000"),
    (parsers.origin, "http://[::1]:80", "http://[::1]:80"),
    (parsers.origin, "http://stormkit_api", "http://stormkit_api"),
    (parsers.origin, "https://10.0.0.7", "https://10.0.0.7"),
    (parsers.origin, "https://example.com:", "https://example.com"),
]

REFUSED: list[tuple[Callable[[str], Any], list[str]]] = [
    (parsers.api_key, ["", " ", "Bearer", "Bearer ", "SK_a SK_b", "SK_a\nSK_b", "SK_ä", "SK_\x00", "SK_\udc80"]),
    (parsers.token, ["a b", "a\n", "ü", "\x7f"]),
    (parsers.env_id, ["a/b", "..", "30 5", "x" * 65, "305\n", "３０５", "SK_secret"]),
    (parsers.deployment_id, ["8241?x=1", "#8241", "82 41", "SK_secret"]),
    (
        parsers.environments,
        [
            "docs",
            "docs:",
            ": 305",
            "docs: 30 5",
            'docs: "305"',
            "docs: 305, web: 306",
            "docs:305,web:306",
            "docs: 305\ndocs: 306",
            "docs: 305\nweb: 305",
            "#docs: 305",
            "\u200b: 305",
            "x" * 101 + ": 305",
            "docs: SK_secret",
            "- 305",
        ],
    ),
    (parsers.one_of(Command), ["", "Deploy", "redeploy", "deploy "]),
    (parsers.switch(Switch), ["", "Auto", "yes", "1", "on", "tRUE"]),
    (parsers.boolean, ["", "yes", "no", "on", "off", "1", "0", "y", "tRuE", "true ", "null", "~"]),
    (
        parsers.duration(),
        [
            "",
            "0",
            "0s",
            "0.9",
            "-5",
            "+5",
            "1d",
            "1 h",
            "h",
            "s",
            "m1",
            "30m1h",
            "1h30",
            "1m30",
            "1.h",
            ".5h",
            "1e3",
            "169h",
            "999999h",
            "9999999",
            "∞",
            "٣m",
            "90S",
            "1:30",
            "1h1h",
            "nan",
            "1,5h",
        ],
    ),
    (parsers.duration(least=0.1, most=300), ["0", "0.05s", "301", "6m"]),
    (parsers.whole_number(most=10), ["", "11", "-1", "1.0", "0x1", " 1", "９", "9" * 5000]),
    (parsers.line(10), ["x" * 11, "a\nb", "a\tb", "a\rb", "\x1b[31mred", "a\u202eb", "a\u200bb", "\x00"]),
    (
        parsers.branch,
        [
            "refs/heads/",
            "refs/tags/v1",
            "refs/pull/1/merge",
            "a b",
            "a..b",
            "a~1",
            "a^",
            "a:b",
            "a?",
            "a*",
            "a[b",
            "a\\b",
            "/a",
            "a/",
            "a//b",
            "a.",
            "a.lock",
            "a.lock/b",
            ".a",
            "a/.b",
            "@",
            "HEAD",
            "a@{1}",
            "-a",
            "a\x7f",
            "x" * 251,
            "a\n",
            "\x00",
        ],
    ),
    (parsers.sha, ["6dcb09", "g" * 40, "a" * 41, "HEAD", "６dcb09b"]),
    (parsers.comment_key, ["", "a b", "a--b", "-->", "ü", "x" * 65]),
    (
        parsers.url_path,
        ["health", "//evil.example.com", "/\\evil.example.com", "https://example.com/", "/a b", "/ü", "/\n", "?x"],
    ),
    (
        parsers.origin,
        [
            "",
            "api.stormkit.io",
            "https://",
            "https:///x",
            "ftp://example.com",
            "https://example.com/v1",
            "https://example.com?x",
            "https://example.com?",
            "https://example.com#",
            "https://user@example.com",
            "https://user:word@example.com",
            "https://exa mple.com",
            "https://exa\nmple.com",
            "https://exämple.com",
            "https://example.com:0",
            "https://example.com:99999",
            "https://example.com:x",
            "https://[::1",
            "https://..",
            "https://good.example.com\\@evil.example.com",
            "javascript://x",
            "https://[::1%25eth0]",
        ],
    ),
    (parsers.status_codes, ["", "99", "600", "200-", "-200", "399-200", "200,,401", "2xx", "200 401", "２００"]),
]


@pytest.mark.parametrize(("parse", "text", "value"), ACCEPTED)
def test_accepted_values_are_parsed(parse, text, value):
    assert parse(text) == value


@pytest.mark.parametrize(("parse", "text"), [(parse, text) for parse, texts in REFUSED for text in texts])
def test_a_refused_value_says_what_is_valid(parse, text):
    with pytest.raises(ValueError, match=r"^(use |it is |save )") as caught:
        parse(text)
    # The message is the end of a sentence, to which the caller adds the full stop.
    assert not str(caught.value).endswith(".")


def test_limits_of_durations_are_in_readable_units():
    with pytest.raises(ValueError, match=r"from 0\.1s to 5m$"):
        parsers.duration(least=0.1, most=300)("0")
    with pytest.raises(ValueError, match=r"from 1s to 168h$"):
        parsers.duration()("0")


@pytest.mark.parametrize(
    ("text", "inside", "outside"),
    [
        ("200", [200], [199, 201, 404]),
        ("200-399", [200, 301, 399], [199, 400]),
        ("200,401", [200, 401], [201, 400]),
        (" 200 - 204 , 418 ", [200, 204, 418], [205]),
    ],
)
def test_status_codes_contain_their_ranges_only(text, inside, outside):
    codes = parsers.status_codes(text)
    assert all(code in codes for code in inside)
    assert not any(code in codes for code in outside)


@pytest.mark.threat("A hostile API answer")
@pytest.mark.parametrize(
    ("text", "insecure"),
    [
        ("https://example.com", False),
        ("http://localhost:3000", False),
        ("http://127.0.0.1", False),
        ("http://127.8.9.10:1", False),
        ("http://[::1]:3000", False),
        ("http://api.stormkit.localhost:8888", False),
        ("http://example.com", True),
        ("http://10.0.0.1", True),
        ("http://127.0.0.1.example.com", True),
        ("http://localhost.example.com", True),
        ("http://[::2]", True),
    ],
)
def test_an_origin_is_insecure_if_http_leaves_the_machine(text, insecure):
    assert parsers.insecure(parsers.origin(text)) is insecure


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("yse", "yse"),
        ("two\nlines", "two lines"),
        ("x" * 100, "x" * 79 + "…"),
        ("SK_abcdef", "***"),
        ("label SK_abcdef", "label ***"),
        ("https://monalisa:word@example.com/p", "https://***@example.com/p"),
        ("https://monalisa:wo/rd@example.com", "https://***@example.com"),
        ("monalisa:word@example.com", "***@example.com"),
        ("proxy=monalisa:wo:rd@example.com x", "***@example.com x"),
        (
            "https://example.com/?token=abc&x=1#access_token=abc",
            "https://example.com/?token=***&x=***#access_token=***",
        ),
        ("octocat@users", "octocat@users"),
        ("\x1b[31mred\udc80", "red?"),
    ],
)
def test_wrong_values_are_shown_cut_and_without_secrets(text, shown):
    assert parsers.shown(text) == shown


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("'SK_do_not_show'", "in quotes"),
        ('"SK_do_not_show"', "in quotes"),
        ("`SK_do_not_show`", "in quotes"),
        ("SK_do_not_show'", "in quotes"),
        ("STORMKIT_API_KEY=SK_do_not_show", "NAME=value"),
        ("api_key=do_not_show", "NAME=value"),
        ("/run/secrets/do_not_show", "path"),
        ("./do_not_show", "path"),
        ("~/do_not_show", "path"),
        ("secrets/do_not_show", "path"),
        ("C:\\do_not_show", "path"),
        ("$DO_NOT_SHOW", "not expanded"),
        ("${do_not_show}", "not expanded"),
        ("$(do_not_show)", "not expanded"),
        ("${{ secrets.do_not_show }}", "not expanded"),
        ("%DO_NOT_SHOW%", "not expanded"),
    ],
)
def test_a_mistaken_key_is_refused_with_its_mistake_and_not_shown(text, message):
    with pytest.raises(ValueError, match=message) as caught:
        parsers.api_key(text)
    assert "do_not_show" not in str(caught.value).lower()
    assert "begin with SK_" in str(caught.value)


@pytest.mark.parametrize("text", ["SK_a=b", "SK_a/b", "abc=", "a$b"])
def test_a_key_can_contain_any_punctuation(text):
    assert parsers.api_key(text) == text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- docs: 305", 'line 1 begins with "-": write "docs: 305"'),
        ("docs: 305\n* web: 306", r'line 2 begins with "\*": write "web: 306"'),
        ("- name: docs\n  env-id: 305", 'line 1 begins with "-"$'),
        ("305: docs", 'line 1 has the env-id first: write "docs: 305"'),
        ('{"docs": "305"}', 'line 1 looks like JSON: write "docs: 305"'),
        ('["305"]', "line 1 looks like JSON$"),
        ("docs=305", 'line 1 has "=" instead of ":": write "docs: 305"'),
        ("docs => 305", 'write "docs: 305"'),
        ("docs 305", 'line 1 has no colon: write "docs: 305"'),
        ("web app 305", 'write "web app: 305"'),
        ("docs -> 305", 'line 1 has no colon: write "docs: 305"'),
        ("305", "line 1 has no colon$"),
        ("docs:\n  305", "line 1 has no env-id$"),
        ('docs: "305"', 'line 1 has quotes: write "docs: 305"'),
        ("'docs': 305", 'line 1 has quotes: write "docs: 305"'),
        ("docs: 305 # the manual", 'line 1 has a comment; comments stand on a line of their own: write "docs: 305"'),
        ("docs: SK_0123456789abcdef", "line 1 has an API key instead of an env-id$"),
        (r"docs: 305\nweb: 306", "line 1 has more than one environment: begin a new line for each"),
        ("docs: 305; web: 306", "more than one environment"),
        ("docs: 305 web: 306", "more than one environment"),
        ("docs: 305, web: 306", "more than one environment"),
        ("docs=305;web=306", "more than one environment"),
        ("docs: 305\nweb: 305", "use a different env-id on every line; 305 is there twice"),
    ],
)
def test_a_mistake_in_environments_is_explained_with_its_line(text, message):
    with pytest.raises(ValueError, match=message):
        parsers.environments(text)


PARSERS = list(dict.fromkeys([parse for parse, _, _ in ACCEPTED] + [parse for parse, _ in REFUSED]))
# Text that resembles valid values, so that it gets past the first checks.
HOSTILE = st.one_of(
    st.text(),
    st.text(alphabet="0123456789.hms:/-,#SK_ \n\\@[]%?"),
    st.builds("https://{}".format, st.text(max_size=20)),
    st.builds("{}: 305".format, st.text(max_size=20)),
)


@pytest.mark.parametrize("parse", PARSERS)
@given(text=HOSTILE)
def test_parsing_any_text_raises_nothing_but_a_value_error(parse, text):
    with contextlib.suppress(ValueError):
        parse(text)


@given(text=HOSTILE)
def test_parsing_an_accepted_origin_again_changes_nothing(text):
    try:
        origin = parsers.origin(text)
    except ValueError:
        return
    assert parsers.origin(origin) == origin
    assert not set(origin) & set(" @?#\n\\")


@given(text=st.text(alphabet="ab./-@{}~\x00 é", max_size=12))
def test_parsing_an_accepted_branch_again_changes_nothing(text):
    try:
        branch = parsers.branch(text)
    except ValueError:
        return
    assert parsers.branch(branch) == branch
