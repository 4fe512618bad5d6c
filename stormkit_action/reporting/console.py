"""The step's log. Nothing foreign that is printed here can issue a workflow command.

A build step in the log of a GitHub step, and the same outside GitHub:

    ::group::npm install (1s)                 ▸ npm install (1s)
    up to date in 333ms                         up to date in 333ms
    ::endgroup::
"""

import contextlib
import io
import re
import secrets
import sys
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Iterator, Mapping
from typing import Any, TextIO

from actions_toolkit.command import issue, issue_command

from stormkit_action import troubleshooting
from stormkit_action.text import MIN_SECRET_CHARACTERS, redact, strip_controls

# GitHub cuts an annotation at 4096 characters. A little less leaves room for how it counts.
MAX_ANNOTATION_CHARACTERS = 4000

# Foreign text is written in pieces of about this size, each of whole lines.
PIECE_CHARACTERS = 64 * 1024

# GitHub's runner honours `##[command]` anywhere in a line, and `::command::` at its start. Its comparison ignores
# invisible characters but slices by count: with a word joiner after the first mark the command's name starts with a
# mark and is unknown. (actions/runner, ActionCommand.cs)
_COMMAND = re.compile(r"^([^\S\n]*):(?=:)|#(?=#\[)", re.MULTILINE)
_WORD_JOINER = "\u2060"

_RESET_COLOURS = "\x1b[0m"


def neutralize(text: str, *, keep_colours: bool = True) -> str:
    """`text` as printable lines in which the runner finds no command: a word joiner breaks the marks."""
    lines = strip_controls(text, keep_colours=keep_colours)
    if "::" not in lines and "##[" not in lines:
        return lines
    return _COMMAND.sub(lambda match: f"{match[0]}{_WORD_JOINER}", lines)


class _LogFile(io.FileIO):
    """A file whose reader may leave and whose disk may fill up: what can't be written is dropped."""

    def __init__(self, stream: TextIO, when_reader_leaves: Callable[[], None]) -> None:
        super().__init__(stream.fileno(), "w", closefd=False)
        # Kept, because a stream that nobody keeps closes its descriptor.
        self._stream = stream
        self._when_reader_leaves = when_reader_leaves

    def write(self, data: Any) -> int:
        try:
            return super().write(data)
        except BrokenPipeError:
            self._when_reader_leaves()
        except OSError:
            pass
        return len(data)


def log_stream(stream: TextIO, when_reader_leaves: Callable[[], None]) -> TextIO:
    """What writes to the same place as `stream`, and never fails; `stream` itself where it is no file.

    `when_reader_leaves` is called when a pipe has no reader any more.
    """
    try:
        file = io.BufferedWriter(_LogFile(stream, when_reader_leaves))
    except io.UnsupportedOperation:
        return stream
    return io.TextIOWrapper(file, encoding="utf-8", errors="backslashreplace", line_buffering=True)


class Console(ABC):
    """A log for people. Threads may share it.

    `shows_errors_apart` is whether errors are also shown away from the log, as GitHub's annotations are.
    """

    shows_errors_apart = False

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._secrets: list[str] = []
        self._section: Hashable = None
        self._earlier_sections: set[Hashable] = set()

    def mask(self, secret: str) -> None:
        """Keep `secret` out of everything that is printed from now on."""
        if len(secret) >= MIN_SECRET_CHARACTERS:
            self._secrets.append(secret)

    def log(self, text: str = "") -> None:
        """Print `text`."""
        with self._lock:
            self._end_section()
            self._print(text)

    @abstractmethod
    def notice(self, text: str) -> None:
        """Print `text` so that it stands out."""

    @abstractmethod
    def warning(self, text: str) -> None:
        """Print `text` as a warning."""

    @abstractmethod
    def error(self, text: str, *, title: str = "") -> None:
        """Print `text` as an error."""

    def group(self, title: str, text: str) -> None:
        """Print foreign `text` under a title that folds it."""
        with self._lock:
            self._end_section()
            self._start_group(title)
            self._print_foreign(text)
            self._end_group()

    def section(self, key: Hashable, title: str, text: str) -> None:
        """Print foreign `text` in a group that the next call with the same `key` continues.

        Whatever else is printed in between closes the group; it is opened again as "(continued)" then.
        """
        with self._lock:
            if self._section != key:
                self._end_section()
                self._start_group(f"{title} (continued)" if key in self._earlier_sections else title)
                self._section = key
                self._earlier_sections.add(key)
            self._print_foreign(text)

    def _end_section(self) -> None:
        if self._section is not None:
            self._section = None
            self._end_group()

    @abstractmethod
    def _print(self, text: str) -> None: ...

    @abstractmethod
    def _print_foreign(self, text: str) -> None: ...

    @abstractmethod
    def _start_group(self, title: str) -> None: ...

    @abstractmethod
    def _end_group(self) -> None: ...


class GitHubConsole(Console):
    """The log of a GitHub step: annotations, groups and masks are workflow commands on standard output.

    Errors, warnings and notices end with links to the parts of docs/troubleshooting.md about them, where `environ` says
    which repository the action is from.
    """

    shows_errors_apart = True

    def __init__(self, environ: Mapping[str, str] | None = None) -> None:
        super().__init__()
        self._environ = environ or {}

    def mask(self, secret: str) -> None:
        super().mask(secret)
        if len(secret) >= MIN_SECRET_CHARACTERS:
            issue("add-mask", secret)

    def notice(self, text: str) -> None:
        self._annotate("notice", text)

    def warning(self, text: str) -> None:
        self._annotate("warning", text)

    def error(self, text: str, *, title: str = "") -> None:
        self._annotate("error", text, title)

    def _print(self, text: str) -> None:
        sys.stdout.write(f"{neutralize(redact(text, self._secrets))}\n")
        sys.stdout.flush()

    def _print_foreign(self, text: str) -> None:
        if not text:
            return
        for piece in _pieces(text):
            lines = _reset(neutralize(redact(piece, self._secrets)))
            # Only around lines that had a mark to break: GitHub shows the two commands in the log.
            with _commands_off() if _WORD_JOINER in lines else contextlib.nullcontext():
                sys.stdout.write(f"{lines}\n")
        sys.stdout.flush()

    def _start_group(self, title: str) -> None:
        issue("group", strip_controls(redact(title, self._secrets)).replace("\n", " "))
        sys.stdout.flush()

    def _end_group(self) -> None:
        issue("endgroup")
        sys.stdout.flush()

    def _annotate(self, kind: str, text: str, title: str = "") -> None:
        message = strip_controls(redact(text, self._secrets))
        ending = "".join(f"\n{link}" for link in troubleshooting.links(message, self._environ))
        limit = MAX_ANNOTATION_CHARACTERS - len(ending)
        if len(message) > limit:
            message = f"{message[: limit - 1]}…"
        message += ending
        # Not the toolkit's error(): with a title it also prints empty file and line properties.
        properties = {"title": strip_controls(redact(title, self._secrets))} if title else {}
        with self._lock:
            self._end_section()
            issue_command(kind, properties, message)
            sys.stdout.flush()


class PlainConsole(Console):
    """The log anywhere else: plain text on standard error, with a build's colours where they can be seen."""

    def __init__(self, *, colours: bool = False) -> None:
        super().__init__()
        self._colours = colours

    def notice(self, text: str) -> None:
        self.log(text)

    def warning(self, text: str) -> None:
        self.log(f"warning: {strip_controls(text)}")

    def error(self, text: str, *, title: str = "") -> None:
        # Among a workflow's annotations a title has to say whose error it is; here all lines are ours.
        title = strip_controls(title).removeprefix("Stormkit").removeprefix(": ")
        self.log(f"error: {f'{title}: ' if title else ''}{strip_controls(text)}")

    def _print(self, text: str) -> None:
        self._write(neutralize(redact(text, self._secrets), keep_colours=False))

    def _print_foreign(self, text: str) -> None:
        for piece in _pieces(text):
            lines = neutralize(redact(piece, self._secrets), keep_colours=self._colours)
            self._write(_reset("  " + lines.replace("\n", "\n  ")))

    def _start_group(self, title: str) -> None:
        self._print(f"▸ {strip_controls(title)}")

    def _end_group(self) -> None:
        """Do nothing: the next line without indentation ends the group."""

    def _write(self, lines: str) -> None:
        sys.stderr.write(f"{lines}\n")
        sys.stderr.flush()


@contextlib.contextmanager
def _commands_off() -> Iterator[None]:
    """Turn workflow commands off. Nobody can guess the token that turns them on again: it is a new one each time."""
    token = secrets.token_hex(16)
    issue_command("stop-commands", {}, token)
    try:
        yield
    finally:
        issue_command(token, {}, "")


def shows_colours(stream: TextIO, environ: Mapping[str, str]) -> bool:
    """Whether `stream` is a terminal that shows colours, and nobody has turned them off."""
    return stream.isatty() and not environ.get("NO_COLOR") and environ.get("TERM") != "dumb"


def _pieces(text: str) -> Iterator[str]:
    """`text` in pieces of whole lines, without the last line's end: a call for each of a million lines takes long."""
    begin = 0
    while begin < len(text):
        end = text.find("\n", begin + PIECE_CHARACTERS)
        if end < 0:
            end = len(text)
        yield text[begin:end]
        begin = end + 1


def _reset(lines: str) -> str:
    """`lines` after which no colour of theirs goes on, and nothing stays concealed."""
    return f"{lines}{_RESET_COLOURS}" if "\x1b" in lines else lines
