"""SIGINT and SIGTERM become one cancellation that ends every wait at once, also inside a slow request."""

import queue
import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import Generic, TypeVar

from stormkit_action.errors import Cancelled

T = TypeVar("T")


class Cancellation:
    """Whether the job was cancelled, and the waits that end when it is."""

    def __init__(self) -> None:
        self._requested = threading.Event()
        self._lock = threading.Lock()
        self._wakers: set[threading.Event] = set()
        # SimpleQueue.put is the one hand-over that is safe inside a signal handler: setting an Event
        # there can deadlock with the main thread that waits on it.
        self._signals: queue.SimpleQueue[int] = queue.SimpleQueue()

    @property
    def requested(self) -> bool:
        """Whether a cancel was asked for."""
        return self._requested.is_set()

    def request(self) -> None:
        """End every wait, now and from now on."""
        with self._lock:
            self._requested.set()
            for waker in self._wakers:
                waker.set()

    def listen_to_signals(self) -> None:
        """Make SIGINT and SIGTERM ask for the cancel.

        Both need a handler: as PID 1 of a container Python would otherwise ignore SIGTERM.
        """
        threading.Thread(target=self._watch, name="signals", daemon=True).start()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._handle)

    def _handle(self, number: int, _frame: FrameType | None) -> None:
        self._signals.put(number)

    def _watch(self) -> None:
        self._signals.get()
        self.request()

    def sleep(self, seconds: float) -> None:
        """Wait `seconds`. Raises Cancelled as soon as a cancel is asked for."""
        if self._requested.wait(max(0.0, seconds)):
            raise Cancelled

    def call(self, function: Callable[[], T], *, timeout: float) -> T:
        """What `function` returns or raises, run in a thread of its own so that nothing can hold us.

        Raises Cancelled at once on a cancel and TimeoutError after `timeout` seconds. The function is
        then left running: the process does not wait for it.
        """
        if self.requested:
            raise Cancelled
        call = _Call(function)
        with self._lock:
            self._wakers.add(call.done)
            if self._requested.is_set():
                call.done.set()
        try:
            call.start()
            call.done.wait(max(0.0, timeout))
        finally:
            with self._lock:
                self._wakers.discard(call.done)
        if call.finished:
            return call.result()
        if self.requested:
            raise Cancelled
        raise TimeoutError


class _Call(Generic[T]):
    """A function in a daemon thread; `done` is set when it has ended (or somebody gave up on it)."""

    def __init__(self, function: Callable[[], T]) -> None:
        self.done = threading.Event()
        self.finished = False
        self._function = function
        self._value: T
        self._error: BaseException | None = None

    def start(self) -> None:
        threading.Thread(target=self._run, name="call", daemon=True).start()

    def _run(self) -> None:
        try:
            self._value = self._function()
        except BaseException as error:  # handed to the caller, whatever it is
            self._error = error
        self.finished = True
        self.done.set()

    def result(self) -> T:
        if self._error is not None:
            raise self._error
        return self._value
