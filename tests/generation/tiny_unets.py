"""Tiny genuine pipelines on UNets, of the classes that the demo Hub does not need."""

import string
import tempfile
from pathlib import Path
from typing import Any

from diffusers import (
    CMStochasticIterativeScheduler,
    ConsistencyModelPipeline,
    DDIMScheduler,
    DDPMScheduler,
    DiffusionPipeline,
    EulerDiscreteScheduler,
    IFPipeline,
    Kandinsky3Pipeline,
    Kandinsky3UNet,
    KarrasVePipeline,
    KarrasVeScheduler,
    KolorsPipeline,
    LDMPipeline,
    LDMTextToImagePipeline,
    ScoreSdeVePipeline,
    ScoreSdeVeScheduler,
    UNet2DConditionModel,
    UNet2DModel,
    VQModel,
)
from diffusers.pipelines.kolors import ChatGLMModel, ChatGLMTokenizer
from diffusers.pipelines.kolors.text_encoder import ChatGLMConfig
from sentencepiece import SentencePieceTrainer

from generation.demo_hub import encoders
from generation.demo_hub.encoders import WIDTH
from generation.demo_hub.unet_families import LATENTS, SD_NOISE, autoencoder, unet
from generation.demo_hub.weights import fill

_FOLDER = tempfile.TemporaryDirectory(prefix="tiny-kolors-")
"""Holds the tokenizer that Kolors copies when it is saved."""


def vq_autoencoder(seed: int, channels: int = 4, **config: Any) -> VQModel:
    """A vector-quantised autoencoder of factor 8; 32 channels, since a spatial norm has 32 groups."""
    vqvae = VQModel(
        block_out_channels=(32,) * 4,
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        layers_per_block=1,
        norm_num_groups=8,
        latent_channels=channels,
        num_vq_embeddings=32,
        **config,
    )
    return fill(vqvae, seed)


def pixel_unet(seed: int, **config: Any) -> UNet2DModel:
    """A three-level UNet without a prompt."""
    shape: dict[str, Any] = {
        "sample_size": 64,
        "block_out_channels": (8, 16, 16),
        "layers_per_block": 1,
        "norm_num_groups": 8,
        "attention_head_dim": 8,
        "down_block_types": ("DownBlock2D", "DownBlock2D", "AttnDownBlock2D"),
        "up_block_types": ("AttnUpBlock2D", "UpBlock2D", "UpBlock2D"),
    }
    return fill(UNet2DModel(**shape | config), seed)


def ldm(seed: int) -> DiffusionPipeline:
    """Unconditional latent diffusion."""
    latent_unet = pixel_unet(seed, sample_size=LATENTS, in_channels=4, out_channels=4)
    return LDMPipeline(vqvae=vq_autoencoder(seed), unet=latent_unet, scheduler=DDIMScheduler(clip_sample=False))


def ldm_text(seed: int) -> DiffusionPipeline:
    """Latent diffusion from a prompt, before Stable Diffusion."""
    return LDMTextToImagePipeline(
        vqvae=autoencoder(seed),
        bert=encoders.clip_encoder(seed),
        tokenizer=encoders.clip_tokenizer(),
        unet=unet(seed, cross_attention_dim=WIDTH),
        scheduler=DDIMScheduler(**SD_NOISE, clip_sample=False),
    )


def score_sde_ve(seed: int) -> DiffusionPipeline:
    """Variance-exploding score model."""
    return ScoreSdeVePipeline(unet=pixel_unet(seed), scheduler=ScoreSdeVeScheduler(correct_steps=1))


def karras_ve(seed: int) -> DiffusionPipeline:
    """Karras' stochastic sampler."""
    return KarrasVePipeline(unet=pixel_unet(seed), scheduler=KarrasVeScheduler())


def consistency(seed: int) -> DiffusionPipeline:
    """A class-conditional consistency model."""
    return ConsistencyModelPipeline(
        unet=pixel_unet(seed, num_class_embeds=1000), scheduler=CMStochasticIterativeScheduler()
    )


def simple_cross_attention(seed: int, **config: Any) -> UNet2DConditionModel:
    """The UNet of DeepFloyd and Kandinsky: attention over added keys and values."""
    shape: dict[str, Any] = {
        "block_out_channels": (16, 32),
        "layers_per_block": 1,
        "norm_num_groups": 8,
        "attention_head_dim": 8,
        "cross_attention_dim": WIDTH,
        "encoder_hid_dim": WIDTH,
        "down_block_types": ("ResnetDownsampleBlock2D", "SimpleCrossAttnDownBlock2D"),
        "mid_block_type": "UNetMidBlock2DSimpleCrossAttn",
        "up_block_types": ("SimpleCrossAttnUpBlock2D", "ResnetUpsampleBlock2D"),
        "resnet_time_scale_shift": "scale_shift",
    }
    return fill(UNet2DConditionModel(**shape | config), seed)


def deepfloyd(seed: int) -> DiffusionPipeline:
    """DeepFloyd IF's first stage: pixels, T5."""
    denoiser = simple_cross_attention(
        *(seed,),
        sample_size=64,
        in_channels=3,
        out_channels=6,
        addition_embed_type="text",
        addition_embed_type_num_heads=2,
        cross_attention_norm="group_norm",
        act_fn="gelu",
    )
    return IFPipeline(
        tokenizer=encoders.t5_tokenizer(),
        text_encoder=encoders.t5_encoder(seed),
        unet=denoiser,
        scheduler=DDPMScheduler(beta_schedule="squaredcos_cap_v2", variance_type="learned_range"),
        safety_checker=None,
        feature_extractor=None,
        watermarker=None,
        requires_safety_checker=False,
    )


def kandinsky3(seed: int) -> DiffusionPipeline:
    """Kandinsky 3: T5 and a movq decoder."""
    denoiser = Kandinsky3UNet(
        in_channels=4,
        time_embedding_dim=4,
        groups=2,
        attention_head_dim=4,
        layers_per_block=3,
        block_out_channels=(32, 64),
        cross_attention_dim=4,
        encoder_hid_dim=WIDTH,
    )
    return Kandinsky3Pipeline(
        tokenizer=encoders.t5_tokenizer(),
        text_encoder=encoders.t5_encoder(seed),
        unet=fill(denoiser, seed),
        scheduler=DDPMScheduler(beta_schedule="squaredcos_cap_v2"),
        movq=vq_autoencoder(seed, norm_type="spatial"),
    )


def kolors(seed: int) -> DiffusionPipeline:
    """Kolors: SDXL with ChatGLM captions, whose tokenizer is a sentencepiece model."""
    file = Path(_FOLDER.name) / "tokenizer.model"
    with file.open("wb") as model:
        letters = iter([string.ascii_lowercase])
        SentencePieceTrainer.train(
            sentence_iterator=letters, model_writer=model, vocab_size=30, model_type="char", minloglevel=2
        )
    config = ChatGLMConfig(
        num_layers=2,
        padded_vocab_size=128,
        hidden_size=WIDTH,
        ffn_hidden_size=32,
        kv_channels=8,
        num_attention_heads=4,
        multi_query_attention=True,
        multi_query_group_num=2,
        rmsnorm=True,
        add_qkv_bias=True,
        post_layer_norm=True,
        original_rope=True,
        seq_length=256,
    )
    sizes = {"addition_time_embed_dim": 8, "projection_class_embeddings_input_dim": 6 * 8 + WIDTH}
    return KolorsPipeline(
        vae=autoencoder(seed),
        text_encoder=fill(ChatGLMModel(config), seed),
        tokenizer=ChatGLMTokenizer(vocab_file=str(file)),
        unet=unet(
            *(seed,),
            cross_attention_dim=WIDTH,
            encoder_hid_dim=WIDTH,
            encoder_hid_dim_type="text_proj",
            addition_embed_type="text_time",
            **sizes,
        ),
        scheduler=EulerDiscreteScheduler(**SD_NOISE, timestep_spacing="leading"),
    )
