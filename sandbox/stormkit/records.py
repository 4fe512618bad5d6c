"""What a local Stormkit stores, and how it stands at a given moment. Moments are monotonic seconds."""

from dataclasses import dataclass, field, replace

from sandbox.events import BASE_BRANCH
from sandbox.stormkit.builds import Build, Course, Entry, Outcome, Step

MISSING_BRANCH = Step(title="checkout {branch}", ok=False)


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
    """An environment of an app. `auto_publish` is for deployments that no API call started."""

    id: str
    name: str
    app: App
    branch: str = BASE_BRANCH
    auto_publish: bool = False
    publications: list[Publication] = field(default_factory=list)

    def live(self, moment: float) -> str:
        """Id of the deployment that is live, "" when none is."""
        done = [each for each in self.publications if each.comes_up and each.at <= moment]
        # Of two at the same moment the later one counts, which max() would not give.
        return max(reversed(done), key=lambda each: each.at).id if done else ""

    def warming(self, deployment_id: str, moment: float) -> bool:
        """Is that deployment on its way to be live?"""
        return any(each.id == deployment_id and each.warms_from <= moment < each.at for each in self.publications)

    def forget(self, deployment_id: str, moment: float) -> None:
        """Take a deleted deployment down."""
        if self.live(moment) == deployment_id:
            self.publications.append(Publication(id="", warms_from=moment, at=moment))
        self.publications = [each for each in self.publications if each.id != deployment_id]


@dataclass(kw_only=True, slots=True)
class Record:
    """A deployment as it is stored. Moments are on the server's monotonic clock."""

    id: str
    env: Environment
    branch: str
    build: Build
    started: float
    auto: bool = False
    should_publish: bool = False
    ghost: bool = False
    deleted: bool = False
    stopped: float | None = None
    prioritized: float | None = None
    restarts: int = 0

    @property
    def checkout(self) -> float:
        """When the build begins."""
        return self.started + self.build.queue if self.prioritized is None else self.prioritized

    @property
    def course(self) -> Course:
        """How its build goes. It fails at the checkout when the branch is gone by then."""
        build, tip = self.build, self.env.app.repository.tip(self.branch, self.checkout)
        if tip is None and not build.sha and not self.ghost:
            failing = replace(MISSING_BRANCH, message=f"fatal: Remote branch {self.branch} not found\n")
            build = replace(build, outcome=Outcome.FAILED, steps=(failing,))
        return Course(build=build, branch=self.branch, queue=self.checkout - self.started)

    def running(self, moment: float) -> bool:
        """Is it in the queue, being built or checked?"""
        return self.stopped is None and moment - self.started < self.course.end

    def status(self, moment: float) -> str:
        """`running`, `success` or `failed`; a stopped one has failed."""
        if self.running(moment):
            return "running"
        return self.course.build.final if self.stopped is None else "failed"

    def commit(self, moment: float) -> Commit | None:
        """The commit it builds, None before the checkout."""
        if self.ghost or self.checkout > (moment if self.stopped is None else self.stopped):
            return None
        tip = self.env.app.repository.tip(self.branch, self.checkout)
        sha, author, message = self.build.sha, self.build.author, self.build.message
        if tip is None and not sha:
            return None
        return Commit(
            sha=sha or (tip.sha if tip else ""),
            author=author if author is not None else (tip.author if tip else ""),
            message=message if message is not None else (tip.message if tip else ""),
        )


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
    checks_passed: bool
    published: bool
    warming_up: bool
    deleted: bool
    ghost: bool
    restarts: int
    course: Course
    last: float
    """Seconds from its start to this moment, or to the moment it was stopped."""

    @property
    def logs(self) -> tuple[Entry, ...]:
        """The build's log."""
        return () if self.ghost else self.course.logs(self.last, stopped=self.stopped_manually)

    @property
    def checks(self) -> tuple[Entry, ...]:
        """The status checks' log."""
        return () if self.ghost else self.course.checks(self.last)
