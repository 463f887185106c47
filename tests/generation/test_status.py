"""How plans stand: the figures of a ledger, and what `generate --status` shows of a lake."""

from datetime import UTC, datetime

import deltalake
import polars as pl
import pytest

from etl.errors import NothingUsable
from etl.lake import snapshot
from etl.lake.schemas import GENERATION_ATTEMPTS, PLANS
from generation.devices import places, visible_gpus
from generation.jobs import generate
from generation.landing import slug
from generation.ledger import Ledger, ledger
from generation.status import landed

MB = 1_000_000


def at(hour: int) -> datetime:
    return datetime(2025, 3, 1, hour, tzinfo=UTC)


def tried(generator_id: str, code: str = "OK", images: int = 0, attempt: int = 1, seconds: float = 10.0, **rest):
    """A row of generation_attempts."""
    status = "ok" if code == "OK" else "partial" if images else "failed"
    row = {"plan_id": "p", "generator_id": generator_id, "attempt": attempt, "status": status, "code": code}
    figures = {"images": images, "seconds": seconds, "bytes": images * MB, "started_at": at(attempt)}
    return dict.fromkeys(GENERATION_ATTEMPTS.columns) | row | figures | rest


def planned(*generator_ids: str, images: int = 4, **rest) -> list[dict]:
    """Rows of plans."""
    shared = {"plan_id": "p", "images": images, "planned_at": at(0), **rest}
    return [dict.fromkeys(PLANS.columns) | shared | {"generator_id": key} for key in generator_ids]


def book(tries: list[dict], plan: list[dict], there: dict[str, int] | None = None, workers: int = 2) -> Ledger:
    attempts = pl.DataFrame(tries or [tried("none")], infer_schema_length=None)
    plans = pl.DataFrame(plan or planned("none"), infer_schema_length=None)
    frames = [frame if rows else frame.clear() for frame, rows in ((attempts, tries), (plans, plan))]
    return ledger("p", *frames, {slug(key): n for key, n in (there or {}).items()}, 3, workers)


def counts(found: Ledger) -> tuple[int, ...]:
    return found.asked, found.done, found.partial, found.failed, found.untried, found.again


def test_every_generator_of_a_plan_is_done_partial_failed_or_untried():
    tries = [
        tried("lab/done", images=4),
        tried("lab/part", "NAN_IMAGE", images=2),
        tried("lab/slow", "TIMEOUT", images=1),
        tried("lab/bad", "BAD_WEIGHTS"),
    ]
    found = book(tries, planned("lab/done", "lab/part", "lab/slow", "lab/bad", "lab/next", "lab/last"))
    assert counts(found) == (6, 1, 2, 1, 2, 1)
    assert found.left == 3
    assert (found.images, found.images_asked) == (7, 24)


def test_a_generator_stands_as_after_its_last_try():
    tries = [tried("lab/a", "TIMEOUT", images=1), tried("lab/a", "OOM", attempt=2), tried("lab/a", "OK", 3, 3)]
    found = book(tries, planned("lab/a"))
    assert counts(found) == (1, 1, 0, 0, 0, 0)
    assert found.codes == {"OK": 1}
    assert (found.images, found.tries, found.newest) == (4, 3, at(3))


def test_failures_that_may_pass_are_left_until_their_tries_are_used_up():
    twice = [tried("lab/a", "TIMEOUT", attempt=n) for n in (1, 2)]
    assert book(twice, planned("lab/a")).left == 1
    assert book([*twice, tried("lab/a", "CRASH", attempt=3)], planned("lab/a")).left == 0


def test_images_are_counted_in_the_landing_and_where_it_is_gone_in_the_table():
    tries, plan = [tried("lab/a", "TIMEOUT", images=1)], planned("lab/a", "lab/b")
    found = book(tries, plan, {"lab/a": 3, "lab/b": 2})
    assert (found.images, found.partial, found.untried) == (5, 1, 1)
    assert book(tries, plan).images == 1
    assert book(tries, plan, {"lab/a": 4}).done == 1


def test_of_a_plan_that_is_not_on_record_the_tries_alone_tell():
    found = book([tried("lab/a", images=4), tried("lab/b", "GATED")], [])
    assert counts(found) == (2, 1, 0, 1, 0, 0)
    assert not found.on_record


def test_codes_are_those_of_the_last_tries_the_most_frequent_first():
    tries = [tried("a", "GATED"), tried("b", images=1), tried("c", images=1)]
    assert list(book(tries, []).codes.items()) == [("OK", 2), ("GATED", 1)]


def test_seconds_bytes_and_memory_are_summed_over_all_tries():
    spent = {"download_seconds": 2.0, "load_seconds": 3.0, "sampling_seconds": 4.0}
    tries = [
        tried("a", "TIMEOUT", 1, seconds=10.0, download_bytes=5 * MB, peak_memory_mb=900.0, **spent),
        tried("a", "OK", 3, 2, seconds=20.0, download_bytes=5 * MB, peak_memory_mb=700.0, **spent),
        tried("b", "GATED", seconds=0.5, peak_gpu_memory_mb=400.0),
        tried("c", images=1, seconds=9.5, peak_memory_mb=100.0),
    ]
    found = book(tries, [])
    assert (found.seconds, found.download_seconds, found.load_seconds, found.sampling_seconds) == (40, 4, 6, 8)
    assert (found.bytes, found.download_bytes) == (5 * MB, 10 * MB)
    assert (found.peak_memory_mb, found.median_memory_mb, found.peak_gpu_memory_mb) == (900, 700, 400)
    assert found.seconds_an_image == 40 / 5


def test_figures_that_older_runs_did_not_record_are_unknown_and_not_zero():
    found = book([tried("a", images=1)], [])
    unknown = (found.download_seconds, found.load_seconds, found.sampling_seconds, found.download_bytes)
    assert unknown == (None, None, None, None)
    assert (found.peak_memory_mb, found.median_memory_mb) == (None, None)
    assert book([tried("a", "GATED")], []).seconds_an_image is None


def test_the_five_slowest_and_largest_models_are_named_with_their_figures():
    tries = [tried(f"m{n}", images=1, seconds=n, download_bytes=(10 - n) * MB) for n in range(1, 8)]
    tries += [tried("m1", images=1, attempt=2, seconds=99.0)]
    found = book(tries, [])
    assert found.slowest == (("m1", 100), ("m7", 7), ("m6", 6), ("m5", 5), ("m4", 4))
    assert [key for key, _ in found.largest] == ["m1", "m2", "m3", "m4", "m5"]
    assert found.largest[0][1] == 9 * MB


def test_the_size_of_a_download_is_the_planners_where_no_try_recorded_it():
    plan = planned("a", "b", "untried", download_bytes=7 * MB)
    found = book([tried("a", images=4), tried("b", images=4, download_bytes=3 * MB)], plan)
    assert found.largest == (("a", 7 * MB), ("b", 3 * MB))


def test_the_time_left_is_the_mean_of_a_model_times_those_left_by_the_workers():
    tries = [tried("a", images=4, seconds=10.0), tried("b", "TIMEOUT", seconds=30.0)]
    plan = planned("a", "b", "c", "d")
    assert book(tries, plan, workers=2).seconds_left == 20.0 * 3 / 2
    assert book(tries, plan, workers=1).seconds_left == 20.0 * 3
    assert book([tried("a", images=4)], planned("a")).seconds_left == 0
    assert book([], plan).seconds_left is None


def test_a_row_that_stands_for_a_killed_run_does_not_shorten_the_estimate():
    tries = [tried("a", images=4, seconds=10.0), tried("b", images=0, seconds=0.0)]
    found = book(tries, planned("a", "b", "c"), {"a": 4, "b": 4}, workers=1)
    assert found.seconds_left == 10.0


@pytest.fixture
def root(tmp_path) -> str:
    """A lake with three plans: one on record and under way, an older one that is not, one not begun."""
    lake = str(tmp_path / "lake")
    other = [tried("lab/x", images=2) | {"plan_id": "older", "started_at": at(0)}]
    snapshot.append(
        lake, GENERATION_ATTEMPTS, [tried("lab/a", images=4, attempt=5), tried("lab/b", "GATED"), *other]
    )
    snapshot.append(lake, PLANS, planned("lab/a", "lab/b", "lab/c"))
    snapshot.append(lake, PLANS, [planned("lab/z")[0] | {"plan_id": "waiting", "planned_at": at(3)}])
    return lake


def status(capsys, root: str, *words: str) -> list[str]:
    assert generate.main(["--root", root, *words]) == 0
    return capsys.readouterr().out.splitlines()


def test_without_a_name_all_plans_are_shown_the_newest_first_and_in_detail(root, capsys):
    lines = status(capsys, root, "--status", "--device", "cpu", "--workers", "2")
    assert [line.split(":")[0] for line in lines[:3]] == ["p", "waiting", "older"]
    assert lines[0] == (
        "p: 1 of 3 generators done, 0 partial, 1 failed, 1 untried; 4 of 12 images; 20.0 s; "
        "last at 2025-03-01 05:00"
    )
    assert lines[3:5] == ["", "p, last at 2025-03-01 05:00"]
    assert lines[-1] == "  time left: 5.0 s, an estimate: mean time of a model × 1 left / 2 at a time"


def test_a_named_plan_is_shown_in_detail_alone(root, capsys):
    lines = status(capsys, root, "--plan", "older", "--status")
    assert lines[0] == "older, last at 2025-03-01 00:00"
    assert lines[1].startswith("  generators: 1 known (how many were asked is not on record) = 1 done")
    assert lines[-1] == "  time left: none"


def test_a_plan_that_was_not_begun_has_an_unknown_time_left(root, capsys):
    lines = status(capsys, root, "--plan", "waiting", "--status")
    assert lines[1] == "  generators: 1 asked = 0 done + 0 partial + 0 failed + 1 untried; 1 left for another run"
    assert lines[-1].startswith("  time left: unknown, an estimate")


def test_a_lake_without_attempts_and_an_unknown_plan_are_nothing_usable(root, tmp_path):
    with pytest.raises(NothingUsable, match=r"nothing was generated .* run `forensics generate` first"):
        generate.main(["--root", str(tmp_path / "empty"), "--status"])
    with pytest.raises(NothingUsable, match="knows no plan 'q'; it knows p, waiting, older"):
        generate.main(["--root", root, "--status", "--plan", "q"])


def test_attempts_of_an_older_lake_lack_the_newer_columns(root, tmp_path, capsys):
    later = ["download_bytes", "download_seconds", "load_seconds", "sampling_seconds", "peak_gpu_memory_mb"]
    old = str(tmp_path / "old")
    rows = snapshot.read(root, GENERATION_ATTEMPTS).drop(later)
    deltalake.write_deltalake(f"{old}/{GENERATION_ATTEMPTS.name}", rows.to_arrow())
    lines = status(capsys, old, "--status", "--plan", "p")
    assert "download unknown, load unknown, sampling unknown" in lines[4]


def test_complete_lines_of_the_landing_count(tmp_path):
    folder = tmp_path / "landing" / "images" / "p" / "lab--a"
    folder.mkdir(parents=True)
    (folder / "records.jsonl").write_text('{"a": 1}\n{"a": 2}\n{"a":')
    assert landed(str(tmp_path), "p") == {"lab--a": 2}
    assert landed(str(tmp_path), "q") == {}


@pytest.mark.parametrize(
    ("chosen", "names"),
    [("0,2", ["0", "2"]), ("GPU-1a, GPU-2b", ["GPU-1a", "GPU-2b"]), ("-1", []), ("", []), ("1,-1,0", ["1"])],
)
def test_the_gpus_are_those_that_cuda_would_see(monkeypatch, chosen, names):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", chosen)
    assert visible_gpus() == names


def test_as_many_models_run_at_a_time_as_are_asked_for():
    assert places("cpu", 3) == ("cpu", 3)
    assert places("cpu", None)[1] >= 1
