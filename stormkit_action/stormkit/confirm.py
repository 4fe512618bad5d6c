"""Publish, stop and restart: each is sent, then read back until it shows. The answer is never taken as proof."""

import contextlib
from collections.abc import Callable

from stormkit_action.clock import Deadline
from stormkit_action.errors import (
    ActionError,
    Busy,
    CommandError,
    NoAnswer,
    NotFound,
    Refused,
    Rejected,
    ServerFault,
    StormkitError,
)
from stormkit_action.retry import LONGEST_RETRY_AFTER_S, Retries
from stormkit_action.stormkit.client import StormkitClient
from stormkit_action.stormkit.models import Deployment, Status, is_newer
from stormkit_action.stormkit.session import PATIENCE_S

# Pauses between two reads while a published deployment warms up: the first, and the longest.
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 2.0

# Newer servers answer the publish before they begin to warm up: "neither live nor warming up" must stand for this long
# before it means that the deployment never came up.
WARM_UP_GRACE_S = 10.0

# How often a publish is sent whose answer was lost and which had no effect.
PUBLISH_TRIES = 3

# The shortest pause between two tries of a stop.
STOP_PAUSE_S = 0.25

# The least number of tries of a stop, whatever pause a gateway asks for.
STOP_TRIES = 4

# How much of the time for a stop is left for reading back.
READ_BACK_S = 1.0

# How long the runner of a stopped build may still be at work.
OLD_RUNNER_S = 6.0

# Limit for stopping a deployment that no runner builds.
UNBUILT_STOP_S = 10.0


def publish(
    client: StormkitClient,
    deployment: Deployment,
    *,
    deadline: Deadline,
    log: Callable[[str], None],
    replaces: str = "",
) -> Deployment:
    """Make `deployment` live and wait until it is, as read back. `replaces` is the id of the live one, where known.

    Raises CommandError when it can't be or never comes up, and StormkitError. Never asks for a deployment that is
    still running: older servers would accept that. Nothing is published after `deadline`.
    """
    if deployment.status is not Status.SUCCESS:
        raise CommandError(
            f"Deployment {deployment.id} can't be published: its build is {deployment.status}. Only a successful build"
            f" can; deploy again or name another {client.names('deployment-id')}."
        )
    if deployment.published:
        log(f"Deployment {deployment.id} is already live.")
        return deployment
    for attempt in range(1, PUBLISH_TRIES + 1):
        lost = _send_publish(client, deployment, deadline, log)
        seen = _wait_until_live(client, deployment, deadline, log, acknowledged=lost is None)
        if seen.published:
            return seen
        if lost is None:
            break
        if attempt == PUBLISH_TRIES:
            raise lost
    raise _never_live(client, deployment, seen, replaces)


def _send_publish(
    client: StormkitClient, deployment: Deployment, deadline: Deadline, log: Callable[[str], None]
) -> StormkitError | None:
    """Send the publish. The error when its answer was lost, so that only reading back tells whether it worked."""
    log(f"Publishing deployment {deployment.id}.")
    retries = Retries(deadline, floor=LONGEST_PAUSE_S)
    while True:
        if deadline.over:
            raise CommandError(
                f"Ran out of time: deployment {deployment.id} was not published. Raise {client.names('timeout')}."
            )
        try:
            client.publish(deployment.id)
        except Busy as error:
            retries.wait(error)
        except (NoAnswer, ServerFault) as error:
            return error
        else:
            return None


def _wait_until_live(
    client: StormkitClient,
    deployment: Deployment,
    deadline: Deadline,
    log: Callable[[str], None],
    *,
    acknowledged: bool,
) -> Deployment:
    """Read it back until it is live, or has certainly not come up. Errors are endured until the deadline.

    A publish that was not `acknowledged` may still be on its way, on older servers too.
    """
    clock = deadline.clock
    warmed_up, began = False, clock.monotonic()
    while True:
        try:
            seen = client.deployment(deployment.id)
        except (Refused, NotFound):
            raise
        except StormkitError:
            if deadline.over:
                raise
        else:
            if seen.published:
                return seen
            if seen.warming_up and not warmed_up:
                log(f"Deployment {seen.id} is warming up.")
                warmed_up = True
            # Older servers publish before they answer and do not report warming up.
            at_once = acknowledged and seen.warming_up is None
            ended = warmed_up or at_once or clock.monotonic() - began >= WARM_UP_GRACE_S
            if ended and not seen.warming_up:
                return seen
        if deadline.over:
            raise CommandError(
                f"Ran out of time: deployment {deployment.id} is not live yet. Raise {client.names('timeout')}, or look"
                " at the dashboard: it may still come up."
            )
        pause = min(LONGEST_PAUSE_S, FIRST_PAUSE_S + (clock.monotonic() - began) / 4)
        clock.sleep(min(pause, deadline.remaining))


def _never_live(client: StormkitClient, deployment: Deployment, seen: Deployment, replaces: str) -> CommandError:
    """Why a publish that was accepted left something else live."""
    if seen.published is None:
        return CommandError(
            f"Deployment {deployment.id} was published, but Stormkit does not say whether it is live. Look at the"
            " dashboard."
        )
    live = _live_deployment(client)
    if live is not None and live.id != replaces and is_newer(live, deployment):
        # Newer servers drop a publish in silence when another one overtakes it while it warms up.
        return CommandError(
            f"Deployment {deployment.id} is not live: a newer publish, of deployment {live.id}, has replaced it."
        )
    serving = f" Deployment {live.id} is live." if live is not None else ""
    return CommandError(
        f"Deployment {deployment.id} was published, but it never came up.{serving} Look at its runtime log on the"
        " dashboard, then deploy again."
    )


def _live_deployment(client: StormkitClient) -> Deployment | None:
    try:
        page = client.deployments(patience=5.0)
    except StormkitError:
        return None
    return next((deployment for deployment in page.deployments if deployment.published), None)


def stop(client: StormkitClient, deployment_id: str, deadline: Deadline) -> Deployment:
    """Stop a running deployment and read it back until it no longer runs. Returns it as it has ended.

    The stop's answer decides nothing: it may have worked although its answer was lost, and a restart that was in flight
    may come after it. Raises NotFound when the deployment is gone. At `deadline` it raises CommandError when the
    deployment still runs, or the StormkitError that keeps this from being known.
    """
    before_reading = deadline.within(max(0.0, deadline.remaining - READ_BACK_S))
    longest = min(LONGEST_RETRY_AFTER_S, before_reading.remaining / STOP_TRIES)
    retries = Retries(before_reading, floor=STOP_PAUSE_S, longest=longest)
    while True:
        error: StormkitError | None = None
        try:
            client.within(before_reading).stop(deployment_id, patience=0.0)
        except StormkitError as problem:
            if not problem.retryable and not isinstance(problem, NotFound):
                raise
            error = problem
        try:
            seen = client.within(deadline).deployment(deployment_id, patience=0.0)
        except StormkitError as problem:
            if not problem.retryable:
                raise
            error = error or problem
        else:
            if not seen.running:
                return _as_stopped(seen)
        try:
            retries.pause(error or StormkitError(""))
        except StormkitError:
            raise _still_running(deployment_id, error) from None


def _as_stopped(seen: Deployment) -> Deployment:
    """`seen` as what our stop made of it.

    A stop during the status checks reads `failed`, `stoppedManually: false` and `statusChecksPassed: false` on real
    servers; whoever stopped it knows better.
    """
    if seen.status is Status.FAILED and seen.has_failed_checks:
        return seen._replace(status=Status.STOPPED)
    return seen


def _still_running(deployment_id: str, error: StormkitError | None) -> CommandError | StormkitError:
    if error is None:
        return CommandError(
            f"Deployment {deployment_id} was asked to stop, but Stormkit still reports it as running. Run the command"
            " again, or stop it on the dashboard."
        )
    # Reading showed that it is there, whatever the stop answered.
    return CommandError(error.text) if isinstance(error, NotFound) else error


def restart(client: StormkitClient, deployment: Deployment, *, deadline: Deadline) -> None:
    """Build a failed deployment again, under its id.

    After a lost answer it is read back: a restart that worked is `running` again, or has a new `createdAt`. If a
    gateway delivers it late, the next try is refused, because a running deployment can't be restarted. Real
    servers reset the row to `running` before they queue it, so after their own refusal it is stopped: nobody builds it.
    """
    give_up = deadline.within(PATIENCE_S)
    _wait_for_old_runner(deployment, give_up)
    retries = Retries(give_up, floor=1.0)
    unacknowledged = False
    while True:
        try:
            client.restart(deployment.id)
        except StormkitError as error:
            if isinstance(error, NotFound) or (isinstance(error, ServerFault) and error.from_stormkit):
                with contextlib.suppress(ActionError):
                    stop(client, deployment.id, give_up.within(UNBUILT_STOP_S))
                raise
            lost = error.retryable and not isinstance(error, Busy)
            refused_late = unacknowledged and isinstance(error, Rejected)
            if (lost or refused_late) and _was_restarted(client, deployment, give_up):
                return
            unacknowledged = unacknowledged or lost
            retries.wait(error)
        else:
            return


def _wait_for_old_runner(deployment: Deployment, give_up: Deadline) -> None:
    """Wait until the runner of a build that was stopped a moment ago has heard of it.

    It hears of a stop when it next reports, every 5 s. If restarted earlier, real servers answer 500, and the old build
    continues and may succeed.
    """
    if deployment.stopped_at is None:
        return
    ago = (give_up.clock.now() - deployment.stopped_at).total_seconds()
    if 0 <= ago < OLD_RUNNER_S:
        give_up.clock.sleep(min(OLD_RUNNER_S - ago, give_up.remaining))


def _was_restarted(client: StormkitClient, before: Deployment, give_up: Deadline) -> bool:
    seen = client.deployment(before.id, patience=max(1.0, give_up.remaining))
    return seen.running or seen.created_at != before.created_at
