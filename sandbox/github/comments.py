"""The endpoints for comments on pull requests."""

from sandbox.github.api import Answer, ApiError, Call, Route, invalid, or_404, route
from sandbox.github.state import Comment, Edit, TokenKind, now

# GitHub's error names a limit in characters; measurements found one in bytes (github.com/dead-claudia/github-limits,
# issue 13). Both are enforced here.
MAX_BODY_CHARACTERS = 65_536
MAX_BODY_BYTES = 262_144


def list_comments(call: Call) -> Answer:
    """List the comments of a pull request, oldest first."""
    repository, number = call.repository, _number(call)
    return call.page(
        [comment for comment in repository.comments if comment.number == number],
        lambda comment: call.builder.comment(repository, comment),
    )


def create_comment(call: Call) -> Answer:
    """Create a comment by the caller."""
    number, account = _number(call), call.caller.account
    comment = call.state.add_comment(
        number, account.login, _body(call), account.type, repository=call.repository.full_name
    )
    body = call.builder.comment(call.repository, comment)
    return Answer(status=201, body=body, headers={"location": body["url"]})


def get_comment(call: Call) -> Answer:
    """Get a comment."""
    return Answer(body=call.builder.comment(call.repository, _comment(call)))


def edit_comment(call: Call) -> Answer:
    """Replace the text of a comment."""
    comment = _comment(call, is_write=True)
    comment.history.append(Edit(body=_body(call), at=now()))
    return Answer(body=call.builder.comment(call.repository, comment))


def delete_comment(call: Call) -> Answer:
    """Delete a comment."""
    comment = _comment(call, is_write=True)
    call.repository.comments.remove(comment)
    call.repository.deleted_comments.append(comment)
    return Answer(status=204)


def _number(call: Call) -> int:
    number = call.arguments["number"]
    if not number.isdecimal() or int(number) not in call.repository.pull_requests:
        raise ApiError(404, "Not Found")
    return int(number)


def _comment(call: Call, *, is_write: bool = False) -> Comment:
    comment_id = call.arguments["id"]
    matching = (comment for comment in call.repository.comments if str(comment.id) == comment_id)
    comment: Comment = or_404(next(matching, None))
    # A person may change only their own comments (the sandbox's people are not maintainers); an app may change all.
    if is_write and call.caller.kind is TokenKind.USER and call.caller.account.login != comment.login:
        raise ApiError(403, "Must have admin rights to Repository.")
    return comment


def _body(call: Call) -> str:
    body = call.text("body")
    if not body.strip():
        raise invalid("IssueComment", "body", "Body can't be blank", code="missing_field")
    if len(body) > MAX_BODY_CHARACTERS or len(body.encode("utf-8", "surrogatepass")) > MAX_BODY_BYTES:
        raise invalid(
            "IssueComment",
            "data",
            f"Body is too long (maximum is {MAX_BODY_CHARACTERS} characters)",
            code="unprocessable",
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
