"""Configurations of training's commands."""

from dataclasses import dataclass

from etl.lake.lock import is_local


@dataclass(frozen=True)
class TrainSettings:
    """Which training set to learn, by which detector, and how long."""

    root: str = "lake"
    """Folder of the lake"""
    training_set: str = "demo"
    """Name of the training set"""
    version: int | None = None
    """Version of the training set; by default its newest"""
    detector: str = "resnet10t"
    """resnet10t, vit_tiny, vit_small_224, vit_small_384, or test_resnet and test_vit to try things"""
    weights: str | None = None
    """Safetensors file with weights to start from; by default random ones"""
    epochs: int = 3
    """Passes over the training split"""
    batch_size: int = 32
    """Images a step"""
    learning_rate: float = 1e-3
    """Peak learning rate; 2e-5 suits pretrained ViTs"""
    weight_decay: float = 1e-2
    """AdamW's weight decay"""
    warmup_fraction: float = 0.2
    """Share of the training over which the learning rate rises; a cosine follows"""
    seed: int = 42
    """Seed of weights, order and augmentation"""
    workers: int = 0
    """Processes that read and augment; with 0 a thread of this process does"""
    device: str = "auto"
    """auto, cpu, or a CUDA device such as cuda:0"""
    experiment: str = "detectors"
    """MLflow experiment that the run belongs to"""
    deadline_seconds: float = 300.0
    """Longest wait for one batch before the loader counts as stalled"""

    def problems(self) -> list[str]:
        """Name the values that are out of range."""
        rules = {
            "root must be a folder of this machine, since MLflow's SQLite file lies in it": is_local(self.root),
            "epochs must be 1 or more": self.epochs >= 1,
            "batch_size must be 1 or more": self.batch_size >= 1,
            "learning_rate must be above 0": self.learning_rate > 0,
            "weight_decay must be 0 or more": self.weight_decay >= 0,
            "warmup_fraction must be from 0 up to, not including, 1": 0 <= self.warmup_fraction < 1,
            "seed must be 0 or more": self.seed >= 0,
            "workers must be 0 or more": self.workers >= 0,
            "deadline_seconds must be above 0": self.deadline_seconds > 0,
            "weights must name a .safetensors file": (self.weights or ".safetensors").endswith(".safetensors"),
        }
        return [problem for problem, holds in rules.items() if not holds]


@dataclass(frozen=True)
class EvaluateSettings:
    """Which detector run to judge, on which training set's test images."""

    root: str = "lake"
    """Folder of the lake"""
    training_set: str = "demo"
    """Name of the training set whose test split is scored"""
    version: int | None = None
    """Version of the training set; by default its newest"""
    run_id: str | None = None
    """MLflow run of the detector; by default the newest finished run of that training set"""
    batch_size: int = 64
    """Images scored at once"""
    workers: int = 0
    """Processes that read and decode; with 0 a thread of this process does"""
    device: str = "auto"
    """auto, cpu, or a CUDA device such as cuda:0"""
    bootstrap_draws: int = 2000
    """Resamples of the generators behind the interval of a mean"""
    seed: int = 0
    """Seed of those resamples"""
    deadline_seconds: float = 300.0
    """Longest wait for one batch before the loader counts as stalled"""

    def problems(self) -> list[str]:
        """Name the values that are out of range."""
        rules = {
            "root must be a folder of this machine, since MLflow's SQLite file lies in it": is_local(self.root),
            "batch_size must be 1 or more": self.batch_size >= 1,
            "workers must be 0 or more": self.workers >= 0,
            "bootstrap_draws must be 1 or more": self.bootstrap_draws >= 1,
            "seed must be 0 or more": self.seed >= 0,
            "deadline_seconds must be above 0": self.deadline_seconds > 0,
        }
        return [problem for problem, holds in rules.items() if not holds]


@dataclass(frozen=True)
class MlflowSettings:
    """Where MLflow's interface listens; always on the loopback, since it has no login."""

    root: str = "lake"
    """Folder of the lake"""
    port: int = 5000
    """Port on 127.0.0.1"""

    def problems(self) -> list[str]:
        """Name the values that are out of range."""
        rules = {
            "root must be a folder of this machine, since MLflow's SQLite file lies in it": is_local(self.root),
            "port must be from 1 to 65535": 1 <= self.port <= 65535,
        }
        return [problem for problem, holds in rules.items() if not holds]
