"""The command line: a GitHub step without arguments, or the same with flags in any other CI or a terminal."""

import argparse
import sys
from collections.abc import Mapping, Sequence

from stormkit_action import __version__
from stormkit_action.cancellation import Cancellation
from stormkit_action.clock import SystemClock
from stormkit_action.inputs import INPUTS
from stormkit_action.main import main as run_step
from stormkit_action.reporting.console import GitHubConsole, PlainConsole

# Where secrets and defaults come from outside GitHub; secrets have no flag, since arguments are visible to everybody.
_VARIABLES = {"api-key": "STORMKIT_API_KEY", "env-id": "STORMKIT_ENV_ID", "api-url": "STORMKIT_API_URL"}


def main(arguments: Sequence[str], environ: Mapping[str, str], cancellation: Cancellation) -> int:
    """Run one step. The exit code."""
    for stream in (sys.stdout, sys.stderr):
        # A log may hold any character, and the container's locale may know none of them.
        stream.reconfigure(encoding="utf-8", errors="backslashreplace")  # type: ignore[union-attr]
    clock = SystemClock(cancellation)
    if environ.get("GITHUB_ACTIONS") == "true" and not arguments:
        return run_step(environ, console=GitHubConsole(), clock=clock)
    flags = vars(_parser().parse_args(arguments))
    return run_step(_as_inputs(flags, environ), console=PlainConsole(), clock=clock)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="stormkit-action",
        description="Deploy a branch to Stormkit and wait for it.",
        epilog="The API key is read from STORMKIT_API_KEY. Exit codes: 0 success, 1 failure, 130 cancelled, 3 a bug.",
    )
    parser.add_argument("--version", action="version", version=__version__)
    for spec in INPUTS:
        if not spec.secret:
            shown = f" Default: {spec.default}." if spec.default else ""
            parser.add_argument(f"--{spec.name}", metavar="VALUE", help=spec.help + shown)
    return parser


def _as_inputs(flags: Mapping[str, str | None], environ: Mapping[str, str]) -> dict[str, str]:
    """`environ` with the flags as inputs, and without an event: no GitHub is needed."""
    kept = {name: value for name, value in environ.items() if not name.startswith(("GITHUB_", "INPUT_"))}
    for spec in INPUTS:
        value = flags.get(spec.field) or environ.get(_VARIABLES.get(spec.name, ""), "")
        kept[spec.variable] = value
    return kept
