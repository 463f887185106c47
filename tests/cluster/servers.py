"""The object store of the tests, a process of its own on the loopback."""

import contextlib
import os
import secrets
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.flow.commands import clean_environment

BUCKET = "lake"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(port: int, process: subprocess.Popen, log: Path, seconds: float = 120) -> None:
    """Wait until a server listens; fail with its log where it ends before."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        assert process.poll() is None, log.read_text()[-3000:]
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.2)
    raise AssertionError(f"nothing listens at {port}: {log.read_text()[-3000:]}")


@dataclass
class Server:
    """A process that can be ended and begun again with the same command."""

    command: list[str]
    environment: dict[str, str]
    folder: Path
    name: str
    port: int = 0
    user: str | None = None
    process: subprocess.Popen = field(init=False)

    @property
    def log(self) -> Path:
        return self.folder / f"{self.name}.log"

    def start(self) -> "Server":
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                self.command,
                cwd=self.folder,
                env=self.environment,
                stdout=log,
                stderr=subprocess.STDOUT,
                user=self.user,
                extra_groups=[] if self.user else None,
                start_new_session=True,
            )
        if self.port:
            wait_for(self.port, self.process, self.log)
        return self

    def kill(self) -> None:
        """End the server without a chance to say goodbye."""
        self.process.kill()
        self.process.wait()

    def end(self) -> None:
        self.process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(20)
            return
        self.kill()


@contextlib.contextmanager
def object_store(folder: Path) -> Iterator[tuple[Server, dict[str, str]]]:
    """Run MinIO with a bucket; yield it and the environment of its clients. Skips where MinIO is missing."""
    found = os.environ.get("FORENSICS_MINIO") or shutil.which("minio") or str(Path.home() / "go" / "bin" / "minio")
    if not Path(found).is_file():
        pytest.skip("there is no minio: `.ci/setup --cluster` builds it")
    (folder / "s3" / BUCKET).mkdir(parents=True)
    key, secret, port = f"key{secrets.token_hex(6)}", secrets.token_hex(16), free_port()
    own = clean_environment(MINIO_ROOT_USER=key, MINIO_ROOT_PASSWORD=secret, MINIO_BROWSER="off")
    command = [found, "server", str(folder / "s3"), "--address", f"127.0.0.1:{port}", "--quiet"]
    server = Server(command, own, folder, "minio", port).start()
    try:
        yield (
            server,
            {
                "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
                "AWS_ACCESS_KEY_ID": key,
                "AWS_SECRET_ACCESS_KEY": secret,
                "AWS_REGION": "us-east-1",
                "FORENSICS_WORK": str(folder / "work"),
            },
        )
    finally:
        server.end()
