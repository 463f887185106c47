"""Detectors by name, and weights from files, folders and the Hub."""

import io
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from huggingface_hub import PyTorchModelHubMixin
from PIL import Image
from safetensors.torch import save_file
from torchvision import transforms

from etl.demo.hub import DemoHub
from etl.errors import ConfigError, HubUnreachable
from tests.etl.tiny_hub import write_repository
from training import detectors, weights
from training.augmentations import MEAN, STD, TestTransform, to_input
from training.decoding import decode
from training.errors import WeightsMismatch

SMALL = ["resnet10t", "vit_tiny", "small_cnn", "linear_srm", "linear_spectrum", "linear_radial",
         "linear_efficientnet"]  # fmt: skip


class ReleasedVit(torch.nn.Module, PyTorchModelHubMixin):
    """A model of the layout in which the paper's detectors were published."""

    def __init__(self, model_size: str = "small", input_size: int = 224, patch_size: int = 16) -> None:
        super().__init__()
        self.vit = timm.create_model(f"vit_{model_size}_patch{patch_size}_{input_size}", num_classes=1)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.vit(images)


def tensors(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {key: tensor.contiguous() for key, tensor in model.state_dict().items()}


@pytest.mark.parametrize("name", [*SMALL, "test_resnet", "test_vit"])
def test_a_detector_gives_one_logit_an_image_and_is_repeatable(name):
    size = detectors.find(name).input_size
    model = detectors.build(name, seed=1).eval()
    images = torch.rand(2, 3, size, size)
    assert model(images).shape == (2, 1)
    assert torch.equal(model(images), detectors.build(name, seed=1).eval()(images))


@pytest.mark.parametrize("name", SMALL)
def test_a_detector_takes_another_size_where_it_can(name):
    assert detectors.build(name, size=96).eval()(torch.rand(2, 3, 96, 96)).shape == (2, 1)


@pytest.mark.parametrize(
    "name", ["linear_srm", "linear_spectrum", "linear_radial", "linear_efficientnet", "small_cnn"]
)
def test_a_detector_learns_to_tell_noise_from_a_blur(name):
    images = torch.randn(64, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    labels = torch.arange(64) % 2
    images[labels == 1] = torch.nn.functional.avg_pool2d(images[labels == 1], 3, 1, 1)
    model = detectors.build(name).train()
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=1e-2)
    for _ in range(12):
        loss = torch.nn.functional.binary_cross_entropy_with_logits(model(images).squeeze(1), labels.float())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert ((model.eval()(images).squeeze(1) > 0) == (labels == 1)).float().mean() > 0.95


def test_a_frozen_detector_trains_its_head_alone():
    model = detectors.build("test_resnet", frozen=True)
    assert {name for name, parameter in model.named_parameters() if parameter.requires_grad} == {
        "fc.weight",
        "fc.bias",
    }


def test_released_detectors_give_equal_logits_from_the_same_image_files(tmp_path: Path):
    torch.manual_seed(5)
    published = ReleasedVit().eval()
    published.save_pretrained(tmp_path)
    assert len(published.state_dict()) == 152 and (tmp_path / "config.json").exists()
    loaded = detectors.build("vit_small_224", seed=1, weights=str(tmp_path)).eval()
    reference = transforms.Compose([
        transforms.Resize(256), transforms.CenterCrop(224), transforms.ToTensor(), transforms.Normalize(MEAN, STD),
    ])  # fmt: skip
    for size, kind in (((300, 260), "JPEG"), ((257, 700), "PNG"), ((120, 90), "WEBP")):
        pixels = np.random.default_rng(size).integers(0, 256, (size[1] // 9 + 1, size[0] // 9 + 1, 3), np.uint8)
        file = io.BytesIO()
        Image.fromarray(pixels).resize(size, Image.Resampling.BICUBIC).save(file, kind)
        expected = published(reference(Image.open(file).convert("RGB")).unsqueeze(0))
        ours = TestTransform(224)(decode(file.getvalue(), "id"), "id")
        found = loaded(to_input(torch.from_numpy(ours.copy()).unsqueeze(0), torch.device("cpu")))
        assert found.item() == pytest.approx(expected.item(), abs=1e-4)


def test_weights_are_taken_from_a_repository_of_the_hub(tmp_path: Path, monkeypatch):
    folder = write_repository(tmp_path / "hub", "owner/detector", index=None, files={})
    save_file(
        {f"vit.{k}": v for k, v in tensors(detectors.build("test_vit", seed=9)).items()}, folder / weights.FILE
    )
    write_repository(tmp_path / "hub", "owner/pickled", index=None, files={"model.bin": "x"})
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    with DemoHub(tmp_path / "hub") as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.endpoint)
        model = detectors.build("test_vit", seed=1, weights="owner/detector")
        assert torch.equal(model.head.weight, detectors.build("test_vit", seed=9).head.weight)
        with pytest.raises(ConfigError, match=r"gives no model\.safetensors"):
            detectors.build("test_vit", weights="owner/pickled")
        with pytest.raises(ConfigError, match="owner/absent"):
            detectors.build("test_vit", weights="owner/absent")
    assert isinstance(
        weights._unreachable("owner/other", weights.FILE, ConnectionError("refused")), HubUnreachable
    )


def test_a_backbone_with_a_head_of_other_classes_keeps_its_own_head(tmp_path: Path):
    backbone = tensors(detectors.build("test_vit", seed=9))
    backbone |= {
        "head.weight": torch.zeros(1000, backbone["head.weight"].shape[1]),
        "head.bias": torch.zeros(1000),
    }
    save_file(backbone, tmp_path / "model.safetensors")
    model = detectors.build("test_vit", weights=str(tmp_path / "model.safetensors"))
    assert model.head.weight.shape[0] == 1
    assert torch.equal(model.pos_embed, backbone["pos_embed"])


def test_weights_that_are_used_as_they_are_must_have_a_head_of_their_own(tmp_path: Path):
    whole = tensors(detectors.build("test_vit", seed=9))
    headless = {key: tensor for key, tensor in whole.items() if not key.startswith("head.")}
    of_other_classes = headless | {"head.weight": torch.zeros(7, 64), "head.bias": torch.zeros(7)}
    for number, saved in enumerate((whole, headless, of_other_classes)):
        save_file(saved, tmp_path / f"{number}.safetensors")
    detectors.build("test_vit", weights=str(tmp_path / "0.safetensors"), whole=True)
    for number in (1, 2):
        with pytest.raises(WeightsMismatch, match=r"does not fit the detector at head\.bias"):
            detectors.build("test_vit", weights=str(tmp_path / f"{number}.safetensors"), whole=True)


def test_a_probe_takes_the_weights_of_its_backbone_and_of_itself(tmp_path: Path, monkeypatch):
    tiny = detectors.Detector(lambda size: detectors._clip("test_vit", size), 160, "", False, "features.net.")
    monkeypatch.setitem(detectors.DETECTORS, "tiny_clip", tiny)
    backbone = timm.create_model("test_vit", num_classes=7)
    save_file(tensors(backbone), tmp_path / "backbone.safetensors")
    probe = detectors.build("tiny_clip", weights=str(tmp_path / "backbone.safetensors"))
    assert torch.equal(probe.features.net.pos_embed, backbone.pos_embed)
    torch.nn.init.ones_(probe.head.weight)
    save_file(tensors(probe), tmp_path / "probe.safetensors")
    again = detectors.build("tiny_clip", weights=str(tmp_path / "probe.safetensors"))
    assert all(torch.equal(tensor, again.state_dict()[key]) for key, tensor in probe.state_dict().items())


def test_a_pretrained_backbone_without_weights_is_refused():
    with pytest.raises(ConfigError, match="clip_vit_b16 rests on pretrained weights"):
        detectors.build("clip_vit_b16")


def test_weights_of_another_model_and_files_that_are_none_are_refused(tmp_path: Path):
    path = tmp_path / "model.safetensors"
    save_file(tensors(detectors.build("test_resnet")), path)
    with pytest.raises(WeightsMismatch, match="does not fit"):
        detectors.build("test_vit", weights=str(path))
    path.write_bytes(b"\x80\x04pickle")
    with pytest.raises(WeightsMismatch, match="cannot be read"):
        detectors.build("test_vit", weights=str(path))
    pickled = path.rename(tmp_path / "model.bin")
    with pytest.raises(ConfigError, match="nothing else is read"):
        detectors.build("test_vit", weights=str(pickled))


def test_unknown_detectors_sizes_and_devices_are_configuration_errors():
    with pytest.raises(ConfigError, match="known: vit_small_224"):
        detectors.find("resnet")
    with pytest.raises(ConfigError, match="224 pixels only"):
        detectors.input_size("clip_vit_l14", 384)
    with pytest.raises(ConfigError, match="toaster"):
        detectors.device("toaster")
