"""`stop`, `delete` and `cleanup`: ending what is there. Doing it again is success."""

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from stormkit_action.commands import finding
from stormkit_action.errors import CommandError, NotFound, StormkitError
from stormkit_action.result import DeploymentResult, Outcome
from stormkit_action.stormkit.models import Deployment
from stormkit_action.work import Work

# How many deletions are under way at once.
POOL = 8

_EPOCH = datetime.fromtimestamp(0, UTC)

# How often progress is shown while deleting.
STEP = 50


@dataclass(frozen=True, kw_only=True, slots=True)
class Removed:
    """What a removing command did: its result, and how many deployments it deleted."""

    result: DeploymentResult
    deleted: int = 0
    nothing_left: bool = False


def stop(work: Work) -> DeploymentResult:
    """Stop the named deployment, or every running one of the branch."""
    if work.inputs.deployment_id:
        running = [finding.named(work)]
    else:
        running = [each for each in work.client.all_deployments(branch=work.plan.branch) if each.running]
    stopped = []
    for each in running:
        if each.running:
            work.client.stop(each.id)
            stopped.append(_read_back(work, each))
            work.watcher.line(f"Stopped deployment {each.id}.")
    if not stopped:
        work.watcher.line("Nothing was running: nothing was left to stop.")
    return finding.result_of(work, next(iter(stopped or running), None))


def delete(work: Work) -> Removed:
    """Delete the named deployment. Refuses a published one; one that is gone already is success."""
    try:
        deployment = work.client.deployment(work.inputs.deployment_id)
    except NotFound:
        work.watcher.line(f"Deployment {work.inputs.deployment_id} is not there: nothing was left to delete.")
        return Removed(result=finding.result_of(work, None), nothing_left=True)
    if deployment.published is not False:
        state = "is published" if deployment.published else "may be published (Stormkit does not tell)"
        raise CommandError(
            f"Deployment {deployment.id} {state}: deleting it would take the site down, so nothing was changed. Publish"
            " another deployment first."
        )
    work.client.delete(deployment.id)
    _confirm_gone(work, deployment.id)
    work.watcher.line(f"Deleted deployment {deployment.id}.")
    return Removed(result=finding.result_of(work, deployment, status=Outcome.SUCCESS), deleted=1)


def cleanup(work: Work) -> Removed:
    """Stop and delete every deployment of the branch but the published ones and the `keep-latest` newest."""
    branch = work.plan.branch
    # Collect first, then act: rows move while they are paged.
    found = [each for each in work.client.all_deployments(branch=branch) if each.branch == branch]
    found.sort(key=lambda each: each.created_at or _EPOCH, reverse=True)
    doomed = [each for each in found[work.inputs.keep_latest :] if not each.published]
    kept = len(found) - len(doomed)
    work.watcher.line(f"Branch {branch}: {len(found)} deployments found, {len(doomed)} to delete, {kept} kept.")
    tally = _Tally(work, len(doomed))
    _each(doomed, tally.remove, cancelled=lambda: work.clock.sleep(0.0))
    result = replace(
        finding.result_of(work, found[0] if found else None),
        status=Outcome.FAILED if tally.failures else Outcome.SUCCESS,
        reason=tally.summary(),
        deployment=None,
        deployment_id="",
        live=False,
        removed=not tally.failures and not kept,
    )
    if not doomed:
        work.watcher.line("Nothing was left to delete.")
    return Removed(result=result, deleted=tally.deleted, nothing_left=not doomed)


class _Tally:
    """Removes deployments one by one, from several threads, and counts."""

    def __init__(self, work: Work, total: int) -> None:
        self._work = work
        self._total = total
        self._lock = threading.Lock()
        self._done = 0
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
                self._work.watcher.line(f"{self._done} of {self._total} done.")

    def _remove(self, listed: Deployment) -> bool:
        """Whether this deleted it. Looks at it once more: it may have been published since it was listed."""
        client = self._work.client
        try:
            deployment = client.deployment(listed.id)
            if deployment.published:
                self._work.watcher.line(f"Kept deployment {deployment.id}: it was published meanwhile.")
                return False
            if deployment.published is None:
                raise CommandError("Stormkit does not tell whether it is published, so it was kept.")
            if deployment.running:
                client.stop(deployment.id)
            client.delete(deployment.id)
        except NotFound:
            return False
        return True

    def summary(self) -> str:
        """What failed, in one line; empty when nothing did."""
        if not self.failures:
            return ""
        shown = "; ".join(self.failures[:3])
        more = f" (and {len(self.failures) - 3} more)" if len(self.failures) > 3 else ""
        return f"{len(self.failures)} of {self._total} deployments could not be deleted: {shown}{more}"


def _each(
    deployments: Iterable[Deployment], act: Callable[[Deployment], None], *, cancelled: Callable[[], None]
) -> None:
    """Run `act` on each in a bounded pool. `cancelled` raises once the job is cancelled; then no more are begun."""
    with ThreadPoolExecutor(POOL) as pool:
        futures = [pool.submit(act, each) for each in deployments]
        try:
            for future in as_completed(futures):
                cancelled()
                future.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _read_back(work: Work, deployment: Deployment) -> Deployment:
    """The deployment after a stop, read until it no longer runs. Raises CommandError when it goes on."""
    for pause in (0.0, 0.5, 1.0, 2.0, 4.0):
        work.clock.sleep(pause)
        seen = work.client.deployment(deployment.id)
        if not seen.running:
            return seen
    raise CommandError(
        f"Stormkit accepted the stop of deployment {deployment.id}, but it still runs. Run the command again, or stop"
        " it on the dashboard."
    )


def _confirm_gone(work: Work, deployment_id: str) -> None:
    try:
        work.client.deployment(deployment_id)
    except NotFound:
        return
    raise CommandError(
        f"Stormkit accepted the deletion of deployment {deployment_id}, but it is still there. Run the command again."
    )
