"""Configuration of the generation jobs."""

import re
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from etl.lake.storage import is_local
from generation.assignment import SCHEMES
from generation.defaults import SCHEDULERS
from generation.encoding import SUBSAMPLINGS, SUFFIXES
from generation.failures import Code

PLAN_NAME = r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}"
"""Names of plans name folders too."""
LARGEST = 1_000_000
"""Seconds and gigabytes; the system's own limits lie beyond it."""
MOST_STEPS = 10_000


@dataclass(frozen=True)
class GenerateSettings:
    """Which images to make, and how."""

    root: str = "lake"
    """where the lake lies; images are landed under <root>/landing/images"""
    endpoint: str = "https://huggingface.co"
    """the Hub to download models from"""
    plan: str | None = None
    """name of the plan: one that `forensics plan` wrote, whose generators and numbers of images then hold, or any
    other; by default a hash of all that it asks for"""
    generators: list[str] | None = None
    """sample only these generator ids; by default all that are eligible"""
    images_per_generator: int = 100
    """images to sample from each generator, unless the plan says it"""
    images_per_prompt: int = 1
    """images of one generator that share a prompt, with seeds of their own"""
    prompts: str | None = None
    """text file with one prompt a line, or a .jsonl, .csv or .parquet file, with #column at its end where they are
    not in `prompt`, `text` or `caption`; or such a file of a dataset of the Hub, named
    hub:owner/name@revision/path/to/file.parquet#column; by default the captions of the real images in the lake"""
    prompt_assignment: str = "random"
    """`random`: each generator draws its own prompts; `same`: all get the same ones; `disjoint`: no prompt goes to
    two generators"""
    seed: int = 1
    """decides which prompts are drawn"""
    negative_prompt: str | None = None
    """passed to the pipelines that understand one"""
    steps: int | None = None
    """denoising steps; by default the pipeline class's own"""
    guidance: float | None = None
    """guidance scale; by default the pipeline class's own"""
    size: int | None = None
    """side of the images in pixels; by default the pipeline class's own"""
    vary_steps: list[int] | None = None
    """draw the steps of each image from this range, as [low, high]; models distilled to few steps keep theirs"""
    vary_guidance: list[float] | None = None
    """draw the guidance scale of each image from this range, as [low, high]; distilled models keep theirs"""
    vary_schedulers: list[str] | None = None
    """draw the scheduler of each image from these classes, where the pipeline takes any of them"""
    vary_size: list[int] | None = None
    """draw the side of each image from these, in pixels"""
    formats: list[str] = field(default_factory=lambda: ["PNG"])
    """file formats: PNG, JPEG, WEBP; each image draws one of them, so that the format does not tell its maker"""
    quality: list[int] = field(default_factory=lambda: [75, 95])
    """quality of JPEG and WebP files, drawn for each image from this range, as [low, high]"""
    subsampling: list[str] = field(default_factory=lambda: ["4:2:0", "4:4:4"])
    """chroma subsampling of JPEG files, drawn for each image: 4:4:4, 4:2:2 or 4:2:0"""
    device: str = "auto"
    """`cpu`, `cuda`, or `auto`: cuda where there is a GPU"""
    dtype: str = "auto"
    """float32, float16, bfloat16, or `auto`: float32 on a CPU and the pipeline class's own on a GPU"""
    workers: int | None = None
    """models sampled at the same time; by default one a GPU, or one a core"""
    batch_size: int | None = None
    """images sampled at a time, halved while memory runs out; by default 8 on a GPU and 1 on a CPU"""
    deadline_seconds: float = 3600.0
    """longest that one model may load and sample"""
    image_seconds: float = 900.0
    """longest that a loaded model may take for one image"""
    memory_gb: float = 24.0
    """address space of one model's process on a CPU"""
    max_model_gb: float = 60.0
    """largest download of one model"""
    max_disk_gb: float = 200.0
    """disk that the downloads of all models may take at a time; each is deleted after its model"""
    nsfw_scorer: str | None = None
    """folder of an image classifier (transformers, safetensors) that scores every image"""
    nsfw_threshold: float = 0.5
    """score from which an image counts as not for all audiences"""
    nsfw_policy: str = "mark"
    """`mark`: such an image is kept and marked; `withhold`: it is refused, and its bytes are not kept"""
    max_attempts: int = 3
    """tries of a generator whose failures may pass (time, memory, network); others are tried once"""
    retry: list[str] | None = None
    """codes of final failures to try once more, such as [TOO_BIG] after raising --max_model_gb"""
    backoff_seconds: float = 30.0
    """wait before such a second try, once all else is done; doubled before each further one"""
    driver: str = "pool"
    """`pool`: processes of this machine; `spark`: tasks of Spark, a model each, on the GPU that Spark gives it or
    else on the CPU; root must then be one that all nodes see"""
    wave_size: int = 64
    """models between two commits of --driver spark; some times as many as tasks run at once"""
    status: bool = False
    """sample nothing: show how the plan stands and what it cost, or all plans, from the lake alone"""

    def problems(self) -> list[str]:
        """Name what is wrong in these values."""
        found = []
        address = urlsplit(self.endpoint)
        if address.scheme not in ("http", "https") or not address.netloc:
            found.append(f"--endpoint must be an http(s) address, not '{self.endpoint}'")
        if self.plan is not None and not re.fullmatch(PLAN_NAME, self.plan):
            found.append(
                "--plan may hold letters, digits, '.', '_' and '-' only, 64 in all, and must begin with one of "
                "the first"
            )
        found += self._problems_of_files()
        for key in ("images_per_generator", "images_per_prompt", "max_attempts", "wave_size"):
            if getattr(self, key) < 1:
                found.append(f"--{key} must be at least 1")
        if self.prompt_assignment not in SCHEMES:
            found.append(f"--prompt_assignment must be one of {', '.join(SCHEMES)}; not {self.prompt_assignment}")
        if self.generators == []:
            found.append("--generators must name some; leave it out for all that are eligible")
        if self.guidance is not None and self.guidance < 0:
            found.append("--guidance must not be negative")
        if self.device not in ("auto", "cpu", "cuda"):
            found.append(f"--device must be 'auto', 'cpu' or 'cuda', not '{self.device}'")
        if self.driver not in ("pool", "spark"):
            found.append(f"--driver must be 'pool' or 'spark', not '{self.driver}'")
        if self.driver == "spark" and self.workers is not None:
            found.append("--workers is for --driver pool; how many tasks run at once is a setting of Spark's")
        if self.dtype not in ("auto", "float32", "float16", "bfloat16"):
            found.append("--dtype must be 'auto', 'float32', 'float16' or 'bfloat16'")
        if self.size is not None and (self.size < 16 or self.size % 8):
            found.append("--size must be a multiple of 8, at least 16")
        found += self._problems_of_variation()
        for key in ("steps", "workers", "batch_size"):
            value = getattr(self, key)
            if value is not None and value < 1:
                found.append(f"--{key} must be at least 1")
        if unknown := sorted(set(self.retry or []) - set(Code)):
            found.append(f"--retry does not know {', '.join(unknown)}; it knows {', '.join(Code)}")
        if self.backoff_seconds < 0:
            found.append("--backoff_seconds must not be negative")
        for key in ("deadline_seconds", "image_seconds", "memory_gb", "max_model_gb", "max_disk_gb"):
            if not 0 < getattr(self, key) <= LARGEST:
                found.append(f"--{key} must be positive, and {LARGEST:,} at most")
        if self.steps is not None and self.steps > MOST_STEPS:
            found.append(f"--steps must be {MOST_STEPS:,} at most")
        if re.search("[\\0\ud800-\udfff]", self.negative_prompt or ""):
            found.append("--negative_prompt must be Unicode text without NUL")
        return found

    def _problems_of_files(self) -> list[str]:
        """Name what is wrong in what is asked of the images' files."""
        found = []
        for key, known in (("formats", tuple(SUFFIXES)), ("subsampling", SUBSAMPLINGS)):
            values = getattr(self, key)
            if not values or not set(values) <= set(known):
                found.append(f"--{key} must be a list of {', '.join(known)}; not {values}")
        if not (len(self.quality) == 2 and 1 <= self.quality[0] <= self.quality[1] <= 100):
            found.append("--quality must be [low, high], with 1 ≤ low ≤ high ≤ 100")
        if self.nsfw_policy not in ("mark", "withhold"):
            found.append(f"--nsfw_policy must be 'mark' or 'withhold', not '{self.nsfw_policy}'")
        if not 0 < self.nsfw_threshold < 1:
            found.append("--nsfw_threshold must lie between 0 and 1")
        return found

    def _problems_of_variation(self) -> list[str]:
        """Name what is wrong in the ranges from which figures are drawn."""
        found = []
        fixed = {"vary_steps": self.steps, "vary_guidance": self.guidance, "vary_size": self.size}
        found += [
            f"--{key} and --{key.removeprefix('vary_')} cannot both be given"
            for key, value in fixed.items()
            if value is not None and getattr(self, key) is not None
        ]
        ranges: dict[str, tuple[list[int] | list[float] | None, float]] = {
            "vary_steps": (self.vary_steps, 1),
            "vary_guidance": (self.vary_guidance, 0),
        }
        for key, (range_, least) in ranges.items():
            if range_ is not None and not (len(range_) == 2 and least <= range_[0] <= range_[1]):
                found.append(f"--{key} must be [low, high], with {least:g} ≤ low ≤ high")
        if unknown := sorted(set(self.vary_schedulers or []) - set(SCHEDULERS)):
            found.append(f"--vary_schedulers knows {', '.join(SCHEDULERS)}; not {', '.join(unknown)}")
        if any(size < 16 or size % 8 for size in self.vary_size or []):
            found.append("--vary_size must hold multiples of 8, at least 16")
        if [] in (self.vary_schedulers, self.vary_size):
            found.append("--vary_schedulers and --vary_size must not be empty")
        return found


@dataclass(frozen=True)
class DemoHubSettings:
    """Where the demo Hub lies and listens."""

    root: str = "lake"
    """folder of the lake; the repositories are built under <root>/demo-hub"""
    port: int = 0
    """port on the loopback; 0 takes any that is free"""
    build_only: bool = False
    """build the repositories and stop"""
    faults: str | None = None
    """JSON list of faults to commit, to try how a crawl bears them"""

    def problems(self) -> list[str]:
        """Name what is wrong in these values."""
        found = [] if is_local(self.root) else ["--root must be a local folder for the demo Hub"]
        return found + ([] if 0 <= self.port <= 65535 else ["--port must lie in 0 … 65535"])
