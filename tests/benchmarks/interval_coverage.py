"""How often the 95 % intervals of an evaluation hold the truth, in worlds of clustered generators; their cost.

python tests/benchmarks/interval_coverage.py --worlds 2000
python tests/benchmarks/interval_coverage.py --seconds    # 200 generators, 100,000 images, 2,000 draws

A generator's fakes lie a normal distance above the reals, a distance of its own: so images of one generator are
alike. The truth of a metric is its mean over the worlds.
"""

import argparse
import time

import numpy as np
import polars as pl

from training import bootstrap, slices
from training.metrics import METRICS

SIZES = ((8, 40, 200), (15, 30, 400), (20, 30, 200), (40, 20, 1000))
"""Generators, fakes of each, reals."""


def world(seed: int, generators: int, fakes: int, reals: int, deviation: float = 0.5) -> slices.Images:
    """Return the images of one world."""
    random = np.random.default_rng(seed)
    distances = 1 + deviation * random.normal(size=(generators, 1))
    logits = [(distances + random.normal(size=(generators, fakes))).ravel(), random.normal(size=reals)]
    names = np.repeat([f"g{n:05d}" for n in range(generators)], fakes)
    rows = pl.DataFrame({
        "image_id": [f"{n:09d}" for n in range(generators * fakes + reals)],
        "label": [1] * generators * fakes + [0] * reals,
        "logit": np.concatenate(logits),
        "generator_id": [*names, *[None] * reals],
        "real_source": [*[None] * generators * fakes, *["photos"] * reals],
        "format": "PNG",
    })  # fmt: skip
    known = {"generator_id": sorted(set(names)), "family": "all", "architecture": "all"}
    return slices.images(rows, pl.DataFrame(known))


def coverage(worlds: int, size: tuple[int, int, int], draws: int) -> None:
    """Print the share of worlds whose intervals, of means over generators and of all images, hold the truth."""
    values, intervals = [], []
    for seed in range(worlds):
        images = world(seed, *size)
        parts = [part for part in slices.slices(images, "all") if part.kind in ("all", "generator")]
        found = bootstrap.figures(images, parts, None, False, seed, draws)
        chosen = [one for one in found if one.kind in ("all", "mean")]
        values.append([one.values for one in chosen])
        intervals.append([
            [one.interval(at) or (np.nan, np.nan) for at in range(len(METRICS))] for one in chosen
        ])  # fmt: skip
    truth, held = np.mean(values, axis=0), np.array(intervals)
    inside = ((held[..., 0] <= truth) & (truth <= held[..., 1])).mean(axis=0)
    print(f"{size[0]} generators x {size[1]} fakes, {size[2]} reals, {worlds} worlds:")
    for at, metric in enumerate(METRICS):
        if metric != "accuracy_at_threshold":
            print(f"  {metric:<20} all images {inside[0, at]:.3f}  mean over generators {inside[1, at]:.3f}")


def seconds() -> None:
    """Print how long the intervals of all slices take."""
    images = world(0, 200, 250, 50_000)
    start = time.perf_counter()
    bootstrap.figures(images, slices.slices(images, "all"), 0.3, False, 0, 2000)
    print(f"200 generators, 100,000 images, 2,000 draws: {time.perf_counter() - start:.1f} s")


def main() -> None:
    """Parse the arguments and measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--worlds", type=int, default=2000)
    parser.add_argument("--draws", type=int, default=1000)
    parser.add_argument("--seconds", action="store_true")
    arguments = parser.parse_args()
    if arguments.seconds:
        seconds()
        return
    for size in SIZES:
        coverage(arguments.worlds, size, arguments.draws)


if __name__ == "__main__":
    main()
