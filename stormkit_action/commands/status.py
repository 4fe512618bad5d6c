"""`status` and `list`: reporting what is there without changing anything."""

from dataclasses import replace

from stormkit_action.commands import build as building
from stormkit_action.commands import find as finding
from stormkit_action.context import Context
from stormkit_action.result import DeploymentResult, Outcome
from stormkit_action.stormkit.waiting import with_logs


def status(context: Context) -> DeploymentResult:
    """The named deployment, or the branch's newest, as it is."""
    deployment = finding.named_or_newest(context, "deployment", lambda _: True)
    deployment = with_logs(context.client, deployment, context.deadline)
    result = finding.result_of(context, deployment)
    if result.status is Outcome.FAILED:
        return replace(result, reason=building.why_failed(deployment))
    if result.status is Outcome.STOPPED:
        return replace(result, reason=f"Deployment {deployment.id} was stopped.")
    return result


def deployments(context: Context) -> tuple[DeploymentResult, ...]:
    """Every deployment of the branch, or of the environment where no branch is known, newest first."""
    return tuple(
        finding.result_of(context, each) for each in context.client.all_deployments(branch=context.plan.branch)
    )
