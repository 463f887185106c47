"""`forensics explore` as a command: what it refuses, where it listens, how it ends."""

import os
import re
import signal
import socket
from pathlib import Path

import pytest

from etl.cli import main
from etl.config import parse
from explorer.settings import ExploreConfig


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    """Return the exit code and the only line of stderr."""
    code = main(["explore", *arguments])
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    return code, lines[0]


def listeners(pid: int) -> set[tuple[str, int]]:
    """Return (address, port) in hex and number of every TCP socket on which the process listens."""
    links = [os.readlink(link) for link in Path(f"/proc/{pid}/fd").iterdir() if link.is_symlink()]
    inodes = {link[8:-1] for link in links if link.startswith("socket:[")}
    found = set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and fields[9] in inodes:  # 0A: in state LISTEN
                address, port = fields[1].split(":")
                found.add((address, int(port, 16)))
    return found


def handshake(port: int, host: str) -> str:
    """Return the first line of the answer to a WebSocket handshake whose Host header is `host`."""
    headers = ["Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13"]
    headers += ["Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==", f"Host: {host}"]
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall("\r\n".join(["GET /_stcore/stream HTTP/1.1", *headers, "", ""]).encode())
        return connection.recv(4096).decode("latin-1").splitlines()[0]


def test_a_missing_lake_is_one_sentence_with_the_remedy_and_exit_4(capsys, tmp_path):
    code, line = refused(capsys, "--root", str(tmp_path / "nowhere"))
    assert code == 4
    assert "there is no lake at" in line and "make demo" in line


def test_a_port_in_use_is_one_sentence_with_the_remedy_and_exit_2(capsys, full_lake):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code, line = refused(capsys, "--root", full_lake, "--port", str(port))
    assert code == 2
    assert str(port) in line and "--port" in line


def test_a_port_out_of_range_is_refused_by_name(capsys):
    code, line = refused(capsys, "--port", "70000")
    assert code == 2
    assert "port must lie between" in line


def test_the_configuration_file_holds_the_defaults():
    assert parse(ExploreConfig, ["--config", "conf/explore.yaml"], "forensics explore", "") == ExploreConfig()


def test_the_explorer_listens_on_the_loopback_alone_whatever_the_folders_settings_say(explorer):
    assert listeners(explorer.process.pid) == {("0100007F", explorer.port)}  # 127.0.0.1, byte-swapped


def test_a_page_of_another_host_cannot_open_a_session(explorer):
    assert handshake(explorer.port, "rebound.example").startswith("HTTP/1.1 403")
    assert handshake(explorer.port, "localhost").startswith("HTTP/1.1 101")


def test_the_command_prints_its_address(explorer):
    assert explorer.url in explorer.output.read_text()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_explorer_cleanly(full_lake, tmp_path, start, number):
    with start(full_lake, tmp_path) as served:
        served.process.send_signal(number)
        assert served.process.wait(timeout=20) == 0
    assert not re.search("Traceback|Error", served.output.read_text())
