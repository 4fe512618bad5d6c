"""The rows and columns of the matrix: scenarios, each with a command and the call that fails, and kinds of faults."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from sandbox.stormkit.faults import TRIGGER_ONLY
from sandbox.stormkit.server import Build, FaultKind, Generation, Stormkit

BRANCH = "feature/preview-links"

# Ids of the deployments that `prepare` creates.
LIVE, OTHER_BRANCH, OLD = "8241", "8242", "8243"

# Id of the deployment that is restarted.
FAILED = "8244"

BUILD_S = 20.0

# How long a slow answer takes: longer than the action's timeout for one request.
SLOW_ANSWER_S = 45.0

# The wait that a busy server asks for.
BUSY_RETRY_AFTER_S = 3.0

# The time until a gateway forwards a request that it has answered with an error.
GATEWAY_DELAY_S = 10.0

# The time until a server's build queue works again.
QUEUE_OUTAGE_S = 30.0


def _nothing(stormkit: Stormkit) -> None:
    """Create no deployments in addition to those of `prepare`."""
    del stormkit


@dataclass(frozen=True, kw_only=True, slots=True)
class Scenario:
    """A command, and the operation whose calls fail, except for the first `after` calls.

    `title` and `about` are the heading and the text of its section in the document. `stays` explains why some rows
    leave a build running. It runs against all `generations`; the document shows the figures of the last one.
    """

    name: str
    operation: str
    title: str
    about: str
    inputs: Mapping[str, str]
    prepare: Callable[[Stormkit], object] = _nothing
    kinds: tuple[FaultKind, ...] = ()
    after: int = 0
    generations: tuple[Generation, ...] = tuple(Generation)
    stays: str = ""


def prepare(stormkit: Stormkit) -> None:
    """Create a live deployment of the branch, a running one of another branch, and an older one that may be deleted."""
    stormkit.default_build = Build(seconds=BUILD_S)
    stormkit.add_deployment(BRANCH, published=True, created_at=stormkit.now() - 7200)
    stormkit.add_deployment("main", "running", created_at=stormkit.now() - 5400)
    stormkit.add_deployment(BRANCH, created_at=stormkit.now() - 3600)


def _running(stormkit: Stormkit) -> None:
    stormkit.add_deployment(BRANCH, "running", created_at=stormkit.now() - 60)


def _failed(stormkit: Stormkit) -> None:
    stormkit.add_deployment(BRANCH, "failed", created_at=stormkit.now() - 60, duration=BUILD_S)


KINDS: tuple[FaultKind, ...] = tuple(kind for kind in FaultKind if kind not in TRIGGER_ONLY)
_DEPLOY = {"command": "deploy"}

SCENARIOS: tuple[Scenario, ...] = (
    Scenario(
        name="trigger",
        operation="trigger",
        title="The trigger (`deploy`)",
        about="One build, whatever happens to the request and its answer. An unqueued deployment is one that Stormkit"
        " stored but could not queue: it would be shown as running forever.",
        inputs=_DEPLOY,
        kinds=(*KINDS, *TRIGGER_ONLY),
    ),
    Scenario(
        name="lost-list",
        operation="list",
        title="The list, after a trigger whose answer was lost (`deploy`)",
        about="When neither the trigger nor the list answers, a build may be running: the step says so and fails rather"
        " than risk a second one.",
        inputs=_DEPLOY,
        prepare=lambda stormkit: stormkit.fault("trigger", FaultKind.ANSWER_LOST),
        stays="A refused list names no deployment to stop; the reason says that a build may be running.",
    ),
    Scenario(
        name="poll",
        operation="poll",
        title="Polling (`deploy`)",
        about="Only a 403 ends the wait. After a 404 the deployment is read instead.",
        inputs=_DEPLOY,
        stays="A refused key can't stop the build either; the reason says that the deployment may still be building.",
    ),
    Scenario(
        name="read",
        operation="read",
        title="Reading the deployment (`deploy`)",
        about="Only a 403 ends the wait, or two 404s in a row, which mean that the deployment was deleted.",
        inputs=_DEPLOY,
        stays="After a 403 the build can't be stopped; after 404s Stormkit itself says that there is nothing to stop.",
    ),
    Scenario(
        name="publish",
        operation="publish",
        title="Publishing (`deploy` with `publish: true`)",
        about="An answer proves nothing either way: the deployment is read back.",
        inputs={**_DEPLOY, "publish": "true"},
    ),
    Scenario(
        name="retry",
        operation="trigger",
        after=1,
        title="Building again (`deploy` with `retries: 1`, whose first build fails)",
        about="A failed build is triggered again as a new deployment, and only once.",
        inputs={**_DEPLOY, "retries": "1"},
        prepare=lambda stormkit: stormkit.next_build(outcome="failed"),
    ),
    Scenario(
        name="restart",
        operation="restart",
        title="`restart`, on a server that keeps the environment's configuration",
        about="A restart is repeated only when reading back shows that it had no effect. After Stormkit's own 500 it is"
        " stopped, because it may be shown as running although nothing builds it.",
        inputs={"command": "restart", "deployment-id": FAILED, "branch": "", "sha": ""},
        prepare=_failed,
        generations=(Generation.OLDER, Generation.NEWER),
    ),
    Scenario(
        name="restart-loses",
        operation="restart",
        title="`restart`, on a server that loses the environment's configuration",
        about="A build without its configuration is stopped and never reported as a success. These are the figures of"
        " Stormkit v2026.04.17.",
        inputs={"command": "restart", "deployment-id": FAILED, "branch": "", "sha": ""},
        prepare=_failed,
        generations=(Generation.APRIL,),
    ),
    Scenario(
        name="timeout-stop",
        operation="stop",
        title="Stopping after a timeout (`deploy` with `on-timeout: stop`, `timeout: 1m`, and a build of an hour)",
        about="The result is a timeout; the reason says whether the stop was confirmed.",
        inputs={**_DEPLOY, "on-timeout": "stop", "timeout": "1m"},
        prepare=lambda stormkit: stormkit.next_build(seconds=3600.0),
        stays="Stormkit never gets the stop; the reason says that it was not confirmed, and the post step tries again.",
    ),
    Scenario(
        name="stop",
        operation="stop",
        title="`stop`",
        about="The stop is confirmed by reading the deployment back.",
        inputs={"command": "stop"},
        prepare=_running,
        stays="Stormkit never gets the stop; the step fails, and its reason names the deployment.",
    ),
    Scenario(
        name="delete",
        operation="delete",
        title="`delete`",
        about="A deletion whose answer was lost counts once the deployment is gone.",
        inputs={"command": "delete", "deployment-id": OLD, "branch": ""},
    ),
    Scenario(
        name="cleanup-list",
        operation="list",
        title="The list (`cleanup`)",
        about="Nothing is deleted before the whole list has been read. What is still listed doesn't count as deleted.",
        inputs={"command": "cleanup"},
    ),
    Scenario(
        name="cleanup-delete",
        operation="delete",
        title="Deleting (`cleanup`)",
        about="A deployment that can't be deleted fails the step; the others are deleted all the same.",
        inputs={"command": "cleanup"},
    ),
    Scenario(
        name="cleanup-read",
        operation="read",
        title="Reading before deleting (`cleanup`)",
        about="Each deployment is read once more before it is deleted: it may have been published meanwhile.",
        inputs={"command": "cleanup"},
    ),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Cell:
    """One cell of the matrix: a scenario, a kind of fault, and whether it happens once or always."""

    scenario: Scenario = field(repr=False)
    kind: FaultKind
    always: bool

    @property
    def name(self) -> str:
        """The name in messages and test ids."""
        return f"{self.scenario.name}-{self.kind}-{'always' if self.always else 'once'}"


def cells() -> list[Cell]:
    """All cells of the matrix."""
    return [
        Cell(scenario=scenario, kind=kind, always=always)
        for scenario in SCENARIOS
        for kind in scenario.kinds or KINDS
        for always in (False, True)
    ]
