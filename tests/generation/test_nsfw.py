"""Scoring images by a classifier in the model's own process: what is marked, what is withheld, what is refused."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from etl.errors import ConfigError
from generation.failures import Code
from generation.landing import Landing
from generation.model_run import run_model
from generation.nsfw import Scorer, check, telling
from generation.plan import Generator, make_plan
from generation.settings import GenerateSettings

DDPM = "demo-lab/tiny-ddpm"


def save_classifier(folder: Path, labels: tuple[str, str], favoured: int) -> Path:
    """A tiny genuine ViT that finds every image to be of one class."""
    import torch
    from transformers import ViTConfig, ViTForImageClassification, ViTImageProcessor

    config = ViTConfig(
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        image_size=32,
        patch_size=16,
    )
    config.id2label = dict(enumerate(labels))
    model = ViTForImageClassification(config)
    with torch.no_grad():
        model.classifier.bias.copy_(torch.tensor([10.0, -10.0] if favoured == 0 else [-10.0, 10.0]))
    model.save_pretrained(folder, safe_serialization=True)
    ViTImageProcessor(size={"height": 32, "width": 32}).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def prude(tmp_path_factory) -> Path:
    """Finds everything to be not for all audiences."""
    return save_classifier(tmp_path_factory.mktemp("prude"), ("normal", "nsfw"), favoured=1)


@pytest.fixture
def run(workers, hub, repository, tmp_path):
    def sampled(scorer: Path, policy: str):
        settings = GenerateSettings(root=str(tmp_path), endpoint=hub.endpoint, plan="t", steps=2, size=64)
        settings = replace(settings, images_per_generator=2, nsfw_scorer=str(scorer), nsfw_policy=policy)
        task = make_plan([Generator(DDPM, repository(DDPM), "DDPMPipeline")], [], settings).tasks[0]
        landing = Landing(settings.root, "t", DDPM)
        outcome = run_model(task, task.requests, landing, settings, workers)
        lines = (landing.folder / "records.jsonl").read_text().splitlines()
        return outcome, [json.loads(line) for line in lines], landing.folder

    return sampled


def test_the_score_adds_up_what_its_telling_classes_are_given(prude, tmp_path):
    pixels = np.zeros((64, 64, 3), dtype=np.uint8)
    assert Scorer(prude, "cpu")(pixels) > 0.99
    mild = save_classifier(tmp_path, ("nsfw", "not nsfw"), favoured=1)
    assert Scorer(mild, "cpu")(pixels[:, :, 0]) < 0.01


def test_a_classifier_without_a_telling_class_is_refused(tmp_path):
    folder = save_classifier(tmp_path, ("cat", "dog"), favoured=0)
    with pytest.raises(ValueError, match="no class of the NSFW scorer"):
        Scorer(folder, "cpu")


def test_an_image_is_marked_and_kept(run, prude):
    outcome, records, _ = run(prude, "mark")
    assert (outcome.code, outcome.images) == (None, 2)
    assert [record["nsfw"] for record in records] == [True, True]


def test_an_image_is_withheld_with_a_code_and_no_byte_of_it_stays(run, prude):
    outcome, records, folder = run(prude, "withhold")
    assert (outcome.code, outcome.images, records) == (Code.NSFW_IMAGE, 0, [])
    assert [file.name for file in folder.iterdir()] == ["records.jsonl"]


@pytest.mark.parametrize("name", ["nsfw", "NSFW", "porn", "unsafe", "explicit_nudity", "is_nsfw", "nude"])
def test_a_class_that_tells_is_found(name):
    assert telling({0: "normal", 1: name}) == [1]


@pytest.mark.parametrize(
    "name",
    [
        *("not_nsfw", "non-nsfw", "notnsfw", "NonNSFW", "not nsfw", "NOT-NSFW", "sfw", "not_explicit"),
        *("safe_nsfw", "non_porn", "neutral", "normal"),
    ],
)
def test_a_class_that_denies_it_does_not_count(name):
    assert telling({0: name, 1: "nsfw"}) == [1]


def test_a_genuine_classifier_passes_the_check_at_the_start(prude):
    check(str(prude))
    check(None)


@pytest.mark.parametrize(
    ("file", "content", "remedy"),
    [
        ("config.json", '{"id2label": {"0": "cat", "1": "not_nsfw"}}', "rename the one"),
        ("config.json", '{"id2label": [1, 2]}', "names no classes"),
        ("config.json", "{}", "names no classes"),
        ("config.json", "{", "download the classifier again"),
        ("config.json", "[" * 100_000, "download the classifier again"),
        ("preprocessor_config.json", "[]", "download the classifier again"),
        ("preprocessor_config.json", None, "download the classifier again"),
    ],
)
def test_a_classifier_that_would_fail_each_model_is_refused_at_the_start(prude, tmp_path, file, content, remedy):
    broken = shutil.copytree(prude, tmp_path / "scorer")
    if content is None:
        (broken / file).unlink()
    else:
        (broken / file).write_text(content)
    with pytest.raises(ConfigError, match=remedy) as refused:
        check(str(broken))
    assert "--nsfw_scorer" in str(refused.value)


def test_a_folder_that_holds_no_classifier_is_named(tmp_path):
    with pytest.raises(ConfigError, match="a folder with config"):
        check(str(tmp_path))
