"""The comment's rows: which of two is newer, how changes apply, and how rows are encoded."""

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
    """The rows after `rows` were written to a comment that had `before`."""
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
def test_the_newer_of_two_rows_wins_in_any_order_of_writing(one, other):
    assert is_newer(one, other)
    assert not is_newer(other, one)
    assert put(other, before=(one,))[0].state is one.state
    assert put(one, before=(other,))[0].state is one.state


def test_exactly_one_of_two_rows_is_newer():
    rows = [
        READY._replace(state=state, run_id=run, attempt=attempt, deployment_id=deployment, job=job)
        for state, run, attempt, deployment, job in itertools.product(
            (State.BUILDING, State.READY), (7, 8), (1, 2), ("9", "10", ""), ("a", "b")
        )
    ]
    for one, other in itertools.combinations(rows, 2):
        assert is_newer(one, other) is not is_newer(other, one)


def test_applying_a_change_twice_changes_nothing_more():
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
def test_rows_hold_a_change_if_they_have_it_or_something_newer(rows, holds):
    assert Change(rows=(READY,)).holds(rows) is holds


@pytest.mark.parametrize("state", [State.BUILDING, State.FAILED, State.STOPPED, State.CANCELLED, State.TIMED_OUT])
def test_the_last_good_link_stays_while_newer_builds_do_not_succeed(state):
    good = put(READY)
    after = put(READY._replace(run_id=8, state=state, sha="other", preview_url="", deployment_id="8242"), before=good)
    later = put(READY._replace(run_id=9, state=State.BUILDING, preview_url="", deployment_id="8243"), before=after)
    for row in (*after, *later):
        assert (row.good_url, row.good_sha, row.good_id) == ("https://docs.example.com", "6dcb09b", "8241")


def test_a_newer_good_link_replaces_the_last_one():
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


def test_a_change_is_superseded_by_rows_of_a_step_that_began_later():
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


def test_two_environments_with_one_label_have_two_rows():
    other = READY._replace(env_id="306", deployment_id="9000", began=5)
    both = put(other, before=put(READY))
    assert [row.env_id for row in both] == ["305", "306"]
    gone = Change(removed=(other._replace(state=State.REMOVED, began=9),)).apply(both)
    assert [row.state for row in gone] == [State.READY, State.REMOVED]
    assert [row.state for row in put(other._replace(state=State.FAILED, began=9), before=both)] == [
        State.READY,
        State.FAILED,
    ]


def test_a_row_without_an_environment_updates_the_only_row_of_its_label():
    failed = READY._replace(env_id="", deployment_id="", state=State.FAILED, began=5)
    [row] = put(failed, before=put(READY))
    assert (row.state, row.env_id, row.good_id) == (State.FAILED, "305", "8241")


def test_a_provisional_label_does_not_replace_a_known_name():
    nameless = READY._replace(label="Environment 305", provisional=True, state=State.FAILED, began=5)
    [row] = put(nameless, before=put(READY))
    assert (row.label, row.state, row.provisional) == ("docs", State.FAILED, False)


@pytest.mark.parametrize(
    ("provisional", "is_replaced"),
    [
        (BUILDING._replace(label="Stormkit", provisional=True), True),
        (READY._replace(label="Stormkit", provisional=True, state=State.FAILED, run_id=6), True),
        # The jobs of a matrix share one name, so this failed row of the run may be another job's.
        (READY._replace(label="Stormkit", provisional=True, state=State.FAILED, deployment_id=""), False),
        (BUILDING._replace(label="Stormkit", provisional=True, job="other"), False),
        (BUILDING._replace(label="Stormkit"), False),
    ],
)
def test_a_provisional_row_is_replaced_by_its_own_final_row_only(provisional, is_replaced):
    assert (provisional not in put(READY, before=(provisional,))) is is_replaced


@pytest.mark.parametrize(
    ("removed", "labels"),
    [
        ({"label": "docs"}, ["docs"]),
        ({"label": "another name", "env_id": "305"}, ["docs", "old docs"]),
        ({"label": "Stormkit", "provisional": True}, []),
        # The row names another environment, so it stays, even though its label matches.
        ({"label": "docs", "env_id": "306"}, []),
    ],
)
def test_removing_an_environment_marks_only_its_own_rows(removed, labels):
    before = put(READY, READY._replace(label="shop", env_id="307"), READY._replace(label="old docs"))
    gone = Row(state=State.REMOVED, run_id=8, updated=2000, **removed)
    change = Change(removed=(gone,))
    after = change.apply(before)
    assert sorted(row.label for row in after if row.state is State.REMOVED) == labels
    assert [row.label for row in after] == ["docs", "shop", "old docs"]
    assert change.holds(after)
    assert change.holds(before) is not bool(labels)
    assert not any(row.preview_url or row.good_url for row in after if row.state is State.REMOVED)


def test_an_older_cleanup_does_not_remove_a_newer_run_s_row():
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
def test_a_deployment_that_a_command_ended_is_no_longer_offered(ended, before, state, good_id):
    change = Change(ended=(ended,))
    [row] = change.apply(before)
    assert (row.state, row.good_id, bool(row.good_url)) == (state, good_id, bool(good_id))
    assert row.preview_url == ("" if state is not State.READY else READY.preview_url)
    assert change.holds((row,))
    assert change.holds(before) is (before == (row,))


def test_a_deleted_deployment_stays_removed_when_its_own_step_ends_later():
    [removed] = Change(ended=(DELETED,)).apply(put(BUILDING))
    assert put(READY, before=(removed,))[0].state is State.REMOVED
    again = READY._replace(deployment_id="8242")
    assert put(again, before=(removed,))[0].state is State.READY


def test_decoding_encoded_rows_returns_them():
    rows = (READY, BUILDING._replace(label="ü | <!-- --> @mona", tail="x" * 5000, ready_at=1234, provisional=True))
    assert decode(encode(rows)) == rows
    assert encode(rows).isascii()


def encoded(document: object) -> str:
    return base64.b64encode(zlib.compress(json.dumps(document).encode())).decode()


@pytest.mark.parametrize(
    "state",
    [
        "",
        "not base64!",
        "AAAA",
        base64.b64encode(b"no zlib").decode(),
        base64.b64encode(zlib.compress(b"no json")).decode(),
        base64.b64encode(zlib.compress(b"[" * 100_000)).decode(),
        base64.b64encode(zlib.compress(b'{"version": 1, "rows": "' + b"x" * 2_000_000)).decode(),
        encoded([]),
        encoded({"version": VERSION + 1, "rows": [{"label": "docs", "state": "ready"}]}),
        encoded({"version": VERSION, "rows": {"label": "docs"}}),
    ],
)
def test_a_broken_state_is_decoded_as_no_rows(state):
    assert decode(state) == ()


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
        # Longer than int() accepts.
        {"label": "docs", "state": "ready", "deployment_id": "9" * 5000},
    ],
)
def test_a_broken_row_is_left_out(entry):
    good = {"label": "shop", "state": "ready", "from the future": [], "github_id": "1", "active_ids": "9" * 5000}
    assert decode(encoded({"version": VERSION, "rows": [entry, good]})) == (Row(label="shop", state=State.READY),)


def test_rows_beyond_the_limit_are_not_decoded():
    rows = [{"label": str(number), "state": "ready"} for number in range(MAX_ROWS + 5)]
    assert len(decode(encoded({"version": VERSION, "rows": rows}))) == MAX_ROWS


def test_unsafe_links_and_texts_are_sanitized_when_decoded():
    entry = {
        "label": "\ud800",
        "state": "ready",
        "preview_url": "javascript:alert(1)",
        "good_url": "https://x.example.com",
    }
    [row] = decode(encoded({"version": VERSION, "rows": [entry]}))
    assert (row.label, row.preview_url, row.good_url) == ("?", "", "https://x.example.com")
