"""Which versions of which tables training sets name: what must stay readable, to train on them or make them again.

Runs name the training set that they saw by name and version, so these versions are theirs as well.
"""

import json
from collections import defaultdict
from collections.abc import Collection, Mapping

from etl.errors import ConfigError
from etl.lake import snapshot
from etl.lake.schemas import TRAINING_SETS, training_rows

Pins = Mapping[str, Mapping[int, list[str]]]
"""Of each table, by name, the versions that are named, each with the training sets (NAME@VERSION) that do."""


def pinned(root: str, released: Collection[str] = ()) -> Pins:
    """Return what training sets name, without the `released` ones. Raises ConfigError for one that is unknown."""
    columns = ["name", "version", "table_versions", "rows_version"]
    exists = snapshot.exists(root, TRAINING_SETS)
    sets = snapshot.read(root, TRAINING_SETS, columns=columns).rows() if exists else []
    if unknown := sorted(set(released) - {f"{name}@{version}" for name, version, *_ in sets}):
        raise ConfigError(f"--release: there is no training set {', '.join(unknown)}")
    pins: dict[str, dict[int, list[str]]] = defaultdict(lambda: defaultdict(list))
    for name, version, table_versions, rows_version in sets:
        label = f"{name}@{version}"
        if label in released:
            continue
        for table, at in json.loads(table_versions).items():
            pins[table][at].append(label)
        pins[training_rows(name).name][rows_version].append(label)
    return pins
