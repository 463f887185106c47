"""The training loop: batches of tensors in, weights and curves out. It knows no tables and no MLflow.

Loss, optimiser, clipping and schedule are the paper's: binary cross-entropy on the logit, AdamW, gradient norm
at most 1, a linear warm-up and a cosine down to a thousandth of the peak. Mixed precision is bfloat16, on CUDA.
"""

import math
import os
import time
from collections.abc import Callable, Iterable, Iterator

import numpy as np
import torch
from torch.nn.functional import binary_cross_entropy_with_logits

from training.augmentations import to_input
from training.checkpoint import Measurement, Trainee
from training.data import Batch
from training.errors import NonFiniteLoss
from training.metrics import accuracy, average_precision
from training.settings import TrainSettings

MAX_GRADIENT_NORM = 1.0
FINAL_RATE = 1e-3
"""The learning rate at the end, as a share of its peak."""


def new_trainee(model: torch.nn.Module, settings: TrainSettings) -> Trainee:
    """Return the untrained state of a training: the model and its optimiser."""
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay
    )
    return Trainee(model, optimizer)


def leave_a_core_to_the_loader(device: torch.device) -> None:
    """Compute on all cores but one where the CPU computes: with more, the two wait for each other, spinning."""
    if device.type == "cpu":
        torch.set_num_threads(max(1, len(os.sched_getaffinity(0)) - 1))


def fit(
    trainee: Trainee,
    settings: TrainSettings,
    rows: int,
    training: Callable[[int], Iterable[Batch]],
    validation: Callable[[], Iterable[Batch]],
    now: Callable[[], float] = time.time,
) -> Iterator[Trainee]:
    """Train from `trainee.epoch` up to `settings.epochs`, validate after each epoch, and yield then.

    `training(epoch)` gives an epoch's batches, `rows` images in all. Raises NonFiniteLoss.
    """
    while trainee.epoch < settings.epochs:
        train_epoch(trainee, settings, rows, training(trainee.epoch), now)
        trainee.epoch += 1
        timestamp = int(now() * 1000)
        for key, value in validate(trainee.model, validation()).items():
            trainee.history.append(Measurement(key, value, trainee.epoch, timestamp))
        yield trainee


def train_epoch(
    trainee: Trainee, settings: TrainSettings, rows: int, batches: Iterable[Batch], now: Callable[[], float]
) -> None:
    """Take one step a batch and add its loss to the history."""
    torch.manual_seed(_epoch_seed(settings.seed, trainee.epoch))  # dropout and the like, also after a resume
    device = next(trainee.model.parameters()).device
    trainee.model.train()
    seen = 0
    for batch in batches:
        seen += len(batch.labels)
        progress = (trainee.epoch + seen / rows) / settings.epochs
        for group in trainee.optimizer.param_groups:
            group["lr"] = learning_rate(progress, settings.learning_rate, settings.warmup_fraction)
        loss = binary_cross_entropy_with_logits(logits(trainee.model, batch, device), batch.labels.to(device))
        value = loss.item()
        if not math.isfinite(value):
            raise NonFiniteLoss(
                f"the loss became {value} in epoch {trainee.epoch + 1}, after {trainee.step} steps; lower "
                "--learning_rate"
            )
        trainee.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trainee.model.parameters(), MAX_GRADIENT_NORM)
        trainee.optimizer.step()
        trainee.step += 1
        trainee.history.append(Measurement("train_loss", value, trainee.step, int(now() * 1000)))


def validate(model: torch.nn.Module, batches: Iterable[Batch]) -> dict[str, float]:
    """Return val_loss, val_accuracy and, where both classes are there, val_average_precision."""
    labels, scores = predict(model, batches)[1:]
    if not len(labels):
        return {}
    loss = binary_cross_entropy_with_logits(torch.from_numpy(scores), torch.from_numpy(labels).double())
    found = {
        "val_loss": loss.item(),
        "val_accuracy": accuracy(labels, scores),
        "val_average_precision": average_precision(labels, scores),
    }
    return {key: value for key, value in found.items() if value is not None and math.isfinite(value)}


@torch.inference_mode()
def predict(
    model: torch.nn.Module, batches: Iterable[Batch]
) -> tuple[list[str], np.ndarray[tuple[int], np.dtype[np.int64]], np.ndarray[tuple[int], np.dtype[np.float64]]]:
    """Return the image ids, labels and logits of all batches, in their order."""
    device = next(model.parameters()).device
    model.eval()
    ids: list[str] = []
    labels, scores = [np.zeros(0, np.int64)], [np.zeros(0, np.float64)]
    for batch in batches:
        ids += batch.image_ids
        labels.append(batch.labels.numpy().astype(np.int64))
        scores.append(logits(model, batch, device).double().cpu().numpy())
    return ids, np.concatenate(labels), np.concatenate(scores)


def logits(model: torch.nn.Module, batch: Batch, device: torch.device) -> torch.Tensor:
    """Return float32 logits [B], above 0 for fake."""
    with torch.autocast("cuda", torch.bfloat16, enabled=device.type == "cuda"):
        outputs: torch.Tensor = model(to_input(batch.images, device))
    return outputs.float().squeeze(1)


def learning_rate(progress: float, peak: float, warmup: float) -> float:
    """Return the rate at `progress` in (0, 1]: a line up to `warmup`, then a cosine from `peak` down.

    A function of progress, not of steps: with several workers an epoch's last batches are partial, so that the
    number of steps differs between epochs.
    """
    if progress < warmup:
        return peak * progress / warmup
    fallen = (1 + math.cos(math.pi * (progress - warmup) / (1 - warmup))) / 2
    return peak * (FINAL_RATE + (1 - FINAL_RATE) * fallen)


def _epoch_seed(seed: int, epoch: int) -> int:
    return int(np.random.SeedSequence([seed, epoch]).generate_state(1, np.uint64)[0] >> np.uint64(1))
