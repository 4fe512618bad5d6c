"""What a local Stormkit stores, and the state of it at a given moment. Moments are monotonic seconds."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from sandbox.events import BASE_BRANCH
from sandbox.stormkit import recorded_log
from sandbox.stormkit.builds import CHECKOUT_FAILURE, MISSING_BRANCH, NPM_SCRIPT, Build, LogEntry, Outcome, Timeline

# The build command of an environment that configures none.
DEFAULT_BUILD_COMMAND = "npm run build"

# The log masks the values of variables with such names. Recorded (deploy-success): API_SECRET is masked, SMTP_PASS and
# REDIS_URL are not.
_MASKED_NAME = re.compile("SECRET|TOKEN|PASSWORD|KEY")

# How long a build takes that does not find its branch (recorded: deploy-missing-branch).
_MISSING_BRANCH_S = 0.5


@dataclass(frozen=True, kw_only=True, slots=True)
class Commit:
    """A commit."""

    sha: str
    author: str
    message: str


@dataclass(kw_only=True, slots=True)
class Repository:
    """A repository at the Git provider. `tips` is each branch's history: its tip since a moment, None once deleted."""

    name: str
    accessible: bool = True
    tips: dict[str, list[tuple[float, Commit | None]]] = field(default_factory=dict)

    def tip(self, branch: str, moment: float) -> Commit | None:
        """The branch's tip at a moment, None if there was no such branch."""
        return next((commit for at, commit in reversed(self.tips.get(branch, ())) if at <= moment), None)


@dataclass(frozen=True, kw_only=True, slots=True)
class App:
    """An app. A team owns it."""

    id: str
    name: str
    team_id: str
    repository: Repository


@dataclass(frozen=True, kw_only=True, slots=True)
class Publication:
    """A change of what is live: the deployment `id`, or nothing if that is "", is live from `at` on.

    The deployment warms up from `warms_from` until `at`. If it does not come up, it never becomes live.
    """

    id: str
    warms_from: float
    at: float
    comes_up: bool = True


@dataclass(kw_only=True, slots=True)
class Environment:
    """An environment of an app. `auto_publish` applies to deployments that no API call started.

    `status_checks` is their configuration, which the snapshot shows; their result comes from the build's `checks`.
    """

    id: str
    name: str
    app: App
    branch: str = BASE_BRANCH
    auto_publish: bool = False
    build_command: str = DEFAULT_BUILD_COMMAND
    output_folder: str = "dist"
    variables: dict[str, str] = field(default_factory=lambda: {"NODE_ENV": "production"})
    status_checks: Sequence[Mapping[str, str]] = ()
    publications: list[Publication] = field(default_factory=list)

    def live(self, moment: float) -> str:
        """The id of the live deployment, "" if there is none."""
        effective = [
            publication for publication in self.publications if publication.comes_up and publication.at <= moment
        ]
        # max() returns the first of equal elements, and of two at the same moment the later one counts.
        return max(reversed(effective), key=lambda publication: publication.at).id if effective else ""

    def warming(self, deployment_id: str, moment: float) -> bool:
        """Whether a published deployment is warming up."""
        return any(
            publication.id == deployment_id and publication.warms_from <= moment < publication.at
            for publication in self.publications
        )

    def remove(self, deployment_id: str, moment: float) -> None:
        """Remove a deleted deployment's publications. If it was live, nothing is live afterwards."""
        if self.live(moment) == deployment_id:
            self.publications.append(Publication(id="", warms_from=moment, at=moment))
        self.publications = [publication for publication in self.publications if publication.id != deployment_id]


@dataclass(kw_only=True, slots=True)
class Record:
    """A deployment as it is stored. Moments are on the server's monotonic clock.

    `unqueued` means that its build was never queued, `queued_late` that it was queued after the trigger had failed.
    `is_april` means that the server is a v2026.04.17. That server ends a build at `ended_at` if it is still running,
    and a restart loses the environment's configuration (`configured`) but keeps some fields (`before_restart`).
    """

    id: str
    env: Environment
    branch: str
    build: Build
    started_at: float
    auto: bool = False
    should_publish: bool = False
    unqueued: bool = False
    queued_late: bool = False
    deleted: bool = False
    stopped_at: float | None = None
    restarts: int = 0
    is_april: bool = False
    ended_at: float | None = None
    configured: bool = True
    before_restart: "Deployment | None" = None

    @property
    def checkout_at(self) -> float:
        """The moment at which the build leaves the queue and checks out the branch."""
        return self.started_at + self.build.queue_seconds

    @property
    def timeline(self) -> Timeline:
        """The timeline of the build. It fails at the checkout if the branch has been deleted by then."""
        build, tip = self.build, self.env.app.repository.tip(self.branch, self.checkout_at)
        accessible = self.env.app.repository.accessible
        if (tip is None or not accessible) and not build.sha and not self.unqueued:
            if self.is_april:
                queue_seconds = build.queue_seconds
                build = replace(build, seconds=queue_seconds + _MISSING_BRANCH_S, queued=queue_seconds)
            build = replace(build, outcome=Outcome.FAILED, steps=(MISSING_BRANCH,), error=CHECKOUT_FAILURE)
        return Timeline(
            build=build,
            branch=self.branch,
            placeholders=self._placeholders(build),
        )

    def _placeholders(self, build: Build) -> dict[str, str]:
        """The values for the names in braces in the log."""
        tip = self.env.app.repository.tip(self.branch, self.checkout_at)
        variables = {name: "*" * 15 if _MASKED_NAME.search(name) else text for name, text in self.env.variables.items()}
        sha = build.sha or (tip.sha if tip else "")
        build_command = self.env.build_command if self.configured else DEFAULT_BUILD_COMMAND
        variables = {
            **(variables if self.configured else {}),
            "SK_APP_ID": self.env.app.id,
            "SK_BRANCH_NAME": self.branch,
            "SK_COMMIT_SHA": sha,
            "SK_DEPLOYMENT_ID": self.id,
            "SK_ENV": self.env.name,
            "SK_ENV_ID": self.env.id,
            "STORMKIT": "true",
        }
        return {
            "id": self.id,
            "sha": sha,
            "build": build_command,
            "script": NPM_SCRIPT.replace("{app}", self.env.app.name) if build_command.startswith("npm ") else "",
            "variables": "".join(f"{name}={text}\n" for name, text in sorted(variables.items())),
        }

    @property
    def end(self) -> float:
        """Seconds from the start to the end, if the deployment is not stopped before."""
        return (
            min(self.timeline.end, self.ended_at - self.started_at) if self.ended_at is not None else self.timeline.end
        )

    def running(self, moment: float) -> bool:
        """Whether the deployment is queued, building or running its status checks."""
        return self.stopped_at is None and moment - self.started_at < self.end

    def built_by(self, moment: float) -> bool:
        """Whether the build has begun."""
        return self.checkout_at <= (moment if self.stopped_at is None else self.stopped_at)

    def ended_by_server(self, moment: float) -> bool:
        """Whether the server's time limit has ended the build."""
        return self.stopped_at is None and not self.running(moment) and self.end < self.timeline.end

    def checking(self, moment: float) -> bool:
        """Whether the status checks are running, or were running when the deployment was stopped."""
        passed = (moment if self.stopped_at is None else self.stopped_at) - self.started_at
        return self.timeline.is_built(passed) and passed < self.timeline.end

    def status(self, moment: float) -> str:
        """`running`, `success` or `failed`. A stopped deployment is `failed`."""
        if self.running(moment):
            return "running"
        return (
            "failed"
            if self.stopped_at is not None or self.ended_by_server(moment)
            else self.timeline.build.final_status
        )

    def commit(self, moment: float) -> Commit | None:
        """The commit that is built, None before the checkout."""
        last_moment = moment if self.stopped_at is None else self.stopped_at
        # v2026.04.17 reports the commit once the checkout has ended. After a restart it reports the first run's commit
        # until then (recorded: deploy-success, restart-after-failure).
        known_from = self.started_at + self.timeline.checkout_end if self.is_april else self.checkout_at
        if self.unqueued or known_from > last_moment:
            return self.before_restart.commit if self.before_restart is not None else None
        tip = self.env.app.repository.tip(self.branch, self.checkout_at)
        sha, author, message = self.build.sha, self.build.author, self.build.message
        if (tip is None or not self.env.app.repository.accessible) and not sha:
            return None
        return Commit(
            sha=sha or (tip.sha if tip else ""),
            author=author if author is not None else (tip.author if tip else ""),
            message=message if message is not None else (tip.message if tip else ""),
        )

    def upload(self, moment: float) -> Mapping[str, int] | None:
        """The sizes of the uploaded files, None while the server reports none."""
        status = self.status(moment)
        if not self.is_april:
            return self.build.upload if status == "success" else None
        passed = (moment if self.stopped_at is None else self.stopped_at) - self.started_at
        if not self.timeline.is_built(passed) or self.unqueued or self.ended_by_server(moment):
            return self.before_restart.upload if self.before_restart is not None else None
        if self.timeline.build.outcome is Outcome.SUCCESS:
            return self.build.upload
        return dict.fromkeys(self.build.upload, 0)


@dataclass(frozen=True, kw_only=True, slots=True)
class Deployment:
    """The state of a deployment at one moment. Times are Unix seconds."""

    id: str
    env: Environment
    branch: str
    status: str
    stopped_manually: bool
    error: str
    auto: bool
    should_publish: bool
    created_at: float
    stopped_at: float | None
    duration: float
    commit: Commit | None
    checks_passed: bool | None
    upload: Mapping[str, int] | None
    published: bool
    warming_up: bool
    deleted: bool
    unqueued: bool
    restarts: int
    is_april: bool
    configured: bool
    cut_short: bool
    """Whether it was stopped, or ended by the server's time limit."""
    timeline: Timeline
    last: float
    """Seconds from the start to this moment, or to the moment at which it was cut short."""

    @property
    def logs(self) -> tuple[LogEntry, ...] | None:
        """The build's log; None for null."""
        if not self.is_april:
            return () if self.unqueued else self.timeline.logs(self.last)
        frozen = self.cut_short and not self.timeline.is_built(self.last)
        log = recorded_log.build_log(self.timeline, self.last, started_at=self.created_at, frozen=frozen)
        return self._empty_after_restart(None if self.unqueued else log)

    @property
    def checks(self) -> tuple[LogEntry, ...] | None:
        """The status checks' log; None for null."""
        if not self.is_april:
            return () if self.unqueued else self.timeline.checks(self.last)
        log = recorded_log.checks_log(self.timeline, self.last)
        return self._empty_after_restart(None if self.unqueued else log)

    def _empty_after_restart(self, log: tuple[LogEntry, ...] | None) -> tuple[LogEntry, ...] | None:
        """The log, or an empty one in place of null after a restart (recorded: restart-after-failure)."""
        return () if log is None and self.restarts else log
