"""The perceptual hash, by which near duplicates are found."""

from functools import cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image

EDGE = 32
BITS_EDGE = 8


def phash(image: Image.Image) -> int:
    """Return the 64-bit perceptual hash as a signed integer (Delta has no unsigned ones).

    The usual DCT hash: grey, 32x32, two-dimensional DCT-II, the 8x8 lowest frequencies against their median.
    """
    grey = image.convert("L").resize((EDGE, EDGE), Image.Resampling.LANCZOS)
    basis = _dct_rows()
    low = basis @ np.asarray(grey, dtype=np.float64) @ basis.T
    bits = (low > np.median(low)).ravel()
    return int(np.packbits(bits).view(">i8")[0])


@cache
def _dct_rows() -> NDArray[np.float64]:
    frequency, sample = np.arange(BITS_EDGE)[:, None], np.arange(EDGE)[None, :]
    return np.cos(np.pi * frequency * (2 * sample + 1) / (2 * EDGE))
