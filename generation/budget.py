"""What sampling a generator costs, estimated before any download, and what of it a budget allows. Pure.

Seconds of GPU for one image, an estimate:

    (2 · parameters of the denoiser · (px / stride)² · steps · passes + decoding · px²) / (gpu_tflops · 10¹²)

Every position of the picture goes through the denoiser's weights, at two operations a weight. In a transformer a
position is a patch, 16 pixels across in most latent models; a UNet uses each weight at one of several resolutions,
which comes to a wider stride. The strides were counted, attention included, by torch's FlopCounterMode on the
published configurations at the default size. Steps and px are the class's defaults: with `generate --steps` or
`--size`, and for models distilled to fewer steps, the cost is another. A step is two passes where classifier-free
guidance is at work.

`gpu_tflops` is what a GPU does in earnest. Its default, 120, comes from a published timing: SDXL, 30 steps at 1024
px in bfloat16 with PyTorch's attention, took 3.31 s on an A100 (diffusers 0.25, "Accelerate inference of
text-to-image diffusion models"), which is 416 · 10¹² operations by this formula. To calibrate, compare
`plans.gpu_seconds` with `generation_attempts.seconds` and scale it. Text encoders, checks and writing are not
counted; expect a factor of two either way, and more for small models, which keep a large GPU less busy.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import polars as pl

from etl.models.families import PIPELINES
from generation.defaults import Defaults
from generation.families import DEFAULTS


class Build(NamedTuple):
    """How the published models of a family are built."""

    denoiser: float
    """10⁹ parameters of the UNet or transformer."""
    others: float
    """10⁹ parameters of text encoders and autoencoder."""
    stride: float
    """Pixels, across, to one position of the denoiser."""
    px: int = 256
    """Side of the image where the class has no default."""


BUILDS: dict[str, Build] = {
    "SD 1.x": Build(0.86, 0.21, 23.7),
    "LCM": Build(0.86, 0.21, 23.7),
    "SDXL": Build(2.57, 0.90, 28.2),
    "Kolors": Build(2.58, 6.3, 28.2),  # SDXL's UNet
    "SD 3": Build(2.03, 5.66, 21.9),
    "Flux": Build(11.9, 4.97, 18.3),
    "Chroma": Build(8.9, 4.85, 15.8),
    "PixArt": Build(0.61, 4.85, 13.9),
    "Sana": Build(1.6, 2.93, 33.7),
    "Lumina": Build(2.61, 2.70, 16.0),  # not counted
    "AuraFlow": Build(6.83, 1.31, 18.1),
    "HunyuanDiT": Build(1.52, 2.10, 14.9),
    "CogView": Build(6.37, 9.5, 15.2),
    "Z-Image": Build(6.15, 4.1, 16.0),  # not counted
    "Qwen-Image": Build(20.4, 8.4, 16.0),  # not counted
    "DiT": Build(0.75, 0.08, 20.4),
    "DDPM": Build(0.114, 0.0, 5.5),
    "LDM": Build(0.274, 0.055, 13.3),
}
"""Parameters as published, strides as above."""
_UNLISTED = Build(1.0, 1.0, 16.0)
"""Of any other family: half of the parameters, in 16 bits, are a transformer over patches of 16 pixels. Rough."""

_DECODING = 1e7
"""Operations a pixel of the autoencoder of Stable Diffusion, counted; the others are much like it."""
_START_SECONDS = 20.0
"""Imports and start of a model's process, which holds its GPU meanwhile (measured: 14 to 16 on a CPU)."""
_LOAD_BYTES_A_SECOND = 1e9
"""From disk to GPU, assumed."""


def with_costs(candidates: pl.DataFrame, images: int, gpu_tflops: float) -> pl.DataFrame:
    """Return `candidates` with `download_bytes` and `gpu_seconds` for `images` of each; null where unknown.

    A row without `download_bytes` is taken to download all its `weight_bytes`. The catalogue does not say in which
    precision weights are stored, so it is whichever of 8, 16 and 32 bits makes the parameters most like those of
    the family's published model; a model of twice their size may so be taken for one in twice the precision.
    """
    bytes_ = pl.coalesce("download_bytes", "weight_bytes").cast(pl.Int64)
    likeness = bytes_ / pl.col("nominal")
    width = pl.when(likeness < 2**0.5).then(1).when(likeness > 2**1.5).then(4).otherwise(2)
    an_image = (bytes_ / width * pl.col("a_parameter") + pl.col("decoding")) / (gpu_tflops * 1e12)
    start = _START_SECONDS + bytes_ / _LOAD_BYTES_A_SECOND
    joined = candidates.join(_by_class(), on="pipeline_class", how="left", maintain_order="left")
    costs = joined.with_columns(download_bytes=bytes_, gpu_seconds=start + images * an_image)
    return costs.select(*candidates.columns, "gpu_seconds")


def _by_class() -> pl.DataFrame:
    """One row a class: parameters of a pipeline, operations for an image by parameter, and for decoding it."""
    rows = []
    for name, defaults in DEFAULTS.items():
        build = BUILDS.get(PIPELINES[name].family, _UNLISTED)
        px = defaults.px or build.px
        share = build.denoiser / (build.denoiser + build.others)
        passes = defaults.steps * (2 if _is_guided(defaults) else 1)
        rows.append(
            {
                "pipeline_class": name,
                "nominal": (build.denoiser + build.others) * 1e9 if build is not _UNLISTED else None,
                "a_parameter": 2 * share * (px / build.stride) ** 2 * passes,
                "decoding": _DECODING * px**2 if build.others else 0.0,
            }
        )
    return pl.DataFrame(rows)


def _is_guided(defaults: Defaults) -> bool:
    """Whether a step is two passes; without a negative prompt guidance is mostly distilled into the model."""
    return defaults.guidance is not None and (defaults.negative or defaults.conditioning != "prompt")


@dataclass(frozen=True)
class Limit:
    """A budget: the most that all chosen may cost together, and what each candidate costs (NaN: unknown)."""

    name: str
    most: float
    costs: np.ndarray


@dataclass(frozen=True)
class Taken:
    """What a budget allowed: row numbers in the order taken, and how often each limit kept a candidate out."""

    rows: list[int]
    refused: Counter[str]
    exhausted: str | None
    """The limit that has no room for even the cheapest candidate, where one ended the walk."""


def take(order: Iterable[int], wanted: int, limits: Sequence[Limit]) -> Taken:
    """Walk `order` and take up to `wanted` candidates, each that fits all limits with those taken before.

    One that does not fit is passed over, and a later one may fit. An unknown cost never fits.
    """
    used = [0.0] * len(limits)
    least = [float(np.fmin.reduce(limit.costs, initial=np.inf)) for limit in limits]
    rows: list[int] = []
    refused: Counter[str] = Counter()
    if not wanted:
        return Taken(rows, refused, None)
    for row in order:
        full = [limit.name for limit, u, low in zip(limits, used, least, strict=True) if u + low > limit.most]
        if full:
            return Taken(rows, refused, full[0])
        over = [lim.name for lim, u in zip(limits, used, strict=True) if not u + lim.costs[row] <= lim.most]
        refused.update(over)
        if over:
            continue
        rows.append(row)
        used = [u + float(limit.costs[row]) for limit, u in zip(limits, used, strict=True)]
        if len(rows) == wanted:
            break
    return Taken(rows, refused, None)
