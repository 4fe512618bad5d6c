"""The sticky comment on a local GitHub: found, written, read back and repaired. Nobody waits: the clock is a fake."""

from collections.abc import Callable, Iterator
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
MINE = Row(
    label="docs", state=State.READY, run_id=7, deployment_id="8241", updated=NOW, preview_url="https://a.example.com"
)
CHANGE = Change(rows=(MINE,))
OLD = Row(label="shop", state=State.READY, run_id=3, deployment_id="8001", updated=NOW - 86_400)
TWIN = OLD._replace(run_id=7, state=State.BUILDING)


class Clock(FakeClock):
    """A fake clock during whose sleeps something happens."""

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
def github() -> Iterator[GitHub]:
    with GitHub() as server:
        yield server


@pytest.fixture
def clock() -> Clock:
    return Clock()


def comment(github: GitHub, clock: FakeClock, token: str = TOKEN, key: str = "stormkit") -> StickyComment:
    api = GitHubApi(token=token, repository="octocat/hello-world", api_url=github.url, clock=clock)
    return StickyComment(github=api, number=42, key=key)


def write(github: GitHub, clock: FakeClock, change: Change = CHANGE, *, seconds: float = 45.0, **options):
    return comment(github, clock).write(change, deadline=Deadline.after(clock, seconds), **options)


def put(github: GitHub, *rows: Row, login: str = BOT, key: str = "stormkit"):
    return github.state.add_comment(login=login, body=render(rows, key))


def shown(github: GitHub) -> dict[str, State]:
    """The rows of the one comment that is there."""
    [only] = github.state.comments()
    return {row.label: row.state for row in read_rows(only.body)}


def methods(github: GitHub) -> list[str]:
    return [request.method for request in github.requests if "graphql" not in request.path]


def test_a_plain_deploy_takes_five_requests(github, clock):
    sticky = comment(github, clock)
    building = Change(rows=(MINE._replace(state=State.BUILDING),))
    first = sticky.write(building, deadline=Deadline.after(clock, 45), confirm=False)
    assert [request.method for request in github.requests] == ["GET", "POST"]
    last = sticky.write(CHANGE, deadline=Deadline.after(clock, 45))
    assert [request.method for request in github.requests] == ["GET", "POST", "GET", "PATCH", "GET"]
    assert shown(github) == {"docs": State.READY}
    assert last.settled
    assert (
        last.url
        == first.url
        == f"https://github.com/octocat/hello-world/pull/42#issuecomment-{github.state.comments()[0].id}"
    )
    assert PAUSE_ALONE_S[0] <= clock.passed < 1.0


def test_a_job_that_was_and_is_alone_in_the_comment_does_not_read_back(github, clock):
    put(github, MINE._replace(run_id=6))
    assert write(github, clock).settled
    assert methods(github) == ["GET", "PATCH"]
    assert read_rows(github.state.comments()[0].body)[0].run_id == MINE.run_id


def test_the_rows_before_are_told(github, clock):
    put(github, OLD, MINE._replace(run_id=6, deployment_id="31"))
    assert [row.deployment_id for row in write(github, clock).before] == ["31"]


def test_others_at_work_are_waited_for_twice(github, clock):
    put(github, TWIN)
    assert write(github, clock).settled
    assert methods(github) == ["GET", "PATCH", "GET", "GET"]
    assert 2 * PAUSE_CONTENDED_S[0] <= clock.passed
    assert shown(github) == {"docs": State.READY, "shop": State.BUILDING}


def test_only_our_own_comment_is_adopted(github, clock):
    github.state.add_comment(body=render([MINE._replace(preview_url="https://evil.example.com")], "stormkit"))
    github.state.add_comment(login=BOT, body=f"> {marker('stormkit')}\n\nquoted")
    put(github, OLD, key="another-key")
    before = [comment.body for comment in github.state.comments()]
    write(github, clock)
    write(github, clock, Change(rows=(MINE._replace(run_id=8),)))
    after = [comment.body for comment in github.state.comments()]
    assert after[:3] == before
    assert len(after) == 4


def test_it_is_found_on_a_later_page_and_read_again_before_it_is_changed(github, clock):
    for _ in range(130):
        github.state.add_comment(body="hello")
    put(github, OLD)
    write(github, clock)
    assert len(github.state.comments()) == 131
    assert methods(github) == ["GET", "GET", "GET", "PATCH", "GET", "GET"]
    assert "/issues/comments/" in github.requests[-4].path


def test_a_read_that_has_grown_old_is_no_base_for_a_write(github, clock):
    ours = put(github, OLD)

    class Slow(Clock):
        def start(self, function):
            answer = super().start(function)
            if github.requests[-1].path == "/graphql":
                self.advance(2 * MAX_READ_AGE_S)
                github.state.comments()[0].history.append(
                    replace(ours.history[0], body=render([OLD, blog], "stormkit"))
                )
            return answer

    blog = TWIN._replace(label="blog")
    write(github, Slow())
    assert shown(github) == {"docs": State.READY, "shop": State.READY, "blog": State.BUILDING}


def test_doubles_are_merged_into_the_oldest(github, clock):
    oldest = put(github, OLD)
    put(github, TWIN._replace(label="blog"), OLD._replace(run_id=1, state=State.FAILED))
    put(github, MINE._replace(state=State.BUILDING))
    told = write(github, clock)
    assert shown(github) == {"docs": State.READY, "shop": State.READY, "blog": State.BUILDING}
    assert told.url.endswith(str(oldest.id))
    assert told.settled


def test_doubles_go_only_after_their_rows_are_in_the_oldest(github, clock):
    put(github, OLD)
    put(github, OLD._replace(label="blog"))
    github.fault("PATCH", "500", times=3)
    write(github, clock)
    order = methods(github)
    assert order.index("DELETE") > [i for i, method in enumerate(order) if method == "PATCH"][3]
    assert shown(github) == {"docs": State.READY, "shop": State.READY, "blog": State.READY}


def test_a_row_that_was_overwritten_is_written_again(github, clock):
    ours = put(github, OLD)
    stale = replace(ours.history[0], body=render([TWIN], "stormkit"))
    clock.meanwhile = [lambda: ours.history.append(stale)] * 2
    assert write(github, clock).settled
    assert shown(github) == {"docs": State.READY, "shop": State.BUILDING}


@pytest.mark.parametrize("kind", ["answer-lost", "never-arrived", "500", "502-html", "garbage"])
@pytest.mark.parametrize("method", ["POST .*comments", "PATCH"])
def test_after_a_lost_answer_it_looks_before_it_writes(github, clock, kind, method):
    ours = put(github, OLD) if method == "PATCH" else None
    # Somebody else writes before we try again: the text that we had made is stale.
    newer = render([OLD, TWIN._replace(label="blog")], "stormkit")
    if ours:
        clock.meanwhile = [lambda: ours.history.append(replace(ours.history[0], body=newer))]
    github.fault(method, kind)
    assert write(github, clock).settled
    expected = {"shop": State.READY, "blog": State.BUILDING} if ours else {}
    assert shown(github) == {"docs": State.READY, **expected}


def test_a_limit_is_waited_out_and_what_happened_meanwhile_is_kept(github, clock):
    ours = put(github, OLD)
    clock.meanwhile = [lambda: ours.history.append(replace(ours.history[0], body=render([OLD, TWIN], "stormkit")))]
    github.fault("PATCH", "secondary-limit", seconds=20)
    write(github, clock)
    assert clock.slept[0] == 20.0
    assert shown(github) == {"docs": State.READY, "shop": State.BUILDING}


def test_a_comment_deleted_by_hand_is_written_anew(github, clock):
    put(github, OLD)
    github.fault("PATCH", "404")
    clock.meanwhile = [github.state.repository().comments.clear]
    assert write(github, clock).settled
    assert shown(github) == {"docs": State.READY}


def test_a_list_that_is_behind_makes_no_second_comment(github, clock):
    class Behind(GitHubApi):
        lists = 0

        def comments(self, number):
            Behind.lists += 1
            return [] if Behind.lists == 2 else super().comments(number)

    api = Behind(token=TOKEN, repository="octocat/hello-world", api_url=github.url, clock=clock)
    told = StickyComment(github=api, number=42, key="stormkit").write(CHANGE, deadline=Deadline.after(clock, 45))
    assert told.settled
    assert shown(github) == {"docs": State.READY}


def test_a_comment_deleted_while_it_is_read_back_is_written_anew(github, clock):
    clock.meanwhile = [github.state.repository().comments.clear]
    assert write(github, clock).settled
    assert shown(github) == {"docs": State.READY}


@pytest.mark.parametrize(
    "edit",
    [
        lambda body: body.replace("Ready", "Broken"),
        lambda body: body[: body.rindex("<!--")],
        lambda body: body.replace("action state ", "action state AAAA"),
        lambda body: body.replace("\n", "\r\n"),
        lambda body: f"{body}\n\nThanks, @octocat!",
    ],
)
def test_hand_edits_are_written_over(github, clock, edit):
    github.state.add_comment(login=BOT, body=edit(render([MINE], "stormkit")))
    again = MINE._replace(run_id=8, updated=NOW + 1)
    assert write(github, clock, Change(rows=(again,))).settled
    assert github.state.comments()[0].body == render(
        [again._replace(good_url=again.preview_url, good_id=again.deployment_id)], "stormkit"
    )


def test_a_word_added_by_hand_costs_no_row(github, clock):
    ours = put(github, OLD)
    ours.history.append(replace(ours.history[0], body=f"{ours.body}\n\nThanks, @octocat!"))
    write(github, clock)
    assert shown(github) == {"docs": State.READY, "shop": State.READY}


def test_an_older_run_that_ends_later_changes_nothing(github, clock):
    put(github, MINE._replace(run_id=9))
    before = github.state.comments()[0].body
    told = write(github, clock)
    assert told.settled
    assert github.state.comments()[0].body == before
    assert methods(github) == ["GET"]


@pytest.mark.parametrize("change", [Change(removed=(MINE._replace(state=State.REMOVED),)), Change(rows=())])
def test_nothing_is_created_to_say_that_something_is_gone(github, clock, change):
    told = write(github, clock, change, create=False)
    assert (told.url, github.state.comments()) == ("", [])


def test_it_ends_however_often_it_is_overwritten(github, clock):
    ours = put(github, OLD)
    clock.always = lambda: ours.history.append(ours.history[0])
    told = write(github, clock, seconds=1000)
    assert not told.settled
    assert len(methods(github)) <= 2 * MAX_TURNS


def test_it_ends_with_its_deadline_whatever_github_does(github, clock):
    put(github, TWIN)
    told = write(github, clock, seconds=1.5)
    assert not told.settled
    assert told.url
    assert shown(github)["docs"] is State.READY
    assert clock.passed <= 1.5


@pytest.mark.parametrize("kind", ["500", "answer-lost"])
def test_answers_that_never_come_are_an_error_in_the_end(github, clock, kind):
    github.fault("POST .*comments|GET .*comments", kind, times=1000)
    with pytest.raises(GitHubError):
        write(github, clock)
    assert clock.passed < 45


def test_a_permission_that_is_missing_is_an_error_at_once(github, clock):
    github.state.add_token("ghs_reader", permissions={"contents": "read"})
    with pytest.raises(GitHubError, match="pull-requests: write"):
        comment(github, clock, "ghs_reader").write(CHANGE, deadline=Deadline.after(clock, 45))
    assert methods(github) == ["GET", "POST"]


def test_of_forged_comments_full_of_rows_only_so_many_are_taken_over(github, clock):
    """Whoever has the bot's account can write comments with our marker."""
    word = encode([OLD._replace(label=f"{number:x}") for number in range(1000)])
    for _ in range(50):
        github.state.add_comment(login=BOT, body=f"{marker('stormkit')}\n\n<!-- stormkit-action state {word} -->")
    write(github, clock)
    assert clock.passed <= 45
    rows = read_rows(github.state.comments()[0].body)
    assert "docs" in {row.label for row in rows}
    assert len(rows) <= MAX_ROWS + 1
