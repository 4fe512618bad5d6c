"""A started step of a job: its signals, its log while it runs, and what GitHub makes of it in the end."""

import contextlib
import io
import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from sandbox.runner.commands import Command
from sandbox.runner.files import FileCommand, FileResults, read_files
from sandbox.runner.log import Annotation, Level, StepLog
from sandbox.runner.masks import SecretMasker


@dataclass(frozen=True, kw_only=True, slots=True)
class StepResult:
    """All that is left of a step."""

    exit_code: int
    """As Docker reports it: 128 and the signal's number for a process that a signal ended."""
    seconds: float
    log: str
    """Standard output and error as printed."""
    shown: str
    """The log as GitHub shows it: commands executed, secrets masked."""
    commands: list[Command]
    annotations: list[Annotation]
    dropped_annotations: int
    """Annotations beyond GitHub's limit, which are in `shown` only."""
    outputs: dict[str, str]
    state: dict[str, str]
    env: dict[str, str]
    path: list[str]
    summary: str
    """As GitHub shows it: secrets masked, empty when it was too large."""
    masks: list[str]
    """Values of all add-mask commands."""
    masked_outputs: list[str]
    """Names of outputs that hold a secret; other jobs never get them."""
    problems: list[str]
    """What GitHub's runner objects to, or what it would have let through to everybody's eyes."""
    failed: bool
    """Is the step red? By its exit code, or by a command that the runner couldn't carry out."""
    killed: bool
    """Did it have to be killed because it didn't react to signals?"""

    def annotated(self, level: Level | str) -> list[str]:
        """Messages of the annotations of that level."""
        return [annotation.message for annotation in self.annotations if annotation.level == level]


class Step:
    """A step that runs as a process of its own."""

    def __init__(
        self,
        command: list[str],
        *,
        environment: dict[str, str],
        directory: Path,
        files: dict[FileCommand, Path],
        log: StepLog,
        masker: SecretMasker,
    ) -> None:
        self._files = files
        self._log = log
        self._masker = masker
        self._changed = threading.Condition()
        self._killed = False
        self._started = time.monotonic()
        # A session of its own: a terminal's Ctrl+C must not reach it, and all of it can be killed at once.
        self._process = subprocess.Popen(
            command,
            env=environment,
            cwd=directory,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        self._readers = [
            threading.Thread(target=self._read, args=(stream,), daemon=True)
            for stream in (self._process.stdout, self._process.stderr)
        ]
        self._open_streams = len(self._readers)
        self._finished: StepResult | None = None
        for reader in self._readers:
            reader.start()

    @property
    def pid(self) -> int:
        """Process id."""
        return self._process.pid

    @property
    def running(self) -> bool:
        """Has the process not ended yet?"""
        return self._process.poll() is None

    @property
    def shown(self) -> list[str]:
        """The log so far as GitHub shows it: commands executed, secrets masked."""
        with self._changed:
            return list(self._log.shown)

    def send_signal(self, number: int) -> None:
        """Send a signal to the process alone: the Docker client, too, passes it to the first process only."""
        self._process.send_signal(number)

    def lines(self) -> Iterator[str]:
        """Lines of the log from its beginning, each as soon as it is printed, without its line end."""
        seen = 0
        while lines := self._lines_after(seen):
            seen += len(lines)
            yield from (line.rstrip("\r\n") for line in lines)

    def _lines_after(self, seen: int) -> list[str]:
        with self._changed:
            self._changed.wait_for(lambda: len(self._log.printed) > seen or not self._open_streams)
            return self._log.printed[seen:]

    def wait(self, timeout: float = 60.0) -> StepResult:
        """Wait until the step ends. After `timeout` seconds it is killed and TimeoutError carries its log."""
        try:
            self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            finished = self._finish()
            raise TimeoutError(f"no end after {timeout} s; its log:\n{finished.log}") from None
        return self._finish()

    def cancel(self, *, interrupt: float = 7.5, terminate: float = 2.5) -> StepResult:
        """Cancel the step as the runner does: SIGINT, then SIGTERM, then a kill; the patience is in seconds.

        Source: actions/runner, Runner.Sdk/ProcessInvoker.cs.
        """
        for number, patience in ((signal.SIGINT, interrupt), (signal.SIGTERM, terminate)):
            self._process.send_signal(number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(patience)
                break
        else:
            self._killed = True
        return self._finish()

    def _read(self, stream: IO[bytes]) -> None:
        # newline="": lines end at \n, \r\n and at a bare \r too, and keep their ends.
        with io.TextIOWrapper(stream, encoding="utf-8", errors="replace", newline="") as text:
            for line in text:
                with self._changed:
                    self._log.feed(line)
                    self._changed.notify_all()
        with self._changed:
            self._open_streams -= 1
            self._changed.notify_all()

    def _finish(self) -> StepResult:
        if self._finished is None:
            seconds = time.monotonic() - self._started
            self._finished = self._results(self._end(), seconds)
        return self._finished

    def _end(self) -> int:
        # A container ends with its first process; here the children that are left have to be ended.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        code = self._process.wait()
        for reader in self._readers:
            reader.join()
        return code

    def _results(self, code: int, seconds: float) -> StepResult:
        log, files = self._log, read_files(self._files)
        self._report(files)
        outputs = log.outputs | files.outputs
        return StepResult(
            exit_code=code if code >= 0 else 128 - code,
            seconds=seconds,
            log="".join(log.printed),
            shown="".join(f"{line}\n" for line in log.shown),
            commands=log.commands,
            annotations=log.annotations,
            dropped_annotations=log.dropped_annotations,
            outputs=outputs,
            state=log.state | files.state,
            env=files.env,
            path=files.path,
            summary=self._masker.mask(files.summary),
            masks=log.masks,
            masked_outputs=[name for name, value in outputs.items() if self._masker.contains_secret(value)],
            problems=log.problems + log.leaks(),
            failed=code != 0 or log.command_failed,
            killed=self._killed,
        )

    def _report(self, files: FileResults) -> None:
        """Errors of the file commands go into the log, where the runner writes them."""
        if files.errors:
            self._log.fail(*files.errors)
        for warning in files.warnings:
            self._log.issue(Level.ERROR, warning)
            self._log.problems.append(warning)
