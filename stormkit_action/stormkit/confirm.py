"""Stopping a deployment, and knowing that it has."""

from stormkit_action.clock import Deadline
from stormkit_action.errors import CommandError, NotFound, StormkitError
from stormkit_action.retry import Retries
from stormkit_action.stormkit.client import StormkitClient
from stormkit_action.stormkit.models import Deployment

# The shortest pause between two tries, and what a stop without an answer leaves for reading back, in seconds.
PAUSE = 0.25
READ_BACK = 1.0


def stop(client: StormkitClient, deployment_id: str, deadline: Deadline) -> Deployment:
    """Stop it and read it back until it no longer runs; how it has ended then.

    What the stop answers decides nothing: it may have worked although its answer was lost, and a restart that was in
    flight may come after it. Raises NotFound once it can't be read because it is gone, and at `deadline` CommandError
    or the StormkitError that keeps it from being told.
    """
    retries = Retries(deadline.within(deadline.remaining - READ_BACK), floor=PAUSE)
    while True:
        error: StormkitError | None = None
        try:
            client.within(deadline.within(deadline.remaining - READ_BACK)).stop(deployment_id, patience=0.0)
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
                return seen
        try:
            retries.pause(error or StormkitError(""))
        except StormkitError:
            raise _goes_on(deployment_id, error) from None


def _goes_on(deployment_id: str, error: StormkitError | None) -> CommandError | StormkitError:
    if error is None:
        return CommandError(
            f"Deployment {deployment_id} was told to stop, but Stormkit still reports it as running. Run the command"
            " again, or stop it on the dashboard."
        )
    # Reading showed that it is there, whatever the stop answered.
    return CommandError(error.text) if isinstance(error, NotFound) else error
