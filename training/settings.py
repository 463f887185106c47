"""Configurations of training's commands."""

from dataclasses import dataclass, field

from training.mlflow_server import NEEDS_SERVER, has_place

EXTRA_AUGMENTATIONS = ("blur", "noise", "colour", "webp", "social", "messenger", "screenshot")


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
    """vit_small_224 and vit_small_384 (the paper's), resnet50, convnext_tiny, efficientnet_b0; clip_vit_l14,
    clip_vit_b16 (linear on frozen CLIP); for the CPU resnet10t, vit_tiny, small_cnn, linear_srm, linear_spectrum,
    linear_radial, linear_efficientnet"""
    weights: str | None = None
    """weights to start from: a .safetensors file, a folder with a model.safetensors, or owner/name[@revision] of
    the Hub; by default random ones"""
    input_size: int | None = None
    """side of the square input in pixels; by default the detector's own"""
    freeze_backbone: bool = False
    """train the last layer alone"""
    epochs: int = 3
    """Passes over the training split; with 0 the weights that --weights names are taken as they are"""
    batch_size: int = 32
    """Images a step"""
    learning_rate: float = 1e-3
    """Peak learning rate; 2e-5 suits pretrained ViTs"""
    weight_decay: float = 1e-2
    """AdamW's weight decay"""
    warmup_fraction: float = 0.2
    """Share of the training over which the learning rate rises; a cosine follows"""
    patience: int | None = None
    """end after so many epochs without a lower loss in validation, and keep the best weights; by default all
    epochs are trained and the last weights kept"""
    precision: str = "auto"
    """float32, bf16 or fp16; auto is bf16 on CUDA, else float32"""
    compile: bool = False
    """compile the detector by torch.compile"""
    checkpoint_steps: int = 0
    """write a checkpoint after so many steps too, for long epochs; 0: after epochs"""
    processes: int = 1
    """processes that train together, each on its share of every epoch; a step takes --batch_size images of each"""
    launcher: str = "torchrun"
    """what starts them: torchrun, on this machine, or spark, as tasks of a Spark application (TorchDistributor)"""
    seed: int = 42
    """Seed of weights, order and augmentation"""
    extra_augmentations: list[str] = field(default_factory=list)
    """beside the paper's augmentation: blur, noise, colour, webp, social, messenger, screenshot"""
    workers: int = 0
    """Processes that read and augment; with 0 a thread of this process does"""
    device: str = "auto"
    """auto, cpu, or a CUDA device such as cuda:0"""
    experiment: str = "detectors"
    """MLflow experiment that the run belongs to"""
    register: str | None = None
    """name under which MLflow registers the detector; by default that of its training set, a dash, its own"""
    deadline_seconds: float = 300.0
    """Longest wait for one batch before the loader counts as stalled"""
    cache_gb: float = 20.0
    """of a lake in an object store, how much of the training set is kept on this machine after it was read once"""

    def problems(self) -> list[str]:
        """Name the values that are out of range."""
        rules = {
            NEEDS_SERVER: has_place(self.root),
            "epochs must be 1 or more, or 0 with --weights": self.epochs >= (0 if self.weights else 1),
            "batch_size must be 1 or more": self.batch_size >= 1,
            f"extra_augmentations knows {', '.join(EXTRA_AUGMENTATIONS)}": not (
                set(self.extra_augmentations) - set(EXTRA_AUGMENTATIONS)
            ),
            "learning_rate must be above 0": self.learning_rate > 0,
            "weight_decay must be 0 or more": self.weight_decay >= 0,
            "warmup_fraction must be from 0 up to, not including, 1": 0 <= self.warmup_fraction < 1,
            "input_size must be from 16 to 1024": self.input_size is None or 16 <= self.input_size <= 1024,
            "patience must be 1 or more": self.patience is None or self.patience >= 1,
            "precision must be auto, float32, bf16 or fp16": self.precision in ("auto", "float32", "bf16", "fp16"),
            "checkpoint_steps must be 0 or more": self.checkpoint_steps >= 0,
            "processes must be 1 or more": self.processes >= 1,
            "launcher must be torchrun or spark": self.launcher in ("torchrun", "spark"),
            "seed must be 0 or more": self.seed >= 0,
            "workers must be 0 or more": self.workers >= 0,
            "deadline_seconds must be above 0": self.deadline_seconds > 0,
            "cache_gb must be 0 or more": self.cache_gb >= 0,
        }
        return [problem for problem, holds in rules.items() if not holds]


@dataclass(frozen=True)
class WithdrawSettings:
    """Which generators to withdraw."""

    root: str = "lake"
    """Folder of the lake"""
    generator: list[str] | str = field(default_factory=list)
    """Id of the generator, or a list of ids"""
    reason: str | None = None
    """Why, in words, for the record"""
    dry_run: bool = False
    """Only say what holds their images"""
    erase: bool = False
    """Delete their images too, with thumbnails, features and places in collections"""

    @property
    def generators(self) -> list[str]:
        """The ids, each once."""
        return list(dict.fromkeys([self.generator] if isinstance(self.generator, str) else self.generator))

    def problems(self) -> list[str]:
        """Name the values that are out of range."""
        return [] if all(self.generators) and self.generators else ["--generator must name one, or several"]


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
            "port must be from 1 to 65535": 1 <= self.port <= 65535,
        }
        return [problem for problem, holds in rules.items() if not holds]
