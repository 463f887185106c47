"""kill -9 while images are written, and while they are clustered: no reader sees less, and a rerun mends all."""

from pathlib import Path

import deltalake
import pyarrow.parquet as pq
import pytest

from etl.jobs import ingest, maintain, repair
from etl.lake import snapshot
from etl.lake.schemas import COLLECTIONS, IMAGES
from tests.flow.crashes import Reader, assert_whole, ids, kill_in_a_write, noise, start, unnamed

WAVE = 16


@pytest.mark.timeout(300)
def test_an_ingest_and_a_clustering_killed_in_their_writes_lose_nothing(spark, tmp_path, capsys):
    root, photos, log = tmp_path / "lake", tmp_path / "photos", tmp_path / "said.log"
    expected = noise(photos, 2 * WAVE)
    words = ["--root", str(root), "--path", str(photos), "--collection", "photos", "--wave", str(WAVE)]

    with Reader(root, IMAGES) as reader:
        kill_in_a_write(start(log, "ingest", *words), root, IMAGES, since=1)
    assert set(reader.heights) <= {0, WAVE} and unnamed(root, IMAGES)
    assert repair.main(["--root", str(root), "--dry_run"]) == 0
    assert "ORPHAN images part-" in capsys.readouterr().out and unnamed(root, IMAGES)
    assert repair.main(["--root", str(root)]) == 0
    assert not unnamed(root, IMAGES)
    assert ingest.main(words) == 0
    assert ids(root) == ids(root, COLLECTIONS) == expected
    assert_whole(root)

    pinned = snapshot.current_version(str(root), IMAGES)
    files = snapshot.live_files(str(root), IMAGES, pinned)
    order = ["--root", str(root), "--tables", "[images]", "--target_mb", "2"]
    with Reader(root, IMAGES) as reader:
        kill_in_a_write(start(log, "maintain", *order), root, IMAGES)
        assert sum(pq.read_metadata(file.removeprefix("file://")).num_rows for file in files) == len(expected)
        assert repair.main(["--root", str(root)]) == 0
        assert maintain.main(order) == 0
    assert set(reader.heights) == {len(expected)}
    assert "clustered to" in capsys.readouterr().out
    assert ids(root) == expected and snapshot.read(str(root), IMAGES, pinned).height == len(expected)
    assert (
        deltalake.DeltaTable(str(Path(root, IMAGES.name))).metadata().configuration.items()
        >= IMAGES.properties.items()
    )
    assert_whole(root)
