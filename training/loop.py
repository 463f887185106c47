"""The training loop: batches of tensors in, weights and curves out. It knows no tables and no MLflow.

Loss, optimiser, clipping and schedule are the paper's: binary cross-entropy on the logit, AdamW, gradient norm
at most 1, a linear warm-up and a cosine down to a thousandth of the peak. Mixed precision is bfloat16 on CUDA by
default, fp16 with a scaled loss (the paper's) on request.
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
from training.world import ALONE, World

MAX_GRADIENT_NORM = 1.0
FINAL_RATE = 1e-3
"""The learning rate at the end, as a share of its peak."""


def new_trainee(model: torch.nn.Module, settings: TrainSettings) -> Trainee:
    """Return the untrained state of a training: the model and its optimiser."""
    learnt = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(learnt, lr=settings.learning_rate, weight_decay=settings.weight_decay)
    device = next(model.parameters()).device
    scaler = torch.amp.GradScaler(device.type, enabled=precision(settings.precision, device) == torch.float16)
    return Trainee(model, optimizer, scaler)


def precision(name: str, device: torch.device) -> torch.dtype:
    """Return what forward passes compute in; `auto` is bfloat16 on CUDA and float32 elsewhere."""
    named = {"float32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
    return named.get(name, torch.bfloat16 if device.type == "cuda" else torch.float32)


def leave_a_core_to_the_loader(device: torch.device) -> None:
    """Compute on all cores but one where the CPU computes: with more, the two wait for each other, spinning."""
    if device.type == "cpu":
        torch.set_num_threads(max(1, len(os.sched_getaffinity(0)) - 1))


def fit(
    trainee: Trainee,
    settings: TrainSettings,
    rows: int,
    training: Callable[[int, int], Iterable[Batch]],
    validation: Callable[[], Iterable[Batch]],
    now: Callable[[], float] = time.time,
    world: World = ALONE,
) -> Iterator[Trainee]:
    """Train up to `settings.epochs`, or until --patience ends it; validate after each epoch.

    Yields where a checkpoint is due: after each epoch (`trainee.batch` is 0), and after --checkpoint_steps steps.
    `training(epoch, first)` gives this process's batches of an epoch from the `first` on; all processes' batches
    of an epoch hold `rows` images. With --patience the best weights are in the model at the end. Raises
    NonFiniteLoss.
    """
    device = next(trainee.model.parameters()).device
    model = world.parallel(trainee.model, device)
    if settings.compile:
        model = torch.compile(model, dynamic=True)  # type: ignore[assignment]
    while trainee.epoch < settings.epochs and not _is_over(trainee, settings):
        for _ in train_epoch(model, trainee, settings, rows, training(trainee.epoch, trainee.batch), now, world):
            yield trainee
        trainee.epoch += 1
        timestamp = int(now() * 1000)
        figures = validate(trainee.model, validation(), settings.precision, world)
        for key, value in figures.items():
            trainee.history.append(Measurement(key, value, trainee.epoch, timestamp))
        _remember(trainee, settings, figures.get("val_loss", math.inf))
        yield trainee
    if trainee.best:
        trainee.model.load_state_dict(trainee.best)


def _is_over(trainee: Trainee, settings: TrainSettings) -> bool:
    return settings.patience is not None and trainee.epoch - trainee.best_epoch >= settings.patience


def _remember(trainee: Trainee, settings: TrainSettings, loss: float) -> None:
    """Keep the weights of the lowest loss in validation, where they are to be chosen by it."""
    if settings.patience is not None and loss < trainee.best_loss:
        trainee.best_loss, trainee.best_epoch = loss, trainee.epoch
        trainee.best = {key: tensor.detach().cpu().clone() for key, tensor in trainee.model.state_dict().items()}


def train_epoch(
    model: torch.nn.Module,
    trainee: Trainee,
    settings: TrainSettings,
    rows: int,
    batches: Iterable[Batch],
    now: Callable[[], float],
    world: World,
) -> Iterator[None]:
    """Take one step a batch, from where the epoch was left; add losses and throughput to the history.

    Yields where a checkpoint is due. All processes take as many steps as the one with the fewest batches.
    """
    # Dropout and the like: from (seed, epoch, process), or as it was where the epoch was left.
    torch.manual_seed(_epoch_seed(settings.seed, trainee.epoch, world.rank))
    _restore_random(trainee.random)
    model.train()
    started, began_at, waited = now(), trainee.seen, 0.0
    arriving = iter(batches)
    while True:
        asked = now()
        batch = next(arriving, None)
        waited += now() - asked
        count = 0 if batch is None else len(batch.labels)
        have, images = world.sums(float(batch is not None), count)
        if batch is None or have < world.size:
            break
        trainee.seen += int(images)
        trainee.batch += 1
        _step(model, trainee, settings, batch, (trainee.epoch + trainee.seen / rows) / settings.epochs, now, world)
        if settings.checkpoint_steps and trainee.step % settings.checkpoint_steps == 0:
            trainee.random = _random(next(trainee.model.parameters()).device)
            yield
    elapsed = now() - started
    if elapsed > 0:
        at = {"step": trainee.epoch + 1, "timestamp": int(now() * 1000)}
        trainee.history.append(Measurement("images_per_second", (trainee.seen - began_at) / elapsed, **at))
        trainee.history.append(Measurement("share_waiting_for_data", waited / elapsed, **at))
    trainee.batch, trainee.seen, trainee.random = 0, 0, {}


def _step(
    model: torch.nn.Module,
    trainee: Trainee,
    settings: TrainSettings,
    batch: Batch,
    progress: float,
    now: Callable[[], float],
    world: World,
) -> None:
    """Take one step of the optimiser. Raises NonFiniteLoss, in all processes alike, before the weights change."""
    for group in trainee.optimizer.param_groups:
        group["lr"] = learning_rate(progress, settings.learning_rate, settings.warmup_fraction)
    device = next(trainee.model.parameters()).device
    found = logits(model, batch, device, settings.precision)
    loss = binary_cross_entropy_with_logits(found, batch.labels.to(device))
    value = world.sums(loss.item())[0] / world.size
    if not math.isfinite(value):
        raise NonFiniteLoss(
            f"the loss became {value} in epoch {trainee.epoch + 1}, after {trainee.step} steps; the last "
            "checkpoint stays; lower --learning_rate"
        )
    trainee.optimizer.zero_grad(set_to_none=True)
    trainee.scaler.scale(loss).backward()
    trainee.scaler.unscale_(trainee.optimizer)
    torch.nn.utils.clip_grad_norm_(trainee.model.parameters(), MAX_GRADIENT_NORM)
    trainee.scaler.step(trainee.optimizer)
    trainee.scaler.update()
    trainee.step += 1
    trainee.history.append(Measurement("train_loss", value, trainee.step, int(now() * 1000)))


def _random(device: torch.device) -> dict[str, torch.Tensor]:
    state = {"cpu": torch.get_rng_state()}
    return state | {"cuda": torch.cuda.get_rng_state(device)} if device.type == "cuda" else state


def _restore_random(state: dict[str, torch.Tensor]) -> None:
    if "cpu" in state:
        torch.set_rng_state(state["cpu"])
    if "cuda" in state and torch.cuda.is_available():
        torch.cuda.set_rng_state(state["cuda"])


def validate(
    model: torch.nn.Module, batches: Iterable[Batch], precision: str = "auto", world: World = ALONE
) -> dict[str, float]:
    """Return val_loss, val_accuracy and, where both classes are there, val_average_precision, of all processes."""
    parts = world.gathered(predict(model, batches, precision))
    labels, scores = (np.concatenate([part[at] for part in parts]) for at in (1, 2))
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
    model: torch.nn.Module, batches: Iterable[Batch], precision: str = "auto"
) -> tuple[list[str], np.ndarray[tuple[int], np.dtype[np.int64]], np.ndarray[tuple[int], np.dtype[np.float64]]]:
    """Return the image ids, labels and logits of all batches, in their order."""
    device = next(model.parameters()).device
    model.eval()
    ids: list[str] = []
    labels, scores = [np.zeros(0, np.int64)], [np.zeros(0, np.float64)]
    for batch in batches:
        ids += batch.image_ids
        labels.append(batch.labels.numpy().astype(np.int64))
        scores.append(logits(model, batch, device, precision).double().cpu().numpy())
    return ids, np.concatenate(labels), np.concatenate(scores)


def logits(model: torch.nn.Module, batch: Batch, device: torch.device, name: str = "auto") -> torch.Tensor:
    """Return float32 logits [B], above 0 for fake."""
    dtype = precision(name, device)
    with torch.autocast(device.type, dtype, enabled=dtype != torch.float32):
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


def _epoch_seed(seed: int, epoch: int, rank: int) -> int:
    return int(np.random.SeedSequence([seed, epoch, rank]).generate_state(1, np.uint64)[0] >> np.uint64(1))
