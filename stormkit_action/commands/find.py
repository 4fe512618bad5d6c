"""Finding the deployment that a command is about."""

from collections.abc import Callable

from stormkit_action.commands import build as building
from stormkit_action.context import Context
from stormkit_action.errors import CommandError, NotFound
from stormkit_action.result import DeploymentResult, Outcome
from stormkit_action.stormkit.models import Deployment


def named(context: Context) -> Deployment:
    """The deployment that the input deployment-id names. Raises CommandError when the environment has none of it."""
    wanted = context.inputs.deployment_id
    try:
        return context.client.deployment(wanted)
    except NotFound as error:
        raise CommandError(
            f"There is no deployment {wanted} in this environment; nothing was changed. Check deployment-id and env-id:"
            f" a deployment belongs to one environment. ({error.text})"
        ) from None


def newest(context: Context, what: str, wanted: Callable[[Deployment], bool]) -> Deployment:
    """The branch's newest deployment that is `wanted`; `what` says that in words. Raises CommandError without one."""
    branch = context.plan.branch
    for deployment in context.client.all_deployments(branch=branch):
        if wanted(deployment) and deployment.branch in ("", branch):
            return deployment
    raise CommandError(
        f"Branch {branch} has no {what} in this environment; nothing was changed. Check branch and env-id, or name a"
        " deployment-id."
    )


def named_or_newest(context: Context, what: str, wanted: Callable[[Deployment], bool]) -> Deployment:
    """The one that deployment-id names, else the branch's newest that is `wanted`."""
    return named(context) if context.inputs.deployment_id else newest(context, what, wanted)


def result_of(context: Context, deployment: Deployment | None, *, status: Outcome | None = None) -> DeploymentResult:
    """The result that `deployment` stands for (None: there is none), as Stormkit tells it unless `status` says else."""
    told = Outcome(deployment.status.value) if deployment else Outcome.SUCCESS
    branch = deployment.branch if deployment else context.plan.branch
    return DeploymentResult(
        status=status or told,
        label=building.label(context, deployment),
        name=context.environment.name,
        env_id=context.environment.env_id or (deployment.env_id if deployment else ""),
        deployment_id=deployment.id if deployment else context.inputs.deployment_id,
        branch=branch,
        expected_sha=context.plan.expected_sha if branch == context.plan.branch else "",
        deployment=deployment,
        dashboard_url=context.inputs.dashboard_url,
        live=bool(deployment and deployment.published),
    )
