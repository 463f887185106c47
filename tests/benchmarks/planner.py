"""How long a choice from a large catalogue takes, and in how much memory: one strategy a process.

python tests/benchmarks/planner.py diverse --candidates 1000000 --generators 5000
"""

import argparse
import resource
import time

import numpy as np
import polars as pl

from etl.models.families import PIPELINES
from etl.statistics.diversity import effective_number
from generation.budget import BUILDS, take, with_costs
from generation.families import DEFAULTS
from generation.selection import STRATEGIES, ranked, with_known_roots


def catalogue(size: int, seed: int = 0) -> pl.DataFrame:
    """Return eligible generators with the tails of the Hub: few classes and bases have most of the descendants."""
    rng = np.random.default_rng(seed)
    classes = np.array(list(DEFAULTS))
    of_class = np.minimum(rng.zipf(1.7, size) - 1, len(classes) - 1)
    base = rng.zipf(1.3, size) % 20_000
    is_own_root = rng.random(size) < 0.3
    ids = np.array([f"user{i % (size // 7 + 1)}/model-{i}" for i in range(size)])
    roots = np.where(is_own_root, ids, np.char.add(classes[of_class], np.char.add("/base-", base.astype(str))))
    released = np.datetime64("2022-09-01") + rng.integers(0, 1400, size).astype("timedelta64[D]")
    families = np.array([PIPELINES[name].family for name in DEFAULTS])
    nominal = np.array([sum(BUILDS.get(family, (3, 3))[:2]) * 2e9 for family in families])
    return pl.DataFrame(
        {
            "generator_id": ids,
            "family": families[of_class],
            "pipeline_class": classes[of_class],
            "root_model_id": roots,
            "root_certain": ~is_own_root & (base < 50),
            "lineage_depth": np.where(is_own_root, 0, rng.geometric(0.7, size)).astype(np.int32),
            "licence": np.char.add("licence-", np.minimum(rng.zipf(1.5, size), 300).astype(str)),
            "scheduler": np.char.add("scheduler-", np.minimum(rng.zipf(1.8, size), 25).astype(str)),
            "weight_bytes": (nominal[of_class] * rng.choice([1, 2], size)).astype(np.int64),
            "download_bytes": (nominal[of_class] * rng.choice([1, 2], size)).astype(np.int64),
            "downloads": rng.zipf(1.4, size).clip(max=10**9),
            "released_at": released.astype("datetime64[us]"),
        }
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("strategy", choices=STRATEGIES)
    parser.add_argument("--candidates", type=int, default=1_000_000)
    parser.add_argument("--generators", type=int, default=5_000)
    asked = parser.parse_args()
    made = catalogue(asked.candidates)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    started = time.perf_counter()
    candidates = with_costs(with_known_roots(made), 100, 120.0)
    taken = take(ranked(candidates, asked.strategy, ["family", "root_model_id"], 1), asked.generators, [])
    seconds = time.perf_counter() - started
    kinds = {
        column: effective_number(candidates[taken.rows][column].value_counts()["count"].to_list())
        for column in ("family", "root_model_id", "licence", "scheduler")
    }
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    shown = ", ".join(f"{column} {number:.1f}" for column, number in kinds.items())
    print(
        f"{asked.strategy}: {len(taken.rows)} of {candidates.height} in {seconds:.1f} s, "
        f"peak {peak:.2f} GB ({before:.2f} GB before); effective numbers: {shown}"
    )


if __name__ == "__main__":
    main()
