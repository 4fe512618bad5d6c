"""`status` and `list`: reporting what is there without changing anything."""

from stormkit_action.commands import find
from stormkit_action.context import Context
from stormkit_action.errors import StormkitError
from stormkit_action.inputs import BuildLog
from stormkit_action.result import DeploymentResult, Outcome
from stormkit_action.stormkit.models import failure_reason
from stormkit_action.stormkit.waiting import with_logs


def status(context: Context) -> DeploymentResult:
    """The named deployment, or the branch's newest, as it is."""
    deployment = find.named_or_newest(context, "deployment", lambda _: True)
    if context.inputs.build_log is not BuildLog.NEVER:
        try:
            deployment = with_logs(context.client, deployment)
        except StormkitError as error:
            context.log(f"The build log could not be read. {error.text}")
    result = context.result(deployment)
    if result.status is Outcome.FAILED:
        return result._replace(reason=failure_reason(deployment))
    if result.status is Outcome.STOPPED:
        return result._replace(reason=f"Deployment {deployment.id} was stopped.")
    return result


def list_deployments(context: Context) -> tuple[DeploymentResult, ...]:
    """Every deployment of the branch, or of the environment where no branch is known, newest first."""
    listed = tuple(context.client.all_deployments(branch=context.plan.branch))
    for deployment in listed:
        context.check_environment(deployment)
    return tuple(context.result(deployment) for deployment in listed)
