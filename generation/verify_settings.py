"""Configuration of verification."""

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from etl.lake.storage import is_local


@dataclass(frozen=True)
class VerifySettings:
    """How many images to make again, where, and what counts as the same."""

    root: str = "lake"
    """folder of the lake; it is only read"""
    endpoint: str = "https://huggingface.co"
    """the Hub to download models from"""
    sample: int = 10
    """images to make again, of as many different generators as there are"""
    seed: int = 1
    """decides which images are drawn"""
    image: str = ""
    """id of the one image to make again, instead of a sample"""
    tolerance: int = 2
    """largest difference of a pixel, of 255, where libraries, device, precision or batch size are others now"""
    device: str = "auto"
    """`cpu`, `cuda`, or `auto`: cuda where there is a GPU; the precision is each image's own"""
    batch_size: int | None = None
    """images sampled at a time, say for want of memory; by default as many as each was made with"""
    workers: int | None = None
    """models sampled at the same time; by default one a GPU, or one a core"""
    deadline_seconds: float = 3600.0
    """longest that one model may load and sample"""
    memory_gb: float = 24.0
    """address space of one model's process on a CPU"""
    max_model_gb: float = 60.0
    """largest download of one model"""
    scratch: str | None = None
    """folder outside the lake for downloads and images, all removed; by default the system's temporary one"""
    json: str | None = None
    """file to write the results to as JSON, beside the table that is printed"""

    def problems(self) -> list[str]:
        """Name what is wrong in these values."""
        found = []
        address = urlsplit(self.endpoint)
        if address.scheme not in ("http", "https") or not address.netloc:
            found.append(f"--endpoint must be an http(s) address, not '{self.endpoint}'")
        if self.sample < 1:
            found.append("--sample must be at least 1")
        if not 0 <= self.tolerance <= 255:
            found.append("--tolerance must lie in 0 … 255")
        if self.device not in ("auto", "cpu", "cuda"):
            found.append(f"--device must be 'auto', 'cpu' or 'cuda', not '{self.device}'")
        for key in ("workers", "batch_size"):
            if (value := getattr(self, key)) is not None and value < 1:
                found.append(f"--{key} must be at least 1")
        for key in ("deadline_seconds", "memory_gb", "max_model_gb"):
            if getattr(self, key) <= 0:
                found.append(f"--{key} must be positive")
        if self.scratch is not None and not Path(self.scratch).is_dir():
            found.append(f"--scratch must be a folder that exists, not '{self.scratch}'")
        for key, path in (("scratch", self.scratch), ("json", self.json)):
            if path is not None and is_local(self.root) and _is_within(path, self.root):
                found.append(f"--{key} must lie outside the lake, which verification only reads")
        return found


def _is_within(path: str, folder: str) -> bool:
    return Path(path).resolve().is_relative_to(Path(folder).resolve())
