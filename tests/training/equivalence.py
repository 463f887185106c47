"""The paper's operations by Pillow and torchvision's functions on Pillow images, to hold ours against."""

import io

import numpy as np
import torchvision.transforms.functional as F
from PIL import Image
from torchvision.transforms import InterpolationMode

BILINEAR = InterpolationMode.BILINEAR
MODES = {Image.Resampling[mode.name]: mode for mode in InterpolationMode if mode.name != "NEAREST_EXACT"}


def by_pillow(name: str, image: Image.Image, drawn: dict) -> Image.Image:
    """Return what the operation of this name makes of the image."""
    return OPERATIONS[name](image, **drawn)


def _jpeg(image, quality):
    encoded = io.BytesIO()
    image.save(encoded, "JPEG", quality=quality)
    return Image.open(encoded).convert("RGB")


def _pad(image, top, bottom, left, right, grey):
    padded = F.pad(image, [left, top, right, bottom], fill=grey)
    return F.resize(padded, [image.height, image.width], BILINEAR)


def _cutout(image, holes, top, left, height, width, grey):
    cut = np.array(image)
    if holes:
        cut[top : top + height, left : left + width] = grey
    return Image.fromarray(cut)


def _shear(image, x_degrees, y_degrees):
    return F.affine(image, 0.0, [0, 0], 1.0, [x_degrees, y_degrees], BILINEAR)


OPERATIONS = {
    "jpeg": _jpeg,
    "resize": lambda image, edge, resampling: F.resize(image, edge, MODES[resampling]),
    "crop": lambda image, top, left, height, width: F.crop(image, top, left, height, width),
    "flip_horizontal": lambda image, flip: F.hflip(image) if flip else image,
    "flip_vertical": lambda image, flip: F.vflip(image) if flip else image,
    "resized_crop": lambda image, top, left, height, width, edge, resampling: F.resized_crop(
        image, top, left, height, width, edge, MODES[resampling]
    ),
    "rotate": lambda image, degrees: F.rotate(image, degrees, BILINEAR),
    "translate": lambda image, down, right: F.affine(image, 0.0, [right, down], 1.0, [0.0, 0.0], BILINEAR),
    "shear": _shear,
    "pad": _pad,
    "cutout": _cutout,
}
TOLERANCE = {
    "resize": (2, 0.005),
    "resized_crop": (2, 0.005),
    "rotate": (3, 0.6),
    "shear": (3, 0.6),
    "pad": (1, 0.08),
}
"""Grey levels, and the share of values that may differ at all; the other operations are equal."""
BEYOND = 2e-5
"""Share of values that may differ by more, where there are grey levels at all."""


def within(name: str, differences: list[np.ndarray]) -> bool:
    """Whether an operation's absolute differences are within its tolerance."""
    levels, share = TOLERANCE.get(name, (0, 0.0))
    beyond = np.mean([(one > levels).mean() for one in differences])
    return bool(
        np.mean([(one > 0).mean() for one in differences]) <= share and beyond <= (BEYOND if levels else 0)
    )
