"""The file commands of a step: the files in which it sets outputs, state, variables and its summary.

Source for how they are read: actions/runner, Runner.Worker/FileCommandManager.cs.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

MAX_SUMMARY_BYTES = 1024 * 1024
"""A larger summary is not shown at all."""


class FileCommand(StrEnum):
    """A file command; the variable GITHUB_<NAME> has the path of its file."""

    OUTPUT = "OUTPUT"
    STATE = "STATE"
    STEP_SUMMARY = "STEP_SUMMARY"
    ENV = "ENV"
    PATH = "PATH"


_PREFIXES = {
    FileCommand.OUTPUT: "set_output_",
    FileCommand.STATE: "save_state_",
    FileCommand.STEP_SUMMARY: "step_summary_",
    FileCommand.ENV: "set_env_",
    FileCommand.PATH: "add_path_",
}


class MalformedFileError(ValueError):
    """A file that the runner can't parse, which fails the step."""


@dataclass(kw_only=True, slots=True)
class FileResults:
    """What a step wrote into its files. `errors` fail the step, `warnings` don't."""

    outputs: dict[str, str] = field(default_factory=dict)
    state: dict[str, str] = field(default_factory=dict)
    env: dict[str, str] = field(default_factory=dict)
    path: list[str] = field(default_factory=list)
    summary: str = ""
    errors: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def create_files(directory: Path, suffix: str) -> dict[FileCommand, Path]:
    """Create empty files for one step."""
    files = {command: directory / f"{prefix}{suffix}" for command, prefix in _PREFIXES.items()}
    for path in files.values():
        path.write_bytes(b"")
    return files


def read_files(files: dict[FileCommand, Path]) -> FileResults:
    """Read what the step has written. As on GitHub, the pairs before a malformed one count."""
    results = FileResults()
    for command, values in (
        (FileCommand.OUTPUT, results.outputs),
        (FileCommand.STATE, results.state),
        (FileCommand.ENV, results.env),
    ):
        try:
            for key, value in pairs(_text(files[command])):
                values[key] = value
        except MalformedFileError as error:
            name = command.lower()
            results.errors += [f"Unable to process file command '{name}' successfully.", str(error)]
    results.path = [line for line in re.split(r"[\r\n]+", _text(files[FileCommand.PATH])) if line]
    _read_summary(files[FileCommand.STEP_SUMMARY], results)
    return results


def pairs(text: str) -> Iterator[tuple[str, str]]:
    """The keys and values of `key=value` lines and `key<<delimiter` blocks, in the file's order."""
    lines = iter(_lines(text))
    for line, _ in lines:
        equals, heredoc = line.find("="), line.find("<<")
        if not line:
            continue
        if equals >= 0 and (heredoc < 0 or equals < heredoc):
            key, _, value = line.partition("=")
            if not key:
                raise MalformedFileError(f"Invalid format '{line}'. Name must not be empty")
            yield key, value
        elif heredoc >= 0:
            key, _, delimiter = line.partition("<<")
            if not key or not delimiter:
                raise MalformedFileError(
                    f"Invalid format '{line}'. Name must not be empty and delimiter must not be empty"
                )
            yield key, _block(lines, delimiter)
        else:
            raise MalformedFileError(f"Invalid format '{line}'")


def _block(lines: Iterator[tuple[str, bool]], delimiter: str) -> str:
    block: list[str] = []
    for line, ended in lines:
        if line == delimiter:
            return "\n".join(block)
        if not ended:
            raise MalformedFileError("Invalid value. EOF marker missing new line.")
        block.append(line)
    raise MalformedFileError(f"Invalid value. Matching delimiter not found '{delimiter}'")


def _lines(text: str) -> list[tuple[str, bool]]:
    """Each line, and whether a newline ends it. Here, unlike in the log, only `\\n` ends a line."""
    *complete, rest = text.split("\n")
    return [(line, True) for line in complete] + ([(rest, False)] if rest else [])


def _read_summary(path: Path, results: FileResults) -> None:
    size = path.stat().st_size if path.is_file() else 0
    if size <= MAX_SUMMARY_BYTES:
        results.summary = _text(path)
        return
    results.warnings.append(
        "$GITHUB_STEP_SUMMARY upload aborted, supports content up to a size of "
        f"{MAX_SUMMARY_BYTES // 1024}k, got {size // 1024}k."
    )


def _text(path: Path) -> str:
    # A file that the step has deleted counts as empty; bytes that aren't UTF-8 are replaced.
    return path.read_bytes().decode("utf-8-sig", "replace") if path.is_file() else ""
