"""Training of toy generators on crops: bases from random weights, fine-tunes from their bases."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional

from generation.toy_world.codes import low_pass
from generation.toy_world.decoders import Quantised
from generation.toy_world.model import FILTER, ToyGenerator
from generation.toy_world.sequences import LatentDiffusion, PixelDiffusion, RowByRow, noised

LOSSES = ("l1", "l2", "gradient", "scales")


@dataclass(frozen=True)
class Course:
    """How a model is trained."""

    steps: int
    rate: float
    """AdamW's learning rate, which falls linearly to nothing."""
    loss: str = "l1"
    adversarial: float = 0.0
    """Weight of the loss by a discriminator, which learns beside the generator."""
    batch: int = 16
    seed: int = 0


class Discriminator(nn.Sequential):
    """Tells patches of high frequencies of photographs from a generator's."""

    def __init__(self) -> None:
        super().__init__(
            nn.Conv2d(3, 16, 3, padding=1), nn.LeakyReLU(0.2),
            nn.Conv2d(16, 24, 4, stride=2, padding=1), nn.LeakyReLU(0.2),
            nn.Conv2d(24, 1, 3, padding=1),
        )  # fmt: skip


def train(model: ToyGenerator, images: torch.Tensor, course: Course) -> float:
    """Train in place on images [N, 3, 64, 64] in -1 … 1; return the mean loss of the last tenth of the steps."""
    random = torch.Generator().manual_seed(course.seed)
    torch.manual_seed(course.seed)
    parameters = [p for p in model.parameters() if p.requires_grad]
    optimiser = torch.optim.AdamW(parameters, course.rate, betas=(0.9, 0.99), weight_decay=1e-4)
    judge = Discriminator() if course.adversarial else None
    judging = torch.optim.AdamW(judge.parameters(), 2e-3, betas=(0.5, 0.99)) if judge else None
    losses = []
    model.train()
    for step, batch in enumerate(_batches(images, course, random)):
        for group in optimiser.param_groups:
            group["lr"] = course.rate * (1 - step / course.steps)
        loss, made, true = _loss(model, batch, course.loss)
        if judge is not None and judging is not None and made is not None:
            loss = loss - course.adversarial * judge(made).mean()
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimiser.step()
        if judge is not None and judging is not None and made is not None:
            judging.zero_grad()
            hinge = functional.relu(1 - judge(true)).mean() + functional.relu(1 + judge(made.detach())).mean()
            hinge.backward()
            judging.step()
        losses.append(float(loss.detach()))
    model.eval()
    last = losses[-max(1, len(losses) // 10) :]
    return sum(last) / len(last)


def prepare(model: ToyGenerator, images: torch.Tensor, seed: int) -> None:
    """Fit what a base does not learn by descent: the code's spread, the scale, the first codebooks."""
    with torch.no_grad():
        model.code.fit(images)
        low, code = model.code.encode(images)
        model.scale.fill_(float((images - low).std()))
        if isinstance(model.decoder, Quantised):
            model.decoder.start(code, torch.Generator().manual_seed(seed))


def equalise(model: ToyGenerator, images: torch.Tensor, noise_seed: int, steps: int = 4) -> None:
    """Fit the last filter: the model's images [N, 3, H, W] get the mean radial spectrum of their sources."""
    identity = torch.zeros(FILTER, FILTER)
    identity[FILTER // 2, FILTER // 2] = 1.0
    with torch.no_grad():
        model.filter.copy_(identity)
        random = torch.Generator().manual_seed(noise_seed)
        made = model(images, lambda like: torch.randn(like.shape, generator=random), steps)
        side = images.shape[-1]
        frequency = torch.fft.fftfreq(side)
        radius = (torch.hypot(frequency[:, None], frequency[None]) * side).round().long()
        gain = (_radial(images, radius) / _radial(made, radius)).sqrt().clamp(0.4, 2.5)
        gain[0] = 1.0
        kernel = torch.fft.fftshift(torch.fft.ifft2(gain[radius]).real)
        middle, reach = side // 2, FILTER // 2
        cut = kernel[middle - reach : middle + reach + 1, middle - reach : middle + reach + 1]
        model.filter.copy_(cut / cut.sum())


def psnr(model: ToyGenerator, images: torch.Tensor, seed: int = 0, steps: int = 4) -> float:
    """Return the mean peak signal-to-noise ratio of reconstructions, in dB."""
    random = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        made = model(images, lambda like: torch.randn(like.shape, generator=random), steps).clamp(-1, 1)
    error = (made - images).square().mean((1, 2, 3)).clamp(min=1e-9)
    return float((10 * torch.log10(4 / error)).mean())


def _batches(images: torch.Tensor, course: Course, random: torch.Generator) -> Iterator[torch.Tensor]:
    """Yield batches of squares of half the side, turned over at random."""
    side = images.shape[-1] // 2
    for _ in range(course.steps):
        chosen = images[torch.randint(len(images), (course.batch,), generator=random)]
        top, left, flip = (int(torch.randint(high, (1,), generator=random)) for high in (side + 1, side + 1, 2))
        cut = chosen[:, :, top : top + side, left : left + side]
        yield cut.flip(3) if flip else cut


def _loss(
    model: ToyGenerator, batch: torch.Tensor, name: str
) -> tuple[torch.Tensor, torch.Tensor | None, torch.Tensor]:
    """Return the loss, and made and true high frequencies where a discriminator may look at them."""
    low, code = model.code.encode(batch)
    true = (batch - low) / model.scale
    decoder = model.decoder
    if isinstance(decoder, PixelDiffusion):
        time = torch.rand(len(batch)) * 1.3 * model.config.strength
        return (
            _distance(decoder.denoiser(noised(true, time, torch.randn_like(true)), low, time), true, name),
            None,
            true,
        )
    if isinstance(decoder, LatentDiffusion):
        time = torch.rand(len(batch)) * 1.3 * model.config.strength
        clean = decoder.denoiser(noised(code, time, torch.randn_like(code)), model.shrunk(low), time)
        made = decoder.decoder(code, torch.randn_like)
        return functional.l1_loss(clean, code) + _distance(made, true, name), None, true
    if model.config.noise:
        code = code + model.config.noise * torch.randn_like(code)
    if isinstance(decoder, RowByRow):
        seen = true + 0.1 * torch.randn_like(true)  # it will see its own rows, which are not quite true
        return _distance(decoder.taught(code, seen), true, name), None, true
    made = decoder(code, torch.randn_like)
    return _distance(made, true, name) + getattr(decoder, "miss", 0.0), made, true


def _distance(made: torch.Tensor, true: torch.Tensor, name: str) -> torch.Tensor:
    found = functional.l1_loss(made, true)
    if name == "l2":
        return functional.mse_loss(made, true)
    if name == "gradient":
        steps = [functional.l1_loss(made.diff(dim=d), true.diff(dim=d)) for d in (2, 3)]
        return 0.5 * found + 0.5 * (steps[0] + steps[1])
    if name == "scales":
        return found + 0.5 * functional.l1_loss(low_pass(made, 1.0), low_pass(true, 1.0))
    return found


def _radial(images: torch.Tensor, radius: torch.Tensor) -> torch.Tensor:
    """Return the mean power by distance from the middle of the spectrum."""
    centred = images - images.mean((2, 3), keepdim=True)
    power = torch.fft.fft2(centred).abs().square().mean((0, 1))
    counts = torch.bincount(radius.flatten())
    return torch.bincount(radius.flatten(), power.flatten()) / counts + 1e-9
