"""Comments on pull requests."""

from sandbox.github.api import Answer, ApiError, Call, Route, found, invalid, route
from sandbox.github.state import Comment, Edit, TokenKind, now

BODY_LIMIT = 65_536
"""Characters of a comment."""

BYTE_LIMIT = 262_144
"""Bytes of a comment, the width of GitHub's column: the stricter of both limits counts."""


def list_comments(call: Call) -> Answer:
    """Comments of a pull request, oldest first."""
    repository, number = call.repository, _number(call)
    return call.page(
        [comment for comment in repository.comments if comment.number == number],
        lambda comment: call.objects.comment(repository, comment),
    )


def create_comment(call: Call) -> Answer:
    """A new comment in the caller's name."""
    number, account = _number(call), call.caller.account
    comment = call.state.add_comment(
        number, account.login, _body(call), account.type, repository=call.repository.full_name
    )
    body = call.objects.comment(call.repository, comment)
    return Answer(status=201, body=body, headers={"location": body["url"]})


def get_comment(call: Call) -> Answer:
    """One comment."""
    return Answer(body=call.objects.comment(call.repository, _comment(call)))


def edit_comment(call: Call) -> Answer:
    """A new text for a comment."""
    comment = _comment(call, writing=True)
    comment.history.append(Edit(body=_body(call), at=now()))
    return Answer(body=call.objects.comment(call.repository, comment))


def delete_comment(call: Call) -> Answer:
    """A comment less."""
    comment = _comment(call, writing=True)
    call.repository.comments.remove(comment)
    call.repository.deleted_comments.append(comment)
    return Answer(status=204)


def _number(call: Call) -> int:
    number = call.arguments["number"]
    if not number.isdecimal() or int(number) not in call.repository.pull_requests:
        raise ApiError(404, "Not Found")
    return int(number)


def _comment(call: Call, *, writing: bool = False) -> Comment:
    wanted = call.arguments["id"]
    comment: Comment = found(next((comment for comment in call.repository.comments if str(comment.id) == wanted), None))
    # People change their own comments only (unless they maintain the repository); apps change all.
    if writing and call.caller.kind is TokenKind.USER and call.caller.account.login != comment.login:
        raise ApiError(403, "Must have admin rights to Repository.")
    return comment


def _body(call: Call) -> str:
    body = call.text("body")
    if not body.strip():
        raise invalid("IssueComment", "body", "Body can't be blank", code="missing_field")
    if len(body) > BODY_LIMIT or len(body.encode("utf-8", "surrogatepass")) > BYTE_LIMIT:
        raise invalid(
            "IssueComment", "data", f"Body is too long (maximum is {BODY_LIMIT} characters)", code="unprocessable"
        )
    return body


_READ = "issues=read; pull_requests=read"
_WRITE = "issues=write; pull_requests=write"

ROUTES: tuple[Route, ...] = (
    route("GET", "/repos/{repository}/issues/{number}/comments", _READ, list_comments),
    route("POST", "/repos/{repository}/issues/{number}/comments", _WRITE, create_comment),
    route("GET", "/repos/{repository}/issues/comments/{id}", _READ, get_comment),
    route("PATCH", "/repos/{repository}/issues/comments/{id}", _WRITE, edit_comment),
    route("DELETE", "/repos/{repository}/issues/comments/{id}", _WRITE, delete_comment),
)
