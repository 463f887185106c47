"""In which order to take generators: strategies over the candidates of the catalogue. Pure.

A candidate is a row of `generators`. A strategy yields the numbers of their rows, the first to take first, so that
the first N are the choice of N, and a larger N only adds to a smaller one. The result depends on the rows and the
seed alone, not on their order: each generator draws a lot from the seed and its id, and ties go by lot and id. At
random and by strata, a catalogue that grew a little therefore gives nearly the same choice.
"""

import hashlib
import json
from collections.abc import Iterator, Sequence

import numpy as np
import polars as pl

STRATEGIES = ("most-downloaded", "random", "stratified", "diverse")
STRATA = ("family", "root_model_id", "licence", "architecture", "pipeline_class")
KINDS = ("family", "pipeline_class", "root_model_id", "licence", "scheduler")
"""What sets generators apart by being the same or not. Null is a kind of its own."""
SIZES = ("bytes", "released", "depth")
"""What sets them apart by how much: log2 of the download, day of release, steps from the root."""
CENTRES = 10_000
"""How many are chosen for being unlike all before; each takes one pass over the candidates."""


def ranked(candidates: pl.DataFrame, strategy: str, strata: Sequence[str], seed: int) -> Iterator[int]:
    """Yield every row number of `candidates` once, in the order in which `strategy` takes them.

    Raises ValueError for a strategy that does not exist.
    """
    lots = [_lot(seed, generator_id) for generator_id in candidates["generator_id"]]
    drawn = candidates.with_row_index("row").with_columns(lot=pl.Series(lots, dtype=pl.UInt64))
    drawn = drawn.sort("lot", "generator_id")
    match strategy:
        case "most-downloaded":
            yield from drawn.sort("downloads", "generator_id", descending=[True, False], nulls_last=True)["row"]
        case "random":
            yield from drawn["row"]
        case "stratified":
            yield from _stratified(drawn, strata, seed)["row"]
        case "diverse":
            rows = drawn["row"].to_numpy()
            yield from (int(rows[place]) for place in _diverse(drawn))
        case _:
            raise ValueError(f"there is no strategy '{strategy}'")


def with_known_roots(candidates: pl.DataFrame) -> pl.DataFrame:
    """Return `candidates` with a null root where it says no more than that the model declares no base.

    Such a model is its own root without certainty. 100,000 of them would otherwise be 100,000 lineages, each as
    unlike the others as Flux and SDXL are. A root that several share is kept: its descendants do belong together.
    """
    shared = pl.len().over("root_model_id") > 1
    known = pl.col("root_certain").fill_null(False) | shared
    return candidates.with_columns(root_model_id=pl.when(known).then("root_model_id"))


def _lot(seed: int, text: str) -> int:
    """Return a number of 64 bits. Taking the lowest lots is drawing uniformly without replacement."""
    return int.from_bytes(hashlib.sha256(f"{seed}/{text}".encode()).digest()[:8])


def _stratified(drawn: pl.DataFrame, strata: Sequence[str], seed: int) -> pl.DataFrame:
    """Take one of every stratum by lot, then a second of every stratum that has one, and so on.

    Every prefix is the equal allocation with water-filling: small strata give all they have and the others share
    what is left. Equal and not proportional, since the catalogue is dominated by a few families (of the generators
    of Park & Owens 99.7 % are latent diffusion), and what a detector misses are the kinds that it never saw.
    The strata's own order is drawn by lot too, which decides where N is below their number.
    """
    labels = drawn.select(strata).unique()
    lots = [_lot(seed, json.dumps(label)) for label in labels.rows()]
    turns = labels.with_columns(stratum_lot=pl.Series(lots, dtype=pl.UInt64))
    numbered = drawn.with_columns(turn=pl.int_range(pl.len()).over(strata))
    joined = numbered.join(turns, on=list(strata), how="left", nulls_equal=True)
    return joined.sort("turn", "stratum_lot", "lot", "generator_id")


def _diverse(drawn: pl.DataFrame) -> Iterator[int]:
    """Yield places in `drawn`: each time the one whose nearest of those taken before is the farthest.

    Greedy k-center (Gonzalez 1985), whose largest distance from any candidate to its nearest choice is at most
    twice the least possible. Facility location would sum the distances instead of taking the largest, so that it
    follows the crowd; here the rare kinds are to be covered. The distance is Gower's: one for each of KINDS that
    differs, and up to one for each of SIZES. Candidates that agree in all of them are one profile; a second of a
    profile comes after every profile, and after CENTRES all that is left comes by lot.
    """
    profiles = _profiles(drawn)
    first = profiles.filter(pl.col("turn") == 0)
    kinds = first.select(KINDS).to_numpy().T.astype(np.int32, order="C")
    sizes = first.select(SIZES).to_numpy().T.astype(np.float32, order="C")
    places = first["place"].to_numpy()
    taken = np.zeros(drawn.height, dtype=bool)
    for centre in _centres(kinds, sizes):
        taken[places[centre]] = True
        yield int(places[centre])
    left = profiles.filter(~pl.Series(taken)).sort("turn", "place")
    yield from left["place"]


def _profiles(drawn: pl.DataFrame) -> pl.DataFrame:
    """Return place, KINDS as codes, SIZES in 0 … 1, and the turn within the profile, of every candidate."""
    day = pl.col("released_at").dt.epoch("s") / 86_400
    features = drawn.select(
        *[pl.col(kind).rank("dense").fill_null(0).cast(pl.Int32).alias(kind) for kind in KINDS],
        _scaled(pl.col("download_bytes").clip(lower_bound=1).log(2)).alias("bytes"),
        _scaled(day).alias("released"),
        _scaled(pl.col("lineage_depth")).alias("depth"),
    ).with_row_index("place")
    return features.with_columns(turn=pl.int_range(pl.len()).over(*KINDS, *SIZES))


def _scaled(value: pl.Expr) -> pl.Expr:
    """Return `value` from 0 to 1 in steps of a hundredth; the outer 1 % are clipped, unknown is the median."""
    known = value.cast(pl.Float64).fill_null(value.median()).fill_null(0.0)
    low, high = known.quantile(0.01), known.quantile(0.99)
    return pl.when(high > low).then(((known - low) / (high - low)).clip(0, 1).round(2)).otherwise(0.0)


def _centres(kinds: np.ndarray, sizes: np.ndarray) -> Iterator[int]:
    """Yield the first CENTRES columns of the farthest-first traversal from column 0.

    `kinds` is features × profiles of codes, `sizes` features × profiles in 0 … 1. Ties go to the first column.
    """
    count = kinds.shape[1]
    nearest = np.full(count, np.inf, dtype=np.float32)
    centre = 0
    for _ in range(min(count, CENTRES)):
        yield centre
        distance = np.zeros(count, dtype=np.float32)
        for feature in kinds:
            distance += feature != feature[centre]
        for feature in sizes:
            distance += np.abs(feature - feature[centre])
        np.minimum(nearest, distance, out=nearest)
        nearest[centre] = -1.0
        centre = int(nearest.argmax())
