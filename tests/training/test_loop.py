"""The training loop and checkpoints, on sixteen tiny images."""

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from training import checkpoint, detectors, loop
from training.augmentations import TestTransform
from training.data import Batch
from training.decoding import decode
from training.errors import CheckpointDamaged, NonFiniteLoss
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
    for _ in loop.fit(trainee, settings, 16, lambda epoch, first: images[first:], lambda: images, now=lambda: 1.0):
        pass


def fresh() -> checkpoint.Trainee:
    return loop.new_trainee(detectors.build("test_vit", seed=3), SETTINGS)


def dropping() -> checkpoint.Trainee:
    """A trainee whose passes forward draw random numbers."""
    model = detectors.build("test_vit", seed=3)
    model.head_drop = torch.nn.Dropout(0.5)
    return loop.new_trainee(model, SETTINGS)


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
    for _ in loop.fit(broken, SETTINGS, 16, lambda epoch, first: images[first:], lambda: images, now=lambda: 1.0):
        if broken.epoch == 2:
            checkpoint.save(path, broken)
            break
    assert checkpoint.restore(path, resumed) and resumed.epoch == 2
    fit(resumed, images)
    assert resumed.history == whole.history
    for name, tensor in whole.model.state_dict().items():
        assert torch.equal(tensor, resumed.model.state_dict()[name]), name


def test_a_training_cut_after_any_step_ends_as_an_uninterrupted_one(images, tmp_path: Path):
    whole, broken = dropping(), dropping()
    fit(whole, images)
    every = replace(SETTINGS, checkpoint_steps=1)
    for number, _ in enumerate(
        loop.fit(broken, every, 16, lambda epoch, first: images[first:], lambda: images, now=lambda: 1.0)
    ):
        checkpoint.save(tmp_path / f"{number:02d}.safetensors", broken)
    paths = sorted(tmp_path.iterdir())
    assert len(paths) == 3 * SETTINGS.epochs  # two steps an epoch, and its end
    for path in paths:
        resumed = dropping()
        assert checkpoint.restore(path, resumed)
        fit(resumed, images)
        assert resumed.history == whole.history
        for name, tensor in whole.model.state_dict().items():
            assert torch.equal(tensor, resumed.model.state_dict()[name]), (path.name, name)


def test_with_patience_training_ends_early_and_keeps_the_best_weights(images, tmp_path: Path):
    trainee, seen = fresh(), []
    patient = replace(SETTINGS, epochs=40, patience=2, learning_rate=0.3, warmup_fraction=0.0)
    for _ in loop.fit(trainee, patient, 16, lambda epoch, first: images[first:], lambda: images, now=lambda: 1.0):
        seen.append({key: tensor.clone() for key, tensor in trainee.model.state_dict().items()})
        checkpoint.save(tmp_path / "checkpoint.safetensors", trainee)
    losses = [point.value for point in trainee.history if point.key == "val_loss"]
    best = losses.index(min(losses))
    assert len(losses) == best + 3 < 40
    assert all(torch.equal(tensor, trainee.model.state_dict()[key]) for key, tensor in seen[best].items())
    resumed = fresh()
    assert checkpoint.restore(tmp_path / "checkpoint.safetensors", resumed)
    fit(resumed, images, patient)
    assert resumed.epoch == trainee.epoch
    assert all(torch.equal(tensor, resumed.model.state_dict()[key]) for key, tensor in seen[best].items())


def test_throughput_and_waiting_are_measured_an_epoch(images):
    trainee, clock = fresh(), iter(range(10_000))
    for _ in loop.fit(
        trainee, SETTINGS, 16, lambda epoch, first: images[first:], lambda: images, now=lambda: float(next(clock))
    ):
        pass
    rates = [point.value for point in trainee.history if point.key == "images_per_second"]
    shares = [point.value for point in trainee.history if point.key == "share_waiting_for_data"]
    assert len(rates) == len(shares) == SETTINGS.epochs
    assert all(0 < share < 1 for share in shares) and all(0 < rate < 16 for rate in rates)


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
    checkpoint.save(path, loop.new_trainee(detectors.build("test_resnet"), SETTINGS))
    with pytest.raises(CheckpointDamaged, match="delete it"):
        checkpoint.restore(path, fresh())


class Planted:
    """What does something when it is unpickled."""

    def __init__(self, path: Path):
        self.path = path

    def __reduce__(self):
        return self.path.touch, ()


def test_a_pickled_checkpoint_is_an_error_and_is_not_unpickled(tmp_path: Path):
    path = tmp_path / "checkpoint.safetensors"
    torch.save({"model": Planted(tmp_path / "opened")}, path)
    with pytest.raises(CheckpointDamaged, match="delete it"):
        checkpoint.restore(path, fresh())
    assert not (tmp_path / "opened").exists()


def test_saving_a_checkpoint_leaves_no_partial_file(tmp_path: Path):
    checkpoint.save(tmp_path / "checkpoint.safetensors", fresh())
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint.safetensors"]
