"""Base models that are known as such: where lineage may end with certainty, and the family that each founds.

Facts from the models' own cards and papers, and ids as diffusers 0.42 writes them. A pipeline class often hides
them: StableDiffusionPipeline is SD 1.x and SD 2.x alike. Versions that their makers publish side by side (SD 1.4
and 1.5, FLUX.1 dev and schnell) are bases of their own; what is distilled or tuned from another names it.
"""

from typing import NamedTuple


class KnownBase(NamedTuple):
    """A base model. `model_id` is where it can be had today, `mirrors` are other names of the same weights."""

    family: str
    model_id: str
    mirrors: tuple[str, ...] = ()
    made_from: str | None = None
    """The known base that it was made from, where it was."""


def _under(family: str, owner: str, *names: str, made_from: str | None = None) -> tuple[KnownBase, ...]:
    """Several bases of one owner and family."""
    return tuple(KnownBase(family, f"{owner}/{name}", (), made_from) for name in names)


def _in_two_layouts(family: str, owner: str, *names: str, suffix: str) -> tuple[KnownBase, ...]:
    """Bases that their owner publishes for diffusers (with `suffix`) and in a layout of its own."""
    return tuple(KnownBase(family, f"{owner}/{name}{suffix}", (f"{owner}/{name}",)) for name in names)


_SD15 = "stable-diffusion-v1-5/stable-diffusion-v1-5"
_SD14 = "CompVis/stable-diffusion-v1-4"
_SD21 = "stabilityai/stable-diffusion-2-1"
_SDXL = "stabilityai/stable-diffusion-xl-base-1.0"
_SD35 = "stabilityai/stable-diffusion-3.5-large"
_SCHNELL = "black-forest-labs/FLUX.1-schnell"
_DEV = "black-forest-labs/FLUX.1-dev"
_QWEN = "Qwen/Qwen-Image"
_ILLUSTRIOUS = "OnomaAIResearch/Illustrious-xl-early-release-v0"
_DREAMSHAPER = "Lykon/dreamshaper-7"
_BFL, _STABILITY, _PIXART = "black-forest-labs", "stabilityai", "PixArt-alpha"

KNOWN: tuple[KnownBase, ...] = (
    # SD 1.x. Runway took 1.5 and its inpainting down in August 2024.
    *_under("SD 1.x", "CompVis", "stable-diffusion-v1-1", "stable-diffusion-v1-2", "stable-diffusion-v1-3"),
    KnownBase("SD 1.x", _SD14, ("CompVis/stable-diffusion-v-1-4-original",)),
    KnownBase(
        *("SD 1.x", _SD15),
        mirrors=(
            *("runwayml/stable-diffusion-v1-5", "sd-legacy/stable-diffusion-v1-5", "Jiali/stable-diffusion-1.5"),
            *("benjamin-paine/stable-diffusion-v1-5", "botp/stable-diffusion-v1-5"),
        ),
    ),
    KnownBase(
        *("SD 1.x", "stable-diffusion-v1-5/stable-diffusion-inpainting"),
        mirrors=("runwayml/stable-diffusion-inpainting", "sd-legacy/stable-diffusion-inpainting"),
    ),
    *_under("SD 1.x", "Lykon", "dreamshaper-7", "dreamshaper-8", "DreamShaper", made_from=_SD15),
    *_under(
        "SD 1.x", "SG161222", "Realistic_Vision_V5.1_noVAE", "Realistic_Vision_V6.0_B1_noVAE", made_from=_SD15
    ),
    *_under("SD 1.x", "prompthero", "openjourney", made_from=_SD15),
    *_under("SD 1.x", "hakurei", "waifu-diffusion", made_from=_SD14),
    *_under("SD 1.x", "nota-ai", "bk-sdm-base", "bk-sdm-small", "bk-sdm-tiny", made_from=_SD14),
    *_under("SD 1.x", "segmind", "small-sd", "tiny-sd", made_from=_SD15),
    *_under("SD 1.x", "timbrooks", "instruct-pix2pix", made_from=_SD15),
    KnownBase("LCM", "SimianLuo/LCM_Dreamshaper_v7", made_from=_DREAMSHAPER),
    # SD 2.x. Stability AI took them down in November 2025; the names that models declare stay theirs.
    *[
        KnownBase("SD 2.x", f"stabilityai/{name}", (f"sd2-community/{name}", *mirrors))
        for name, mirrors in {
            "stable-diffusion-2-base": (),
            "stable-diffusion-2": (),
            "stable-diffusion-2-1-base": ("Manojb/stable-diffusion-2-1-base",),
            "stable-diffusion-2-1": (),
            "stable-diffusion-2-inpainting": (),
            "stable-diffusion-2-depth": (),
        }.items()
    ],
    *_under("SD 2.x", _STABILITY, "sd-turbo", made_from=_SD21),
    # SDXL, and what is popular as a base of its own among its fine-tunes.
    *_under("SDXL", _STABILITY, "stable-diffusion-xl-base-0.9", "stable-diffusion-xl-base-1.0"),
    *_under("SDXL", _STABILITY, "stable-diffusion-xl-refiner-0.9", "stable-diffusion-xl-refiner-1.0"),
    *_under("SDXL", _STABILITY, "sdxl-turbo", made_from=_SDXL),
    *_under("SDXL", "diffusers", "stable-diffusion-xl-1.0-inpainting-0.1", made_from=_SDXL),
    *_under("SDXL", "segmind", "SSD-1B", "Segmind-Vega", made_from=_SDXL),
    *_under("SDXL", "ByteDance", "SDXL-Lightning", made_from=_SDXL),
    *_under("SDXL", "Lykon", "dreamshaper-xl-1-0", made_from=_SDXL),
    *_under("SDXL", "RunDiffusion", "Juggernaut-XL-v9", made_from=_SDXL),
    *_under("SDXL", "SG161222", "RealVisXL_V4.0", "RealVisXL_V5.0", made_from=_SDXL),
    *_under("SDXL", "cagliostrolab", "animagine-xl-3.0", "animagine-xl-3.1", "animagine-xl-4.0", made_from=_SDXL),
    *_under("SDXL", "LyliaEngine", "Pony_Diffusion_V6_XL", made_from=_SDXL),
    *_under("SDXL", "AstraliteHeart", "pony-diffusion-v6", made_from=_SDXL),
    KnownBase("SDXL", _ILLUSTRIOUS, made_from=_SDXL),
    *_under(
        *("SDXL", "OnomaAIResearch", "Illustrious-XL-v1.0", "Illustrious-XL-v1.1", "Illustrious-XL-v2.0"),
        made_from=_ILLUSTRIOUS,
    ),
    *_under(*("SDXL", "Laxhar", "noobai-XL-1.0", "noobai-XL-1.1", "noobai-XL-Vpred-1.0"), made_from=_ILLUSTRIOUS),
    *_under("Playground", "playgroundai", "playground-v2-256px-base", "playground-v2-512px-base"),
    *_under("Playground", "playgroundai", "playground-v2-1024px-aesthetic", "playground-v2.5-1024px-aesthetic"),
    # SD 3.
    *_in_two_layouts("SD 3", _STABILITY, "stable-diffusion-3-medium", suffix="-diffusers"),
    *_under("SD 3", _STABILITY, "stable-diffusion-3.5-medium", "stable-diffusion-3.5-large"),
    *_under("SD 3", _STABILITY, "stable-diffusion-3.5-large-turbo", made_from=_SD35),
    # Flux and what it founded.
    *_under("Flux", _BFL, "FLUX.1-dev", "FLUX.1-schnell", "FLUX.1-Kontext-dev", "FLUX.1-Krea-dev"),
    *_under("Flux", _BFL, "FLUX.1-Fill-dev", "FLUX.1-Depth-dev", "FLUX.1-Canny-dev", "FLUX.1-Redux-dev"),
    *_under("Flux", "Freepik", "flux.1-lite-8B-alpha", "flux.1-lite-8B", made_from=_DEV),
    *_under("Flux", "ostris", "OpenFLUX.1", "Flex.1-alpha", made_from=_SCHNELL),
    *_under("Flux 2", _BFL, "FLUX.2-dev", "FLUX.2-klein-base-4B", "FLUX.2-klein-base-9B"),
    *_under("Flux 2", _BFL, "FLUX.2-klein-4B", made_from=f"{_BFL}/FLUX.2-klein-base-4B"),
    *_under("Flux 2", _BFL, "FLUX.2-klein-9B", made_from=f"{_BFL}/FLUX.2-klein-base-9B"),
    *_under("Chroma", "lodestones", "Chroma", "Chroma1-Base", "Chroma1-HD", made_from=_SCHNELL),
    # Transformers of other houses.
    *_under("PixArt", _PIXART, "PixArt-XL-2-256x256", "PixArt-XL-2-512x512", "PixArt-XL-2-1024-MS"),
    *_under("PixArt", _PIXART, "PixArt-LCM-XL-2-1024-MS", made_from=f"{_PIXART}/PixArt-XL-2-1024-MS"),
    *_under("PixArt", _PIXART, "PixArt-Sigma-XL-2-256x256", "PixArt-Sigma-XL-2-512-MS"),
    *_under("PixArt", _PIXART, "PixArt-Sigma-XL-2-1024-MS", "PixArt-Sigma-XL-2-2K-MS"),
    *_in_two_layouts(
        *("Sana", "Efficient-Large-Model", "Sana_600M_512px", "Sana_600M_1024px", "Sana_1600M_512px"),
        *("Sana_1600M_1024px", "Sana_1600M_1024px_BF16", "Sana_1600M_2Kpx_BF16", "Sana_1600M_4Kpx_BF16"),
        *("SANA1.5_1.6B_1024px", "SANA1.5_4.8B_1024px", "Sana_Sprint_0.6B_1024px", "Sana_Sprint_1.6B_1024px"),
        suffix="_diffusers",
    ),
    *_in_two_layouts("Kolors", "Kwai-Kolors", "Kolors", suffix="-diffusers"),
    *_in_two_layouts(
        *("HunyuanDiT", "Tencent-Hunyuan", "HunyuanDiT", "HunyuanDiT-v1.1", "HunyuanDiT-v1.2"), suffix="-Diffusers"
    ),
    *_under("AuraFlow", "fal", "AuraFlow", "AuraFlow-v0.2", "AuraFlow-v0.3"),
    *_in_two_layouts("Lumina", "Alpha-VLLM", "Lumina-Next-SFT", suffix="-diffusers"),
    *_under("Lumina", "Alpha-VLLM", "Lumina-Image-2.0"),
    *[KnownBase("CogView", f"zai-org/{name}", (f"THUDM/{name}",)) for name in ("CogView3-Plus-3B", "CogView4-6B")],
    *_under("HiDream", "HiDream-ai", "HiDream-I1-Full"),
    *_under("HiDream", "HiDream-ai", "HiDream-I1-Dev", "HiDream-I1-Fast", made_from="HiDream-ai/HiDream-I1-Full"),
    *_under("Qwen-Image", "Qwen", "Qwen-Image", "Qwen-Image-2512", "Qwen-Image-2.1", "Qwen-Image-Layered"),
    *_under("Qwen-Image", "Qwen", "Qwen-Image-Edit", "Qwen-Image-Edit-2509", made_from=_QWEN),
    *_under("Z-Image", "Tongyi-MAI", "Z-Image"),
    KnownBase("Z-Image", "Tongyi-MAI/Z-Image-Turbo", ("Z-a-o/Z-Image-Turbo",)),
    *_under("Krea", "krea", "Krea-2-Raw"),
    # Priors and decoders.
    *_under("Kandinsky", "kandinsky-community", "kandinsky-2-1", "kandinsky-2-1-prior", "kandinsky-2-2-prior"),
    *_under("Kandinsky", "kandinsky-community", "kandinsky-2-2-decoder", "kandinsky-3"),
    *_under("Würstchen", "warp-ai", "wuerstchen", "wuerstchen-prior"),
    *_under("Stable Cascade", _STABILITY, "stable-cascade", "stable-cascade-prior"),
    *_under("unCLIP", "kakaobrain", "karlo-v1-alpha", "karlo-v1-alpha-image-variations"),
    # Pixels, tokens, and the first latents.
    *_under("DeepFloyd IF", "DeepFloyd", "IF-I-XL-v1.0", "IF-I-L-v1.0", "IF-I-M-v1.0"),
    *_under("DeepFloyd IF", "DeepFloyd", "IF-II-L-v1.0", "IF-II-M-v1.0"),
    *_under("aMUSEd", "amused", "amused-256", "amused-512"),
    *_under("VQ-Diffusion", "microsoft", "vq-diffusion-ithq"),
    *_under("DDPM", "google", "ddpm-cifar10-32", "ddpm-ema-cifar10-32", "ddpm-cat-256", "ddpm-ema-cat-256"),
    *_under("DDPM", "google", "ddpm-celebahq-256", "ddpm-ema-celebahq-256", "ddpm-church-256"),
    *_under("DDPM", "google", "ddpm-ema-church-256", "ddpm-bedroom-256", "ddpm-ema-bedroom-256"),
    *_under("Score SDE", "google", "ncsnpp-celebahq-256", "ncsnpp-ffhq-256", "ncsnpp-ffhq-1024"),
    *_under("Score SDE", "google", "ncsnpp-church-256", "ncsnpp-bedroom-256"),
    *_under("Consistency model", "openai", "diffusers-cd_imagenet64_l2", "diffusers-ct_imagenet64"),
    *_under("Consistency model", "openai", "diffusers-cd_bedroom256_lpips", "diffusers-cd_cat256_lpips"),
    *_under("LDM", "CompVis", "ldm-celebahq-256", "ldm-text2im-large-256"),
    *_under("DiT", "facebook", "DiT-XL-2-256", "DiT-XL-2-512"),
)
"""In the order of their families; no name stands twice, mirrors included, whatever its case."""


def places() -> dict[str, int]:
    """Return each known name in lower case, mirrors too, with its place in KNOWN."""
    return {name.lower(): at for at, base in enumerate(KNOWN) for name in (base.model_id, *base.mirrors)}
