"""Trained detectors by name, and as ONNX files that give the same logits."""

import json
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from huggingface_hub import PyTorchModelHubMixin

from etl.errors import ConfigError, NothingUsable
from training import detectors, onnx_file, runs, trained
from training.augmentations import to_input
from training.errors import NotTheSameLogits
from training.jobs import export_detector as job
from training.jobs import score as score_job
from training.settings import TrainSettings


class Published(torch.nn.Module, PyTorchModelHubMixin):
    """The released layout: timm's ViT under `vit`, and in the configuration how large it is."""

    def __init__(self, model_size: str = "tiny", input_size: int = 32, patch_size: int = 16, device: str = "cpu"):
        super().__init__()
        self.vit = detectors.build("vit_tiny", seed=4, size=input_size)
        torch.nn.init.normal_(self.vit.head.weight)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.vit(images)


@pytest.fixture
def published(tmp_path: Path) -> Path:
    Published().eval().save_pretrained(tmp_path / "published")
    return tmp_path / "published"


def test_a_detector_is_found_by_its_registered_name_its_version_and_its_run(lake_root):
    settings = TrainSettings(root=str(lake_root), detector="test_vit", epochs=1, batch_size=8)
    first = runs.train(settings).run_id
    second = runs.train(TrainSettings(**{**vars(settings), "seed": 1})).run_id
    root = str(lake_root)
    assert trained.find(root, "demo-test_vit").run_id == second
    assert trained.find(root, "demo-test_vit@1").run_id == first
    assert trained.find(root, first) == trained.find(root, "demo-test_vit@1")
    assert trained.find(root, first).name == "demo-test_vit@1"
    with pytest.raises(NothingUsable, match=r"no version '3' \(known: 1, 2\)"):
        trained.find(root, "demo-test_vit@3")
    with pytest.raises(NothingUsable, match=r"no run 'it's'.*registered detectors: demo-test_vit\)"):
        trained.find(root, "it's")


def test_a_released_detector_scores_files_as_the_class_it_was_published_with(published, rows, tmp_path, capsys):
    image = rows("test", 1)[0]
    (tmp_path / "image.png").write_bytes(image["bytes"])
    words = [str(tmp_path / "image.png"), "--root", str(tmp_path), "--model", str(published), "--format", "json"]
    assert score_job.main(words) == 0
    told = json.loads(capsys.readouterr().out)
    from training.augmentations import TestTransform
    from training.decoding import decode

    pixels = torch.from_numpy(TestTransform(32)(decode(image["bytes"], "id"), "id").copy()).unsqueeze(0)
    with torch.no_grad():
        wanted = Published.from_pretrained(published).eval()(to_input(pixels, torch.device("cpu"))).item()
    assert told["logit"] == pytest.approx(wanted, abs=1e-4)
    assert (told["model"], told["stated_fpr"]) == (str(published), None)


def test_scoring_without_a_detector_or_a_known_training_set_says_what_to_name(lake_root, rows, tmp_path):
    (tmp_path / "image.png").write_bytes(rows("test", 1)[0]["bytes"])
    words = [str(tmp_path / "image.png"), "--root", str(lake_root), "--training_set", "nosuch"]
    with pytest.raises(NothingUsable, match=r"no training set 'nosuch'.*--model, or a training set"):
        score_job.main(words)


def test_folders_that_hold_no_detector_are_refused(published, tmp_path):
    with pytest.raises(ConfigError, match="is a file; name the folder"):
        trained.find(str(tmp_path), str(published / "model.safetensors"))
    with pytest.raises(ConfigError, match=r"holds no model\.safetensors; pickled weights"):
        trained.find(str(tmp_path), str(tmp_path))
    (published / "config.json").write_text('{"model_size": "tiny", "patch_size": 16, "input_size": -5}')
    with pytest.raises(NothingUsable, match="an input_size of -5"):
        trained.find(str(tmp_path), str(published)).load("cpu")
    (published / "config.json").write_text('{"model_size": "huge", "patch_size": 16, "input_size": 32}')
    with pytest.raises(NothingUsable, match="no configuration of a detector"):
        trained.find(str(tmp_path), str(published)).load("cpu")


def test_an_onnx_file_gives_the_logits_of_its_detector(published, tmp_path, capsys):
    words = ["--root", str(tmp_path), "--model", str(published), "--to", str(tmp_path / "onnx")]
    assert job.main(words) == 0
    assert "1 detectors = 1 new" in capsys.readouterr().out
    pixels = np.random.default_rng(3).integers(0, 256, (5, 32, 32, 3), dtype=np.uint8)
    session = onnxruntime.InferenceSession(str(tmp_path / "onnx" / "model.onnx"))
    found = session.run(None, {"pixels": pixels})[0]
    model = Published.from_pretrained(published).eval()
    with torch.no_grad():
        wanted = model(to_input(torch.from_numpy(pixels), torch.device("cpu"))).squeeze(1).numpy()
    assert found == pytest.approx(wanted, abs=1e-4) and np.ptp(wanted) > 1e-3
    told = json.loads((tmp_path / "onnx" / "config.json").read_text())
    assert told["largest_difference_of_logits"] < 1e-4 and told["resize_shorter_edge"] == 37
    assert job.main(words) == 0
    assert "0 new + 0 rejected + 1 already there" in capsys.readouterr().out
    (tmp_path / "onnx" / "config.json").unlink()  # as where the command was killed before the end
    assert job.main(words) == 0
    assert "1 detectors = 1 new" in capsys.readouterr().out
    told["weights_sha256"] = "of another"
    (tmp_path / "onnx" / "config.json").write_text(json.dumps(told))
    with pytest.raises(ConfigError, match="holds another detector"):
        job.main(words)


def test_an_onnx_file_that_gives_other_logits_is_not_kept(tmp_path, monkeypatch):
    model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3 * 16 * 16, 1))
    # Other weights by the time that the two are compared:
    compare = onnx_file.difference

    def changed(wrapped, path, pixels):
        torch.nn.init.ones_(model[1].weight)
        return compare(wrapped, path, pixels)

    monkeypatch.setattr(onnx_file, "difference", changed)
    with pytest.raises(NotTheSameLogits, match="nothing was kept"):
        onnx_file.write(model, 16, tmp_path / "model.onnx")
    assert not list(tmp_path.iterdir())
