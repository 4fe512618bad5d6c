"""The log as Stormkit v2026.04.17 shows it: reported every few seconds by the runner, with odd durations.

[("checkout main", True, 0), ("mise install", False, -1795651216)]      while the build runs
[..., ("sh build.sh", True, 25), ("deploy", True, 0)]                   after it
"""

import math
from dataclasses import replace

from sandbox.stormkit.builds import Course, Entry, Outcome

# The runner reports its log when the checkout is over, and every so many seconds from then on.
REPORT_INTERVAL_S = 5.0

# A step that has just ended must not count as running because of a rounded sum.
_ROUNDING_S = 1e-6


def build_log(course: Course, moment: float, *, started_at: float, frozen: bool) -> tuple[Entry, ...] | None:
    """The build's log at a moment, which is its last one if `frozen`: stopped, or ended by the server.

    None before the runner has reported anything. `started_at` is the start of the build in Unix seconds.
    """
    life = course.life(moment)
    course, moment, started_at = life.course, life.moment, started_at + life.shift
    if moment >= course.built and not frozen:
        return _whole(course, moment)
    if moment < course.checked_out:
        return None
    entries = course.logs(_reported(course, min(moment, course.built)))
    return tuple(_unfinished(entry, moment, started_at, frozen) for entry in entries)


def checks_log(course: Course, moment: float) -> tuple[Entry, ...] | None:
    """The status checks' log at a moment; None before the build has ended."""
    life = course.life(moment)
    course, moment = life.course, life.moment
    if moment < course.built:
        return None
    if moment >= course.end:
        return course.checks(moment)
    running = course.checks(_reported(course, moment))
    return tuple(entry if entry.over else replace(entry, duration=0.0) for entry in running)


def _whole(course: Course, moment: float) -> tuple[Entry, ...]:
    """The log of a build that came to its end."""
    entries = course.logs(course.built)
    if course.build.outcome is not Outcome.SUCCESS:
        return entries
    # Recorded (status-checks): the duration of this step becomes that of the status checks.
    checked = course.end - course.built if moment >= course.end else 0.0
    return (*entries[:-1], replace(entries[-1], duration=checked))


def _reported(course: Course, moment: float) -> float:
    """The moment of the last report."""
    reports = math.floor((moment - course.checked_out) / REPORT_INTERVAL_S)
    return course.checked_out + reports * REPORT_INTERVAL_S + _ROUNDING_S


def _unfinished(entry: Entry, moment: float, started_at: float, frozen: bool) -> Entry:
    """An entry of a running build: the step that runs has minus its start in Unix seconds as duration."""
    if entry.over:
        return entry
    duration = moment - entry.begins if frozen else -float(int(started_at + entry.begins))
    return replace(entry, message=f"{entry.message}\n", duration=duration)
