"""Tiny genuine pipelines trained by flow matching: SD3, Flux, AuraFlow, Lumina 2, CogView4, Z-Image."""

from diffusers import (
    AuraFlowPipeline,
    AuraFlowTransformer2DModel,
    CogView4Pipeline,
    CogView4Transformer2DModel,
    DiffusionPipeline,
    FlowMatchEulerDiscreteScheduler,
    FluxPipeline,
    FluxTransformer2DModel,
    Lumina2Pipeline,
    Lumina2Transformer2DModel,
    SD3Transformer2DModel,
    StableDiffusion3Pipeline,
    ZImagePipeline,
    ZImageTransformer2DModel,
)

from generation.demo_hub import encoders
from generation.demo_hub.encoders import WIDTH
from generation.demo_hub.unet_families import LATENTS, autoencoder
from generation.demo_hub.weights import fill


def sd3(seed: int) -> DiffusionPipeline:
    """Stable Diffusion 3: two CLIPs side by side are padded to the width of a T5."""
    transformer = SD3Transformer2DModel(
        sample_size=LATENTS,
        patch_size=1,
        in_channels=16,
        out_channels=16,
        num_layers=2,
        attention_head_dim=8,
        num_attention_heads=4,
        joint_attention_dim=2 * WIDTH,
        caption_projection_dim=32,
        pooled_projection_dim=2 * WIDTH,
        pos_embed_max_size=16,
    )
    return StableDiffusion3Pipeline(
        transformer=fill(transformer, seed),
        vae=autoencoder(seed, 16, shift_factor=0.06, scaling_factor=1.5),
        text_encoder=encoders.clip_encoder(seed, projection=True),
        text_encoder_2=encoders.clip_encoder(seed + 1, projection=True),
        text_encoder_3=encoders.t5_encoder(seed, width=2 * WIDTH),
        tokenizer=encoders.clip_tokenizer(),
        tokenizer_2=encoders.clip_tokenizer(),
        tokenizer_3=encoders.t5_tokenizer(),
        scheduler=FlowMatchEulerDiscreteScheduler(shift=3.0),
    )


def flux(seed: int) -> DiffusionPipeline:
    """Flux: latents packed two by two (16 channels from 4), guidance distilled into an embedding."""
    transformer = FluxTransformer2DModel(
        patch_size=1,
        in_channels=16,
        num_layers=1,
        num_single_layers=1,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=WIDTH,
        pooled_projection_dim=WIDTH,
        axes_dims_rope=(4, 4, 8),
        guidance_embeds=True,
    )
    return FluxPipeline(
        transformer=fill(transformer, seed),
        vae=autoencoder(seed, shift_factor=0.1, scaling_factor=0.36),
        text_encoder=encoders.clip_encoder(seed),
        text_encoder_2=encoders.t5_encoder(seed),
        tokenizer=encoders.clip_tokenizer(),
        tokenizer_2=encoders.t5_tokenizer(),
        scheduler=FlowMatchEulerDiscreteScheduler(shift=3.0, use_dynamic_shifting=True),
    )


def auraflow(seed: int) -> DiffusionPipeline:
    """AuraFlow: UMT5 captions; one joint and one single block."""
    transformer = AuraFlowTransformer2DModel(
        sample_size=LATENTS,
        patch_size=2,
        in_channels=4,
        out_channels=4,
        num_mmdit_layers=1,
        num_single_dit_layers=1,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=WIDTH,
        caption_projection_dim=32,
        pos_embed_max_size=64,
    )
    return AuraFlowPipeline(
        tokenizer=encoders.t5_tokenizer(),
        text_encoder=encoders.t5_encoder(seed, multilingual=True),
        vae=autoencoder(seed),
        transformer=fill(transformer, seed),
        scheduler=FlowMatchEulerDiscreteScheduler(shift=1.73),
    )


def lumina2(seed: int) -> DiffusionPipeline:
    """Lumina 2: Gemma captions, rotary axes that sum to the head width."""
    transformer = Lumina2Transformer2DModel(
        sample_size=LATENTS,
        patch_size=2,
        in_channels=4,
        hidden_size=24,
        num_layers=1,
        num_refiner_layers=1,
        num_attention_heads=3,
        num_kv_heads=1,
        multiple_of=2,
        axes_dim_rope=(4, 2, 2),
        axes_lens=(512, 64, 64),
        cap_feat_dim=WIDTH,
    )
    return Lumina2Pipeline(
        transformer=fill(transformer, seed),
        scheduler=FlowMatchEulerDiscreteScheduler(shift=6.0),
        vae=autoencoder(seed, shift_factor=0.1, scaling_factor=0.36),
        text_encoder=encoders.gemma_encoder(seed),
        tokenizer=encoders.gemma_tokenizer(),
    )


def cogview4(seed: int) -> DiffusionPipeline:
    """CogView4: GLM captions."""
    transformer = CogView4Transformer2DModel(
        sample_size=LATENTS,
        patch_size=2,
        in_channels=4,
        out_channels=4,
        num_layers=1,
        attention_head_dim=16,
        num_attention_heads=2,
        text_embed_dim=WIDTH,
        time_embed_dim=8,
        condition_dim=4,
        pos_embed_max_size=16,
        rope_axes_dim=(16, 16),
    )
    return CogView4Pipeline(
        tokenizer=encoders.glm_tokenizer(),
        text_encoder=encoders.glm_encoder(seed),
        vae=autoencoder(seed),
        transformer=fill(transformer, seed),
        scheduler=FlowMatchEulerDiscreteScheduler(
            base_shift=0.25,
            max_shift=0.75,
            base_image_seq_len=256,
            use_dynamic_shifting=True,
            time_shift_type="linear",
        ),
    )


def z_image(seed: int) -> DiffusionPipeline:
    """Z-Image: one stream of caption and image tokens, Qwen chat captions."""
    transformer = ZImageTransformer2DModel(
        in_channels=16,
        dim=32,
        n_layers=1,
        n_refiner_layers=1,
        n_heads=2,
        n_kv_heads=2,
        cap_feat_dim=WIDTH,
        axes_dims=[8, 4, 4],
        axes_lens=[1024, 64, 64],
    )
    return ZImagePipeline(
        scheduler=FlowMatchEulerDiscreteScheduler(shift=3.0),
        vae=autoencoder(seed, 16, shift_factor=0.1, scaling_factor=0.36),
        text_encoder=encoders.qwen_encoder(seed),
        tokenizer=encoders.qwen_tokenizer(),
        transformer=fill(transformer, seed),
    )
