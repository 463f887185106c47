"""From an image's row back to the request that made it, proved by the request's id. Pure.

An id is the digest of all that its request says and of the models that it was made with. So what a row lacks can
be found among the values that it may have: only the right ones give the id that the row holds.
"""

from collections.abc import Iterator, Mapping
from itertools import product
from typing import Any

from generation.assignment import prompt_id
from generation.defaults import Defaults
from generation.families import CLASSES, DEFAULTS
from generation.plan import Generator, Request, request_id

Row = Mapping[str, Any]


def rebuilt(row: Row, record: Row, generator: Generator) -> Request | None:
    """Return the request whose id the row of `images` holds; None where what is known does not give that id.

    `record` is the image's line in its landing's records.jsonl, which says more than rows did once; empty where it
    is gone.
    """
    defaults = DEFAULTS.get(generator.pipeline_class)
    if defaults is None:
        return None
    candidates = _candidates({**row, **record}, defaults)
    return next((asked for asked in candidates if request_id(asked, generator) == row["request_id"]), None)


def why_not(record: Row, generator: Generator) -> str:
    """Return in words why no request could be rebuilt."""
    if generator.pipeline_class not in DEFAULTS:
        return f"{generator.pipeline_class or 'its pipeline class'} is not sampled"
    unknown = ["the revision of the adapter's base"] if generator.base else []
    if not record:
        unknown += ["its negative prompt"] if DEFAULTS[generator.pipeline_class].negative else []
        lost = "its row lacks what its landing's record held, and that is gone"
        return lost + (f": {' or '.join(unknown)}" if unknown else "")
    if unknown:
        return "its adapter's base has another revision now"
    return "neither its row nor its landing's record gives its request id: one of them was changed"


def _candidates(known: Row, defaults: Defaults) -> Iterator[Request]:
    """Yield every request that agrees with what is known of the image."""
    for label, negative, (width, height), scheduler, (format_, quality, subsampling) in product(
        _labels(known, defaults),
        _negatives(known, defaults),
        ((known["width"], known["height"]), (None, None)),
        (None, known["scheduler"]),  # the same class may be the model's own, or have replaced it
        _encodings(known),
    ):
        yield Request(
            request_id=known["request_id"],
            prompt_id=_key(known["prompt"], label),
            prompt=known["prompt"],
            negative_prompt=negative,
            class_label=label,
            seed=known["seed"],
            steps=known["steps"],
            guidance=known["guidance"],
            width=width,
            height=height,
            scheduler=scheduler,
            format=format_,
            quality=quality,
            subsampling=subsampling,
        )


def _labels(known: Row, defaults: Defaults) -> list[int] | list[None]:
    if defaults.conditioning != "class":
        return [None]
    return list(range(CLASSES)) if known["class_label"] is None else [known["class_label"]]


def _negatives(known: Row, defaults: Defaults) -> list[str | None]:
    """Null in a row is none, or not known: rows are older than the column."""
    if known["negative_prompt"] is not None:
        return [known["negative_prompt"]]
    return [None, defaults.neutral_negative] if defaults.neutral_negative else [None]


def _encodings(known: Row) -> list[tuple[str | None, int | None, str | None]]:
    """Return (format, quality, subsampling) as a request may hold them; all None is PNG."""
    if known["format"] == "PNG":
        return [(None, None, None)]
    return [(known["format"], known["quality"], known["subsampling"])]


def _key(prompt: str | None, label: int | None) -> str:
    if prompt is not None:
        return prompt_id(prompt)
    return "none" if label is None else f"class-{label}"
