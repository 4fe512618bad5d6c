"""Where a step's outputs, summary and state go: the files of a GitHub step, or a terminal."""

import contextlib
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from actions_toolkit.file_command import issue_file_command, prepare_key_value_message

from stormkit_action.errors import ActionError
from stormkit_action.names import variable_elsewhere
from stormkit_action.text import one_line

# Stands for a space in a dotenv file: a shell that sources the file would run what follows a space.
NO_BREAK_SPACE = "\u00a0"
_SHELL_SYNTAX = r"[;&|<>()$`\\'\"]"


class StepFiles(Protocol):
    """Where a step's outputs, summary and state go."""

    def write(self, texts: Mapping[str, str]) -> None:
        """Set the outputs. Raises ActionError."""
        ...

    def write_summary(self, markdown: str) -> None:
        """Add to the job summary. Raises ActionError."""
        ...

    def save_state(self, name: str, text: str) -> None:
        """Save `text` for the post step."""
        ...


class RunnerFiles:
    """The files of a GitHub step."""

    def write(self, texts: Mapping[str, str]) -> None:
        """Set the step's outputs. Raises ActionError when the runner's output file can't be written."""
        try:
            for name, text in texts.items():
                issue_file_command("OUTPUT", prepare_key_value_message(name, text))
        except Exception as error:  # actions-toolkit raises bare Exception for a missing file
            reason = error.strerror if isinstance(error, OSError) else "the file is missing"
            raise ActionError(
                f"The outputs could not be written to GITHUB_OUTPUT ({reason}), so later steps do not see them; they"
                " are printed above. Check the runner's disk and permissions."
            ) from None

    def write_summary(self, markdown: str) -> None:
        """Add `markdown` to the job summary. Raises ActionError when the runner's file can't be written."""
        try:
            issue_file_command("STEP_SUMMARY", markdown)
        except Exception:  # as above
            raise ActionError(
                "The job summary could not be written: GITHUB_STEP_SUMMARY is not a writable file."
            ) from None

    def save_state(self, name: str, text: str) -> None:
        """Save `text` for the post step. Where it can't be saved, the post step has nothing to do."""
        with contextlib.suppress(Exception):
            issue_file_command("STATE", prepare_key_value_message(name, text))


class JsonOutput:
    """Any other CI or a terminal: the result on standard output and in files, as far as they are asked for.

    `output` is the file for the JSON document; `dotenv` is the one for the outputs, a line `STORMKIT_<OUTPUT>=value`
    for each.
    """

    def __init__(self, *, as_json: bool, output: str = "", dotenv: str = "") -> None:
        self._as_json = as_json
        self._output = output
        self._dotenv = dotenv

    def write(self, texts: Mapping[str, str]) -> None:
        """Print and write the result. Raises ActionError when some of it can't be written."""
        document = f"{texts['result']}\n"
        problems = [_write(path, text) for path, text in ((self._output, document), (self._dotenv, _dotenv(texts)))]
        if self._as_json and self._output != "-":
            problems.append(_print(document))
        if any(problems):
            raise ActionError(" ".join(filter(None, problems)))

    def write_summary(self, markdown: str) -> None:
        """There is no job summary outside GitHub; the log says the same."""

    def save_state(self, name: str, text: str) -> None:
        """There is no post step outside GitHub."""


def _dotenv(texts: Mapping[str, str]) -> str:
    """The scalar outputs as GitLab's dotenv reports take them: one line each, without quotes or spaces, 5 kB at most.

    A shell may source the file too: nothing in it is run.
    """
    lines = []
    for name, text in texts.items():
        if name != "result":
            value = re.sub(_SHELL_SYNTAX, "_", one_line(text, 300)).replace(" ", NO_BREAK_SPACE)
            lines.append(f"{variable_elsewhere(name)}={value}\n")
    return "".join(lines)


def _print(text: str) -> str:
    """Write to standard output. What went wrong; empty when nothing did."""
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except OSError as error:
        return f"The result could not be written to standard output ({error.strerror})."
    return ""


def _write(path: str, text: str) -> str:
    """Write a file, or standard output for `-`, unless `path` is empty. What went wrong; empty when nothing did."""
    if not path:
        return ""
    if path == "-":
        return _print(text)
    try:
        Path(path).write_text(text, encoding="utf-8")
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not a path"
        return f"{one_line(path)} could not be written ({reason})."
    return ""
