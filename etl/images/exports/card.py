"""The dataset card of an export: what is in it, where it comes from, under which licences, and its audit."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import yaml

from etl.images import audit
from etl.images.exports.contents import Contents
from etl.images.exports.form import Form

_SHOWN = 500
"""Generators that are listed, those with the most images first."""
_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))
_UNKNOWN = "unknown"


def card(contents: Contents, form: Form) -> str:
    """Return the card as Markdown under YAML, as the Hub has it; it says the same whenever it is made."""
    build, sizes = contents.build, contents.sizes
    recipe = json.loads(build.config)
    counts = {label: Counter[str]() for label in (0, 1)}
    for kind in contents.kinds:
        counts[kind.label][kind.split] += kind["count"]
    by_split = [(split, counts[0][split], counts[1][split], size) for split, size in sizes.items()]
    versions = ", ".join(f"{table} {version}" for table, version in json.loads(build.table_versions).items())
    sections = [
        _front(contents, form),
        f"# {contents.label}",
        f"Version {build.version} of the training set `{build.name}`, made with the Forensics Lake: real and "
        f"generated images, for detectors that tell them apart. Labels: 1 is fake, 0 real.{_reencoded(recipe)}",
        "## Images",
        _table(["split", "real", "fake", "together"], by_split),
        *_makers(contents),
        "## The audit",
        *_audit(json.loads(build.audit)),
        "## Ingesting it again",
        form.notes,
        "## How it was made",
        f"Checksum of the (split, image) pairs: `{build.id_checksum}`. Delta versions that were read: {versions}. "
        "The recipe:",
        f"```yaml\n{yaml.safe_dump(recipe, sort_keys=True, allow_unicode=True)}```",
    ]
    return "\n\n".join(sections) + "\n"


def _front(contents: Contents, form: Form) -> str:
    sizes = contents.sizes
    total = sum(sizes.values())
    files = [{"split": split, "path": form.splits.format(split=split)} for split in sizes]
    front = {
        "pretty_name": contents.label,
        "license": "other",
        "task_categories": ["image-classification"],
        "tags": ["generated-image-detection", "forensics-lake"],
        "size_categories": [next((name for limit, name in _SIZES if total < limit), "n>1M")],
        "configs": [{"config_name": "default", "data_files": files}],
    }
    return f"---\n{yaml.safe_dump(front, sort_keys=False)}---"


def _reencoded(recipe: Mapping[str, object]) -> str:
    if not recipe.get("reencode"):
        return " Files are the originals, byte for byte."
    return (
        f" All files were encoded anew as {recipe['reencode']}, both classes alike: their bytes are this set's, "
        "and no originals. The name of a file is the id, the SHA-256, of its original."
    )


def _makers(contents: Contents) -> Iterator[str]:
    """Yield the sections on generators, real sources and licences."""
    generators, sources, licences = (defaultdict[tuple[object, ...], Counter[str]](Counter) for _ in range(3))
    for kind in contents.kinds:
        if kind.label == 1:
            maker = (kind.generator_id, kind.kind, kind.architecture, kind.generator_licence)
            generators[maker][kind.split] += kind["count"]
        else:
            sources[(kind.real_source,)][kind.split] += kind["count"]
        licences[(kind.licence,)]["fake" if kind.label else "real"] += kind["count"]
    splits = list(contents.sizes)
    yield f"## Generators\n\n{len(generators):,} generators."
    names = ["generator", "kind", "class", "licence of the model"]
    yield _counted(names, splits, generators)
    if len(generators) > _SHOWN:
        yield f"Listed are the {_SHOWN} with the most images."
    yield "## Real sources"
    yield _counted(["source"], splits, sources)
    yield "## Licences of the images"
    yield _counted(["licence"], ["real", "fake"], licences)


def _counted(
    names: Sequence[str], columns: Sequence[str], counts: Mapping[tuple[object, ...], Counter[str]]
) -> str:
    largest = sorted(counts.items(), key=lambda item: (-item[1].total(), str(item[0])))[:_SHOWN]
    rows = [(*map(_literal, words), *(found[column] for column in columns)) for words, found in largest]
    return _table([*names, *columns], rows)


def _audit(audited: Mapping[str, Any]) -> Iterator[str]:
    found = [audit.Finding(**finding) for finding in audited["findings"]]
    accepted = ", ".join(audited["accepted"]) or "none"
    yield (
        "Area under the ROC curve [95 %] of classifiers that see no pixel, only what is named; 0.50 is chance. "
        f"The limit was {audited['limit']:g}. Shortcuts accepted by name: {accepted}."
    )
    yield "```\n" + "\n".join(audit.report(found)) + "\n```"


def _table(names: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = [names, ["---"] * len(names), *rows]
    return "\n".join(f"| {' | '.join(_cell(value) for value in line)} |" for line in lines)


def _cell(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) else str(value)


def _literal(value: object) -> str:
    """Return a word from outside as code, so that it is shown and not taken for Markdown or HTML."""
    if value is None:
        return _UNKNOWN
    word = " ".join(str(value).split()).replace("`", "'").replace("|", "\\|")
    return f"`{word}`"
