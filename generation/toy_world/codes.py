"""What a toy generator is told of its source: the low frequencies as they are, and a few numbers of the high ones.

The code of the high frequencies is a block DCT of opponent colours, whose first coefficients are kept. It is
fixed; what is learnt is to decode it.
"""

import math

import torch
from torch import nn
from torch.nn import functional

_OPPONENT = ((1, 1, 1), (1, -1, 0), (1, 1, -2))
"""Rows of light, red against green, yellow against blue."""
_COLOUR_RANK = 3.0
"""How much later a colour's coefficient is kept than the same of light: eyes and photographs have less of it."""
_BLUR = 0.6
"""Deviation of the low pass, in blocks."""


class BlockCode(nn.Module):
    """The first `kept` coefficients of blocks of `block` × `block` pixels, each divided by its spread."""

    analysis: torch.Tensor
    spread: torch.Tensor

    def __init__(self, block: int, kept: int) -> None:
        super().__init__()
        self.block, self.kept = block, kept
        self.register_buffer("analysis", _analysis(block, kept), persistent=False)
        self.register_buffer("spread", torch.ones(kept))

    def fit(self, images: torch.Tensor) -> None:
        """Take each coefficient's spread, and no less than a little, from images [N, 3, H, W]."""
        self.spread.fill_(1.0)
        found = self.encode(images)[1].std((0, 2, 3))
        self.spread.copy_(found.clamp(min=0.05 * float(found.max())))

    def encode(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the low frequencies [N, 3, H, W] of images in -1 … 1, and the code [N, kept, H/b, W/b]."""
        low = low_pass(images, _BLUR * self.block)
        code = functional.conv2d(images - low, self.analysis, stride=self.block)
        return low, code / self.spread.view(1, -1, 1, 1)


def low_pass(images: torch.Tensor, deviation: float) -> torch.Tensor:
    """Blur images by a Gaussian, with mirrored edges."""
    reach = math.ceil(2.5 * deviation)
    places = torch.arange(-reach, reach + 1, dtype=images.dtype)
    kernel = torch.exp(-0.5 * (places / deviation) ** 2)
    kernel = (kernel / kernel.sum()).repeat(images.shape[1], 1, 1, 1)
    padded = functional.pad(images, (reach,) * 4, "reflect")
    across = functional.conv2d(padded, kernel, groups=images.shape[1])
    return functional.conv2d(across, kernel.transpose(2, 3), groups=images.shape[1])


def _analysis(block: int, kept: int) -> torch.Tensor:
    """Return the kept basis functions as kernels [kept, 3, block, block]."""
    places = torch.arange(block, dtype=torch.float64)
    waves = torch.cos(math.pi / block * (places + 0.5) * places[:, None])
    waves = waves / waves.norm(dim=1, keepdim=True)
    colours = torch.tensor(_OPPONENT, dtype=torch.float64)
    colours = colours / colours.norm(dim=1, keepdim=True)
    ranked = sorted(
        (math.hypot(down, right) * (_COLOUR_RANK if colour else 1.0) + colour, colour, down, right)
        for colour in range(3)
        for down in range(block)
        for right in range(block)
    )
    kernels = [
        torch.einsum("c,y,x->cyx", colours[colour], waves[down], waves[right])
        for _, colour, down, right in ranked[:kept]
    ]
    return torch.stack(kernels).float()
