"""Tiny tokenizers and text encoders of the kinds that diffusers pipelines use; made in memory, nothing fetched."""

import string

from tokenizers import Tokenizer, pre_tokenizers, processors
from tokenizers.models import BPE
from transformers import (
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    CLIPTokenizer,
    Gemma2Config,
    Gemma2Model,
    GemmaTokenizer,
    GlmConfig,
    GlmModel,
    PreTrainedTokenizerFast,
    Qwen2Tokenizer,
    Qwen3Config,
    Qwen3Model,
    T5Config,
    T5EncoderModel,
    T5Tokenizer,
    UMT5Config,
    UMT5EncoderModel,
)

from generation.demo_hub.weights import fill

BYTES = sorted(pre_tokenizers.ByteLevel.alphabet())
LETTERS = [c for c in string.printable if not c.isspace()]
CHAT_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
WIDTH = 32
"""Hidden size of every text encoder."""

DECODER = {
    "hidden_size": WIDTH,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 2,
    "head_dim": 16,
    "max_position_embeddings": 1024,
}
"""Size of the decoder-only encoders (Gemma, Qwen, GLM); hidden states of the last but one layer are used."""


def clip_tokenizer() -> CLIPTokenizer:
    """One token a byte, in CLIP's two forms (inside a word, at its end), and the two specials."""
    symbols = [*BYTES, *(f"{c}</w>" for c in BYTES), "<|startoftext|>", "<|endoftext|>"]
    vocab = {symbol: position for position, symbol in enumerate(symbols)}
    return CLIPTokenizer(vocab=vocab, merges=[], model_max_length=77)


def clip_encoder(seed: int, projection: bool = False) -> CLIPTextModel | CLIPTextModelWithProjection:
    """CLIP's text tower; with its projection where the pipeline takes pooled embeddings."""
    config = CLIPTextConfig(
        vocab_size=514,
        hidden_size=WIDTH,
        intermediate_size=64,
        projection_dim=WIDTH,
        num_hidden_layers=2,
        num_attention_heads=4,
        bos_token_id=512,
        eos_token_id=513,
        pad_token_id=513,
    )
    return fill((CLIPTextModelWithProjection if projection else CLIPTextModel)(config), seed)


def t5_tokenizer() -> T5Tokenizer:
    """A unigram vocabulary of single characters."""
    vocab = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁", -2.0), *((c, -3.0) for c in LETTERS)]
    return T5Tokenizer(vocab=vocab, extra_ids=0, model_max_length=77)


def t5_encoder(seed: int, multilingual: bool = False, width: int = WIDTH) -> T5EncoderModel | UMT5EncoderModel:
    """T5's encoder; `multilingual` makes it UMT5, AuraFlow's."""
    config = (UMT5Config if multilingual else T5Config)(
        vocab_size=4 + len(LETTERS),
        d_model=width,
        d_kv=8,
        d_ff=64,
        num_layers=2,
        num_heads=4,
        feed_forward_proj="gated-gelu",
    )
    return fill((UMT5EncoderModel if multilingual else T5EncoderModel)(config), seed)


def gemma_tokenizer() -> GemmaTokenizer:
    """Single characters, with bytes for all others."""
    symbols = ["<pad>", "<eos>", "<bos>", "<unk>", "<mask>", "▁", *LETTERS, *(f"<0x{i:02X}>" for i in range(256))]
    return GemmaTokenizer(vocab={symbol: i for i, symbol in enumerate(symbols)}, merges=[], model_max_length=300)


def gemma_encoder(seed: int) -> Gemma2Model:
    """Gemma 2, as Sana and Lumina 2 use it."""
    tokens = {"pad_token_id": 0, "eos_token_id": 1, "bos_token_id": 2}
    return fill(Gemma2Model(Gemma2Config(vocab_size=6 + len(LETTERS) + 256, **tokens, **DECODER)), seed)


def qwen_tokenizer() -> Qwen2Tokenizer:
    """Bytes and the chat marks, with the chat template that Z-Image calls (saved as chat_template.jinja)."""
    symbols = [*BYTES, "<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    vocab = {symbol: position for position, symbol in enumerate(symbols)}
    return Qwen2Tokenizer(vocab=vocab, merges=[], chat_template=CHAT_TEMPLATE, model_max_length=512)


def qwen_encoder(seed: int) -> Qwen3Model:
    """Qwen 3, as Z-Image uses it."""
    return fill(Qwen3Model(Qwen3Config(vocab_size=320, **DECODER)), seed)


def glm_tokenizer() -> PreTrainedTokenizerFast:
    """Bytes after GLM's two prefix tokens: CogView4 fails on an empty prompt that has no token at all."""
    symbols = [*BYTES, "<|endoftext|>", "[gMASK]", "<sop>"]
    core = Tokenizer(BPE({symbol: i for i, symbol in enumerate(symbols)}, []))
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.post_processor = processors.TemplateProcessing(
        single="[gMASK] <sop> $A", special_tokens=[("[gMASK]", 257), ("<sop>", 258)]
    )
    end = "<|endoftext|>"
    return PreTrainedTokenizerFast(
        tokenizer_object=core, pad_token=end, eos_token=end, padding_side="left", model_max_length=1024
    )


def glm_encoder(seed: int) -> GlmModel:
    """GLM, as CogView4 uses it."""
    return fill(GlmModel(GlmConfig(vocab_size=320, pad_token_id=256, eos_token_id=256, **DECODER)), seed)
