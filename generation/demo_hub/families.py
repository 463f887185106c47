"""The families that the demo Hub can build, by the name that its table uses."""

from collections.abc import Callable

from diffusers import DiffusionPipeline

from generation.demo_hub import flow_families, transformer_families, unet_families

FAMILIES: dict[str, Callable[[int], DiffusionPipeline]] = {
    "sd1": unet_families.sd1,
    "sdxl": unet_families.sdxl,
    "lcm": unet_families.lcm,
    "ddpm": unet_families.ddpm,
    "dit": transformer_families.dit,
    "pixart": transformer_families.pixart,
    "sd3": flow_families.sd3,
    "flux": flow_families.flux,
    "sana": transformer_families.sana,
    "auraflow": flow_families.auraflow,
    "lumina2": flow_families.lumina2,
    "cogview4": flow_families.cogview4,
    "z_image": flow_families.z_image,
}
"""From a seed to a pipeline; equal seeds give equal bytes."""
