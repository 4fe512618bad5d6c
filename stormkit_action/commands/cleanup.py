"""`delete` and `cleanup`: removing deployments. Removing what is already gone is success."""

import contextlib
import threading
from datetime import UTC, datetime

from stormkit_action.commands import find
from stormkit_action.commands.stop import at_once
from stormkit_action.context import Context
from stormkit_action.errors import ActionError, Cancelled, CommandError, NotFound, StormkitError
from stormkit_action.result import DeploymentResult, Outcome
from stormkit_action.stormkit.models import Deployment

# While deleting, progress is logged after every so many deployments.
PROGRESS_EVERY = 50


def delete(context: Context) -> DeploymentResult:
    """Delete the named deployment. Refuses a published one; one that is already gone is success."""
    deployment_id = context.inputs.deployment_id
    try:
        deployment = context.client.deployment(deployment_id)
    except NotFound:
        if not context.client.is_gone(deployment_id):
            raise
        newest = find.newest_of_environment(context)
        where = f"environment {newest.env_id}" if newest and newest.env_id else "the key's environment"
        context.log(f"There is no deployment {deployment_id} in {where}: nothing to delete.")
        # Its own environment may be another one, whose reports stay as they are.
        return context.result_of_environment(newest, Outcome.SUCCESS, deployment_id=deployment_id)
    context.check_environment(deployment)
    if deployment.published is not False:
        return _refusal(context, deployment)
    try:
        stop_and_delete(context, deployment.id, is_running=deployment.running)
        _confirm_gone(context, deployment_id)
    except Cancelled:
        reason = f"The job was cancelled while deployment {deployment_id} was being deleted."
        return context.refusal(deployment, reason)._replace(status=Outcome.CANCELLED)
    except ActionError as error:
        return context.refusal(deployment, error.text)
    context.log(f"Deleted deployment {deployment_id}.")
    return context.result(deployment, Outcome.SUCCESS)._replace(deleted=1)


def _refusal(context: Context, deployment: Deployment) -> DeploymentResult:
    state = "is published" if deployment.published else "may be published (Stormkit does not say)"
    reason = (
        f"Deployment {deployment.id} {state}: deleting it would take the site down, so nothing was changed. Publish"
        " another deployment first."
    )
    return context.refusal(deployment, reason)


def cleanup(context: Context) -> DeploymentResult:
    """Stop the branch's builds; delete all but the published one and the `keep-latest` newest successful ones."""
    branch = context.plan.branch
    # Collect first, then act: rows shift while the list is paged, and one that is listed late may be the newest.
    listed = context.client.all_deployments(branch=branch)
    found = [deployment for deployment in listed if deployment.branch == branch]
    for deployment in found:
        context.check_environment(deployment)
    newest = None if found else find.newest_of_environment(context)
    found.sort(key=_created_at, reverse=True)
    successful = [deployment for deployment in found if find.is_successful(deployment)]
    kept_ids = {deployment.id for deployment in successful[: context.inputs.keep_latest]}
    to_delete = [deployment for deployment in found if not deployment.published and deployment.id not in kept_ids]
    kept = [deployment for deployment in found if deployment not in to_delete]
    context.log(
        f"Deployments of branch {branch}: {len(found)} found, {len(to_delete)} to delete{_ids(to_delete)}, {len(kept)}"
        f" kept{_ids(kept)}."
    )
    if not to_delete:
        context.log("Nothing to delete.")
    removal = Removal(context, len(to_delete))
    status = Outcome.SUCCESS
    try:
        at_once(to_delete, removal.remove, check=context.clock.check)
        removal.confirm(branch)
        reason = removal.failure()
        if reason:
            status = Outcome.FAILED
    except Cancelled:
        status = Outcome.CANCELLED
        reason = f"The job was cancelled after {removal.deleted} of {len(to_delete)} deployments were deleted."
    return context.result_of_environment(found[0] if found else newest, status, reason)._replace(
        deleted=removal.deleted,
        removed=status is Outcome.SUCCESS and len(removal.ended_ids) == len(found),
        ended_ids=removal.ended_ids,
    )


def _created_at(deployment: Deployment) -> datetime:
    return deployment.created_at or datetime.min.replace(tzinfo=UTC)


def _ids(deployments: list[Deployment]) -> str:
    """The ids in parentheses; empty for none."""
    return f" ({', '.join(deployment.id for deployment in deployments)})" if deployments else ""


class Removal:
    """Removes deployments one by one, from several threads, and counts."""

    def __init__(self, context: Context, total: int) -> None:
        self._context = context
        self._total = total
        self._lock = threading.Lock()
        self._done = 0
        self._deleted: set[str] = set()
        self._gone: set[str] = set()
        self._failures: list[str] = []

    @property
    def deleted(self) -> int:
        """How many deployments this has deleted."""
        return len(self._deleted)

    @property
    def ended_ids(self) -> tuple[str, ...]:
        """The deployments that are gone, whoever deleted them."""
        return tuple(sorted(self._deleted | self._gone))

    def remove(self, deployment: Deployment) -> None:
        """Stop and delete one. A failure is kept for the end and stops no other."""
        failure = ""
        try:
            self._remove(deployment)
        except (StormkitError, CommandError) as error:
            failure = f"{deployment.id}: {error.text.removesuffix('.')}"
        with self._lock:
            self._done += 1
            if failure:
                self._failures.append(failure)
            if self._done % PROGRESS_EVERY == 0 and self._done < self._total:
                self._context.log(f"{self._done} of {self._total} done.")

    def _remove(self, listed: Deployment) -> None:
        # Read it again: it may have been published since it was listed.
        try:
            deployment = self._context.client.deployment(listed.id)
        except NotFound:
            with self._lock:
                self._gone.add(listed.id)
            return
        if deployment.published:
            self._context.log(f"Kept deployment {deployment.id}: it was published meanwhile.")
            return
        if deployment.published is None:
            raise CommandError("Stormkit does not say whether it is published, so it was kept.")
        stop_and_delete(self._context, deployment.id, is_running=deployment.running)
        with self._lock:
            self._deleted.add(deployment.id)

    def confirm(self, branch: str) -> None:
        """Check in the list that everything is gone, including what answered 404 before it could be deleted.

        A 404 alone proves nothing: a proxy may answer one while Stormkit restarts.
        """
        if not self._deleted and not self._gone:
            return
        try:
            listed = {deployment.id for deployment in self._context.client.all_deployments(branch=branch)}
        except StormkitError as error:
            self._failures.append(f"the list could not be read to confirm it: {error.text.removesuffix('.')}")
            return
        for deployment_id in sorted(self._deleted & listed):
            self._deleted.discard(deployment_id)
            self._failures.append(f"{deployment_id}: Stormkit accepted the deletion, but it is still there")
        for deployment_id in sorted(self._gone):
            if deployment_id in listed:
                self._gone.discard(deployment_id)
                self._failures.append(f"{deployment_id}: it could not be read (404), but it is still listed")
            else:
                self._context.log(f"Deployment {deployment_id} was gone before it could be deleted.")

    def failure(self) -> str:
        """What failed, in one line; empty when nothing did."""
        if not self._failures:
            return ""
        shown = "; ".join(self._failures[:3])
        more = f" (and {len(self._failures) - 3} more)" if len(self._failures) > 3 else ""
        return f"{self.deleted} of {self._total} deployments were deleted. What went wrong: {shown}{more}."


def stop_and_delete(context: Context, deployment_id: str, *, is_running: bool) -> None:
    """Delete a deployment, stopping it first if it runs. One that is already gone counts as deleted."""
    with contextlib.suppress(NotFound):
        if is_running:
            context.client.stop(deployment_id)
        context.client.delete(deployment_id)


def _confirm_gone(context: Context, deployment_id: str) -> None:
    try:
        context.client.deployment(deployment_id)
    except NotFound:
        return
    raise CommandError(
        f"Stormkit accepted the deletion of deployment {deployment_id}, but it is still there. Run the command again."
    )
