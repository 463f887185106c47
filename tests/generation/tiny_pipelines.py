"""Tiny genuine pipelines, one a class, saved as repositories: random weights, safetensors, nothing fetched.

The demo Hub's families, variants that take the same components, and what `tiny_*` build beside them.
"""

import inspect
import json
from collections.abc import Callable
from pathlib import Path

import diffusers
from diffusers import DDIMParallelScheduler, DDIMScheduler, DiffusionPipeline, PNDMScheduler

import generation.loading  # noqa: F401  (modules have their released names when an index is written)
from generation.demo_hub import flow_families, transformer_families, unet_families
from tests.generation import tiny_cascades, tiny_transformers, tiny_unets

Builder = Callable[[int], DiffusionPipeline]


def variant(name: str, original: Builder, **parts: object) -> Builder:
    """Return a builder of another class from the original's components."""

    def build(seed: int) -> DiffusionPipeline:
        pipeline_class = getattr(diffusers, name)
        known = inspect.signature(pipeline_class.__init__).parameters
        given = {key: value for key, value in original(seed).components.items() if key in known} | parts
        for key in ("safety_checker", "feature_extractor", "image_encoder"):
            if key in known:
                given.setdefault(key, None)
        if "requires_safety_checker" in known:
            given["requires_safety_checker"] = False
        return pipeline_class(**given)

    return build


_sd, _ddpm, _noise = unet_families.sd1, unet_families.ddpm, unet_families.SD_NOISE
_pixart, _sana = transformer_families.pixart, transformer_families.sana

TINY: dict[str, Builder] = {
    "StableDiffusionPipeline": _sd,
    "StableDiffusionPAGPipeline": variant("StableDiffusionPAGPipeline", _sd),
    "StableDiffusionPipelineSafe": variant("StableDiffusionPipelineSafe", _sd),
    "SemanticStableDiffusionPipeline": variant("SemanticStableDiffusionPipeline", _sd),
    "StableDiffusionPanoramaPipeline": variant(
        "StableDiffusionPanoramaPipeline", _sd, scheduler=DDIMScheduler(**_noise)
    ),
    "StableDiffusionParadigmsPipeline": variant(
        "StableDiffusionParadigmsPipeline", _sd, scheduler=DDIMParallelScheduler(**_noise)
    ),
    "StableDiffusionModelEditingPipeline": variant("StableDiffusionModelEditingPipeline", _sd),
    "StableUnCLIPPipeline": tiny_cascades.stable_unclip,
    "LatentConsistencyModelPipeline": unet_families.lcm,
    "StableDiffusionXLPipeline": unet_families.sdxl,
    "StableDiffusionXLPAGPipeline": variant("StableDiffusionXLPAGPipeline", unet_families.sdxl),
    "KolorsPipeline": tiny_unets.kolors,
    "KolorsPAGPipeline": variant("KolorsPAGPipeline", tiny_unets.kolors),
    "StableDiffusion3Pipeline": flow_families.sd3,
    "StableDiffusion3PAGPipeline": variant("StableDiffusion3PAGPipeline", flow_families.sd3),
    "FluxPipeline": flow_families.flux,
    "FluxKontextPipeline": variant("FluxKontextPipeline", flow_families.flux),
    "Flux2KleinPipeline": tiny_transformers.flux2_klein,
    "ChromaPipeline": tiny_transformers.chroma,
    "OvisImagePipeline": tiny_transformers.ovis,
    "PixArtAlphaPipeline": _pixart,
    "PixArtSigmaPipeline": variant("PixArtSigmaPipeline", _pixart),
    "PixArtSigmaPAGPipeline": variant("PixArtSigmaPAGPipeline", _pixart),
    "SanaPipeline": _sana,
    "SanaPAGPipeline": variant("SanaPAGPipeline", _sana),
    "SanaSprintPipeline": tiny_transformers.sana_sprint,
    "LuminaPipeline": tiny_transformers.lumina,
    "Lumina2Pipeline": flow_families.lumina2,
    "AuraFlowPipeline": flow_families.auraflow,
    "HunyuanDiTPipeline": tiny_transformers.hunyuan_dit,
    "HunyuanDiTPAGPipeline": variant("HunyuanDiTPAGPipeline", tiny_transformers.hunyuan_dit),
    "CogView3PlusPipeline": tiny_transformers.cogview3,
    "CogView4Pipeline": flow_families.cogview4,
    "ZImagePipeline": flow_families.z_image,
    "QwenImagePipeline": tiny_transformers.qwen_image,
    "Kandinsky3Pipeline": tiny_unets.kandinsky3,
    "KandinskyV22CombinedPipeline": tiny_cascades.kandinsky22,
    "StableCascadeCombinedPipeline": tiny_cascades.stable_cascade,
    "WuerstchenCombinedPipeline": tiny_cascades.wuerstchen,
    "UnCLIPPipeline": tiny_cascades.unclip,
    "IFPipeline": tiny_unets.deepfloyd,
    "LDMTextToImagePipeline": tiny_unets.ldm_text,
    "AmusedPipeline": tiny_cascades.amused,
    "DiTPipeline": transformer_families.dit,
    "ConsistencyModelPipeline": tiny_unets.consistency,
    "DDPMPipeline": _ddpm,
    "DDIMPipeline": variant("DDIMPipeline", _ddpm),
    "PNDMPipeline": variant("PNDMPipeline", _ddpm, scheduler=PNDMScheduler()),
    "LDMPipeline": tiny_unets.ldm,
    "ScoreSdeVePipeline": tiny_unets.score_sde_ve,
    "KarrasVePipeline": tiny_unets.karras_ve,
}


def save(name: str, folder: Path) -> None:
    """Write the repository of a class, its index as released ones are.

    diffusers takes a scheduler that it has moved to a module `deprecated` for one of a pipeline's own parts.
    """
    TINY[name](1).save_pretrained(folder, safe_serialization=True)
    file = folder / "model_index.json"
    index = json.loads(file.read_text(encoding="utf-8"))
    released = {key: ["diffusers", value[1]] for key, value in index.items() if "deprecated" in str(value)}
    file.write_text(json.dumps(index | released, indent=2), encoding="utf-8")
