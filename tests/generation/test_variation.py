"""How one image is sampled: precedence, and figures drawn from ranges."""

from dataclasses import replace

import pytest

from generation.defaults import SCHEDULERS
from generation.families import DEFAULTS
from generation.hints import NO_HINTS, Hints
from generation.settings import GenerateSettings
from generation.variation import figures

SETTINGS = GenerateSettings()
SD, FLUX, DDPM = (DEFAULTS[f"{name}Pipeline"] for name in ("StableDiffusion", "Flux", "DDPM"))
TURBO = Hints(4, 0.0, 512, source="a test")
VARIED = replace(
    *(SETTINGS,),
    vary_steps=[20, 60],
    vary_guidance=[3.0, 12.0],
    vary_schedulers=["DDIMScheduler", "EulerDiscreteScheduler"],
    vary_size=[256, 512, 768],
)


def drawn(settings=VARIED, defaults=SD, hints=NO_HINTS, count=300):
    return [figures(defaults, hints, settings, seed) for seed in range(count)]


def test_settings_go_before_hints_and_hints_before_the_classs_defaults():
    assert figures(SD, NO_HINTS, SETTINGS, 1) == figures(SD, NO_HINTS, SETTINGS, 2)
    plain, hinted = figures(SD, NO_HINTS, SETTINGS, 1), figures(SD, TURBO, SETTINGS, 1)
    asked = figures(SD, TURBO, replace(SETTINGS, steps=2, guidance=3.5, size=64), 1)
    assert (plain.steps, plain.guidance, plain.px) == (50, 7.5, 512)
    assert (hinted.steps, hinted.guidance, hinted.px) == (4, 0.0, 512)
    assert (asked.steps, asked.guidance, asked.px) == (2, 3.5, 64)


def test_nothing_is_drawn_by_default():
    assert len(set(drawn(SETTINGS))) == 1
    assert drawn(SETTINGS)[0].scheduler is None


def test_figures_are_drawn_over_the_whole_of_their_ranges():
    found = drawn()
    assert {min(f.steps for f in found), max(f.steps for f in found)} == {20, 60}
    assert 3.0 <= min(f.guidance for f in found) < 3.5 < 11.5 < max(f.guidance for f in found) <= 12.0
    assert {f.scheduler for f in found} == {"DDIMScheduler", "EulerDiscreteScheduler"}
    assert {f.px for f in found} == {256, 512, 768}


def test_a_draw_follows_from_the_seed_and_leaves_the_others_as_they_were():
    assert drawn() == drawn()
    alone = drawn(replace(SETTINGS, vary_guidance=[3.0, 12.0]))
    assert [f.guidance for f in alone] == [f.guidance for f in drawn()]


def test_a_distilled_model_keeps_its_steps_guidance_and_scheduler():
    found = drawn(hints=TURBO)
    assert {(f.steps, f.guidance, f.scheduler) for f in found} == {(4, 0.0, None)}
    assert {f.px for f in found} == {256, 512, 768}


def test_a_class_keeps_what_it_has_no_choice_of():
    assert {f.scheduler for f in drawn(defaults=FLUX)} == {None}
    assert {(f.guidance, f.px, f.scheduler) for f in drawn(defaults=DDPM)} == {(None, None, None)}


def test_an_adapters_scheduler_replaces_its_bases_where_the_class_takes_any():
    lcm = Hints(4, 1.0, scheduler="LCMScheduler")
    assert figures(SD, lcm, SETTINGS, 1).scheduler == "LCMScheduler"
    assert figures(FLUX, lcm, SETTINGS, 1).scheduler is None


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"vary_steps": [60, 20]}, "--vary_steps must be"),
        ({"vary_steps": [0, 20]}, "--vary_steps must be"),
        ({"vary_guidance": [1.0]}, "--vary_guidance must be"),
        ({"vary_schedulers": ["os"]}, "--vary_schedulers knows"),
        ({"vary_size": [100]}, "--vary_size must hold"),
        ({"vary_size": []}, "must not be empty"),
        ({"vary_size": [512], "size": 512}, "cannot both"),
        ({"vary_guidance": [1.0, 2.0], "guidance": 1.0}, "cannot both"),
    ],
)
def test_a_range_that_is_none_is_named(change, problem):
    assert [text for text in replace(SETTINGS, **change).problems() if problem in text]


def test_the_ranges_of_these_tests_have_no_problem():
    assert VARIED.problems() == []
    assert set(VARIED.vary_schedulers) <= set(SCHEDULERS)
