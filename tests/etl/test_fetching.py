"""Downloads come from allowed hosts only, are capped, and are kept; everything else is a code."""

import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

import pytest

from etl.images import fetching
from etl.images.decoding import MAX_BYTES, Code, Refused
from etl.images.fetching import Fetcher


class Pages(BaseHTTPRequestHandler):
    """A web site of odd answers; `hits` are the paths that were asked for."""

    protocol_version = "HTTP/1.1"
    hits: ClassVar[list[str]] = []

    def do_GET(self):
        self.hits.append(self.path)
        getattr(self, "do_" + self.path.strip("/").split("/")[0].split("?")[0])()

    def answer(self, status=200, body=b"", length=None, **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        self.wfile.write(body)

    def do_image(self):
        self.answer(body=b"image")

    def do_gone(self):
        self.answer(404)

    def do_busy(self):
        self.answer(*((503,) if self.hits.count("/busy") < 2 else (200, b"at last")))

    def do_later(self):
        self.answer(429, Retry_After="86400")

    def do_away(self):
        self.answer(302, Location="http://169.254.169.254/latest/")

    def do_file(self):
        self.answer(302, Location="file:///etc/hostname")

    def do_broken(self):
        self.answer(302, Location="http://[::1/")

    def do_onward(self):
        self.answer(301, Location="/image")

    def do_loop(self):
        self.answer(302, Location="/loop")

    def do_huge(self):
        self.answer(length=MAX_BYTES + 1)

    def do_endless(self):
        self.send_response(200)
        self.end_headers()
        while True:
            self.wfile.write(b"x" * 65536)

    def do_cut(self):
        self.answer(body=b"half", length=8)
        self.close_connection = True

    def do_drip(self):
        self.send_response(200)
        while True:
            self.send_header("X-More", "x")
            self.flush_headers()
            time.sleep(0.05)

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def site():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Pages)
    server.handle_error = lambda *_: None
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


@pytest.fixture
def fetcher(monkeypatch):
    Pages.hits.clear()
    monkeypatch.setattr(fetching.time, "sleep", lambda seconds: None)
    return Fetcher(schemes=("http",), private_hosts=("127.0.0.1",), seconds=20)


def code(outcome):
    assert isinstance(outcome, Refused), outcome
    return outcome.code


def test_an_image_is_fetched_and_kept_for_the_next_run(site, fetcher, tmp_path):
    keeping = Fetcher(str(tmp_path), fetcher.schemes, private_hosts=fetcher.private_hosts)
    assert keeping.fetch(f"{site}/image/ü?a=b c") == b"image"
    assert Pages.hits == ["/image/%C3%BC?a=b%20c"]
    assert keeping.fetch(f"{site}/image/ü?a=b c") == b"image" and len(Pages.hits) == 1
    assert code(keeping.fetch(f"{site}/gone")) == Code.UNREACHABLE
    assert len([path for path in tmp_path.rglob("*") if path.is_file()]) == 1


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("gone", Code.UNREACHABLE),
        ("later", Code.UNREACHABLE),
        ("loop", Code.UNREACHABLE),
        ("cut", Code.UNREACHABLE),
        ("away", Code.NOT_ALLOWED),
        ("file", Code.NOT_ALLOWED),
        ("broken", Code.NOT_ALLOWED),
        ("huge", Code.TOO_BIG),
        ("endless", Code.TOO_BIG),
    ],
)
def test_an_answer_that_is_no_image_has_a_code(site, fetcher, path, expected):
    assert code(fetcher.fetch(f"{site}/{path}")) == expected


def test_a_busy_server_is_asked_again_and_a_redirect_followed(site, fetcher):
    assert fetcher.fetch(f"{site}/busy") == b"at last"
    assert fetcher.fetch(f"{site}/onward") == b"image"


def test_a_server_that_drips_is_given_up_in_time(site, monkeypatch):
    impatient = Fetcher(schemes=("http",), private_hosts=("127.0.0.1",), seconds=0.5)
    started = time.monotonic()
    refused = impatient.fetch(f"{site}/drip")
    assert code(refused) == Code.UNREACHABLE and time.monotonic() - started < 20


@pytest.mark.parametrize(
    "address",
    [
        "https://127.0.0.1/a.png",
        "file:///etc/hostname",
        "http://example.org/a.png",
        "http://user@127.0.0.1/a.png",
        "http://127.0.0.1.example.org/a.png",
        "http://[::1/a.png",
        "http://127.0.0.1:99999999/a.png",
        "http:///a.png",
        "http://\udcff/a.png",
        "no address",
    ],
)
def test_what_was_not_allowed_is_not_asked(fetcher, address):
    assert code(fetcher.fetch(address)) == Code.NOT_ALLOWED
    assert Pages.hits == []


@pytest.mark.parametrize(
    "number", ["127.0.0.1", "10.0.0.1", "169.254.169.254", "::1", "::ffff:127.0.0.1", "fd00::1"]
)
def test_an_allowed_name_that_leads_to_a_private_address_is_not_allowed(monkeypatch, number):
    """Whoever owns the name may point it anywhere."""
    monkeypatch.setattr(
        socket, "getaddrinfo", lambda *_, **__: [(0, 0, 0, "", ("8.8.8.8", 80)), (0, 0, 0, "", (number, 80))]
    )
    refused = Fetcher(schemes=("http",), hosts=("*.example.org",)).fetch("http://images.example.org/a.png")
    assert code(refused) == Code.NOT_ALLOWED and "private" in refused.detail
    assert (
        code(Fetcher(schemes=("http",), hosts=("*.example.org",)).fetch("http://example.org/")) == Code.NOT_ALLOWED
    )


def test_a_host_without_address_is_unreachable(fetcher):
    known = Fetcher(schemes=("http",), hosts=("no.invalid",))
    assert code(known.fetch("http://no.invalid/a.png")) == Code.UNREACHABLE
