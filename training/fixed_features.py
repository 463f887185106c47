"""Features that are not learnt, for linear detectors: statistics of residuals, spectra, a frozen network's stages.

Each is a module that maps the detectors' normalised input [B, 3, S, S] to [B, d]. Linear detectors on such
features are the field's plainest baselines, and train on a CPU in seconds.
"""

import math

import torch
from torch.nn import functional

from training.augmentations import MEAN, STD

# High-pass filters of the spatial rich model (Fridrich and Kodovský 2012, IEEE TIFS 7(3)): differences of order 1
# to 3 along rows, and along columns, and the square 3 x 3 and 5 x 5 kernels.
_ROW_1, _ROW_2, _ROW_3 = ((0, 0, -1, 1, 0), (0, 1, -2, 1, 0), (0, 1, -3, 3, -1))
_SQUARE_3 = ((-1, 2, -1), (2, -4, 2), (-1, 2, -1))
_SQUARE_5 = ((-1, 2, -2, 2, -1), (2, -6, 8, -6, 2), (-2, 8, -12, 8, -2), (2, -6, 8, -6, 2), (-1, 2, -2, 2, -1))
_LAGS = tuple((down, right) for down in range(4) for right in range(-2, 3) if (down, right) > (0, 0))[:16]
"""Offsets at which a residual is compared with itself, in pixels (down, right)."""
_TINY = 1e-6


class ResidualStatistics(torch.nn.Module):
    """Of 8 high-pass residuals of each colour: log energy, log of mean size, and 16 autocorrelations; 432 numbers.

    In the manner of the spatial rich model, with moments in place of its histograms of quantised neighbours.
    """

    width = 8 * 3 * (2 + len(_LAGS))

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("filters", _filters(), persistent=False)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        levels = grey_levels(images)
        batch, _, height, width = levels.shape
        filters: torch.Tensor = self.filters  # type: ignore[assignment]
        residuals = functional.conv2d(levels.reshape(-1, 1, height, width), filters).reshape(
            batch, -1, height - 4, width - 4
        )
        energy = residuals.square().mean((2, 3)) + _TINY
        size = residuals.abs().mean((2, 3)) + _TINY
        found = [energy.log(), size.log(), *(_product(residuals, *lag) / energy for lag in _LAGS)]
        return torch.cat(found, dim=1)


class Spectrum(torch.nn.Module):
    """Log power of the luminance's residual over 16 x 16 bands of frequencies, and of its 64 DCT coefficients.

    The bands cover half of the plane, which is all of it for real pixels; the coefficients are of blocks of 8 x 8
    pixels, as in JPEG. 320 numbers.
    """

    width = 16 * 16 + 64

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("dct", _dct(8), persistent=False)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        levels = grey_levels(images).mean(1, keepdim=True)
        residual = levels - functional.avg_pool2d(levels, 3, 1, 1, count_include_pad=False)
        power = torch.fft.fftshift(torch.fft.rfft2(residual.squeeze(1)).abs().square(), dim=1)
        bands = functional.adaptive_avg_pool2d(power / residual[0].numel(), 16)
        blocks = residual.unfold(2, 8, 8).unfold(3, 8, 8)
        dct: torch.Tensor = self.dct  # type: ignore[assignment]
        coefficients = (dct @ blocks @ dct.T).square().mean((1, 2, 3))
        return torch.cat([(bands + _TINY).log().flatten(1), (coefficients + _TINY).log().flatten(1)], dim=1)


class RadialPower(torch.nn.Module):
    """Log power of the luminance in 32 rings of equal width, up to the highest frequency along an axis.

    It tells blur and sharpening from none, and nothing that has a direction or a grid: a control.
    """

    width = 32

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        levels = grey_levels(images).mean(1)
        centred = levels - levels.mean((1, 2), keepdim=True)
        height, width = centred.shape[1:]
        window = torch.hann_window(height, False)[:, None] * torch.hann_window(width, False)
        power = torch.fft.rfft2(centred * window.to(images.device)).abs().square() / (height * width)
        down, right = torch.fft.fftfreq(height)[:, None], torch.fft.rfftfreq(width)
        ring = ((down.square() + right.square()).sqrt() * 2 * self.width).long().to(images.device)
        inside = (ring < self.width).flatten()
        sums = power.new_zeros(len(power), self.width)
        sums.index_add_(1, ring.flatten()[inside], power.flatten(1)[:, inside])
        count = torch.bincount(ring.flatten()[inside], minlength=self.width)
        return (sums / count.clamp(min=1) + _TINY).log()


class EfficientNetStages(torch.nn.Module):
    """Mean and spread over places of EfficientNet-Lite0's stem and first five blocks; 352 numbers.

    Its weights ship in a package. Early stages see textures, which generators change, more than contents.
    """

    width = 2 * (32 + 16 + 24 + 24 + 40 + 40)

    def __init__(self) -> None:
        super().__init__()
        from efficientnet_lite_pytorch import EfficientNet  # type: ignore[import-untyped]

        from etl.images.features.backbone import EFFICIENTNET, resolve

        packaged = resolve(EFFICIENTNET)
        assert packaged is not None
        net = EfficientNet.from_name(EFFICIENTNET)
        net.load_state_dict(torch.load(packaged.weights, map_location="cpu", weights_only=True))
        self.stem = torch.nn.Sequential(net._conv_stem, net._bn0, torch.nn.ReLU6())
        self.blocks = torch.nn.ModuleList(net._blocks[:5])

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        stages = [self.stem((grey_levels(images) - 127) / 128)]  # as TensorFlow's efficientnet_lite_builder.py
        for block in self.blocks:
            stages.append(block(stages[-1]))
        return torch.cat([one for stage in stages for one in (stage.mean((2, 3)), stage.std((2, 3)))], dim=1)


class Pooled(torch.nn.Module):
    """The pooled features of a network that expects its own mean and spread, such as CLIP's image encoder."""

    def __init__(self, net: torch.nn.Module, width: int, mean: tuple[float, ...], std: tuple[float, ...]) -> None:
        super().__init__()
        self.net, self.width, self.mean, self.std = net, width, mean, std

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        mean, std = (images.new_tensor(values).view(1, 3, 1, 1) for values in (self.mean, self.std))
        pooled: torch.Tensor = self.net((grey_levels(images) / 255 - mean) / std)
        return pooled


def grey_levels(images: torch.Tensor) -> torch.Tensor:
    """Return normalised input as the levels 0 to 255 that it was made of."""
    mean, std = (images.new_tensor(values).view(1, 3, 1, 1) for values in (MEAN, STD))
    return (images * std + mean) * 255


def _filters() -> torch.Tensor:
    """Return the eight kernels as [8, 1, 5, 5], each with absolute values that sum to 1."""
    middle = torch.zeros(5, 5)
    rows = []
    for row in (_ROW_1, _ROW_2, _ROW_3):
        kernel = middle.clone()
        kernel[2] = torch.tensor(row, dtype=torch.float)
        rows += [kernel, kernel.T]
    square = functional.pad(torch.tensor(_SQUARE_3, dtype=torch.float), (1, 1, 1, 1))
    kernels = torch.stack([*rows, square, torch.tensor(_SQUARE_5, dtype=torch.float)])
    return (kernels / kernels.abs().sum((1, 2), keepdim=True)).unsqueeze(1)


def _product(residuals: torch.Tensor, down: int, right: int) -> torch.Tensor:
    """Return the mean product of each residual with itself moved by (down, right)."""
    height, width = residuals.shape[2:]
    left = max(0, -right)
    here = residuals[:, :, : height - down, left : width - max(0, right)]
    there = residuals[:, :, down:, left + right : width - max(0, right) + right]
    return (here * there).mean((2, 3))


def _dct(n: int) -> torch.Tensor:
    """Return the orthonormal matrix of the discrete cosine transform (type II) of n points."""
    k = torch.arange(n, dtype=torch.float)
    matrix = torch.cos(math.pi / n * (k + 0.5) * k[:, None]) * math.sqrt(2 / n)
    matrix[0] /= math.sqrt(2)
    return matrix
