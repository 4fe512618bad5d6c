"""`status` and `list`: reporting what is there without changing anything."""

from dataclasses import replace

from stormkit_action.commands import build as building
from stormkit_action.commands import find as finding
from stormkit_action.context import Work
from stormkit_action.result import DeploymentResult, Outcome
from stormkit_action.stormkit.waiting import with_logs


def status(work: Work) -> DeploymentResult:
    """The named deployment, or the branch's newest, as it is."""
    deployment = finding.named_or_newest(work, "deployment", lambda _: True)
    deployment = with_logs(work.client, deployment, work.deadline)
    result = finding.result_of(work, deployment)
    if result.status is Outcome.FAILED:
        return replace(result, reason=building.why_failed(deployment))
    if result.status is Outcome.STOPPED:
        return replace(result, reason=f"Deployment {deployment.id} was stopped.")
    return result


def deployments(work: Work) -> tuple[DeploymentResult, ...]:
    """Every deployment of the branch, or of the environment where no branch is known, newest first."""
    return tuple(finding.result_of(work, each) for each in work.client.all_deployments(branch=work.plan.branch))
