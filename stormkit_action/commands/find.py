"""Finding the deployment that a command is about."""

import contextlib
from collections.abc import Callable

from stormkit_action.context import Context
from stormkit_action.errors import CommandError, NotFound, StormkitError
from stormkit_action.stormkit.models import Deployment, Status
from stormkit_action.text import one_line


def named(context: Context) -> Deployment:
    """The deployment that deployment-id names. Raises CommandError when the environment has none of that id."""
    wanted = context.inputs.deployment_id
    try:
        deployment = context.client.deployment(wanted)
    except NotFound as error:
        if not error.from_handler:
            raise CommandError(error.text) from None
        raise CommandError(
            f"There is no deployment {wanted} in {_where(context)}; nothing was changed. Check"
            f" {context.names('deployment-id')} and {context.names('env-id')}: a deployment belongs to one environment."
        ) from None
    context.check_environment(deployment)
    return deployment


def newest(context: Context, what: str, is_wanted: Callable[[Deployment], bool]) -> Deployment:
    """The branch's newest deployment that is wanted; `what` says that in words. Raises CommandError without one."""
    branch = context.plan.branch
    for deployment in context.client.all_deployments(branch=branch):
        if is_wanted(deployment) and deployment.branch in ("", branch):
            context.check_environment(deployment)
            return deployment
    raise CommandError(
        f"Branch {one_line(branch)} has no {what} in {_where(context)}; nothing was changed. Check the branch and"
        f" {context.names('env-id')}, or set {context.names('deployment-id')}."
    )


def named_or_newest(context: Context, what: str, is_wanted: Callable[[Deployment], bool]) -> Deployment:
    """The one that deployment-id names, else the branch's newest that is wanted."""
    return named(context) if context.inputs.deployment_id else newest(context, what, is_wanted)


def _where(context: Context) -> str:
    """The environment that was searched, as a message names it."""
    return f"environment {context.environment.env_id}" if context.environment.env_id else "the key's environment"


def newest_of_environment(context: Context) -> Deployment | None:
    """The environment's newest deployment, which shows what environment the key belongs to; None without one.

    Raises CommandError when that is another environment than the one that the inputs name.
    """
    with contextlib.suppress(StormkitError):
        newest = next(iter(context.client.deployments().deployments), None)
        if newest is not None:
            context.check_environment(newest)
        return newest
    return None


def is_successful(deployment: Deployment) -> bool:
    """Whether the build has succeeded, with the environment's configuration."""
    return deployment.status is Status.SUCCESS and not deployment.configuration_lost


def is_failed(deployment: Deployment) -> bool:
    """Whether the build has failed."""
    return deployment.status is Status.FAILED
