"""What every source gives: entries, the images behind them, and how many there are of which kind.

An entry is a dictionary that the driver lists: `key` (its name in the source), `path`, and what is known of the
image, under the names of the columns of `images`. Of a file of many images, an entry is a part: `part` says
which, `first` its first row, `rows` how many. Further keys: `sha256` where it is promised, `split`, `pairs`
(generators that a real stands beside in a benchmark), `architecture` (of the generator), `code` and `detail` where
the entry is refused already.
"""

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from etl.errors import NothingUsable
from etl.images.decoding import MAX_BYTES, Code, Refused
from etl.lake.folder import folder

Entry = dict[str, Any]
Item = tuple[Entry, bytes | Refused]
"""One image: what is known of it, and its bytes or why there are none."""

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".avif", ".gif")


@dataclass(frozen=True)
class Found:
    """A kind of image that a source holds, as far as can be told without opening images."""

    label: int | None
    """None where an entry is refused already."""
    generator_id: str | None = None
    real_source: str | None = None
    split: str | None = None
    architecture: str | None = None
    code: str | None = None
    """Why it is refused."""


class Source(Protocol):
    """A named set of images. It is sent to the executors, so it holds names and not data."""

    name: str
    collection: str

    def survey(self) -> Iterator[tuple[Found, int]]:
        """Yield counts of what there is; a kind may come more than once. Raises NothingUsable, ConfigError."""
        ...

    def entries(self) -> Iterator[Entry]:
        """Yield one entry a file, or a part of one, in a stable order, on the driver."""
        ...

    def open(self, entry: Entry) -> Iterator[Item]:
        """Yield the images of an entry, on an executor. What is wrong with one is Refused in its place."""
        ...


class Files:
    """Base of the sources whose entries are one file each."""

    def entries(self) -> Iterator[Entry]:
        raise NotImplementedError

    def survey(self) -> Iterator[tuple[Found, int]]:
        for entry in self.entries():
            yield found(entry), 1

    def open(self, entry: Entry) -> Iterator[Item]:
        yield entry, attempt(entry["path"])


def found(entry: Entry) -> Found:
    """Return the kind of an entry."""
    if entry.get("code"):
        return Found(None, code=str(entry["code"]))
    return Found(*(entry.get(n) for n in ("label", "generator_id", "real_source", "split", "architecture")))


def refusal(entry: Entry, code: Code, detail: str) -> Entry:
    """Return the entry as one that is refused before it is opened."""
    return entry | {"code": code.value, "detail": detail}


def attempt(path: str) -> bytes | Refused:
    """Return a file's bytes, or why not: UNREADABLE, or TOO_BIG before it fills the memory.

    A landed file of a lake in an object store is read from there. Raises StorageRefused, StorageUnreachable.
    """
    if path.startswith("s3a://"):
        place, _, name = path.rpartition("/")
        content = folder(place).read(name)
        return Refused(Code.UNREADABLE, f"there is no {path}") if content is None else content
    try:
        size = os.stat(path).st_size
        if size > MAX_BYTES:
            return Refused(Code.TOO_BIG, f"{size} bytes, at most {MAX_BYTES} are admitted")
        return Path(path).read_bytes()
    except (OSError, ValueError) as error:  # a name with a null byte is a ValueError
        return Refused(Code.UNREADABLE, str(error))


def files_under(path: Path, suffixes: tuple[str, ...]) -> Iterator[Path]:
    """Yield the files at any depth of `path` that end in one of `suffixes`, each folder's in the order of names.

    One folder's names are held at a time, never those of all. Links to files count, also broken ones, links to
    folders are not followed; a folder that cannot be listed stands for what is in it. `path` may be one such file
    itself. Raises NothingUsable when there is none.
    """
    if path.is_file() and path.suffix.lower() in suffixes:
        yield path
        return
    if not path.is_dir():
        raise NothingUsable(f"there is no folder {path}; name one with --path")
    empty = True
    for file in _walk(path, suffixes):
        empty = False
        yield file
    if empty:
        raise NothingUsable(f"{path} holds no file that ends in {', '.join(suffixes)}")


def _walk(folder: Path, suffixes: tuple[str, ...]) -> Iterator[Path]:
    try:
        with os.scandir(folder) as listing:
            inside = sorted(listing, key=lambda item: item.name)
    except OSError:  # whoever opens it says why, so that it is a refused row
        yield folder
        return
    for item in inside:
        if item.is_dir(follow_symlinks=False):
            yield from _walk(Path(item.path), suffixes)
        elif os.path.splitext(item.name)[1].lower() in suffixes and _is_file(item):
            yield Path(item.path)


def _is_file(item: os.DirEntry[str]) -> bool:
    """Whether it is a file or a link that leads nowhere or to itself, which is refused when it is opened."""
    try:
        return stat.S_ISREG(item.stat().st_mode)
    except OSError:
        return True


def placed(file: Path, root: Path) -> Entry:
    """Return key and path of a file that `files_under(root, …)` gave; the key of the root itself is its name."""
    key = file.name if file == root else file.relative_to(root).as_posix()
    return {"key": printable(key), "path": printable(str(file.absolute()))}


def printable(name: str) -> str:
    r"""Return a file name as Unicode; bytes that are none become `\xff`, and the file is refused as unreadable."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
