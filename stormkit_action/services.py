"""Whom to talk to: the clients for Stormkit and GitHub, from the inputs and the event."""

from typing import TYPE_CHECKING

from stormkit_action.clock import Clock
from stormkit_action.context import Environment
from stormkit_action.event import Event
from stormkit_action.inputs import Inputs
from stormkit_action.stormkit.client import StormkitClient
from stormkit_action.stormkit.session import Transport

if TYPE_CHECKING:
    from stormkit_action.github_api.api import GitHubApi


def environment(inputs: Inputs, clock: Clock, *, name: str = "", env_id: str = "") -> Environment:
    """One environment, with a session of its own."""
    transport = Transport(origin=inputs.api_url, api_key=inputs.api_key, clock=clock, secrets=(inputs.github_token,))
    return Environment(client=StormkitClient(transport, env_id=env_id), name=name, env_id=env_id)


def environments(inputs: Inputs, clock: Clock) -> tuple[Environment, ...]:
    """The environments this step is about."""
    if not inputs.environments:
        return (environment(inputs, clock, env_id=inputs.env_id),)
    return tuple(environment(inputs, clock, name=each.name, env_id=each.env_id) for each in inputs.environments)


def github(inputs: Inputs, event: Event, clock: Clock) -> "GitHubApi | None":
    """GitHub; None outside of it."""
    if not event.on_github or not event.repository:
        return None
    from stormkit_action.github_api.api import GitHubApi  # noqa: PLC0415 - nobody asks GitHub before the trigger

    return GitHubApi(token=inputs.github_token, repository=event.repository, api_url=event.api_url, clock=clock)
