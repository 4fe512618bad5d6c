"""A build's course: its steps, how it ends, and what of it shows at a given moment. Pure."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum


class Outcome(StrEnum):
    """How a build ends. Stormkit reports a timeout as a failure."""

    SUCCESS = "success"
    FAILED = "failed"
    TIMEOUT = "timeout"


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """A step of a build, or a status check. `share` is its part of the time, relative to the other steps."""

    title: str
    message: str | bytes = ""
    ok: bool = True
    share: float = 1.0

    @property
    def text(self) -> str:
        """The message; bytes that are not UTF-8 as surrogates, which go out as the bytes they were."""
        return self.message if isinstance(self.message, str) else self.message.decode("utf-8", "surrogateescape")


# The log of v2026.04.17. `{build}` is the environment's build command, `{script}` what npm prints before its own.
# Recorded: deploy-success.
_BEFORE = (
    Step(
        title="checkout {branch}",
        message="Cloning into '/tmp/deployment-{id}/repo'...\n"
        "remote: Enumerating objects: 4, done.        \nremote: Counting objects: 100% (4/4), done.        \n"
        "Receiving objects: 100% (4/4), 543 bytes | 543.00 KiB/s, done.\n",
    ),
    Step(title="mise install", message="mise all tools are installed\n"),
    Step(title="node --version", message="v20.20.2\n", share=0.5),
    Step(title="environment variables", message="{variables}", share=0.5),
    Step(title="npm install", message="up to date in 333ms\n", share=3.0),
)
DEFAULT_STEPS: Mapping[Outcome, tuple[Step, ...]] = {
    # Recorded: deploy-success.
    Outcome.SUCCESS: (
        *_BEFORE,
        Step(
            title="{build}",
            message="{script}building for production at {branch} ({sha})\ndone\n\n",
            share=4.0,
        ),
    ),
    # Recorded: deploy-failed.
    Outcome.FAILED: (
        *_BEFORE,
        Step(
            title="{build}",
            message="{script}compiling 12 modules\n"
            "src/app.ts(3,7): error TS2322: Type 'string' is not assignable to type 'number'.\nexit status 2\n\n",
            ok=False,
            share=4.0,
        ),
    ),
    # Recorded: ended-after-15-minutes.
    Outcome.TIMEOUT: (*_BEFORE, Step(title="{build}", message="{script}start\n\n", ok=False, share=8.0)),
}
# Recorded: restart-after-failure, whose build command is npm's.
NPM_SCRIPT = "> {app}@1.0.0 build\n> sh build.sh\n"
# Recorded: deploy-failed, deploy-missing-branch.
FAILURE = "Error: exit status 2"
CHECKOUT_FAILURE = "Error: exit status 128"
MISSING_BRANCH = Step(
    title="checkout {branch}",
    message="Cloning into '/tmp/deployment-{id}/repo'...\nwarning: Could not find remote branch {branch} to clone.\n"
    "fatal: Remote branch {branch} not found in upstream origin\nexit status 128\n\n",
    ok=False,
)

# Part of a successful build's time that the upload takes, after its last step.
UPLOAD_SHARE = 0.1

# Seconds in which a build that never ends goes through its steps, up to the last one.
NOMINAL = 4.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Build:
    """What happens in a build. Times are in seconds; `math.inf` for `seconds` is a build that never ends.

    `seconds` is the whole build without the status checks, `queued` the part before the checkout (a tenth by default).
    `reported` is the duration that Stormkit reports in place of the real one; the steps' durations grow with it.
    `sha` is the commit that is built, by default the branch's tip at the checkout.
    `dies_after` so many seconds of work, its status checks included, the runner dies, and `replaced_after` more the
    queue starts the build again.
    Publishing it takes `warm_up` seconds on newer servers, from `warm_up_after` on; it may never come up.
    """

    seconds: float = 4.0
    outcome: Outcome = Outcome.SUCCESS
    steps: Sequence[Step] = ()
    queued: float | None = None
    reported: float | None = None
    checks: Sequence[Step] = ()
    check_seconds: float = 0.0
    sha: str = ""
    author: str | None = None
    message: str | None = None
    error: str = ""
    dies_after: float | None = None
    replaced_after: float = 30.0
    # Recorded: deploy-success.
    upload: Mapping[str, int] = field(
        default_factory=lambda: {"clientBytes": 436, "serverBytes": 0, "serverlessBytes": 0}
    )
    warm_up: float = 0.2
    warm_up_after: float = 0.0
    comes_up: bool = True

    @property
    def queue(self) -> float:
        """Seconds before the checkout, unless somebody puts it to the front of the queue."""
        if self.queued is not None:
            return min(self.queued, self.seconds)
        return self.seconds / 10 if math.isfinite(self.seconds) else 0.0

    @property
    def listed(self) -> tuple[Step, ...]:
        """The steps that run: all, or those up to the one that fails."""
        steps = tuple(self.steps) or DEFAULT_STEPS[self.outcome]
        return steps if self.outcome is Outcome.SUCCESS else _until_failure(steps)

    @property
    def checks_pass(self) -> bool:
        """Whether its status checks pass."""
        return all(check.ok for check in self.checks)

    @property
    def final(self) -> str:
        """Stormkit's word for its end."""
        return "success" if self.outcome is Outcome.SUCCESS and self.checks_pass else "failed"

    @property
    def failure(self) -> str:
        """The error of a build that did not succeed; empty where a time limit ended it (ended-after-15-minutes)."""
        return self.error or (FAILURE if self.outcome is Outcome.FAILED else "")


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """A step as the log shows it."""

    title: str
    message: str
    status: bool
    duration: float
    begins: float = 0.0
    """Seconds from the start of the build to that of the step."""
    over: bool = True


@dataclass(frozen=True, kw_only=True, slots=True)
class Course:
    """A build whose queue takes `queue` seconds; moments are seconds after its start.

    `facts` are texts for the places in titles and messages that stand in braces.
    """

    build: Build
    branch: str
    queue: float
    facts: Mapping[str, str] = field(default_factory=dict)

    @property
    def checked_out(self) -> float:
        """When its first step, the checkout, is over."""
        steps = self.build.listed
        share = steps[0].share / sum(step.share for step in steps)
        work = self.built - self.queue if math.isfinite(self.built) else NOMINAL
        return self.queue + work * share * (1 - UPLOAD_SHARE if self.build.outcome is Outcome.SUCCESS else 1)

    @property
    def built(self) -> float:
        """When its build is over and the status checks begin."""
        return self.queue + self.lost + (self.build.seconds - self.build.queue)

    @property
    def lost(self) -> float:
        """Seconds that a dead runner has cost."""
        return 0.0 if self.build.dies_after is None else self.build.dies_after + self.build.replaced_after

    @property
    def end(self) -> float:
        """When it is over, its status checks included."""
        checked = self.build.checks and self.build.outcome is Outcome.SUCCESS
        return self.built + (self.build.check_seconds if checked else 0.0)

    @property
    def scale(self) -> float:
        """Reported seconds for each real one."""
        reported = self.build.reported
        return reported / self.end if reported is not None and 0 < self.end < math.inf else 1.0

    def life(self, moment: float) -> "Life":
        """The runner's life at a moment: the whole build, unless it dies.

        With a new runner everything starts over, a build whose status checks ran too; until then it stays as the dead
        one left it (documented).
        """
        dies_after = self.build.dies_after
        if dies_after is None:
            return Life(course=self, moment=moment)
        course = replace(self, build=replace(self.build, dies_after=None))
        if moment - self.queue >= self.lost:
            return Life(course=course, moment=moment - self.lost, shift=self.lost)
        return Life(course=course, moment=min(moment, self.queue + dies_after))

    def is_built(self, moment: float) -> bool:
        """Whether the build itself is over at a moment, so that its status checks run or have run."""
        life = self.life(moment)
        return life.moment >= life.course.built

    def duration(self, end: float) -> float:
        """Seconds that Stormkit reports for a build that was over at `end`."""
        if self.build.reported is not None and end >= self.end:
            return self.build.reported
        return end * self.scale

    def logs(self, moment: float) -> tuple[Entry, ...]:
        """The build's log at a moment."""
        life = self.life(moment)
        if life.course is not self:
            return life.shifted(life.course.logs(life.moment))
        succeeds = self.build.outcome is Outcome.SUCCESS
        work = self.built - self.queue if math.isfinite(self.built) else NOMINAL
        ends = self.queue + work * (1 - UPLOAD_SHARE if succeeds else 1)
        entries = self._entries(self.build.listed, self.queue, ends, moment, endless=math.isinf(self.built))
        if not succeeds and entries and moment >= self.built:
            entries = (*entries[:-1], _failed(entries[-1]))
        if not succeeds or moment < ends or math.isinf(self.built):
            return entries
        uploading = (min(moment, self.built) - ends) * self.scale
        done = moment >= self.built
        message = summary(self.build.upload) if done else ""
        return (*entries, Entry(title="deploy", message=message, status=done, duration=uploading))

    def checks(self, moment: float) -> tuple[Entry, ...]:
        """The status checks' log at a moment."""
        life = self.life(moment)
        if life.course is not self:
            return life.shifted(life.course.checks(life.moment))
        if self.build.outcome is not Outcome.SUCCESS or moment < self.built:
            return ()
        return self._entries(_until_failure(self.build.checks), self.built, self.end, moment)

    def _entries(
        self, steps: Sequence[Step], begin: float, end: float, moment: float, *, endless: bool = False
    ) -> tuple[Entry, ...]:
        """`steps` that run one after the other from `begin` to `end` (the last one for ever if `endless`)."""
        entries = []
        second = (end - begin) / (sum(step.share for step in steps) or 1.0)
        for position, step in enumerate(steps):
            seconds = second * step.share
            if moment < begin:
                break
            last = position == len(steps) - 1
            over = moment >= (end if last else begin + seconds) and not (endless and last)
            passed = max(0.0, moment - begin) if not over else seconds
            text = self._filled(step.text)
            shown = text if over or passed >= seconds else text[: int(len(text) * passed / seconds)]
            # The step that runs counts as failed until it is over: servers know of no third state.
            entries.append(
                Entry(
                    title=self._filled(step.title),
                    message=shown,
                    status=step.ok and over,
                    duration=passed * self.scale,
                    begins=begin,
                    over=over,
                )
            )
            begin += seconds
        return tuple(entries)

    def _filled(self, text: str) -> str:
        for name, fact in {"branch": self.branch, **self.facts}.items():
            text = text.replace(f"{{{name}}}", fact)
        return text


@dataclass(frozen=True, kw_only=True, slots=True)
class Life:
    """One runner's part of a build: the build as if it had no other runner, and the moment in it.

    It began `shift` seconds after the build's start.
    """

    course: Course
    moment: float
    shift: float = 0.0

    def shifted(self, entries: Sequence[Entry]) -> tuple[Entry, ...]:
        """Log entries of this life, which begin that much later in the whole build."""
        return tuple(replace(entry, begins=entry.begins + self.shift) for entry in entries)


def summary(upload: Mapping[str, int]) -> str:
    """The text of the last log entry of a successful build (recorded: deploy-success)."""
    return f"\nSuccessfully deployed client side.\nTotal bytes uploaded: {sum(upload.values())} B\n\n"


def _until_failure(steps: Sequence[Step]) -> tuple[Step, ...]:
    """`steps` up to the first that fails."""
    failing = next((position for position, step in enumerate(steps) if not step.ok), len(steps) - 1)
    return tuple(steps[: failing + 1])


def _failed(entry: Entry) -> Entry:
    return replace(entry, status=False)
