"""Each operation of the augmentation beside Pillow's: largest difference, share of values that differ, cost.

    python tests/benchmarks/loader_equivalence.py --images 200

CPU milliseconds an image are medians of one thread's, ours and Pillow's in turn, on arrays and Pillow images of
256 pixels on the shorter edge; they tell where the loader's gain comes from.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from loader_reference import ReferenceTransform
from measured import PROJECT, load_average
from PIL import Image, ImageOps

sys.path.insert(0, str(PROJECT / "tests" / "training"))

from equivalence import by_pillow, within

from training.augmentation.operations import paper
from training.augmentations import TrainTransform

SIZES = ((256, 256), (341, 256), (256, 300))


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--images", type=int, default=200)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    files = sorted((PROJECT / "etl" / "demo" / "photos").glob("*.jpg"))
    pictures = [
        ImageOps.fit(Image.open(files[number % len(files)]).convert("RGB"), SIZES[number % 3])
        for number in range(asked.images)
    ]
    failed = False
    print(f"{load_average()}\noperation | largest | share that differs | ours ms | Pillow ms")
    for operation in paper(224):
        differences, costs = [], []
        for number, picture in enumerate(pictures):
            drawn = operation.draw(np.random.default_rng(number), picture.height, picture.width)
            ours, quick = timed(operation.apply, np.asarray(picture), **drawn)
            wanted, slow = timed(by_pillow, operation.name, picture, drawn)
            differences.append(np.abs(ours.astype(int) - np.asarray(wanted)).astype(np.uint8))
            costs.append((quick, slow))
        failed |= not within(operation.name, differences)
        largest = max(one.max() for one in differences)
        share = np.mean([(one > 0).mean() for one in differences])
        quick, slow = (statistics.median(column) for column in zip(*costs, strict=True))
        print(f"{operation.name} | {largest} | {share:.2%} | {quick:.2f} | {slow:.2f}")
    ours = [timed(TrainTransform(224, 1, 0), np.asarray(p), str(n))[1] for n, p in enumerate(pictures)]
    reference = ReferenceTransform(256, 224)
    theirs = [timed(reference, picture)[1] for picture in pictures]
    print(f"all, mean | | | {statistics.mean(ours):.2f} | {statistics.mean(theirs):.2f}")
    print("SOME DIFFER BY MORE THAN IS STATED" if failed else "all within the stated tolerances")
    return int(failed)


def timed(function: Callable[..., Any], *values: Any, **options: Any) -> tuple[Any, float]:
    start = time.process_time()
    result = function(*values, **options)
    return result, (time.process_time() - start) * 1000


if __name__ == "__main__":
    raise SystemExit(main())
