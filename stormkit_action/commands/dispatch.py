"""From the plan to a Result: which command answers, in one environment or in several at the same time."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from stormkit_action import result as results
from stormkit_action.commands import check, cleanup, deploy, publish, status, stop
from stormkit_action.context import Context, WrongEnvironment
from stormkit_action.errors import ActionError, Cancelled, GitHubError
from stormkit_action.inputs import Command
from stormkit_action.result import DeploymentResult, Outcome, Result

# How many environments are worked on at once. Their threads do little but wait for builds.
POOL_SIZE = 64

COMMANDS: Mapping[Command, Callable[[Context], DeploymentResult]] = {
    Command.DEPLOY: deploy.deploy,
    Command.RESTART: deploy.restart,
    Command.PUBLISH: publish.publish,
    Command.ROLLBACK: publish.rollback,
    Command.STOP: stop.stop,
    Command.DELETE: cleanup.delete,
    Command.CLEANUP: cleanup.cleanup,
    Command.STATUS: status.status,
    Command.CHECK: check.check,
}

# Commands that succeed whatever state the deployments are in: they report it or, for stop, end it.
_REPORTING = frozenset({Command.STATUS, Command.LIST, Command.STOP})


def run(contexts: Sequence[Context]) -> Result:
    """Run the planned command in every environment. Never raises an ActionError: it is in the results."""
    command = contexts[0].plan.command
    if command is Command.CLEANUP:
        reason = _why_kept(contexts[0])
        if reason:
            return results.skipped(reason)
    deployments = [result for environment in _in_parallel(contexts) for result in environment]
    if command not in _REPORTING:
        return results.of_deployments(deployments)
    unreported = [deployment for deployment in deployments if not _is_reported(deployment)]
    if unreported:
        is_listing = command is Command.LIST
        return results.of_deployments(unreported)._replace(deployments=tuple(deployments), listing=is_listing)
    if command is Command.LIST:
        return results.of_listing(deployments)
    return results.of_deployments(deployments)._replace(exit_code=0)


def _in_parallel(contexts: Sequence[Context]) -> list[tuple[DeploymentResult, ...]]:
    if len(contexts) == 1:
        return [_run_one(contexts[0])]
    with ThreadPoolExecutor(min(len(contexts), POOL_SIZE), thread_name_prefix="environment") as pool:
        return list(pool.map(_run_one, contexts))


def _run_one(context: Context) -> tuple[DeploymentResult, ...]:
    """The command's results in one environment; an error is a result too, so that the others go on."""
    try:
        if context.plan.command is Command.LIST:
            return status.list_deployments(context)
        return (COMMANDS[context.plan.command](context),)
    except WrongEnvironment as error:
        return (context.result_of_environment(error.deployment, Outcome.FAILED, error.text),)
    except ActionError as error:
        return (context.result(None, Outcome.FAILED, error.text),)
    except Cancelled:
        return (context.result(None, Outcome.CANCELLED, "The job was cancelled."),)


def _is_reported(result: DeploymentResult) -> bool:
    """Whether the command could read the deployment and, for `stop`, end it."""
    if result.status is Outcome.CANCELLED:
        return False
    return result.status is not Outcome.FAILED or (result.deployment is not None and not result.refused)


def _why_kept(context: Context) -> str:
    """Why the branch's deployments must stay; empty when they may go."""
    github, plan = context.github, context.plan
    if github is None:
        return ""
    try:
        open_pull_requests = github.pull_requests_of_branch(plan.branch)
    except GitHubError as error:
        context.reporter.log(f"Could not find out whether a pull request is open from {plan.branch}: {error.text}")
        return ""
    for pull_request in open_pull_requests:
        # A re-run gets the original payload, and the pull request may have been reopened since.
        is_own = pull_request.number == plan.pull_request
        if is_own and context.inputs.branch:
            continue
        why = "is open again" if is_own else "is open from the same branch"
        return f"Kept the deployments of {plan.branch}: pull request #{pull_request.number} {why}."
    return ""
