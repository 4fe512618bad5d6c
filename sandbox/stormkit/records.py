"""What a local Stormkit stores, and how it stands at a given moment. Moments are monotonic seconds."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from sandbox.events import BASE_BRANCH
from sandbox.stormkit import recorded_log
from sandbox.stormkit.builds import CHECKOUT_FAILURE, MISSING_BRANCH, NPM_SCRIPT, Build, Course, Entry, Outcome

# What a build does without the environment's configuration.
DEFAULT_BUILD_COMMAND = "npm run build"

# Names of variables whose values the log masks; recorded: API_SECRET is masked, SMTP_PASS and REDIS_URL are not.
_MASKED = re.compile("SECRET|TOKEN|PASSWORD|KEY")

# How long a build takes that finds no branch (recorded: deploy-missing-branch).
_MISSING_BRANCH_S = 0.5


@dataclass(frozen=True, kw_only=True, slots=True)
class Commit:
    """A commit."""

    sha: str
    author: str
    message: str


@dataclass(kw_only=True, slots=True)
class Repository:
    """A repository at the Git provider. `tips` are a branch's tips with their moments; None: deleted."""

    name: str
    accessible: bool = True
    tips: dict[str, list[tuple[float, Commit | None]]] = field(default_factory=dict)

    def tip(self, branch: str, moment: float) -> Commit | None:
        """The branch's tip at that moment, None without such a branch."""
        return next((commit for at, commit in reversed(self.tips.get(branch, ())) if at <= moment), None)


@dataclass(frozen=True, kw_only=True, slots=True)
class App:
    """An app, which a team owns."""

    id: str
    name: str
    team_id: str
    repository: Repository


@dataclass(frozen=True, kw_only=True, slots=True)
class Publication:
    """A deployment that is made live: `at` that moment, if it comes up at all. Without `id` the site is down."""

    id: str
    warms_from: float
    at: float
    comes_up: bool = True


@dataclass(kw_only=True, slots=True)
class Environment:
    """An environment of an app. `auto_publish` is for deployments that no API call started.

    `status_checks` are what the snapshot shows of them; how they go is in a build's own `checks`.
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
        """Id of the deployment that is live, "" when none is."""
        done = [each for each in self.publications if each.comes_up and each.at <= moment]
        # Of two at the same moment the later one counts, which max() would not give.
        return max(reversed(done), key=lambda each: each.at).id if done else ""

    def warming(self, deployment_id: str, moment: float) -> bool:
        """Whether that deployment is warming up to be live."""
        return any(each.id == deployment_id and each.warms_from <= moment < each.at for each in self.publications)

    def forget(self, deployment_id: str, moment: float) -> None:
        """Take a deleted deployment down if it is live."""
        if self.live(moment) == deployment_id:
            self.publications.append(Publication(id="", warms_from=moment, at=moment))
        self.publications = [each for each in self.publications if each.id != deployment_id]


@dataclass(kw_only=True, slots=True)
class Record:
    """A deployment as it is stored. Moments are on the server's monotonic clock.

    `recorded` is one of a server that behaves as the recorded one. Such a server ends a build at `ended_at`, whatever
    it does; `configured` is False once a restart has lost the environment's configuration, and `kept` how the
    deployment stood before it was restarted.
    """

    id: str
    env: Environment
    branch: str
    build: Build
    started: float
    auto: bool = False
    should_publish: bool = False
    unqueued: bool = False
    queued_late: bool = False
    deleted: bool = False
    stopped: float | None = None
    prioritized: float | None = None
    restarts: int = 0
    recorded: bool = False
    ended_at: float | None = None
    configured: bool = True
    kept: "Deployment | None" = None

    @property
    def checkout(self) -> float:
        """When the build begins."""
        return self.started + self.build.queue if self.prioritized is None else self.prioritized

    @property
    def course(self) -> Course:
        """The course of its build, which fails at the checkout when the branch is gone by then."""
        build, tip = self.build, self.env.app.repository.tip(self.branch, self.checkout)
        accessible = self.env.app.repository.accessible
        if (tip is None or not accessible) and not build.sha and not self.unqueued:
            if self.recorded:
                queued = build.queue
                build = replace(build, seconds=queued + _MISSING_BRANCH_S, queued=queued)
            build = replace(build, outcome=Outcome.FAILED, steps=(MISSING_BRANCH,), error=CHECKOUT_FAILURE)
        return Course(build=build, branch=self.branch, queue=self.checkout - self.started, facts=self._facts(build))

    def _facts(self, build: Build) -> dict[str, str]:
        """The texts for the places in the log that stand in braces."""
        tip = self.env.app.repository.tip(self.branch, self.checkout)
        variables = {name: "*" * 15 if _MASKED.search(name) else text for name, text in self.env.variables.items()}
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
        """Seconds from its start to its end, unless it is stopped."""
        return min(self.course.end, self.ended_at - self.started) if self.ended_at is not None else self.course.end

    def running(self, moment: float) -> bool:
        """Whether it is in the queue, being built or checked."""
        return self.stopped is None and moment - self.started < self.end

    def built_by(self, moment: float) -> bool:
        """Whether its build has begun."""
        return self.checkout <= (moment if self.stopped is None else self.stopped)

    def ended_by_server(self, moment: float) -> bool:
        """Whether the server's time limit has ended it."""
        return self.stopped is None and not self.running(moment) and self.end < self.course.end

    def checking(self, moment: float) -> bool:
        """Whether its build has succeeded and its status checks run, or ran when it was stopped."""
        passed = (moment if self.stopped is None else self.stopped) - self.started
        return self.course.is_built(passed) and passed < self.course.end

    def status(self, moment: float) -> str:
        """`running`, `success` or `failed`; a stopped one has failed."""
        if self.running(moment):
            return "running"
        return "failed" if self.stopped is not None or self.ended_by_server(moment) else self.course.build.final

    def commit(self, moment: float) -> Commit | None:
        """The commit it builds, None before the checkout."""
        seen = moment if self.stopped is None else self.stopped
        # The recorded server hears of the commit when the checkout is over, and shows the first run's until then.
        known_from = self.started + self.course.checked_out if self.recorded else self.checkout
        if self.unqueued or known_from > seen:
            return self.kept.commit if self.kept is not None else None
        tip = self.env.app.repository.tip(self.branch, self.checkout)
        sha, author, message = self.build.sha, self.build.author, self.build.message
        if (tip is None or not self.env.app.repository.accessible) and not sha:
            return None
        return Commit(
            sha=sha or (tip.sha if tip else ""),
            author=author if author is not None else (tip.author if tip else ""),
            message=message if message is not None else (tip.message if tip else ""),
        )

    def upload(self, moment: float) -> Mapping[str, int] | None:
        """The sizes of what was uploaded, None where the server reports none."""
        status = self.status(moment)
        if not self.recorded:
            return self.build.upload if status == "success" else None
        passed = (moment if self.stopped is None else self.stopped) - self.started
        if not self.course.is_built(passed) or self.unqueued or self.ended_by_server(moment):
            return self.kept.upload if self.kept is not None else None
        if self.course.build.outcome is Outcome.SUCCESS:
            return self.build.upload
        return dict.fromkeys(self.build.upload, 0)


@dataclass(frozen=True, kw_only=True, slots=True)
class Deployment:
    """How a deployment stands at one moment. Times are Unix seconds."""

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
    recorded: bool
    configured: bool
    cut_short: bool
    """Stopped, or ended by the server."""
    course: Course
    last: float
    """Seconds from its start to this moment, or to the moment it was stopped."""

    @property
    def logs(self) -> tuple[Entry, ...] | None:
        """The build's log; None where the recorded server says null."""
        if not self.recorded:
            return () if self.unqueued else self.course.logs(self.last)
        frozen = self.cut_short and not self.course.is_built(self.last)
        log = recorded_log.build_log(self.course, self.last, started_at=self.created_at, frozen=frozen)
        return self._restarted(None if self.unqueued else log)

    @property
    def checks(self) -> tuple[Entry, ...] | None:
        """The status checks' log; None where the recorded server says null."""
        if not self.recorded:
            return () if self.unqueued else self.course.checks(self.last)
        return self._restarted(None if self.unqueued else recorded_log.checks_log(self.course, self.last))

    def _restarted(self, log: tuple[Entry, ...] | None) -> tuple[Entry, ...] | None:
        """Recorded (restart-after-failure): a log is null before there is one, and empty after a restart."""
        return () if log is None and self.restarts else log
