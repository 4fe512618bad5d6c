"""Who runs this: a GitHub step without arguments, or any other CI or a terminal with flags."""

import sys
from collections.abc import Mapping, Sequence

from stormkit_action.cancellation import Cancellation
from stormkit_action.clock import SystemClock
from stormkit_action.errors import Cancelled
from stormkit_action.main import main as run_step
from stormkit_action.main import report_bug
from stormkit_action.reporting.console import GitHubConsole, PlainConsole
from stormkit_action.reporting.step_files import JsonOutput, RunnerFiles


def main(arguments: Sequence[str], environ: Mapping[str, str], cancellation: Cancellation) -> int:
    """Run one step. The exit code."""
    _print_anything()
    clock = SystemClock(cancellation)
    if environ.get("GITHUB_ACTIONS") == "true" and not arguments:
        return run_step(environ, console=GitHubConsole(), files=RunnerFiles(), clock=clock)
    from stormkit_action import flags  # noqa: PLC0415 - a GitHub step has none

    given = flags.read(arguments)
    files = JsonOutput(as_json=given.pop("json"))
    return run_step(flags.as_inputs(given, environ), console=PlainConsole(), files=files, clock=clock)


def finish(environ: Mapping[str, str], cancellation: Cancellation) -> int:
    """Finish a step of GitHub's that was killed. The exit code: also 3 for a bug, 130 when it was cancelled itself."""
    from stormkit_action import post  # noqa: PLC0415 - nothing else needs it

    _print_anything()
    console = GitHubConsole()
    try:
        return post.finish(environ, console=console, files=RunnerFiles(), clock=SystemClock(cancellation))
    except Cancelled:
        console.error("Cancelled before the deployments of the step were stopped for certain. Look at the dashboard.")
        return 130
    except Exception:
        report_bug(environ, console)
        return 3


def _print_anything() -> None:
    """A log may hold any character, and the container's locale may know none of them."""
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(encoding="utf-8", errors="backslashreplace")  # type: ignore[union-attr]
