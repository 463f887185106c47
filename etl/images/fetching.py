"""Downloads for lists of addresses: from allowed schemes and hosts only, capped, and kept so as to be resumable.

A list may come from anywhere, so an address must not reach what this machine alone can: every host, that of each
redirect too, must be allowed, and one that resolves to a private address must be allowed by name.
"""

import contextlib
import hashlib
import http.client
import ipaddress
import socket
import ssl
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import SplitResult, quote, urljoin, urlsplit

from etl import durable
from etl.images.decoding import MAX_BYTES, Code, Refused

_REDIRECTS = 5
_TRIES = 3
_PORTS = {"http": 80, "https": 443}
_PATH = "/%:@!$&'()*+,;=~?"
"""What stays as it is in a path; the rest is percent-encoded."""
_AGAIN = {408, 425, 429, 500, 502, 503, 504}
_LONGEST_WAIT = 30.0
"""Seconds between two tries; a server may ask for more, and then waits for the next run."""


class _Failed(Exception):
    """A try that did not succeed; `again` after so many seconds, None where it would not help."""

    def __init__(self, reason: str, again: float | None):
        super().__init__(reason)
        self.again = again


@dataclass(frozen=True)
class Fetcher:
    """What may be fetched, and where downloads are kept. Sent to the executors."""

    folder: str | None = None
    """A folder that all nodes see; what lies there is not fetched again. None keeps nothing."""
    schemes: tuple[str, ...] = ("https",)
    hosts: tuple[str, ...] = ()
    """Allowed hosts; `*.example.org` allows those below it."""
    private_hosts: tuple[str, ...] = ()
    """Allowed hosts that may resolve to a private or loopback address."""
    seconds: float = 60.0
    """For one download, redirects included."""

    def fetch(self, address: str) -> bytes | Refused:
        """Return the content at `address`, or why not: NOT_ALLOWED, UNREACHABLE or TOO_BIG."""
        try:
            kept = self._kept(address)
            if kept is not None and kept.is_file():
                return kept.read_bytes()
            data = self._tried(address)
            if kept is not None:
                durable.write(kept, data)
            return data
        except Refused as refused:
            return refused
        except OSError as error:
            return Refused(Code.UNREADABLE, str(error))

    def _kept(self, address: str) -> Path | None:
        if self.folder is None:
            return None
        name = hashlib.sha256(address.encode("utf-8", "backslashreplace")).hexdigest()
        return Path(self.folder) / name[:2] / name

    def _tried(self, address: str) -> bytes:
        wait = 1.0
        for left in range(_TRIES - 1, -1, -1):
            try:
                return self._followed(address, time.monotonic() + self.seconds)
            except _Failed as failed:
                if not left or failed.again is None or failed.again > _LONGEST_WAIT:
                    raise Refused(Code.UNREACHABLE, str(failed)) from None
                time.sleep(max(wait, failed.again))
                wait *= 2
        raise AssertionError("the last try returns or raises")

    def _followed(self, address: str, deadline: float) -> bytes:
        for _ in range(_REDIRECTS + 1):
            content, onward = self._got(address, deadline)
            if onward is None:
                return content
            try:
                address = urljoin(address, onward)
            except ValueError as error:
                raise Refused(Code.NOT_ALLOWED, f"a redirect to no address: {error}") from None
        raise _Failed(f"more than {_REDIRECTS} redirects", None)

    def _got(self, address: str, deadline: float) -> tuple[bytes, str | None]:
        """Return the content, or where a redirect leads."""
        parts, connection = self._connected(address)
        # Reads time out one by one: a server that sends a byte now and then would hold us without this.
        late = threading.Timer(max(0.0, deadline - time.monotonic()), connection.abort)
        late.daemon = True
        late.start()
        try:
            path = quote(parts.path or "/", _PATH) + (f"?{quote(parts.query, _PATH)}" if parts.query else "")
            connection.request("GET", path, headers={"User-Agent": "forensics-lake", "Accept": "image/*"})
            answer = connection.getresponse()
            if answer.status in (301, 302, 303, 307, 308) and (onward := answer.getheader("Location")):
                return b"", onward
            if answer.status != 200:
                asked = answer.getheader("Retry-After", "")
                pause = float(asked) if asked.isdecimal() else 0.0
                raise _Failed(f"HTTP {answer.status}", pause if answer.status in _AGAIN else None)
            data = _body(answer)
            if connection.is_aborted:  # which looks like the end of the answer
                raise TimeoutError
            return data, None
        except (http.client.HTTPException, OSError) as error:
            reason = "it took too long" if connection.is_aborted else f"{type(error).__name__}: {error}"
            raise _Failed(reason, 0.0) from None
        finally:
            late.cancel()
            connection.close()

    def _connected(self, address: str) -> tuple[SplitResult, "_Plain"]:
        """Return a connection to the address that was checked: a name must not resolve anew in between."""
        try:
            parts = urlsplit(address)
            host, port = (parts.hostname or "").lower().rstrip("."), parts.port or _PORTS.get(parts.scheme, 0)
            host = host.encode("idna").decode() if host and not _is_number(host) else host
        except (ValueError, UnicodeError) as error:
            raise Refused(Code.NOT_ALLOWED, f"no address: {error}") from None
        if parts.scheme not in self.schemes or not port:
            raise Refused(Code.NOT_ALLOWED, f"the scheme '{parts.scheme}' is not among --schemes")
        if parts.username is not None or not _matches(host, (*self.hosts, *self.private_hosts)):
            raise Refused(Code.NOT_ALLOWED, f"the host '{host}' is not among --hosts")
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except OSError as error:
            raise _Failed(f"{host} has no address: {error}", 0.0) from None
        numbers = [str(entry[4][0]) for entry in found]
        private = [number for number in numbers if not _is_public(number)]
        if private and not _matches(host, self.private_hosts):
            raise Refused(Code.NOT_ALLOWED, f"{host} is at {private[0]}, which is private; see --private_hosts")
        kind = _Secure if parts.scheme == "https" else _Plain
        return parts, kind(host, port, numbers[0], self.seconds)


class _Plain(http.client.HTTPConnection):
    """A connection to a number; the host's name goes into the request only."""

    def __init__(self, host: str, port: int, number: str, seconds: float):
        super().__init__(host, port, timeout=min(seconds, 30.0))
        self._number = number
        self.is_aborted = False

    def connect(self) -> None:
        self.sock = socket.create_connection((self._number, self.port), self.timeout)

    def abort(self) -> None:
        """End what waits for the server, from another thread."""
        self.is_aborted = True
        if self.sock is not None:
            with contextlib.suppress(OSError):
                self.sock.shutdown(socket.SHUT_RDWR)


class _Secure(_Plain):
    """The same with TLS, where the certificate must be that of the name."""

    default_port = 443

    def connect(self) -> None:
        super().connect()
        self.sock = ssl.create_default_context().wrap_socket(self.sock, server_hostname=self.host)


def _body(answer: http.client.HTTPResponse) -> bytes:
    """Read an answer whole. Raises Refused(TOO_BIG), _Failed where it is cut off."""
    length = answer.getheader("Content-Length", "")
    if length.isdecimal() and int(length) > MAX_BYTES:
        raise Refused(Code.TOO_BIG, f"{length} bytes, at most {MAX_BYTES} are admitted")
    data = bytearray()
    while part := answer.read1(1 << 16):
        data += part
        if len(data) > MAX_BYTES:
            raise Refused(Code.TOO_BIG, f"more than {MAX_BYTES} bytes")
    if length.isdecimal() and len(data) != int(length):
        raise _Failed(f"cut off after {len(data)} of {length} bytes", 0.0)
    return bytes(data)


def _is_public(number: str) -> bool:
    address = ipaddress.ip_address(number.partition("%")[0])
    return address.is_global and not address.is_multicast


def _is_number(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _matches(host: str, allowed: tuple[str, ...]) -> bool:
    """Whether a host is allowed by its name, or lies below one that is written with `*.`."""
    names = [name.lower() for name in allowed]
    return host in names or any(name.startswith("*.") and host.endswith(name[1:]) for name in names)
