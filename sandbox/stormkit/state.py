"""A local Stormkit's memory: environments, keys, deployments. Nothing runs: the clock says how a build stands."""

import itertools
import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from enum import StrEnum

from sandbox.events import BASE_BRANCH, BASE_SHA, HEAD_BRANCH, HEAD_SHA, REPOSITORY
from sandbox.stormkit.builds import Build
from sandbox.stormkit.records import Commit, Deployment, Environment, Publication, Record, Repository

FIRST_ID = 8241

# The recorded server ends what is not over by then, the queue included, and looks once a minute (recorded:
# ended-after-15-minutes).
BUILD_LIMIT_S = 900.0
LIMIT_CHECK_S = 60.0
INITIAL_BRANCHES = (
    (BASE_BRANCH, BASE_SHA, "Merge pull request #41 from octocat/readme"),
    (HEAD_BRANCH, HEAD_SHA, "Show a preview link on every pull request"),
)


class Generation(StrEnum):
    """Which Stormkit: they differ in error bodies, publishing, restarts, logs and a few fields.

    `OLDER` is what the documentation says of older servers, `APRIL` is v2026.04.17 as it was recorded
    (tests/recordings), `NEWER` is its successor.
    """

    OLDER = "older"
    APRIL = "april"
    NEWER = "newer"


class KeyScope(StrEnum):
    """What a key reaches. All but an environment's own key need an `envId`."""

    ENVIRONMENT = "environment"
    APP = "app"
    TEAM = "team"
    USER = "user"


class Refusal(Exception):
    """A call that Stormkit refuses; `text` is its plain-text body, where it has one instead of JSON."""

    def __init__(self, status: int, words: str = "", field_name: str = "", *, text: str | None = None) -> None:
        super().__init__(words)
        self.status, self.words, self.field_name, self.text = status, words, field_name, text


@dataclass(frozen=True, kw_only=True, slots=True)
class Key:
    """An API key. `owner` is the id of its environment, app or team; a user's key has none and reaches all teams."""

    value: str = field(repr=False)
    scope: KeyScope
    owner: str


class StormkitState:
    """What a server stores. `clock` gives monotonic seconds; `skew` is how far the server's wall clock is ahead."""

    def __init__(
        self, *, generation: Generation, clock: Callable[[], float] = time.monotonic, skew: float = 0.0
    ) -> None:
        self.lock = threading.RLock()
        self.generation = generation
        self.clock = clock
        self.environments: dict[str, Environment] = {}
        self.keys: dict[str, Key] = {}
        self.records: dict[str, Record] = {}
        self.repository = Repository(name=REPOSITORY)
        self.build_minutes_used_up = False
        self.missing_routes: set[str] = set()
        # When previews were last asked for that were opened before their build had ended.
        self.opened_early: dict[str, float] = {}
        self.builds = 0
        self._epoch = time.time() + skew - clock()
        self._to_publish: list[Record] = []
        self._ids = itertools.count(FIRST_ID)
        for branch, sha, message in INITIAL_BRANCHES:
            self.repository.tips[branch] = [(-math.inf, Commit(sha=sha, author="The Octocat", message=message))]

    def wall(self, moment: float) -> float:
        """Unix seconds of a moment."""
        return self._epoch + moment

    def moment(self, wall: float) -> float:
        """The moment of those Unix seconds."""
        return wall - self._epoch

    def move(self, branch: str, commit: Commit | None) -> None:
        """Create or move a branch; without a commit it is deleted."""
        with self.lock:
            self.repository.tips.setdefault(branch, []).append((self.clock(), commit))

    def limit(self, record: Record) -> None:
        """Let the recorded server end that build when it takes too long."""
        if record.recorded and not record.unqueued:
            latest = self.wall(record.started) + BUILD_LIMIT_S
            record.ended_at = self.moment(math.ceil(latest / LIMIT_CHECK_S) * LIMIT_CHECK_S)

    def store(self, record: Record) -> Record:
        """Remember a new deployment."""
        self.records[record.id] = record
        if record.should_publish:
            self._to_publish.append(record)
        return record

    def next_id(self) -> str:
        """A deployment's id: a decimal string, larger than those before."""
        return str(next(self._ids))

    def publish(self, record: Record, moment: float) -> None:
        """Make it live: at once on older servers, when it has warmed up on newer ones."""
        build = record.build
        warms_from = moment + (build.warm_up_after if self.generation is Generation.NEWER else 0.0)
        at = warms_from + build.warm_up if self.generation is Generation.NEWER else moment
        comes_up = build.comes_up or self.generation is not Generation.NEWER
        # Newer servers drop what still warms up when another publish overtakes it, without a word.
        record.env.publications = [each for each in record.env.publications if each.at <= moment]
        record.env.publications.append(
            Publication(id=record.id, warms_from=warms_from, at=at, comes_up=comes_up),
        )

    def restart(self, record: Record, build: Build) -> None:
        """Build it again, under the same id. The recorded server does so without the environment's configuration."""
        if record.recorded:
            # Recorded: restart-after-failure, restart-loses-status-checks.
            record.kept, record.configured = self.look(record), False
            build = replace(build, checks=(), check_seconds=0.0)
        record.started, record.build = self.clock(), build
        record.stopped = record.prioritized = None
        record.unqueued = False
        record.restarts += 1
        self.limit(record)
        if record.should_publish:
            self._to_publish.append(record)

    def settle(self) -> None:
        """Publish what was triggered with `publish` and has succeeded by now."""
        now = self.clock()
        for record in list(self._to_publish):
            if record.deleted or not record.running(now):
                self._to_publish.remove(record)
                if not record.deleted and record.status(now) == "success":
                    self.publish(record, record.started + record.course.end)

    def look(self, record: Record) -> Deployment:
        """The deployment as it stands now."""
        now = self.clock()
        running, course = record.running(now), record.course
        last = (now if record.stopped is None else record.stopped) - record.started
        status = record.status(now)
        # Recorded (status-checks): the build's own end shows as soon as it is over, while the checks run.
        checking = record.recorded and record.checking(now)
        if checking:
            life = course.life(last)
            duration = course.duration(life.course.built + life.shift)
        else:
            duration = 0.0 if running else course.duration(min(last, record.end))
        created_at = self.wall(record.started)
        stopped = record.stopped is not None
        # Recorded (stop-during-status-checks): such a stop reads as failed checks.
        stopped_manually = stopped and not checking
        cut_short = stopped or record.ended_by_server(now)
        has_failed = status == "failed" and not cut_short
        return Deployment(
            id=record.id,
            env=record.env,
            branch=record.branch,
            status=status,
            stopped_manually=stopped_manually,
            error=course.build.failure if has_failed else course.build.error if status == "success" else "",
            auto=record.auto,
            should_publish=record.should_publish,
            created_at=created_at,
            stopped_at=None if running and not checking else created_at + duration,
            duration=duration,
            commit=record.commit(now),
            checks_passed=_checks_passed(record, status, checked=course.is_built(last)),
            upload=record.upload(now),
            published=not record.deleted and record.env.live(now) == record.id,
            warming_up=not record.deleted and record.env.warming(record.id, now),
            deleted=record.deleted,
            unqueued=record.unqueued,
            restarts=record.restarts,
            recorded=record.recorded,
            configured=record.configured,
            cut_short=cut_short,
            course=course,
            last=min(last, record.end) if record.ended_by_server(now) else last,
        )


def _checks_passed(record: Record, status: str, *, checked: bool) -> bool | None:
    """`statusChecksPassed`. The recorded server says null where there are none or they still run."""
    if not record.recorded:
        return status == "success"
    if not record.build.checks or status == "running" or not checked:
        return None
    return status == "success"
