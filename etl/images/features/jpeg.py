"""What a JPEG's header tells of how it was encoded: quality and chroma subsampling."""

from functools import cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, JpegImagePlugin

# ITU-T T.81, annex K.1: the luminance table that the Independent JPEG Group's quality scales, row by row.
_LUMINANCE = (
    *(16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55),
    *(14, 13, 16, 24, 40, 57, 69, 56, 14, 17, 22, 29, 51, 87, 80, 62),
    *(18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92),
    *(49, 64, 78, 87, 103, 121, 120, 101, 72, 92, 95, 98, 112, 100, 103, 99),
)
# Sampling factors of luma over chroma, in their usual names.
_SUBSAMPLINGS = {
    (1, 1): "4:4:4",
    (2, 1): "4:2:2",
    (2, 2): "4:2:0",
    (1, 2): "4:4:0",
    (4, 1): "4:1:1",
    (4, 2): "4:1:0",
}


def jpeg_quality(image: Image.Image) -> int | None:
    """Return the quality, 1 to 100, whose standard luminance table is nearest to the image's; None for no JPEG.

    Exact for what libjpeg and its kin wrote at a quality; for other tables, such as those of cameras and of
    Photoshop, it is the quality that quantises about as coarsely. Nearest: least sum of absolute differences.
    """
    tables = getattr(image, "quantization", None)
    if not isinstance(image, JpegImagePlugin.JpegImageFile) or not tables:
        return None
    differences = np.abs(_tables_by_quality() - np.asarray(tables[min(tables)])).sum(axis=1)
    return int(differences.argmin()) + 1


def jpeg_subsampling(image: Image.Image) -> str | None:
    """Return how the chroma of a JPEG is sampled, such as "4:2:0"; "4:0:0" for grey; None for no JPEG.

    Uncommon ones, and those of four colours, are told by the factors of each component, such as "2x1,1x2,1x1".
    """
    if not isinstance(image, JpegImagePlugin.JpegImageFile):
        return None
    factors = [(component[1], component[2]) for component in image.layer]
    if len(factors) == 1:
        return "4:0:0"
    if len(factors) == 3 and factors[1] == factors[2]:
        (across, down), (chroma_across, chroma_down) = factors[:2]
        if not across % chroma_across and not down % chroma_down:
            found = _SUBSAMPLINGS.get((across // chroma_across, down // chroma_down))
            if found:
                return found
    return ",".join(f"{across}x{down}" for across, down in factors)


@cache
def _tables_by_quality() -> NDArray[np.int64]:
    """Return the 100 tables, row q - 1 of quality q, as jpeg_quality_scaling of libjpeg makes them."""
    quality = np.arange(1, 101)
    scale = np.where(quality < 50, 5000 // quality, 200 - 2 * quality)
    return np.clip((np.asarray(_LUMINANCE) * scale[:, None] + 50) // 100, 1, 255)
