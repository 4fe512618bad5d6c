"""Making a deployment live, and knowing that it is."""

from stormkit_action.context import Context
from stormkit_action.errors import Busy, CommandError, NoAnswer, NotFound, Refused, ServerFault, StormkitError
from stormkit_action.stormkit.models import Deployment, Status

# Seconds between two reads while it warms up, at first and later on.
FIRST_PAUSE, PAUSE = 0.5, 2.0

# Newer servers answer the publish before they begin to warm up. How long "neither live nor warming up" may
# stand before it means that it never came up. Seconds.
GRACE = 10.0

# How often a publish is sent whose answer was lost and which had no effect.
TRIES = 3


def publish(context: Context, deployment: Deployment) -> Deployment:
    """Make `deployment` live and wait until it is, as read back.

    Raises CommandError when it can't be or never comes up, and StormkitError. Never asks for a deployment that is
    still running: older servers would accept that.
    """
    if deployment.status is not Status.SUCCESS:
        raise CommandError(
            f"Deployment {deployment.id} can't be published: its build is {deployment.status}. Only a successful build"
            " can; deploy again or name another deployment-id."
        )
    if deployment.published:
        context.reporter.line(f"Deployment {deployment.id} is live already: nothing was left to do.")
        return deployment
    for attempt in range(1, TRIES + 1):
        lost = _ask(context, deployment)
        seen = _wait_until_live(context, deployment)
        if seen.published:
            return seen
        if lost is None:
            break
        if attempt == TRIES:
            raise lost
    if seen.published is None:
        raise CommandError(
            f"Deployment {deployment.id} was published, but Stormkit does not tell whether it is live. Look at the"
            " dashboard."
        )
    raise CommandError(
        f"Deployment {deployment.id} was published, but it never came up: the deployment that was live before still"
        " serves. Look at its runtime log on the dashboard, then deploy again."
    )


def _ask(context: Context, deployment: Deployment) -> StormkitError | None:
    """Send the publish. The error when its answer was lost, so that only reading back tells whether it worked."""
    context.reporter.line(f"Publishing deployment {deployment.id}.")
    while True:
        try:
            context.client.publish(deployment.id)
        except Busy as error:
            pause = max(PAUSE, error.retry_after)
            if pause >= context.deadline.remaining:
                raise
            context.clock.sleep(pause)
        except (NoAnswer, ServerFault) as error:
            return error
        else:
            return None


def _wait_until_live(context: Context, deployment: Deployment) -> Deployment:
    """Read it back until it is live, or has certainly not come up. Errors are endured until the deadline."""
    warmed_up, began = False, context.clock.monotonic()
    while True:
        try:
            seen = context.client.deployment(deployment.id)
        except (Refused, NotFound):
            raise
        except StormkitError:
            if context.deadline.over:
                raise
        else:
            deployment = seen
            if seen.published:
                return seen
            if not warmed_up and seen.warming_up:
                context.reporter.line(f"Deployment {seen.id} is warming up.")
            warmed_up = warmed_up or seen.warming_up is True
            waited = context.clock.monotonic() - began
            # Older servers publish before they answer and tell of no warming up.
            if not seen.warming_up and (warmed_up or seen.warming_up is None or waited >= GRACE):
                return seen
        if context.deadline.over:
            raise CommandError(
                f"The time is over (input timeout) and deployment {deployment.id} is not live yet. Raise timeout, or"
                " look at the dashboard: it may still come up."
            )
        pause = min(PAUSE, FIRST_PAUSE + (context.clock.monotonic() - began) / 4)
        context.clock.sleep(min(pause, context.deadline.remaining))
