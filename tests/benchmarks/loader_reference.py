"""The paper's training transform as its code composes it, of torchvision's operations on Pillow images.

JPEG by Pillow alone: its other half, OpenCV's, gives the same pixels. Padding keeps height and width in place.
"""

import io
import random

import torch
import torchvision.transforms as T
import torchvision.transforms.functional as F
from PIL import Image
from torchvision.transforms import InterpolationMode

BILINEAR, BICUBIC = InterpolationMode.BILINEAR, InterpolationMode.BICUBIC
FILTERS = [mode for mode in InterpolationMode if mode.name != "NEAREST_EXACT"]


class ReferenceTransform:
    """Resize, eleven operations none to two times each in random order, random crop, normalised floats."""

    def __init__(self, edge: int, crop: int):
        self.resize, self.crop = T.Resize(edge), T.RandomCrop(crop)
        self.normalise = T.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
        self.operations = (
            jpeg,
            lambda image: F.resize(
                image, random.randint(crop + 1, round(crop * 1.228)), random.choice([BILINEAR, BICUBIC])
            ),
            T.RandomCrop(crop),
            T.RandomHorizontalFlip(),
            T.RandomVerticalFlip(),
            lambda image: resized_crop(image, crop),
            T.RandomRotation(15, BILINEAR),
            T.RandomAffine(0, translate=(0.1, 0.1), interpolation=BILINEAR),
            T.RandomAffine(0, shear=(-15, 15, -15, 15), interpolation=BILINEAR),
            padded,
            cutout,
        )

    def __call__(self, image: Image.Image) -> torch.Tensor:
        image = self.resize(image)
        pool = [operation for operation in self.operations for _ in range(random.randint(0, 2))]
        random.shuffle(pool)
        for operation in pool:
            image = operation(image)
        return self.normalise(F.to_tensor(self.crop(image)))


def jpeg(image: Image.Image) -> Image.Image:
    encoded = io.BytesIO()
    image.save(encoded, "JPEG", quality=random.randint(75, 100))
    return Image.open(encoded).convert("RGB")


def resized_crop(image: Image.Image, crop: int) -> Image.Image:
    place = T.RandomResizedCrop.get_params(image, [0.9, 1.0], [3 / 4, 4 / 3])
    return F.resized_crop(image, *place, crop, interpolation=random.choice(FILTERS))


def padded(image: Image.Image) -> Image.Image:
    width, height = image.size
    left, right = (int(random.uniform(0, 0.05) * width) for _ in range(2))
    top, bottom = (int(random.uniform(0, 0.05) * height) for _ in range(2))
    framed = F.pad(image, [left, top, right, bottom], fill=random.randint(0, 255))
    return F.resize(framed, [height, width], BILINEAR)


def cutout(image: Image.Image) -> Image.Image:
    pixels = F.pil_to_tensor(image)
    if random.random() < 0.5:
        grey = [float(random.randint(0, 255))]
        pixels = F.erase(pixels, *T.RandomErasing.get_params(pixels, (0.02, 0.06), (0.3, 3.3), grey))
    return F.to_pil_image(pixels)
