"""Tiny genuine pipelines built on UNets: Stable Diffusion 1, SDXL, a latent consistency model, DDPM; and a LoRA.

Autoencoders have four blocks because some pipelines take a scale factor of 8 for granted (Lumina 2), and
`sample_size` is 8 latents so that a pipeline's own default is 64 pixels.
"""

from typing import Any

import numpy as np
import torch
from diffusers import (
    AutoencoderKL,
    DDPMPipeline,
    DDPMScheduler,
    DiffusionPipeline,
    EulerDiscreteScheduler,
    LatentConsistencyModelPipeline,
    LCMScheduler,
    PNDMScheduler,
    StableDiffusionPipeline,
    StableDiffusionXLPipeline,
    UNet2DConditionModel,
    UNet2DModel,
)

from generation.demo_hub import encoders
from generation.demo_hub.encoders import WIDTH
from generation.demo_hub.weights import fill

LATENTS = 8
"""Side of the latents; times the autoencoder's factor of 8 it is the image's 64 pixels."""

SD_NOISE: dict[str, Any] = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
"""The noise schedule of Stable Diffusion 1 and its heirs."""


def autoencoder(seed: int, channels: int = 4, **config: Any) -> AutoencoderKL:
    """A KL autoencoder of factor 8."""
    vae = AutoencoderKL(
        block_out_channels=(8, 16, 16, 16),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        layers_per_block=1,
        norm_num_groups=8,
        latent_channels=channels,
        sample_size=64,
        **config,
    )
    return fill(vae, seed)


def unet(seed: int, **config: Any) -> UNet2DConditionModel:
    """A two-level UNet with cross-attention at the lower one; the upper has plain blocks."""
    return fill(
        UNet2DConditionModel(
            sample_size=LATENTS,
            block_out_channels=(16, 32),
            layers_per_block=1,
            norm_num_groups=8,
            attention_head_dim=(2, 4),
            down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
            up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
            **config,
        ),
        seed,
    )


def sd1(seed: int) -> DiffusionPipeline:
    """Stable Diffusion 1, without a safety checker."""
    return StableDiffusionPipeline(
        vae=autoencoder(seed),
        text_encoder=encoders.clip_encoder(seed),
        tokenizer=encoders.clip_tokenizer(),
        unet=unet(seed, cross_attention_dim=WIDTH),
        scheduler=PNDMScheduler(**SD_NOISE, skip_prk_steps=True, steps_offset=1),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


def lcm(seed: int) -> DiffusionPipeline:
    """A latent consistency model: an SD 1 UNet that is told its guidance scale."""
    return LatentConsistencyModelPipeline(
        vae=autoencoder(seed),
        text_encoder=encoders.clip_encoder(seed),
        tokenizer=encoders.clip_tokenizer(),
        unet=unet(seed, cross_attention_dim=WIDTH, time_cond_proj_dim=32),
        scheduler=LCMScheduler(**SD_NOISE),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


def sdxl(seed: int) -> DiffusionPipeline:
    """SDXL: two text encoders, and size conditions among the added embeddings (6 × 8 + pooled text)."""
    sizes = {"addition_time_embed_dim": 8, "projection_class_embeddings_input_dim": 6 * 8 + WIDTH}
    return StableDiffusionXLPipeline(
        vae=autoencoder(seed),
        text_encoder=encoders.clip_encoder(seed),
        text_encoder_2=encoders.clip_encoder(seed + 1, projection=True),
        tokenizer=encoders.clip_tokenizer(),
        tokenizer_2=encoders.clip_tokenizer(),
        unet=unet(seed, cross_attention_dim=2 * WIDTH, addition_embed_type="text_time", **sizes),
        scheduler=EulerDiscreteScheduler(**SD_NOISE, timestep_spacing="leading", steps_offset=1),
    )


def ddpm(seed: int) -> DiffusionPipeline:
    """A pixel-space DDPM; it predicts the image itself, so that two steps do not end in noise."""
    model = UNet2DModel(
        sample_size=64,
        block_out_channels=(8, 16, 16),
        layers_per_block=1,
        norm_num_groups=8,
        attention_head_dim=8,
        down_block_types=("DownBlock2D", "DownBlock2D", "AttnDownBlock2D"),
        up_block_types=("AttnUpBlock2D", "UpBlock2D", "UpBlock2D"),
    )
    return DDPMPipeline(unet=fill(model, seed), scheduler=DDPMScheduler(prediction_type="sample"))


def lora(seed: int, rank: int = 4) -> dict[str, torch.Tensor]:
    """A LoRA for the attention of an SD 1 UNet, in diffusers' key format; both factors are non-zero."""
    rng = np.random.default_rng(seed)
    weights = {}
    for name, module in unet(seed, cross_attention_dim=WIDTH).named_modules():
        if name.endswith((".to_q", ".to_k", ".to_v", ".to_out.0")):
            rows, columns = module.weight.shape
            down = rng.standard_normal((rank, columns), np.float32) / np.sqrt(columns)
            up = rng.standard_normal((rows, rank), np.float32) / np.sqrt(rank)
            weights[f"unet.{name}.lora_A.weight"] = torch.from_numpy(down.astype(np.float32))
            weights[f"unet.{name}.lora_B.weight"] = torch.from_numpy(up.astype(np.float32))
    return weights
