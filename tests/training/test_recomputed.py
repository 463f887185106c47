"""MLflow's table of figures by generator, recomputed from the table `predictions` by SQL alone."""

import json
import shutil
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import numpy as np
import pytest

from etl.lake import snapshot
from etl.lake.schemas import PREDICTIONS
from training import evaluation, evaluation_log
from training.evaluation import Judging
from training.metrics import METRICS
from training.tracking import Tracker

THRESHOLD = 0.3
SQL = """
WITH scored AS (
    SELECT label, logit, generator_id FROM read_parquet($files)
    WHERE run_id = $run AND collection = 'bench' AND transform = 'none'
), judged AS (
    SELECT g.generator_id AS judged, s.label, s.logit,
        count(*) FILTER (s.label = 1) OVER every AS fakes, count(*) FILTER (s.label = 0) OVER every AS reals
    FROM (SELECT DISTINCT generator_id FROM scored WHERE label = 1) g
    JOIN scored s ON s.label = 0 OR s.generator_id = g.generator_id
    WINDOW every AS (PARTITION BY g.generator_id)
), points AS (
    -- At each distinct logit: the shares of fakes and of reals that reach it, and what it adds to the first.
    SELECT judged, logit, sum(sum(label)) OVER above / any_value(fakes) AS tpr,
        sum(sum(1 - label)) OVER above / any_value(reals) AS fpr,
        sum(sum(label)) OVER above / sum(count(*)) OVER above AS precision,
        sum(label) / any_value(fakes) AS step
    FROM judged GROUP BY judged, logit
    WINDOW above AS (PARTITION BY judged ORDER BY logit DESC)
), segments AS (
    SELECT *, lag(tpr, 1, 0) OVER falling AS tpr_before, lag(fpr, 1, 0) OVER falling AS fpr_before
    FROM points WINDOW falling AS (PARTITION BY judged ORDER BY logit DESC)
), curves AS (
    SELECT judged, sum(step * precision) AS average_precision,
        sum((fpr - fpr_before) * (tpr + tpr_before) / 2) AS roc_auc,
        coalesce(max(tpr) FILTER (fpr <= 0.01), 0) AS "tpr_at_fpr_0.01",
        coalesce(max(tpr) FILTER (fpr <= 0.05), 0) AS "tpr_at_fpr_0.05",
        -- Where the false positives, rising, meet the misses, falling, on the segment that crosses.
        arg_min(fpr_before + (fpr - fpr_before) * (1 - tpr_before - fpr_before)
            / ((1 - tpr_before - fpr_before) - (1 - tpr - fpr)), fpr + tpr) FILTER (fpr + tpr >= 1)
            AS equal_error_rate
    FROM segments GROUP BY judged
), binned AS (
    SELECT judged, abs(sum(1 / (1 + exp(-logit)) - label)) AS gap
    FROM judged GROUP BY judged, least(floor(15 / (1 + exp(-logit))), 14)
), counted AS (
    SELECT judged, any_value(fakes) AS n_fake, any_value(reals) AS n_real, count(*) AS n,
        avg(((logit > 0) = (label = 1))::DOUBLE) AS accuracy,
        avg(((logit > $threshold) = (label = 1))::DOUBLE) AS accuracy_at_threshold
    FROM judged GROUP BY judged
)
SELECT judged AS generator, counted.*, curves.*,
    (SELECT sum(gap) FROM binned WHERE binned.judged = counted.judged) / n AS calibration_error
FROM counted JOIN curves USING (judged) ORDER BY judged
"""


def test_every_number_of_mlflows_table_by_generator_is_recomputed_from_predictions_by_sql(
    tmp_path: Path, mlflow_database: Path
):
    root = str(tmp_path)
    shutil.copy(mlflow_database, tmp_path / "mlflow.db")
    tracker = Tracker(root)
    run = tracker.start("detectors", "judged", {"run_key": "k"}, {})
    random, rows = np.random.default_rng(2), []
    drawn = ((None, 240, 0.0), ("a/clear", 40, 2.0), ("b/tied", 30, 0.5), ("c/lost", 7, -1.0))
    for generator, count, middle in drawn:
        logits = random.normal(middle, 1, count)
        for logit in np.round(logits, 1) if generator in (None, "b/tied") else logits:
            rows.append({
                "run_id": run.run_id, "image_id": f"{len(rows):04d}", "transform": "none", "collection": "bench",
                "logit": float(logit), "label": int(generator is not None), "generator_id": generator,
                "real_source": None, "format": "PNG", "scored_at": datetime.now(UTC),
            })  # fmt: skip
    snapshot.append(root, PREDICTIONS, rows)
    predictions = snapshot.read(root, PREDICTIONS)
    how = Judging(threshold=THRESHOLD, draws=10)
    figures = evaluation.rows(evaluation.evaluate(root, predictions, how), how)
    evaluation_log.add(tracker, run, "bench", "all", figures, predictions, changed=True)

    logged = json.loads(tracker.artifact(run, "evaluations/bench-all/by_generator.json").read_text())
    files = [file.removeprefix("file://") for file in snapshot.live_files(root, PREDICTIONS)]
    asked = {"files": files, "run": run.run_id, "threshold": THRESHOLD}
    answer = duckdb.connect().execute(SQL, asked)
    names = [column[0] for column in answer.description]
    found = [dict(zip(names, row, strict=True)) for row in answer.fetchall()]
    assert logged["columns"] == ["generator", "n_fake", "n_real", *METRICS, "images"]
    assert (
        [row[0] for row in logged["data"]]
        == [row["generator"] for row in found]
        == ["a/clear", "b/tied", "c/lost"]
    )
    for row, recomputed in zip(logged["data"], found, strict=True):
        assert [recomputed[column] for column in logged["columns"][1:-1]] == pytest.approx(row[1:-1], abs=1e-9)
