"""Fetching exactly the planned files of a model, at its commit, without a token.

The requests go through huggingface_hub's own session and errors, but the retries are ours: the client fails a
whole model on one 5xx of a file, waits without limit when a server says so, and does not check SHA-256.
"""

import hashlib
import shutil
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import httpx2
from huggingface_hub import hf_hub_url
from huggingface_hub.errors import (
    DisabledRepoError,
    EntryNotFoundError,
    GatedRepoError,
    HfHubHTTPError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.utils import build_hf_headers, get_session, hf_raise_for_status, parse_ratelimit_headers

from generation.failures import Code, GenerationFailure
from generation.repository import RepoFile, Repository

TRIES = 6
LONGEST_WAIT_SECONDS = 60.0
"""Cap on a wait between two tries, also on one that the server asks for."""
TIMEOUT_SECONDS = 30.0
"""For connecting, and for each silence while reading."""
_RETRIED = {408, 425, 429, 500, 502, 503, 504}

Sleep = Callable[[float], object]


@dataclass(frozen=True)
class _Patience:
    """How long a download may go on: up to a moment of `time.monotonic`, and as long as nobody sets `stop`."""

    deadline: float
    stop: threading.Event
    sleep: Sleep

    def check(self) -> None:
        """Raise GenerationFailure(INTERRUPTED) once it is to stop."""
        if self.stop.is_set():
            raise GenerationFailure(Code.INTERRUPTED, "the job is stopping")


def fetch(
    repository: Repository,
    files: Iterable[RepoFile],
    folder: Path,
    endpoint: str,
    deadline_seconds: float = 3600.0,
    sleep: Sleep | None = None,
    repo_type: str = "model",
    stop: threading.Event | None = None,
) -> None:
    """Download `files` into `folder`, each of its listed size, and of its listed SHA-256 where one is known.

    All of it takes `deadline_seconds` at most: a server that sends a byte now and then never times out.
    When `stop` is set, a wait between tries ends at once, a download with its next bytes or its TIMEOUT_SECONDS.
    Raises GenerationFailure: GATED, DISABLED, GONE, NO_SPACE, HUB_ERROR, BAD_DOWNLOAD, INTERRUPTED.
    """
    files, stop = list(files), stop or threading.Event()
    patience = _Patience(time.monotonic() + deadline_seconds, stop, sleep or stop.wait)
    folder.mkdir(parents=True, exist_ok=True)
    needed = sum(file.size for file in files)
    if needed > shutil.disk_usage(folder).free // 2:
        raise GenerationFailure(Code.NO_SPACE, f"{needed} bytes to download are more than half of the free disk")
    for file in files:
        where = {"repo_type": repo_type, "revision": repository.revision, "endpoint": endpoint}
        url = hf_hub_url(repository.model_id, file.path, **where)
        target = folder / file.path
        target.parent.mkdir(parents=True, exist_ok=True)
        _with_retries(url, file, target, patience)


def _with_retries(url: str, file: RepoFile, target: Path, patience: _Patience) -> None:
    for attempt in range(1, TRIES + 1):
        patience.check()
        wait = min(2.0**attempt / 2, LONGEST_WAIT_SECONDS)
        try:
            return _download(url, file, target, patience)
        except GatedRepoError as error:  # a subclass of RepositoryNotFoundError, so first
            raise GenerationFailure(
                Code.GATED, "the Hub asks for an agreement before it gives the files"
            ) from error
        except DisabledRepoError as error:
            raise GenerationFailure(Code.DISABLED, "the Hub has disabled the repository") from error
        except (RepositoryNotFoundError, RevisionNotFoundError, EntryNotFoundError) as error:
            raise GenerationFailure(Code.GONE, f"the Hub no longer has {file.path}") from error
        except HfHubHTTPError as error:
            failure = GenerationFailure(Code.HUB_ERROR, f"{file.path}: HTTP {error.response.status_code}")
            if error.response.status_code not in _RETRIED:
                raise failure from error
            wait = min(max(wait, _asked_wait(error.response)), LONGEST_WAIT_SECONDS)
        except httpx2.HTTPError as error:
            failure = GenerationFailure(Code.HUB_ERROR, f"{file.path}: {type(error).__name__} {error}")
        except GenerationFailure as error:
            failure = error
        if attempt == TRIES or failure.code is Code.INTERRUPTED or time.monotonic() + wait > patience.deadline:
            raise failure
        patience.sleep(wait)


def _download(url: str, file: RepoFile, target: Path, patience: _Patience) -> None:
    """One try; raises BAD_DOWNLOAD when the body is not the listed file, and reads no byte more than that."""
    headers = build_hf_headers(token=False, library_name="forensics-lake")
    # Compression would make the length unknown beforehand, and weights do not compress.
    headers["Accept-Encoding"] = "identity"
    digest, size = hashlib.sha256(), 0
    with get_session().stream("GET", url, headers=headers, timeout=TIMEOUT_SECONDS) as response:
        hf_raise_for_status(response)
        with open(target, "wb") as output:
            for chunk in response.iter_raw():
                size += len(chunk)
                patience.check()
                if time.monotonic() > patience.deadline:
                    raise GenerationFailure(Code.HUB_ERROR, f"{file.path}: the model's download takes too long")
                if size > file.size:
                    raise GenerationFailure(
                        Code.BAD_DOWNLOAD, f"{file.path} is longer than the listed {file.size}"
                    )
                digest.update(chunk)
                output.write(chunk)
    if size != file.size:
        raise GenerationFailure(Code.BAD_DOWNLOAD, f"{file.path} has {size} bytes, listed are {file.size}")
    if file.sha256 and digest.hexdigest() != file.sha256:
        raise GenerationFailure(Code.BAD_DOWNLOAD, f"{file.path} does not have its listed SHA-256")


def _asked_wait(response: httpx2.Response) -> float:
    """Seconds that the server asks to wait, by Retry-After or a RateLimit that is used up; 0 where it names none.

    Every answer of the Hub carries RateLimit, so that its window's end alone asks for nothing. What is no number
    of seconds (a date, a superscript, more digits than Python reads) asks for nothing either.
    """
    after = response.headers.get("Retry-After", "")
    try:
        limit = parse_ratelimit_headers(response.headers)
        used_up = limit is not None and limit.remaining == 0
        asked = float(limit.reset_in_seconds if used_up else after if after.isdigit() else -1)
    except (ValueError, OverflowError):
        return 0.0
    return min(asked + 1, LONGEST_WAIT_SECONDS) if asked >= 0 else 0.0
