"""The pull request's comment: which pull request that is, and what kept it from being written."""

from stormkit_action.clock import Deadline
from stormkit_action.errors import GitHubError
from stormkit_action.event import Event
from stormkit_action.github_api.api import GitHubApi
from stormkit_action.inputs import Command, Inputs, Switch
from stormkit_action.plan import Plan
from stormkit_action.reporting.comment import CommentWrite, StickyComment
from stormkit_action.reporting.rows import Change

# Commands whose result belongs into the comment.
_COMMANDS = frozenset({Command.DEPLOY, Command.RESTART, Command.PUBLISH, Command.CLEANUP})


class PullRequestComment:
    """Writes into the sticky comment, if there is a pull request. What can't be written is told in `problem`."""

    def __init__(self, *, inputs: Inputs, event: Event, plan: Plan) -> None:
        self._inputs = inputs
        self._event = event
        self._plan = plan
        self._number = plan.pull_request
        self._looked = False
        self._comment: StickyComment | None = None
        self.problem = ""

    @property
    def wanted(self) -> bool:
        """Whether a comment is to be written where that is possible."""
        return self._inputs.comment is not Switch.FALSE and self._event.on_github and self._plan.command in _COMMANDS

    def write(
        self, change: Change, github: GitHubApi, *, deadline: Deadline, create: bool = True, confirm: bool = True
    ) -> CommentWrite:
        """Write `change` as StickyComment does, but without raising."""
        try:
            number = self._find(github.within(deadline))
            if number is None:
                self.problem = f"There is no open pull request of {self._plan.branch or 'this event'} to comment on."
                return CommentWrite()
            if self._comment is None:
                self._comment = StickyComment(github=github, number=number, key=self._inputs.comment_key)
            told = self._comment.write(change, deadline=deadline, create=create, confirm=confirm)
        except GitHubError as error:
            self.problem = error.text
            return CommentWrite(settled=not error.retryable)
        self.problem = ""
        return told

    def _find(self, github: GitHubApi) -> int | None:
        """The pull request, looked up once where the event does not name it."""
        if self._number is None and not self._looked:
            self._number = self._look_up(github)
            self._looked = True
        return self._number

    def _look_up(self, github: GitHubApi) -> int | None:
        sha = self._event.sha
        if self._event.name == "workflow_run" and sha:
            # Answers with closed ones too, and with ones that merely contain the commit.
            found = [each for each in github.pull_requests_of_commit(sha) if each.state == "open"]
            found = [each for each in found if each.head_sha == sha]
        else:
            found = github.pull_requests_of_branch(self._plan.branch) if self._plan.branch else []
        return found[0].number if found else None
