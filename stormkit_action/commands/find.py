"""Finding the deployment that a command is about."""

from collections.abc import Callable

from stormkit_action.commands import build as building
from stormkit_action.context import Work
from stormkit_action.errors import CommandError, NotFound
from stormkit_action.result import DeploymentResult, Outcome
from stormkit_action.stormkit.models import Deployment


def named(work: Work) -> Deployment:
    """The deployment that the input deployment-id names. Raises CommandError when the environment has none of it."""
    wanted = work.inputs.deployment_id
    try:
        return work.client.deployment(wanted)
    except NotFound as error:
        raise CommandError(
            f"There is no deployment {wanted} in this environment; nothing was changed. Check deployment-id and env-id:"
            f" a deployment belongs to one environment. ({error.text})"
        ) from None


def newest(work: Work, what: str, wanted: Callable[[Deployment], bool]) -> Deployment:
    """The branch's newest deployment that is `wanted`; `what` says that in words. Raises CommandError without one."""
    branch = work.plan.branch
    for deployment in work.client.all_deployments(branch=branch):
        if wanted(deployment) and deployment.branch in ("", branch):
            return deployment
    raise CommandError(
        f"Branch {branch} has no {what} in this environment; nothing was changed. Check branch and env-id, or name a"
        " deployment-id."
    )


def named_or_newest(work: Work, what: str, wanted: Callable[[Deployment], bool]) -> Deployment:
    """The one that deployment-id names, else the branch's newest that is `wanted`."""
    return named(work) if work.inputs.deployment_id else newest(work, what, wanted)


def result_of(work: Work, deployment: Deployment | None, *, status: Outcome | None = None) -> DeploymentResult:
    """The result that `deployment` stands for (None: there is none), as Stormkit tells it unless `status` says else."""
    told = Outcome(deployment.status.value) if deployment else Outcome.SUCCESS
    branch = deployment.branch if deployment else work.plan.branch
    return DeploymentResult(
        status=status or told,
        label=building.label(work, deployment),
        name=work.site.name,
        env_id=work.site.env_id or (deployment.env_id if deployment else ""),
        deployment_id=deployment.id if deployment else work.inputs.deployment_id,
        branch=branch,
        expected_sha=work.plan.expected_sha if branch == work.plan.branch else "",
        deployment=deployment,
        dashboard_url=work.inputs.dashboard_url,
        live=bool(deployment and deployment.published),
    )
