"""What a pipeline class of diffusers says about a generator: its family and the paper's architecture class.

The classes are those of Park & Owens: latent diffusion (LatDiff: denoises an autoencoder's latents), pixel
diffusion (PixDiff: denoises pixels, also in cascades), GAN, and Other (what fits none, here masked tokens).
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class PipelineFamily:
    """The family that people name a generator by, and its architecture class in the paper's terms."""

    family: str
    architecture: str


def _latent(family: str) -> PipelineFamily:
    return PipelineFamily(family, "LatDiff")


def _pixel(family: str) -> PipelineFamily:
    return PipelineFamily(family, "PixDiff")


PIPELINES: dict[str, PipelineFamily] = {
    # Latent diffusion from a prompt.
    "StableDiffusionPipeline": _latent("SD 1.x"),
    "StableDiffusionXLPipeline": _latent("SDXL"),
    "StableDiffusion3Pipeline": _latent("SD 3"),
    "LatentConsistencyModelPipeline": _latent("LCM"),
    "FluxPipeline": _latent("Flux"),
    "Flux2Pipeline": _latent("Flux 2"),
    "ChromaPipeline": _latent("Chroma"),
    "PixArtAlphaPipeline": _latent("PixArt"),
    "PixArtSigmaPipeline": _latent("PixArt"),
    "SanaPipeline": _latent("Sana"),
    "SanaSprintPipeline": _latent("Sana"),
    "LuminaPipeline": _latent("Lumina"),
    "Lumina2Pipeline": _latent("Lumina"),
    "AuraFlowPipeline": _latent("AuraFlow"),
    "HunyuanDiTPipeline": _latent("HunyuanDiT"),
    "HiDreamImagePipeline": _latent("HiDream"),
    "CogView3PlusPipeline": _latent("CogView"),
    "CogView4Pipeline": _latent("CogView"),
    "ZImagePipeline": _latent("Z-Image"),
    "QwenImagePipeline": _latent("Qwen-Image"),
    "KolorsPipeline": _latent("Kolors"),
    "Kandinsky3Pipeline": _latent("Kandinsky"),
    "KandinskyPipeline": _latent("Kandinsky"),
    "KandinskyCombinedPipeline": _latent("Kandinsky"),
    "KandinskyV22Pipeline": _latent("Kandinsky"),
    "KandinskyV22CombinedPipeline": _latent("Kandinsky"),
    "WuerstchenDecoderPipeline": _latent("Würstchen"),
    "WuerstchenCombinedPipeline": _latent("Würstchen"),
    "StableCascadeDecoderPipeline": _latent("Stable Cascade"),
    "StableCascadeCombinedPipeline": _latent("Stable Cascade"),
    "LDMTextToImagePipeline": _latent("LDM"),
    "VQDiffusionPipeline": _latent("VQ-Diffusion"),
    # Latent diffusion from a class, or from nothing.
    "DiTPipeline": _latent("DiT"),
    "LDMPipeline": _latent("LDM"),
    # Pixel diffusion.
    "IFPipeline": _pixel("DeepFloyd IF"),
    "UnCLIPPipeline": _pixel("unCLIP"),
    "DDPMPipeline": _pixel("DDPM"),
    "DDIMPipeline": _pixel("DDPM"),
    "PNDMPipeline": _pixel("DDPM"),
    "KarrasVePipeline": _pixel("Score SDE"),
    "ScoreSdeVePipeline": _pixel("Score SDE"),
    "ConsistencyModelPipeline": _pixel("Consistency model"),
    # Neither.
    "AmusedPipeline": PipelineFamily("aMUSEd", "Other"),
}
"""From the `_class_name` of a model_index.json."""

SAMPLED: frozenset[str] = frozenset(
    {
        *("StableDiffusionPipeline", "StableDiffusionXLPipeline", "StableDiffusion3Pipeline"),
        *("LatentConsistencyModelPipeline", "FluxPipeline", "ChromaPipeline", "PixArtAlphaPipeline"),
        *("PixArtSigmaPipeline", "SanaPipeline", "Lumina2Pipeline", "AuraFlowPipeline", "HunyuanDiTPipeline"),
        *("CogView4Pipeline", "ZImagePipeline", "KolorsPipeline", "QwenImagePipeline"),
        *("DiTPipeline", "DDPMPipeline", "DDIMPipeline", "LDMPipeline"),
    }
)
"""The classes that generation has defaults for; others are catalogued and not sampled. A test holds both equal."""

COMPONENT_LIBRARIES: frozenset[str] = frozenset(
    {"diffusers", "transformers", "stable_diffusion", "latent_diffusion"}
)
"""Where a component's class may come from: two libraries, and two modules of diffusers that indexes name so."""
