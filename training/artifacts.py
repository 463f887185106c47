"""What a run leaves in MLflow beside its curves: the detector, its card, configuration and environment."""

import json
from pathlib import Path

import yaml

from etl.config import as_dict
from training import checkpoint, detectors, environment, serving
from training.augmentations import MEAN, STD, shorter_edge
from training.checkpoint import Trainee
from training.sets import TrainingSet
from training.settings import TrainSettings
from training.splits import Split

DETECTOR = "detector"
MODEL = f"{DETECTOR}/{serving.WEIGHTS}"
MODEL_CONFIG = f"{DETECTOR}/{serving.CONFIG}"
CARD = "model_card.md"


def write(
    folder: Path,
    trainee: Trainee,
    settings: TrainSettings,
    training_set: TrainingSet,
    splits: tuple[Split, Split],
) -> None:
    """Write a run's files into `folder`."""
    checkpoint.write_tensors(folder / MODEL, dict(trainee.model.state_dict()))
    size = detectors.input_size(settings.detector, settings.input_size)
    config = {
        "detector": settings.detector,
        "input_size": size,
        "resize_shorter_edge": shorter_edge(size),
        "mean": MEAN,
        "std": STD,
        "label_of_positive_logit": "fake",
        "training_set": training_set.label,
    }
    (folder / MODEL_CONFIG).write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    (folder / "train.yaml").write_text(yaml.safe_dump(as_dict(settings), sort_keys=False), encoding="utf-8")
    (folder / "requirements.txt").write_text(environment.requirements(), encoding="utf-8")
    (folder / CARD).write_text(card(trainee, settings, training_set, splits), encoding="utf-8")


def card(trainee: Trainee, settings: TrainSettings, training_set: TrainingSet, splits: tuple[Split, Split]) -> str:
    """Return the detector's model card as Markdown."""
    weights = sum(parameter.numel() for parameter in trainee.model.parameters())
    kept = trainee.best_epoch if trainee.best else trainee.epoch
    figures = [point for point in trainee.history if point.key.startswith("val_") and point.step == kept]
    rows = "\n".join(f"| {point.key.removeprefix('val_')} | {point.value:.4f} |" for point in figures)
    size = detectors.input_size(settings.detector, settings.input_size)
    return f"""# {settings.detector} trained on {training_set.label}

Tells images that a generator made from photographs: {detectors.find(settings.detector).about}.
Input: {size} x {size} pixels, the centre of the image with its shorter edge resized to {shorter_edge(size)}.
Output: one logit, above 0 for fake. {weights:,} weights, those after epoch {kept} of {settings.epochs},
begun from {settings.weights or "random ones"}.

## Data

Training set {training_set.label}: {splits[0].rows} images to train on, {splits[1].rows} to validate on.
Checksum of its ids: {training_set.id_checksum}; hash of its recipe: {training_set.config_hash}.

## Validation

| figure | value |
|---|---|
{rows or "| none | no images to validate on |"}

## Limits

The figures hold for generators and photographs like those of the training set. On other generators, other sources
of photographs, or images that were resized, recompressed or edited since, expect less, and measure it (`forensics
evaluate`). A logit is no probability, and no proof about one image.
"""
