"""Ways of making high frequencies from a code, each a family: [N, kept, H/block, W/block] to [N, 3, H, W].

What a family's images have in common, and others' have not, comes from here.
"""

import math
from collections.abc import Callable
from itertools import pairwise

import torch
from torch import nn
from torch.nn import functional

Noise = Callable[[torch.Tensor], torch.Tensor]
"""Standard normal noise of a tensor's shape: each image's own."""
_CORNERS = (1.0, 3.0, 3.0, 1.0)
"""The binomial filter with which StyleGAN2 resamples (Karras et al. 2020, appendix B)."""


def _stages(block: int) -> int:
    return int(math.log2(block))


class Upsampling(nn.Module):
    """A trunk on the code, then one doubling after the other by `make`, then the colours."""

    def __init__(self, kept: int, block: int, width: int, make: Callable[[int, int], nn.Module]) -> None:
        super().__init__()
        self.head = nn.Conv2d(kept, width, 3, padding=1)
        self.trunk = nn.Sequential(nn.SiLU(), nn.Conv2d(width, width, 3, padding=1), nn.SiLU())
        widths = [max(8, width // 2**i) for i in range(_stages(block) + 1)]
        self.doublings = nn.ModuleList(make(a, b) for a, b in pairwise(widths))
        self.colours = nn.Conv2d(widths[-1], 3, 3, padding=1)

    def forward(self, code: torch.Tensor, noise: Noise) -> torch.Tensor:
        hidden = self.head(code)
        hidden = hidden + self.trunk(hidden)
        for double in self.doublings:
            hidden = functional.silu(double(hidden, noise) if getattr(double, "noisy", False) else double(hidden))
        found: torch.Tensor = self.colours(hidden)
        return found


def transposed(kernel: int) -> Callable[[int, int], nn.Module]:
    """Transposed convolutions of stride 2; an odd kernel overlaps itself unevenly."""

    def make(before: int, after: int) -> nn.Module:
        padding = (kernel - 1) // 2
        return nn.ConvTranspose2d(before, after, kernel, 2, padding, output_padding=kernel % 2)

    return make


def interpolated(mode: str) -> Callable[[int, int], nn.Module]:
    """Interpolation, then a convolution."""

    def make(before: int, after: int) -> nn.Module:
        corners = {} if mode == "nearest" else {"align_corners": False}
        return nn.Sequential(
            nn.Upsample(scale_factor=2, mode=mode, **corners), nn.Conv2d(before, after, 3, padding=1)
        )

    return make


def shuffled(before: int, after: int) -> nn.Module:
    """Four channels become the four pixels of a square (Shi et al. 2016)."""
    return nn.Sequential(nn.Conv2d(before, 4 * after, 3, padding=1), nn.PixelShuffle(2))


class Filtered(nn.Module):
    """Zeros between the pixels, a binomial filter over them, a convolution, and noise of learnt strength."""

    noisy = True
    kernel: torch.Tensor

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        taps = torch.tensor(_CORNERS)
        kernel = torch.outer(taps, taps)
        self.register_buffer("kernel", 4 * kernel / kernel.sum(), persistent=False)
        self.convolution = nn.Conv2d(before, after, 3, padding=1)
        self.strength = nn.Parameter(torch.full((1, after, 1, 1), 0.05))

    def forward(self, hidden: torch.Tensor, noise: Noise) -> torch.Tensor:
        channels = hidden.shape[1]
        weight = self.kernel.repeat(channels, 1, 1, 1)
        wide = functional.conv_transpose2d(hidden, weight, stride=2, padding=1, groups=channels)
        found: torch.Tensor = self.convolution(wide)
        return found + self.strength * noise(found[:, :1])


class Reassembled(nn.Module):
    """Each new pixel is a weighted mean of its 3 × 3 neighbours, by weights made from them (Wang et al. 2019)."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.weights = nn.Conv2d(before, 4 * 9, 3, padding=1)
        self.convolution = nn.Conv2d(before, after, 3, padding=1)

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        n, channels, height, width = hidden.shape
        weights = functional.pixel_shuffle(self.weights(hidden), 2).softmax(1)
        around = functional.unfold(hidden, 3, padding=1).view(n, channels * 9, height, width)
        around = around.repeat_interleave(2, 2).repeat_interleave(2, 3).view(n, channels, 9, 2 * height, 2 * width)
        found: torch.Tensor = self.convolution((around * weights.unsqueeze(1)).sum(2))
        return found


class Wavelet(nn.Module):
    """Channels are the four bands of a Haar wavelet, which the inverse transform puts together."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.bands = nn.Conv2d(before, 4 * after, 3, padding=1)
        signs = torch.tensor([[1, 1, 1, 1], [1, -1, 1, -1], [1, 1, -1, -1], [1, -1, -1, 1]])
        self.register_buffer("haar", 0.5 * signs.float(), persistent=False)

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        bands = self.bands(hidden).unflatten(1, (-1, 4))
        return functional.pixel_shuffle(torch.einsum("ncbhw,bp->ncphw", bands, self.haar).flatten(1, 2), 2)


class Patches(nn.Module):
    """A transformer whose tokens are the code's places, each of which becomes a patch by one linear map."""

    def __init__(self, kept: int, block: int, width: int) -> None:
        super().__init__()
        self.block = block
        self.embed = nn.Conv2d(kept, width, 1)
        self.near = nn.Conv2d(width, width, 3, padding=1, groups=width)
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(2))
        self.attention = nn.MultiheadAttention(width, 4, batch_first=True)
        self.mlp = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))
        self.patch = nn.Linear(width, 3 * block**2)

    def forward(self, code: torch.Tensor, noise: Noise) -> torch.Tensor:
        hidden = self.embed(code)
        hidden = hidden + self.near(hidden)
        height, width = hidden.shape[2:]
        tokens = hidden.flatten(2).transpose(1, 2)
        seen = self.norms[0](tokens)
        tokens = tokens + self.attention(seen, seen, seen, need_weights=False)[0]
        tokens = tokens + self.mlp(self.norms[1](tokens))
        patches = self.patch(tokens).transpose(1, 2).unflatten(2, (height, width))
        return functional.pixel_shuffle(patches, self.block)


class Coordinates(nn.Module):
    """A network asked at each pixel: the code around it and waves of its place within the block."""

    waves: torch.Tensor

    def __init__(self, kept: int, block: int, width: int) -> None:
        super().__init__()
        self.block = block
        self.head = nn.Sequential(
            nn.Conv2d(kept, width, 3, padding=1), nn.SiLU(), nn.Conv2d(width, width, 3, padding=1)
        )
        self.place = nn.Conv2d(8, width, 1)
        self.layers = nn.ModuleList(nn.Conv2d(width, width, 1) for _ in range(2))
        self.colours = nn.Conv2d(width, 3, 1)
        at = (torch.arange(block) + 0.5) / block * math.pi
        waves = torch.stack([wave(k * at) for k in (1, 2) for wave in (torch.sin, torch.cos)])
        down = waves.unsqueeze(2).expand(-1, -1, block)
        self.register_buffer("waves", torch.cat([down, down.transpose(1, 2)]), persistent=False)

    def forward(self, code: torch.Tensor, noise: Noise) -> torch.Tensor:
        height, width = code.shape[2:]
        hidden = self.head(code).repeat_interleave(self.block, 2).repeat_interleave(self.block, 3)
        place = self.place(self.waves.unsqueeze(0)).repeat(1, 1, height, width)
        hidden = hidden * (1 + place) + place
        for layer in self.layers:
            hidden = hidden + torch.sin(layer(hidden))
        found: torch.Tensor = self.colours(hidden)
        return found


class Quantised(nn.Module):
    """The code is replaced by sums of words of learnt codebooks, each of which says what the last left over."""

    def __init__(self, kept: int, block: int, width: int, words: int = 256, depth: int = 4) -> None:
        super().__init__()
        self.books = nn.Parameter(torch.randn(depth, words, kept) * 0.7 ** torch.arange(depth).view(-1, 1, 1))
        self.decoder = Upsampling(kept, block, width, interpolated("nearest"))

    def forward(self, code: torch.Tensor, noise: Noise) -> torch.Tensor:
        places = code.movedim(1, -1)
        said = torch.zeros_like(places)
        for book in self.books:
            left = (places - said).detach()
            nearest = (book.square().sum(1) - 2 * left @ book.T).argmin(-1)
            said = said + functional.embedding(nearest, book)
        self.miss = (places.detach() - said).square().mean()
        """How far the words are from the code: what teaches the codebooks."""
        found: torch.Tensor = self.decoder(said.movedim(-1, 1), noise)
        return found

    def start(self, code: torch.Tensor, generator: torch.Generator) -> None:
        """Begin with words drawn from codes [N, kept, H, W], each book from what the books before leave."""
        left = code.movedim(1, -1).flatten(0, 2)
        with torch.no_grad():
            for book in self.books:
                book.copy_(left[torch.randperm(len(left), generator=generator)[: len(book)]])
                nearest = (book.square().sum(1) - 2 * left @ book.T).argmin(-1)
                left = left - book[nearest]
