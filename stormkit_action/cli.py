"""The command line: a GitHub step without arguments, or the same with flags in any other CI or a terminal."""

import argparse
import sys
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

from stormkit_action import __version__
from stormkit_action.cancellation import Cancellation
from stormkit_action.clock import SystemClock
from stormkit_action.input_table import INPUTS
from stormkit_action.main import main as run_step
from stormkit_action.reporting.console import GitHubConsole, PlainConsole
from stormkit_action.reporting.outputs import StepFiles, Terminal

# Where secrets and defaults come from outside GitHub; secrets have no flag, since arguments are visible to everybody.
_VARIABLES = {"api-key": "STORMKIT_API_KEY", "env-id": "STORMKIT_ENV_ID", "api-url": "STORMKIT_API_URL"}


def main(arguments: Sequence[str], environ: Mapping[str, str], cancellation: Cancellation) -> int:
    """Run one step. The exit code."""
    _print_anything()
    clock = SystemClock(cancellation)
    if environ.get("GITHUB_ACTIONS") == "true" and not arguments:
        return run_step(environ, console=GitHubConsole(), outlet=StepFiles(), clock=clock)
    flags = _flags(arguments)
    outlet = Terminal(as_json=flags.pop("json"))
    return run_step(_as_inputs(flags, environ), console=PlainConsole(), outlet=outlet, clock=clock)


def finish(environ: Mapping[str, str], cancellation: Cancellation) -> int:
    """Finish a step of GitHub's that was killed. The exit code."""
    from stormkit_action import post  # noqa: PLC0415 - nothing else needs it

    _print_anything()
    return post.finish(environ, console=GitHubConsole(), outlet=StepFiles(), clock=SystemClock(cancellation))


def _print_anything() -> None:
    """A log may hold any character, and the container's locale may know none of them."""
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(encoding="utf-8", errors="backslashreplace")  # type: ignore[union-attr]


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """Exit as any wrong input does, not with argparse's 2."""
        self.print_usage(sys.stderr)
        self.exit(1, f"{self.prog}: error: {message}\n")


def _flags(arguments: Sequence[str]) -> dict[str, Any]:
    parser = _parser()
    flags, unknown = parser.parse_known_args(arguments)
    if unknown:
        # Without their values: somebody may have tried to pass the key.
        names = [each.split("=")[0] for each in unknown if each.startswith("-")]
        what = f"there is no flag {', '.join(names)}" if names else "every value needs a flag before it"
        parser.error(f"{what}; --help lists them all. The API key is read from STORMKIT_API_KEY")
    return vars(flags)


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="stormkit-action",
        allow_abbrev=False,
        description="Deploy a branch to Stormkit and wait for it.",
        epilog=(
            "The API key is read from STORMKIT_API_KEY, --env-id and --api-url also from STORMKIT_ENV_ID and"
            " STORMKIT_API_URL. The log goes to standard error."
            " Exit codes: 0 success, 1 failure, 130 cancelled, 3 a bug."
        ),
    )
    parser.add_argument("--version", action="version", version=__version__)
    parser.add_argument("--json", action="store_true", help="Print the result as one JSON document on standard output.")
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
