"""What a command works with."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from stormkit_action.clock import Clock, Deadline
from stormkit_action.inputs import Inputs
from stormkit_action.plan import Plan
from stormkit_action.stormkit.client import StormkitClient

if TYPE_CHECKING:
    from stormkit_action.stormkit.models import Deployment
    from stormkit_action.stormkit.waiting import Progress


@dataclass(frozen=True, kw_only=True, slots=True)
class Environment:
    """One Stormkit environment: its client, and what the workflow's author calls it (empty without `environments`)."""

    client: StormkitClient
    name: str = ""
    env_id: str = ""


class Reporter(Protocol):
    """Who hears how a command gets on. Nothing it does may fail the command."""

    def line(self, text: str) -> None:
        """Say something in the log."""
        ...

    def warning(self, text: str) -> None:
        """Say something that a person should look at."""
        ...

    def triggering(self, environment: Environment) -> None:
        """A trigger is about to be sent: from now on a build may exist."""
        ...

    def triggered(self, environment: Environment, deployment_id: str) -> None:
        """A deployment was triggered (or adopted)."""
        ...

    def progress(self, environment: Environment, progress: "Progress") -> None:
        """How the build stands."""
        ...

    def build_log(self, environment: Environment, deployment: "Deployment", *, complete: bool) -> None:
        """The build log as far as it has come; no more comes once it is `complete`."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Context:
    """Everything a command gets: what was asked for, whom to ask, until when, and who listens.

    `clock`'s waits end when the job is cancelled; `deadline` is the step's timeout.
    """

    inputs: Inputs
    plan: Plan
    environment: Environment
    clock: Clock
    deadline: Deadline
    reporter: Reporter

    @property
    def client(self) -> StormkitClient:
        """The site's client, every call of which ends with the step's deadline."""
        return self.environment.client.within(self.deadline)
