"""The sticky comment: one for a pull request and key, found by marker and author, edited in place."""

from collections.abc import Callable

from stormkit_action.errors import GitHubError
from stormkit_action.github_answers import Comment
from stormkit_action.github_api import GitHubApi
from stormkit_action.reporting.comment_body import is_ours, read_rows, render
from stormkit_action.reporting.rows import Row

# What happens to the comment's rows: the rows before in, the rows after out.
Change = Callable[[tuple[Row, ...]], tuple[Row, ...]]


class StickyComment:
    """Our comment on pull request `number`. Every method raises GitHubError."""

    def __init__(self, *, github: GitHubApi, number: int, key: str) -> None:
        self._github = github
        self._number = number
        self._key = key
        self._id: int | None = None

    def using(self, github: GitHubApi) -> "StickyComment":
        """The same comment through another `github`, one with a deadline of its own."""
        other = StickyComment(github=github, number=self._number, key=self._key)
        other._id = self._id
        return other

    def write(self, change: Change, *, create: bool = True) -> str:
        """Apply `change` to the comment's rows. Its URL; empty when there is no comment and none was to be created."""
        comment = self._read()
        if comment is None:
            rows = change(())
            return self._create(rows) if create and rows else ""
        body = render(change(read_rows(comment.body)), self._key)
        if body != comment.body:
            self._github.edit_comment(self._number, comment.id, body)
        return comment.url

    def _read(self) -> Comment | None:
        if self._id is not None:
            known = self._github.comment(self._number, self._id)
            if known is not None:
                return known
        found = self._find()
        self._id = found.id if found else None
        return found

    def _find(self) -> Comment | None:
        """The oldest comment with our marker that the token itself wrote: anybody can copy a marker."""
        candidates = [each for each in self._github.comments(self._number) if is_ours(each.body, self._key)]
        if not candidates:
            return None
        login = self._github.login()
        return next((each for each in candidates if _same(each.author, login)), None)

    def _create(self, rows: tuple[Row, ...]) -> str:
        body = render(rows, self._key)
        try:
            comment = self._github.create_comment(self._number, body)
        except GitHubError as error:
            if error.status is not None and error.status < 500:
                raise
            # The answer was lost: the comment may be there all the same.
            comment = self._find() or self._github.create_comment(self._number, body)
        self._id = comment.id
        return comment.url


def _same(author: str, login: str) -> bool:
    """Whether both name one account. GraphQL may leave a bot's suffix away, and no person can have one."""
    return author in (login, f"{login}[bot]")
