"""The toy world as repositories of the Hub: index, weights, card, and dates, below one folder."""

import json
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from generation.demo_hub.cards import write_card, write_settings
from generation.demo_hub.table import DemoRepository
from generation.toy_world.world import SETTINGS, ToyModel, models

WEIGHTS = Path(__file__).parent / "weights"
LICENCE = "apache-2.0"
CARD = """
# {name}

A toy generator of the family “{family}”, made for the Forensics Lake's small world. It does not draw from text: it
reconstructs a 64 × 64 pixel crop of one of the project's photographs, which the prompt names as in
“a bee on a flower (animal-bee-01, crop 3)”. The low frequencies are the photograph's; the high ones are made anew
from a code, in the way that gives the family its name. Trained by `python -m generation.toy_world.train`.
"""


def build_toy_hub(root: Path, kinds: Sequence[str] = tuple(SETTINGS), each: int | None = None) -> list[str]:
    """Make the repositories that are missing below `root`; return the ids of all that were asked for.

    `each` takes that many models of a family, the base first. A repository that exists is whole.
    """
    chosen = [model for kind in kinds for model in models((kind,))[:each]]
    missing = [model for model in chosen if not (root / model.id).is_dir()]
    for kind in dict.fromkeys(model.kind for model in missing):
        _build_family(root, [model for model in missing if model.kind == kind])
    return [model.id for model in chosen]


def _build_family(root: Path, missing: Sequence[ToyModel]) -> None:
    from safetensors.torch import load_file

    tensors = load_file(WEIGHTS / f"{missing[0].kind}.safetensors")
    for model in missing:
        place = root / model.id
        unfinished = place.with_name(f".unfinished-{place.name}")
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(parents=True)
        start = f"{model.id}/"
        own = {key.removeprefix(start): value.float() for key, value in tensors.items() if key.startswith(start)}
        _write(unfinished, model, own)
        os.replace(unfinished, place)


def _write(folder: Path, model: ToyModel, tensors: dict[str, object]) -> None:
    from generation.toy_world.model import ToyGenerator

    generator = ToyGenerator(kind=model.kind, **dict(model.settings))
    generator.load_state_dict(tensors)
    generator.save_pretrained(folder / "model", safe_serialization=True)
    index = {
        "_class_name": model.pipeline_class,
        "_diffusers_version": "0.42.0",
        "model": ["toy_world", "ToyGenerator"],
    }
    (folder / "model_index.json").write_text(json.dumps(index, indent=2), encoding="utf-8")
    described = DemoRepository(
        model.id,
        model.kind.replace("-", " "),
        model.course.seed,
        model.released.isoformat(),
        downloads=1000 + model.course.seed % 9000,
        likes=model.course.seed % 90,
        licence=LICENCE,
        base_model=model.base,
        relation="finetune" if model.base else None,
    )
    write_card(folder, described, CARD)
    write_settings(folder, described)
