"""`publish` and `rollback`: which deployment is live."""

from stormkit_action.commands import find as finding
from stormkit_action.commands import publish as publishing
from stormkit_action.context import Context
from stormkit_action.errors import CommandError
from stormkit_action.result import DeploymentResult
from stormkit_action.stormkit.models import Deployment, Status


def publish(context: Context) -> DeploymentResult:
    """Make the named deployment, or the branch's newest successful one, live."""
    deployment = finding.named_or_newest(context, "successful deployment", _successful)
    # The list may lag behind; what is published is decided by reading the deployment itself.
    deployment = context.client.deployment(deployment.id)
    return finding.result_of(context, publishing.publish(context, deployment))


def rollback(context: Context) -> DeploymentResult:
    """Make the newest successful deployment that is older than the live one live again.

    Of the same branch: an environment's list holds the previews of pull requests too, which nobody wants live.
    """
    live: Deployment | None = None
    for deployment in context.client.all_deployments():
        if live is None:
            live = deployment if deployment.published else None
        elif _successful(deployment) and not deployment.published and deployment.branch == live.branch:
            context.reporter.line(f"Rolling back from deployment {live.id} to {deployment.id}.")
            target = context.client.deployment(deployment.id)
            return finding.result_of(context, publishing.publish(context, target))
    if live is None:
        raise CommandError(
            "Nothing was rolled back: this environment has no live deployment. Publish one with command: publish."
        )
    branch = f" of branch {live.branch}" if live.branch else ""
    raise CommandError(
        f"Nothing was rolled back: there is no successful deployment{branch} older than the live one ({live.id})."
        " Deploy and publish a commit that works instead."
    )


def _successful(deployment: Deployment) -> bool:
    return deployment.status is Status.SUCCESS
