"""`stop`, `delete` and `cleanup`: ending what is there. Doing it again is success."""

import contextlib
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from stormkit_action.clock import Deadline
from stormkit_action.commands import find as finding
from stormkit_action.context import Context
from stormkit_action.errors import ActionError, Cancelled, CommandError, NotFound, StormkitError
from stormkit_action.result import DeploymentResult, Outcome
from stormkit_action.stormkit import confirm as stopping
from stormkit_action.stormkit.models import Deployment, Status
from stormkit_action.stormkit.paging import PAGE_SIZE
from stormkit_action.stormkit.session import PATIENCE

# How many deletions are under way at once.
POOL = 8

# How often progress is shown while deleting.
STEP = 50


@dataclass(frozen=True, kw_only=True, slots=True)
class Removed:
    """What a removing command did: its result, and how many deployments it deleted."""

    result: DeploymentResult
    deleted: int = 0


def stop(context: Context) -> DeploymentResult:
    """Stop the named deployment, or every running one of the branch."""
    if context.inputs.deployment_id:
        found = [finding.named(context)]
    else:
        found = [
            each
            for each in _of_branch(context, context.client.all_deployments(branch=context.plan.branch))
            if each.running
        ]
    stopped, failures = _stop_all(context, [each for each in found if each.running])
    if failures:
        raise CommandError("; ".join(failures))
    if not stopped:
        context.reporter.line("Nothing was running: nothing was left to stop.")
    return finding.result_of(context, next(iter(stopped or found), None))


def stop_superseded(context: Context, give_up: Deadline) -> frozenset[str]:
    """Before a trigger: stop what still runs for this branch. The ids of what was there before it.

    Raises StormkitError when the list can't be read. What can't be stopped is only warned of.
    """
    listed = context.client.within(give_up).all_deployments(branch=context.plan.branch)
    known: set[str] = set()
    running: list[Deployment] = []
    quiet = 0
    for each in listed:
        known.add(each.id)
        quiet = 0 if each.running else quiet + 1
        if each.running:
            running.append(each)
        # Running ones are the newest: a page's worth without any ends the search.
        if quiet >= PAGE_SIZE:
            break
    for failure in _stop_all(context, _of_branch(context, running))[1]:
        context.reporter.warning(f"A superseded deployment goes on. {failure}")
    return frozenset(known)


def delete(context: Context) -> Removed:
    """Delete the named deployment. Refuses a published one; one that is gone already is success."""
    try:
        deployment = context.client.deployment(context.inputs.deployment_id)
    except NotFound:
        context.reporter.line(f"Deployment {context.inputs.deployment_id} is not there: nothing was left to delete.")
        return Removed(result=finding.result_of(context, None))
    if deployment.published is not False:
        state = "is published" if deployment.published else "may be published (Stormkit does not tell)"
        raise CommandError(
            f"Deployment {deployment.id} {state}: deleting it would take the site down, so nothing was changed. Publish"
            " another deployment first."
        )
    _stop_and_delete(context, deployment)
    _confirm_gone(context, deployment.id)
    context.reporter.line(f"Deleted deployment {deployment.id}.")
    return Removed(result=finding.result_of(context, deployment, status=Outcome.SUCCESS), deleted=1)


def cleanup(context: Context) -> Removed:
    """Stop what runs of the branch, and delete all of it but the published ones and the `keep-latest` newest."""
    branch = context.plan.branch
    # Collect first, then act: rows move while they are paged, and one that came late may be the newest.
    found = [each for each in context.client.all_deployments(branch=branch) if each.branch == branch]
    found.sort(key=lambda each: each.created_at or datetime.min.replace(tzinfo=UTC), reverse=True)
    newest = found[: context.inputs.keep_latest]
    doomed = [each for each in found[context.inputs.keep_latest :] if not each.published]
    kept = len(found) - len(doomed)
    context.reporter.line(f"Deployments of branch {branch}: {len(found)} found, {len(doomed)} to delete, {kept} kept.")
    tally = _Tally(context, len(doomed))
    status = Outcome.SUCCESS
    try:
        tally.failures += _stop_all(context, [each for each in newest if each.running and not each.published])[1]
        _each(doomed, tally.remove, cancelled=lambda: context.clock.sleep(0.0))
        if tally.deleted:
            tally.confirm(branch)
    except Cancelled:
        status = Outcome.CANCELLED
        reason = f"The job was cancelled when {tally.deleted} of {len(doomed)} deployments were deleted."
    else:
        reason = tally.summary()
        status = Outcome.FAILED if reason else Outcome.SUCCESS
        if not doomed:
            context.reporter.line("Nothing was left to delete.")
    result = replace(
        finding.result_of(context, found[0] if found else None),
        status=status,
        reason=reason,
        deployment=None,
        deployment_id="",
        live=False,
        removed=status is Outcome.SUCCESS and not kept,
    )
    return Removed(result=result, deleted=tally.deleted)


class _Tally:
    """Removes deployments one by one, from several threads, and counts."""

    def __init__(self, context: Context, total: int) -> None:
        self._context = context
        self._total = total
        self._lock = threading.Lock()
        self._done = 0
        self._deleted: set[str] = set()
        self.deleted = 0
        self.failures: list[str] = []

    def remove(self, deployment: Deployment) -> None:
        """Stop and delete one. A failure is kept for the end and stops nobody else."""
        try:
            gone = self._remove(deployment)
        except (StormkitError, CommandError) as error:
            with self._lock:
                self.failures.append(f"{deployment.id}: {error.text}")
            gone = False
        with self._lock:
            self._done += 1
            self.deleted += gone
            if self._done % STEP == 0 and self._done < self._total:
                self._context.reporter.line(f"{self._done} of {self._total} done.")

    def _remove(self, listed: Deployment) -> bool:
        """Whether this deleted it. Looks at it once more: it may have been published since it was listed."""
        try:
            deployment = self._context.client.deployment(listed.id)
        except NotFound:
            return False
        if deployment.published:
            self._context.reporter.line(f"Kept deployment {deployment.id}: it was published meanwhile.")
            return False
        if deployment.published is None:
            raise CommandError("Stormkit does not tell whether it is published, so it was kept.")
        _stop_and_delete(self._context, deployment)
        self._deleted.add(deployment.id)
        return True

    def confirm(self, branch: str) -> None:
        """Look whether what was deleted is gone."""
        try:
            left = {each.id for each in self._context.client.all_deployments(branch=branch)}
        except StormkitError as error:
            self.failures.append(f"whether they are gone could not be read back: {error.text}")
            return
        still_there = sorted(self._deleted & left)
        self.failures += [f"{each}: Stormkit accepted the deletion, but it is still there." for each in still_there]
        self.deleted -= len(still_there)

    def summary(self) -> str:
        """What failed, in one line; empty when nothing did."""
        if not self.failures:
            return ""
        shown = "; ".join(self.failures[:3])
        more = f" (and {len(self.failures) - 3} more)" if len(self.failures) > 3 else ""
        return f"{self.deleted} of {self._total} deployments were deleted. What went wrong: {shown}{more}"


def _each(
    deployments: Iterable[Deployment], act: Callable[[Deployment], None], *, cancelled: Callable[[], None]
) -> None:
    """Run `act` on each in a bounded pool. `cancelled` raises once the job is cancelled; then no more are begun."""
    from concurrent.futures import ThreadPoolExecutor, as_completed  # noqa: PLC0415 - a deploy needs none

    with ThreadPoolExecutor(POOL) as pool:
        futures = [pool.submit(act, each) for each in deployments]
        try:
            for future in as_completed(futures):
                cancelled()
                future.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _of_branch(context: Context, deployments: Iterable[Deployment]) -> list[Deployment]:
    return [each for each in deployments if each.branch in ("", context.plan.branch)]


def _stop_all(context: Context, deployments: list[Deployment]) -> tuple[list[Deployment], list[str]]:
    """Stop each, whatever becomes of the others: them as read back, and what went wrong."""
    stopped: dict[str, Deployment] = {}
    failures: list[str] = []

    def stop_one(deployment: Deployment) -> None:
        try:
            stopped[deployment.id] = stopping.stop(context.client, deployment.id, context.deadline.within(PATIENCE))
        except NotFound:
            stopped[deployment.id] = replace(deployment, status=Status.STOPPED, preview_url="")
            context.reporter.line(f"Deployment {deployment.id} was deleted meanwhile.")
        except ActionError as error:
            failures.append(f"Deployment {deployment.id} could not be stopped: {error.text}")
        else:
            context.reporter.line(f"Stopped deployment {deployment.id}.")

    _each(deployments, stop_one, cancelled=lambda: context.clock.sleep(0.0))
    return [stopped[each.id] for each in deployments if each.id in stopped], failures


def _stop_and_delete(context: Context, deployment: Deployment) -> None:
    """Delete it, stopped before where it runs. One that is gone by then, perhaps by a lost first try, is fine."""
    with contextlib.suppress(NotFound):
        if deployment.running:
            context.client.stop(deployment.id)
        context.client.delete(deployment.id)


def _confirm_gone(context: Context, deployment_id: str) -> None:
    try:
        context.client.deployment(deployment_id)
    except NotFound:
        return
    raise CommandError(
        f"Stormkit accepted the deletion of deployment {deployment_id}, but it is still there. Run the command again."
    )
