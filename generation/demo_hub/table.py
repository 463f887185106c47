"""The one table of what the demo Hub holds: good generators, and one of each repository that a crawl must refuse.

Importable without torch: tests and the demo compare what the lake says with `expected` here.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class DemoRepository:
    """One repository; `family` says what is built, `damage` what then happens to it, `expected` how it ends."""

    id: str
    family: str
    """A key of `generation.demo_hub.families.FAMILIES`, "lora" for an adapter, or "none" for a card alone."""
    seed: int
    """Weights follow from family and seed alone, so equal pairs are byte-identical."""
    created: str
    downloads: int
    likes: int
    licence: str
    pipeline_tag: str = "text-to-image"
    tags: tuple[str, ...] = ()
    base_model: str | None = None
    relation: str | None = None
    damage: str | None = None
    expected: str | None = None
    """How it must end: a reason of the catalogue, a reject of the crawl (RENAMED) or a failure code of generation
    (BAD_WEIGHTS, NAN_IMAGE); None for a good one."""
    moved_to: str | None = None
    twin_of: str | None = None
    """The repository of which this one is a byte-for-byte copy, card included."""

    @property
    def kind(self) -> str:
        """good: must give images. hostile: must end with `expected`, and harm nothing."""
        return "hostile" if self.expected else "good"


SD, SDXL, SDXL_CREATED = "demo-lab/tiny-sd-v1", "demo-lab/tiny-sdxl", "2023-07-26"
RAIL, RAILPP, NC_ND = "creativeml-openrail-m", "openrail++", "cc-by-nc-nd-4.0"
UNCONDITIONAL = "unconditional-image-generation"
Repo = DemoRepository

GOOD = [
    Repo("demo-lab/tiny-ddpm", "ddpm", 1, "2022-07-19", 9120, 61, "apache-2.0", UNCONDITIONAL),
    Repo(SD, "sd1", 2, "2022-08-22", 48211, 912, RAIL),
    Repo(
        *("demo-community/sd-v1-watercolour", "sd1", 3, "2022-11-07", 7340, 188, RAIL),
        base_model=SD,
        relation="finetune",
    ),
    Repo("demo-lab/tiny-dit", "dit", 4, "2023-01-16", 3010, 44, "cc-by-4.0", UNCONDITIONAL, ("class-to-image",)),
    Repo(SDXL, "sdxl", 5, SDXL_CREATED, 90233, 1410, RAILPP),
    Repo("demo-lab/tiny-lcm", "lcm", 6, "2023-10-12", 12050, 230, "mit", tags=("lcm",)),
    Repo("demo-lab/tiny-pixart-alpha", "pixart", 7, "2023-11-04", 15600, 301, RAILPP),
    Repo(
        *("demo-community/ink-lora-sd-v1", "lora", 8, "2023-12-02", 2100, 77, RAIL),
        tags=("lora", "template:sd-lora"),
        base_model=SD,
        relation="adapter",
    ),
    Repo("demo-lab/tiny-sd3", "sd3", 9, "2024-06-12", 40110, 800, "mit"),
    Repo("demo-lab/tiny-auraflow", "auraflow", 10, "2024-07-11", 5200, 140, "apache-2.0"),
    Repo("demo-lab/tiny-flux", "flux", 11, "2024-08-01", 120400, 2210, "apache-2.0"),
    Repo("demo-lab/tiny-sana", "sana", 12, "2024-11-28", 8800, 190, "apache-2.0"),
    Repo("demo-lab/tiny-lumina2", "lumina2", 13, "2025-01-25", 6400, 120, "apache-2.0"),
    Repo("demo-lab/tiny-cogview4", "cogview4", 14, "2025-03-03", 4300, 95, "apache-2.0"),
    Repo("demo-lab/tiny-z-image", "z_image", 15, "2025-11-26", 22000, 640, "apache-2.0"),
]

HOSTILE = [
    Repo(
        *("hostile/pickle-only", "sd1", 20, "2022-09-30", 310, 4, RAIL),
        damage="pickle",
        expected="PICKLE_ONLY",
    ),
    Repo(
        *("hostile/remote-code", "ddpm", 21, "2023-05-14", 95, 1, "apache-2.0", UNCONDITIONAL),
        damage="remote_code",
        expected="REMOTE_CODE",
    ),
    Repo(
        *("demo-community/gated-portraits", "sd1", 22, "2024-02-09", 5400, 210, "other"),
        damage="gated",
        expected="GATED",
    ),
    Repo(
        *("demo-community/broken-upload", "sd1", 23, "2023-03-21", 40, 0, RAIL),
        damage="truncated",
        expected="BAD_WEIGHTS",
    ),
    Repo(
        *("demo-community/overtrained-vae", "sd1", 24, "2023-06-18", 66, 2, RAIL),
        damage="nan",
        expected="NAN_IMAGE",
    ),
    Repo(
        *("demo-community/no-derivatives", "sd1", 25, "2024-04-30", 1500, 35, NC_ND),
        damage="licence",
        expected="LICENCE",
    ),
    Repo(
        *("demo-community/after-dark", "sd1", 26, "2023-09-09", 3900, 99, RAIL),
        tags=("not-for-all-audiences",),
        damage="adult",
        expected="NOT_FOR_ALL_AUDIENCES",
    ),
    Repo(
        *("demo-mirror/sdxl-backup", "sdxl", 5, "2024-10-05", 120, 3, RAILPP),
        damage="duplicate",
        expected="COPY",
        twin_of=SDXL,
    ),
    Repo(
        *("demo-community/taken-down", "sana", 28, "2025-06-01", 800, 12, "mit"),
        damage="disabled",
        expected="DISABLED",
    ),
    Repo(
        *("demo-lab/tiny-pixart", "none", 0, "2023-11-04", 15600, 301, RAILPP),
        damage="renamed",
        expected="RENAMED",
        moved_to="demo-lab/tiny-pixart-alpha",
    ),
    Repo(
        *("demo-community/flux-q4-gguf", "none", 30, "2025-08-15", 6100, 150, "apache-2.0"),
        tags=("gguf",),
        damage="gguf",
        expected="NOT_DIFFUSERS",
    ),
    Repo(
        *("demo-lab/tiny-sd-inpainting", "sd1", 31, "2026-02-11", 2700, 51, RAIL),
        damage="inpaint",
        expected="UNSUPPORTED_PIPELINE",
    ),
]

DEMO_REPOSITORIES: list[DemoRepository] = [*GOOD, *HOSTILE]
