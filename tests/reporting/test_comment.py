"""StickyComment finds, writes, reads back and repairs the comment on a local GitHub; the clock is a fake."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from sandbox.clock import TODAY, FakeClock
from sandbox.github.server import TOKEN, GitHub
from stormkit_action.clock import Deadline
from stormkit_action.errors import GitHubError
from stormkit_action.github_api.api import GitHubApi
from stormkit_action.reporting.comment import (
    MAX_READ_AGE_S,
    MAX_TURNS,
    PAUSE_ALONE_S,
    PAUSE_CONTENDED_S,
    StickyComment,
)
from stormkit_action.reporting.comment_body import marker, read_rows, render
from stormkit_action.reporting.rows import MAX_ROWS, Change, Row, State, encode

BOT = "github-actions[bot]"
NOW = int(TODAY.timestamp())
DOCS_READY = Row(
    label="docs", state=State.READY, run_id=7, deployment_id="8241", updated=NOW, preview_url="https://a.example.com"
)
CHANGE = Change(rows=(DOCS_READY,))
SHOP_READY = Row(label="shop", state=State.READY, run_id=3, deployment_id="8001", updated=NOW - 86_400)
SHOP_BUILDING = SHOP_READY._replace(run_id=7, state=State.BUILDING)


class EventfulClock(FakeClock):
    """A fake clock that calls functions during its sleeps: `always` in each, and one of `meanwhile` at a time."""

    def __init__(self) -> None:
        super().__init__()
        self.meanwhile: list[Callable[[], object]] = []
        self.always: Callable[[], object] = lambda: None

    def sleep(self, seconds: float) -> None:
        super().sleep(seconds)
        self.always()
        if self.meanwhile:
            self.meanwhile.pop(0)()


@pytest.fixture
def clock() -> EventfulClock:
    return EventfulClock()


def comment(github: GitHub, clock: FakeClock, token: str = TOKEN, key: str = "stormkit") -> StickyComment:
    api = GitHubApi(token=token, repository="octocat/hello-world", api_url=github.url, clock=clock)
    return StickyComment(github=api, number=42, key=key)


def write(github: GitHub, clock: FakeClock, change: Change = CHANGE, *, seconds: float = 45.0, **options):
    return comment(github, clock).write(change, deadline=Deadline.after(clock, seconds), **options)


def add_comment(github: GitHub, *rows: Row, login: str = BOT, key: str = "stormkit"):
    return github.state.add_comment(login=login, body=render(rows, key))


def row_states(github: GitHub) -> dict[str, State]:
    """The states of the rows of the only comment, by label."""
    [only] = github.state.comments()
    return {row.label: row.state for row in read_rows(only.body)}


def methods(github: GitHub) -> list[str]:
    return [request.method for request in github.requests if "graphql" not in request.path]


def test_the_comment_of_a_deploy_takes_five_requests(github, clock):
    sticky = comment(github, clock)
    building = Change(rows=(DOCS_READY._replace(state=State.BUILDING),))
    first = sticky.write(building, deadline=Deadline.after(clock, 45), confirm=False)
    assert [request.method for request in github.requests] == ["GET", "POST"]
    last = sticky.write(CHANGE, deadline=Deadline.after(clock, 45))
    assert [request.method for request in github.requests] == ["GET", "POST", "GET", "PATCH", "GET"]
    assert row_states(github) == {"docs": State.READY}
    assert last.settled
    assert (
        last.url
        == first.url
        == f"https://github.com/octocat/hello-world/pull/42#issuecomment-{github.state.comments()[0].id}"
    )
    assert PAUSE_ALONE_S[0] <= clock.passed < 1.0


def test_a_job_whose_row_is_the_only_one_does_not_read_back(github, clock):
    add_comment(github, DOCS_READY._replace(run_id=6))
    assert write(github, clock).settled
    assert methods(github) == ["GET", "PATCH"]
    assert read_rows(github.state.comments()[0].body)[0].run_id == DOCS_READY.run_id


def test_a_write_returns_the_rows_it_replaced(github, clock):
    add_comment(github, SHOP_READY, DOCS_READY._replace(run_id=6, deployment_id="31"))
    assert [row.deployment_id for row in write(github, clock).before] == ["31"]


def test_a_write_is_read_back_twice_while_another_job_is_building(github, clock):
    add_comment(github, SHOP_BUILDING)
    assert write(github, clock).settled
    assert methods(github) == ["GET", "PATCH", "GET", "GET"]
    assert 2 * PAUSE_CONTENDED_S[0] <= clock.passed
    assert row_states(github) == {"docs": State.READY, "shop": State.BUILDING}


def test_only_our_own_comment_is_adopted(github, clock):
    github.state.add_comment(body=render([DOCS_READY._replace(preview_url="https://evil.example.com")], "stormkit"))
    github.state.add_comment(login=BOT, body=f"> {marker('stormkit')}\n\nquoted")
    add_comment(github, SHOP_READY, key="another-key")
    before = [comment.body for comment in github.state.comments()]
    write(github, clock)
    write(github, clock, Change(rows=(DOCS_READY._replace(run_id=8),)))
    after = [comment.body for comment in github.state.comments()]
    assert after[:3] == before
    assert len(after) == 4


def test_a_comment_on_a_later_page_is_found_and_read_again_before_it_is_edited(github, clock):
    for _ in range(130):
        github.state.add_comment(body="hello")
    add_comment(github, SHOP_READY)
    write(github, clock)
    assert len(github.state.comments()) == 131
    assert methods(github) == ["GET", "GET", "GET", "PATCH", "GET", "GET"]
    assert "/issues/comments/" in github.requests[-4].path


def test_an_outdated_read_is_repeated_before_the_write(github, clock):
    ours = add_comment(github, SHOP_READY)

    class ClockWithASlowAccountLookup(EventfulClock):
        def start(self, function):
            answer = super().start(function)
            if github.requests[-1].path == "/graphql":
                self.advance(2 * MAX_READ_AGE_S)
                github.state.comments()[0].history.append(
                    replace(ours.history[0], body=render([SHOP_READY, blog], "stormkit"))
                )
            return answer

    blog = SHOP_BUILDING._replace(label="blog")
    write(github, ClockWithASlowAccountLookup())
    assert row_states(github) == {"docs": State.READY, "shop": State.READY, "blog": State.BUILDING}


def test_duplicate_comments_are_merged_into_the_oldest(github, clock):
    oldest = add_comment(github, SHOP_READY)
    add_comment(github, SHOP_BUILDING._replace(label="blog"), SHOP_READY._replace(run_id=1, state=State.FAILED))
    add_comment(github, DOCS_READY._replace(state=State.BUILDING))
    written = write(github, clock)
    assert row_states(github) == {"docs": State.READY, "shop": State.READY, "blog": State.BUILDING}
    assert written.url.endswith(str(oldest.id))
    assert written.settled


def test_duplicate_comments_are_deleted_only_after_their_rows_were_merged(github, clock):
    add_comment(github, SHOP_READY)
    add_comment(github, SHOP_READY._replace(label="blog"))
    github.fault("PATCH", "500", times=3)
    write(github, clock)
    order = methods(github)
    patches = [position for position, method in enumerate(order) if method == "PATCH"]
    assert order.index("DELETE") > patches[3]
    assert row_states(github) == {"docs": State.READY, "shop": State.READY, "blog": State.READY}


def test_an_overwritten_row_is_written_again(github, clock):
    ours = add_comment(github, SHOP_READY)
    stale = replace(ours.history[0], body=render([SHOP_BUILDING], "stormkit"))
    clock.meanwhile = [lambda: ours.history.append(stale)] * 2
    assert write(github, clock).settled
    assert row_states(github) == {"docs": State.READY, "shop": State.BUILDING}


@pytest.mark.parametrize("kind", ["answer-lost", "never-arrived", "500", "502-html", "garbage"])
@pytest.mark.parametrize("method", ["POST .*comments", "PATCH"])
def test_after_a_lost_answer_the_comment_is_read_before_the_next_write(github, clock, kind, method):
    ours = add_comment(github, SHOP_READY) if method == "PATCH" else None
    # Another job writes before the retry, so the text rendered before is stale.
    newer = render([SHOP_READY, SHOP_BUILDING._replace(label="blog")], "stormkit")
    if ours:
        clock.meanwhile = [lambda: ours.history.append(replace(ours.history[0], body=newer))]
    github.fault(method, kind)
    assert write(github, clock).settled
    expected = {"shop": State.READY, "blog": State.BUILDING} if ours else {}
    assert row_states(github) == {"docs": State.READY, **expected}


def test_a_rate_limit_is_waited_out_and_rows_written_meanwhile_are_kept(github, clock):
    ours = add_comment(github, SHOP_READY)
    clock.meanwhile = [
        lambda: ours.history.append(replace(ours.history[0], body=render([SHOP_READY, SHOP_BUILDING], "stormkit")))
    ]
    github.fault("PATCH", "secondary-limit", seconds=20)
    write(github, clock)
    assert clock.slept[0] == 20.0
    assert row_states(github) == {"docs": State.READY, "shop": State.BUILDING}


def test_a_comment_deleted_by_hand_is_created_again(github, clock):
    add_comment(github, SHOP_READY)
    github.fault("PATCH", "404")
    clock.meanwhile = [github.state.repository().comments.clear]
    assert write(github, clock).settled
    assert row_states(github) == {"docs": State.READY}


def test_a_stale_list_of_comments_leads_to_no_second_comment(github, clock):
    class ApiWithAStaleSecondList(GitHubApi):
        lists = 0

        def comments(self, number):
            ApiWithAStaleSecondList.lists += 1
            return [] if ApiWithAStaleSecondList.lists == 2 else super().comments(number)

    api = ApiWithAStaleSecondList(token=TOKEN, repository="octocat/hello-world", api_url=github.url, clock=clock)
    written = StickyComment(github=api, number=42, key="stormkit").write(CHANGE, deadline=Deadline.after(clock, 45))
    assert written.settled
    assert row_states(github) == {"docs": State.READY}


def test_a_comment_deleted_before_it_is_read_back_is_created_again(github, clock):
    clock.meanwhile = [github.state.repository().comments.clear]
    assert write(github, clock).settled
    assert row_states(github) == {"docs": State.READY}


@pytest.mark.parametrize(
    "edit",
    [
        lambda body: body.replace("Ready", "Broken"),
        lambda body: body[: body.rindex("<!--")],
        lambda body: body.replace("action state ", "action state AAAA"),
        lambda body: body.replace("\n", "\r\n"),
        lambda body: f"{body}\n\nThanks, @octocat!",
    ],
    ids=["text", "state deleted", "state broken", "line ends", "text added"],
)
def test_edits_by_hand_are_overwritten(github, clock, edit):
    github.state.add_comment(login=BOT, body=edit(render([DOCS_READY], "stormkit")))
    again = DOCS_READY._replace(run_id=8, updated=NOW + 1)
    assert write(github, clock, Change(rows=(again,))).settled
    assert github.state.comments()[0].body == render(
        [again._replace(good_url=again.preview_url, good_id=again.deployment_id)], "stormkit"
    )


def test_text_added_by_hand_does_not_lose_a_row(github, clock):
    ours = add_comment(github, SHOP_READY)
    ours.history.append(replace(ours.history[0], body=f"{ours.body}\n\nThanks, @octocat!"))
    write(github, clock)
    assert row_states(github) == {"docs": State.READY, "shop": State.READY}


def test_an_older_run_that_ends_later_changes_nothing(github, clock):
    add_comment(github, DOCS_READY._replace(run_id=9))
    before = github.state.comments()[0].body
    written = write(github, clock)
    assert written.settled
    assert github.state.comments()[0].body == before
    assert methods(github) == ["GET"]


@pytest.mark.parametrize(
    "change", [Change(removed=(DOCS_READY._replace(state=State.REMOVED),)), Change(rows=())], ids=["removed", "empty"]
)
def test_no_comment_is_created_only_to_remove_rows(github, clock, change):
    written = write(github, clock, change, create=False)
    assert (written.url, github.state.comments()) == ("", [])


def test_writing_gives_up_if_the_row_is_overwritten_again_and_again(github, clock):
    ours = add_comment(github, SHOP_READY)
    clock.always = lambda: ours.history.append(ours.history[0])
    written = write(github, clock, seconds=1000)
    assert not written.settled
    assert len(methods(github)) <= 2 * MAX_TURNS


def test_writing_ends_at_its_deadline(github, clock):
    add_comment(github, SHOP_BUILDING)
    written = write(github, clock, seconds=1.5)
    assert not written.settled
    assert written.url
    assert row_states(github)["docs"] is State.READY
    assert clock.passed <= 1.5


@pytest.mark.parametrize("kind", ["500", "answer-lost"])
def test_writes_that_keep_failing_are_an_error_before_the_deadline(github, clock, kind):
    github.fault("POST .*comments|GET .*comments", kind, times=1000)
    with pytest.raises(GitHubError):
        write(github, clock)
    assert clock.passed < 45


def test_a_missing_permission_is_an_error_at_once(github, clock):
    github.state.add_token("ghs_reader", permissions={"contents": "read"})
    with pytest.raises(GitHubError, match="pull-requests: write"):
        comment(github, clock, "ghs_reader").write(CHANGE, deadline=Deadline.after(clock, 45))
    assert methods(github) == ["GET", "POST"]


def test_rows_of_forged_comments_are_taken_over_up_to_a_limit(github, clock):
    """Every workflow that uses the bot's account can write comments with our marker."""
    encoded_rows = encode([SHOP_READY._replace(label=f"{number:x}") for number in range(1000)])
    for _ in range(50):
        github.state.add_comment(
            login=BOT, body=f"{marker('stormkit')}\n\n<!-- stormkit-action state {encoded_rows} -->"
        )
    write(github, clock)
    assert clock.passed <= 45
    rows = read_rows(github.state.comments()[0].body)
    assert "docs" in {row.label for row in rows}
    assert len(rows) <= MAX_ROWS + 1
