"""WebDataset: tar files in which an image and what is said of it follow each other under one name.

`000012.jpg`, `000012.json` (words as in records.py) and `000012.txt` (a caption) make a sample. Nothing is
extracted; only regular members are read, and of those no more than an image may have.
"""

import tarfile
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

from etl.images.decoding import MAX_BYTES, Code, Refused
from etl.images.sources.entry import SUFFIXES, Entry, Found, Item, files_under, found, placed, printable, refusal
from etl.images.sources.records import described, parsed

_LONGEST_TEXT = 1 << 20


class WebDataset:
    """A tar file, or a folder of them; a gzipped tar is refused, since it could unpack without end.

    `generator_id` makes the images fake that say nothing of their class; `label` 0 makes them real.
    """

    def __init__(self, path: str, collection: str, generator_id: str | None = None, label: int | None = None):
        self.path = Path(path)
        self.name = collection
        self.collection = collection
        self.generator_id = generator_id
        self.label = label

    def survey(self) -> Iterator[tuple[Found, int]]:
        for entry in self.entries():
            for known, content in self._items(entry, with_bytes=False):
                yield found(refusal(known, content.code, "") if isinstance(content, Refused) else known), 1

    def entries(self) -> Iterator[Entry]:
        for path in files_under(self.path, (".tar",)):
            entry = placed(path, self.path)
            # Headers alone: a tar is walked by seeking over what its members hold.
            yield entry | {"rows": sum(1 for _ in self._items(entry, with_bytes=False))}

    def open(self, entry: Entry) -> Iterator[Item]:
        for count, item in enumerate(self._items(entry, with_bytes=True)):
            if count == entry["rows"]:
                return
            yield item

    def _items(self, entry: Entry, with_bytes: bool) -> Iterator[Item]:
        """Yield the images of a tar; its first damage is one refused item, the last."""
        try:
            with tarfile.open(entry["path"], "r:", errorlevel=2) as tar:
                regular = (member for member in tar if member.isreg())
                for stem, members in groupby(regular, lambda member: _split(member.name)[0]):
                    yield from self._sample(tar, f"{entry['key']}/{printable(stem)}", list(members), with_bytes)
                _require_end(tar)
        except (OSError, tarfile.TarError, EOFError, ValueError) as error:
            yield {"key": entry["key"]}, Refused(Code.BAD_FILE, f"the tar file ends in damage: {error}")

    def _sample(
        self, tar: tarfile.TarFile, key: str, members: list[tarfile.TarInfo], with_bytes: bool
    ) -> Iterator[Item]:
        by_suffix = {_split(member.name)[1]: member for member in members}
        known: Entry | Refused
        try:
            known = self._described(tar, by_suffix)
        except Refused as refused:
            known = refused
        images = [member for member in members if _split(member.name)[1] in SUFFIXES]
        if not images:
            yield {"key": key}, Refused(Code.NOT_IMAGE, f"the sample has no image, but {', '.join(by_suffix)}")
        for member in images:
            named: Entry = {"key": f"{key}{_split(member.name)[1]}"}
            if isinstance(known, Refused):
                yield named, known
            elif member.size > MAX_BYTES:
                yield named, Refused(Code.TOO_BIG, f"{member.size} bytes, at most {MAX_BYTES} are admitted")
            else:
                yield known | named, _content(tar, member) if with_bytes else b""

    def _described(self, tar: tarfile.TarFile, by_suffix: dict[str, tarfile.TarInfo]) -> Entry:
        record: dict[str, Any] = {}
        for suffix in (".txt", ".json"):
            member = by_suffix.get(suffix)
            if member is not None and member.size > _LONGEST_TEXT:
                raise Refused(Code.BAD_RECORD, f"{suffix[1:]} of {member.size} bytes")
            if member is not None:
                content = _content(tar, member)
                caption = content.decode("utf-8", "replace").strip()
                record |= parsed(content) if suffix == ".json" else {"caption": caption}
        return described(record, self.collection, self.label, self.generator_id)


def _content(tar: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    file = tar.extractfile(member)
    data = file.read() if file else b""
    if len(data) != member.size:
        raise EOFError(f"{member.name} is cut off")
    return data


def _require_end(tar: tarfile.TarFile) -> None:
    """Raise EOFError where no block of zeros follows the last member: tarfile takes any damage for the end."""
    with open(str(tar.name), "rb") as file:
        file.seek(tar.offset)
        if file.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
            raise EOFError("it is cut off, or what follows is no member")


def _split(name: str) -> tuple[str, str]:
    """Return a member's sample and its suffix, which starts at the first full stop of the last part."""
    folder, slash, last = name.rpartition("/")
    stem, dot, suffix = last.partition(".")
    return f"{folder}{slash}{stem}", f"{dot}{suffix}".lower()
