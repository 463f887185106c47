"""What the crawl and the catalogue can be told: their configurations, and the policy on models."""

import re
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, urlsplit


@dataclass(frozen=True)
class CrawlSettings:
    """`forensics crawl`: which part of which Hub to walk, and how politely."""

    root: str = "lake"
    """Folder or address of the lake; pages are landed under it as received."""
    endpoint: str = "https://huggingface.co"
    """Address of the Hub. A token is read from the environment (HF_TOKEN) and nowhere else."""
    mode: str = "sweep"
    """`sweep` walks all listings and so finds what is gone; `incremental` asks for what is new or changed since
    the last whole crawl; `bulk` starts from a public table of Hub statistics instead of the listing."""
    listings: list[str] = field(default_factory=lambda: ["filter=diffusers", "pipeline_tag=text-to-image"])
    """Queries of the Hub's model listing, walked one after the other; a model that two of them show is one row."""
    page_size: int = 1000
    """Models a page; the Hub sends at most 1,000."""
    limit: int = 0
    """Stop after the page that reaches this many models, the oldest first; 0 walks to the end."""
    details: bool = True
    """Whether to ask for the files of models that may be sampled; without, the next sweep asks for them."""
    table: str = ""
    """bulk: the table's Parquet file; by default it is downloaded from the Hub (cfahlgren1/hub-stats, 400 MB)."""
    workers: int = 4
    """How many details are asked for at a time; the Hub's etiquette is 4 at most."""
    max_wait_seconds: int = 300
    """The longest wait that the Hub may ask for; above it the crawl stops, and goes on at the next run."""

    def problems(self) -> list[str]:
        """Name the values that are out of range."""
        found = []
        if not _is_web_address(self.endpoint):
            found.append("endpoint must be an http or https address without a user name")
        if self.mode not in ("sweep", "incremental", "bulk"):
            found.append(f"mode must be sweep, incremental or bulk, not '{self.mode}'")
        if self.table and self.mode != "bulk":
            found.append("table is read by --mode bulk alone")
        for listing in self.listings:
            keys = {key for key, _ in parse_qsl(listing)}
            if not keys:
                found.append(f"a listing is a query such as 'filter=diffusers', not '{listing}'")
            elif self.mode == "bulk" and not keys <= {"filter", "pipeline_tag", "author"}:
                found.append(f"a bulk crawl can pick by filter, pipeline_tag and author alone, not by '{listing}'")
        if not self.listings:
            found.append("listings must name at least one query")
        if not 1 <= self.page_size <= 1000:
            found.append(f"page_size must lie between 1 and 1000, not {self.page_size}")
        if self.limit < 0:
            found.append(f"limit must be 0 or more, not {self.limit}")
        if not 1 <= self.workers <= 4:
            found.append(f"workers must lie between 1 and 4, not {self.workers}")
        if not 0 <= self.max_wait_seconds <= 3600:
            found.append(f"max_wait_seconds must lie between 0 and 3600, not {self.max_wait_seconds}")
        return found


def _is_web_address(text: str) -> bool:
    try:
        address = urlsplit(text)
        return (
            address.scheme in ("http", "https")
            and bool(address.hostname)
            and "@" not in address.netloc
            and address.port != 0  # asked for, since it is a number in 0 … 65535 or raises
        )
    except ValueError:
        return False


_PYTHON_ALONE = r"\(\?(?:P|[aLu])|\\Z|\[[^\]]*\["
"""Parts of a regular expression that Python reads in one way and Java in another, or not at all."""


@dataclass(frozen=True)
class Policy:
    """Which models may be sampled at all: conf/policy.yaml, with the same values as these defaults."""

    forbidden_licences: list[str] = field(default_factory=lambda: ["(.*-)?nd(-.*)?"])
    """Regular expressions over the whole licence name; by default those of licences without derivatives."""
    allow_unknown_licence: bool = True
    """Whether a model that names no licence may be sampled."""
    allow_nsfw: bool = False
    """Whether a model tagged not-for-all-audiences may be sampled."""
    max_weight_gb: float = 60.0
    """Largest download, in 10^9 bytes: the safetensors files of the pipeline's components."""
    excluded: list[str] = field(default_factory=list)
    """Regular expressions over the whole model id: models, or owners, that are never sampled."""

    def problems(self) -> list[str]:
        """Name the values that are out of range."""
        found = []
        for key in ("forbidden_licences", "excluded"):
            for pattern in getattr(self, key):
                try:
                    re.compile(pattern)
                except re.error as error:
                    found.append(f"{key}: '{pattern}' is not a regular expression ({error})")
                if unlike := re.search(_PYTHON_ALONE, pattern):
                    found.append(f"{key}: '{pattern}': Java, which matches it, reads {unlike[0]!r} otherwise")
        if self.max_weight_gb <= 0:
            found.append(f"max_weight_gb must be above 0, not {self.max_weight_gb}")
        return found


@dataclass(frozen=True)
class CatalogueSettings:
    """`forensics catalogue`: which crawl to take up, by which policy, and what makes a crawl suspect."""

    root: str = "lake"
    """Folder or address of the lake."""
    crawl_id: str = ""
    """The crawl to take up; by default every one that is not taken up yet, in their order, else the newest."""
    policy: str = ""
    """YAML file of the policy on models, such as conf/policy.yaml; without one, the values that it ships with."""
    accept: bool = False
    """Take up a crawl that the guard refuses; the table `crawls` keeps what it found."""
    max_missing_rise: float = 0.02
    """The guard refuses a crawl where a key field is missing in a share of records this much above the last."""
    max_count_drop: float = 0.1
    """The guard refuses a crawl with fewer records than the last one of its kind by more than this share."""
    guard_from: int = 50
    """The guard does not judge by a last crawl of fewer records, where single models make whole points."""

    def problems(self) -> list[str]:
        """Name the values that are out of range."""
        shares = [(key, getattr(self, key)) for key in ("max_missing_rise", "max_count_drop")]
        found = [f"{key} must lie between 0 and 1, not {value}" for key, value in shares if not 0 <= value <= 1]
        if self.guard_from < 0:
            found.append(f"guard_from must be 0 or more, not {self.guard_from}")
        return found
