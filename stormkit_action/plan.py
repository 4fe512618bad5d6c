"""What to do, decided purely: (Inputs, Event) -> Plan."""

from dataclasses import dataclass, replace

from stormkit_action.errors import InputError
from stormkit_action.event import DEPENDABOT, Event, PullRequest
from stormkit_action.inputs import Command, Inputs

# Commands that act on one deployment when its id is given, and on the branch's otherwise.
_BY_ID = frozenset({Command.PUBLISH, Command.RESTART, Command.STOP, Command.DELETE, Command.STATUS})

_FOR_DEPENDABOT = (
    "To deploy Dependabot's pull requests, save the key as a Dependabot secret too"
    " (Settings → Secrets and variables → Dependabot)."
)

_DEFAULT_BRANCH_STAYS = (
    "The closed pull request's head, {}, is the repository's default branch, so its deployments stay. To clean it up"
    " all the same, set branch."
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """What this run does.

    `branch` is empty where the command needs none; `expected_sha` is empty where no commit is expected.
    `skip` is the reason why nothing is done, empty when something is.
    """

    command: Command
    branch: str = ""
    expected_sha: str = ""
    pull_request: int | None = None
    skip: str = ""


def skip_reason(event: Event, *, has_key: bool) -> str:
    """Why this event deploys nothing, whatever the inputs say; empty when it may.

    A fork's branch is looked up by name in the app's own repository, so a branch of the same name there (often `main`)
    would be deployed in its place.
    """
    if event.from_fork:
        fork = event.head_repository or "a fork that was deleted"
        return (
            f"The pull request comes from a fork ({fork}). Stormkit would build the branch of that name in"
            f" {event.repository} instead, so nothing was deployed. Push the branch there for a preview."
        )
    if not has_key and event.actor == DEPENDABOT:
        return f"Dependabot's runs get no repository secrets: api-key is empty, nothing was deployed. {_FOR_DEPENDABOT}"
    return ""


def decide(inputs: Inputs, event: Event) -> Plan:
    """The plan. Raises InputError when the event does not say what to act on."""
    command = _command(inputs, event)
    plan = Plan(
        command=command,
        branch=inputs.branch or event.branch,
        expected_sha=inputs.sha if inputs.branch else inputs.sha or event.sha,
        pull_request=event.pull_request_number,
    )
    needs_branch = _needs_branch(command, inputs) and not inputs.branch
    if needs_branch and event.name == "issue_comment" and event.pull_request_number is None:
        return replace(plan, skip="The comment is on an issue, not on a pull request: there is no branch to deploy.")
    if event.branch_deleted and command is Command.DEPLOY and not inputs.branch:
        return replace(plan, skip=f"The branch {event.branch} was deleted: there is nothing to deploy.")
    if command is Command.CLEANUP and needs_branch and _closes_default_branch(event):
        return replace(plan, skip=_DEFAULT_BRANCH_STAYS.format(event.branch))
    if needs_branch and not event.branch and not event.needs_pull_request:
        raise InputError([_no_branch(event)])
    return plan


def with_pull_request(plan: Plan, pull_request: PullRequest, repository: str, inputs: Inputs) -> Plan:
    """The plan for an event that only named a pull request (a comment), with what GitHub answered about it."""
    if pull_request.head_repository.lower() != repository.lower():
        fork = Event(repository=repository, head_repository=pull_request.head_repository)
        return replace(plan, skip=skip_reason(fork, has_key=True))
    if inputs.branch:
        return plan
    return replace(plan, branch=pull_request.head_ref, expected_sha=inputs.sha or pull_request.head_sha)


def _command(inputs: Inputs, event: Event) -> Command:
    if inputs.command is not Command.AUTO:
        return inputs.command
    return Command.CLEANUP if event.closes_pull_request else Command.DEPLOY


def _closes_default_branch(event: Event) -> bool:
    """Whether the closed pull request merged the default branch into another: its end is not that branch's end."""
    return event.closes_pull_request and event.branch == event.default_branch


def _needs_branch(command: Command, inputs: Inputs) -> bool:
    if command in (Command.LIST, Command.ROLLBACK):
        return False
    return not (command in _BY_ID and inputs.deployment_id)


def _no_branch(event: Event) -> str:
    if event.tag:
        return (
            f'Input branch: "" is not valid: the event is about the tag {event.tag}, and Stormkit deploys branches;'
            " set branch."
        )
    what = f"the {event.name} event names no branch" if event.name else "there is no event to take one from"
    return f'Input branch: "" is not valid: {what}; set branch.'
