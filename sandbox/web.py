"""A small HTTP server that remembers its requests and can break off, delay or drip its answers."""

import json
import socket
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qsl, unquote, urlsplit


@dataclass(frozen=True, kw_only=True, slots=True)
class Recorded:
    """A request as it arrived."""

    method: str
    path: str
    """Decoded, without the query."""
    query: Mapping[str, str]
    headers: Mapping[str, str]
    """Names in lower case."""
    content: bytes
    at: float
    """`time.monotonic()` at its arrival."""
    target: str = ""
    """Path and query as they were sent, encoded."""

    @property
    def body(self) -> Any:
        """The JSON it carried; None when it carried none."""
        try:
            return json.loads(self.content)
        except ValueError:
            return None


@dataclass(frozen=True, kw_only=True, slots=True)
class Reply:
    """An answer, and what happens to it on its way."""

    status: int = 200
    body: Any = None
    """bytes and str go out as they are, None as an empty body, everything else as JSON."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """One that is "" is left out, the usual ones too."""
    early_hints: bool = False
    """Send an informational response first."""
    dropped: bool = False
    """Close the connection instead of answering."""
    delay: float = 0.0
    """Seconds before the first byte."""
    drip: float = 0.0
    """Seconds over which the body is spread, byte by byte."""

    @property
    def content(self) -> bytes:
        """The body's bytes."""
        match self.body:
            case None:
                return b""
            case bytes():
                return self.body
            case str():
                return self.body.encode()
        return json.dumps(self.body).encode()

    @property
    def content_type(self) -> str:
        """What the body is, unless the headers say otherwise."""
        return "application/json; charset=utf-8" if not isinstance(self.body, str | bytes) else "text/plain"


class Server:
    """Serves on the loopback within a `with` block, with a thread for each connection."""

    name = "sandbox"

    def __init__(self, *, port: int = 0, host: str = "127.0.0.1") -> None:
        self.requests: list[Recorded] = []
        self.closing = threading.Event()
        self._server = _HTTPServer((host, port), _handler_for(self))
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)

    @property
    def url(self) -> str:
        """Origin, without a slash at the end."""
        host, port = self._server.server_address[:2]
        return f"http://{host!s}:{port}"

    def handle(self, request: Recorded) -> Reply:
        """Answer a request; called on several threads at once."""
        raise NotImplementedError

    def now(self) -> float:
        """Unix time of the `Date` header."""
        return time.time()

    def received(self, method: str = "", path: str = "") -> list[Recorded]:
        """Requests so far with that method, and with `path` in theirs."""
        return [each for each in list(self.requests) if method in ("", each.method) and path in each.path]

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stop serving and end answers that are still delayed."""
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _HTTPServer(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 256

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore clients that go away in the middle of an answer: tests do that."""


def _handler_for(server: Server) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        server_version = f"{server.name}-sandbox"
        sys_version = ""

        def _any(self) -> None:
            # Small packets one after the other would wait for each other's acknowledgement.
            self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            content = self.rfile.read(int(self.headers.get("content-length") or 0))
            parts = urlsplit(self.path)
            recorded = Recorded(
                method=self.command,
                path=unquote(parts.path),
                query=dict(parse_qsl(parts.query, keep_blank_values=True)),
                headers={name.lower(): value for name, value in self.headers.items()},
                content=content,
                at=time.monotonic(),
                target=self.path,
            )
            server.requests.append(recorded)
            self._send(server.handle(recorded))

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = _any

        def _send(self, reply: Reply) -> None:
            if reply.delay:
                server.closing.wait(reply.delay)
            if reply.dropped:
                self.close_connection = True
                self.connection.shutdown(socket.SHUT_RDWR)
                return
            if reply.early_hints:
                self.send_response_only(103, "Early Hints")
                self.end_headers()
            self.send_response_only(reply.status)
            headers = {
                "server": self.version_string(),
                "date": self.date_time_string(),
                "content-type": reply.content_type,
                "content-length": str(len(reply.content)),
                **reply.headers,
            }
            for name, value in headers.items():
                if value:
                    self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self._send_body(reply)

        def _send_body(self, reply: Reply) -> None:
            if not reply.drip:
                self.wfile.write(reply.content)
                return
            for byte in reply.content:
                self.wfile.write(bytes((byte,)))
                self.wfile.flush()
                server.closing.wait(reply.drip / len(reply.content))

        def date_time_string(self, timestamp: float | None = None) -> str:
            return super().date_time_string(server.now() if timestamp is None else timestamp)

        def log_message(self, format: str, *args: Any) -> None:
            """Log nothing: the terminal shows the step's log."""

    return Handler
