"""Tiny training sets in tables of their own, written without Spark."""

import hashlib
import io
import json
import shutil
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import deltalake
import numpy as np
import pyarrow as pa
import pytest
import torch
from PIL import Image
from pyspark.sql.pandas.types import to_arrow_schema

from etl.lake import snapshot
from etl.lake.schemas import TRAINING_SETS, training_rows

NAME = "demo"
Rows = list[dict[str, Any]]


def encode(label: int, number: int, size: int = 40) -> bytes:
    """A PNG: fakes carry a fine checkerboard, reals do not."""
    random = np.random.default_rng([label, number])
    pixels = random.integers(60, 196, size=(1, 1, 3)) + random.normal(0, 6, size=(size, size, 3))
    if label:
        pixels += 50 * ((np.add.outer(np.arange(size), np.arange(size)) // 4) % 2)[:, :, None]
    buffer = io.BytesIO()
    Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    """Tiny tensors gain nothing from threads, and lose much where cores are few."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def wait_for() -> Callable[[Callable[[], object], float], None]:
    """Wait until something holds, so many seconds at most."""

    def wait(holds: Callable[[], object], seconds: float) -> None:
        end = time.monotonic() + seconds
        while not holds():
            assert time.monotonic() < end
            time.sleep(0.2)

    return wait


@pytest.fixture(scope="session")
def rows() -> Callable[..., Rows]:
    """Build `n` rows of a split, half fake, the fakes from two generators."""

    def build(split: str, n: int, first: int = 0) -> Rows:
        built = []
        for number in range(first, first + n):
            label = number % 2
            data = encode(label, number)
            built.append({
                "image_id": hashlib.sha256(data).hexdigest(), "bytes": data, "format": "PNG",
                "width": 40, "height": 40, "label": label, "split": split, "position": number,
                "generator_id": f"gen/{number % 4 // 2}" if label else None,
                "real_source": None if label else "photos",
            })  # fmt: skip
        return built

    return build


@pytest.fixture(scope="session")
def write_rows() -> Callable[..., int]:
    """Write rows into training_rows/demo with so many rows a row group; return the table's new version."""

    def write(root: Path, rows: Rows, rows_a_group: int = 1000, mode: str = "append") -> int:
        table = training_rows(NAME)
        snapshot.create(str(root), table)
        columns = {column: [row.get(column) for row in rows] for column in table.columns}
        deltalake.write_deltalake(
            deltalake.DeltaTable(snapshot.address(str(root), table)),
            pa.table(columns, schema=to_arrow_schema(table.schema)),
            mode=mode,
            writer_properties=deltalake.WriterProperties(max_row_group_size=rows_a_group),
        )
        return snapshot.current_version(str(root), table)

    return write


@pytest.fixture(scope="session")
def register() -> Callable[..., None]:
    """Record a version of the training set."""

    def record(root: Path, rows_version: int, version: int = 1, checksum: str = "c0ffee") -> None:
        row = {
            "name": NAME, "version": version, "config": "{}", "config_hash": "ab12", "rows_version": rows_version,
            "table_versions": json.dumps({"images": 3}), "counts": "{}", "id_checksum": checksum, "audit": "{}",
            "created_at": datetime(2025, 1, 1, tzinfo=UTC),
        }  # fmt: skip
        snapshot.append(str(root), TRAINING_SETS, [row])

    return record


@pytest.fixture(scope="session")
def mlflow_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An MLflow store made once: its tables take seconds to create."""
    from training.tracking import Tracker

    root = tmp_path_factory.mktemp("mlflow")
    (root / "mlflow.db.partial").write_bytes(b"left by a killed process")
    Tracker(str(root), create=True)
    return root / "mlflow.db"


@pytest.fixture
def lake_root(tmp_path: Path, rows, write_rows, register, mlflow_database: Path) -> Path:
    """A lake with one training set, 24 train, 8 val and 12 test rows, in row groups that mix splits."""
    everything = [*rows("train", 24), *rows("val", 8, first=100), *rows("test", 12, first=200)]
    root = tmp_path / "lake"
    root.mkdir()
    register(root, write_rows(root, everything, rows_a_group=5))
    shutil.copy(mlflow_database, root / "mlflow.db")
    return root
