"""The comment's markdown: golden files, its limits, and the rows read back from it."""

import base64
import json
import re
import time
import zlib

import pytest

from stormkit_action.reporting.comment_body import MAX_CHARACTERS, is_ours, marker, read_rows, render
from stormkit_action.reporting.rows import VERSION, Row, State
from tests.reporting import golden
from tests.reporting.samples import COMMENTS, EARLIER_SHA, FAILED, HOSTILE, NOW, RUN, URL

STATE_LINE = re.compile(r"(<!-- stormkit-action state )[A-Za-z0-9+/=]+( -->)$")


@pytest.mark.parametrize("name", COMMENTS)
def test_each_state_looks_like_its_golden_file(name: str) -> None:
    body = render(COMMENTS[name], "stormkit")
    # The rows' base64 is left out because it is unreadable and differs between versions of zlib.
    golden.check(f"comment-{name}", STATE_LINE.sub(r"\1…\2\n", body))


@pytest.mark.parametrize("name", COMMENTS)
def test_rendered_rows_can_be_read_back(name: str) -> None:
    body = render(COMMENTS[name], "docs-2")
    assert is_ours(body, "docs-2")
    assert not is_ours(body, "docs")
    assert sorted(read_rows(body), key=str) == sorted(COMMENTS[name], key=str)


@pytest.mark.parametrize(
    "body",
    [
        "",
        "text",
        "<!-- stormkit-action state  -->",
        "<!-- stormkit-action state AAAA -->",
        "<!-- stormkit-action state !!!! -->",
    ],
)
def test_a_broken_state_is_read_as_no_rows(body: str) -> None:
    assert read_rows(body) == ()


@pytest.mark.threat("A hostile comment author")
def test_a_quoted_marker_does_not_make_a_comment_ours() -> None:
    assert not is_ours(f"quoted: {marker('stormkit')}", "stormkit")


def _matrix(count: int, **values: str) -> list[Row]:
    return [
        Row(
            label=f"site-{number}",
            state=State.FAILED if number % 3 == 0 else State.READY,
            run_id=13912345678,
            deployment_id=str(8000 + number),
            env_id=str(300 + number),
            branch="feature/greeting",
            sha=f"{number:040x}",
            preview_url=f"https://site-{number}--{8000 + number}.stormkit.dev",
            details_url=f"https://app.stormkit.io/apps/1510/environments/{300 + number}/deployments/{8000 + number}",
            run_url=RUN,
            updated=int(NOW.timestamp()) + number,
            good_url="https://good.example" if number % 3 == 0 else "",
            good_sha=EARLIER_SHA,
            **values,
        )
        for number in range(count)
    ]


def test_a_matrix_of_300_sites_keeps_every_row() -> None:
    rows = _matrix(300, tail="x" * 4000, step="npm run build", reason="The build failed.")
    body = render(rows, "stormkit")
    assert len(body) <= MAX_CHARACTERS
    assert {row.label for row in read_rows(body)} == {row.label for row in rows}
    assert all(f"| site-{number} |" in body for number in range(300))
    assert body.count('<a href="https://good.example">Last good preview</a> of&nbsp;<code>9f3c2d7</code>') == 100


def test_log_excerpts_are_shortened_first() -> None:
    rows = [FAILED._replace(label=f"site-{number}", tail=f"{'y' * 3990} the end") for number in range(20)]
    body = render(rows, "stormkit")
    assert len(body) <= MAX_CHARACTERS
    assert body.count("the end\n") == 20
    assert body.count("Build log") == 20
    assert max(len(row.tail) for row in read_rows(body)) == 1500


def test_rows_that_do_not_fit_are_counted_and_the_newest_are_kept() -> None:
    rows = [
        row._replace(preview_url=f"{row.preview_url}/{number:04}{'z' * 1500}")
        for number, row in enumerate(_matrix(300))
    ]
    body = render(rows, "stormkit")
    shown = read_rows(body)
    assert len(body) <= MAX_CHARACTERS
    assert f"{300 - len(shown)} older deployments are not shown" in body
    assert {row.label for row in shown} == {f"site-{number}" for number in range(300 - len(shown), 300)}


def test_rows_that_compress_well_but_are_too_large_to_read_are_shortened() -> None:
    rows = [row._replace(branch="b" * 20_000) for row in _matrix(100)]
    body = render(rows, "stormkit")
    assert len(body) <= MAX_CHARACTERS
    assert read_rows(body)


@pytest.mark.threat("A hostile comment author")
@pytest.mark.parametrize("length", [0, 300, 4000])
def test_hundreds_of_hostile_rows_stay_within_the_limit(length: int) -> None:
    hostile = HOSTILE[:length]
    rows = [
        row._replace(label=f"{row.label} {hostile[:80]}", step=hostile[:100], reason=hostile[:300], tail=hostile)
        for row in _matrix(300)
    ]
    body = render(rows, "stormkit")
    assert len(body) <= MAX_CHARACTERS
    body.encode()
    assert len(read_rows(body)) > 100


@pytest.mark.threat("A hostile comment author")
def test_a_state_with_thousands_of_forged_rows_is_rendered_quickly() -> None:
    document = {"version": VERSION, "rows": [{"label": f"{number:x}", "state": "ready"} for number in range(4000)]}
    word = base64.b64encode(zlib.compress(json.dumps(document, separators=(",", ":")).encode(), 9)).decode()
    forged = f"{marker('stormkit')}\n\n<!-- stormkit-action state {word} -->"
    assert len(forged) <= MAX_CHARACTERS
    began = time.process_time()
    body = render(read_rows(forged), "stormkit")
    # It takes less than a second; reading all rows would take most of a minute.
    assert time.process_time() - began < 10
    assert len(body) <= MAX_CHARACTERS


def test_the_last_good_preview_stays_linked_with_its_commit() -> None:
    body = render(COMMENTS["failed"], "stormkit")
    assert '<a href="https://hello-world--8239.stormkit.dev">Last good preview</a> of&nbsp;<code>9f3c2d7</code>' in body
    assert "Open preview" not in body


@pytest.mark.parametrize("name", [name for name, rows in COMMENTS.items() if len(rows) == 1])
def test_a_single_site_is_shown_without_a_table(name: str) -> None:
    (row,) = COMMENTS[name]
    shown = render([row], "stormkit").split("\n\n")[1]
    assert "\n" not in shown
    assert "|" not in shown
    lines = shown.split("<br>")
    assert len(lines) == (3 if row.reason or row.warning else 2)
    assert "Stormkit: hello-world / production" in lines[-1]
    assert "Job log</a>" in lines[-1]


def test_a_site_without_a_known_name_is_called_stormkit() -> None:
    row = COMMENTS["building-first"][0]._replace(label="Stormkit", provisional=True)
    assert "<br>Stormkit · Mar" in render([row], "stormkit")


def test_a_command_that_failed_on_the_live_deployment_is_shown_as_failed() -> None:
    body = render([FAILED._replace(live=True)], "stormkit")
    assert "❌ <b>Failed</b> · " in body


def test_a_date_never_wraps() -> None:
    for rows in (COMMENTS["ready"], COMMENTS["several"]):
        assert "Mar&nbsp;18,&nbsp;12:21&nbsp;UTC" in render(rows, "stormkit")


def test_every_emoji_of_a_state_is_followed_by_a_word() -> None:
    for rows in (*COMMENTS.values(), _matrix(300)):
        for line in render(rows, "stormkit").splitlines():
            for emoji, word in re.findall(r"([🔨✅❌⌛🚫🟢]|[⏹⏭🗑]️) (?:<b>)?(\w*)", line):
                assert word, (emoji, line)


def test_only_a_sha_of_a_known_repository_becomes_a_link() -> None:
    linked = render(COMMENTS["ready"], "stormkit")
    assert 'href="https://github.com/octocat/hello-world/commit/16ab41e8' in linked
    for row in (
        COMMENTS["ready"][0]._replace(sha="HEAD"),
        COMMENTS["ready"][0]._replace(run_url=""),
        COMMENTS["ready"][0]._replace(run_url=URL),
    ):
        assert "/commit/" not in render([row], "stormkit")
