"""What models say of themselves in names, tags, indexes and schedulers."""

import json

import pytest

from generation.hints import NO_HINTS, Hints, hints, merged

SD, SDXL, FLUX = "StableDiffusionPipeline", "StableDiffusionXLPipeline", "FluxPipeline"


def figures(found: Hints) -> tuple[int | None, float | None]:
    return found.steps, found.guidance


@pytest.mark.parametrize(
    ("pipeline_class", "model_id", "expected"),
    [
        (SDXL, "stabilityai/sdxl-turbo", (4, 0.0)),
        (SD, "stabilityai/sd-turbo", (4, 0.0)),
        (SDXL, "Lykon/dreamshaper-xl-v2-turbo", (6, 2.0)),
        (SDXL, "someone/DreamShaperXLTurbo", (6, 2.0)),
        (SDXL, "SG161222/RealVisXL_V4.0_Lightning", (4, 2.0)),
        (SDXL, "someone/SDXL-Lightning-8step-merge", (8, 0.0)),
        (SDXL, "someone/juggernaut_hyper", (8, 1.0)),
        (SDXL, "sd-community/sdxl-flash", (7, 3.0)),
        (SDXL, "someone/animagine-lcm", (4, 1.0)),
        (FLUX, "black-forest-labs/FLUX.1-schnell", (4, 0.0)),
        (FLUX, "black-forest-labs/FLUX.1-dev", (None, None)),
        ("ZImagePipeline", "Tongyi-MAI/Z-Image-Turbo", (9, 0.0)),
        ("ZImagePipeline", "Tongyi-MAI/Z-Image", (None, None)),
        ("StableDiffusion3Pipeline", "stabilityai/stable-diffusion-3.5-large-turbo", (4, 0.0)),
        ("QwenImagePipeline", "lightx2v/Qwen-Image-Lightning", (8, 1.0)),
        ("LatentConsistencyModelPipeline", "SimianLuo/LCM_Dreamshaper_v7", (None, None)),
        (SD, "runwayml/stable-diffusion-v1-5", (None, None)),
        (SD, "someone/turbocharged-cars", (None, None)),
    ],
)
def test_a_name_tells_steps_and_guidance(pipeline_class, model_id, expected):
    found = hints(pipeline_class, model_id)
    assert figures(found) == expected
    assert bool(found.source) == (expected != (None, None))


def test_a_name_goes_before_the_origin_the_scheduler_the_base_and_tags():
    evidence = {
        "tags": ["turbo", "base_model:finetune:stabilityai/sdxl-turbo"],
        "model_index": json.dumps(
            {"_name_or_path": "x/sdxl-lightning", "scheduler": ["diffusers", "LCMScheduler"]}
        ),
    }
    for model_id, where in [("x/mine-hyper", "name"), ("x/mine", "origin in the index")]:
        assert f"in the {where}:" in hints(SDXL, model_id, **evidence).source
    evidence["model_index"] = json.dumps({"scheduler": ["diffusers", "LCMScheduler"]})
    assert "in the scheduler:" in hints(SDXL, "x/mine", **evidence).source
    assert "in the name of its base:" in hints(SDXL, "x/mine", evidence["tags"]).source
    assert "in the tags:" in hints(SDXL, "x/mine", ["turbo"]).source


def test_a_scheduler_made_for_few_steps_is_enough():
    assert figures(hints(SD, "x/mine", scheduler_config='{"_class_name": "LCMScheduler"}')) == (4, 1.0)


def test_fluxs_scheduler_tells_schnell_from_dev():
    schnell, dev = (json.dumps({"shift": s, "use_dynamic_shifting": d}) for s, d in ((1.0, False), (3.0, True)))
    assert figures(hints(FLUX, "x/mine", scheduler_config=schnell)) == (4, 0.0)
    assert hints(FLUX, "x/mine", scheduler_config=dev) == NO_HINTS


def test_an_index_that_says_distilled_is_believed():
    found = hints("Flux2KleinPipeline", "x/mine", model_index='{"is_distilled": true}')
    assert figures(found) == (4, 1.0)
    assert hints("Flux2KleinPipeline", "x/mine", model_index='{"is_distilled": false}') == NO_HINTS


@pytest.mark.parametrize(
    ("pipeline_class", "model_id", "px"),
    [
        (SDXL, "stabilityai/sdxl-turbo", 512),
        (SDXL, "x/dream-xl-turbo", None),
        ("PixArtAlphaPipeline", "PixArt-alpha/PixArt-XL-2-512x512", 512),
        ("PixArtSigmaPipeline", "PixArt-alpha/PixArt-Sigma-XL-2-1024-MS", 1024),
        ("SanaPipeline", "Efficient-Large-Model/Sana_1600M_512px_diffusers", 512),
        ("AmusedPipeline", "amused/amused-256", 256),
        (SD, "x/portraits-512", None),
    ],
)
def test_a_name_tells_the_size_of_classes_that_come_in_several(pipeline_class, model_id, px):
    assert hints(pipeline_class, model_id).px == px


def test_stable_diffusion_that_predicts_velocities_is_of_768_pixels():
    found = hints(SD, "x/mine", scheduler_config='{"prediction_type": "v_prediction"}')
    assert (found.px, found.steps) == (768, None)


def test_an_adapter_is_distilled_only_where_it_surely_says_so():
    assert hints(SDXL, "x/lightning-storms-lora", ["lora"], is_adapter=True) == NO_HINTS
    assert hints(SDXL, "x/cars", ["lora", "turbo"], is_adapter=True) == NO_HINTS
    lcm = hints(SD, "latent-consistency/lcm-lora-sdv1-5", ["lora"], is_adapter=True)
    assert (lcm.steps, lcm.guidance, lcm.scheduler) == (4, 1.0, "LCMScheduler")
    hyper = hints(SDXL, "x/Hyper-SDXL-2steps-lora", ["lora"], is_adapter=True)
    assert (hyper.steps, hyper.guidance, hyper.scheduler) == (2, 0.0, "DDIMScheduler")


def test_an_adapter_on_a_distilled_base_is_sampled_as_the_base_is():
    base = hints(FLUX, "black-forest-labs/FLUX.1-schnell")
    assert figures(merged(NO_HINTS, base)) == (4, 0.0)
    own = hints(SDXL, "x/lcm-lora", is_adapter=True)
    assert figures(merged(own, hints(SDXL, "stabilityai/sdxl-turbo"))) == (4, 1.0)


@pytest.mark.parametrize("text", ["", "{", "[]", '"x"', '{"scheduler": [], "_name_or_path": 3}', None])
def test_a_configuration_that_is_none_says_nothing(text):
    assert hints(SDXL, "x/mine", model_index=text, scheduler_config=text) == NO_HINTS
