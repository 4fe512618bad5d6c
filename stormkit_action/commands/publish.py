"""`publish` and `rollback`: which deployment is live."""

from stormkit_action.commands import find
from stormkit_action.context import Context
from stormkit_action.errors import ActionError, CommandError
from stormkit_action.result import DeploymentResult, Outcome
from stormkit_action.stormkit import confirm
from stormkit_action.stormkit.models import Deployment


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
        elif find.is_successful(deployment) and not deployment.published and deployment.branch == branch:
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


def _publish(context: Context, listed: Deployment, *, replaces: str = "") -> DeploymentResult:
    # The list may lag behind: only the deployment itself says whether it is published.
    deployment = context.client.deployment(listed.id)
    if deployment.configuration_lost:
        return context.refusal(
            deployment,
            f"Deployment {deployment.id} was not published: a restart built it without the environment's variables,"
            " build command, output folder and status checks. Deploy again, and publish that.",
        )
    try:
        live = confirm.publish(
            context.client, deployment, deadline=context.deadline, log=context.log, replaces=replaces
        )
    except ActionError as error:
        status = Outcome.TIMED_OUT if context.deadline.over else Outcome.FAILED
        return context.refusal(deployment, error.text)._replace(status=status)
    return context.result(live)
