"""How GitHub's runner processes a step's log: it executes commands, adds annotations and masks secrets.

Source: actions/runner, Runner.Worker/ActionCommandManager.cs and ExecutionContext.cs.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum

from sandbox.runner.commands import REGISTERED, Command, parse
from sandbox.runner.masks import SecretMasker, lines_of

MAX_ANNOTATIONS_PER_LEVEL = 10
"""More annotations of the same level in one step are only lines in the log."""

MAX_ANNOTATION_CHARACTERS = 4096
"""An annotation's message is cut to this length."""

_MARKS = {"group": "▸ ", "endgroup": "", "error": "Error: ", "warning": "Warning: ", "notice": "Notice: "}
_SHOWN_COMMAND = re.compile(rf"##\[({'|'.join(_MARKS)})\](.*)", re.DOTALL)
_STOP_COMMANDS = re.compile(r"::(stop-commands::)?\*\*\*(::)?")
_OMITTED_FROM_ECHO = {"add-mask", "debug", "error", "notice", "warning"}


class Level(StrEnum):
    """Severity of an annotation."""

    ERROR = "error"
    WARNING = "warning"
    NOTICE = "notice"


@dataclass(frozen=True, kw_only=True, slots=True)
class Annotation:
    """An annotation of a workflow run, with secrets masked in its message."""

    level: Level
    message: str
    properties: dict[str, str] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """The title, "" if there is none."""
        return self.properties.get("title", "")


def parse_shown_line(line: str) -> tuple[str, str]:
    """The kind and the text of a line of the log that GitHub shows.

    The kind is a level, `group`, `endgroup`, `stop-commands` (for the lines that turn commands off and on), or "".
    """
    if _STOP_COMMANDS.fullmatch(line):
        return "stop-commands", line
    command = _SHOWN_COMMAND.fullmatch(line)
    return (command[1], f"{_MARKS[command[1]]}{command[2]}") if command else ("", line)


class StepLog:
    """A step's log, which processes each line as the runner does.

    `printed` is the log as the step prints it, `shown` the log as GitHub shows it.
    """

    def __init__(self, masker: SecretMasker, *, debug: bool = False) -> None:
        self.printed: list[str] = []
        self.shown: list[str] = []
        self.commands: list[Command] = []
        self.annotations: list[Annotation] = []
        self.dropped_annotations = 0
        self.masks: list[str] = []
        self.outputs: dict[str, str] = {}
        self.state: dict[str, str] = {}
        self.problems: list[str] = []
        self.command_failed = False
        self._masker = masker
        self._debug = debug
        self._echo = debug
        self._stop_token = ""
        self._shown_before_mask: list[tuple[str, int]] = []

    def feed(self, text: str) -> None:
        """Process one line, with or without its line ending."""
        self.printed.append(text)
        line = text.rstrip("\r\n")
        registered = REGISTERED | {self._stop_token.lower()} if self._stop_token else REGISTERED
        command = parse(line, registered)
        if command is None or (self._stop_token and command.name != self._stop_token.lower()):
            self._show(line)
        elif self._stop_token:
            self._show(line)
            self._stop_token = ""
        elif command.name == "stop-commands":
            self._stop(line, command)
        else:
            self._execute(line, command)

    def issue(self, level: Level, message: str, properties: dict[str, str] | None = None) -> None:
        """Show a message in the log and, up to the limit, as an annotation."""
        self._show(f"##[{level}]{message}")
        of_level = [annotation for annotation in self.annotations if annotation.level is level]
        if len(of_level) >= MAX_ANNOTATIONS_PER_LEVEL:
            self.dropped_annotations += 1
            return
        message = self._masker.mask(message)[:MAX_ANNOTATION_CHARACTERS]
        self.annotations.append(Annotation(level=level, message=message, properties=properties or {}))

    def fail(self, *messages: str) -> None:
        """Fail the step regardless of its exit code, with an error for each message."""
        self.command_failed = True
        self.problems.append(" ".join(messages))
        for message in messages:
            self.issue(Level.ERROR, message)

    def leaks(self) -> list[str]:
        """A message for each line of the log that shows a secret because its add-mask came later."""
        return [
            f"line {number} of the log shows a secret before its add-mask: {line!r}"
            for secret, count in self._shown_before_mask
            for number, line in enumerate(self.shown[:count], start=1)
            if secret in line
        ]

    def _show(self, line: str) -> None:
        self.shown.append(self._masker.mask(line))

    def _stop(self, line: str, command: Command) -> None:
        token = command.value
        # Such a token could be guessed, so the runner rejects it and keeps executing commands.
        if not token or token.lower() in REGISTERED | {"pause-logging"}:
            self.fail(f"Invalid stop-commands token {token!r}.")
            return
        self.commands.append(command)
        self._stop_token = token
        if len(token) > 6:
            self._masker.add(token)
        self._show(line)

    def _execute(self, line: str, command: Command) -> None:
        self.commands.append(command)
        if self._echo and command.name not in _OMITTED_FROM_ECHO:
            self._show(line)
        execute: dict[str, Callable[[Command], None]] = {
            "add-mask": self._add_mask,
            "debug": self._show_debug,
            "echo": self._set_echo,
            "group": lambda group: self._show(f"##[group]{group.value}"),
            "endgroup": lambda _: self._show("##[endgroup]"),
            "set-output": lambda output: self._set(self.outputs, output),
            "save-state": lambda state: self._set(self.state, state),
            "set-env": self._refuse,
            "add-path": self._refuse,
            "error": self._annotate,
            "warning": self._annotate,
            "notice": self._annotate,
        }
        # Other commands, such as add-matcher, are only recorded, because nothing in the sandbox uses them.
        if command.name in execute:
            execute[command.name](command)

    def _annotate(self, command: Command) -> None:
        self.issue(Level(command.name), command.value, command.properties)

    def _add_mask(self, command: Command) -> None:
        if not command.value.strip():
            self.issue(Level.WARNING, "Can't add secret mask for empty string in ##[add-mask] command.")
            return
        if self._echo:
            self._show("::add-mask::***")
        self._shown_before_mask += [(secret, len(self.shown)) for secret in lines_of(command.value)]
        self.masks.append(command.value)
        self._masker.add(command.value)

    def _show_debug(self, command: Command) -> None:
        if self._debug:
            self._show(f"##[debug]{command.value}")

    def _set_echo(self, command: Command) -> None:
        switch = command.value.strip().lower()
        if switch not in {"on", "off"}:
            self.fail(f"Invalid echo command value {command.value!r}: use 'on' or 'off'.")
            return
        self._echo = switch == "on"

    def _set(self, values: dict[str, str], command: Command) -> None:
        name = command.property("name")
        if not name:
            self.fail(f"Required field 'name' is missing in ##[{command.name}] command.")
            return
        values[name] = command.value
        self.issue(Level.WARNING, f"The `{command.name}` command is deprecated and will be disabled soon.")

    def _refuse(self, command: Command) -> None:
        self.fail(f"The `{command.name}` command is disabled.")
