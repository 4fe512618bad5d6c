"""The step's log. Nothing foreign that is printed here can issue a workflow command."""

import re
import secrets
import sys
import threading
from collections.abc import Hashable, Iterable, Iterator
from typing import Protocol

from actions_toolkit.command import issue, issue_command

from stormkit_action.text import SHORTEST_SECRET, redact, strip_controls

# GitHub cuts an annotation at 4096 characters. A little less leaves room for how it counts.
ANNOTATION = 4000

# Foreign lines are written this many characters at a time.
BATCH = 64 * 1024

# GitHub's runner honours `##[command]` anywhere in a line, and `::command::` at its start. It compares by culture, for
# which a word joiner (or another invisible character) between the marks is nothing; but it cuts the command's name off
# after two or three characters all the same, so that it begins with a mark and is none.
_COMMAND = re.compile(r"^([^\S\n]*):(?=:)|#(?=#\[)", re.MULTILINE)
# Colours stay; any other control character, and a bare carriage return (a new line to the runner), does not.
_UNPRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1a\x1c-\x1f\x7f]|\x1b(?!\\[[0-9;]*m)")


def neutralize(text: str) -> str:
    """`text` as lines in which the runner finds no command: the marks are broken by a word joiner."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n")
    return _COMMAND.sub(lambda match: f"{match[0]}\u2060", _UNPRINTABLE.sub("", lines))


def _print(text: str) -> None:
    sys.stdout.write(f"{text}\n")


class Console(Protocol):
    """A log for people."""

    def mask(self, secret: str) -> None:
        """Keep `secret` out of everything printed from now on."""
        ...

    def line(self, text: str = "") -> None:
        """Print `text`."""
        ...

    def notice(self, text: str) -> None:
        """Print `text` so that it stands out."""
        ...

    def warning(self, text: str) -> None:
        """Print `text` as a warning."""
        ...

    def error(self, text: str, *, title: str = "") -> None:
        """Print `text` as an error."""
        ...

    def group(self, title: str, lines: Iterable[str]) -> None:
        """Print foreign `lines` under a title that folds them."""
        ...

    def section(self, key: Hashable, title: str, lines: Iterable[str]) -> None:
        """The same, to be continued by the next call with the same `key`.

        Whatever else is printed in between closes it; then it goes on under its title and "(continued)".
        """
        ...


class _Sections:
    """Which section is open, and which were before."""

    def __init__(self) -> None:
        self.open: Hashable = None
        self._before: set[Hashable] = set()

    def title(self, key: Hashable, title: str) -> str:
        """The title under which `key`, from now on the open section, begins or goes on."""
        self.open = key
        known = key in self._before
        self._before.add(key)
        return f"{title} (continued)" if known else title


class GitHubConsole:
    """The log of a GitHub step: annotations, groups and masks are workflow commands."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._secrets: list[str] = []
        self._sections = _Sections()

    def mask(self, secret: str) -> None:
        """Register `secret` with the runner, and keep it out ourselves."""
        if len(secret) >= SHORTEST_SECRET:
            self._secrets.append(secret)
            issue("add-mask", secret)

    def line(self, text: str = "") -> None:
        """Print `text`."""
        with self._lock:
            self._end_section()
            _print(neutralize(redact(text, self._secrets)))
            sys.stdout.flush()

    def notice(self, text: str) -> None:
        """A notice annotation."""
        self._annotate("notice", text)

    def warning(self, text: str) -> None:
        """A warning annotation."""
        self._annotate("warning", text)

    def error(self, text: str, *, title: str = "") -> None:
        """An error annotation."""
        self._annotate("error", text, title)

    def group(self, title: str, lines: Iterable[str]) -> None:
        """A folded group."""
        with self._lock:
            self._end_section()
            self._start_group(title)
            self._foreign(lines)
            issue("endgroup")
            sys.stdout.flush()

    def section(self, key: Hashable, title: str, lines: Iterable[str]) -> None:
        """A folded group that stays open until something else is printed."""
        with self._lock:
            if self._sections.open != key:
                self._end_section()
                self._start_group(self._sections.title(key, title))
            self._foreign(lines)
            sys.stdout.flush()

    def _end_section(self) -> None:
        if self._sections.open is not None:
            self._sections.open = None
            issue("endgroup")

    def _start_group(self, title: str) -> None:
        issue("group", strip_controls(redact(title, self._secrets)).replace("\n", " "))

    def _foreign(self, lines: Iterable[str]) -> None:
        """Lines between stop-commands and a token that nobody can guess, a new one each time."""
        token = secrets.token_hex(16)
        stopped = False
        try:
            for text in _batches(lines):
                if not stopped:
                    issue_command("stop-commands", {}, token)
                    stopped = True
                _print(neutralize(redact(text, self._secrets)))
        finally:
            if stopped:
                issue_command(token, {}, "")

    def _annotate(self, kind: str, text: str, title: str = "") -> None:
        # Not the toolkit's error(): with a title it also prints empty file and line properties.
        message = strip_controls(redact(text, self._secrets))
        shortened = message if len(message) <= ANNOTATION else f"{message[: ANNOTATION - 1]}…"
        with self._lock:
            self._end_section()
            issue_command(kind, {"title": strip_controls(redact(title, self._secrets))} if title else {}, shortened)
            sys.stdout.flush()


class PlainConsole:
    """The log anywhere else: plain text, no workflow commands, on standard error."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._secrets: list[str] = []
        self._sections = _Sections()

    def mask(self, secret: str) -> None:
        """Keep `secret` out of what is printed."""
        if len(secret) >= SHORTEST_SECRET:
            self._secrets.append(secret)

    def line(self, text: str = "") -> None:
        """Print `text`."""
        with self._lock:
            self._sections.open = None
            self._write(text)

    def notice(self, text: str) -> None:
        """Print `text`."""
        self.line(text)

    def warning(self, text: str) -> None:
        """Print `text` as a warning."""
        self.line(f"warning: {strip_controls(text)}")

    def error(self, text: str, *, title: str = "") -> None:
        """Print `text` as an error."""
        self.line(f"error: {f'{strip_controls(title)}: ' if title else ''}{strip_controls(text)}")

    def group(self, title: str, lines: Iterable[str]) -> None:
        """Print `lines`, indented, under their title."""
        with self._lock:
            self.line(f"▸ {strip_controls(title)}")
            self._foreign(lines)

    def section(self, key: Hashable, title: str, lines: Iterable[str]) -> None:
        """The same, gone on with."""
        with self._lock:
            if self._sections.open != key:
                self.line(f"▸ {strip_controls(self._sections.title(key, title))}")
                self._sections.open = key
            self._foreign(lines)

    def _foreign(self, lines: Iterable[str]) -> None:
        for text in _batches(lines):
            self._write("\n".join(f"  {part}" for part in neutralize(text).split("\n")))

    def _write(self, text: str) -> None:
        sys.stderr.write(f"{neutralize(redact(text, self._secrets))}\n")
        sys.stderr.flush()


def _batches(lines: Iterable[str]) -> Iterator[str]:
    """`lines` joined, some at a time: a call for each of a million lines would take long."""
    batch: list[str] = []
    size = 0
    for line in lines:
        batch.append(line)
        size += len(line)
        if size >= BATCH:
            yield "\n".join(batch)
            batch, size = [], 0
    if batch:
        yield "\n".join(batch)
