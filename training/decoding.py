"""Decoding an encoded image to RGB pixels, by Pillow for every format alike."""

import io
import warnings

from PIL import Image

from training.errors import UndecodableImage

MAX_PIXELS = 64 << 20
"""Larger images were refused when they entered the lake; this guards the loader against a foreign table."""


def decode(data: bytes, image_id: str) -> Image.Image:
    """Return the first frame as RGB, transparency on white; orientation tags are ignored, as in the paper.

    No decoder shortcut such as JPEG's DCT scaling: it would treat JPEG, often real, unlike PNG, often fake.
    Raises UndecodableImage.
    """
    try:
        with warnings.catch_warnings(), Image.open(io.BytesIO(data)) as image:
            warnings.simplefilter("ignore")
            if image.width * image.height > MAX_PIXELS:
                raise UndecodableImage(
                    f"image {image_id} has {image.width} x {image.height} pixels, above the limit"
                )
            image.load()
            return _rgb(image)
    except (OSError, ValueError, SyntaxError, EOFError, IndexError, Image.DecompressionBombError) as error:
        raise UndecodableImage(f"image {image_id} cannot be decoded: {' '.join(str(error).split())}") from None


def _rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I;16") or image.mode == "I":
        return image.point(lambda value: value / 256).convert("L").convert("RGB")
    if not image.has_transparency_data:
        return image.convert("RGB")
    layer = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer).convert("RGB")
