"""Scoring images of the lake beside a bare timm loop over tensors that are ready in memory, same model and batch.

python tests/benchmarks/inference_beside_loop.py --detector vit_small_224 --images 512

Rounds alternate; the ratio is the bare loop's seconds over the scoring's (1 is as fast). What the lake adds is
reading, decoding, the test transform and handing over; both end with the logits of all images.
"""

import argparse
import io
import statistics
import tempfile
import time

import numpy as np
import torch
from PIL import Image

from etl.lake import snapshot
from etl.lake.schemas import IMAGES
from training import detectors, inference
from training.augmentations import TestTransform
from training.data import Batch
from training.loop import leave_a_core_to_the_loader, predict
from training.targets import encoded


def fill(root: str, images: int, edge: int) -> list[str]:
    """Write JPEG images of smooth noise into a lake's table `images`; return their ids."""
    random = np.random.default_rng(0)
    rows = []
    for number in range(images):
        small = Image.fromarray(random.integers(0, 256, (edge // 8, edge // 8, 3), dtype=np.uint8))
        data = io.BytesIO()
        small.resize((edge, edge), Image.Resampling.BICUBIC).save(data, "JPEG", quality=90)
        rows.append({"image_id": f"{number:064x}", "bytes": data.getvalue(), "label": 0})
    snapshot.append(root, IMAGES, rows)
    return [str(row["image_id"]) for row in rows]


def main() -> None:
    """Parse the arguments, measure, print the ratio's median, minimum and maximum."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--detector", default="vit_small_224")
    parser.add_argument("--images", type=int, default=512)
    parser.add_argument("--edge", type=int, default=512)
    parser.add_argument("--batch_size", type=int, default=32)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    model = detectors.build(arguments.detector).eval()
    leave_a_core_to_the_loader(torch.device("cpu"))
    transform = TestTransform(detectors.input_size(arguments.detector))
    with tempfile.TemporaryDirectory() as root:
        ids = fill(root, arguments.images, arguments.edge)
        version = snapshot.current_version(root, IMAGES)

        def of_lake() -> list[Batch]:
            images = encoded(root, IMAGES, version, ids)
            found = inference.batches(images, transform, arguments.batch_size, arguments.workers, 600.0)
            return found  # type: ignore[return-value]

        ready = list(of_lake())
        ratios = []
        for _ in range(arguments.rounds):
            start = time.perf_counter()
            bare = predict(model, ready)[2]
            middle = time.perf_counter()
            scored = predict(model, of_lake())[2]
            end = time.perf_counter()
            assert np.allclose(bare, scored, atol=1e-5)
            ratios.append((middle - start) / (end - middle))
            print(f"bare loop {middle - start:.2f} s, from the lake {end - middle:.2f} s, ratio {ratios[-1]:.3f}")
    print(f"ratio: median {statistics.median(ratios):.3f}, min {min(ratios):.3f}, max {max(ratios):.3f}")


if __name__ == "__main__":
    main()
