"""The command line outside GitHub: `stormkit-action [COMMAND] [--flag …]`.

A flag for each input that has a use there, else the variable STORMKIT_<FLAG>. The key comes from a variable or a file,
since everybody on a machine can read arguments.
"""

import argparse
import difflib
import os
import re
import shutil
import signal
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from stormkit_action import __version__, ci, parsers
from stormkit_action.inputs import INPUTS, Command, Input
from stormkit_action.names import ELSEWHERE, Names, variable_elsewhere

COMMANDS = tuple(command.value for command in Command if command is not Command.AUTO)

# The help's sections. Inputs that are in none of them have no use outside GitHub.
_GROUPS: Mapping[str, tuple[str, ...]] = {
    "what to act on": ("env-id", "environments", "branch", "sha", "deployment-id", "label"),
    "build": (
        *("publish", "wait", "timeout", "on-timeout", "on-cancel", "retries", "poll-interval", "stop-superseded"),
        "build-log",
    ),
    "health check": ("health-check", "health-check-status", "health-check-timeout"),
    "cleanup": ("keep-latest",),
    "Stormkit": ("api-url", "dashboard-url"),
}
_BY_NAME = {spec.name: spec for spec in INPUTS}

# Meanings that are different for a flag.
_MEANINGS: Mapping[str, str] = {
    "wait": "Trigger the build, report running and end.",
    "environments": "One of several environments; may be repeated. Excludes --env-id. Needs a key that reaches all.",
    "branch": "Branch to deploy, or to look deployments up by. Default: the one that the CI's variables name.",
    "label": "What this deployment is called in the log. Default: Stormkit's app and environment name.",
    "timeout": "For the whole command, publishing and health check included, such as 90s, 15m or 1h30m.",
    "on-cancel": "stop or leave the remote deployment on Ctrl+C, or when the job is cancelled.",
    "build-log": "When to show the build's log: failure, always, stream (live) or never (not shown anywhere).",
    "health-check": "Path on the preview URL, such as / or /health, that must answer before the command succeeds and"
    " before anything is published.",
    "dashboard-url": "Self-hosted Stormkit: your dashboard's origin, for links. Default: https://stormkit.example.com"
    " when --api-url is https://api.example.com; without links for any other address.",
    "sha": "The commit that is expected to be built. Default: the CI's; nothing is expected when --branch is given.",
}

_DESCRIPTION = f"""\
Deploy a branch to Stormkit and wait for it.

commands (deploy when none is given):
  {", ".join(COMMANDS)}"""

_EPILOG = """\
The API key is read from STORMKIT_API_KEY, or from the file that
STORMKIT_API_KEY_FILE names.
Every flag can come from STORMKIT_<FLAG>, such as STORMKIT_ENV_ID; the flag
wins.
The log goes to standard error.

exit codes:
  0    success, skipped, or running with --no-wait
  1    the deployment failed, was stopped or timed out, or Stormkit refused
  2    wrong usage or a wrong value
  130  cancelled
  3    a bug in stormkit-action"""

_MAX_KEY_FILE_BYTES = 65_536


@dataclass(frozen=True, kw_only=True)
class CommandLine:
    """What was asked for: `environ` with the flags as inputs, and where the result goes.

    `names` are what messages call inputs, `problems` what is wrong with the usage; empty when nothing is.
    """

    environ: Mapping[str, str]
    names: Names = ELSEWHERE
    json: bool = False
    output: str = ""
    dotenv: str = ""
    problems: tuple[str, ...] = ()


class _WrongUsage(Exception):
    """What is wrong with the arguments."""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        flag = re.search(r"--[a-z-]+", message)
        raise _WrongUsage(f"{flag[0]} needs a value." if flag else "The arguments can't be read.")


class _Once(argparse.Action):
    """A flag that may be given once."""

    def __call__(self, _parser: Any, namespace: argparse.Namespace, values: Any, option: str | None = None) -> None:
        if getattr(namespace, self.dest) is not None:
            raise _WrongUsage(f"--{self.dest.replace('_', '-')} is given twice.")
        if self.nargs == 0:
            values = "false" if (option or "").startswith("--no-") else "true"
        setattr(namespace, self.dest, values)


def run_program(arguments: Sequence[str]) -> None:
    """Become the program that the first argument names, as in an image without an entry point; else do nothing.

    Jenkins and Azure start a job's container with `cat` or `sh`.
    """
    if not arguments or arguments[0].startswith("-") or arguments[0] in COMMANDS:
        return
    path = shutil.which(arguments[0])
    if path:
        # Python ignores it, and a program inherits that: `yes | head` would end in an error.
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        os.execv(path, [*arguments])  # noqa: S606 - no shell is wanted


def read(arguments: Sequence[str], environ: Mapping[str, str]) -> CommandLine:
    """Read arguments and variables. Ends the process only where help or the version is asked for."""
    kept = {name: value for name, value in environ.items() if not name.startswith(("GITHUB_", "INPUT_"))}
    # Where the result goes counts for wrong usage as well.
    output, dotenv = (
        _flag_value(arguments, name) or environ.get(variable_elsewhere(name), "") for name in ("output", "dotenv")
    )
    as_json = "--json" in arguments
    if output and dotenv and Path(output).absolute() == Path(dotenv).absolute():
        problem = f"--output and --dotenv name the same file, {parsers.shown(output)}: give each its own."
        return CommandLine(environ=kept, json=as_json, output=output, problems=(problem,))
    try:
        as_json = as_json or _switch(environ, "json")
        flags = _flags(arguments)
        _check_directory("output", output)
        _check_directory("dotenv", dotenv)
        inputs = _inputs(flags, environ)
        _check_default_branch(flags, inputs, environ)
    except _WrongUsage as error:
        return CommandLine(environ=kept, json=as_json, output=output, dotenv=dotenv, problems=(str(error),))
    names = ELSEWHERE._replace(
        from_variables=frozenset(_from_variables(flags, environ)),
        has_key_file=not environ.get("STORMKIT_API_KEY", "").strip() and "STORMKIT_API_KEY_FILE" in environ,
    )
    return CommandLine(environ=kept | inputs, names=names, json=as_json, output=output, dotenv=dotenv)


def _check_directory(name: str, path: str) -> None:
    """Find out before anything is built that a file can't be written."""
    if path and path != "-" and not Path(path).absolute().parent.is_dir():
        raise _WrongUsage(f"--{name}: there is no directory {parsers.shown(str(Path(path).parent))}.")


def _flag_value(arguments: Sequence[str], name: str) -> str:
    """The value of a flag, even when the other arguments are invalid."""
    for position, argument in enumerate(arguments):
        following = arguments[position + 1 : position + 2]
        if argument == f"--{name}" and following and not following[0].startswith("--"):
            return following[0]
        if argument.startswith(f"--{name}="):
            return argument.partition("=")[2]
    return ""


def _flags(arguments: Sequence[str]) -> dict[str, Any]:
    """The flags by the inputs' fields, and `command`."""
    parser = _parser()
    known = [flag for action in parser._actions for flag in action.option_strings]
    bare = {flag for action in parser._actions if action.nargs == 0 for flag in action.option_strings}
    for argument in arguments:
        flag, given, _ = argument.partition("=")
        if given and flag in bare:
            raise _WrongUsage(f"{flag} takes no value.")
    flags, rest = parser.parse_known_args(arguments)
    unknown = [argument for argument in rest if argument.startswith("-")]
    if unknown:
        raise _WrongUsage(_no_such_flag(unknown[0], known))
    if len(rest) > 1:
        raise _WrongUsage(f"Give one command: {len(rest)} arguments have no flag before them.")
    command = rest[0] if rest else ""
    if command and command not in (*COMMANDS, Command.AUTO):
        raise _WrongUsage(f"There is no such command.{_guess(command, COMMANDS)} Commands: {', '.join(COMMANDS)}.")
    return {**vars(flags), "command": command}


def _no_such_flag(argument: str, known: Sequence[str]) -> str:
    """The error for an unknown flag. It shows no more than the flag's name: somebody may have typed the key there."""
    flag = argument.partition("=")[0]
    name = flag.removeprefix("--")
    if name in _BY_NAME and _BY_NAME[name].secret:
        return f"There is no flag {flag}: arguments are visible to everybody. Set {variable_elsewhere(name)}."
    if not re.fullmatch(r"--[a-z-]{1,40}", flag):
        return f"There is no flag {flag[:2]}…; --help lists all flags."
    if name in _BY_NAME:
        return f"There is no flag {flag}: it has no use outside GitHub."
    return f"There is no flag {flag}.{_guess(flag, known)} --help lists all flags."


def _guess(word: str, known: Sequence[str]) -> str:
    close = difflib.get_close_matches(word, known, n=1, cutoff=0.7)
    return f" Did you mean {close[0]}?" if close else ""


def _inputs(flags: Mapping[str, Any], environ: Mapping[str, str]) -> dict[str, str]:
    """The inputs as the variables of a GitHub step."""
    values = {}
    for spec in (_BY_NAME[name] for names in _GROUPS.values() for name in names):
        given = flags[spec.field]
        text = "\n".join(given) if isinstance(given, list) else given
        values[spec.variable] = (_from_variable(spec, environ) if text is None else text).strip()
    values[_BY_NAME["command"].variable] = flags["command"] or environ.get("STORMKIT_COMMAND", "").strip() or "deploy"
    values[_BY_NAME["api-key"].variable] = _api_key(environ)
    return values


def _from_variables(flags: Mapping[str, Any], environ: Mapping[str, str]) -> Iterator[str]:
    """The inputs whose values come from their variables, or `no-` and the input where that variable is set."""
    for spec in INPUTS:
        for name in (spec.name, f"no-{spec.name}"):
            if flags.get(spec.field) is None and environ.get(variable_elsewhere(name)):
                yield name


def _from_variable(spec: Input, environ: Mapping[str, str]) -> str:
    """The input's value by its variable; STORMKIT_NO_<FLAG> turns off what is on by default, as `--no-` does."""
    variable = variable_elsewhere(spec.name)
    text = environ.get(variable, "")
    if spec.kind is not bool or not _switch(environ, f"no-{spec.name}"):
        return text
    if text:
        raise _WrongUsage(f"{variable} and {variable_elsewhere(f'no-{spec.name}')} are both set: drop one of them.")
    return "false"


def _switch(environ: Mapping[str, str], name: str) -> bool:
    """The value of a bare flag's variable."""
    variable = variable_elsewhere(name)
    text = environ.get(variable, "").strip()
    try:
        return bool(text) and parsers.boolean(text)
    except ValueError as error:
        raise _WrongUsage(f'{variable}: "{parsers.shown(text)}" is not valid: {error}.') from None


def _api_key(environ: Mapping[str, str]) -> str:
    key, path = (environ.get(name, "").strip() for name in ("STORMKIT_API_KEY", "STORMKIT_API_KEY_FILE"))
    if key or not path:
        return key
    try:
        with Path(path).open("rb") as file:
            return file.read(_MAX_KEY_FILE_BYTES).decode("utf-8-sig", "replace").strip()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not a path"
        raise _WrongUsage(f"STORMKIT_API_KEY_FILE: {parsers.shown(path)} can't be read ({reason}).") from None


def _check_default_branch(flags: Mapping[str, Any], inputs: Mapping[str, str], environ: Mapping[str, str]) -> None:
    """Keep `cleanup` from the CI's default branch, unless two flags ask for it.

    The branch has to be a flag: STORMKIT_BRANCH may come from another job's results.
    """
    pipeline = ci.read(environ)
    if pipeline is None or inputs[_BY_NAME["command"].variable] != Command.CLEANUP or not pipeline.default_branch:
        return
    branch = inputs[_BY_NAME["branch"].variable] or pipeline.branch
    if branch.removeprefix("refs/heads/") != pipeline.default_branch:
        return
    is_included = flags["include_default_branch"] or _switch(environ, "include-default-branch")
    if not (flags["branch"] and is_included):
        raise _WrongUsage(
            f"{pipeline.default_branch} is the default branch: cleanup would delete what can be rolled back to. To do"
            f" that, give --branch {pipeline.default_branch} --include-default-branch."
        )


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="stormkit-action",
        usage="stormkit-action [COMMAND] [--flag ...]",
        allow_abbrev=False,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description=_DESCRIPTION,
        epilog=_EPILOG,
    )
    for title, names in _GROUPS.items():
        group = parser.add_argument_group(title)
        for name in names:
            _add(group, _BY_NAME[name])
        if title == "cleanup":
            group.add_argument(
                "--include-default-branch", action="store_true", help="Let cleanup act on the CI's default branch."
            )
    group = parser.add_argument_group("result")
    group.add_argument("--json", action="store_true", help="Print the result as one JSON document on standard output.")
    group.add_argument(
        "--output", metavar="FILE", action=_Once, help="Write the JSON document to FILE; - is standard output."
    )
    group.add_argument(
        "--dotenv", metavar="FILE", action=_Once, help="Write the outputs to FILE, as STORMKIT_PREVIEW_URL=… lines."
    )
    parser.add_argument("--version", action="version", version=__version__)
    return parser


def _add(group: argparse._ArgumentGroup, spec: Input) -> None:
    default = f" Default: {spec.default}." if spec.default and spec.kind is not bool else ""
    meaning = (_MEANINGS.get(spec.name, spec.help) + default).replace("%", "%%")
    if spec.kind is bool:
        flags = [f"--{spec.name}", f"--no-{spec.name}"]
        if spec.default == "true":
            flags.reverse()
        # The second flag is the default, hidden from the help: it is only needed to override a variable.
        for flag, text in zip(flags, (meaning, argparse.SUPPRESS), strict=True):
            group.add_argument(flag, dest=spec.field, nargs=0, action=_Once, help=text)
    elif spec.name == "environments":
        group.add_argument(f"--{spec.name}", metavar="'NAME: ID'", action="append", help=meaning)
    else:
        metavar = "|".join(spec.choices) or "VALUE"
        group.add_argument(f"--{spec.name}", metavar=metavar, action=_Once, help=meaning)
