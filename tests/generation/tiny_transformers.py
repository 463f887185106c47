"""Tiny genuine pipelines on diffusion transformers, of the classes that the demo Hub does not need."""

from typing import Any

from diffusers import (
    AutoencoderKLFlux2,
    AutoencoderKLQwenImage,
    ChromaPipeline,
    ChromaTransformer2DModel,
    CogVideoXDDIMScheduler,
    CogView3PlusPipeline,
    CogView3PlusTransformer2DModel,
    DDPMScheduler,
    DiffusionPipeline,
    FlowMatchEulerDiscreteScheduler,
    Flux2KleinPipeline,
    Flux2Transformer2DModel,
    HunyuanDiT2DModel,
    HunyuanDiTPipeline,
    LuminaNextDiT2DModel,
    LuminaPipeline,
    OvisImagePipeline,
    OvisImageTransformer2DModel,
    QwenImagePipeline,
    QwenImageTransformer2DModel,
    SanaSprintPipeline,
    SanaTransformer2DModel,
    SCMScheduler,
)
from transformers import (
    BertConfig,
    BertModel,
    BertTokenizer,
    GemmaConfig,
    GemmaModel,
    Qwen2_5_VLConfig,
    Qwen2_5_VLForConditionalGeneration,
    Qwen3Config,
    Qwen3ForCausalLM,
)

from generation.demo_hub import encoders
from generation.demo_hub.encoders import DECODER, LETTERS, WIDTH
from generation.demo_hub.transformer_families import sana
from generation.demo_hub.unet_families import LATENTS, autoencoder
from generation.demo_hub.weights import fill

FLUX: dict[str, Any] = {
    "patch_size": 1,
    "in_channels": 16,
    "num_layers": 1,
    "num_single_layers": 1,
    "attention_head_dim": 16,
    "num_attention_heads": 2,
    "joint_attention_dim": WIDTH,
    "axes_dims_rope": (4, 4, 8),
}
"""Flux's shape, which its heirs share: latents packed two by two, 16 channels from 4."""


def chroma(seed: int) -> DiffusionPipeline:
    """Chroma: Flux without guidance distillation, T5 alone."""
    transformer = ChromaTransformer2DModel(
        **FLUX, approximator_num_channels=16, approximator_hidden_dim=32, approximator_layers=1
    )
    return ChromaPipeline(
        scheduler=FlowMatchEulerDiscreteScheduler(),
        vae=autoencoder(seed, shift_factor=0.1, scaling_factor=0.36),
        text_encoder=encoders.t5_encoder(seed),
        tokenizer=encoders.t5_tokenizer(),
        transformer=fill(transformer, seed),
    )


def ovis(seed: int) -> DiffusionPipeline:
    """Ovis-Image: Flux with Qwen 3 captions."""
    return OvisImagePipeline(
        scheduler=FlowMatchEulerDiscreteScheduler(),
        vae=autoencoder(seed, shift_factor=0.1, scaling_factor=0.36),
        text_encoder=encoders.qwen_encoder(seed),
        tokenizer=encoders.qwen_tokenizer(),
        transformer=fill(OvisImageTransformer2DModel(**FLUX, out_channels=16), seed),
    )


def flux2_klein(seed: int) -> DiffusionPipeline:
    """FLUX.2 klein: Qwen 3, of which three hidden layers are read side by side."""
    decoder = DECODER | {"num_hidden_layers": 28}
    transformer = Flux2Transformer2DModel(
        **FLUX | {"axes_dims_rope": (4, 4, 4, 4), "joint_attention_dim": 3 * WIDTH}, guidance_embeds=False
    )
    vae = AutoencoderKLFlux2(
        block_out_channels=(8, 16, 16, 16),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        layers_per_block=1,
        norm_num_groups=8,
        latent_channels=4,
        sample_size=64,
    )
    return Flux2KleinPipeline(
        scheduler=FlowMatchEulerDiscreteScheduler(),
        vae=fill(vae, seed),
        text_encoder=fill(Qwen3ForCausalLM(Qwen3Config(vocab_size=320, **decoder)), seed),
        tokenizer=encoders.qwen_tokenizer(),
        transformer=fill(transformer, seed),
    )


def qwen_image(seed: int) -> DiffusionPipeline:
    """Qwen-Image: a vision-language model reads the prompt, a video autoencoder decodes."""
    text = {
        "vocab_size": 320,
        "hidden_size": WIDTH,
        "intermediate_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "num_key_value_heads": 2,
        "rope_scaling": {"mrope_section": [2, 2, 4], "rope_type": "default", "type": "default"},
        "rope_theta": 1000000.0,
    }
    vision = {"depth": 1, "hidden_size": 16, "intermediate_size": 16, "num_heads": 2, "out_hidden_size": WIDTH}
    tokens = {"vision_start_token_id": 256, "vision_end_token_id": 257, "vision_token_id": 258}
    encoder = Qwen2_5_VLForConditionalGeneration(
        Qwen2_5_VLConfig(text_config=text, vision_config=vision, image_token_id=259, video_token_id=260, **tokens)
    )
    vae = AutoencoderKLQwenImage(
        base_dim=8,
        z_dim=4,
        dim_mult=[1, 2, 2, 2],
        num_res_blocks=1,
        temperal_downsample=[False, True, True],
        latents_mean=[0.0] * 4,
        latents_std=[1.0] * 4,
    )
    transformer = QwenImageTransformer2DModel(
        patch_size=2,
        in_channels=16,
        out_channels=4,
        num_layers=1,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=WIDTH,
        axes_dims_rope=(8, 4, 4),
    )
    return QwenImagePipeline(
        scheduler=FlowMatchEulerDiscreteScheduler(),
        vae=fill(vae, seed),
        text_encoder=fill(encoder, seed),
        tokenizer=encoders.qwen_tokenizer(),
        transformer=fill(transformer, seed),
    )


def cogview3(seed: int) -> DiffusionPipeline:
    """CogView3-Plus: T5, velocities."""
    transformer = CogView3PlusTransformer2DModel(
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
    )
    return CogView3PlusPipeline(
        tokenizer=encoders.t5_tokenizer(),
        text_encoder=encoders.t5_encoder(seed),
        vae=autoencoder(seed),
        transformer=fill(transformer, seed),
        scheduler=CogVideoXDDIMScheduler(prediction_type="v_prediction"),
    )


def hunyuan_dit(seed: int) -> DiffusionPipeline:
    """HunyuanDiT: BERT and T5 side by side."""
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *LETTERS, *(f"##{letter}" for letter in LETTERS)]
    tokenizer = BertTokenizer(vocab={word: i for i, word in enumerate(words)}, model_max_length=77)
    bert = BertConfig(
        vocab_size=len(words),
        hidden_size=WIDTH,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
    )
    transformer = HunyuanDiT2DModel(
        sample_size=LATENTS,
        patch_size=2,
        in_channels=4,
        hidden_size=24,
        num_layers=2,
        attention_head_dim=8,
        num_attention_heads=3,
        cross_attention_dim=WIDTH,
        cross_attention_dim_t5=WIDTH,
        pooled_projection_dim=16,
    )
    return HunyuanDiTPipeline(
        vae=autoencoder(seed),
        text_encoder=fill(BertModel(bert), seed),
        tokenizer=tokenizer,
        transformer=fill(transformer, seed),
        scheduler=DDPMScheduler(prediction_type="v_prediction"),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
        text_encoder_2=encoders.t5_encoder(seed),
        tokenizer_2=encoders.t5_tokenizer(),
    )


def lumina(seed: int) -> DiffusionPipeline:
    """Lumina-Next: Gemma captions; an empty one must have a token, or its mean is not a number."""
    transformer = LuminaNextDiT2DModel(
        sample_size=LATENTS,
        patch_size=2,
        in_channels=4,
        hidden_size=32,
        num_layers=1,
        num_attention_heads=2,
        num_kv_heads=1,
        multiple_of=16,
        cross_attention_dim=WIDTH,
    )
    gemma = GemmaModel(GemmaConfig(vocab_size=320, pad_token_id=256, eos_token_id=256, **DECODER))
    return LuminaPipeline(
        transformer=fill(transformer, seed),
        scheduler=FlowMatchEulerDiscreteScheduler(),
        vae=autoencoder(seed),
        text_encoder=fill(gemma, seed),
        tokenizer=encoders.glm_tokenizer(),
    )


def sana_sprint(seed: int) -> DiffusionPipeline:
    """Sana Sprint: Sana distilled to two steps, told its guidance."""
    parts = sana(seed).components
    shape = {key: value for key, value in parts["transformer"].config.items() if not key.startswith("_")}
    transformer = SanaTransformer2DModel(**shape | {"guidance_embeds": True, "qk_norm": "rms_norm_across_heads"})
    parts["transformer"] = fill(transformer, seed, gain=0.2)
    return SanaSprintPipeline(**parts | {"scheduler": SCMScheduler()})
