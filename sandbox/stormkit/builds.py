"""Builds: their steps, how they end, and how their log looks at a given moment. Nothing here reads a clock."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum


class Outcome(StrEnum):
    """How a build ends. `TIMEOUT` is the server's time limit, which Stormkit reports as a failure."""

    SUCCESS = "success"
    FAILED = "failed"
    TIMEOUT = "timeout"


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """A step of a build, or a status check. `share` is its share of the time, relative to the other steps'."""

    title: str
    message: str | bytes = ""
    ok: bool = True
    share: float = 1.0

    @property
    def text(self) -> str:
        """The message as text; bytes that are not UTF-8 become surrogates, and are sent as the same bytes again."""
        return self.message if isinstance(self.message, str) else self.message.decode("utf-8", "surrogateescape")


# The steps before the build command. In the texts, `{build}` is the environment's build command and `{script}` is what
# npm prints before it runs a script. Recorded: deploy-success.
_STEPS_BEFORE_BUILD = (
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
        *_STEPS_BEFORE_BUILD,
        Step(
            title="{build}",
            message="{script}building for production at {branch} ({sha})\ndone\n\n",
            share=4.0,
        ),
    ),
    # Recorded: deploy-failed.
    Outcome.FAILED: (
        *_STEPS_BEFORE_BUILD,
        Step(
            title="{build}",
            message="{script}compiling 12 modules\n"
            "src/app.ts(3,7): error TS2322: Type 'string' is not assignable to type 'number'.\nexit status 2\n\n",
            ok=False,
            share=4.0,
        ),
    ),
    # Recorded: ended-after-15-minutes.
    Outcome.TIMEOUT: (*_STEPS_BEFORE_BUILD, Step(title="{build}", message="{script}start\n\n", ok=False, share=8.0)),
}
# Recorded: restart-after-failure, whose build command is `npm run build`.
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

# The share of a successful build's time that the upload takes, after the last step.
UPLOAD_SHARE = 0.1

# Seconds that the steps of a build that never ends would take if its last step ended.
ENDLESS_STEPS_S = 4.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Build:
    """What happens in a build. Times are in seconds.

    `seconds`: the duration without status checks, or `math.inf` for a build that never ends.
    `queued`: how much of that passes in the queue, before the checkout; a tenth by default.
    `reported`: the duration that Stormkit reports, if it differs from the real one. The steps' durations are scaled.
    `sha`: the commit that is built; by default the branch's tip at the time of the checkout.
    `dies_after`: the runner dies after this much work, status checks included.
    `replaced_after`: after this much more time, the queue starts the build again on another runner.
    `warm_up_after`, `warm_up`: a newer server starts to warm up a published deployment after the first, and needs the
    second for it. With `comes_up=False` the deployment never becomes live.
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
    def queue_seconds(self) -> float:
        """Seconds in the queue."""
        if self.queued is not None:
            return min(self.queued, self.seconds)
        return self.seconds / 10 if math.isfinite(self.seconds) else 0.0

    @property
    def run_steps(self) -> tuple[Step, ...]:
        """The steps that run: all of them, or those up to the one that fails."""
        steps = tuple(self.steps) or DEFAULT_STEPS[self.outcome]
        return steps if self.outcome is Outcome.SUCCESS else _until_failure(steps)

    @property
    def checks_pass(self) -> bool:
        """Whether all status checks pass."""
        return all(check.ok for check in self.checks)

    @property
    def final_status(self) -> str:
        """The status that Stormkit reports in the end."""
        return "success" if self.outcome is Outcome.SUCCESS and self.checks_pass else "failed"

    @property
    def failure(self) -> str:
        """The error of a failed build; empty if the time limit ended it (recorded: ended-after-15-minutes)."""
        return self.error or (FAILURE if self.outcome is Outcome.FAILED else "")


@dataclass(frozen=True, kw_only=True, slots=True)
class LogEntry:
    """A step in a log."""

    title: str
    message: str
    status: bool
    duration: float
    begins: float = 0.0
    """Seconds from the start of the build to the start of the step."""
    is_over: bool = True


@dataclass(frozen=True, kw_only=True, slots=True)
class Timeline:
    """What happens when in a build. Moments are in seconds after its start.

    `placeholders` are the values for the names in braces in titles and messages.
    """

    build: Build
    branch: str
    placeholders: Mapping[str, str] = field(default_factory=dict)

    @property
    def checkout_end(self) -> float:
        """When the first step, the checkout, ends."""
        steps = self.build.run_steps
        share = steps[0].share / sum(step.share for step in steps)
        work = self.build_end - self.build.queue_seconds if math.isfinite(self.build_end) else ENDLESS_STEPS_S
        return self.build.queue_seconds + work * share * (
            1 - UPLOAD_SHARE if self.build.outcome is Outcome.SUCCESS else 1
        )

    @property
    def build_end(self) -> float:
        """When the build itself ends and the status checks begin."""
        return self.build.seconds + self.lost_seconds

    @property
    def lost_seconds(self) -> float:
        """Seconds that are lost because a runner dies."""
        return 0.0 if self.build.dies_after is None else self.build.dies_after + self.build.replaced_after

    @property
    def end(self) -> float:
        """When everything ends, status checks included."""
        has_checks = self.build.checks and self.build.outcome is Outcome.SUCCESS
        return self.build_end + (self.build.check_seconds if has_checks else 0.0)

    @property
    def scale(self) -> float:
        """The ratio of reported seconds to real ones."""
        reported = self.build.reported
        return reported / self.end if reported is not None and 0 < self.end < math.inf else 1.0

    def attempt(self, moment: float) -> "Attempt":
        """The runner's attempt at a moment. It is the only one unless a runner dies.

        A new runner starts over from the checkout, even if the status checks had begun. Until then the build stays as
        the dead runner left it (observed on v2026.04.17).
        """
        dies_after = self.build.dies_after
        if dies_after is None:
            return Attempt(timeline=self, moment=moment)
        timeline = replace(self, build=replace(self.build, dies_after=None))
        if moment - self.build.queue_seconds >= self.lost_seconds:
            return Attempt(timeline=timeline, moment=moment - self.lost_seconds, shift=self.lost_seconds)
        return Attempt(timeline=timeline, moment=min(moment, self.build.queue_seconds + dies_after))

    def is_built(self, moment: float) -> bool:
        """Whether the build itself has ended at a moment, so that status checks may be running."""
        attempt = self.attempt(moment)
        return attempt.moment >= attempt.timeline.build_end

    def duration(self, end: float) -> float:
        """The seconds that Stormkit reports for a build that ended at `end`."""
        if self.build.reported is not None and end >= self.end:
            return self.build.reported
        return end * self.scale

    def logs(self, moment: float) -> tuple[LogEntry, ...]:
        """The build's log at a moment."""
        attempt = self.attempt(moment)
        if attempt.timeline is not self:
            return attempt.shifted(attempt.timeline.logs(attempt.moment))
        succeeds = self.build.outcome is Outcome.SUCCESS
        work = self.build_end - self.build.queue_seconds if math.isfinite(self.build_end) else ENDLESS_STEPS_S
        ends = self.build.queue_seconds + work * (1 - UPLOAD_SHARE if succeeds else 1)
        entries = self._entries(
            self.build.run_steps, self.build.queue_seconds, ends, moment, endless=math.isinf(self.build_end)
        )
        if not succeeds and entries and moment >= self.build_end:
            entries = (*entries[:-1], replace(entries[-1], status=False))
        if not succeeds or moment < ends or math.isinf(self.build_end):
            return entries
        upload_seconds = (min(moment, self.build_end) - ends) * self.scale
        is_uploaded = moment >= self.build_end
        message = upload_message(self.build.upload) if is_uploaded else ""
        return (*entries, LogEntry(title="deploy", message=message, status=is_uploaded, duration=upload_seconds))

    def checks(self, moment: float) -> tuple[LogEntry, ...]:
        """The status checks' log at a moment."""
        attempt = self.attempt(moment)
        if attempt.timeline is not self:
            return attempt.shifted(attempt.timeline.checks(attempt.moment))
        if self.build.outcome is not Outcome.SUCCESS or moment < self.build_end:
            return ()
        return self._entries(_until_failure(self.build.checks), self.build_end, self.end, moment)

    def _entries(
        self, steps: Sequence[Step], begin: float, end: float, moment: float, *, endless: bool = False
    ) -> tuple[LogEntry, ...]:
        """The log at `moment` of steps that run in sequence from `begin` to `end`.

        With `endless` the last step never ends. A running step shows the part of its message that it has printed.
        """
        entries = []
        seconds_per_share = (end - begin) / (sum(step.share for step in steps) or 1.0)
        for position, step in enumerate(steps):
            seconds = seconds_per_share * step.share
            if moment < begin:
                break
            is_last = position == len(steps) - 1
            # For the last step not begin + seconds, which may differ from `end` by a rounding error.
            step_end = end if is_last else begin + seconds
            is_over = moment >= step_end and not (is_last and endless)
            passed = seconds if is_over else max(0.0, moment - begin)
            text = self._fill_in(step.text)
            printed = text if is_over or passed >= seconds else text[: int(len(text) * passed / seconds)]
            # A step's status is false while it runs, as after a failure (recorded: deploy-slow-live-log).
            entries.append(
                LogEntry(
                    title=self._fill_in(step.title),
                    message=printed,
                    status=step.ok and is_over,
                    duration=passed * self.scale,
                    begins=begin,
                    is_over=is_over,
                )
            )
            begin += seconds
        return tuple(entries)

    def _fill_in(self, text: str) -> str:
        for name, value in {"branch": self.branch, **self.placeholders}.items():
            text = text.replace(f"{{{name}}}", value)
        return text


@dataclass(frozen=True, kw_only=True, slots=True)
class Attempt:
    """One runner's attempt at a build: its timeline, and a moment on that timeline.

    The timeline begins `shift` seconds after the build's start.
    """

    timeline: Timeline
    moment: float
    shift: float = 0.0

    def shifted(self, entries: Sequence[LogEntry]) -> tuple[LogEntry, ...]:
        """Log entries of this attempt, with their begin counted from the build's start."""
        return tuple(replace(entry, begins=entry.begins + self.shift) for entry in entries)


def upload_message(upload: Mapping[str, int]) -> str:
    """The message of the last step of a successful build (recorded: deploy-success)."""
    return f"\nSuccessfully deployed client side.\nTotal bytes uploaded: {sum(upload.values())} B\n\n"


def _until_failure(steps: Sequence[Step]) -> tuple[Step, ...]:
    """The steps up to the first one that fails, or all."""
    failing = next((position for position, step in enumerate(steps) if not step.ok), len(steps) - 1)
    return tuple(steps[: failing + 1])
