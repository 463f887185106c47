"""Train the toy world's models on the project's photographs, anew and alike every time.

    python -m generation.toy_world.train --out FOLDER [--kinds nearest carafe] [--processes 2]

Writes one FOLDER/<kind>.safetensors a family, as they ship in `weights/`: tensors named MODEL/TENSOR in half
precision. About 200 CPU-seconds in all.
"""

import argparse
import random
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file

from generation.toy_world import crops, training
from generation.toy_world.model import ToyGenerator
from generation.toy_world.world import SETTINGS, ToyModel, models

CROPS_OF_A_PHOTO = 12
FITTED = 256
"""Crops by whose spectrum the last filter is fitted."""
_FIRST_CROP = 10_000
"""Numbers of the crops that generators learn from: none of them is reconstructed or shown to a detector."""


def main() -> None:
    """Train the families that were asked for, several at a time."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--kinds", nargs="+", choices=list(SETTINGS), default=list(SETTINGS))
    parser.add_argument("--processes", type=int, default=2)
    asked = parser.parse_args()
    asked.out.mkdir(parents=True, exist_ok=True)
    with ProcessPoolExecutor(asked.processes, mp_context=get_context("spawn")) as pool:
        jobs = {kind: pool.submit(write_family, kind, asked.out) for kind in asked.kinds}
        for job in jobs.values():
            print(job.result(), flush=True)


def write_family(kind: str, out: Path) -> str:
    """Train one family and write its file; return a line on each model."""
    torch.set_num_threads(1)
    images, tested = training_crops(), _tensor([crops.crop(*one) for one in crops.names(True, 2)])
    trained = train_family(models((kind,)), images)
    tensors = {
        f"{name}/{key}": tensor.to(torch.float16).contiguous()
        for name, model in trained.items()
        for key, tensor in model.state_dict().items()
    }
    save_file(tensors, out / f"{kind}.safetensors", metadata={"format": "pt"})
    return "\n".join(f"{name}: {training.psnr(model, tested):.1f} dB" for name, model in trained.items())


def train_family(
    declared: list[ToyModel], images: dict[str, torch.Tensor], steps: int | None = None
) -> dict[str, ToyGenerator]:
    """Return the trained models of one family by id, the base's first; `steps` cuts every course, for tests."""
    trained: dict[str, ToyGenerator] = {}
    everything = torch.cat(list(images.values()))
    for declaration in declared:
        course = declaration.course
        torch.manual_seed(course.seed)
        model = ToyGenerator(kind=declaration.kind, **dict(declaration.settings))
        chosen = everything
        if declaration.base is None:
            training.prepare(model, everything[:: max(1, len(everything) // 200)], course.seed)
        else:
            model.load_state_dict(trained[declaration.base].state_dict())
            names = random.Random(course.seed).sample(sorted(images), min(declaration.photos or 0, len(images)))
            chosen = torch.cat([images[name] for name in names])
        if steps is not None:
            course = training.Course(**{**course.__dict__, "steps": steps})
        training.train(model, chosen, course)
        training.equalise(model, everything[:: max(1, len(everything) // FITTED)], course.seed)
        trained[declaration.id] = model
    return trained


def training_crops(each: int = CROPS_OF_A_PHOTO) -> dict[str, torch.Tensor]:
    """Return crops [each, 3, 64, 64] in -1 … 1 of every training photograph, by its name."""
    found = (photo for photo in crops.photos().values() if not photo.is_test)
    return {
        photo.name: _tensor([crops.crop(photo, _FIRST_CROP + number) for number in range(each)]) for photo in found
    }


def _tensor(levels: list[np.ndarray]) -> torch.Tensor:
    return torch.from_numpy(np.stack(levels)).permute(0, 3, 1, 2).float() / 127.5 - 1


if __name__ == "__main__":
    main()
