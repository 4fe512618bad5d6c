"""A small HTTP server for tests: it records its requests, and can delay its answers, send them slowly or drop them."""

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
class ReceivedRequest:
    """A request as the server received it."""

    method: str
    path: str
    """The decoded path, without the query."""
    query: Mapping[str, str]
    headers: Mapping[str, str]
    """Names in lower case."""
    content: bytes
    at: float
    """`time.monotonic()` when it arrived."""
    target: str = ""
    """Path and query as sent, still encoded."""

    @property
    def body(self) -> Any:
        """The JSON in the body; None when the body is empty or not JSON."""
        try:
            return json.loads(self.content)
        except ValueError:
            return None


@dataclass(frozen=True, kw_only=True, slots=True)
class Reply:
    """An answer, and what the network does to it."""

    status: int = 200
    body: Any = None
    """bytes and str are sent unchanged, None as an empty body, anything else as JSON."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """They are added to the server's own. A value of "" removes a header, one of the server's own included."""
    early_hints: bool = False
    """Whether a response 103 (Early Hints) is sent before this one."""
    dropped: bool = False
    """Whether the connection is closed instead of answering."""
    delay: float = 0.0
    """Seconds before the first byte."""
    drip: float = 0.0
    """Seconds that the body takes; it is sent byte by byte."""

    @property
    def content(self) -> bytes:
        """The body as bytes."""
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
        """The default content type of the body."""
        return "application/json; charset=utf-8" if not isinstance(self.body, str | bytes) else "text/plain"


class Server:
    """An HTTP server on the loopback interface, running within a `with` block, with one thread per connection."""

    name = "sandbox"

    def __init__(self, *, port: int = 0, host: str = "127.0.0.1") -> None:
        self.requests: list[ReceivedRequest] = []
        self.closing = threading.Event()
        self._server = _HTTPServer((host, port), _handler_for(self))
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)

    @property
    def url(self) -> str:
        """The server's origin, without a trailing slash."""
        host, port = self._server.server_address[:2]
        return f"http://{host!s}:{port}"

    def handle(self, request: ReceivedRequest) -> Reply:
        """Answer a request. Called from several threads at once."""
        raise NotImplementedError

    def now(self) -> float:
        """The server's time as Unix seconds, which its `Date` header shows."""
        return time.time()

    def received(self, method: str = "", path: str = "") -> list[ReceivedRequest]:
        """The requests so far that have this method and contain `path` in their path; "" matches all."""
        return [request for request in list(self.requests) if method in ("", request.method) and path in request.path]

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stop serving, and cut delays of pending answers short."""
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _HTTPServer(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 256

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore clients that disconnect in the middle of an answer, as tests make them do."""


def _handler_for(server: Server) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        server_version = f"{server.name}-sandbox"
        sys_version = ""

        def _handle_request(self) -> None:
            # Nagle's algorithm would hold back each small packet until the one before is acknowledged.
            self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            content = self.rfile.read(int(self.headers.get("content-length") or 0))
            parts = urlsplit(self.path)
            request = ReceivedRequest(
                method=self.command,
                path=unquote(parts.path),
                query=dict(parse_qsl(parts.query, keep_blank_values=True)),
                headers={name.lower(): value for name, value in self.headers.items()},
                content=content,
                at=time.monotonic(),
                target=self.path,
            )
            server.requests.append(request)
            self._send(server.handle(request))

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = _handle_request

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
            """Log nothing, because the terminal shows the step's log."""

    return Handler
