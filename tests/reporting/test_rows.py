"""The comment's rows: which one is newer, what they hand on, and how they travel."""

import base64
import itertools
import json
import zlib

import pytest

from stormkit_action.reporting.rows import (
    LATEST_S,
    MAX_ROWS,
    VERSION,
    Change,
    EndedDeployment,
    Row,
    State,
    decode,
    encode,
    is_newer,
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
)
BUILDING = READY._replace(state=State.BUILDING, preview_url="", updated=900)


def put(*rows: Row, before: tuple[Row, ...] = ()) -> tuple[Row, ...]:
    return Change(rows=rows).apply(before)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param(BUILDING._replace(began=5), READY._replace(run_id=8), id="a step that began later"),
        pytest.param(BUILDING._replace(run_id=8), READY, id="a newer run"),
        pytest.param(BUILDING._replace(run_id=8, deployment_id="1"), READY, id="a newer run of an older deployment"),
        pytest.param(BUILDING._replace(attempt=2), READY, id="a newer attempt"),
        pytest.param(BUILDING._replace(deployment_id="8242"), READY, id="a newer deployment in one run"),
        pytest.param(READY, BUILDING._replace(updated=5000), id="an end, whatever the clock says"),
        pytest.param(READY._replace(state=State.CANCELLED, deployment_id=""), BUILDING, id="an end without an id"),
        pytest.param(READY._replace(state=State.FAILED, updated=1001), READY, id="a later end"),
    ],
)
def test_newer(one, other):
    assert is_newer(one, other)
    assert not is_newer(other, one)
    assert put(other, before=(one,))[0].state is one.state
    assert put(one, before=(other,))[0].state is one.state


def test_of_two_different_rows_never_both_are_newer():
    rows = [
        READY._replace(state=state, run_id=run, attempt=attempt, deployment_id=deployment, job=job)
        for state, run, attempt, deployment, job in itertools.product(
            (State.BUILDING, State.READY), (7, 8), (1, 2), ("9", "10", ""), ("a", "b")
        )
    ]
    for one, other in itertools.combinations(rows, 2):
        assert is_newer(one, other) is not is_newer(other, one)


def test_a_change_can_be_made_again():
    change = Change(rows=(READY, BUILDING._replace(label="shop")))
    once = change.apply((BUILDING._replace(label="other"),))
    assert [row.label for row in once] == ["other", "docs", "shop"]
    assert change.apply(once) == once
    assert change.holds(once)


@pytest.mark.parametrize(
    ("rows", "holds"),
    [
        ((), False),
        ((BUILDING,), False),
        ((READY._replace(run_id=6),), False),
        (put(READY), True),
        ((*put(READY._replace(tail="cut", reason="cut")),), True),
        ((BUILDING._replace(run_id=8),), True),
        ((READY._replace(label="shop"),), False),
    ],
)
def test_what_holds_a_change(rows, holds):
    assert Change(rows=(READY,)).holds(rows) is holds


@pytest.mark.parametrize("state", [State.BUILDING, State.FAILED, State.STOPPED, State.CANCELLED, State.TIMED_OUT])
def test_the_last_good_link_stays(state):
    good = put(READY)
    after = put(READY._replace(run_id=8, state=state, sha="other", preview_url="", deployment_id="8242"), before=good)
    later = put(READY._replace(run_id=9, state=State.BUILDING, preview_url="", deployment_id="8243"), before=after)
    for row in (*after, *later):
        assert (row.good_url, row.good_sha, row.good_id) == ("https://docs.example.com", "6dcb09b", "8241")


def test_a_newer_good_link_replaces_it():
    newer = READY._replace(run_id=8, preview_url="https://new.example.com", deployment_id="8242")
    [after] = put(newer, before=put(READY))
    assert (after.good_url, after.good_id) == ("https://new.example.com", "8242")


def test_a_rerun_of_an_old_run_is_newer_than_what_began_before_it():
    closed = READY._replace(state=State.REMOVED, run_id=101, began=2000)
    rerun = READY._replace(run_id=100, attempt=2, began=3000, deployment_id="8242")
    [row] = put(rerun, before=put(closed))
    assert (row.state, row.good_id) == (State.READY, "8242")
    first = READY._replace(run_id=100, attempt=1, began=1000)
    assert put(first, before=(row,)) == (row,)


def test_a_row_is_left_alone_because_a_step_that_began_later_wrote_it():
    older, newer = READY._replace(run_id=9, began=1), READY._replace(run_id=7, began=2)
    change = Change(rows=(older,))
    assert change.superseded_by(change.apply(put(newer))) == put(newer)
    assert change.superseded_by(put(older)) == ()


def test_merging_comments_keeps_the_newest_of_each_label_and_every_good_link():
    newest = BUILDING._replace(run_id=9)
    shop = READY._replace(label="shop")
    for lists in itertools.permutations([put(READY), (newest,), (BUILDING._replace(run_id=6), shop)]):
        merged = {row.label: row for row in union(lists)}
        assert (merged["docs"].run_id, merged["docs"].good_url) == (9, "https://docs.example.com")
        assert merged["shop"] == shop


def test_two_environments_of_one_label_are_two_rows():
    other = READY._replace(env_id="306", deployment_id="9000", began=5)
    both = put(other, before=put(READY))
    assert [row.env_id for row in both] == ["305", "306"]
    gone = Change(removed=(other._replace(state=State.REMOVED, began=9),)).apply(both)
    assert [row.state for row in gone] == [State.READY, State.REMOVED]
    assert [row.state for row in put(other._replace(state=State.FAILED, began=9), before=both)] == [
        State.READY,
        State.FAILED,
    ]


def test_a_row_of_an_unknown_environment_is_about_the_only_one_of_its_label():
    failed = READY._replace(env_id="", deployment_id="", state=State.FAILED, began=5)
    [row] = put(failed, before=put(READY))
    assert (row.state, row.env_id, row.good_id) == (State.FAILED, "305", "8241")


def test_an_environment_without_a_name_keeps_the_name_it_had():
    nameless = READY._replace(label="Environment 305", provisional=True, state=State.FAILED, began=5)
    [row] = put(nameless, before=put(READY))
    assert (row.label, row.state, row.provisional) == ("docs", State.FAILED, False)


@pytest.mark.parametrize(
    ("provisional", "goes"),
    [
        (BUILDING._replace(label="Stormkit", provisional=True), True),
        (READY._replace(label="Stormkit", provisional=True, state=State.FAILED, run_id=6), True),
        # In a matrix every job has the same name: what failed in this run may be another job's.
        (READY._replace(label="Stormkit", provisional=True, state=State.FAILED, deployment_id=""), False),
        (BUILDING._replace(label="Stormkit", provisional=True, job="other"), False),
        (BUILDING._replace(label="Stormkit"), False),
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
        # What is not known to be of this environment is not touched, even if it is the only one.
        ({"label": "docs", "env_id": "306"}, []),
    ],
)
def test_removing_an_environment(removed, labels):
    before = put(READY, READY._replace(label="shop", env_id="307"), READY._replace(label="old docs"))
    gone = Row(state=State.REMOVED, run_id=8, updated=2000, **removed)
    change = Change(removed=(gone,))
    after = change.apply(before)
    assert sorted(row.label for row in after if row.state is State.REMOVED) == labels
    assert [row.label for row in after] == ["docs", "shop", "old docs"]
    assert change.holds(after)
    assert change.holds(before) is not bool(labels)
    assert not any(row.preview_url or row.good_url for row in after if row.state is State.REMOVED)


def test_a_newer_run_keeps_its_row_when_an_older_one_cleans_up():
    gone = Row(label="docs", state=State.REMOVED, run_id=6)
    assert Change(removed=(gone,)).apply((READY,)) == (READY,)


DELETED = EndedDeployment(deployment_id="8241", env_id="305", is_deleted=True, updated=3000)
STOPPED = EndedDeployment(deployment_id="8241", env_id="305", updated=3000)
FAILED_AFTER_READY = put(
    READY._replace(run_id=8, state=State.FAILED, deployment_id="8242", preview_url=""), before=put(READY)
)


@pytest.mark.parametrize(
    ("ended", "before", "state", "good_id"),
    [
        pytest.param(DELETED, put(READY), State.REMOVED, "", id="what it shows was deleted"),
        pytest.param(DELETED, FAILED_AFTER_READY, State.FAILED, "", id="the last good one was deleted"),
        pytest.param(
            DELETED._replace(deployment_id="8242"), FAILED_AFTER_READY, State.REMOVED, "8241", id="the good one is left"
        ),
        pytest.param(DELETED._replace(deployment_id="8240"), put(READY), State.READY, "8241", id="another"),
        pytest.param(DELETED._replace(env_id="306"), put(READY), State.READY, "8241", id="another environment's"),
        pytest.param(STOPPED, put(BUILDING), State.STOPPED, "", id="a running build was stopped"),
        pytest.param(STOPPED, put(READY), State.READY, "8241", id="a stop ends nothing that is ready"),
    ],
)
def test_what_a_command_ended_is_no_longer_offered(ended, before, state, good_id):
    change = Change(ended=(ended,))
    [row] = change.apply(before)
    assert (row.state, row.good_id, bool(row.good_url)) == (state, good_id, bool(good_id))
    assert row.preview_url == ("" if state is not State.READY else READY.preview_url)
    assert change.holds((row,))
    assert change.holds(before) is (before == (row,))


def test_what_was_deleted_does_not_come_back_when_its_own_step_ends_later():
    [removed] = Change(ended=(DELETED,)).apply(put(BUILDING))
    assert put(READY, before=(removed,))[0].state is State.REMOVED
    again = READY._replace(deployment_id="8242")
    assert put(again, before=(removed,))[0].state is State.READY


def test_rows_travel():
    rows = (READY, BUILDING._replace(label="ü | <!-- --> @mona", tail="x" * 5000, ready_at=1234, provisional=True))
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


@pytest.mark.threat("A hostile comment author")
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
        {"label": "docs", "state": "ready", "updated": LATEST_S + 1},
        {"label": "docs", "state": "ready", "updated": 1.5},
        # Longer than Python reads as a number.
        {"label": "docs", "state": "ready", "deployment_id": "9" * 5000},
    ],
)
def test_a_broken_row_is_left_out(entry):
    good = {"label": "shop", "state": "ready", "from the future": [], "github_id": "1", "active_ids": "9" * 5000}
    assert decode(packed({"version": VERSION, "rows": [entry, good]})) == (Row(label="shop", state=State.READY),)


def test_more_rows_than_a_comment_can_hold_are_not_read():
    rows = [{"label": str(number), "state": "ready"} for number in range(MAX_ROWS + 5)]
    assert len(decode(packed({"version": VERSION, "rows": rows}))) == MAX_ROWS


def test_links_and_texts_from_outside_are_made_safe():
    entry = {
        "label": "\ud800",
        "state": "ready",
        "preview_url": "javascript:alert(1)",
        "good_url": "https://x.example.com",
    }
    [row] = decode(packed({"version": VERSION, "rows": [entry]}))
    assert (row.label, row.preview_url, row.good_url) == ("?", "", "https://x.example.com")
