"""A running step of a job: its signals, its log, and its result as GitHub would see it."""

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
    """The result of a step that has ended."""

    exit_code: int
    """As Docker reports it: 128 plus the signal's number for a process that a signal ended."""
    seconds: float
    log: str
    """Standard output and standard error, as the step printed them."""
    shown: str
    """The log as GitHub shows it: commands executed, secrets masked."""
    commands: list[Command]
    annotations: list[Annotation]
    dropped_annotations: int
    """The number of annotations beyond GitHub's limit; they are only in `shown`."""
    outputs: dict[str, str]
    state: dict[str, str]
    env: dict[str, str]
    path: list[str]
    summary: str
    """The job summary as GitHub shows it: secrets masked, empty if it was too large."""
    masks: list[str]
    """The values of all add-mask commands."""
    masked_outputs: list[str]
    """The names of outputs that contain a secret. GitHub does not pass these on to other jobs."""
    problems: list[str]
    """What GitHub's runner reports as an error, and lines of the log that show a secret."""
    failed: bool
    """Whether the step failed, by its exit code or because the runner could not execute one of its commands."""
    killed: bool
    """Whether the step had to be killed because it did not end after the signals of a cancel."""

    def annotated(self, level: Level | str) -> list[str]:
        """The messages of the annotations of a level."""
        return [annotation.message for annotation in self.annotations if annotation.level == level]


class Step:
    """A step that runs as a process on this machine."""

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
        self._started_at = time.monotonic()
        # A session of its own, so that Ctrl+C in the terminal does not reach it and the process group can be killed.
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
        self._result: StepResult | None = None
        for reader in self._readers:
            reader.start()

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether the process is still running."""
        return self._process.poll() is None

    @property
    def shown(self) -> list[str]:
        """The log so far as GitHub shows it: commands executed, secrets masked."""
        with self._changed:
            return list(self._log.shown)

    def send_signal(self, number: int) -> None:
        """Send a signal to the process only. In a container, too, only the first process gets the signal."""
        self._process.send_signal(number)

    def lines(self) -> Iterator[str]:
        """The lines of the log from its beginning, each as soon as it is printed, without its line ending."""
        count = 0
        while lines := self._lines_after(count):
            count += len(lines)
            yield from (line.rstrip("\r\n") for line in lines)

    def _lines_after(self, count: int) -> list[str]:
        """Wait for lines after the first `count` ones, and return them; none when the log has ended."""
        with self._changed:
            self._changed.wait_for(lambda: len(self._log.printed) > count or not self._open_streams)
            return self._log.printed[count:]

    def wait(self, timeout: float = 60.0) -> StepResult:
        """Wait until the step ends. After `timeout` seconds, kill it and raise TimeoutError with its log."""
        try:
            self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            result = self._finish()
            raise TimeoutError(f"the step did not end within {timeout} s; its log:\n{result.log}") from None
        return self._finish()

    def cancel(self, *, interrupt: float = 7.5, terminate: float = 2.5) -> StepResult:
        """Cancel the step as the runner does.

        It gets SIGINT and has `interrupt` seconds to end, then SIGTERM and `terminate` seconds, then it is killed.
        Source: actions/runner, Runner.Sdk/ProcessInvoker.cs.
        """
        for number, seconds in ((signal.SIGINT, interrupt), (signal.SIGTERM, terminate)):
            self._process.send_signal(number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(seconds)
                return self._finish()
        self._killed = True
        return self._finish()

    def _read(self, stream: IO[bytes]) -> None:
        # With newline="", a line ends at \n, \r\n or a bare \r, as for the runner, and keeps its line ending.
        with io.TextIOWrapper(stream, encoding="utf-8", errors="replace", newline="") as text:
            for line in text:
                with self._changed:
                    self._log.feed(line)
                    self._changed.notify_all()
        with self._changed:
            self._open_streams -= 1
            self._changed.notify_all()

    def _finish(self) -> StepResult:
        if self._result is None:
            seconds = time.monotonic() - self._started_at
            self._result = self._collect(self._end(), seconds)
        return self._result

    def _end(self) -> int:
        # A container ends together with its first process; here the remaining child processes have to be killed.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        code = self._process.wait()
        for reader in self._readers:
            reader.join()
        return code

    def _collect(self, code: int, seconds: float) -> StepResult:
        log, files = self._log, read_files(self._files)
        self._log_problems(files)
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

    def _log_problems(self, files: FileResults) -> None:
        """Report errors and warnings of the file commands in the log, as the runner does."""
        if files.errors:
            self._log.fail(*files.errors)
        for warning in files.warnings:
            self._log.issue(Level.ERROR, warning)
            self._log.problems.append(warning)
