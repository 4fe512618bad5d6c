"""The build log of Stormkit v2026.04.17, which its runner reports every 5 seconds (recorded: deploy-slow-live-log).

The duration of a running step is its start in Unix seconds, negated:

[("checkout main", True, 0), ("mise install", False, -1795651216)]      while the build runs
[..., ("sh build.sh", True, 25), ("deploy", True, 0)]                   afterwards
"""

import math
from dataclasses import replace

from sandbox.stormkit.builds import LogEntry, Outcome, Timeline

# The runner reports its log when the checkout has ended, and at this interval from then on.
REPORT_INTERVAL_S = 5.0

# Added to the time of a report, so that a rounding error does not make a step that has just ended count as running.
_ROUNDING_S = 1e-6


def build_log(timeline: Timeline, moment: float, *, started_at: float, frozen: bool) -> tuple[LogEntry, ...] | None:
    """The build's log at a moment, None before the runner's first report.

    `frozen` means that the build was stopped, or ended by the server, at that moment. `started_at` is in Unix seconds.
    """
    attempt = timeline.attempt(moment)
    timeline, moment, started_at = attempt.timeline, attempt.moment, started_at + attempt.shift
    if moment >= timeline.build_end and not frozen:
        return _complete_log(timeline, moment)
    if moment < timeline.checkout_end:
        return None
    entries = timeline.logs(_last_report(timeline, min(moment, timeline.build_end)))
    return tuple(_reported_entry(entry, moment, started_at, frozen) for entry in entries)


def checks_log(timeline: Timeline, moment: float) -> tuple[LogEntry, ...] | None:
    """The status checks' log at a moment, None before the build has ended."""
    attempt = timeline.attempt(moment)
    timeline, moment = attempt.timeline, attempt.moment
    if moment < timeline.build_end:
        return None
    if moment >= timeline.end:
        return timeline.checks(moment)
    entries = timeline.checks(_last_report(timeline, moment))
    return tuple(entry if entry.is_over else replace(entry, duration=0.0) for entry in entries)


def _complete_log(timeline: Timeline, moment: float) -> tuple[LogEntry, ...]:
    """The log of a build that has ended."""
    entries = timeline.logs(timeline.build_end)
    if timeline.build.outcome is not Outcome.SUCCESS:
        return entries
    # Recorded (status-checks): the last step's duration is 0, and after the status checks it is theirs.
    check_seconds = timeline.end - timeline.build_end if moment >= timeline.end else 0.0
    return (*entries[:-1], replace(entries[-1], duration=check_seconds))


def _last_report(timeline: Timeline, moment: float) -> float:
    """The moment of the runner's last report."""
    reports = math.floor((moment - timeline.checkout_end) / REPORT_INTERVAL_S)
    return timeline.checkout_end + reports * REPORT_INTERVAL_S + _ROUNDING_S


def _reported_entry(entry: LogEntry, moment: float, started_at: float, frozen: bool) -> LogEntry:
    """An entry as a report shows it; see the module's docstring for the duration of a running step."""
    if entry.is_over:
        return entry
    duration = moment - entry.begins if frozen else -float(int(started_at + entry.begins))
    return replace(entry, message=f"{entry.message}\n", duration=duration)
