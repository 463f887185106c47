"""Baselines that look at no pixel: chance, and a forest on the files' metadata. What does not beat them detects
nothing: a detector may have learnt the same shortcut.
"""

import hashlib
import io
import math
from collections.abc import Collection
from dataclasses import asdict
from typing import Any

import polars as pl
from PIL import Image

from etl.images import audit
from etl.images.decoding import FORMATS, properties
from etl.images.features.jpeg import jpeg_quality, jpeg_subsampling
from etl.lake import snapshot
from etl.lake.lock import table_lock
from etl.lake.schemas import PREDICTIONS
from training import scoring
from training.sets import TrainingSet
from training.targets import Target, encoded

PREFIX = "baseline:"
CHANCE = f"{PREFIX}chance"
_COLUMNS = {
    **dict.fromkeys(("format", "mode", "icc_profile", "jpeg_subsampling"), pl.String),
    **dict.fromkeys(("width", "height", "n_frames", "exif_orientation", "bit_depth", "jpeg_quality"), pl.Int64),
}


def metadata_of(training_set: TrainingSet) -> str:
    """Return the run id of the forest on a training set's metadata."""
    return f"{PREFIX}metadata:{training_set.label}"


def score(root: str, target: Target, training_set: TrainingSet, seed: int) -> list[str]:
    """Append the baselines' predictions of a target that are missing; return their run ids."""
    names = [CHANCE, metadata_of(training_set)]
    with table_lock(root, PREDICTIONS.name):
        for name in names:
            if scoring.predictions(root, target, name).height == target.examples.height:
                continue
            logits = _chance(target) if name == CHANCE else _metadata(root, target, training_set, seed)
            examples = {row["image_id"]: row for row in target.examples.iter_rows(named=True)}
            scoring.append(root, name, target.name, scoring.UNTRANSFORMED, examples, logits)
    return names


def described(image_id: str, data: bytes) -> dict[str, Any]:
    """Return what a file says of itself without its pixels; only the id where it is no file of an image."""
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            told = {"jpeg_quality": jpeg_quality(image), "jpeg_subsampling": jpeg_subsampling(image)}
            return {"image_id": image_id, **asdict(properties(image, data)), **told}
    except (OSError, ValueError, SyntaxError, EOFError, IndexError, Image.DecompressionBombError):
        return {"image_id": image_id}


def _chance(target: Target) -> dict[str, float]:
    """Return logits of probabilities that are drawn evenly by the image's id, and so are the same each time."""
    drawn = {}
    for image_id in target.examples["image_id"]:
        number = int.from_bytes(hashlib.sha256(f"chance/{image_id}".encode()).digest()[:8], "big")
        drawn[image_id] = _logit((number + 0.5) / 2**64)
    return drawn


def _metadata(root: str, target: Target, training_set: TrainingSet, seed: int) -> dict[str, float]:
    version = training_set.rows_version
    rows = snapshot.scan(root, training_set.table, version).filter(pl.col("split") == "train")
    train = rows.select("image_id", "label", "position").collect()
    train = train.sort("position").head(audit.MOST_ROWS)  # their order is a shuffle
    seen = _described(root, training_set.table, version, train["image_id"])
    # By id: the forest draws by row numbers.
    learnt = seen.join(train.select("image_id", "label"), on="image_id", how="inner").sort("image_id")
    judged = _described(root, target.table, target.version, target.examples["image_id"]).sort("image_id")
    scores = audit.probabilities(learnt, judged, seed)
    return dict(zip(judged["image_id"], map(_logit, scores), strict=True))


def _described(root: str, table: Any, version: int, ids: Collection[str]) -> pl.DataFrame:
    rows = [described(image_id, data) for image_id, data in encoded(root, table, version, ids)]
    return pl.DataFrame(rows, schema={"image_id": pl.String, **_COLUMNS})


def _logit(probability: float) -> float:
    kept = min(max(float(probability), 1e-6), 1 - 1e-6)
    return math.log(kept / (1 - kept))
