"""Configurations of the commands that judge detectors, ask them, or hand them on."""

from dataclasses import dataclass, field

from training.mlflow_server import NEEDS_SERVER, has_place

POOLS = ("all", "matched", "paired")
FORMATS = ("table", "csv", "json")


@dataclass(frozen=True)
class EvaluateSettings:
    """Which detector run to judge, on which images, against which reals."""

    root: str = "lake"
    """Folder of the lake"""
    training_set: str = "demo"
    """Training set whose test split is scored, and whose newest run is judged, unless others are named"""
    version: int | None = None
    """Version of the training set; by default its newest"""
    run: str | None = None
    """MLflow run of the detector, or the name under which it is registered; by default the newest finished run of
    that training set"""
    run_id: str | None = None
    """The same as run"""
    collection: str | None = None
    """Images to judge: a collection of the lake, or NAME@VERSION/SPLIT of a training set"""
    transforms: list[str] = field(default_factory=list)
    """Degradations to judge under as well, by name; [all] takes all there are"""
    pool: str = "all"
    """Reals that a generator's fakes are judged against: all of the collection, matched (of the data sets that its
    fakes were made after) or paired (those that the collection sets beside it)"""
    balanced: bool = False
    """Let the reals weigh as much as the fakes that they are judged with"""
    batch_size: int = 64
    """Images scored at once"""
    workers: int = 0
    """Processes that read and decode (threads, for a collection); with 0 a thread of this process does"""
    device: str = "auto"
    """auto, cpu, or a CUDA device such as cuda:0"""
    bootstrap_draws: int = 2000
    """Draws of generators and images behind the intervals"""
    seed: int = 0
    """Seed of those draws"""
    deadline_seconds: float = 300.0
    """Longest wait for one batch before the loader counts as stalled"""

    @property
    def chosen_run(self) -> str | None:
        return self.run or self.run_id

    def problems(self) -> list[str]:
        """Name the values that are out of range."""
        rules = {
            NEEDS_SERVER: has_place(self.root),
            "run and run_id must not name two runs": not (self.run and self.run_id) or self.run == self.run_id,
            "pool must be all, matched or paired": self.pool in POOLS,
            "batch_size must be 1 or more": self.batch_size >= 1,
            "workers must be 0 or more": self.workers >= 0,
            "bootstrap_draws must be 1 or more": self.bootstrap_draws >= 1,
            "seed must be 0 or more": self.seed >= 0,
            "deadline_seconds must be above 0": self.deadline_seconds > 0,
        }
        return [problem for problem, holds in rules.items() if not holds]


@dataclass(frozen=True)
class CompareSettings:
    """Which two runs to compare, on which images that both have scored."""

    root: str = "lake"
    """Folder of the lake"""
    runs: list[str] = field(default_factory=list)
    """Two MLflow runs or registered detectors, as [A, B]; baseline:NAME is one too"""
    collection: str = ""
    """Collection, or NAME@VERSION/SPLIT of a training set, on which `forensics evaluate` has judged both"""
    transform: str = "none"
    """Degradation under which both were scored"""
    pool: str = "all"
    """Reals that a generator's fakes are judged against: all, matched or paired"""
    balanced: bool = False
    """Let the reals weigh as much as the fakes that they are judged with"""
    format: str = "table"
    """table, csv or json (one object a line)"""
    flipped: bool = False
    """Print the images whose verdicts differ instead of the differences by generator"""
    bootstrap_draws: int = 2000
    """Draws of generators and images behind the intervals"""
    seed: int = 0
    """Seed of those draws"""

    def problems(self) -> list[str]:
        """Name the values that are out of range."""
        rules = {
            "runs must name two different runs, as --runs '[A, B]'": len(set(self.runs)) == len(self.runs) == 2,
            "collection must name what both runs were evaluated on": bool(self.collection),
            "pool must be all, matched or paired": self.pool in POOLS,
            "format must be table, csv or json": self.format in FORMATS,
            "bootstrap_draws must be 1 or more": self.bootstrap_draws >= 1,
            "seed must be 0 or more": self.seed >= 0,
        }
        return [problem for problem, holds in rules.items() if not holds]


@dataclass(frozen=True)
class ScoreSettings:
    """Which detector to ask, and how its answers are to be read."""

    root: str = "lake"
    """Folder of the lake that holds the run"""
    model: str = ""
    """Name under which MLflow registered it (the newest version, or NAME@VERSION), a run, a folder with
    model.safetensors and config.json, or owner/name[@revision] of the Hub, as the paper's detectors; by default
    the newest finished run of the training set"""
    training_set: str = "demo"
    """Training set whose newest run is taken where no model is named"""
    paths: list[str] = field(default_factory=list)
    """Files, folders, or lake:NAME for a collection or NAME@VERSION/SPLIT; they may stand before the options;
    a single - reads one a line from the standard input, and answers each at once"""
    heat_map: int = 0
    """Cells of one side of a map of what drove each score: covering a cell changes the logit by so much; 0 for no
    map. It takes a score a cell, and needs --format json"""
    operating_point: str | None = None
    """balanced, fpr_0.01, fpr_0.05 (fixed on the run's validation images by `forensics evaluate`), or zero (logit
    0); by default balanced, and zero where it is not known"""
    abstain: str | None = None
    """fnr_0.01 or fnr_0.05: between that point and the operating point the verdict is abstain"""
    format: str = "table"
    """table, csv or json (one object a line)"""
    batch_size: int = 32
    """Images scored at once"""
    workers: int = 1
    """Threads that decode"""
    device: str = "auto"
    """auto, cpu, or a CUDA device such as cuda:0"""
    deadline_seconds: float = 300.0
    """Longest wait for one batch before reading counts as stalled"""

    def problems(self) -> list[str]:
        """Name the values that are out of range."""
        points = ("balanced", "fpr_0.01", "fpr_0.05", "zero")
        rules = {
            f"operating_point must be one of {', '.join(points)}": self.operating_point in (None, *points),
            "abstain must be fnr_0.01 or fnr_0.05": self.abstain in (None, "fnr_0.01", "fnr_0.05"),
            "format must be table, csv or json": self.format in FORMATS,
            "heat_map must lie between 2 and 32, or be 0": self.heat_map == 0 or 2 <= self.heat_map <= 32,
            "heat_map needs format json": self.heat_map == 0 or self.format == "json",
            "batch_size must be 1 or more": self.batch_size >= 1,
            "workers must be 1 or more": self.workers >= 1,
            "deadline_seconds must be above 0": self.deadline_seconds > 0,
        }
        return [problem for problem, holds in rules.items() if not holds]


@dataclass(frozen=True)
class ExportDetectorSettings:
    """Which detector to write as an ONNX file, and where."""

    root: str = "lake"
    """Folder of the lake that holds the run"""
    model: str = ""
    """Name under which MLflow registered it (or NAME@VERSION), a run, a folder with model.safetensors and
    config.json, or owner/name[@revision] of the Hub"""
    to: str = ""
    """Folder for model.onnx and config.json"""

    def problems(self) -> list[str]:
        """Name the values that are missing."""
        rules = {
            "model must name the detector to export": bool(self.model),
            "to must name a folder": bool(self.to),
        }
        return [problem for problem, holds in rules.items() if not holds]
