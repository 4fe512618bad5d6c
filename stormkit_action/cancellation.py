"""SIGINT, SIGTERM and SIGHUP become one cancellation that ends every wait at once, also inside a slow request."""

import os
import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import Generic, TypeVar

from stormkit_action.errors import Cancelled

T = TypeVar("T")

_CANCELS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Cancellation:
    """Whether the job was cancelled, and the waits that end when it is."""

    def __init__(self) -> None:
        self._requested = threading.Event()
        self._lock = threading.Lock()
        self._wakers: set[threading.Event] = set()

    @property
    def requested(self) -> bool:
        """Whether a cancel was requested."""
        return self._requested.is_set()

    def request(self) -> None:
        """End every wait, now and from now on."""
        with self._lock:
            self._requested.set()
            for waker in self._wakers:
                waker.set()

    def listen_to_signals(self) -> None:
        """Make SIGINT, SIGTERM and SIGHUP (a terminal that is closed) request the cancel.

        They need a handler: as PID 1 of a container Python would otherwise ignore SIGTERM.
        """
        # Python runs a handler in the main thread alone, and not before that leaves a lock it waits for. The wakeup
        # descriptor is written at once, whatever the main thread does.
        read_end, write_end = os.pipe()
        os.set_blocking(write_end, False)
        signal.set_wakeup_fd(write_end, warn_on_full_buffer=False)
        threading.Thread(target=self._watch, args=(read_end,), name="signals", daemon=True).start()
        for number in _CANCELS:
            # nohup makes its program ignore SIGHUP.
            if number != signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, _do_nothing)
        # The entry point blocks them, so that one which comes while Python starts is not lost.
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _CANCELS)

    def _watch(self, read_end: int) -> None:
        os.read(read_end, 1)
        self.request()

    def check(self) -> None:
        """Raise Cancelled once a cancel was requested."""
        if self.requested:
            raise Cancelled

    def sleep(self, seconds: float) -> None:
        """Wait `seconds`. Raises Cancelled as soon as a cancel is requested."""
        if self._requested.wait(max(0.0, seconds)):
            raise Cancelled

    def start(self, function: Callable[[], T]) -> "Pending[T]":
        """Run `function` in a thread of its own, so that it can be given up on. Raises Cancelled after a cancel."""
        self.check()
        return Pending(function, self)

    def _wake(self, waker: threading.Event) -> None:
        """Set `waker` when a cancel is requested."""
        with self._lock:
            self._wakers.add(waker)
            if self._requested.is_set():
                waker.set()

    def _forget(self, waker: threading.Event) -> None:
        with self._lock:
            self._wakers.discard(waker)


def _do_nothing(_number: int, _frame: FrameType | None) -> None:
    """The handler of a signal that was noticed by its wakeup descriptor."""


class Pending(Generic[T]):
    """A call under way: it can be waited for, given up on, and looked at again later.

    It runs in a daemon thread. Whoever gives up leaves it running, and the process does not wait for it.
    """

    def __init__(self, function: Callable[[], T], cancellation: Cancellation) -> None:
        self._function = function
        self._cancellation = cancellation
        self._finished = threading.Event()
        self._value: T
        self._error: BaseException | None = None
        self._woken = threading.Event()
        threading.Thread(target=self._run, name="call", daemon=True).start()

    def wait(self, timeout: float) -> T:
        """What the function returned or raised. Raises Cancelled on a cancel and TimeoutError after `timeout` seconds.

        A result that is there counts, even after a cancel.
        """
        self._cancellation._wake(self._woken)
        try:
            self._woken.wait(max(0.0, timeout))
        finally:
            self._cancellation._forget(self._woken)
        if self.done:
            return self.result()
        self._cancellation.check()
        raise TimeoutError

    @property
    def done(self) -> bool:
        """Whether the function has returned or raised."""
        return self._finished.is_set()

    def result(self) -> T:
        """What the function returned or raised. Only for a call that is `done`."""
        if self._error is not None:
            raise self._error
        return self._value

    def _run(self) -> None:
        try:
            self._value = self._function()
        except BaseException as error:  # handed to whoever asks, whatever it is
            self._error = error
        self._finished.set()
        self._woken.set()
