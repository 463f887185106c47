"""Repositories as they lie on disk: ROOT/<owner>/<name>/…files…, with an optional `.hub.json` among them.

Datasets lie in the same way under ROOT/.datasets, where no model can.

Only what `.hub.json` says is stored; commits, object ids and LFS hashes follow from the bytes, as in git.
Names that begin with a dot are never served or listed, and neither are symbolic links, so nothing outside a
repository's folder can be reached. A folder `.revisions/<name>/` holds an older or another revision.
"""

import hashlib
import json
import os
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

LFS_SUFFIXES = frozenset(
    {".bin", ".ckpt", ".gguf", ".gz", ".h5", ".jpg", ".model", ".msgpack", ".npz", ".onnx", ".parquet", ".pkl"}
    | {".png", ".pt", ".pth", ".safetensors", ".webp", ".zip"}
)
"""File types that the Hub's default .gitattributes puts in LFS; these alone have a SHA-256 in the API."""

SETTINGS_FILE = ".hub.json"
REVISIONS_FOLDER = ".revisions"
DATASETS_FOLDER = ".datasets"
_NAME = re.compile(r"[A-Za-z0-9_][\w.-]*")


@dataclass(frozen=True)
class RepoFile:
    """One file of one revision; `oid` is git's blob id, of the pointer where the file is in LFS."""

    path: str
    source: Path
    size: int
    oid: str
    sha256: str | None
    pointer_size: int

    @property
    def etag(self) -> str:
        """What the Hub sends as ETag: the SHA-256 of an LFS file, else the git blob id."""
        return self.sha256 or self.oid


@dataclass(frozen=True)
class Snapshot:
    """All files of one revision by path, and the commit id that stands for exactly these bytes."""

    files: dict[str, RepoFile]
    sha: str

    def text(self, path: str) -> str:
        """The file's text, or "" where there is none: cards and indexes are optional."""
        file = self.files.get(path)
        return file.source.read_text(encoding="utf-8", errors="replace") if file else ""


@dataclass(frozen=True)
class Repository:
    """One repository: its settings from `.hub.json`, its main revision and the others by name."""

    id: str
    settings: dict[str, Any]
    main: Snapshot
    revisions: dict[str, Snapshot]

    def snapshot(self, revision: str) -> Snapshot | None:
        """The revision of that name or commit id; None where there is none."""
        if revision in ("main", "refs/heads/main", self.main.sha):
            return self.main
        if revision in self.revisions:
            return self.revisions[revision]
        return next((s for s in self.revisions.values() if s.sha == revision), None)


class RepositoryStore:
    """Reads repositories below one root; hashes of a file are kept until its size or time changes."""

    def __init__(self, root: Path):
        self.root = Path(root)
        self._hashes: dict[tuple[Path, int, int], tuple[str, str]] = {}
        self._lock = threading.Lock()

    @cached_property
    def datasets(self) -> "RepositoryStore":
        """The store of the datasets of the same Hub."""
        return RepositoryStore(self.root / DATASETS_FOLDER)

    def ids(self) -> list[str]:
        """All repository ids below the root, sorted."""
        owners = [d for d in _folders(self.root) if _NAME.fullmatch(d.name)]
        return [f"{o.name}/{d.name}" for o in owners for d in _folders(o) if _NAME.fullmatch(d.name)]

    def get(self, repo_id: str) -> Repository | None:
        """The repository, read afresh; None where the id is malformed or not there."""
        parts = repo_id.split("/")
        if len(parts) != 2 or not all(_NAME.fullmatch(part) for part in parts):
            return None
        folder = self.root.joinpath(*parts)
        if folder.is_symlink() or folder.parent.is_symlink() or not folder.is_dir():
            return None
        settings_file = folder / SETTINGS_FILE
        settings = json.loads(settings_file.read_text(encoding="utf-8")) if settings_file.is_file() else {}
        others = {d.name: self._snapshot(d) for d in _folders(folder / REVISIONS_FOLDER)}
        return Repository(repo_id, settings, self._snapshot(folder), others)

    def all(self) -> list[Repository]:
        """Every repository; one that vanishes meanwhile is left out."""
        found = (self.get(repo_id) for repo_id in self.ids())
        return [repository for repository in found if repository is not None]

    def _snapshot(self, folder: Path) -> Snapshot:
        files = {path: self._file(path, source) for path, source in sorted(_walk(folder))}
        listing = "".join(f"{file.oid} {path}\n" for path, file in files.items())
        return Snapshot(files, hashlib.sha1(listing.encode()).hexdigest())

    def _file(self, path: str, source: Path) -> RepoFile:
        stat = source.stat()
        oid, sha256 = self._hash(source, stat.st_size, stat.st_mtime_ns)
        if Path(path).suffix.lower() not in LFS_SUFFIXES:
            return RepoFile(path, source, stat.st_size, oid, None, 0)
        pointer = (
            f"version https://git-lfs.github.com/spec/v1\noid sha256:{sha256}\nsize {stat.st_size}\n".encode()
        )
        return RepoFile(path, source, stat.st_size, _blob_id(pointer), sha256, len(pointer))

    def _hash(self, source: Path, size: int, mtime_ns: int) -> tuple[str, str]:
        key = (source, size, mtime_ns)
        with self._lock:
            if key not in self._hashes:
                data = source.read_bytes()
                self._hashes[key] = (_blob_id(data), hashlib.sha256(data).hexdigest())
            return self._hashes[key]


def _blob_id(data: bytes) -> str:
    """Git's object id of a blob."""
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


def _folders(parent: Path) -> list[Path]:
    if not parent.is_dir():
        return []
    return sorted(d for d in parent.iterdir() if d.is_dir() and not d.is_symlink() and not d.name.startswith("."))


def _walk(folder: Path) -> Iterator[tuple[str, Path]]:
    """(path inside the repository, path on disk) of each plain file whose path has no dot name in it."""
    for here, folders, names in os.walk(folder, followlinks=False):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            source = Path(here, name)
            if not name.startswith(".") and source.is_file() and not source.is_symlink():
                yield source.relative_to(folder).as_posix(), source
