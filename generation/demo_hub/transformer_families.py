"""Tiny genuine pipelines built on diffusion transformers with diffusion samplers: DiT, PixArt, Sana."""

from diffusers import (
    AutoencoderDC,
    DDIMScheduler,
    DiffusionPipeline,
    DiTPipeline,
    DiTTransformer2DModel,
    DPMSolverMultistepScheduler,
    PixArtAlphaPipeline,
    PixArtTransformer2DModel,
    SanaPipeline,
    SanaTransformer2DModel,
)

from generation.demo_hub import encoders
from generation.demo_hub.encoders import WIDTH
from generation.demo_hub.unet_families import LATENTS, autoencoder
from generation.demo_hub.weights import fill

CLASSES = {0: "white shark", 1: "goldfish", 2: "lighthouse", 3: "volcano"}
"""Names of the first class labels of the tiny DiT."""


def dit(seed: int) -> DiffusionPipeline:
    """DiT: class-conditional; guidance takes class 1000, the empty one, so there must be 1000 real ones."""
    transformer = DiTTransformer2DModel(
        sample_size=LATENTS,
        patch_size=2,
        in_channels=4,
        out_channels=8,
        num_layers=2,
        attention_head_dim=8,
        num_attention_heads=4,
        norm_num_groups=8,
        num_embeds_ada_norm=1000,
    )
    return DiTPipeline(
        transformer=fill(transformer, seed),
        vae=autoencoder(seed),
        scheduler=DDIMScheduler(beta_schedule="linear", clip_sample=False),
        id2label=CLASSES,
    )


def pixart(seed: int) -> DiffusionPipeline:
    """PixArt-alpha: T5 captions, and eight output channels of which the variances are dropped."""
    transformer = PixArtTransformer2DModel(
        sample_size=LATENTS,
        patch_size=2,
        in_channels=4,
        out_channels=8,
        num_layers=2,
        attention_head_dim=8,
        num_attention_heads=4,
        cross_attention_dim=32,
        caption_channels=WIDTH,
        norm_num_groups=8,
        use_additional_conditions=False,
    )
    return PixArtAlphaPipeline(
        tokenizer=encoders.t5_tokenizer(),
        text_encoder=encoders.t5_encoder(seed),
        vae=autoencoder(seed),
        transformer=fill(transformer, seed),
        scheduler=DPMSolverMultistepScheduler(beta_schedule="linear"),
    )


def sana(seed: int) -> DiffusionPipeline:
    """Sana: a deep-compression autoencoder (factor 8 here, 32 in the original) and Gemma.

    The small gain keeps its linear attention from drowning the noise: all images would look alike.
    """
    transformer = SanaTransformer2DModel(
        sample_size=LATENTS,
        patch_size=1,
        in_channels=4,
        out_channels=4,
        num_layers=1,
        attention_head_dim=8,
        num_attention_heads=4,
        cross_attention_head_dim=8,
        num_cross_attention_heads=4,
        cross_attention_dim=32,
        caption_channels=WIDTH,
    )
    vae = AutoencoderDC(
        latent_channels=4,
        encoder_block_types="ResBlock",
        decoder_block_types="ResBlock",
        encoder_block_out_channels=(8, 8, 16, 16),
        decoder_block_out_channels=(8, 8, 16, 16),
        encoder_qkv_multiscales=((), (), (), ()),
        decoder_qkv_multiscales=((), (), (), ()),
        encoder_layers_per_block=(1, 1, 1, 1),
        decoder_layers_per_block=(1, 1, 1, 1),
        downsample_block_type="conv",
        upsample_block_type="interpolate",
        scaling_factor=1.0,
    )
    return SanaPipeline(
        tokenizer=encoders.gemma_tokenizer(),
        text_encoder=encoders.gemma_encoder(seed),
        vae=fill(vae, seed),
        transformer=fill(transformer, seed, gain=0.2),
        scheduler=DPMSolverMultistepScheduler(
            prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=3.0
        ),
    )
