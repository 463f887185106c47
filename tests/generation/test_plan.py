"""The plan: which requests, with which ids, from which settings."""

from dataclasses import replace

import pytest

from etl.models.families import PIPELINES, SAMPLED
from generation.families import DEFAULTS, SUPPORTED
from generation.hints import Hints
from generation.plan import Generator, make_plan
from generation.repository import Repository
from generation.settings import GenerateSettings

SETTINGS = GenerateSettings(images_per_generator=4)
PROMPTS = [f"prompt {i}" for i in range(20)]


def generator(name: str = "lab/a", pipeline_class: str = "StableDiffusionPipeline", revision: str = "1" * 40):
    return Generator(name, Repository(name, revision, (), None), pipeline_class)


def requests(settings=SETTINGS, prompts=PROMPTS, **about):
    return make_plan([generator(**about)], prompts, settings).tasks[0].requests


def test_the_same_plan_has_the_same_ids_whatever_the_order_of_its_inputs():
    pair = [generator("lab/a"), generator("lab/b")]
    assert make_plan(pair, PROMPTS, SETTINGS) == make_plan(pair[::-1], PROMPTS[::-1], SETTINGS)


@pytest.mark.parametrize(
    "change",
    [{"steps": 3}, {"guidance": 1.0}, {"size": 256}, {"negative_prompt": "blurry"}],
)
def test_a_change_of_how_to_sample_changes_every_request_id_and_the_plans(change):
    changed = replace(SETTINGS, **change)
    before, after = (make_plan([generator()], PROMPTS, s) for s in (SETTINGS, changed))
    assert not {r.request_id for r in before.tasks[0].requests} & {r.request_id for r in after.tasks[0].requests}
    assert before.plan_id != after.plan_id


def test_figures_drawn_for_each_image_stand_in_its_request_and_change_its_id():
    varied = replace(SETTINGS, vary_steps=[20, 60], vary_schedulers=["DDIMScheduler", "PNDMScheduler"])
    plain, found = requests(), requests(settings=varied)
    assert len({request.steps for request in found}) > 1
    assert {request.scheduler for request in found} <= {"DDIMScheduler", "PNDMScheduler"}
    assert [request.seed for request in found] == [request.seed for request in plain]
    assert not {request.request_id for request in found} & {request.request_id for request in plain}
    assert requests(settings=varied) == found


def test_a_hint_of_the_model_changes_its_requests():
    turbo = replace(generator(), hints=Hints(4, 0.0, 512, source="a test"))
    request = make_plan([turbo], PROMPTS, SETTINGS).tasks[0].requests[0]
    assert (request.steps, request.guidance, request.width) == (4, 0.0, 512)


def test_where_to_sample_changes_no_id():
    elsewhere = replace(SETTINGS, endpoint="http://127.0.0.1:1", root="other", device="cpu", workers=7)
    assert make_plan([generator()], PROMPTS, elsewhere) == make_plan([generator()], PROMPTS, SETTINGS)


def test_a_new_revision_gives_new_seeds_and_new_requests():
    old, new = requests(), requests(revision="2" * 40)
    assert not {r.seed for r in old} & {r.seed for r in new}
    assert not {r.request_id for r in old} & {r.request_id for r in new}


def test_seeds_fit_a_signed_64_bit_integer_and_differ():
    seeds = [r.seed for r in requests(replace(SETTINGS, images_per_generator=500))]
    assert len(set(seeds)) == 500
    assert all(0 <= seed < 1 << 63 for seed in seeds)


def test_a_request_holds_its_class_own_defaults():
    request = requests(pipeline_class="StableDiffusionXLPipeline")[0]
    assert (request.steps, request.guidance, request.width, request.height) == (50, 5.0, 1024, 1024)


def test_settings_go_before_defaults():
    request = requests(replace(SETTINGS, steps=2, guidance=1.5, size=64))[0]
    assert (request.steps, request.guidance, request.width, request.height) == (2, 1.5, 64, 64)


def test_an_unconditional_model_is_asked_for_neither_prompt_nor_size_nor_guidance():
    found = requests(replace(SETTINGS, size=64, guidance=3.0, negative_prompt="x"), pipeline_class="DDPMPipeline")
    assert {(r.prompt, r.width, r.guidance, r.negative_prompt) for r in found} == {(None, None, None, None)}
    assert len({r.request_id for r in found}) == 4


def test_a_class_conditional_model_is_asked_for_classes():
    found = requests(pipeline_class="DiTPipeline")
    assert all(r.class_label is not None and 0 <= r.class_label < 1000 for r in found)


def test_a_model_that_knows_no_negative_prompt_gets_none():
    settings = replace(SETTINGS, negative_prompt="blurry")
    assert requests(settings, pipeline_class="LatentConsistencyModelPipeline")[0].negative_prompt is None
    assert requests(settings)[0].negative_prompt == "blurry"


def test_prompts_are_the_same_for_all_or_drawn_for_each():
    pair = [generator("lab/a"), generator("lab/b")]
    same = replace(SETTINGS, prompt_assignment="same")
    ours, theirs = ([r.prompt for r in task.requests] for task in make_plan(pair, PROMPTS, same).tasks)
    assert ours == theirs
    ours, theirs = ([r.prompt for r in task.requests] for task in make_plan(pair, PROMPTS, SETTINGS).tasks)
    assert ours != theirs


def test_images_that_share_a_prompt_are_told_apart_by_their_seed():
    found = requests(replace(SETTINGS, images_per_prompt=2))
    assert len({r.prompt_id for r in found}) == 2
    assert len({r.seed for r in found}) == 4


def test_too_few_prompts_come_round_again():
    found = requests(prompts=["only one"])
    assert {r.prompt for r in found} == {"only one"}
    assert len({r.request_id for r in found}) == 4


def test_an_unsupported_class_is_planned_so_that_its_images_count_as_rejected():
    assert len(requests(pipeline_class="NoSuchPipeline")) == 4


def test_the_catalogue_calls_eligible_exactly_what_has_defaults_here():
    assert SUPPORTED == SAMPLED
    assert set(DEFAULTS) <= set(PIPELINES)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"size": 63}, "--size"),
        ({"plan": "../up"}, "--plan"),
        ({"endpoint": "ftp://x"}, "--endpoint"),
        ({"steps": 0}, "--steps"),
        ({"prompt_assignment": "some"}, "--prompt_assignment"),
        ({"device": "tpu"}, "--device"),
        ({"deadline_seconds": 0.0}, "--deadline_seconds"),
    ],
)
def test_a_value_out_of_range_is_named(change, problem):
    assert [text for text in replace(SETTINGS, **change).problems() if problem in text]
