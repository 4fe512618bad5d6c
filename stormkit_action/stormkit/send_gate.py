"""The moment before a request leaves: until then a cancel can keep it back, and nothing has to be undone."""

import threading
from typing import Any

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from stormkit_action.errors import NoAnswer

_thread = threading.local()


class SendGate:
    """Every request goes through one, in a thread of its own, once its connection is made."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._is_closed = False
        self._has_passed = False

    def guard_this_thread(self) -> None:
        """Let what this thread sends from now on go through this gate."""
        _thread.gate = self

    def close(self) -> bool:
        """Keep the request back. False when it may have left already."""
        with self._lock:
            self._is_closed = not self._has_passed
            return self._is_closed

    def enter(self) -> None:
        """Let the request leave. Raises NoAnswer when the gate was closed before."""
        with self._lock:
            if self._is_closed:
                raise NoAnswer("The request was cancelled before it was sent.", may_have_arrived=False)
            self._has_passed = True


class _GatedConnection(HTTPConnection):
    def send(self, data: Any) -> None:
        """Send `data`, unless the gate of the thread's request is closed."""
        if self.sock is None:
            self.connect()
        gate: SendGate | None = getattr(_thread, "gate", None)
        if gate is not None:
            gate.enter()
        super().send(data)


class _GatedHTTPSConnection(_GatedConnection, HTTPSConnection):
    pass


class _GatedPool(HTTPConnectionPool):
    ConnectionCls = _GatedConnection


class _GatedHTTPSPool(HTTPSConnectionPool):
    ConnectionCls = _GatedHTTPSConnection


# For urllib3's `PoolManager.pool_classes_by_scheme`.
GATED_POOLS = {"http": _GatedPool, "https": _GatedHTTPSPool}
