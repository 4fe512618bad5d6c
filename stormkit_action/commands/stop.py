"""`stop`, and stopping what a newer deploy supersedes. Stopping what has ended is success."""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import NamedTuple

from stormkit_action.clock import Deadline
from stormkit_action.commands import find
from stormkit_action.context import Context
from stormkit_action.errors import ActionError, Cancelled, NotFound
from stormkit_action.result import DeploymentResult, Outcome
from stormkit_action.stormkit import confirm
from stormkit_action.stormkit.client import PAGE_SIZE
from stormkit_action.stormkit.models import Deployment, Status
from stormkit_action.stormkit.session import PATIENCE_S

# How many deployments are worked on at once.
POOL_SIZE = 16


class Stopped(NamedTuple):
    """The outcome of stopping several deployments: those that were stopped as read back, a sentence for each failure.

    With `is_cancelled` the job was cancelled before all of them were tried.
    """

    deployments: tuple[Deployment, ...]
    failures: tuple[str, ...]
    is_cancelled: bool = False


def stop(context: Context) -> DeploymentResult:
    """Stop the named deployment, or every running one of the branch."""
    if context.inputs.deployment_id:
        found = [find.named(context)]
    else:
        listed = list(context.client.all_deployments(branch=context.plan.branch))
        for deployment in listed:
            context.check_environment(deployment)
        if not listed:
            find.newest_of_environment(context)
        found = running_of_branch(context, listed)
    running = [deployment for deployment in found if deployment.running]
    stopped = stop_all(context, running)
    ended_ids = tuple(deployment.id for deployment in stopped.deployments)
    shown = (*stopped.deployments, *found)
    if stopped.is_cancelled:
        reason = f"The job was cancelled after {len(ended_ids)} of {len(running)} deployments were stopped."
        return context.result(shown[0], Outcome.CANCELLED, reason)._replace(ended_ids=ended_ids)
    if stopped.failures:
        return context.refusal(found[0], " ".join(stopped.failures))._replace(ended_ids=ended_ids)
    if not stopped.deployments:
        context.log("Nothing to stop.")
    return context.result(shown[0] if shown else None)._replace(ended_ids=ended_ids)


def stop_superseded(context: Context, give_up: Deadline) -> frozenset[str]:
    """Before a trigger: stop what still runs for this branch. Returns the ids of all deployments that were there.

    Raises StormkitError when the list can't be read. A deployment that can't be stopped only causes a warning.
    """
    known: set[str] = set()
    running: list[Deployment] = []
    since_last_running = 0
    for deployment in context.stormkit.within(give_up).all_deployments(branch=context.plan.branch):
        context.check_environment(deployment)
        known.add(deployment.id)
        since_last_running = 0 if deployment.running else since_last_running + 1
        if deployment.running:
            running.append(deployment)
        # Running ones are the newest: a page's worth without any ends the search.
        if since_last_running >= PAGE_SIZE:
            break
    stopped = stop_all(context, running_of_branch(context, running))
    if stopped.is_cancelled:
        raise Cancelled
    for failure in stopped.failures:
        context.warn(f"A superseded deployment is still running. {failure}")
    return frozenset(known)


def running_of_branch(context: Context, deployments: Iterable[Deployment]) -> list[Deployment]:
    """Those of the branch that are running."""
    branches = ("", context.plan.branch)
    return [deployment for deployment in deployments if deployment.running and deployment.branch in branches]


def stop_all(context: Context, deployments: list[Deployment]) -> Stopped:
    """Stop each of `deployments`, whatever becomes of the others."""
    stopped: dict[str, Deployment] = {}
    failures: list[str] = []

    def stop_one(deployment: Deployment) -> None:
        try:
            stopped[deployment.id] = confirm.stop(context.client, deployment.id, context.deadline.within(PATIENCE_S))
        except NotFound:
            stopped[deployment.id] = deployment._replace(status=Status.STOPPED, preview_url="")
            context.log(f"Deployment {deployment.id} was deleted meanwhile.")
        except ActionError as error:
            failures.append(f"Deployment {deployment.id} could not be stopped: {error.text}")
        else:
            context.log(f"Stopped deployment {deployment.id}.")

    is_cancelled = False
    try:
        at_once(deployments, stop_one, check=context.clock.check)
    except Cancelled:
        is_cancelled = True
    return Stopped(
        deployments=tuple(stopped[deployment.id] for deployment in deployments if deployment.id in stopped),
        failures=tuple(failures),
        is_cancelled=is_cancelled,
    )


def at_once(deployments: Iterable[Deployment], act: Callable[[Deployment], None], *, check: Callable[[], None]) -> None:
    """Run `act` on each deployment in a bounded pool. Once `check` raises, no more are begun."""
    with ThreadPoolExecutor(POOL_SIZE) as pool:
        futures = [pool.submit(act, deployment) for deployment in deployments]
        try:
            for future in as_completed(futures):
                check()
                future.result()
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
