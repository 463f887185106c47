"""Build the demo Hub's repositories on disk: deterministic, killable at any time, and quick when all are there."""

import fcntl
import logging
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from generation.demo_hub.cards import write_card, write_settings
from generation.demo_hub.hostile import DAMAGES
from generation.demo_hub.table import DEMO_REPOSITORIES, DemoRepository

log = logging.getLogger(__name__)


def build_demo_hub(root: Path, families: Sequence[str] | None = None, sentinels: Path | None = None) -> list[str]:
    """Make the repositories that are missing below `root`; return the ids of all that were asked for.

    `families` picks rows of the table by family or damage; None means all. A repository is written beside its
    place and moved there when complete, so one that exists is whole and is left alone; torch is imported only if
    something is missing. `sentinels` (default: root's parent) is where hostile code would leave its file; its
    path is part of the two hostile payloads. A second builder waits for the first.
    """
    chosen = [r for r in DEMO_REPOSITORIES if families is None or r.family in families or r.damage in families]
    unknown = set(families or ()) - {r.family for r in chosen} - {r.damage for r in chosen}
    if unknown:
        raise ValueError(f"no demo repository has family or damage {sorted(unknown)}")
    root = Path(root).absolute()
    sentinels = Path(sentinels).absolute() if sentinels else root.parent
    if not all((root / r.id).is_dir() for r in chosen):
        root.mkdir(parents=True, exist_ok=True)
        with _alone(root), _without_progress_bars():
            for repository in chosen:
                if not (root / repository.id).is_dir():
                    _build(root, repository, sentinels)
    return [r.id for r in chosen]


def _build(root: Path, repository: DemoRepository, sentinels: Path) -> None:
    """One repository: weights, damage, card, settings; then into its place in one step."""
    place = root / repository.id
    unfinished = place.with_name(f".unfinished-{place.name}")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    _write_weights(unfinished, repository)
    if damage := DAMAGES.get(repository.damage or ""):
        damage(unfinished, sentinels)
    original = next((r for r in DEMO_REPOSITORIES if r.id == repository.twin_of), repository)
    write_card(unfinished, original)
    write_settings(unfinished, repository)
    os.replace(unfinished, place)
    log.info("built %s", repository.id)


def _write_weights(folder: Path, repository: DemoRepository) -> None:
    if repository.family == "none":
        return
    if repository.family == "lora":
        from safetensors.torch import save_file

        from generation.demo_hub.unet_families import lora

        save_file(lora(repository.seed), folder / "pytorch_lora_weights.safetensors", metadata={"format": "pt"})
        return
    from generation.demo_hub.families import FAMILIES

    FAMILIES[repository.family](repository.seed).save_pretrained(folder, safe_serialization=True)


@contextmanager
def _alone(root: Path) -> Iterator[None]:
    """Hold the hub's lock file; the system frees it however the process ends."""
    with open(root / ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextmanager
def _without_progress_bars() -> Iterator[None]:
    """Keep transformers from drawing a bar for every tiny file that it saves."""
    from transformers.utils import logging as transformers_logging

    shown = transformers_logging.is_progress_bar_enabled()
    transformers_logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            transformers_logging.enable_progress_bar()
