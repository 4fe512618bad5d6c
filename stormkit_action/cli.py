"""The command line outside GitHub: a flag for every input but the secrets."""

import argparse
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

from stormkit_action import __version__
from stormkit_action.input_table import INPUTS

# Where secrets and defaults come from outside GitHub; secrets have no flag, since arguments are visible to everybody.
_VARIABLES = {"api-key": "STORMKIT_API_KEY", "env-id": "STORMKIT_ENV_ID", "api-url": "STORMKIT_API_URL"}


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """Exit as any wrong input does, not with argparse's 2, and without the usage: the error is what matters."""
        self.exit(1, f"{self.prog}: error: {message}; --help lists all flags\n")


def read(arguments: Sequence[str]) -> dict[str, Any]:
    """The flags by the inputs' names, and `json`. Ends the process where they are wrong, or only help is wanted."""
    parser = _parser()
    flags, unknown = parser.parse_known_args(arguments)
    if unknown:
        # Without their values: somebody may have tried to pass the key.
        names = [each.split("=")[0] for each in unknown if each.startswith("-")]
        what = f"there is no flag {', '.join(names)}" if names else "every value needs a flag before it"
        parser.error(f"{what}. The API key is read from STORMKIT_API_KEY")
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


def as_inputs(flags: Mapping[str, str | None], environ: Mapping[str, str]) -> dict[str, str]:
    """`environ` with the flags as inputs, and without an event: no GitHub is needed."""
    kept = {name: value for name, value in environ.items() if not name.startswith(("GITHUB_", "INPUT_"))}
    for spec in INPUTS:
        value = flags.get(spec.field) or environ.get(_VARIABLES.get(spec.name, ""), "")
        kept[spec.variable] = value
    return kept
