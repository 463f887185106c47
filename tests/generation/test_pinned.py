"""A named plan goes on with what it was begun with, whatever the lake says since."""

import gzip
import json
from dataclasses import asdict, fields, replace
from datetime import UTC, datetime

import pytest

from etl.errors import ConfigError
from etl.lake import snapshot
from etl.lake.schemas import GENERATORS, IMAGES, MODELS
from generation.pinned import DECIDING, FILE, pinned_plan
from generation.plan import Plan
from generation.settings import GenerateSettings
from generation.verification import grouped

NOW = datetime(2026, 1, 1, tzinfo=UTC)
INDEX = json.dumps({"_class_name": "StableDiffusionPipeline"})
OLD, NEW = "1" * 40, "2" * 40
FILES = [{"path": "unet/model.safetensors", "size": 10, "sha256": "a" * 64}]


def model(model_id, revision=OLD, tags=(), **about):
    shared = {"model_id": model_id, "revision": revision, "pipeline_class": "StableDiffusionPipeline"}
    return {**shared, "files": FILES, "model_index": INDEX, "tags": list(tags), "base_models": [], **about}


def generator(model_id, revision=OLD, **about):
    shared = {
        "generator_id": model_id,
        "model_id": model_id,
        "revision": revision,
        "kind": "hub",
        "eligible": True,
    }
    return {**shared, "pipeline_class": "StableDiffusionPipeline", "licence": "mit", **about}


LORA = model("lab/lora", model_index=None, base_models=[{"model_id": "lab/sd", "relation": "adapter"}])


@pytest.fixture
def root(tmp_path) -> str:
    """A lake with a pipeline, an adapter of it, and nine captions."""
    lake = str(tmp_path / "lake")
    snapshot.append(lake, MODELS, [model("lab/sd"), LORA])
    snapshot.append(lake, GENERATORS, [generator("lab/sd"), generator("lab/lora")])
    snapshot.append(lake, IMAGES, [{"image_id": str(i), "label": 0, "prompt": f"caption {i}"} for i in range(9)])
    return lake


def settings(root, **about) -> GenerateSettings:
    return GenerateSettings(root=root, **{"plan": "p", "images_per_generator": 4, **about})


def asked(plan: Plan) -> dict[str, list[str]]:
    return {task.generator.generator_id: [r.request_id for r in task.requests] for task in plan.tasks}


def change(root, model_id, **about) -> None:
    """Change a generator's row, as the next catalogue would."""
    rows = snapshot.read(root, GENERATORS).to_dicts()
    changed = [{**row, **about} if row["generator_id"] == model_id else row for row in rows]
    snapshot.replace(root, GENERATORS, changed, {"kind": "hub"})


def test_captions_that_come_later_change_nothing_in_a_plan_that_was_begun(root, capsys):
    before = asked(pinned_plan(settings(root), NOW))
    snapshot.append(root, IMAGES, [{"image_id": "x", "label": 0, "prompt": "a new caption"}])
    assert asked(pinned_plan(settings(root), NOW)) == before
    assert "plan p goes on with its 9 prompts" in capsys.readouterr().err
    assert asked(pinned_plan(settings(root, plan="q"), NOW)) != before


def test_a_name_that_no_plan_has_says_what_it_begins_once(root, capsys):
    pinned_plan(settings(root), NOW)
    said = "`forensics plan` wrote no plan 'p': it begins with 2 eligible generators, 4 images each"
    assert said in capsys.readouterr().err
    pinned_plan(settings(root), NOW)
    assert "wrote no plan" not in capsys.readouterr().err


def test_a_new_revision_or_tag_of_a_model_changes_nothing_in_a_plan_that_was_begun(root):
    before = pinned_plan(settings(root), NOW)
    snapshot.append(root, MODELS, [model("lab/sd", NEW, tags=["lcm"])])
    change(root, "lab/sd", revision=NEW)
    after = pinned_plan(settings(root), NOW)
    assert after == before
    base = next(task.generator.base for task in after.tasks if task.generator.is_adapter)
    assert base is not None and base.revision == OLD
    today = {t.generator.generator_id: t.generator for t in pinned_plan(settings(root, plan="q"), NOW).tasks}
    assert today["lab/sd"].repository.revision == today["lab/lora"].base.revision == NEW


def test_a_generator_that_joins_a_plan_later_gets_its_requests_from_the_same_prompts(root):
    few = pinned_plan(settings(root, generators=["lab/sd"]), NOW)
    snapshot.append(root, IMAGES, [{"image_id": "x", "label": 0, "prompt": "a new caption"}])
    both = asked(pinned_plan(settings(root), NOW))
    assert both["lab/sd"] == asked(few)["lab/sd"]
    prompts = {r.prompt for t in pinned_plan(settings(root), NOW).tasks for r in t.requests}
    assert len(both["lab/lora"]) == 4 and "a new caption" not in prompts


def test_more_images_of_the_same_plan_ask_for_the_same_first_ones(root):
    few, more = (pinned_plan(settings(root, images_per_generator=n), NOW) for n in (2, 4))
    assert all(asked(more)[key][:2] == ids for key, ids in asked(few).items())


@pytest.mark.parametrize(
    "other", [{"steps": 3}, {"seed": 2}, {"formats": ["JPEG"]}, {"prompt_assignment": "same"}, {"vary_size": [64]}]
)
def test_settings_that_ask_for_other_images_under_the_same_name_are_refused_by_name(root, other):
    pinned_plan(settings(root), NOW)
    with pytest.raises(ConfigError, match=rf"the plan 'p' was begun otherwise \(--{next(iter(other))} was "):
        pinned_plan(settings(root, **other), NOW)


def test_every_setting_decides_what_is_asked_or_is_known_not_to():
    others = {
        *(
            "root",
            "endpoint",
            "plan",
            "generators",
            "images_per_generator",
            "device",
            "dtype",
            "workers",
            "driver",
        ),
        *(
            "batch_size",
            "deadline_seconds",
            "image_seconds",
            "memory_gb",
            "max_model_gb",
            "max_disk_gb",
            "wave_size",
        ),
        *("nsfw_scorer", "nsfw_threshold", "nsfw_policy", "max_attempts", "retry", "backoff_seconds", "status"),
    }
    assert {field.name for field in fields(GenerateSettings)} == {*DECIDING} | others
    assert not others & {*DECIDING}


def test_disjoint_prompts_stay_dealt_as_they_were_and_nobody_joins(root):
    dealt = {"prompt_assignment": "disjoint", "images_per_generator": 2}
    before = asked(pinned_plan(settings(root, **dealt), NOW))
    assert asked(pinned_plan(settings(root, generators=["lab/sd"], **dealt), NOW))["lab/sd"] == before["lab/sd"]
    snapshot.append(root, MODELS, [model("lab/new")])
    snapshot.append(root, GENERATORS, [generator("lab/new")])
    with pytest.raises(
        ConfigError, match="dealt out already: lab/new cannot join it; give them a plan of their own"
    ):
        pinned_plan(settings(root, **dealt), NOW)


def test_another_number_of_images_is_refused_where_three_share_a_prompt(root):
    pinned_plan(settings(root, images_per_prompt=3), NOW)
    with pytest.raises(ConfigError, match="--images_per_generator was 4"):
        pinned_plan(settings(root, images_per_prompt=3, images_per_generator=5), NOW)


def test_an_adapter_whose_base_was_closed_is_refused_and_keeps_its_requests(root):
    before = asked(pinned_plan(settings(root), NOW))
    change(root, "lab/sd", eligible=False, reason="GATED")
    [task] = pinned_plan(settings(root), NOW).tasks
    assert task.generator.refused == "BASE_MISSING: lab/sd may not be sampled any more"
    assert [r.request_id for r in task.requests] == before["lab/lora"]


def test_an_adapters_image_is_made_again_on_the_base_that_its_plan_was_begun_with(root):
    plan = pinned_plan(settings(root), NOW)
    task = next(task for task in plan.tasks if task.generator.is_adapter)
    snapshot.append(root, MODELS, [model("lab/sd", NEW)])
    change(root, "lab/sd", revision=NEW)
    known = {name: value for name, value in asdict(task.requests[0]).items() if name in IMAGES.columns}
    made = {"generator_id": "lab/lora", "model_revision": OLD, "source": "p", "scheduler": "DDIMScheduler"}
    [group], results = grouped(root, [dict.fromkeys(IMAGES.columns) | known | made])
    assert group.generator.base == task.generator.base and not results


def test_a_licence_is_that_of_today(root):
    pinned_plan(settings(root), NOW)
    change(root, "lab/sd", licence="other")
    found = {t.generator.generator_id: t.generator.licence for t in pinned_plan(settings(root), NOW).tasks}
    assert found == {"lab/sd": "other", "lab/lora": "mit"}


@pytest.mark.parametrize(
    "content",
    [b"", b"torn", gzip.compress(b"[]"), gzip.compress(b'{"settings": 1}')[:-9]],
    ids=["empty", "no gzip", "another shape", "cut"],  # bytes as names hold the time, so two workers would differ
)
def test_a_damaged_file_is_named_with_what_to_do(root, tmp_path, content):
    pinned_plan(settings(root), NOW)
    (tmp_path / "lake" / "landing" / "images" / "p" / FILE).write_bytes(content)
    with pytest.raises(ConfigError, match=r"plan\.json\.gz cannot be read .*give --plan another name"):
        pinned_plan(settings(root), NOW)


def test_a_rerun_writes_the_file_only_when_something_joins(root, tmp_path):
    file = tmp_path / "lake" / "landing" / "images" / "p" / FILE
    plan = pinned_plan(settings(root, generators=["lab/sd"]), NOW)
    before = file.stat().st_mtime_ns
    assert pinned_plan(replace(settings(root), generators=["lab/sd"]), NOW) == plan
    assert file.stat().st_mtime_ns == before
    pinned_plan(settings(root), NOW)
    assert file.stat().st_mtime_ns != before


def test_a_plan_without_a_name_keeps_nothing(root, tmp_path):
    plan = pinned_plan(settings(root, plan=None), NOW)
    assert not (tmp_path / "lake" / "landing" / "images" / plan.plan_id).exists()
