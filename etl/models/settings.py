"""What the crawl and the catalogue can be told: their configurations, and the policy on models."""

import re
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, urlsplit

from etl.lake.lock import is_local


@dataclass(frozen=True)
class CrawlSettings:
    """`forensics crawl`: which part of which Hub to walk, and how politely."""

    root: str = "lake"
    """Folder of the lake; pages are landed under it as received."""
    endpoint: str = "https://huggingface.co"
    """Address of the Hub. A token is read from the environment (HF_TOKEN) and nowhere else."""
    listings: list[str] = field(default_factory=lambda: ["filter=diffusers", "pipeline_tag=text-to-image"])
    """Queries of the Hub's model listing, walked one after the other; a model that two of them show is one row."""
    page_size: int = 1000
    """Models a page; the Hub sends at most 1,000."""
    limit: int = 0
    """Stop after the page that reaches this many models, the oldest first; 0 walks to the end."""
    workers: int = 4
    """How many details are asked for at a time; the Hub's etiquette is 4 at most."""
    max_wait_seconds: int = 300
    """The longest wait that the Hub may ask for; above it the crawl stops, and goes on at the next run."""

    def problems(self) -> list[str]:
        """Name the values that are out of range."""
        found = []
        if not is_local(self.root):
            found.append(f"root must be a folder of this machine, since pages are landed there, not {self.root}")
        address = urlsplit(self.endpoint)
        if address.scheme not in ("http", "https") or not address.hostname or "@" in address.netloc:
            found.append("endpoint must be an http or https address without a user name")
        for listing in self.listings:
            if not parse_qsl(listing):
                found.append(f"a listing is a query such as 'filter=diffusers', not '{listing}'")
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


@dataclass(frozen=True)
class Policy:
    """Which models may be sampled at all; the fields are those of CatalogueSettings."""

    forbidden_licences: tuple[str, ...]
    allow_unknown_licence: bool
    allow_nsfw: bool
    max_weight_gb: float


@dataclass(frozen=True)
class CatalogueSettings:
    """`forensics catalogue`: which crawl to take up, and which models may be sampled at all."""

    root: str = "lake"
    """Folder or address of the lake."""
    crawl_id: str = ""
    """The crawl to take up; by default the newest. Crawls are taken up in their order."""
    forbidden_licences: list[str] = field(default_factory=lambda: ["(.*-)?nd(-.*)?"])
    """Regular expressions over the whole licence name, in lower case; by default licences without derivatives."""
    allow_unknown_licence: bool = True
    """Whether a model that names no licence may be sampled."""
    allow_nsfw: bool = False
    """Whether a model tagged not-for-all-audiences may be sampled."""
    max_weight_gb: float = 60.0
    """Largest download, in 10^9 bytes: the safetensors files of the pipeline's components."""

    @property
    def policy(self) -> Policy:
        """What decides about a model."""
        licences = tuple(self.forbidden_licences)
        return Policy(licences, self.allow_unknown_licence, self.allow_nsfw, self.max_weight_gb)

    def problems(self) -> list[str]:
        """Name the values that are out of range."""
        found = []
        for pattern in self.forbidden_licences:
            try:
                re.compile(pattern)
            except re.error as error:
                found.append(f"forbidden_licences: '{pattern}' is not a regular expression ({error})")
        if self.max_weight_gb <= 0:
            found.append(f"max_weight_gb must be above 0, not {self.max_weight_gb}")
        return found
