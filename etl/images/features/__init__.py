"""What is measured on an image: header, hash, sharpness, colours, spectrum, an embedding; and its thumbnail."""

from etl.images.features.measures import FEATURE_VERSION, Measures, examine
from etl.images.features.pixels import to_rgb

__all__ = ["FEATURE_VERSION", "Measures", "examine", "to_rgb"]
