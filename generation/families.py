"""How each supported pipeline class is sampled by default: one table, keyed by class, each figure with its source.

A class that is not here is not sampled; `generation.unsupported` says why. Tests hold the table against the
installed diffusers: its signatures, its types of scheduler, and that no pipeline is missing.
"""

from collections.abc import Mapping
from dataclasses import replace

from etl.models.families import TOY
from generation.defaults import Defaults, Precision, Source

CLASSES = 1000
"""ImageNet's classes: DiTPipeline takes the label after the last of them for "no class"."""


def _unet(steps: int, guidance: float, px: int, px_from: Source = "checkpoint", **rest: object) -> Defaults:
    """A denoiser of Stable Diffusion's kind: half precision, any of the common schedulers."""
    given: Mapping[str, object] = {"dtype": "float16", "swappable": True, "negative": True} | rest
    return Defaults("prompt", steps, guidance, px, px_from, **given)  # type: ignore[arg-type]


def _flow(steps: int, guidance: float | None, px: int, px_from: Source = "class", **rest: object) -> Defaults:
    """A transformer of flow matching: latents packed two by two, bfloat16, its own scheduler."""
    given: Mapping[str, object] = {"dtype": "bfloat16", "multiple": 16, "negative": True} | rest
    return Defaults("prompt", steps, guidance, px, px_from, **given)  # type: ignore[arg-type]


def _unprompted(steps: int, dtype: Precision = "float32") -> Defaults:
    """Neither prompt nor size nor guidance."""
    return Defaults("none", steps, None, None, dtype=dtype)


_SD = _unet(50, 7.5, 512)
_SDXL = _unet(50, 5.0, 1024)
_SD3 = _flow(28, 7.0, 1024, "checkpoint", dtype="float16")
_PIXART = _unet(20, 4.5, 1024, multiple=16)
_SANA = _flow(20, 4.5, 1024, "signature", multiple=32)
_HUNYUAN_DIT = _flow(50, 5.0, 1024, "checkpoint", dtype="float16")
_KANDINSKY2 = _unet(100, 4.0, 512, "signature", multiple=64, swappable=False)  # made in cells of 64 pixels
_KLEIN = _flow(50, 4.0, 1024, negative=False)
# The prior's latents are a grid of 42.67 pixels, of which only multiples of three are whole again.
_CASCADE = _unet(
    *(60, 4.0, 1024, "checkpoint"),
    multiple=128,
    swappable=False,
    steps_argument="prior_num_inference_steps",
    guidance_argument="prior_guidance_scale",
)

_DEFAULTS: dict[str, Defaults] = {
    # Stable Diffusion and its variants of the same weights.
    "StableDiffusionPipeline": _SD,
    "StableDiffusionPAGPipeline": _SD,
    "StableDiffusionPanoramaPipeline": _unet(50, 7.5, 512, swappable=False),
    "StableDiffusionPipelineSafe": _SD,
    "SemanticStableDiffusionPipeline": _SD,
    "StableDiffusionParadigmsPipeline": _unet(50, 7.5, 512, swappable=False),
    "StableDiffusionModelEditingPipeline": _unet(50, 7.5, 512, dtype="float32", swappable=False),
    "StableUnCLIPPipeline": _unet(20, 10.0, 768),
    "LatentConsistencyModelPipeline": _unet(4, 8.5, 512, negative=False, swappable=False),
    "StableDiffusionXLPipeline": _SDXL,
    "StableDiffusionXLPAGPipeline": _SDXL,
    "KolorsPipeline": _SDXL,
    "KolorsPAGPipeline": _SDXL,
    "StableDiffusion3Pipeline": _SD3,
    "StableDiffusion3PAGPipeline": _SD3,
    # Flux's guidance is an input of the distilled model; a negative prompt acts only with true_cfg_scale > 1.
    "FluxPipeline": _flow(28, 3.5, 1024, negative=False),
    "FluxKontextPipeline": _flow(28, 3.5, 1024, negative=False, multiple=1024),  # makes every image that large
    "Flux2Pipeline": _KLEIN,
    "Flux2KleinPipeline": _KLEIN,
    "Flux2KleinKVPipeline": _flow(4, None, 1024, negative=False),
    "ChromaPipeline": _flow(35, 5.0, 1024),
    "OvisImagePipeline": _flow(50, 5.0, 1024),
    "BriaPipeline": _flow(30, 5.0, 1024),
    # Other transformers.
    "PixArtAlphaPipeline": _unet(20, 4.5, 1024, multiple=16, swappable=False),
    "PixArtSigmaPipeline": _PIXART,
    "PixArtSigmaPAGPipeline": _PIXART,
    "SanaPipeline": _SANA,
    "SanaPAGPipeline": _SANA,
    "SanaSprintPipeline": _flow(2, 4.5, 1024, "signature", multiple=32, negative=False),
    "LuminaPipeline": _flow(30, 4.0, 1024, "checkpoint"),
    "Lumina2Pipeline": _flow(30, 4.0, 1024, "checkpoint"),
    "AuraFlowPipeline": _flow(50, 3.5, 1024, "signature", dtype="float16"),
    "HunyuanDiTPipeline": _HUNYUAN_DIT,
    "HunyuanDiTPAGPipeline": _HUNYUAN_DIT,
    "HunyuanImagePipeline": _flow(50, 3.25, 2048, multiple=32, guidance_argument="distilled_guidance_scale"),
    "CogView3PlusPipeline": _flow(50, 5.0, 1024, "checkpoint"),
    "CogView4Pipeline": _flow(50, 5.0, 1024, "checkpoint"),
    "ZImagePipeline": _flow(50, 5.0, 1024, "class"),
    # Classifier-free guidance is called true_cfg_scale here and is off without a negative prompt.
    "QwenImagePipeline": _flow(50, 4.0, 1024, guidance_argument="true_cfg_scale", neutral_negative=" "),
    "Krea2Pipeline": _flow(28, 4.5, 1024, "signature"),
    "NucleusMoEImagePipeline": _flow(50, 4.0, 1024),
    "OmniGenPipeline": _flow(50, 2.5, 1024, negative=False),
    "GlmImagePipeline": _flow(50, 1.5, 1024, "checkpoint", multiple=32, negative=False),
    "DreamLitePipeline": _flow(30, 3.5, 1024),
    "DreamLiteMobilePipeline": _flow(4, None, 1024, negative=False),
    # A list of sizes, of which one is square.
    "Kandinsky5T2IPipeline": _flow(50, 3.5, 1024, "signature", multiple=1024),
    # Cascades: prior and decoder in one repository, or a decoder of its own.
    "Kandinsky3Pipeline": _unet(25, 3.0, 1024, "signature", multiple=64, swappable=False),
    "KandinskyCombinedPipeline": _KANDINSKY2,
    "KandinskyV22CombinedPipeline": _KANDINSKY2,
    "StableCascadeCombinedPipeline": replace(_CASCADE, dtype="bfloat16"),
    "WuerstchenCombinedPipeline": _CASCADE,
    "UnCLIPPipeline": Defaults(
        *("prompt", 25, 8.0, None),
        steps_argument="decoder_num_inference_steps",
        guidance_argument="decoder_guidance_scale",
    ),
    # Pixels, early latents, tokens.
    "IFPipeline": _unet(100, 7.0, 64, swappable=False),
    "LDMTextToImagePipeline": Defaults("prompt", 50, 6.0, 256, "checkpoint", sources={"guidance": "example"}),
    "AmusedPipeline": _unet(12, 10.0, 512, multiple=16, swappable=False),
    # Without a prompt.
    "DiTPipeline": Defaults("class", 50, 4.0, None, dtype="float16", swappable=True),
    "ConsistencyModelPipeline": _unprompted(1, "float16"),
    "DDPMPipeline": _unprompted(1000),
    "DDIMPipeline": _unprompted(50),
    "PNDMPipeline": _unprompted(50),
    "LDMPipeline": _unprompted(50),
    "ScoreSdeVePipeline": _unprompted(2000),
    "KarrasVePipeline": _unprompted(50),
}

ONE_AT_A_TIME: frozenset[str] = frozenset(
    {
        # Measured on tiny ones: the images depend on their company, or a list of generators is refused.
        *("StableDiffusionPanoramaPipeline", "Kandinsky3Pipeline", "ConsistencyModelPipeline", "AmusedPipeline"),
        # Not measured: there is no tiny one.
        *("FluxKontextPipeline", "Flux2Pipeline", "Flux2KleinKVPipeline", "BriaPipeline", "HunyuanImagePipeline"),
        *("Krea2Pipeline", "NucleusMoEImagePipeline", "OmniGenPipeline", "GlmImagePipeline", "DreamLitePipeline"),
        *("DreamLiteMobilePipeline", "Kandinsky5T2IPipeline", "KandinskyCombinedPipeline"),
    }
)
"""Classes of which one call samples one image, whatever size of batch is asked for."""

WITHOUT_BFLOAT16: frozenset[str] = frozenset(
    {
        *("DDPMPipeline", "DDIMPipeline", "PNDMPipeline", "LDMPipeline", "LDMTextToImagePipeline"),
        *("ScoreSdeVePipeline", "KarrasVePipeline", "ConsistencyModelPipeline"),
    }
)
"""Classes that make numpy's array of the model's own tensor, and numpy knows no bfloat16: float32 replaces it."""

_TOY = Defaults("prompt", 4, None, 64, "signature", multiple=64)
"""Of `generation.toy_world`: always 64 pixels; steps are for those that denoise."""

DEFAULTS: dict[str, Defaults] = {
    name: replace(found, batched=name not in ONE_AT_A_TIME) for name, found in _DEFAULTS.items()
} | dict.fromkeys(TOY, _TOY)

SUPPORTED: frozenset[str] = frozenset(DEFAULTS)
