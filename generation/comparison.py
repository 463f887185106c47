"""Comparing an image that was made again with the lake's: verdicts, what differs, and the table of all. Pure."""

import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
from PIL import Image

Row = Mapping[str, Any]


class Verdict(StrEnum):
    """What came of an attempt to make an image again."""

    SAME = "SAME"
    """The same bytes."""
    CLOSE = "CLOSE"
    """The same pixels, or pixels within the tolerance where something that they depend on is another now."""
    DIFFERENT = "DIFFERENT"
    UNAVAILABLE = "UNAVAILABLE"
    """The model cannot be had or run any more."""
    NOT_REPRODUCIBLE = "NOT_REPRODUCIBLE"
    """What is known of the image does not say how it was made."""

    @property
    def good(self) -> bool:
        return self in (Verdict.SAME, Verdict.CLOSE)


@dataclass(frozen=True)
class Result:
    """One image of the lake, and how making it again went."""

    image_id: str
    generator_id: str
    revision: str
    verdict: Verdict
    detail: str = ""
    largest: int | None = None
    """Largest difference of a pixel, of 255; None where there are not two images of one shape."""


def result(row: Row, verdict: Verdict, detail: str = "", largest: int | None = None) -> Result:
    """Return the result of the image in this row of `images`."""
    return Result(row["image_id"], row["generator_id"], row["model_revision"], verdict, detail, largest)


def compared(row: Row, record: Row, made: bytes, tolerance: int) -> Result:
    """Compare an image made again, and its landing's record, with the row of the lake."""
    others = differences(row, record)
    named = ", ".join(others)
    if hashlib.sha256(made).hexdigest() == row["image_id"]:
        return result(row, Verdict.SAME, named, 0)
    largest = distance(row["bytes"], made) if row["bytes"] else None
    if largest is None:
        return result(row, Verdict.DIFFERENT, "not of one shape, or the lake lacks the bytes")
    pixels = f"pixels differ by up to {largest} of 255" if largest else "the same pixels in another file"
    if largest > tolerance:
        return result(row, Verdict.DIFFERENT, f"{pixels}; {named or 'nothing that is recorded differs'}", largest)
    if largest and not others:
        why = "nothing that is recorded differs: another kind of processor, or a model that is not deterministic"
        return result(row, Verdict.DIFFERENT, f"{pixels}; {why}", largest)
    return result(row, Verdict.CLOSE, f"{pixels}; {named}" if named else pixels, largest)


def differences(row: Row, record: Row) -> list[str]:
    """Name what an image's bytes depend on that is another now, as `torch 2.8.0 → 2.9.1`."""
    before, now = json.loads(row["library_versions"] or "{}") or {}, record["library_versions"]
    pairs = [(name, before.get(name), now.get(name)) for name in sorted({*before, *now})]
    pairs += [(name, row[name], record[name]) for name in ("device", "dtype", "batch_size")]
    return [f"{name} {old or 'unknown'} → {new or 'none'}" for name, old, new in pairs if old != new]


def distance(one: bytes, other: bytes) -> int | None:
    """Return the largest difference of two images' pixels; None where their shapes differ."""
    first, second = (np.asarray(Image.open(io.BytesIO(content)), dtype=np.int16) for content in (one, other))
    return int(np.abs(first - second).max()) if first.shape == second.shape else None


def table(results: Sequence[Result]) -> list[str]:
    """Return the results as lines, one an image, and their totals."""
    ordered = sorted(results, key=lambda r: (r.generator_id, r.image_id))
    names = [f"{r.generator_id}@{r.revision[:8]}" for r in ordered]
    width = max(map(len, names), default=0)
    lines = [
        f"{r.verdict:<16}  {name:<{width}}  {r.image_id[:16]}  {r.detail}".rstrip()
        for name, r in zip(names, ordered, strict=True)
    ]
    counts = ", ".join(f"{sum(r.verdict is verdict for r in results)} {verdict}" for verdict in Verdict)
    generators = len({r.generator_id for r in results})
    return [*lines, f"verify: {len(results)} images of {generators} generators: {counts}"]
