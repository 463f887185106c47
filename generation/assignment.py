"""Which prompts go to which generator: by a stated scheme and a seed. Pure."""

import hashlib
import json
import random
from collections.abc import Collection, Mapping, Sequence

from etl.errors import ConfigError

SCHEMES = ("random", "same", "disjoint")
"""Each generator draws its own; all get the same ones; no prompt goes to two generators."""


def prompt_id(text: str) -> str:
    """Return what requests, records and the table of prompts call a prompt."""
    return hashlib.sha256(json.dumps(text).encode()).hexdigest()[:16]


def assign_prompts(
    images: Mapping[str, int], prompts: Collection[str], scheme: str, seed: int, images_per_prompt: int
) -> dict[str, list[tuple[str, int]]]:
    """Return (prompt, k) for each image of each generator; k counts the images that share the prompt.

    `images` holds the number of images of each generator, 0 for one that takes no prompt. The prompts are sorted,
    then shuffled by the seed, and by the generator's id too when the scheme is random. As many are used as
    images / images_per_prompt asks for; when there are fewer, they come round again. The disjoint scheme deals the
    shuffled prompts out like cards, in the order of all the ids: a generator's depend on the seed and on the ids
    alone, and more images take more of them. Raises ConfigError when there are too few to deal.
    """
    pool, ids = sorted(set(prompts)), sorted(images)
    wanted = {generator_id: -(-count // images_per_prompt) for generator_id, count in images.items()}
    if scheme == "disjoint":
        _require(max(wanted.values(), default=0), len(ids), len(pool))
    shared = _shuffled(pool, f"{seed}")
    assigned = {}
    for position, generator_id in enumerate(ids):
        if not images[generator_id]:
            continue
        own = shared
        if scheme == "random":
            own = _shuffled(pool, f"{seed}/{generator_id}")
        elif scheme == "disjoint":
            own = shared[position :: len(ids)]
        drawn = own[: wanted[generator_id]]
        assigned[generator_id] = [(drawn[i % len(drawn)], i // len(drawn)) for i in range(images[generator_id])]
    return assigned


def _require(each: int, generators: int, there: int) -> None:
    if each * generators > there:
        raise ConfigError(
            f"disjoint prompts for {generators} generators of up to {each} prompts each need {each * generators} "
            f"prompts, and there are {there}; name a larger source with --prompts, ask for fewer images, or raise "
            "--images_per_prompt"
        )


def _shuffled(pool: Sequence[str], salt: str) -> list[str]:
    shuffled = list(pool)
    random.Random(salt).shuffle(shuffled)
    return shuffled
