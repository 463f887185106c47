"""The paper's RandomStateAugmentation: each operation none, one or two times, all in random order."""

import numpy as np

from training.augmentation.codecs import Pixels
from training.augmentation.operations import Operation

MOST = 2
"""Times that an operation is applied at most; the count is drawn evenly from 0 to this."""


def augment(pixels: Pixels, operations: tuple[Operation, ...], random: np.random.Generator) -> Pixels:
    """Return the pixels after as many of the operations as are drawn: as many in the mean as there are.

    Both edges must be at least as long as the crop that the operations are made for; they are so afterwards.
    """
    counts = random.integers(MOST + 1, size=len(operations))
    for number in random.permutation(np.repeat(np.arange(len(operations)), counts)):
        operation = operations[number]
        pixels = operation.apply(pixels, **operation.draw(random, *pixels.shape[:2]))
    return pixels
