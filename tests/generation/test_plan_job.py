"""The planner's job, and generation from what it wrote."""

import json
from datetime import UTC, datetime

import polars as pl
import pytest

from etl.errors import ConfigError, LakeMissing, NothingUsable
from etl.lake import snapshot
from etl.lake.schemas import GENERATORS, IMAGES, MODELS, PLANS, WITHDRAWALS
from generation.execution import standing
from generation.inputs import wanted_generators
from generation.jobs import generate, plan
from generation.landing import Landing
from generation.plan import make_plan
from generation.settings import GenerateSettings

CLASSES = {"SD 1.x": "StableDiffusionPipeline", "SDXL": "StableDiffusionXLPipeline", "DDPM": "DDPMPipeline"}
INDEX = json.dumps({"_class_name": "StableDiffusionPipeline"})
OLD, NEW = "1" * 40, "2" * 40


def generator(generator_id, family="SD 1.x", **about):
    shared = {
        "generator_id": generator_id,
        "model_id": generator_id,
        "revision": OLD,
        "kind": "hub",
        "eligible": True,
    }
    released = datetime(2024, 1, 1, tzinfo=UTC)
    known = {
        "family": family,
        "pipeline_class": CLASSES[family],
        "download_bytes": 2_140_000_000,
        "licence": "mit",
    }
    return {**shared, "downloads": 1, "released_at": released, **known, **about}


CATALOGUE = [
    *(generator(f"a/sd{i}", downloads=100 + i) for i in range(8)),
    *(generator(f"b/sdxl{i}", "SDXL", downloads=10 + i, download_bytes=6_940_000_000) for i in range(3)),
    generator("c/ddpm", "DDPM", download_bytes=456_000_000, licence="mit,other"),
    generator("d/gated", eligible=False, reason="GATED", detail="access is granted by its owner (auto)"),
    generator("manual:gan", kind="manual"),
]


@pytest.fixture
def root(tmp_path) -> str:
    """A lake with twelve eligible generators of three families, and two that may not be chosen."""
    lake = str(tmp_path / "lake")
    snapshot.append(lake, GENERATORS, CATALOGUE)
    return lake


def planned(root, name="p") -> pl.DataFrame:
    return snapshot.read(root, PLANS).filter(pl.col("plan_id") == name).sort("rank")


def make(root, *words, name="p") -> list[str]:
    """Make a plan; return the ids of its generators in their order."""
    assert plan.main(["--root", root, "--plan", name, *words]) == 0
    return planned(root, name)["generator_id"].to_list()


def test_every_eligible_generator_of_the_hub_is_taken_where_nothing_limits(root, capsys):
    assert sorted(make(root)) == sorted(row["generator_id"] for row in CATALOGUE[:12])
    said = capsys.readouterr().out
    assert "plan: 12 generators eligible, 12 within the filters, 12 chosen (stratified by family, seed 1)" in said
    assert "bound by nothing: all are taken" in said
    assert "plan: 12 generators = 12 new + 0 rejected + 0 already there" in said
    assert "`forensics generate --plan p`" in said


def test_a_row_holds_what_generation_and_a_repetition_need(root):
    make(root, "--generators", "2", "--strategy", "most-downloaded", "--seed", "7", "--images_per_generator", "5")
    first = planned(root).row(0, named=True)
    assert (first["generator_id"], first["revision"], first["rank"], first["images"]) == ("a/sd7", OLD, 1, 5)
    assert (first["strategy"], first["seed"], first["download_bytes"]) == ("most-downloaded", 7, 2_140_000_000)
    assert first["gpu_seconds"] > 20
    assert first["generators_version"] == snapshot.current_version(root, GENERATORS)
    assert json.loads(first["settings"])["generators"] == 2


def test_the_same_command_again_adds_nothing(root, capsys):
    words = ["--generators", "3", "--strategy", "random"]
    assert plan.main(["--root", root, *words]) == 0
    version = snapshot.current_version(root, PLANS)
    assert plan.main(["--root", root, *words]) == 0
    assert "plan: 3 generators = 0 new + 0 rejected + 3 already there; plan-" in capsys.readouterr().out
    assert snapshot.current_version(root, PLANS) == version


def test_the_name_follows_from_the_settings_and_the_version_of_the_catalogue(root):
    plan.main(["--root", root, "--generators", "3"])
    plan.main(["--root", root, "--generators", "3", "--seed", "2"])
    snapshot.append(root, GENERATORS, [generator("e/new")])
    plan.main(["--root", root, "--generators", "3"])
    assert snapshot.read(root, PLANS)["plan_id"].n_unique() == 3


def test_a_plan_with_a_name_stays_as_it_is_when_the_catalogue_grows(root):
    before = make(root)
    snapshot.append(root, GENERATORS, [generator("e/new")])
    assert make(root) == before


def test_a_name_that_is_taken_by_other_settings_is_refused_with_the_remedy(root):
    make(root, "--generators", "3")
    with pytest.raises(ConfigError, match=r"other settings \(seed was 1, is 2\); give this one another name"):
        make(root, "--generators", "3", "--seed", "2")


def test_more_than_there_are_is_all_there_are(root, capsys):
    assert len(make(root, "--generators", "500")) == 12
    assert "bound by the catalogue: all 12 are taken, 500 were asked for" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "bound"),
    [
        (["--max_images", "450"], "the budget of images"),
        (["--max_download_gb", "9"], "download"),
        (["--max_gpu_hours", "0.05"], "GPU time"),
        (["--generators", "2"], "the number of generators asked for"),
    ],
)
def test_what_binds_is_said_and_no_budget_is_exceeded(root, capsys, words, bound):
    make(root, *words)
    rows = planned(root)
    assert bound in next(line for line in capsys.readouterr().out.splitlines() if "bound by" in line)
    most = {key.removeprefix("--"): float(value) for key, value in zip(words[::2], words[1::2], strict=True)}
    assert rows["images"].sum() <= most.get("max_images", 1e9)
    assert rows["download_bytes"].sum() <= most.get("max_download_gb", 1e9) * 1e9
    assert rows["gpu_seconds"].sum() <= most.get("max_gpu_hours", 1e9) * 3600
    assert 0 < rows.height < 12


def test_a_budget_that_nothing_fits_is_an_error_that_names_it(root):
    with pytest.raises(NothingUsable, match=r"not one of 12 generators fits the budget \(images\)"):
        make(root, "--max_images", "99")
    assert not snapshot.exists(root, PLANS)


@pytest.mark.parametrize(
    ("words", "left"),
    [
        (["--families", "[DDPM, SDXL]"], ["b/sdxl0", "b/sdxl1", "b/sdxl2", "c/ddpm"]),
        (["--families", "[DDPM]", "--licences", "[mit, other]"], ["c/ddpm"]),
        (["--licences", "[mit]", "--families", "[SDXL, DDPM]"], ["b/sdxl0", "b/sdxl1", "b/sdxl2"]),
        (["--min_downloads", "107"], ["a/sd7"]),
        (["--include", "[a/sd1, b/sdxl1]"], ["a/sd1", "b/sdxl1"]),
        (["--families", "[SDXL]", "--exclude", "[b/sdxl1]"], ["b/sdxl0", "b/sdxl2"]),
    ],
)
def test_filters_leave_out_what_they_say(root, words, left):
    assert sorted(make(root, *words)) == left


def test_days_of_release_bound_the_choice_from_the_first_to_before_the_last(tmp_path):
    root = str(tmp_path)
    days = [datetime(2024, 1, day, tzinfo=UTC) for day in (1, 2, 3)]
    snapshot.append(root, GENERATORS, [generator(f"g/{day.day}", released_at=day) for day in days])
    assert make(root, "--released_after", "2024-01-02", "--released_before", "2024-01-03") == ["g/2"]


@pytest.mark.parametrize(
    ("words", "error", "said"),
    [
        (["--min_downloads", "999999999"], NothingUsable, "none of the 12 eligible generators passes the filters"),
        (["--families", "[None such]"], ConfigError, "no eligible generator is of None such; there are DDPM"),
        (["--exclude", "[no/such]"], ConfigError, "the catalogue has no generator no/such"),
        (["--strata", "[family, family]"], ConfigError, "--strata must name each column once"),
        (["--include", "[d/gated]"], ConfigError, "not among the eligible generators: d/gated"),
        (["--strategy", "best"], ConfigError, "--strategy must be one of most-downloaded, random"),
        (["--strata", "[colour]"], ConfigError, "--strata may name family, .*, not colour"),
        (["--strata", "[]"], ConfigError, "--strata must name at least one column"),
        (["--max_images", "-1"], ConfigError, "--max_images must not be negative"),
        (["--images_per_generator", "0"], ConfigError, "--images_per_generator must be at least 1"),
        (["--gpu_tflops", "0"], ConfigError, "--gpu_tflops must be positive"),
        (["--released_after", "yesterday"], ConfigError, "--released_after must be a day such as"),
        (["--plan", "../up"], ConfigError, "--plan may hold letters"),
    ],
)
def test_what_cannot_be_done_is_an_error_that_says_so(root, words, error, said):
    with pytest.raises(error, match=said):
        plan.main(["--root", root, *words])


def test_a_generator_of_unknown_cost_is_taken_where_no_budget_forbids_and_is_not_passed_over_in_silence(
    root, capsys
):
    snapshot.append(root, GENERATORS, [generator("e/unknown", download_bytes=None)])
    assert "e/unknown" in make(root)
    assert "an estimate without 1 generators whose cost is unknown" in capsys.readouterr().out
    assert "e/unknown" not in make(root, "--max_gpu_hours", "1000", name="bounded")
    assert "bound by the budget (1 passed over for GPU time)" in capsys.readouterr().out


def test_a_lake_without_a_catalogue_is_an_error_and_stays_without_a_folder(tmp_path):
    with pytest.raises(LakeMissing, match="generators"):
        plan.main(["--root", str(tmp_path / "none")])
    assert not (tmp_path / "none").exists()


def test_a_catalogue_without_eligible_generators_is_nothing_usable(tmp_path):
    snapshot.append(str(tmp_path), GENERATORS, [generator("a/b", eligible=False)])
    with pytest.raises(NothingUsable, match="no generator in the lake"):
        plan.main(["--root", str(tmp_path)])


@pytest.fixture
def with_models(root) -> str:
    """The lake with the models' files at two revisions, the second current, and captions for prompts."""
    models = []
    for row in CATALOGUE[:12]:
        about = {"model_id": row["model_id"], "pipeline_class": row["pipeline_class"], "model_index": INDEX}
        for revision in (OLD, NEW):
            files = [{"path": f"unet/{revision[:1]}.safetensors", "size": 1, "sha256": None}]
            models.append({**about, "revision": revision, "files": files, "is_current": revision == NEW})
    snapshot.append(root, MODELS, models)
    captions = [{"image_id": str(i), "label": 0, "prompt": f"caption {i}"} for i in range(9)]
    snapshot.append(root, IMAGES, captions)
    return root


def settings(root, **about) -> GenerateSettings:
    return GenerateSettings(root=root, plan="p", **about)


def close(root, generator_id, **about) -> None:
    """Change a generator's row, as the next catalogue would."""
    rows = snapshot.read(root, GENERATORS).to_dicts()
    changed = [{**row, **about} if row["generator_id"] == generator_id else row for row in rows]
    snapshot.replace(root, GENERATORS, [row for row in changed if row["kind"] == "hub"], {"kind": "hub"})


def test_generation_samples_exactly_the_planned_at_their_revision_and_number_of_images(with_models):
    ids = make(with_models, "--generators", "3", "--images_per_generator", "7")
    close(with_models, ids[0], revision=NEW)
    found = make_plan(wanted_generators(settings(with_models)), ["one", "two"], settings(with_models))
    assert found.plan_id == "p"
    assert sorted(task.generator.generator_id for task in found.tasks) == sorted(ids)
    assert {len(task.requests) for task in found.tasks} == {7}
    assert {task.generator.repository.revision for task in found.tasks} == {OLD}
    assert {task.generator.repository.files[0].path for task in found.tasks} == {"unet/1.safetensors"}


def test_a_name_without_a_plan_names_a_run_over_all_that_are_eligible(with_models):
    make(with_models, "--generators", "3", name="another")
    found = make_plan(wanted_generators(settings(with_models)), ["one"], settings(with_models))
    assert (found.plan_id, len(found.tasks), found.images) == ("p", 12, 1200)


def test_a_plan_and_generators_on_the_command_line_contradict_each_other(with_models):
    make(with_models, "--generators", "3")
    with pytest.raises(ConfigError, match="the plan 'p' says which generators to sample"):
        wanted_generators(settings(with_models, generators=["a/sd1"]))


def test_a_planned_generator_that_lost_its_eligibility_is_refused_and_counted(with_models, capsys):
    ids = make(with_models, "--include", "[a/sd1]", "--images_per_generator", "3")
    close(with_models, ids[0], eligible=False, reason="GATED", detail="access is granted by its owner (auto)")
    assert generate.main(["--root", with_models, "--plan", "p"]) == 3
    said = capsys.readouterr()
    assert "generate: 3 images = 0 new + 3 rejected + 0 already there; 1 generators, plan p" in said.out
    assert "1 of them not eligible any more" in said.out
    assert "a/sd1: not sampled, GATED: access is granted by its owner (auto)" in said.err


def test_a_planned_generator_that_has_left_the_catalogue_is_refused_too(with_models):
    make(with_models, "--include", "[a/sd1, a/sd2]")
    rows = [row for row in snapshot.read(with_models, GENERATORS).to_dicts() if row["generator_id"] != "a/sd1"]
    snapshot.replace(with_models, GENERATORS, [row for row in rows if row["kind"] == "hub"], {"kind": "hub"})
    refused = {found.generator_id: found.refused for found in wanted_generators(settings(with_models))}
    assert refused == {"a/sd1": "GONE: the catalogue no longer has it", "a/sd2": None}


def test_a_planned_generator_that_is_eligible_again_is_sampled_again(with_models):
    make(with_models, "--include", "[a/sd1]")

    def left():
        found = make_plan(wanted_generators(settings(with_models)), ["one"], settings(with_models))
        return standing(found, settings(with_models))

    close(with_models, "a/sd1", eligible=False, reason="WITHDRAWN")
    assert (len(left().work), left().given_up) == (0, 100)
    close(with_models, "a/sd1", eligible=True, reason=None)
    assert (len(left().work), left().given_up) == (1, 0)


def test_images_made_before_a_generator_was_closed_stay_and_count(with_models):
    make(with_models, "--include", "[a/sd1]", "--images_per_generator", "2")
    found = make_plan(wanted_generators(settings(with_models)), ["one"], settings(with_models))
    landing = Landing(with_models, "p", "a/sd1")
    landing.open()
    landing.add(b"png", {"request_id": found.tasks[0].requests[0].request_id})
    close(with_models, "a/sd1", eligible=False, reason="WITHDRAWN")
    found = make_plan(wanted_generators(settings(with_models)), ["one"], settings(with_models))
    left = standing(found, settings(with_models))
    assert (len(left.work), left.already_there, left.given_up) == (0, 1, 1)


def test_a_withdrawn_generator_is_neither_planned_nor_sampled(with_models):
    make(with_models, "--include", "[a/sd1, a/sd2]")
    snapshot.append(with_models, WITHDRAWALS, [{"generator_id": "a/sd1", "reason": "its author asked"}])
    refused = {found.generator_id: found.refused for found in wanted_generators(settings(with_models))}
    assert refused == {"a/sd1": "WITHDRAWN: its author asked", "a/sd2": None}
    without_a_plan = wanted_generators(GenerateSettings(root=with_models))
    assert len(without_a_plan) == 11 and "a/sd1" not in {found.generator_id for found in without_a_plan}
    assert "a/sd1" not in make(with_models, name="later")
    with pytest.raises(ConfigError, match="not among the eligible generators: a/sd1"):
        make(with_models, "--include", "[a/sd1]", name="again")
