"""How benchmarks lay out their folders: a pattern of places, and the words for the classes.

A pattern is a path with `{generator}`, `{class}`, `{split}` and `{source}` for the folders that say so, `*` for
any one name and `**` for any number of folders. The presets are those of the released archives.
"""

import re
from dataclasses import dataclass, field
from functools import cached_property

from etl.errors import ConfigError

REAL, FAKE = "real", "fake"
_CLASSES = {
    **dict.fromkeys(("real", "reals", "0_real", "nature", "0"), REAL),
    **dict.fromkeys(("fake", "fakes", "1_fake", "ai", "1"), FAKE),
}
_FIELDS = ("generator", "class", "split", "source")
_LDM = ("ldm_200", "ldm_200_cfg", "ldm_100", "glide_100_27", "glide_50_27", "glide_100_10", "dalle")


@dataclass(frozen=True)
class Layout:
    """A pattern, and what it leaves unsaid."""

    pattern: str
    real_folders: tuple[str, ...] = ()
    """Folders at the generator's place that hold a set of reals; compared without case."""
    real_source: str | None = None
    """The data set of the reals, where it is one."""
    pairs: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Folder of reals → the generators that they are judged beside; by default the one of their folder."""

    @cached_property
    def expression(self) -> str:
        """The pattern as a regular expression over a path, whose names may hold line ends.

        Raises ConfigError for an unknown name in braces.
        """
        parts = re.split(r"(\{\w*\}|\*\*/|\*\*|\*)", self.pattern)
        return f"(?s:{''.join(map(self._part, parts))})"

    def _part(self, part: str) -> str:
        if part.startswith("{"):
            if part[1:-1] not in _FIELDS:
                raise ConfigError(f"--pattern knows {', '.join(f'{{{name}}}' for name in _FIELDS)}, not {part}")
            return f"(?P<{part[1:-1]}>[^/]+)"
        return {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*"}.get(part, re.escape(part))

    def class_of(self, place: dict[str, str]) -> str | None:
        """Return REAL, FAKE, or None where the place does not tell."""
        if "class" in place:
            return _CLASSES.get(place["class"].lower())
        return REAL if self.is_real(place.get("generator", "")) else FAKE

    def is_real(self, folder: str) -> bool:
        """Whether a folder at the generator's place is a set of reals."""
        return folder.lower() in self.real_folders or folder.lower() in self.pairs

    def pairs_of(self, folder: str) -> tuple[str, ...]:
        """Return the generators that the reals of a folder stand beside; none where they serve for all."""
        if self.is_real(folder):
            return self.pairs.get(folder.lower(), ())
        return (folder,) if folder else ()


LAYOUTS = {
    "reference": Layout("{generator}/{class}/*"),
    "genimage": Layout("{generator}/**/{split}/{class}/*", real_source="ImageNet"),
    "forensynths": Layout("{generator}/**/{class}/*"),
    "universal-fake-detect": Layout("{generator}/**/{class}/*", pairs={"imagenet": ("guided",), "laion": _LDM}),
    "synthbuster": Layout(
        "{generator}/**",
        real_folders=("raise", "raise-1k", "raise_1k", "real_raise_1k", "real"),
        real_source="RAISE",
    ),
}
"""By name, as --layout takes them; `reference` is that of the reference trainer."""
