"""Toy generators that make an image in many steps: row after row, or by denoising pixels or a code."""

import math
from itertools import pairwise

import torch
from torch import nn
from torch.nn import functional

from generation.toy_world.decoders import Noise, Upsampling, interpolated

TRAINING_STEPS = 1000
"""Of the diffusions, on the cosine schedule (Nichol and Dhariwal 2021)."""


class RowByRow(nn.Module):
    """Each row, of all columns at once, is made from the code and the rows above it, then each column alike."""

    reach = 3

    def __init__(self, kept: int, block: int, width: int) -> None:
        super().__init__()
        self.block = block
        self.guide = nn.Sequential(
            nn.Conv2d(kept, width, 3, padding=1), nn.SiLU(), nn.Conv2d(width, width * block, 3, padding=1)
        )
        self.inside = nn.Parameter(torch.randn(width, block) * 0.3)
        self.before = nn.Conv2d(3, width, (self.reach, 5), padding=(0, 2))
        self.out = nn.Sequential(nn.SiLU(), nn.Conv2d(width, width, 1), nn.SiLU(), nn.Conv2d(width, 3, 1))

    def guided(self, code: torch.Tensor) -> torch.Tensor:
        """Return what the code says of each pixel, [N, width, H, W]."""
        rows = self.guide(code).unflatten(1, (-1, self.block))
        rows = rows.permute(0, 1, 3, 2, 4).flatten(2, 3)
        wide = rows.repeat_interleave(self.block, 3)
        return wide * (1 + self.inside.repeat(1, wide.shape[3] // self.block).view(1, -1, 1, wide.shape[3]))

    def taught(self, code: torch.Tensor, image: torch.Tensor) -> torch.Tensor:
        """Return every row as it follows from the true rows above it."""
        above = functional.pad(image, (0, 0, self.reach, 0))[:, :, :-1]
        found: torch.Tensor = self.out(self.guided(code) + self.before(above))
        return found

    def forward(self, code: torch.Tensor, noise: Noise) -> torch.Tensor:
        guide = self.guided(code)
        n, _, height, width = guide.shape
        rows = [guide.new_zeros(n, 3, 1, width)] * self.reach
        for y in range(height):
            above = self.before(torch.cat(rows[-self.reach :], 2))
            rows.append(self.out(guide[:, :, y : y + 1] + above))
        return torch.cat(rows[self.reach :], 2)


class Denoiser(nn.Module):
    """A small network from a noisy map, what it goes by, and the time, to the map without noise."""

    def __init__(self, channels: int, given: int, width: int, halves: bool) -> None:
        super().__init__()
        self.halves = halves
        self.head = nn.Conv2d(channels + given, width, 3, padding=1)
        self.time = nn.Sequential(nn.Linear(8, width), nn.SiLU(), nn.Linear(width, 2 * width))
        self.down = nn.Conv2d(width, width, 3, padding=1, stride=2 if halves else 1)
        self.deep = nn.Conv2d(width, width, 3, padding=1)
        self.up = nn.Conv2d(2 * width, width, 3, padding=1)
        self.out = nn.Conv2d(width, channels, 3, padding=1)

    def forward(self, noisy: torch.Tensor, given: torch.Tensor, time: torch.Tensor) -> torch.Tensor:
        waves = time.view(-1, 1) * math.pi * 2.0 ** torch.arange(4, device=time.device)
        scale, shift = self.time(torch.cat([waves.sin(), waves.cos()], 1))[:, :, None, None].chunk(2, 1)
        first = functional.silu(self.head(torch.cat([noisy, given], 1)))
        deep = functional.silu(self.down(first) * (1 + scale) + shift)
        deep = deep + functional.silu(self.deep(deep))
        if self.halves:
            deep = functional.interpolate(deep, scale_factor=2, mode="nearest")
        found: torch.Tensor = self.out(functional.silu(self.up(torch.cat([first, deep], 1))))
        return found


class PixelDiffusion(nn.Module):
    """Denoises the high frequencies themselves, from noise that does not hide them quite, beside the low ones."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.denoiser = Denoiser(3, 3, width, halves=True)


class LatentDiffusion(nn.Module):
    """Denoises the code, then decodes it by interpolation."""

    def __init__(self, kept: int, block: int, width: int) -> None:
        super().__init__()
        self.block = block
        self.denoiser = Denoiser(kept, 3, width, halves=False)
        self.decoder = Upsampling(kept, block, width, interpolated("nearest"))


def kept_share(time: torch.Tensor) -> torch.Tensor:
    """Return the share of the signal's variance that is left at a time in 0 … 1: a cosine's square."""
    return torch.cos(time * math.pi / 2) ** 2


def noised(clean: torch.Tensor, time: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
    """Return the map [N, …] at the time [N]."""
    share = kept_share(time).view(-1, *[1] * (clean.dim() - 1))
    return share.sqrt() * clean + (1 - share).sqrt() * noise


def denoised(
    denoiser: nn.Module, start: torch.Tensor, given: torch.Tensor, strength: float, steps: int
) -> torch.Tensor:
    """Walk from a map at the time `strength` to the clean one in equal steps of DDIM (Song et al. 2021)."""
    current = start
    times = torch.linspace(strength, 0.0, steps + 1)
    for now, then in pairwise(times):
        clean = denoiser(current, given, now.expand(len(current)))
        share, next_share = kept_share(now), kept_share(then)
        noise = (current - share.sqrt() * clean) / (1 - share).sqrt()
        current = next_share.sqrt() * clean + (1 - next_share).sqrt() * noise
    return current
