"""The training loop, checkpoints and detectors, on sixteen tiny images."""

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from etl.errors import ConfigError
from training import checkpoint, detectors, loop
from training.augmentations import TestTransform
from training.data import Batch
from training.decoding import decode
from training.errors import CheckpointDamaged, NonFiniteLoss, WeightsMismatch
from training.settings import TrainSettings

SETTINGS = TrainSettings(detector="test_vit", epochs=6, batch_size=8, learning_rate=3e-3)


@pytest.fixture(scope="module")
def images(rows) -> list[Batch]:
    transform = TestTransform(32)
    loaded = [(r, torch.from_numpy(transform(decode(r["bytes"], "id"), "id").copy())) for r in rows("train", 16)]
    return [
        Batch(
            [row["image_id"] for row, _ in part],
            torch.stack([pixels for _, pixels in part]),
            torch.tensor([float(row["label"]) for row, _ in part]),
        )
        for part in (loaded[:8], loaded[8:])
    ]


def fit(trainee: checkpoint.Trainee, images: list[Batch], settings: TrainSettings = SETTINGS) -> None:
    for _ in loop.fit(trainee, settings, 16, lambda epoch: images, lambda: images, now=lambda: 1.0):
        pass


def fresh() -> checkpoint.Trainee:
    return loop.new_trainee(detectors.build("test_vit", seed=3), SETTINGS)


def test_training_lowers_the_loss_on_sixteen_images(images):
    trainee = fresh()
    fit(trainee, images, replace(SETTINGS, epochs=20))
    losses = [point.value for point in trainee.history if point.key == "val_loss"]
    assert len(losses) == 20
    assert losses[-1] < 0.5 * losses[0]
    figures = {point.key: point.value for point in trainee.history}
    assert figures["val_average_precision"] == 1.0 and figures["val_accuracy"] == 1.0


def test_a_training_that_goes_on_from_a_checkpoint_ends_as_an_uninterrupted_one(images, tmp_path: Path):
    path, whole, broken, resumed = tmp_path / "checkpoint.safetensors", fresh(), fresh(), fresh()
    fit(whole, images)
    for _ in loop.fit(broken, SETTINGS, 16, lambda epoch: images, lambda: images, now=lambda: 1.0):
        if broken.epoch == 2:
            checkpoint.save(path, broken)
            break
    assert checkpoint.restore(path, resumed) and resumed.epoch == 2
    fit(resumed, images)
    assert resumed.history == whole.history
    for name, tensor in whole.model.state_dict().items():
        assert torch.equal(tensor, resumed.model.state_dict()[name]), name


def test_a_loss_that_is_not_a_number_stops_the_training(images):
    trainee = fresh()
    with torch.no_grad():
        next(trainee.model.parameters()).fill_(math.nan)
    with pytest.raises(NonFiniteLoss, match="nan"):
        fit(trainee, images)
    assert trainee.step == 0


def test_the_learning_rate_rises_to_its_peak_and_falls_to_a_thousandth():
    rates = [loop.learning_rate(progress, 2.0, 0.2) for progress in (0.1, 0.2, 0.6, 1.0)]
    assert rates == pytest.approx([1.0, 2.0, 2.0 * (0.001 + 0.999 / 2), 0.002])
    assert loop.learning_rate(0.01, 2.0, 0.0) == pytest.approx(2.0, rel=1e-3)


def test_the_final_rate_is_reached_whatever_the_number_of_batches(images):
    trainee = fresh()
    fit(trainee, images, replace(SETTINGS, epochs=1))
    assert trainee.optimizer.param_groups[0]["lr"] == pytest.approx(SETTINGS.learning_rate * loop.FINAL_RATE)


def test_a_damaged_checkpoint_is_an_error_and_a_missing_one_is_not(tmp_path: Path):
    path = tmp_path / "checkpoint.safetensors"
    assert not checkpoint.restore(path, fresh())
    checkpoint.save(path, fresh())
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(CheckpointDamaged, match="delete it"):
        checkpoint.restore(path, fresh())


def test_saving_a_checkpoint_leaves_no_partial_file(tmp_path: Path):
    checkpoint.save(tmp_path / "checkpoint.safetensors", fresh())
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint.safetensors"]


@pytest.mark.parametrize("name", ["resnet10t", "vit_tiny", "test_resnet", "test_vit"])
def test_a_detector_gives_one_logit_an_image_and_is_repeatable(name):
    size = detectors.find(name).input_size
    model = detectors.build(name, seed=1).eval()
    images = torch.rand(2, 3, size, size)
    assert model(images).shape == (2, 1)
    assert torch.equal(model(images), detectors.build(name, seed=1).eval()(images))


def test_the_papers_released_weights_fit_by_their_prefix(tmp_path: Path):
    released = {f"vit.{k}": v.contiguous() for k, v in detectors.build("test_vit", seed=9).state_dict().items()}
    save_file(released, tmp_path / "model.safetensors")
    model = detectors.build("test_vit", seed=1, weights=str(tmp_path / "model.safetensors"))
    assert torch.equal(model.head.weight, released["vit.head.weight"])


def test_a_backbone_with_a_head_of_other_classes_keeps_its_own_head(tmp_path: Path):
    backbone = {k: v.contiguous() for k, v in detectors.build("test_vit", seed=9).state_dict().items()}
    backbone |= {
        "head.weight": torch.zeros(1000, backbone["head.weight"].shape[1]),
        "head.bias": torch.zeros(1000),
    }
    save_file(backbone, tmp_path / "model.safetensors")
    model = detectors.build("test_vit", weights=str(tmp_path / "model.safetensors"))
    assert model.head.weight.shape[0] == 1
    assert torch.equal(model.pos_embed, backbone["pos_embed"])


def test_weights_of_another_model_and_files_that_are_none_are_refused(tmp_path: Path):
    path = tmp_path / "model.safetensors"
    save_file({k: v.contiguous() for k, v in detectors.build("test_resnet").state_dict().items()}, path)
    with pytest.raises(WeightsMismatch, match="does not fit"):
        detectors.build("test_vit", weights=str(path))
    path.write_bytes(b"\x80\x04pickle")
    with pytest.raises(WeightsMismatch, match="cannot be read"):
        detectors.build("test_vit", weights=str(path))


def test_unknown_detectors_and_devices_are_configuration_errors():
    with pytest.raises(ConfigError, match="known: resnet10t"):
        detectors.find("resnet")
    with pytest.raises(ConfigError, match="toaster"):
        detectors.device("toaster")
