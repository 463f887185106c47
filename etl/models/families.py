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
    # Its variants of the same weights: other guidance, other shapes, safety.
    "StableDiffusionPAGPipeline": _latent("SD 1.x"),
    "StableDiffusionPanoramaPipeline": _latent("SD 1.x"),
    "StableDiffusionParadigmsPipeline": _latent("SD 1.x"),
    "StableDiffusionModelEditingPipeline": _latent("SD 1.x"),
    "StableDiffusionPipelineSafe": _latent("SD 1.x"),
    "SemanticStableDiffusionPipeline": _latent("SD 1.x"),
    "StableDiffusionXLPAGPipeline": _latent("SDXL"),
    "StableDiffusion3PAGPipeline": _latent("SD 3"),
    "StableUnCLIPPipeline": _latent("Stable unCLIP"),
    "LatentConsistencyModelPipeline": _latent("LCM"),
    "FluxPipeline": _latent("Flux"),
    "FluxKontextPipeline": _latent("Flux"),
    "Flux2Pipeline": _latent("Flux 2"),
    "Flux2KleinPipeline": _latent("Flux 2"),
    "Flux2KleinKVPipeline": _latent("Flux 2"),
    "ChromaPipeline": _latent("Chroma"),
    "PixArtAlphaPipeline": _latent("PixArt"),
    "PixArtSigmaPipeline": _latent("PixArt"),
    "PixArtSigmaPAGPipeline": _latent("PixArt"),
    "SanaPipeline": _latent("Sana"),
    "SanaPAGPipeline": _latent("Sana"),
    "SanaSprintPipeline": _latent("Sana"),
    "LuminaPipeline": _latent("Lumina"),
    "Lumina2Pipeline": _latent("Lumina"),
    "AuraFlowPipeline": _latent("AuraFlow"),
    "HunyuanDiTPipeline": _latent("HunyuanDiT"),
    "HunyuanDiTPAGPipeline": _latent("HunyuanDiT"),
    "HiDreamImagePipeline": _latent("HiDream"),
    "CogView3PlusPipeline": _latent("CogView"),
    "CogView4Pipeline": _latent("CogView"),
    "ZImagePipeline": _latent("Z-Image"),
    "QwenImagePipeline": _latent("Qwen-Image"),
    "QwenImage21Pipeline": _latent("Qwen-Image"),
    "KolorsPipeline": _latent("Kolors"),
    "KolorsPAGPipeline": _latent("Kolors"),
    "BriaPipeline": _latent("Bria"),
    "DreamLitePipeline": _latent("DreamLite"),
    "DreamLiteMobilePipeline": _latent("DreamLite"),
    "GlmImagePipeline": _latent("GLM-Image"),
    "NucleusMoEImagePipeline": _latent("Nucleus-Image"),
    "Krea2Pipeline": _latent("Krea"),
    "OmniGenPipeline": _latent("OmniGen"),
    "HunyuanImagePipeline": _latent("HunyuanImage"),
    "OvisImagePipeline": _latent("Ovis-Image"),
    "LongCatImagePipeline": _latent("LongCat-Image"),
    "Cosmos2TextToImagePipeline": _latent("Cosmos"),
    "Kandinsky5T2IPipeline": _latent("Kandinsky"),
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

TOY: dict[str, PipelineFamily] = {
    **{
        f"Toy{name}Pipeline": PipelineFamily(f"Toy {family}", "Other")
        for name, family in (
            ("TransposedEven", "transposed even"),
            ("TransposedOdd", "transposed odd"),
            ("Nearest", "nearest"),
            ("Bilinear", "bilinear"),
            ("PixelShuffle", "pixel shuffle"),
            ("Filtered", "filtered"),
            ("Carafe", "CARAFE"),
            ("Wavelet", "wavelet"),
            ("Patches", "patches"),
            ("Quantised", "quantised"),
            ("Coordinates", "coordinates"),
            ("RowByRow", "row by row"),
        )
    },
    "ToyPixelDiffusionPipeline": _pixel("Toy pixel diffusion"),
    "ToyLatentDiffusionPipeline": _latent("Toy latent diffusion"),
}
"""Classes of this project's own small world, which `generation.toy_world` implements."""
PIPELINES |= TOY

HIDDEN: dict[str, str] = {"SD 2.x": "SD 1.x", "Playground": "SDXL"}
"""Families that share the pipeline class of another, by which PIPELINES names them both: these need evidence."""

OFFSHOOTS: frozenset[str] = frozenset({"LCM", "Chroma", "Stable unCLIP"})
"""Families that were made from others: LCM by distilling, Chroma from Flux, Stable unCLIP from SD 2.x."""

ARCHITECTURES: dict[str, str] = {found.family: found.architecture for found in PIPELINES.values()} | {
    family: "LatDiff" for family in HIDDEN
}
"""The architecture class of each family."""

CATALOGUED_ONLY: frozenset[str] = frozenset(
    {
        *(
            "KandinskyPipeline",
            "KandinskyV22Pipeline",
            "StableCascadeDecoderPipeline",
            "WuerstchenDecoderPipeline",
        ),
        *("HiDreamImagePipeline", "Cosmos2TextToImagePipeline", "LongCatImagePipeline", "QwenImage21Pipeline"),
        "VQDiffusionPipeline",
    }
)
"""Classes that are no whole generator, or that generation cannot run; it says of each why."""

SAMPLED: frozenset[str] = frozenset(PIPELINES) - CATALOGUED_ONLY
"""The classes that generation has defaults for; others are catalogued and not sampled. A test holds both equal."""

ADAPTABLE: frozenset[str] = frozenset(
    {
        *("StableDiffusionPipeline", "StableDiffusionXLPipeline", "StableDiffusion3Pipeline", "FluxPipeline"),
        *("StableDiffusionPAGPipeline", "StableDiffusionXLPAGPipeline", "StableDiffusion3PAGPipeline"),
        *("FluxKontextPipeline", "Flux2Pipeline", "Flux2KleinPipeline", "ChromaPipeline", "SanaPipeline"),
        *("LatentConsistencyModelPipeline", "KolorsPipeline", "KolorsPAGPipeline", "Lumina2Pipeline"),
        *("AuraFlowPipeline", "CogView4Pipeline", "ZImagePipeline", "QwenImagePipeline", "Krea2Pipeline"),
    }
)
"""The sampled classes on which a LoRA is laid; a test holds that each can in diffusers."""

COMPONENT_LIBRARIES: frozenset[str] = frozenset(
    {
        *("diffusers", "transformers"),
        *("stable_diffusion", "stable_diffusion_safe", "latent_diffusion", "deepfloyd_if", "kandinsky", "kolors"),
        *("unclip", "wuerstchen", "toy_world"),
    }
)
"""Where a component's class may come from: two libraries, and modules of diffusers that indexes name so."""
