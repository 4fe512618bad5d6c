"""From the plan to a Result: which command answers, for one environment or for several at the same time."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from stormkit_action import result as results
from stormkit_action.commands import check, deploy, live
from stormkit_action.commands import cleanup as removing
from stormkit_action.commands import find as finding
from stormkit_action.commands import status as looking
from stormkit_action.commands.starting import Started
from stormkit_action.context import Context
from stormkit_action.errors import ActionError, Cancelled, GitHubError
from stormkit_action.inputs import Command
from stormkit_action.later import Later
from stormkit_action.plan import Plan
from stormkit_action.result import DeploymentResult, Outcome, Result
from stormkit_action.stormkit.models import Status

if TYPE_CHECKING:
    from stormkit_action.github_api.api import GitHubApi

# GitHub, for the commands that ask it something; None outside of it.
GitHub = Later["GitHubApi | None"]

# How many environments are worked on at once. Their threads do little but wait for builds.
POOL = 64


@dataclass(frozen=True, kw_only=True, slots=True)
class Done:
    """What a command did in one environment."""

    deployments: tuple[DeploymentResult, ...]
    deleted: int = 0


def run(contexts: Sequence[Context], *, github: GitHub, started: Started | None = None) -> Result:
    """Run the planned command in every environment. Never raises an ActionError: it is in the results.

    `started` is how far the deployment of the only environment is.
    """
    plan = contexts[0].plan
    reason = _still_needed(plan, github.get(), contexts[0]) if plan.command is Command.CLEANUP else ""
    if reason:
        return results.skipped(reason)
    done = _in_parallel(contexts, lambda context: _guarded(context, github, started))
    deployments = tuple(each for part in done for each in part.deployments)
    result = results.of_deployments(deployments, deleted=sum(part.deleted for part in done))
    return _reported(result, plan.command) if plan.command in _REPORTING else result


def _in_parallel(contexts: Sequence[Context], act: Callable[[Context], Done]) -> list[Done]:
    if len(contexts) == 1:
        return [act(contexts[0])]
    from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415 - most steps need none

    with ThreadPoolExecutor(min(len(contexts), POOL), thread_name_prefix="site") as pool:
        return list(pool.map(act, contexts))


def _guarded(context: Context, github: GitHub, started: Started | None) -> Done:
    """What the command did; what went wrong is a result too, so that one environment leaves the others alone."""
    try:
        return _act(context, github, started)
    except ActionError as error:
        failure = finding.result_of(context, None, status=Outcome.FAILED)
        return Done(deployments=(replace(failure, reason=error.text),))
    except Cancelled:
        cancelled = finding.result_of(context, None, status=Outcome.CANCELLED)
        return Done(deployments=(replace(cancelled, reason="The job was cancelled."),))


def _act(context: Context, github: GitHub, started: Started | None) -> Done:
    command = context.plan.command
    if command is Command.DEPLOY:
        return Done(deployments=(deploy.run(context, started),))
    if command is Command.CHECK:
        return Done(deployments=(check.run(context, github=github.get()),))
    if command is Command.LIST:
        return Done(deployments=looking.deployments(context))
    if command in (Command.DELETE, Command.CLEANUP):
        removed = removing.delete(context) if command is Command.DELETE else removing.cleanup(context)
        return Done(deployments=(removed.result,), deleted=removed.deleted)
    return Done(deployments=(_ONE_RESULT[command](context),))


def _restart(context: Context) -> DeploymentResult:
    failed = finding.named_or_newest(context, "failed deployment", lambda each: each.status is Status.FAILED)
    return deploy.Deploy(context).restart(failed)


_ONE_RESULT: dict[Command, Callable[[Context], DeploymentResult]] = {
    Command.RESTART: _restart,
    Command.PUBLISH: live.publish,
    Command.ROLLBACK: live.rollback,
    Command.STOP: removing.stop,
    Command.STATUS: looking.status,
}


# Commands that did their job by reporting, whatever state they report.
_REPORTING = frozenset({Command.STATUS, Command.LIST, Command.STOP})


def _reported(result: Result, command: Command) -> Result:
    could_not = any(each.deployment is None and each.status is Outcome.FAILED for each in result.deployments)
    if could_not or result.status is Outcome.CANCELLED:
        return result
    return results.of_listing(result.deployments) if command is Command.LIST else replace(result, exit_code=0)


def _still_needed(plan: Plan, github: "GitHubApi | None", context: Context) -> str:
    """Why the branch's deployments must stay: another open pull request has the same head branch."""
    if github is None:
        return ""
    try:
        others = [
            each.number for each in github.pull_requests_of_branch(plan.branch) if each.number != plan.pull_request
        ]
    except GitHubError as error:
        context.reporter.line(f"Whether another pull request has the branch could not be found out: {error.text}")
        return ""
    if not others:
        return ""
    return f"Pull request #{others[0]} is open and has the branch {plan.branch} too, so its deployments stay."
