"""What to do, decided purely: (Inputs, Event) -> Plan."""

import re
from typing import NamedTuple

from stormkit_action.errors import InputError
from stormkit_action.event import DEPENDABOT, Event, PullRequest
from stormkit_action.inputs import BY_ID, Command, Inputs
from stormkit_action.names import ON_GITHUB, Names
from stormkit_action.text import one_line

# What CIs call a remote-tracking branch and a pull request.
_NO_BRANCH_NAME = r"origin/.+|PR-[0-9]+"

_FOR_DEPENDABOT = (
    "To deploy Dependabot's pull requests, save the key as a Dependabot secret too"
    " (Settings → Secrets and variables → Dependabot)."
)

_DEFAULT_BRANCH_STAYS = (
    "{} is the repository's default branch, so its deployments stay. To clean it up anyway, set branch."
)


class Plan(NamedTuple):
    """What this run does.

    `branch` is empty where the command needs none; `expected_sha` is empty where no commit is expected.
    `pull_request` is the one whose comment shows the deployment.
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
        here = event.repository or "this repository"
        request = event.pipeline.request if event.pipeline else "pull request"
        return (
            f"The {request} comes from a fork ({fork}). Stormkit would build the branch of that name in"
            f" {here} instead, so nothing was deployed. For a preview, push the branch to {here}."
        )
    if not has_key and event.actor == DEPENDABOT:
        return f"Dependabot's runs get no repository secrets: api-key is empty, nothing was deployed. {_FOR_DEPENDABOT}"
    return ""


def closed_reason(number: int | None) -> str:
    """Why a closed pull request is not deployed."""
    return f"Pull request #{number} is closed, so its branch was not deployed. Reopen it for a preview."


def no_branch_reason(branch: str) -> str:
    """Why a `workflow_run` whose branch GitHub does not have is not deployed (see Event.branch_may_be_tag)."""
    return f"The repository has no branch {branch}: the workflow ran for a tag, and Stormkit deploys branches."


def decide(inputs: Inputs, event: Event, names: Names = ON_GITHUB) -> Plan:
    """The plan. Raises InputError when the event does not say what to act on."""
    command = _command(inputs, event)
    plan = Plan(
        command=command,
        branch=inputs.branch or event.branch,
        expected_sha=inputs.sha if inputs.branch else inputs.sha or event.sha,
        # A merge queue builds a branch of its own, which the pull request's comment is not about.
        pull_request=None if event.in_merge_queue else event.pull_request_number,
    )
    if command is Command.DEPLOY and event.pull_request_closed and plan.branch == event.branch:
        return plan._replace(skip=closed_reason(event.pull_request_number))
    needs_branch = _needs_branch(command, inputs) and not inputs.branch
    if needs_branch and (skip := _nothing_to_do(command, event)):
        return plan._replace(skip=skip)
    if needs_branch and not event.branch and not event.needs_pull_request:
        raise InputError([_no_branch(event, names)])
    if not names.on_github and inputs.branch != event.branch and re.fullmatch(_NO_BRANCH_NAME, inputs.branch):
        raise InputError([_not_a_branch(inputs.branch, event, names)])
    return plan


def _nothing_to_do(command: Command, event: Event) -> str:
    """Why there is nothing to do for the event's branch; empty when there is."""
    if event.name == "issue_comment" and event.pull_request_number is None:
        return "The comment is on an issue, not on a pull request: there is no branch to deploy."
    if event.ref_deleted and event.tag:
        return f"The tag {event.tag} was deleted: there is nothing to do."
    if event.ref_deleted and command is Command.DEPLOY:
        return f"The branch {event.branch} was deleted: there is nothing to deploy."
    if command is Command.CLEANUP and event.branch and event.branch == event.default_branch:
        return _DEFAULT_BRANCH_STAYS.format(event.branch)
    return ""


def with_pull_request(plan: Plan, pull_request: PullRequest, event: Event, inputs: Inputs) -> Plan:
    """The plan for an event that only named a pull request (a comment), with what GitHub answered about it."""
    about = event._replace(
        head_repository=pull_request.head_repository, head_repository_id=pull_request.head_repository_id
    )
    if about.from_fork:
        return plan._replace(skip=skip_reason(about, has_key=True))
    branch = inputs.branch or pull_request.head_ref
    if plan.command is Command.DEPLOY and pull_request.closed and branch == pull_request.head_ref:
        return plan._replace(skip=closed_reason(pull_request.number))
    if inputs.branch:
        return plan
    return plan._replace(branch=branch, expected_sha=inputs.sha or pull_request.head_sha)


def _command(inputs: Inputs, event: Event) -> Command:
    if inputs.command is not Command.AUTO:
        return inputs.command
    return Command.CLEANUP if event.closes_pull_request else Command.DEPLOY


def _needs_branch(command: Command, inputs: Inputs) -> bool:
    if command in (Command.LIST, Command.ROLLBACK, Command.DELETE):
        return False
    return not (command in BY_ID and inputs.deployment_id)


def _no_branch(event: Event, names: Names) -> str:
    """What is missing where nothing names a branch."""
    if not names.on_github:
        return _no_branch_elsewhere(event)
    if event.tag:
        return (
            f'Input branch: "" is not valid: the event is about the tag {event.tag}, and Stormkit deploys branches;'
            " set branch."
        )
    return f'Input branch: "" is not valid: the {event.name} event names no branch; set branch.'


def _no_branch_elsewhere(event: Event) -> str:
    """What is missing outside GitHub, and what there is instead."""
    pipeline = event.pipeline
    if event.tag:
        return f"--branch is needed: the pipeline runs for the tag {event.tag}, and Stormkit deploys branches."
    if event.checked_out:
        return f"--branch is needed. The branch that is checked out here is {one_line(event.checked_out)}."
    if pipeline is None:
        return "--branch is needed: no CI names one."
    if pipeline.remote_branch:
        remote = one_line(pipeline.remote_branch)
        return f"--branch is needed. GIT_BRANCH is {remote}: give --branch {remote.removeprefix('origin/')}."
    return f"--branch is needed: {pipeline.name} names none in {pipeline.branch_variable}."


def _not_a_branch(name: str, event: Event, names: Names) -> str:
    """What is wrong with a name that a CI made up, and where the branch's own name is."""
    pipeline, subject = event.pipeline, names.subject("branch")
    if pipeline is not None and pipeline.branch:
        return f"{subject}: {name} is not the name of a branch; {pipeline.branch_advice(names('branch'))}"
    if name.startswith("origin/"):
        return f"{subject}: {name} is not the name of a branch: use {name.removeprefix('origin/')}."
    return f"{subject}: {name} is not the name of a branch, but of a pull request: use its source branch."
