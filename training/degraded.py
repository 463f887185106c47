"""A detector's test transform after a named degradation of the image as it was received."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from etl.errors import ConfigError
from training import degradations
from training.augmentations import TestTransform


@dataclass(frozen=True)
class Degraded:
    """Degrades first, then makes the detector's input: an image is shared before it is looked at."""

    name: str
    transform: TestTransform

    @property
    def edge(self) -> int:
        """What rows that are stored resized must have, as of the transform itself; those are degraded after it."""
        return self.transform.edge

    def __call__(self, image: Image.Image | NDArray[np.uint8], image_id: str) -> NDArray[np.uint8]:
        return self.transform(degradations.apply(self.name, np.asarray(image), image_id), image_id)


def degraded(name: str, transform: TestTransform) -> Degraded:
    """Return `transform` after the degradation called `name`. Raises ConfigError naming those that exist."""
    if name not in degradations.names():
        raise ConfigError(f"there is no transform '{name}' (known: {', '.join(degradations.names())})")
    return Degraded(name, transform)
