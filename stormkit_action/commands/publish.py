"""`publish` and `rollback`: which deployment is live."""

from stormkit_action.commands import find
from stormkit_action.context import Context
from stormkit_action.errors import ActionError, Cancelled, CommandError
from stormkit_action.result import DeploymentResult, Outcome
from stormkit_action.stormkit import confirm
from stormkit_action.stormkit.models import CONFIGURATION, Deployment, is_newer


def publish(context: Context) -> DeploymentResult:
    """Make the named deployment, or the branch's newest successful one, live."""
    return _publish(context, find.named_or_newest(context, "successful deployment", find.is_successful))


def rollback(context: Context) -> DeploymentResult:
    """Make the newest successful deployment live again that is older than the live one.

    Of the live one's branch, or of the input `branch`: an environment's list holds the previews of pull requests too,
    which nobody wants live.
    """
    live: Deployment | None = None
    branch = context.inputs.branch
    for deployment in context.client.all_deployments():
        context.check_environment(deployment)
        if live is None:
            if deployment.published:
                live = deployment
                branch = branch or live.branch
        elif _can_replace(live, deployment) and deployment.branch == branch:
            context.log(f"Rolling back from deployment {live.id} to {deployment.id}.")
            return _publish(context, deployment, replaces=live.id)
    if live is None:
        raise CommandError("Nothing was rolled back: this environment has no live deployment. Publish one first.")
    of_branch = f" of branch {branch}" if branch else ""
    return context.refusal(
        live,
        f"Nothing was rolled back: there is no successful deployment{of_branch} older than the live one ({live.id})."
        " Deploy and publish a commit that works instead.",
    )


def _can_replace(live: Deployment, other: Deployment) -> bool:
    """Whether `other` works and is older than the live one: what came to the top of the list meanwhile comes last."""
    return find.is_successful(other) and not other.published and not is_newer(other, live)


def _publish(context: Context, listed: Deployment, *, replaces: str = "") -> DeploymentResult:
    # The list may lag behind: only the deployment itself says whether it is published.
    deployment = context.client.deployment(listed.id)
    if deployment.configuration_lost:
        return context.refusal(
            deployment,
            f"Deployment {deployment.id} was not published: a restart built it without the environment's configuration"
            f" ({CONFIGURATION}). Deploy again, and publish that.",
        )
    try:
        live = confirm.publish(
            context.client, deployment, deadline=context.deadline, log=context.log, replaces=replaces
        )
    except Cancelled:
        reason = f"The job was cancelled while deployment {deployment.id} was being published: it may still go live."
        return context.refusal(deployment, reason)._replace(status=Outcome.CANCELLED)
    except ActionError as error:
        status = Outcome.TIMED_OUT if context.deadline.over else Outcome.FAILED
        return context.refusal(deployment, error.text)._replace(status=status)
    return context.result(live)
