"""The shortcut audit: can a classifier tell real from fake by what is no content, such as the file's format?

If it can, a detector trained on the set may learn that instead. A forest of trees is trained on the training split
and tried on every split; on the training split itself by cross-validation. See Grommelt et al., "Fake or JPEG?
Revealing Common Biases in Generated Image Detection Datasets" (2024), for how much such biases feign.
"""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import chain

import numpy as np
import polars as pl
from numpy.typing import NDArray

LIMIT = 0.60
_PARTS = {
    "format": ("format",),
    "size": ("width", "height"),
    "bytes": ("byte_size",),
    "quality": ("jpeg_quality", "jpeg_subsampling"),
    "metadata": ("mode", "n_frames", "exif_orientation", "bit_depth", "icc_profile"),
}
_TOGETHER = [columns for view, columns in _PARTS.items() if view != "bytes"]
VIEWS: Mapping[str, tuple[str, ...]] = {**_PARTS, "all": tuple(chain.from_iterable(_TOGETHER))}
"""What a classifier may see, by name. `all` goes without the bytes: a file's bytes at a known size and quality
tell how much there is to see in it, and that is content."""
COLUMNS = tuple(chain.from_iterable(_PARTS.values()))
DEVIATIONS = 3.0
"""How far beyond chance a finding must lie: a build looks at some twenty."""
TREES = 30
FOLDS = 4
MOST_ROWS = 20_000
"""Rows of a split that are looked at; the error of an area under the curve is then below 0.005."""


@dataclass(frozen=True)
class Finding:
    """One view in one split: the area under the ROC curve with its 95 % interval, or why there is none."""

    view: str
    split: str
    auc: float | None
    low: float | None = None
    high: float | None = None
    n_real: int = 0
    n_fake: int = 0
    reason: str | None = None

    def exceeds(self, limit: float) -> bool:
        """Whether it is above the limit, and not by chance: a few images give any area now and then.

        By chance the area lies around 0.5 with a deviation of √((m + n + 1) / 12mn) (Mann and Whitney, 1947).
        """
        if self.auc is None or self.auc <= limit:
            return False
        deviation = math.sqrt((self.n_real + self.n_fake + 1) / (12 * self.n_real * self.n_fake))
        return self.auc - 0.5 > DEVIATIONS * deviation


def audit(rows: pl.DataFrame, seed: int) -> list[Finding]:
    """Return a finding for each view and split.

    `rows` has split, label (1 fake, 0 real) and the columns of VIEWS; null stands for what is not known.
    """
    splits = [split for split in ("train", "val", "test") if split in set(rows["split"])]
    return [finding for view, columns in VIEWS.items() for finding in _view(rows, view, columns, splits, seed)]


def failures(findings: Sequence[Finding], limit: float, accept: Collection[str]) -> list[Finding]:
    """Return the findings for which the build fails. Who accepts `all` accepts what its parts find together."""
    return [found for found in findings if found.exceeds(limit) and found.view not in accept]


def probabilities(train: pl.DataFrame, others: pl.DataFrame, seed: int) -> NDArray[np.float64]:
    """Return how probably each of `others` is fake, by a forest that saw the labels of `train` and the view `all`.

    What a detector must beat: no pixel was looked at. 0.5 where the training images are of one class.
    """
    if train["label"].n_unique() < 2:
        return np.full(others.height, 0.5)
    coded = _coded(pl.concat([part.select(VIEWS["all"]) for part in (train, others)], how="vertical_relaxed"))
    forest = _forest(seed, train.height).fit(coded[: train.height], train["label"].to_numpy())
    scores: NDArray[np.float64] = forest.predict_proba(coded[train.height :])[:, 1]
    return scores


def as_dicts(findings: Sequence[Finding]) -> list[dict[str, object]]:
    """Return the findings as they are recorded."""
    return [asdict(found) for found in findings]


def report(findings: Sequence[Finding]) -> list[str]:
    """Return the findings as lines, a view each."""
    lines = []
    for view in VIEWS:
        of_view = [found for found in findings if found.view == view]
        told = "  ".join(f"{found.split} {_told(found)}" for found in of_view)
        lines.append(f"  {view:<9} {told}")
    return lines


def _told(found: Finding) -> str:
    return f"- ({found.reason})" if found.auc is None else f"{found.auc:.2f} [{found.low:.2f}, {found.high:.2f}]"


def _view(
    rows: pl.DataFrame, view: str, columns: Sequence[str], splits: Sequence[str], seed: int
) -> list[Finding]:
    known = [column for column in columns if rows[column].null_count() < rows.height]
    if not known:
        return [Finding(view, split, None, reason="not described") for split in splits]
    seen, labels = _coded(rows.select(known)), rows["label"].to_numpy()
    # The same of every image: folds of unequal classes would feign a difference.
    constant = not np.ptp(seen, axis=0).any()
    of_split = {split: (rows["split"] == split).to_numpy() for split in splits}
    train = of_split.get("train", np.ones(rows.height, dtype=bool))
    found = []
    for split, here in of_split.items():
        if len(set(labels[here])) < 2:
            found.append(Finding(view, split, None, reason="one class"))
        elif constant:
            found.append(_finding(view, split, labels[here], np.zeros(here.sum())))
        elif split == "train" or len(set(labels[train])) < 2:
            scores = _cross_validated(seen[here], labels[here], seed)
            found.append(_finding(view, split, labels[here], scores))
        else:
            scores = (
                _forest(seed, int(train.sum())).fit(seen[train], labels[train]).predict_proba(seen[here])[:, 1]
            )
            found.append(_finding(view, split, labels[here], scores))
    return found


def _coded(columns: pl.DataFrame) -> NDArray[np.float64]:
    """Return the columns as numbers: words by the order of their names, null as -1."""
    coded = []
    for column in columns:
        if column.dtype == pl.String:
            order = {word: number for number, word in enumerate(sorted(set(column.drop_nulls())))}
            coded.append([-1.0 if word is None else float(order[word]) for word in column])
        else:
            coded.append(column.cast(pl.Float64).fill_null(-1.0).to_list())
    return np.array(coded, dtype=np.float64).T


def _forest(seed: int, rows: int):  # type: ignore[no-untyped-def]
    from sklearn.ensemble import RandomForestClassifier

    # Leaves that grow with the set keep the forest from learning single files by heart.
    leaf = max(2, rows // 200)
    return RandomForestClassifier(TREES, min_samples_leaf=leaf, random_state=seed, class_weight="balanced")


def _cross_validated(seen: NDArray[np.float64], labels: NDArray[np.int_], seed: int) -> NDArray[np.float64]:
    from sklearn.model_selection import StratifiedKFold, cross_val_predict

    folds = min(FOLDS, int(min(labels.sum(), len(labels) - labels.sum())))
    if folds < 2:  # a class of one image: nothing can be held out
        return np.full(len(labels), 0.5)
    parts = StratifiedKFold(folds, shuffle=True, random_state=seed)
    forest = _forest(seed, len(labels))
    scores: NDArray[np.float64] = cross_val_predict(forest, seen, labels, cv=parts, method="predict_proba")[:, 1]
    return scores


def _finding(view: str, split: str, labels: NDArray[np.int_], scores: NDArray[np.float64]) -> Finding:
    """Return the area under the curve with Hanley and McNeil's interval (Radiology 143, 1982)."""
    from sklearn.metrics import roc_auc_score

    auc = float(roc_auc_score(labels, scores))
    fakes, reals = int(labels.sum()), int(len(labels) - labels.sum())
    two_fakes, two_reals = auc / (2 - auc), 2 * auc**2 / (1 + auc)
    spread = (fakes - 1) * (two_fakes - auc**2) + (reals - 1) * (two_reals - auc**2)
    error = math.sqrt(max(auc * (1 - auc) + spread, 0.0) / (fakes * reals))
    return Finding(view, split, auc, max(0.0, auc - 1.96 * error), min(1.0, auc + 1.96 * error), reals, fakes)
