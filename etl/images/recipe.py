"""Recipes of training sets: which images, in which splits, balanced and matched how, and what the audit bears."""

import re
from dataclasses import dataclass, field

from etl.images.audit import LIMIT, VIEWS

STRATEGIES = ("all", "random", "most-images", "stratified")
SPLIT_BY = ("generator_id", "root_model_id", "family", "time", "given")
MATCHED = ("format", "size", "quality", "bytes")
"""What strata may be made of: format, width and height, JPEG quality, bytes of the file."""
REENCODED = ("JPEG", "WEBP", "PNG")


@dataclass(frozen=True)
class TrainingSetSettings:
    """A recipe: which images make the training set, and how they are split."""

    root: str = "lake"
    """where the lake lies"""
    name: str = "demo"
    """the set's name; the same name with other rows becomes its next version"""
    seed: int = 1
    """decides every draw and the order of the rows"""
    where: list[str] = field(default_factory=list)
    """conditions in SQL that every image must meet, on any column of `images`, of its generator (`generators`),
    of its features (`image_features`), and on `collections`, the names of the sets that hold it; such as ["not
    coalesce(nsfw, false)", "array_contains(collections, 'photos') or label = 1"]"""
    fakes: list[str] = field(default_factory=list)
    """further conditions on fakes, such as ["architecture = 'LatDiff'"]"""
    reals: list[str] = field(default_factory=list)
    """further conditions on reals, such as ["real_source = 'photos'"]"""
    generators: int = 0
    """how many generators to take; 0: all"""
    strategy: str = "all"
    """how to choose them: `random`, `most-images`, or `stratified` (as many of each value of --stratify_by)"""
    stratify_by: str = "family"
    """column of `generators` that makes the strata"""
    min_images_per_generator: int = 1
    """generators with fewer images are left out"""
    max_images_per_generator: int = 500
    """fakes drawn from one generator at most"""
    max_reals_per_fake: float = 1.0
    """reals in a split at most, as a multiple of its fakes"""
    real_shares: dict[str, float] | None = None
    """share of each real source in the reals of every split; by default as they come"""
    split_by: str = "generator_id"
    """what never crosses splits: `generator_id`, `root_model_id` (whole lineages), `family`; `time` puts the
    newest generators into test; `given` takes the splits of --collection"""
    collection: str | None = None
    """the collection whose splits are taken"""
    val_fraction: float = 0.15
    """share of the generators, and of the reals, for validation"""
    test_fraction: float = 0.25
    """share of the generators, and of the reals, for testing"""
    match: list[str] = field(default_factory=list)
    """make reals and fakes equal in the distribution of these, in every split, by leaving out what has no
    counterpart: format, size, quality, bytes"""
    reencode: str | None = None
    """encode the images of both classes anew, alike: JPEG, WEBP or PNG; the lake keeps the original bytes"""
    reencode_size: int | None = None
    """resize the shorter edge to so many pixels and cut the middle square out before that"""
    reencode_quality: list[int] = field(default_factory=lambda: [75, 95])
    """quality of JPEG and WebP, drawn for each image from this range, as [low, high]"""
    rows: str = "encoded"
    """what the rows of the training split hold: `encoded`, the files; `resized`, their pixels with the shorter
    edge at --rows_size, so that training need not decode"""
    rows_size: int | None = None
    """that edge: 256 for detectors of 224 pixels, 440 for those of 384"""
    audit_limit: float = LIMIT
    """area under the ROC curve from which a classifier that sees only metadata fails the build"""
    accept: list[str] = field(default_factory=list)
    """shortcuts to accept by name: format, size, bytes, quality, metadata, all"""
    dry_run: bool = False
    """choose and audit, write nothing"""
    again: str | None = None
    """build NAME@VERSION once more from its record, and compare; takes no other key but --root"""

    def problems(self) -> list[str]:
        """Name what is wrong in these values."""
        found = []
        if not self.name.replace("-", "").replace("_", "").isalnum():
            found.append("--name may hold letters, digits, '-' and '_' only")
        if self.again is not None and not re.fullmatch(r"[\w-]+@\d+", self.again):
            found.append(f"--again must be NAME@VERSION, not '{self.again}'")
        if self.again is not None and self != TrainingSetSettings(root=self.root, again=self.again):
            found.append("--again builds by the recipe on record: it takes no other key but --root")
        found += self._problems_of_choice() + self._problems_of_splits() + self._problems_of_files()
        return found

    def _problems_of_choice(self) -> list[str]:
        found = []
        if self.max_images_per_generator < 1 or self.max_reals_per_fake <= 0:
            found.append("--max_images_per_generator and --max_reals_per_fake must be positive")
        if not 1 <= self.min_images_per_generator <= self.max_images_per_generator:
            found.append("--min_images_per_generator must lie in 1 … --max_images_per_generator")
        if not 0 <= self.seed < 2**31:
            found.append("--seed must lie in 0 … 2147483647")
        if self.strategy not in STRATEGIES:
            found.append(f"--strategy must be one of {', '.join(STRATEGIES)}; not {self.strategy}")
        if self.generators < 0 or (self.generators > 0) != (self.strategy != "all"):
            found.append("--generators says how many, and --strategy how: neither goes without the other")
        shares = self.real_shares
        if shares is not None and (min(shares.values(), default=0) <= 0 or abs(sum(shares.values()) - 1) > 1e-6):
            found.append("--real_shares must be positive and sum to 1")
        return found

    def _problems_of_splits(self) -> list[str]:
        found = []
        if min(self.val_fraction, self.test_fraction) <= 0 or self.val_fraction + self.test_fraction >= 1:
            found.append("--val_fraction and --test_fraction must be positive and leave a share for training")
        if self.split_by not in SPLIT_BY:
            found.append(f"--split_by must be one of {', '.join(SPLIT_BY)}; not '{self.split_by}'")
        if (self.split_by == "given") != (self.collection is not None):
            found.append("--split_by given needs --collection, and nothing else takes it")
        return found

    def _problems_of_files(self) -> list[str]:
        found = []
        if unknown := sorted(set(self.match) - set(MATCHED)):
            found.append(f"--match knows {', '.join(MATCHED)}; not {', '.join(unknown)}")
        if self.reencode is not None and self.reencode not in REENCODED:
            found.append(f"--reencode must be one of {', '.join(REENCODED)}; not '{self.reencode}'")
        if self.reencode_size is not None and (self.reencode is None or not 16 <= self.reencode_size <= 4096):
            found.append("--reencode_size must lie in 16 … 4096, and needs --reencode")
        quality = self.reencode_quality
        if not (len(quality) == 2 and 1 <= quality[0] <= quality[1] <= 100):
            found.append("--reencode_quality must be [low, high], with 1 ≤ low ≤ high ≤ 100")
        if self.rows not in ("encoded", "resized"):
            found.append(f"--rows must be encoded or resized; not '{self.rows}'")
        if (self.rows == "resized") != (self.rows_size is not None):
            found.append("--rows resized needs --rows_size, and nothing else takes it")
        if self.rows_size is not None and not 16 <= self.rows_size <= 4096:
            found.append("--rows_size must lie in 16 … 4096")
        if not 0.5 <= self.audit_limit <= 1:
            found.append("--audit_limit must lie in 0.5 … 1")
        if unknown := sorted(set(self.accept) - set(VIEWS)):
            found.append(f"--accept knows {', '.join(VIEWS)}; not {', '.join(unknown)}")
        return found
