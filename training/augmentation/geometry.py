"""Resizing, cropping, shifting, turning and padding of pixels, by the fastest kernel that does what Pillow does.

Sizes and matrices are torchvision's, since the paper's transforms are. Resizing by torch differs from Pillow's by
one grey level in up to 0.3 % of the values (bicubic by two in very few; padding, which scales by a hair, by one in
4 %). Turning and shearing by OpenCV, which rounds where Pillow cuts and knows 32 places between two pixels, differ
by one level in half of the values, by two or three in 1 %, by at most seven anywhere; the others not at all.
"""

import math

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from training.augmentation.codecs import Pixels

cv2.setNumThreads(0)  # the loader's workers are the threads; OpenCV's own would not outlive a fork

_WIDEST = 32_000
"""Pixels of an edge that OpenCV warps: it counts them in 16 bits."""
_BY_TORCH = {
    Image.Resampling.BILINEAR: torch.ops.aten._upsample_bilinear2d_aa.out,
    Image.Resampling.BICUBIC: torch.ops.aten._upsample_bicubic2d_aa.out,
}
"""What interpolate(antialias=True) calls, into memory of ours: its own lies by planes, and is slow to turn."""


def resize(pixels: Pixels, height: int, width: int, resampling: Image.Resampling) -> Pixels:
    """Return the pixels at this size, with antialiasing."""
    if pixels.shape[:2] == (height, width):
        return pixels
    if resampling not in _BY_TORCH:
        return np.asarray(Image.fromarray(pixels.copy()).resize((width, height), resampling))
    resized = np.empty((height, width, 3), np.uint8)
    _BY_TORCH[resampling](_planes(pixels), [height, width], False, out=_planes(resized))
    return resized


def size_of(pixels: Pixels) -> tuple[int, int]:
    """Return height and width."""
    return pixels.shape[0], pixels.shape[1]


def shorter_edge_to(height: int, width: int, edge: int) -> tuple[int, int]:
    """Return the height and width with the shorter one at `edge`; the longer one is rounded down."""
    if height <= width:
        return edge, edge * width // height
    return edge * height // width, edge


def resize_shorter(pixels: Pixels, edge: int, resampling: Image.Resampling) -> Pixels:
    """Return the pixels with their shorter edge at `edge`, proportions kept."""
    return resize(pixels, *shorter_edge_to(*size_of(pixels), edge), resampling)


def crop(pixels: Pixels, top: int, left: int, height: int, width: int) -> Pixels:
    """Return a view of the rectangle."""
    return pixels[top : top + height, left : left + width]


def centre(pixels: Pixels, size: int) -> Pixels:
    """Return a view of the middle square; of a rest that is odd, half is rounded as Python does."""
    height, width = pixels.shape[:2]
    return crop(pixels, round((height - size) / 2), round((width - size) / 2), size, size)


def flip(pixels: Pixels, axis: int) -> Pixels:
    """Return the pixels mirrored, by torch: numpy's view would be copied slowly by what comes next."""
    flipped: Pixels = torch.from_numpy(np.require(pixels, requirements=["W"])).flip(axis).numpy()
    return flipped


def shift(pixels: Pixels, down: int, right: int) -> Pixels:
    """Return the pixels moved by whole pixels, black where nothing came."""
    height, width = pixels.shape[:2]
    moved = np.zeros_like(pixels)
    kept = crop(pixels, max(-down, 0), max(-right, 0), height - abs(down), width - abs(right))
    moved[max(down, 0) : height + min(down, 0), max(right, 0) : width + min(right, 0)] = kept
    return moved


def rotate(pixels: Pixels, degrees: float) -> Pixels:
    """Return the pixels turned counter-clockwise about their centre, bilinear, black outside."""
    angle = math.radians(degrees)
    return warp(pixels, np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]]))


def shear(pixels: Pixels, x_degrees: float, y_degrees: float) -> Pixels:
    """Return the pixels sheared about their centre as torchvision's affine does, bilinear, black outside."""
    x, y = math.tan(math.radians(x_degrees)), math.tan(math.radians(y_degrees))
    return warp(pixels, np.array([[1 + x * y, x], [y, 1]]))


def warp(pixels: Pixels, matrix: NDArray[np.float64]) -> Pixels:
    """Return pixels in which place (x, y) from the centre shows what lay at `matrix` times it, bilinear.

    As in Pillow the outer half of the border pixels repeats, and beyond it is black.
    """
    size = pixels.shape[1], pixels.shape[0]
    centre = (np.array(size) - 1) / 2
    source = np.column_stack([matrix, centre - matrix @ centre])
    if max(size) > _WIDEST:
        return _warp_by_pillow(pixels, source)
    # With a border of its own OpenCV needs not handle what lies outside, which takes it half as long again.
    bordered = cv2.copyMakeBorder(pixels, 1, 1, 1, 1, cv2.BORDER_REPLICATE)
    within = source + np.array([[0, 0, 1], [0, 0, 1]])
    warped = cv2.warpAffine(bordered, within, size, flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
    first, end = (bound[:, None] for bound in _columns_within(source, *size))
    columns = np.arange(size[0], dtype=np.int16)
    inside = (columns >= first) & (columns < end)
    return cv2.copyTo(warped, inside.view(np.uint8)).astype(np.uint8, copy=False)


def _warp_by_pillow(pixels: Pixels, source: NDArray[np.float64]) -> Pixels:
    """The same for what OpenCV cannot count the columns of; Pillow's places are those of pixels' corners."""
    corners = source[:, 2] + 0.5 - source[:, :2].sum(axis=1) / 2
    image = Image.fromarray(np.ascontiguousarray(pixels))
    places = np.column_stack([source[:, :2], corners]).ravel().tolist()
    return np.asarray(image.transform(image.size, Image.Transform.AFFINE, places, Image.Resampling.BILINEAR))


def _columns_within(source: NDArray[np.float64], width: int, height: int) -> NDArray[np.int16]:
    """Return for each row the first column, and the one after the last, whose source lies in the image; they are
    equal where none does."""
    rows = np.arange(height)
    first, end = np.zeros(height), np.full(height, float(width))
    for (a, b, c), edge in zip(source.tolist(), (width, height), strict=True):
        # -0.5 <= a * column + b * row + c < edge - 0.5
        a = a or 1e-12
        near, far = sorted((-0.5 / a, (edge - 0.5) / a))
        moved = rows * (-b / a) - c / a
        np.maximum(first, moved + near, out=first)
        np.minimum(end, moved + far, out=end)
    first = np.ceil(first).clip(0, width)
    return np.stack([first, np.ceil(end).clip(first, width)]).astype(np.int16)


def pad_and_restore(pixels: Pixels, top: int, bottom: int, left: int, right: int, grey: int) -> Pixels:
    """Return the pixels with a border of one grey value, resized (bilinear) to the size that they had."""
    height, width = pixels.shape[:2]
    padded = np.full((height + top + bottom, width + left + right, 3), grey, np.uint8)
    padded[top : top + height, left : left + width] = pixels
    return resize(padded, height, width, Image.Resampling.BILINEAR)


def _planes(pixels: Pixels) -> torch.Tensor:
    """Return the pixels as torch takes them, [1, 3, H, W], without a copy where that can be."""
    return torch.from_numpy(np.require(pixels, requirements=["C", "W"])).permute(2, 0, 1)[None]
