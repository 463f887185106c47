"""A toy generator: the low frequencies of its source, and high ones that its family's decoder makes of a code."""

from typing import Any

import torch
from diffusers import ConfigMixin, ModelMixin
from diffusers.configuration_utils import register_to_config
from torch import nn
from torch.nn import functional

from generation.toy_world import decoders
from generation.toy_world.codes import BlockCode
from generation.toy_world.decoders import Noise
from generation.toy_world.sequences import LatentDiffusion, PixelDiffusion, RowByRow, denoised, noised

FILTER = 11
"""Taps of the last filter, which gives a generator's images the mean spectrum of photographs."""

KINDS = (
    *(
        "transposed-even",
        "transposed-odd",
        "nearest",
        "bilinear",
        "pixel-shuffle",
        "filtered",
        "carafe",
        "wavelet",
    ),
    *("patches", "quantised", "coordinates", "row-by-row", "pixel-diffusion", "latent-diffusion"),
)
"""What `kind` may be: the ways of making high frequencies."""


class ToyGenerator(ModelMixin, ConfigMixin):
    """Maps source crops to reconstructions; all that a toy repository's weights and config.json hold.

    `block` is the code's block in pixels (2, 4 or 8), `kept` the number of its coefficients, `variant` the size
    of transposed convolutions' kernels. `noise` is added to the code; diffusions begin at the time `strength`.
    """

    @register_to_config
    def __init__(
        self,
        kind: str = "nearest",
        block: int = 4,
        kept: int = 24,
        width: int = 24,
        variant: int = 4,
        noise: float = 0.0,
        strength: float = 0.2,
    ) -> None:
        super().__init__()
        self.code = BlockCode(block, kept)
        self.scale = nn.Buffer(torch.tensor(0.1))
        self.filter = nn.Buffer(functional.pad(torch.ones(1, 1), (FILTER // 2,) * 4))
        self.decoder = _decoder(kind, block, kept, width, variant)

    def forward(self, sources: torch.Tensor, noise: Noise = torch.randn_like, steps: int = 4) -> torch.Tensor:
        """Return reconstructions of `sources`, both [N, 3, H, W] in -1 … 1; `steps` is for diffusions."""
        low, code = self.code.encode(sources)
        return self.finished(low + self.scale * self.high(sources, low, code, noise, steps))

    def high(
        self, sources: torch.Tensor, low: torch.Tensor, code: torch.Tensor, noise: Noise, steps: int
    ) -> torch.Tensor:
        """Return the high frequencies, divided by `scale`."""
        time = torch.tensor(self.config.strength)
        if isinstance(self.decoder, PixelDiffusion):
            clean = (sources - low) / self.scale
            start = noised(clean, time.expand(len(clean)), noise(clean))
            return denoised(self.decoder.denoiser, start, low, self.config.strength, steps)
        if isinstance(self.decoder, LatentDiffusion):
            start = noised(code, time.expand(len(code)), noise(code))
            code = denoised(self.decoder.denoiser, start, self.shrunk(low), self.config.strength, steps)
            return self.decoder.decoder(code, noise)
        if self.config.noise:
            code = code + self.config.noise * noise(code)
        return self.decoder(code, noise)

    def shrunk(self, low: torch.Tensor) -> torch.Tensor:
        """Return low frequencies at the code's size."""
        return functional.avg_pool2d(low, self.config.block)

    def finished(self, images: torch.Tensor) -> torch.Tensor:
        """Return images under the last filter."""
        kernel = self.filter.expand(3, 1, -1, -1)
        padded = functional.pad(images, (FILTER // 2,) * 4, "reflect")
        return functional.conv2d(padded, kernel, groups=3)


def _decoder(kind: str, block: int, kept: int, width: int, variant: int) -> nn.Module:
    if kind not in KINDS:
        raise ValueError(f"there is no kind of toy generator '{kind}' (known: {', '.join(KINDS)})")
    doublings: dict[str, Any] = {
        "transposed-even": decoders.transposed(variant),
        "transposed-odd": decoders.transposed(variant),
        "nearest": decoders.interpolated("nearest"),
        "bilinear": decoders.interpolated("bilinear"),
        "pixel-shuffle": decoders.shuffled,
        "filtered": decoders.Filtered,
        "carafe": decoders.Reassembled,
        "wavelet": decoders.Wavelet,
    }
    whole: dict[str, Any] = {
        "patches": decoders.Patches,
        "quantised": decoders.Quantised,
        "coordinates": decoders.Coordinates,
        "row-by-row": RowByRow,
        "latent-diffusion": LatentDiffusion,
    }
    if kind in doublings:
        return decoders.Upsampling(kept, block, width, doublings[kind])
    return PixelDiffusion(width) if kind == "pixel-diffusion" else whole[kind](kept, block, width)
