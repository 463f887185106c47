"""Backbones: the one that ships, timm's and CLIP's from local safetensors, and what is refused."""

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from etl.errors import ConfigError
from etl.images.features.backbone import Backbone, resolve
from etl.images.features.embedding import load
from etl.jobs import describe

TIMM = "test_resnet.r160_in1k"


@pytest.fixture(scope="module")
def squares(picture) -> list[np.ndarray]:
    """A picture, another one, and the first again."""
    first, other = picture.resize((224, 224)), picture.rotate(180).resize((224, 224))
    return [np.asarray(image) for image in (first, other, first)]


@pytest.fixture(scope="module")
def weights(tmp_path_factory) -> str:
    """Weights of one of timm's smallest models, with its classifier."""
    import timm

    file = tmp_path_factory.mktemp("weights") / "model.safetensors"
    torch.manual_seed(0)
    save_file(timm.create_model(TIMM, pretrained=False).state_dict(), file)
    return str(file)


@pytest.fixture(scope="module")
def clip(tmp_path_factory) -> str:
    """A tiny CLIP image tower with random weights."""
    from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

    sizes = {"hidden_size": 8, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = CLIPVisionConfig(**sizes, image_size=32, patch_size=8, projection_dim=5)
    folder = tmp_path_factory.mktemp("models") / "tiny-clip"
    torch.manual_seed(0)
    CLIPVisionModelWithProjection(config).save_pretrained(folder)
    return str(folder)


def test_no_backbone_is_none():
    assert resolve("none") is None


def test_the_default_ships_with_the_project_and_tells_pictures_apart(squares):
    backbone = resolve("efficientnet-lite0")
    vectors = load(backbone).embed(squares)
    assert backbone.identity.startswith("efficientnet-lite0@") and len(backbone.identity) == 31
    assert vectors.shape == (3, 1280) and vectors.dtype == np.float32 and np.isfinite(vectors).all()
    assert np.allclose(vectors[0], vectors[2], atol=1e-4) and not np.allclose(vectors[0], vectors[1], atol=1e-1)


def test_the_default_gives_what_its_package_gives(squares):
    from efficientnet_lite_pytorch import EfficientNet

    backbone = resolve("efficientnet-lite0")
    net = EfficientNet.from_name("efficientnet-lite0")
    net.load_state_dict(torch.load(backbone.weights, weights_only=True))
    with torch.no_grad():
        pixels = (torch.tensor(squares[0]).permute(2, 0, 1)[None].float() - 127) / 128
        expected = net.eval().extract_features(pixels).mean((2, 3))[0].numpy()
    assert np.abs(load(backbone).embed(squares[:1])[0] - expected).max() < 1e-4


def test_a_batch_gives_what_its_images_give_alone(squares):
    embedder = load(resolve("efficientnet-lite0"))
    together = embedder.embed(squares * 7)  # more than go through the net at once
    alone = np.concatenate([embedder.embed([square]) for square in squares])
    assert np.abs(together[-3:] - alone).max() < 1e-4


def test_a_timm_model_embeds_by_its_pooled_features(weights):
    import timm

    backbone = resolve(f"timm:{TIMM}", weights)
    embedder = load(backbone)
    square = np.random.default_rng(0).integers(0, 256, (embedder.side, embedder.side, 3), dtype=np.uint8)
    net = timm.create_model(TIMM, pretrained=False)
    net.load_state_dict(load_file(weights))
    data = timm.data.resolve_model_data_config(net)
    mean, spread = (torch.tensor(data[name]).view(3, 1, 1) for name in ("mean", "std"))
    with torch.no_grad():
        pixels = (torch.tensor(square).permute(2, 0, 1) / 255 - mean) / spread
        expected = net.eval().forward_head(net.forward_features(pixels[None]), pre_logits=True)[0]
    assert np.abs(embedder.embed([square])[0] - expected.numpy()).max() < 1e-4
    assert backbone.identity.startswith(f"timm:{TIMM}@")


def test_other_weights_are_another_identity(weights, tmp_path):
    state = torch.load(resolve("efficientnet-lite0").weights, weights_only=True)
    other = tmp_path / "other.safetensors"
    save_file({"fc.bias": state["_fc.bias"]}, other)
    assert resolve(f"timm:{TIMM}", str(other)).identity != resolve(f"timm:{TIMM}", weights).identity


def test_a_clip_model_embeds_by_its_projection(clip):
    backbone = resolve(f"clip:{clip}")
    embedder = load(backbone)
    vectors = embedder.embed([np.zeros((32, 32, 3), np.uint8), np.full((32, 32, 3), 255, np.uint8)])
    assert embedder.side == 32 and vectors.shape == (2, 5) and not np.allclose(vectors[0], vectors[1])
    assert backbone.identity.startswith("clip:tiny-clip@"), "a path of the machine is no identity"


def test_weights_that_are_no_safetensors_are_not_read(clip, weights, tmp_path):
    pickled = tmp_path / "pytorch_model.bin"
    pickled.write_bytes(b"\x80\x04")
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(ConfigError, match=r"no \.safetensors file"):
        resolve(f"clip:{tmp_path}")
    with pytest.raises(ConfigError, match=r"is no \.safetensors file"):
        resolve(f"timm:{TIMM}", str(pickled))
    with pytest.raises(ConfigError, match=r"is no \.safetensors file"):
        resolve(f"timm:{TIMM}", str(tmp_path / "missing.safetensors"))


def test_weights_that_do_not_fit_are_told_in_a_sentence(weights, tmp_path):
    truncated = tmp_path / "cut.safetensors"
    with open(weights, "rb") as whole:
        truncated.write_bytes(whole.read(1000))
    wrong = {"timm:test_vit.r160_in1k": weights, "timm:no_such_model": weights, f"timm:{TIMM}": str(truncated)}
    for name, file in wrong.items():
        with pytest.raises(ConfigError, match="cannot be loaded from"):
            load(resolve(name, file))


def test_a_model_that_is_neither_a_folder_nor_on_the_hub_is_told(monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    for name in ("clip:nobody/nothing-like-it", "timm:nothing.like_it"):
        with pytest.raises(ConfigError, match="could not be fetched from the Hub"):
            resolve(name)
    with pytest.raises(ConfigError, match="neither a folder nor a Hub id"):
        resolve("clip:/no/such/folder")


@pytest.mark.parametrize(
    "words",
    [
        ["--backbone", "timm:hf_hub:someone/something"],
        ["--backbone", "resnet18"],
        ["--backbone", "none", "--weights", "a.safetensors"],
        ["--wave", "0"],
        ["--thumbnail_edge", "8"],
    ],
)
def test_settings_out_of_range_are_refused(words, tmp_path):
    with pytest.raises(ConfigError):
        describe.main(["--root", str(tmp_path / "lake"), *words])


def test_a_loaded_backbone_is_kept(weights):
    backbone = resolve(f"timm:{TIMM}", weights)
    assert load(backbone) is load(Backbone(**vars(backbone)))
