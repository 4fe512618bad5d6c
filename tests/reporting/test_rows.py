"""The comment's rows: which one is newer, what they hand on, and how they travel."""

import base64
import itertools
import json
import zlib
from dataclasses import replace

import pytest

from stormkit_action.reporting.rows import (
    LARGEST,
    MOST_ROWS,
    VERSION,
    Change,
    Row,
    State,
    active_ids,
    decode,
    encode,
    newer,
    union,
)

READY = Row(
    label="docs",
    state=State.READY,
    run_id=7,
    job="preview",
    env_id="305",
    deployment_id="8241",
    sha="6dcb09b",
    preview_url="https://docs.example.com",
    updated=1000,
    github_id="31",
)
BUILDING = replace(READY, state=State.BUILDING, preview_url="", updated=900, github_id="32")


def put(*rows: Row, before: tuple[Row, ...] = ()) -> tuple[Row, ...]:
    return Change(rows=rows).apply(before)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param(replace(BUILDING, run_id=8), READY, id="a newer run"),
        pytest.param(replace(BUILDING, run_id=8, deployment_id="1"), READY, id="a newer run of an older deployment"),
        pytest.param(replace(BUILDING, attempt=2), READY, id="a newer attempt"),
        pytest.param(replace(BUILDING, deployment_id="8242"), READY, id="a newer deployment in one run"),
        pytest.param(READY, replace(BUILDING, updated=5000), id="an end, whatever the clock says"),
        pytest.param(replace(READY, state=State.CANCELLED, deployment_id=""), BUILDING, id="an end without an id"),
        pytest.param(replace(READY, state=State.FAILED, updated=1001), READY, id="a later end"),
    ],
)
def test_newer(one, other):
    assert newer(one, other)
    assert not newer(other, one)
    assert put(other, before=(one,))[0].state is one.state
    assert put(one, before=(other,))[0].state is one.state


def test_of_two_different_rows_never_both_are_newer():
    rows = [
        replace(READY, state=state, run_id=run, attempt=attempt, deployment_id=deployment, job=job)
        for state, run, attempt, deployment, job in itertools.product(
            (State.BUILDING, State.READY), (7, 8), (1, 2), ("9", "10", ""), ("a", "b")
        )
    ]
    for one, other in itertools.combinations(rows, 2):
        assert newer(one, other) is not newer(other, one)


def test_a_change_can_be_made_again():
    change = Change(rows=(READY, replace(BUILDING, label="shop")))
    once = change.apply((replace(BUILDING, label="other"),))
    assert [row.label for row in once] == ["other", "docs", "shop"]
    assert change.apply(once) == once
    assert change.holds(once)


@pytest.mark.parametrize(
    ("rows", "holds"),
    [
        ((), False),
        ((BUILDING,), False),
        ((replace(READY, run_id=6),), False),
        ((READY,), True),
        ((replace(READY, tail="cut", good_url="https://x.example.com"),), True),
        ((replace(BUILDING, run_id=8),), True),
        ((replace(READY, label="shop"),), False),
    ],
)
def test_what_holds_a_change(rows, holds):
    assert Change(rows=(READY,)).holds(rows) is holds


@pytest.mark.parametrize("state", [State.BUILDING, State.FAILED, State.STOPPED, State.CANCELLED, State.TIMED_OUT])
def test_the_last_good_link_stays(state):
    good = put(READY)
    after = put(replace(READY, run_id=8, state=state, sha="other", preview_url="", github_id="33"), before=good)
    later = put(replace(READY, run_id=9, state=State.BUILDING, preview_url="", github_id="34"), before=after)
    for row in (*after, *later):
        assert (row.good_url, row.good_sha) == ("https://docs.example.com", "6dcb09b")
        assert active_ids(row) - {"33", "34"} == {"31"}


def test_a_newer_good_link_replaces_it():
    after = put(replace(READY, run_id=8, preview_url="https://new.example.com", github_id="9"), before=put(READY))
    assert (after[0].good_url, after[0].active_ids) == ("https://new.example.com", "9")


def test_what_nobody_ended_is_remembered_until_something_is_ready():
    first = put(BUILDING)
    second = put(replace(BUILDING, run_id=8, github_id="33"), before=first)
    third = put(replace(BUILDING, run_id=9, github_id="34", state=State.FAILED), before=second)
    assert [active_ids(row) for row in (*first, *second, *third)] == [{"32"}, {"32", "33"}, {"32", "33"}]
    assert put(replace(READY, run_id=10, github_id="35"), before=third)[0].active_ids == "35"


def test_merging_comments_keeps_the_newest_of_each_label_and_every_good_link():
    newest = replace(BUILDING, run_id=9)
    shop = replace(READY, label="shop")
    for lists in itertools.permutations([put(READY), (newest,), (replace(BUILDING, run_id=6), shop)]):
        merged = {row.label: row for row in union(lists)}
        assert (merged["docs"].run_id, merged["docs"].good_url) == (9, "https://docs.example.com")
        assert merged["shop"] == shop


@pytest.mark.parametrize(
    ("provisional", "goes"),
    [
        (replace(BUILDING, label="Stormkit", provisional=True), True),
        (replace(READY, label="Stormkit", provisional=True, state=State.FAILED, run_id=6), True),
        # In a matrix every job has the same name: what failed in this run may be another job's.
        (replace(READY, label="Stormkit", provisional=True, state=State.FAILED, deployment_id=""), False),
        (replace(BUILDING, label="Stormkit", provisional=True, job="other"), False),
        (replace(BUILDING, label="Stormkit"), False),
    ],
)
def test_a_row_without_a_name_gives_way_to_its_own(provisional, goes):
    assert (provisional not in put(READY, before=(provisional,))) is goes


@pytest.mark.parametrize(
    ("removed", "labels"),
    [
        ({"label": "docs"}, ["docs"]),
        ({"label": "another name", "env_id": "305"}, ["docs", "old docs"]),
        ({"label": "Stormkit", "provisional": True}, []),
    ],
)
def test_removing(removed, labels):
    before = (READY, replace(READY, label="shop", env_id="306"), replace(READY, label="old docs"))
    gone = Row(state=State.REMOVED, run_id=8, updated=2000, **removed)
    change = Change(rows=(gone,), removing=True)
    after = change.apply(before)
    assert sorted(row.label for row in after if row.state is State.REMOVED) == labels
    assert [row.label for row in after] == ["docs", "shop", "old docs"]
    assert change.holds(after)
    assert change.holds(before) is not labels or not labels
    assert not any(row.preview_url or row.good_url for row in after if row.state is State.REMOVED)


def test_the_only_row_is_removed_where_nothing_has_a_name():
    gone = Row(label="Stormkit", state=State.REMOVED, run_id=8, provisional=True)
    assert Change(rows=(gone,), removing=True).apply((READY,))[0].state is State.REMOVED


def test_a_newer_run_keeps_its_row_when_an_older_one_cleans_up():
    gone = Row(label="docs", state=State.REMOVED, run_id=6)
    assert Change(rows=(gone,), removing=True).apply((READY,)) == (READY,)


def test_rows_travel():
    rows = (READY, replace(BUILDING, label="ü | <!-- --> @mona", tail="x" * 5000, ready_at=1234, provisional=True))
    assert decode(encode(rows)) == rows
    assert encode(rows).isascii()


def packed(document: object) -> str:
    return base64.b64encode(zlib.compress(json.dumps(document).encode())).decode()


@pytest.mark.parametrize(
    "word",
    [
        "",
        "not base64!",
        "AAAA",
        base64.b64encode(b"no zlib").decode(),
        base64.b64encode(zlib.compress(b"no json")).decode(),
        base64.b64encode(zlib.compress(b"[" * 100_000)).decode(),
        base64.b64encode(zlib.compress(b'{"version": 1, "rows": "' + b"x" * 2_000_000)).decode(),
        packed([]),
        packed({"version": VERSION + 1, "rows": [{"label": "docs", "state": "ready"}]}),
        packed({"version": VERSION, "rows": {"label": "docs"}}),
    ],
)
def test_a_broken_state_is_no_rows(word):
    assert decode(word) == ()


@pytest.mark.parametrize(
    "entry",
    [
        7,
        {},
        {"state": "ready"},
        {"label": "docs"},
        {"label": "docs", "state": "unheard of"},
        {"label": 7, "state": "ready"},
        {"label": "docs", "state": "ready", "live": 1},
        {"label": "docs", "state": "ready", "run_id": True},
        {"label": "docs", "state": "ready", "updated": -1},
        {"label": "docs", "state": "ready", "updated": LARGEST + 1},
        {"label": "docs", "state": "ready", "updated": 1.5},
        # Longer than Python reads as a number.
        {"label": "docs", "state": "ready", "deployment_id": "9" * 5000},
        {"label": "docs", "state": "ready", "github_id": "9" * 5000},
        {"label": "docs", "state": "ready", "active_ids": f"1,{'9' * 5000}"},
        {"label": "docs", "state": "ready", "active_ids": "1,,2"},
    ],
)
def test_a_broken_row_is_left_out(entry):
    good = {"label": "shop", "state": "ready", "from the future": []}
    assert decode(packed({"version": VERSION, "rows": [entry, good]})) == (Row(label="shop", state=State.READY),)


def test_more_rows_than_a_comment_can_hold_are_not_read():
    rows = [{"label": str(number), "state": "ready"} for number in range(MOST_ROWS + 5)]
    assert len(decode(packed({"version": VERSION, "rows": rows}))) == MOST_ROWS


def test_links_and_texts_from_outside_are_made_safe():
    entry = {
        "label": "\ud800",
        "state": "ready",
        "preview_url": "javascript:alert(1)",
        "good_url": "https://x.example.com",
    }
    [row] = decode(packed({"version": VERSION, "rows": [entry]}))
    assert (row.label, row.preview_url, row.good_url) == ("?", "", "https://x.example.com")
