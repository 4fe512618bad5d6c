"""The data of a local Stormkit: environments, keys and deployments.

No build runs in the background: a deployment's state is computed from the clock whenever it is read.
"""

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

# v2026.04.17 ends builds that have taken longer than this, including the time in the queue. It checks once a minute.
# Recorded: ended-after-15-minutes.
BUILD_LIMIT_S = 900.0
LIMIT_CHECK_S = 60.0
INITIAL_BRANCHES = (
    (BASE_BRANCH, BASE_SHA, "Merge pull request #41 from octocat/readme"),
    (HEAD_BRANCH, HEAD_SHA, "Show a preview link on every pull request"),
)


class Generation(StrEnum):
    """A generation of Stormkit servers. They differ in error bodies, publishing, restarts, logs and a few fields.

    `APRIL` is v2026.04.17, whose answers are recorded in tests/recordings. `OLDER` and `NEWER` are the servers before
    and after it.
    """

    OLDER = "older"
    APRIL = "april"
    NEWER = "newer"


class KeyScope(StrEnum):
    """What a key gives access to. Calls with any but an environment's key need an `envId`."""

    ENVIRONMENT = "environment"
    APP = "app"
    TEAM = "team"
    USER = "user"


class Refusal(Exception):
    """An error that Stormkit answers a call with. `text` is the body if that is plain text and not JSON."""

    def __init__(self, status: int, message: str = "", field_name: str = "", *, text: str | None = None) -> None:
        super().__init__(message)
        self.status, self.message, self.field_name, self.text = status, message, field_name, text


@dataclass(frozen=True, kw_only=True, slots=True)
class Key:
    """An API key. `owner` is the id of its environment, app or team; "" for a user's key, which reaches all teams."""

    value: str = field(repr=False)
    scope: KeyScope
    owner: str


class StormkitState:
    """What a server stores. `clock` returns monotonic seconds; the server's wall clock is `skew` seconds fast."""

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
        # For previews that were requested before their build had ended: the moment of the last request.
        self.opened_early: dict[str, float] = {}
        self.builds = 0
        self._epoch = time.time() + skew - clock()
        self._to_publish: list[Record] = []
        self._ids = itertools.count(FIRST_ID)
        for branch, sha, message in INITIAL_BRANCHES:
            self.repository.tips[branch] = [(-math.inf, Commit(sha=sha, author="The Octocat", message=message))]

    def unix_time(self, moment: float) -> float:
        """The Unix time of a moment."""
        return self._epoch + moment

    def moment(self, unix_time: float) -> float:
        """The moment of a Unix time."""
        return unix_time - self._epoch

    def set_tip(self, branch: str, commit: Commit | None) -> None:
        """Create or move a branch, or delete it if `commit` is None."""
        with self.lock:
            self.repository.tips.setdefault(branch, []).append((self.clock(), commit))

    def set_time_limit(self, record: Record) -> None:
        """On v2026.04.17, set the moment at which the server ends a build that takes too long."""
        if record.is_april and not record.unqueued:
            latest = self.unix_time(record.started_at) + BUILD_LIMIT_S
            record.ended_at = self.moment(math.ceil(latest / LIMIT_CHECK_S) * LIMIT_CHECK_S)

    def store(self, record: Record) -> Record:
        """Store a new deployment."""
        self.records[record.id] = record
        if record.should_publish:
            self._to_publish.append(record)
        return record

    def next_id(self) -> str:
        """A new deployment id: a decimal string, larger than all before."""
        return str(next(self._ids))

    def publish(self, record: Record, moment: float) -> None:
        """Make a deployment live: on older servers at once, on newer ones after it has warmed up."""
        publication = Publication(id=record.id, warms_from=moment, at=moment)
        if self.generation is Generation.NEWER:
            build = record.build
            warms_from = moment + build.warm_up_after
            publication = Publication(
                id=record.id, warms_from=warms_from, at=warms_from + build.warm_up, comes_up=build.comes_up
            )
        # A newer server silently drops a deployment that is still warming up when another one is published.
        started = [earlier for earlier in record.env.publications if earlier.at <= moment]
        record.env.publications = [*started, publication]

    def restart(self, record: Record, build: Build) -> None:
        """Build a deployment again, under the same id."""
        if record.is_april:
            # v2026.04.17 loses the environment's configuration (recorded: restart-after-failure,
            # restart-loses-status-checks).
            record.before_restart, record.configured = self.current(record), False
            build = replace(build, checks=(), check_seconds=0.0)
        record.started_at, record.build = self.clock(), build
        record.stopped_at = None
        record.unqueued = False
        record.restarts += 1
        self.set_time_limit(record)
        if record.should_publish:
            self._to_publish.append(record)

    def publish_finished(self) -> None:
        """Publish the deployments that were triggered with `publish` and have succeeded by now."""
        now = self.clock()
        for record in list(self._to_publish):
            if record.deleted or not record.running(now):
                self._to_publish.remove(record)
                if not record.deleted and record.status(now) == "success":
                    self.publish(record, record.started_at + record.timeline.end)

    def current(self, record: Record) -> Deployment:
        """The deployment's current state."""
        now = self.clock()
        running, timeline = record.running(now), record.timeline
        last = (now if record.stopped_at is None else record.stopped_at) - record.started_at
        status = record.status(now)
        # While the status checks run, `stoppedAt` and `duration` are already the build's (recorded: status-checks).
        checking = record.is_april and record.checking(now)
        if checking:
            attempt = timeline.attempt(last)
            duration = timeline.duration(attempt.timeline.build_end + attempt.shift)
        else:
            duration = 0.0 if running else timeline.duration(min(last, record.end))
        created_at = self.unix_time(record.started_at)
        is_stopped = record.stopped_at is not None
        # A stop during the status checks is reported as failed checks (recorded: stop-during-status-checks).
        stopped_manually = is_stopped and not checking
        cut_short = is_stopped or record.ended_by_server(now)
        error = ""
        if status == "success":
            error = timeline.build.error
        elif status == "failed" and not cut_short:
            error = timeline.build.failure
        return Deployment(
            id=record.id,
            env=record.env,
            branch=record.branch,
            status=status,
            stopped_manually=stopped_manually,
            error=error,
            auto=record.auto,
            should_publish=record.should_publish,
            created_at=created_at,
            stopped_at=None if running and not checking else created_at + duration,
            duration=duration,
            commit=record.commit(now),
            checks_passed=_checks_passed(record, status, checked=timeline.is_built(last)),
            upload=record.upload(now),
            published=not record.deleted and record.env.live(now) == record.id,
            warming_up=not record.deleted and record.env.warming(record.id, now),
            deleted=record.deleted,
            unqueued=record.unqueued,
            restarts=record.restarts,
            is_april=record.is_april,
            configured=record.configured,
            cut_short=cut_short,
            timeline=timeline,
            last=min(last, record.end) if record.ended_by_server(now) else last,
        )


def _checks_passed(record: Record, status: str, *, checked: bool) -> bool | None:
    """`statusChecksPassed`. On v2026.04.17 it is null without status checks, and until they have ended."""
    if not record.is_april:
        return status == "success"
    if not record.build.checks or status == "running" or not checked:
        return None
    return status == "success"
