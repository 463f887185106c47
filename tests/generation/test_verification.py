"""Verification: which images are drawn, how their requests come back, what counts as the same, the whole job."""

import hashlib
import io
import json
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image

from etl.demo.hub import DemoHub
from etl.errors import ConfigError, NothingUsable
from etl.images.sources import generated_plans
from etl.lake import snapshot
from etl.lake.schemas import IMAGES
from generation.comparison import Result, Verdict, compared, table
from generation.execution import carry_out, standing
from generation.families import DEFAULTS
from generation.inputs import eligible_generators
from generation.jobs import verify
from generation.landing import Landing
from generation.plan import Generator, Request, make_plan
from generation.rebuilding import rebuilt, why_not
from generation.repository import RepoFile, Repository
from generation.settings import GenerateSettings
from generation.verification import draw, grouped, spread
from tests.generation.conftest import CAPTIONS

SD, LORA = "demo-lab/tiny-sd-v1", "demo-community/ink-lora-sd-v1"
DDPM, DIT = "demo-lab/tiny-ddpm", "demo-lab/tiny-dit"
SETTINGS = GenerateSettings(images_per_generator=3, steps=2, size=64)


def ids(**counts: int) -> pl.DataFrame:
    return pl.DataFrame(
        [{"image_id": f"{name}{i}", "generator_id": name} for name, count in counts.items() for i in range(count)]
    )


def test_one_image_of_each_generator_is_drawn_before_a_second_of_any():
    images = ids(a=50, b=2, c=1)
    assert sorted(key[0] for key in spread(images, 3, seed=1)) == ["a", "b", "c"]
    assert sorted(key[0] for key in spread(images, 6, seed=1)) == ["a", "a", "a", "b", "b", "c"]
    assert len(spread(images, 100, seed=1)) == 53


def test_the_draw_follows_from_the_seed_and_the_ids_alone():
    images = ids(a=50, b=50)
    drawn = spread(images, 10, seed=1)
    assert spread(images.reverse(), 10, seed=1) == drawn
    assert spread(images, 10, seed=2) != drawn
    left = images.filter(~pl.col("image_id").is_in(drawn[5:]))
    assert set(drawn[:5]) <= set(spread(left, 10, seed=1))


def generator(pipeline_class: str = "StableDiffusionPipeline", **about) -> Generator:
    return Generator("lab/a", Repository("lab/a", "1" * 40, (), None), pipeline_class, **about)


def asked(of: Generator, **changes) -> Request:
    return make_plan([of], CAPTIONS, replace(SETTINGS, **changes)).tasks[0].requests[0]


def row_of(request: Request, **changes) -> dict:
    """The row that an image of this request has in the lake."""
    found = {
        "image_id": "0" * 64,
        "generator_id": "lab/a",
        "model_revision": "1" * 40,
        "width": request.width or 32,
        "height": request.height or 32,
        "format": request.format or "PNG",
        "scheduler": request.scheduler or "PNDMScheduler",
        "library_versions": "{}",
        **{name: value for name, value in vars(request).items() if name in IMAGES.columns and value is not None},
        **changes,
    }
    return dict.fromkeys(IMAGES.columns) | found


BASE = Repository("lab/base", "2" * 40, (), None)


@pytest.mark.parametrize(
    ("of", "changes"),
    [
        (generator(), {}),
        (generator(), {"negative_prompt": "blurry"}),
        (generator(), {"vary_schedulers": ["DDIMScheduler"]}),
        (generator(), {"vary_schedulers": ["PNDMScheduler"]}),
        (generator(), {"formats": ["JPEG"]}),
        (generator(), {"formats": ["WEBP"], "guidance": 3.0}),
        (generator(is_adapter=True, base=BASE), {}),
        (generator("QwenImagePipeline"), {}),
        (generator("DiTPipeline"), {}),
        (generator("DDPMPipeline"), {}),
    ],
    ids=lambda value: value.pipeline_class if isinstance(value, Generator) else str(value),
)
def test_a_request_comes_back_whole_from_its_images_row(of, changes):
    request = asked(of, **changes)
    assert rebuilt(row_of(request), {}, of) == request


def test_what_rows_did_not_always_hold_is_found_by_the_requests_id():
    dit = generator("DiTPipeline")
    request = asked(dit)
    assert rebuilt(row_of(request, class_label=None), {}, dit) == request
    qwen = generator("QwenImagePipeline")
    assert rebuilt(row_of(asked(qwen), negative_prompt=None), {}, qwen) == asked(qwen)


def test_what_a_row_lacks_is_taken_from_its_landings_record():
    request = asked(generator(), negative_prompt="blurry")
    row = row_of(request, negative_prompt=None)
    assert rebuilt(row, {"negative_prompt": "blurry"}, generator()) == request
    assert rebuilt(row, {}, generator()) is None
    assert "its negative prompt" in why_not({}, generator())


@pytest.mark.parametrize("changed", [{"seed": 7}, {"steps": 3}, {"prompt": "another"}, {"width": 72}])
def test_a_row_that_was_changed_gives_no_request(changed):
    row = row_of(asked(generator())) | changed
    assert rebuilt(row, {}, generator()) is None
    assert "one of them was changed" in why_not({"seed": 1}, generator())


def test_an_adapter_whose_base_has_moved_on_gives_no_request():
    adapter = generator(is_adapter=True, base=BASE)
    moved = replace(adapter, base=replace(BASE, revision="3" * 40))
    assert rebuilt(row_of(asked(adapter)), {"seed": 1}, moved) is None
    assert why_not({"seed": 1}, moved) == "its adapter's base has another revision now"


def test_every_class_that_is_sampled_has_requests_that_come_back():
    for name in DEFAULTS:
        of = generator(name)
        assert rebuilt(row_of(asked(of)), {}, of) == asked(of), name


PIXELS = np.random.default_rng(0).integers(10, 240, (16, 16, 3), dtype=np.uint8)


def png(pixels: np.ndarray, level: int = 6) -> bytes:
    target = io.BytesIO()
    Image.fromarray(pixels).save(target, format="PNG", compress_level=level)
    return target.getvalue()


MADE = {"device": "cpu", "dtype": "float32", "batch_size": 1}
BEFORE, NOW = {"torch": "2.8.0", "numpy": "1.26.4"}, {"torch": "2.9.1", "numpy": "1.26.4"}


def compare(pixels: np.ndarray, versions=BEFORE, level: int = 6, **now) -> Result:
    """Compare an image of the lake, made with BEFORE, with `pixels` made with `versions`."""
    content = png(PIXELS)
    row = dict.fromkeys(IMAGES.columns) | {
        "image_id": hashlib.sha256(content).hexdigest(),
        "bytes": content,
        "library_versions": json.dumps(BEFORE),
        **MADE,
    }
    return compared(row, {"library_versions": versions, **MADE, **now}, png(pixels, level), tolerance=2)


def test_equal_bytes_are_the_same_whatever_made_them():
    found = compare(PIXELS)
    assert (found.verdict, found.largest, found.detail) == (Verdict.SAME, 0, "")
    found = compare(PIXELS, NOW)
    assert (found.verdict, found.detail) == (Verdict.SAME, "torch 2.8.0 → 2.9.1")


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"versions": NOW}, "torch 2.8.0 → 2.9.1"),
        ({"device": "cuda"}, "device cpu → cuda"),
        ({"batch_size": 8}, "batch_size 1 → 8"),
        ({"versions": BEFORE | {"peft": "0.18"}}, "peft unknown → 0.18"),
    ],
)
def test_pixels_within_the_tolerance_are_close_where_something_is_another_now(change, named):
    found = compare(PIXELS + np.uint8(2), **change)
    assert (found.verdict, found.largest) == (Verdict.CLOSE, 2)
    assert found.detail == f"pixels differ by up to 2 of 255; {named}"


def test_pixels_within_the_tolerance_are_different_where_nothing_is_another_now():
    found = compare(PIXELS + np.uint8(1))
    assert (found.verdict, found.largest) == (Verdict.DIFFERENT, 1)
    assert "nothing that is recorded differs" in found.detail


def test_pixels_beyond_the_tolerance_are_different():
    found = compare(PIXELS - np.uint8(3), NOW)
    assert (found.verdict, found.largest) == (Verdict.DIFFERENT, 3)
    assert found.detail.endswith("torch 2.8.0 → 2.9.1")


def test_the_same_pixels_in_another_file_are_close():
    found = compare(PIXELS, level=1)
    assert (found.verdict, found.largest) == (Verdict.CLOSE, 0)


def test_an_image_of_another_shape_is_different():
    assert compare(PIXELS[:8]).verdict is Verdict.DIFFERENT
    assert compare(PIXELS[:, :, 0]).verdict is Verdict.DIFFERENT


def test_the_table_has_a_line_an_image_and_the_totals():
    results = [
        Result("b" * 64, "lab/b", "1" * 40, Verdict.UNAVAILABLE, "GATED: an agreement"),
        Result("a" * 64, "lab/a", "1" * 40, Verdict.SAME),
    ]
    assert table(results) == [
        f"SAME              lab/a@11111111  {'a' * 16}",
        f"UNAVAILABLE       lab/b@11111111  {'b' * 16}  GATED: an agreement",
        "verify: 2 images of 2 generators: 1 SAME, 0 CLOSE, 0 DIFFERENT, 1 UNAVAILABLE, 0 NOT_REPRODUCIBLE",
    ]


@pytest.fixture
def generated(lake_of, hub, workers):
    """Sample models of the demo Hub, and put the images into the table as ingestion does; return the root."""

    def fill(*model_ids: str, adapters: dict[str, str] | None = None, **changes) -> str:
        root = lake_of(*model_ids, adapters=adapters)
        settings = replace(SETTINGS, root=root, endpoint=hub.endpoint, plan="p", images_per_generator=2, **changes)
        plan = make_plan(eligible_generators(root), CAPTIONS, settings)
        outcomes = [outcome for _, outcome in carry_out(plan, standing(plan, settings).work, settings, workers)]
        assert {outcome.status for outcome in outcomes} == {"ok"}, outcomes
        (landed,) = generated_plans(root)
        rows = []
        for entry in landed.entries():
            content = Path(entry["path"]).read_bytes()
            image = Image.open(io.BytesIO(content))
            learnt = {"image_id": entry["sha256"], "bytes": content, "format": image.format}
            place = {"source": "p", "source_key": entry["key"], "width": image.width, "height": image.height}
            known = {name: value for name, value in entry.items() if name in IMAGES.columns}
            rows.append(known | learnt | place)
        snapshot.append(root, IMAGES, rows)
        return root

    return fill


@pytest.fixture
def run(workers, monkeypatch, hub):
    """Run the job with the tests' own workers."""
    monkeypatch.setattr(verify, "start_workers", lambda settings: nullcontext(workers))
    return lambda root, *words: verify.main(["--root", root, "--endpoint", hub.endpoint, *words])


def contents(folder: str) -> dict[str, int]:
    return {str(path): path.stat().st_mtime_ns for path in Path(folder).rglob("*")}


def test_images_are_made_again_to_the_same_bytes_and_the_lake_is_only_read(generated, run, tmp_path, capsys):
    root = generated(SD, LORA, DDPM, DIT, adapters={LORA: SD})
    before, scratch = contents(root), tmp_path / "scratch"
    scratch.mkdir()
    assert run(root, "--sample", "6", "--scratch", str(scratch)) == 0
    *lines, totals = capsys.readouterr().out.splitlines()
    assert totals.startswith("verify: 6 images of 4 generators: 6 SAME, 0 CLOSE")
    assert len(lines) == 6
    assert contents(root) == before
    assert not list(scratch.iterdir())


def test_images_of_a_batch_are_made_again_in_a_batch_of_that_size(generated, run, capsys):
    root = generated(DDPM, batch_size=2, formats=["JPEG"])
    assert {row["batch_size"] for row in draw(root, 9, 1)} == {2}
    assert run(root) == 0
    assert "batch_size" not in capsys.readouterr().out


def test_images_made_again_in_a_batch_of_another_size_are_within_the_tolerance(generated, run, tmp_path, capsys):
    root, report = generated(SD, DIT), tmp_path / "verified.json"
    assert run(root, "--batch_size", "4", "--json", str(report)) == 0
    found = json.loads(report.read_text())
    assert {result["detail"].split("; ")[-1] for result in found} == {"batch_size 1 → 4"}
    assert all(result["largest"] <= 2 for result in found)
    with pytest.raises(ConfigError, match="--batch_size must be at least 1"):
        run(root, "--batch_size", "0")


def test_an_image_that_is_not_what_its_row_makes_is_different_and_the_exit_says_so(
    generated, run, tmp_path, capsys
):
    root = generated(DDPM)
    rows = snapshot.read(root, IMAGES).filter(pl.col("request_id").is_not_null()).to_dicts()
    content = png(PIXELS.repeat(2, 0).repeat(2, 1))
    swapped = rows[0] | {"bytes": content, "image_id": hashlib.sha256(content).hexdigest()}
    snapshot.append(root, IMAGES, [swapped])
    report = tmp_path / "verified.json"
    assert run(root, "--json", str(report)) == 3
    assert "3 images of 1 generators: 2 SAME, 0 CLOSE, 1 DIFFERENT" in capsys.readouterr().out
    found = {result["image_id"]: result["verdict"] for result in json.loads(report.read_text())}
    assert found[swapped["image_id"]] == "DIFFERENT"


def test_a_model_that_the_hub_no_longer_has_is_unavailable_with_its_code(generated, run, tmp_path, capsys):
    root = generated(DDPM)
    with DemoHub(tmp_path / "empty") as empty:
        assert run(root, "--endpoint", empty.endpoint, "--sample", "1") == 3
    assert "UNAVAILABLE       demo-lab/tiny-ddpm@" in (said := capsys.readouterr().out)
    assert "GONE: the Hub no longer has" in said


@pytest.mark.parametrize(
    ("about", "detail"),
    [
        ({"refused": "GATED: access is granted by its owner"}, "GATED: access"),
        ({"repository": Repository("lab/a", "1" * 40, (), None)}, "GONE: the lake has no record"),
        ({"is_adapter": True}, "BASE_MISSING: the adapter's base"),
    ],
)
def test_a_model_that_cannot_be_had_is_unavailable_before_anything_runs(monkeypatch, tmp_path, about, detail):
    of = replace(generator(), repository=Repository("lab/a", "1" * 40, (RepoFile("x", 1),), None))
    of = replace(of, **about)
    monkeypatch.setattr("generation.verification.planned_generators", lambda root, asked: [of])
    row = row_of(asked(generator()), source="p", dtype="float32", batch_size=1)
    groups, results = grouped(str(tmp_path), [row])
    assert not groups
    assert [result.verdict for result in results] == [Verdict.UNAVAILABLE]
    assert results[0].detail.startswith(detail)


def test_without_its_landings_record_an_old_row_may_not_be_reproducible(monkeypatch, tmp_path):
    of = replace(generator(), repository=Repository("lab/a", "1" * 40, (RepoFile("x", 1),), None))
    monkeypatch.setattr("generation.verification.planned_generators", lambda root, asked: [of])
    request = asked(of, negative_prompt="blurry")
    row = row_of(request, negative_prompt=None, source="p", dtype="float32", batch_size=1)
    groups, (result,) = grouped(str(tmp_path), [row])
    assert (groups, result.verdict) == ([], Verdict.NOT_REPRODUCIBLE)
    landing = Landing(str(tmp_path), "p", "lab/a")
    landing.open()
    landing.add(png(PIXELS), {"request_id": request.request_id, "negative_prompt": "blurry"})
    (group,), _ = grouped(str(tmp_path), [row])
    assert group.images == ((row, request),)


def test_a_lake_without_generated_images_is_nothing_usable(lake_of, tmp_path):
    with pytest.raises(NothingUsable, match="was generated here; run `forensics generate`"):
        draw(lake_of(), 5, 1)
    with pytest.raises(NothingUsable):
        draw(str(tmp_path / "nowhere"), 5, 1)


def test_the_scratch_folder_and_the_report_may_not_lie_in_the_lake(tmp_path):
    with pytest.raises(ConfigError, match="--scratch must lie outside the lake"):
        verify.main(["--root", str(tmp_path), "--scratch", str(tmp_path)])
    with pytest.raises(ConfigError, match="--json must lie outside the lake"):
        verify.main(["--root", str(tmp_path), "--json", str(tmp_path / "x.json")])
