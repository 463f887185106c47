"""The demo Hub's HTTP server: bound to the loopback only, with faults on demand and a log of what was asked.

Standard library only: committing faults (a body cut short, a dropped socket) needs the raw connection.
"""

import errno
import logging
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit

from etl.demo.hub.answers import Answer, Request, answer, refused
from etl.demo.hub.faults import Fault, Faults
from etl.demo.hub.listing import PAGE_LIMIT
from etl.demo.hub.repository import RepositoryStore
from etl.errors import PortInUse

log = logging.getLogger(__name__)

HOST = "127.0.0.1"


class RateWindow:
    """The Hub's fixed-window limit: `quota` requests in `seconds`, told in the headers of every answer."""

    def __init__(self, quota: int, seconds: int):
        self.quota, self.seconds = quota, seconds
        self._lock = threading.Lock()
        self._start, self._used = time.monotonic(), 0

    def hit(self) -> tuple[bool, dict[str, str]]:
        """Count one request; whether it is within the quota, and the RateLimit headers."""
        with self._lock:
            now = time.monotonic()
            if now - self._start >= self.seconds:
                self._start, self._used = now, 0
            self._used += 1
            left = self.quota - self._used
            reset = max(1, round(self._start + self.seconds - now))
        policy = f'"fixed window";"api";q={self.quota};w={self.seconds}'
        return left >= 0, {"RateLimit": f'"api";r={max(0, left)};t={reset}', "RateLimit-Policy": policy}


class DemoHub:
    """A running Hub for the repositories below `root`; use it as a context manager.

    `requests` lists (method, path with query) of everything that was asked, so that a test can count. The
    default quota never limits a demo; the real Hub gives an anonymous caller 500 API requests in 300 s.
    A smaller `page_limit` makes even a small listing come in pages.
    """

    def __init__(
        self,
        root: Path,
        port: int = 0,
        faults: Faults | None = None,
        quota: int = 100_000,
        window_seconds: int = 300,
        page_limit: int = PAGE_LIMIT,
    ):
        self.port = port
        self.faults = faults or Faults()
        self.page_limit = page_limit
        self.requests: list[tuple[str, str]] = []
        self.store = RepositoryStore(root)
        self.rate = RateWindow(quota, window_seconds)
        self._server: _Server | None = None

    @property
    def endpoint(self) -> str:
        """What the client takes as `endpoint=`; the port is known once the server has started."""
        return f"http://{HOST}:{self.port}"

    def start(self) -> None:
        """Bind and serve in a thread of its own; raises PortInUse."""
        try:
            self._server = _Server(self)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
            raise PortInUse(
                f"Port {self.port} is in use; choose another for the demo Hub, or 0 for any that is free."
            ) from error
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.05,), name="demo-hub", daemon=True).start()

    def stop(self) -> None:
        """Stop serving and close every connection, kept-alive ones too: afterwards the Hub is unreachable."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server.close_connections()
            self._server = None

    def __enter__(self) -> "DemoHub":
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, hub: DemoHub):
        self.hub = hub
        self._open: set[socket.socket] = set()
        super().__init__((HOST, hub.port), _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def close_connections(self) -> None:
        for connection in list(self._open):
            self.shutdown_request(connection)

    def handle_error(self, request: Any, client_address: Any) -> None:
        log.debug("connection of %s ended early", client_address, exc_info=True)


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # headers and body are two writes; Nagle would delay the second by 40 ms

    def do_GET(self) -> None:
        self._handle()

    def do_HEAD(self) -> None:
        self._handle()

    def _handle(self) -> None:
        hub = self.server.hub
        hub.requests.append((self.command, self.path))
        within, rate = hub.rate.hit()
        request = Request(
            method=self.command,
            target=self.path,
            range=self.headers.get("Range"),
            token="Authorization" in self.headers,
            endpoint=hub.endpoint,
            page_limit=hub.page_limit,
        )
        fault = hub.faults.take(self.command, self.path)
        if fault and fault.kind == "delay":
            time.sleep(fault.seconds)
        reply = answer(hub.store, request) if within else refused(429, "", "Too many requests")
        reply = Answer(reply.status, rate | reply.headers, reply.body)
        self._send(spoil(reply, fault, hub.endpoint + self.path), fault)

    def _send(self, reply: Answer, fault: Fault | None) -> None:
        self.send_response(reply.status)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(reply.body)))
        self.end_headers()
        dropped = fault is not None and fault.kind == "drop"
        body = reply.body[: fault.after_bytes] if fault and dropped else reply.body
        if self.command != "HEAD":
            self.wfile.write(body)
        if dropped:
            self.wfile.flush()
            self.close_connection = True

    def log_message(self, format: str, *args: Any) -> None:
        log.debug("%s %s", urlsplit(self.path).path, args[1:2])


def spoil(reply: Answer, fault: Fault | None, url: str) -> Answer:
    """The answer after a fault of the kinds that change it; drop and delay act on the connection instead."""
    if fault is None:
        return reply
    if fault.kind == "status":
        limit = {"RateLimit": f'"api";r=0;t={fault.retry_after}'} if fault.retry_after is not None else {}
        error = refused(fault.status, "", f"Fault on demand: {fault.status}")
        rate = {name: value for name, value in reply.headers.items() if name.startswith("RateLimit")}
        return Answer(fault.status, rate | error.headers | limit | fault.headers, error.body)
    if fault.kind == "html":
        page = b"<!DOCTYPE html><html><body><h1>We are working on it</h1></body></html>"
        return Answer(200, {"Content-Type": "text/html; charset=utf-8"}, page)
    if fault.kind == "corrupt":
        return Answer(reply.status, reply.headers, bytes(255 - byte for byte in reply.body))
    if fault.kind == "next":
        return Answer(reply.status, reply.headers | {"Link": f'<{fault.url or url}>; rel="next"'}, reply.body)
    return reply
