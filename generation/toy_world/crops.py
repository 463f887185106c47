"""The photographs' crops that toy generators are trained on, reconstruct, and are told from.

A crop is named by its photograph and a number, which decide all that is random in it. Every crop is shrunk, which
removes what the photograph's own JPEG left, and softened a little, so that a small generator can keep up.
"""

import csv
import functools
import re
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

PHOTOS = Path(__file__).parents[2] / "etl" / "demo" / "photos"
SIDE = 64
"""Pixels of a crop's side."""
SHORTER_EDGE = (96.0, 170.0)
"""Pixels to which the photograph's shorter edge (256) is shrunk, drawn log-uniformly for each crop."""
SOFTENING = (0.55, 1.0)
"""Standard deviation of the Gaussian that softens a crop, in its pixels."""
LEAST_DEVIATION = 14.0
"""Levels (of 255) below which a place is too plain, and another one is drawn."""
FILTERS = (
    *(Image.Resampling.BICUBIC, Image.Resampling.LANCZOS),
    *(Image.Resampling.BILINEAR, Image.Resampling.BOX),
)
TEST_SHARE = 1 / 3
"""Share of the photographs that detectors are tested on: no generator is trained on them."""
_MARGIN = 4
_KEY = re.compile(r"\((?P<photo>[\w-]+), crop (?P<number>\d{1,6})\)\s*\Z")


@dataclass(frozen=True)
class Photo:
    """A shipped photograph, by the stem of its file's name."""

    name: str
    caption: str
    author: str
    licence: str

    @property
    def is_test(self) -> bool:
        """Whether detectors are tested on it; by a hash of the name, so that another photograph moves none."""
        return zlib.crc32(f"toy world/{self.name}".encode()) / 2**32 < TEST_SHARE


@functools.cache
def photos() -> dict[str, Photo]:
    """Return the shipped photographs by name."""
    with (PHOTOS / "photos.csv").open(newline="", encoding="utf-8") as lines:
        rows = list(csv.DictReader(lines))
    found = (Photo(Path(row["file"]).stem, row["caption"], row["author"], row["licence"]) for row in rows)
    return {photo.name: photo for photo in found}


def prompt_of(photo: Photo, number: int) -> str:
    """Return the prompt that asks a toy generator for this crop."""
    return f"{photo.caption} ({photo.name}, crop {number})"


def parse(prompt: str) -> tuple[Photo, int]:
    """Return the crop that a prompt asks for. Raises ValueError where it names none."""
    found = _KEY.search(prompt)
    if found is None or found["photo"] not in photos():
        raise ValueError(
            "toy generators reconstruct crops of the project's photographs: the prompt must end like "
            f"'(animal-bee-01, crop 3)', not {prompt[-60:]!r}"
        )
    return photos()[found["photo"]], int(found["number"])


def crop(photo: Photo, number: int) -> np.ndarray:
    """Return the crop as levels [SIDE, SIDE, 3] of 8 bits."""
    picture = _picture(photo.name)
    rng = np.random.default_rng([zlib.crc32(photo.name.encode()), number])
    for _ in range(20):
        scale = min(picture.size) / np.exp(rng.uniform(*np.log(SHORTER_EDGE)))
        span = (SIDE + 2 * _MARGIN) * scale
        left, top = rng.uniform(0, np.array(picture.size) - span)
        box = (left, top, left + span, top + span)
        resampling = FILTERS[rng.integers(len(FILTERS))]
        shrunk = picture.resize((SIDE + 2 * _MARGIN,) * 2, resampling, box=box)
        levels = _softened(np.asarray(shrunk, np.float32), rng.uniform(*SOFTENING))
        if levels.std() > LEAST_DEVIATION:
            break
    return np.rint(np.clip(levels, 0, 255)).astype(np.uint8)


def names(test: bool, each: int) -> list[tuple[Photo, int]]:
    """Return the first `each` crops of every training or test photograph."""
    return [(photo, k) for photo in photos().values() if photo.is_test == test for k in range(each)]


@functools.lru_cache(maxsize=160)
def _picture(name: str) -> Image.Image:
    with Image.open(PHOTOS / f"{name}.jpg") as image:
        return image.convert("RGB")


def _softened(levels: np.ndarray, deviation: float) -> np.ndarray:
    """Blur by a Gaussian over 2 × _MARGIN + 1 pixels, and cut the margin off."""
    places = np.arange(-_MARGIN, _MARGIN + 1)
    kernel = np.exp(-0.5 * (places / deviation) ** 2)
    kernel /= kernel.sum()
    rows = sum(weight * levels[i : i + SIDE] for i, weight in enumerate(kernel))
    return np.asarray(sum(weight * rows[:, i : i + SIDE] for i, weight in enumerate(kernel)))
