"""Tiny genuine pipelines that draw an image in stages, or as tokens: Kandinsky 2.2, unCLIP, cascades, aMUSEd."""

from typing import Any

from diffusers import (
    AmusedPipeline,
    AmusedScheduler,
    DDIMScheduler,
    DDPMScheduler,
    DDPMWuerstchenScheduler,
    DiffusionPipeline,
    KandinskyV22CombinedPipeline,
    PriorTransformer,
    StableCascadeCombinedPipeline,
    StableCascadeUNet,
    StableUnCLIPPipeline,
    UnCLIPPipeline,
    UnCLIPScheduler,
    UNet2DModel,
    UVit2DModel,
    WuerstchenCombinedPipeline,
)
from diffusers.pipelines.deprecated.unclip import UnCLIPTextProjModel
from diffusers.pipelines.deprecated.wuerstchen import PaellaVQModel, WuerstchenDiffNeXt, WuerstchenPrior
from diffusers.pipelines.stable_diffusion import StableUnCLIPImageNormalizer
from transformers import CLIPImageProcessor, CLIPVisionConfig, CLIPVisionModelWithProjection

from generation.demo_hub import encoders
from generation.demo_hub.encoders import WIDTH
from generation.demo_hub.unet_families import SD_NOISE, autoencoder, unet
from generation.demo_hub.weights import fill
from tests.generation.tiny_unets import simple_cross_attention, vq_autoencoder

_RES, _ATTENTION = ("SDCascadeResBlock", "SDCascadeTimestepBlock"), "SDCascadeAttnBlock"


def prior(seed: int) -> PriorTransformer:
    """A diffusion prior from text to image embeddings."""
    transformer = PriorTransformer(num_attention_heads=2, attention_head_dim=12, embedding_dim=WIDTH, num_layers=1)
    return fill(transformer, seed)


def prior_scheduler() -> UnCLIPScheduler:
    """The priors' scheduler."""
    return UnCLIPScheduler(
        variance_type="fixed_small_log", prediction_type="sample", clip_sample=True, clip_sample_range=10.0
    )


def kandinsky22(seed: int) -> DiffusionPipeline:
    """Kandinsky 2.2, prior and decoder in one repository."""
    vision = CLIPVisionConfig(
        hidden_size=WIDTH,
        image_size=32,
        intermediate_size=37,
        num_attention_heads=4,
        num_hidden_layers=1,
        patch_size=16,
        projection_dim=WIDTH,
    )
    return KandinskyV22CombinedPipeline(
        unet=simple_cross_attention(
            seed, in_channels=4, out_channels=8, addition_embed_type="image", encoder_hid_dim_type="image_proj"
        ),
        scheduler=DDIMScheduler(beta_schedule="linear", clip_sample=False),
        movq=vq_autoencoder(seed, norm_type="spatial"),
        prior_prior=prior(seed),
        prior_image_encoder=fill(CLIPVisionModelWithProjection(vision), seed),
        prior_text_encoder=encoders.clip_encoder(seed, projection=True),
        prior_tokenizer=encoders.clip_tokenizer(),
        prior_scheduler=prior_scheduler(),
        prior_image_processor=CLIPImageProcessor(size=32, crop_size=32),
    )


def stable_unclip(seed: int) -> DiffusionPipeline:
    """Stable unCLIP: a prior, and Stable Diffusion that is told an image embedding."""
    return StableUnCLIPPipeline(
        prior_tokenizer=encoders.clip_tokenizer(),
        prior_text_encoder=encoders.clip_encoder(seed, projection=True),
        prior=prior(seed),
        prior_scheduler=DDPMScheduler(prediction_type="sample", clip_sample_range=5.0),
        image_normalizer=fill(StableUnCLIPImageNormalizer(embedding_dim=WIDTH), seed),
        image_noising_scheduler=DDPMScheduler(beta_schedule="squaredcos_cap_v2"),
        tokenizer=encoders.clip_tokenizer(),
        text_encoder=encoders.clip_encoder(seed),
        unet=unet(
            *(seed,),
            cross_attention_dim=WIDTH,
            class_embed_type="projection",
            projection_class_embeddings_input_dim=2 * WIDTH,
        ),
        scheduler=DDIMScheduler(**SD_NOISE, prediction_type="v_prediction"),
        vae=autoencoder(seed),
    )


def paella(seed: int) -> PaellaVQModel:
    """The decoder of both cascades, of factor 4."""
    vqgan = PaellaVQModel(bottleneck_blocks=1, embed_dim=32, num_vq_embeddings=8)
    fill(vqgan, seed)
    for name, buffer in vqgan.named_buffers():  # statistics of its normalisations
        if name.endswith("running_var"):
            buffer.fill_(1.0)
    return vqgan


def stable_cascade(seed: int) -> DiffusionPipeline:
    """Stable Cascade, both stages in one repository."""
    prior = StableCascadeUNet(
        conditioning_dim=32,
        block_out_channels=(32, 32),
        num_attention_heads=(2, 2),
        down_num_layers_per_block=(1, 1),
        up_num_layers_per_block=(1, 1),
        switch_level=(False,),
        clip_image_in_channels=WIDTH,
        clip_text_in_channels=WIDTH,
        clip_text_pooled_in_channels=WIDTH,
    )
    decoder = StableCascadeUNet(
        in_channels=4,
        out_channels=4,
        conditioning_dim=32,
        block_out_channels=(16, 32),
        num_attention_heads=(-1, 2),
        down_num_layers_per_block=(1, 1),
        up_num_layers_per_block=(1, 1),
        down_blocks_repeat_mappers=(1, 1),
        up_blocks_repeat_mappers=(1, 1),
        block_types_per_layer=(_RES, (*_RES, _ATTENTION)),
        clip_text_pooled_in_channels=WIDTH,
        dropout=(0.1, 0.1),
    )
    return StableCascadeCombinedPipeline(
        tokenizer=encoders.clip_tokenizer(),
        text_encoder=encoders.clip_encoder(seed, projection=True),
        decoder=fill(decoder, seed, gain=0.5),
        scheduler=DDPMWuerstchenScheduler(),
        vqgan=paella(seed),
        prior_prior=fill(prior, seed),
        prior_text_encoder=encoders.clip_encoder(seed, projection=True),
        prior_tokenizer=encoders.clip_tokenizer(),
        prior_scheduler=DDPMWuerstchenScheduler(),
    )


def wuerstchen(seed: int) -> DiffusionPipeline:
    """Würstchen, both stages in one repository."""
    decoder: dict[str, Any] = {"c_hidden": [32], "nhead": [-1], "blocks": [1], "level_config": ["CT"]}
    return WuerstchenCombinedPipeline(
        tokenizer=encoders.clip_tokenizer(),
        text_encoder=encoders.clip_encoder(seed),
        decoder=fill(WuerstchenDiffNeXt(c_cond=WIDTH, clip_embd=WIDTH, inject_effnet=[False], **decoder), seed),
        scheduler=DDPMWuerstchenScheduler(),
        vqgan=paella(seed),
        prior_tokenizer=encoders.clip_tokenizer(),
        prior_text_encoder=encoders.clip_encoder(seed),
        prior_prior=fill(WuerstchenPrior(c_in=16, c=8, depth=2, c_cond=WIDTH, c_r=8, nhead=2), seed),
        prior_scheduler=DDPMWuerstchenScheduler(),
    )


def amused(seed: int) -> DiffusionPipeline:
    """aMUSEd: masked tokens of a vector-quantised autoencoder."""
    transformer = UVit2DModel(
        hidden_size=16,
        hidden_dropout=0.0,
        cond_embed_dim=WIDTH,
        micro_cond_encode_dim=2,
        micro_cond_embed_dim=10,
        encoder_hidden_size=WIDTH,
        vocab_size=33,
        codebook_size=32,
        in_channels=16,
        block_out_channels=16,
        num_res_blocks=1,
        block_num_heads=2,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        attention_dropout=0.0,
        sample_size=8,
    )
    return AmusedPipeline(
        vqvae=vq_autoencoder(seed, channels=16, lookup_from_codebook=True),
        tokenizer=encoders.clip_tokenizer(),
        text_encoder=encoders.clip_encoder(seed, projection=True),
        transformer=fill(transformer, seed),
        scheduler=AmusedScheduler(mask_token_id=32),
    )


def unclip(seed: int) -> DiffusionPipeline:
    """unCLIP (Karlo): a prior, a decoder in pixels and two upscalers, from 64 to 64 pixels here."""
    upscaler: dict[str, Any] = {
        "sample_size": 64,
        "layers_per_block": 1,
        "norm_num_groups": 8,
        "block_out_channels": (8, 16),
        "down_block_types": ("ResnetDownsampleBlock2D",) * 2,
        "up_block_types": ("ResnetUpsampleBlock2D",) * 2,
        "in_channels": 6,
        "out_channels": 3,
    }
    decoder = simple_cross_attention(
        seed, sample_size=64, in_channels=3, out_channels=6, class_embed_type="identity", encoder_hid_dim=None
    )
    projection = UnCLIPTextProjModel(clip_embeddings_dim=WIDTH, time_embed_dim=64, cross_attention_dim=WIDTH)
    return UnCLIPPipeline(
        prior=prior(seed),
        decoder=decoder,
        text_encoder=encoders.clip_encoder(seed, projection=True),
        tokenizer=encoders.clip_tokenizer(),
        text_proj=fill(projection, seed),
        super_res_first=fill(UNet2DModel(**upscaler), seed),
        super_res_last=fill(UNet2DModel(**upscaler), seed + 1),
        prior_scheduler=prior_scheduler(),
        decoder_scheduler=UnCLIPScheduler(variance_type="learned_range", prediction_type="epsilon"),
        super_res_scheduler=UnCLIPScheduler(variance_type="fixed_small_log", prediction_type="epsilon"),
    )
