"""What of a repository is wanted, and what is refused before any download."""

import json
from dataclasses import replace

import pytest

from generation.failures import Code, GenerationFailure
from generation.repository import RepoFile, Repository, check_index, select, select_adapter

INDEX = {
    "_class_name": "StableDiffusionPipeline",
    "_diffusers_version": "0.42.1",
    "unet": ["diffusers", "UNet2DConditionModel"],
    "tokenizer": ["transformers", "CLIPTokenizer"],
    "safety_checker": ["stable_diffusion", "StableDiffusionSafetyChecker"],
    "image_encoder": [None, None],
    "requires_safety_checker": True,
}
FILES = [
    "model_index.json",
    "README.md",
    "v1-5-pruned.safetensors",
    "v1-5-pruned.ckpt",
    "unet/config.json",
    "unet/diffusion_pytorch_model.safetensors",
    "unet/diffusion_pytorch_model.fp16.safetensors",
    "unet/diffusion_pytorch_model.bin",
    "unet/model.onnx",
    "tokenizer/vocab.json",
    "tokenizer/merges.txt",
    "tokenizer/chat_template.jinja",
    "safety_checker/model.safetensors",
]


def repository(*paths: str, **index) -> Repository:
    files = tuple(RepoFile(path, 10) for path in paths or FILES)
    return Repository("lab/model", "a" * 40, files, json.dumps(INDEX | index))


def refusal(found: Repository, choose=select) -> Code:
    with pytest.raises(GenerationFailure) as refused:
        choose(found, 10**9)
    return refused.value.code


def test_components_are_taken_without_checkpoints_pickles_copies_and_the_safety_checker():
    selection = select(repository(), 10**9)
    assert [file.path for file in selection.files] == [
        "model_index.json",
        "unet/diffusion_pytorch_model.safetensors",
        "unet/config.json",
        "tokenizer/vocab.json",
        "tokenizer/merges.txt",
        "tokenizer/chat_template.jinja",
    ]
    assert selection.variant is None


def test_half_precision_is_taken_where_there_is_nothing_else():
    selection = select(repository(*[f for f in FILES if f != FILES[5]]), 10**9)
    assert "unet/diffusion_pytorch_model.fp16.safetensors" in [file.path for file in selection.files]
    assert selection.variant == "fp16"


def test_weights_that_are_pickles_only_are_refused():
    assert refusal(repository("model_index.json", "unet/config.json", "unet/model.bin")) is Code.PICKLE_ONLY


@pytest.mark.parametrize(
    "index",
    [
        {"_class_name": ["pipeline", "Evil"]},
        {"unet": ["my_unet", "Unet"]},
        {"unet": ["os", "system"]},
        {"unet": ["diffusers", "A", "B"]},
        {"unet": ["diffusers", None]},
    ],
)
def test_a_class_from_elsewhere_is_remote_code(index):
    assert refusal(repository(**index)) is Code.REMOTE_CODE


def test_a_repository_with_python_is_remote_code():
    assert refusal(repository(*FILES, "unet/modeling.py")) is Code.REMOTE_CODE


def test_a_class_outside_the_table_is_unsupported():
    assert refusal(repository(_class_name="StableDiffusionInpaintPipeline")) is Code.UNSUPPORTED


@pytest.mark.parametrize("index", [None, "", "[1]", "{", "null"])
def test_an_index_that_is_none_is_unsupported(index):
    assert refusal(replace(repository(), index=index)) is Code.UNSUPPORTED


def test_settings_that_are_lists_are_no_components():
    assert check_index(INDEX | {"text_encoder_out_layers": [10, 20]}) == ["unet", "tokenizer"]


@pytest.mark.parametrize(
    "path",
    [
        *(
            "../x.json",
            "unet/../../x.json",
            "/etc/x.json",
            "C:\\x.json",
            "unet\\x.json",
            "a//b.json",
            "unet/./x.json",
        ),
        *("CON", "unet/nul.json", "a\nb.json", "", "x" * 300, "a\u202egpj.json", "UNET/CONFIG.JSON"),
    ],
)
def test_an_unsafe_file_name_refuses_the_whole_repository(path):
    assert refusal(repository(*FILES, path)) is Code.UNSAFE_NAME


@pytest.mark.parametrize("model_id", ["../up", "lab/../x", "/abs", "a/b/c", "lab/mo del", "lab/x?y", ""])
def test_an_unsafe_repository_id_is_refused(model_id):
    assert refusal(replace(repository(), model_id=model_id)) is Code.UNSAFE_NAME


@pytest.mark.parametrize("revision", ["main", "a" * 39, "A" * 40, "../" + "a" * 37])
def test_a_revision_that_is_no_commit_is_refused(revision):
    assert refusal(replace(repository(), revision=revision)) is Code.UNSAFE_NAME


def test_a_model_above_the_limit_is_too_big():
    with pytest.raises(GenerationFailure, match="TOO_BIG"):
        select(repository(), 59)
    assert select(repository(), 60)


def test_an_adapter_is_its_one_weights_file_at_the_root():
    found = repository("README.md", "other.safetensors", "pytorch_lora_weights.safetensors")
    assert select_adapter(found, 100).path == "pytorch_lora_weights.safetensors"
    assert select_adapter(repository("README.md", "style.safetensors"), 100).path == "style.safetensors"


def test_an_adapter_without_one_clear_weights_file_is_refused():
    assert refusal(repository("a.safetensors", "b.safetensors"), select_adapter) is Code.UNSUPPORTED
    assert refusal(repository("lora.bin"), select_adapter) is Code.PICKLE_ONLY


def test_an_adapters_final_weights_go_before_those_of_its_training():
    files = ("README.md", "cats-000010.safetensors", "cats-000020.safetensors", "cats.safetensors")
    assert select_adapter(repository(*files), 100).path == "cats.safetensors"
    assert (
        refusal(repository("cats-000010.safetensors", "cats-000020.safetensors"), select_adapter)
        is Code.UNSUPPORTED
    )
