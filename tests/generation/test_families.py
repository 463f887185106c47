"""The table of families and the list of unsupported classes against the installed diffusers."""

import inspect
import re
from typing import Any

import diffusers
import pytest
from diffusers import DiffusionPipeline, ModularPipeline

import generation.toy_world.pipelines  # noqa: F401  (makes its classes known to diffusers)
from etl.models.families import TOY
from generation.defaults import SCHEDULERS, side
from generation.failures import Code, GenerationFailure
from generation.families import DEFAULTS, SUPPORTED, WITHOUT_BFLOAT16
from generation.model_run import _dtype
from generation.repository import check_index
from generation.unsupported import UNSUPPORTED, why

SIGNED = {"steps": "steps_argument", "guidance": "guidance_argument"}


def exported() -> set[str]:
    """Every pipeline class of diffusers, those that stand in for one whose packages are missing included.

    Where onnxruntime is installed, diffusers 0.42 exports a name that it does not have, and fails on reading it.
    """
    found = {name: getattr(diffusers, name, None) for name in dir(diffusers)}
    classes = {name: value for name, value in found.items() if isinstance(value, type)}
    return {
        name
        for name, value in classes.items()
        if (issubclass(value, DiffusionPipeline | ModularPipeline) and value is not DiffusionPipeline)
        or ("dummy" in value.__module__ and "Pipeline" in name)
    } - {"ModularPipeline"} | {name for name, value in found.items() if value is None and "Pipeline" in name}


def parameters(name: str) -> dict[str, Any]:
    return dict(inspect.signature(getattr(diffusers, name).__call__).parameters)


def test_every_pipeline_of_diffusers_is_supported_or_says_why_not():
    modular = {name for name in exported() if name.endswith("ModularPipeline")}
    assert len(modular) > 30
    assert SUPPORTED | set(UNSUPPORTED) == exported() - modular
    assert not SUPPORTED & set(UNSUPPORTED)


@pytest.mark.parametrize("name", DEFAULTS)
def test_steps_guidance_and_size_are_the_signatures_where_no_other_source_is_named(name):
    defaults, known = DEFAULTS[name], parameters(name)
    for figure, argument in SIGNED.items():
        value = getattr(defaults, figure)
        if value is None:
            assert not [key for key in known if "guidance_scale" in key and known[key].default is not None]
        elif figure not in defaults.sources:
            assert known[getattr(defaults, argument)].default == value
    if defaults.px_from == "signature":
        assert known["height"].default == known["width"].default == defaults.px
    if defaults.px is None:
        assert "height" not in known and defaults.px_from is None


@pytest.mark.parametrize("name", [name for name, row in DEFAULTS.items() if row.px_from == "class"])
def test_a_size_from_the_class_stands_in_its_code(name):
    source = inspect.getsource(getattr(diffusers, name))
    latents = re.findall(r"default_sample_size = (\d+)", source)
    factors = [8, *(int(value) for value in re.findall(r"scale_factor.*?(?:= | else )(16|32)\b", source, re.S))]
    pixels = [int(value) for value in re.findall(r"height = height or (\d+)", source)]
    assert DEFAULTS[name].px in [int(side) * factor for side in latents for factor in factors] + pixels


@pytest.mark.parametrize("name", DEFAULTS)
def test_a_call_understands_all_that_a_request_says_and_needs_no_more(name):
    defaults, known = DEFAULTS[name], parameters(name)
    needed = {
        key for key, value in known.items() if value.default is value.empty and value.kind is not value.VAR_KEYWORD
    }
    assert needed <= {"self", "prompt", "class_labels"}
    assert {"generator", "output_type"} <= set(known)
    assert ("prompt" in known) == (defaults.conditioning == "prompt")
    assert not defaults.negative or "negative_prompt" in known


@pytest.mark.parametrize("name", [name for name, row in DEFAULTS.items() if row.swappable])
def test_a_scheduler_is_swapped_only_where_the_class_takes_any(name):
    parameter = inspect.signature(getattr(diffusers, name).__init__).parameters["scheduler"]
    assert "KarrasDiffusionSchedulers" in str(parameter.annotation)


def test_all_schedulers_to_draw_from_are_of_those_that_such_classes_take():
    common = {member.name for member in diffusers.schedulers.KarrasDiffusionSchedulers}
    assert set(SCHEDULERS) <= common


def test_classes_whose_call_makes_numpys_array_of_the_models_tensor_are_not_sampled_in_bfloat16():
    found = {
        name
        for name in sorted(set(DEFAULTS) - set(TOY))
        if re.search(r"permute\([^)]*\)\.numpy\(\)", inspect.getsource(getattr(diffusers, name)))
    }
    assert found == WITHOUT_BFLOAT16
    precisions = {name: _dtype(name, "bfloat16", on_cpu=False) for name in DEFAULTS}
    assert {name for name, dtype in precisions.items() if dtype != "bfloat16"} == WITHOUT_BFLOAT16


@pytest.mark.parametrize("name", DEFAULTS)
def test_half_precision_is_what_the_example_of_the_class_loads(name):
    module = inspect.getmodule(getattr(diffusers, name))
    example = getattr(module, "EXAMPLE_DOC_STRING", "") or getattr(diffusers, name).__call__.__doc__ or ""
    named = re.findall(r"torch\.((?:b?float)\d+)", example)
    assert DEFAULTS[name].dtype in (named or ["float32"])


def test_a_side_is_rounded_down_to_what_the_class_can_make():
    cascade, stable = DEFAULTS["StableCascadeCombinedPipeline"], DEFAULTS["StableDiffusionPipeline"]
    assert [side(px, cascade) for px in (64, 128, 500, 1024)] == [128, 128, 384, 1024]
    assert side(520, stable) == 520
    assert all(row.px is None or side(row.px, row) == row.px for row in DEFAULTS.values())


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("StableDiffusionInpaintPipeline", "needs an input image"),
        ("WanPipeline", "makes a video"),
        ("FluxModularPipeline", "is modular"),
        ("NoSuchPipeline", "is not a pipeline"),
    ],
)
def test_a_refused_class_is_told_why(name, reason):
    with pytest.raises(GenerationFailure, match=f"{name} {reason}") as refused:
        check_index({"_class_name": name})
    assert refused.value.code is Code.UNSUPPORTED
    assert reason in why(name)


def test_a_figure_names_its_source():
    for row in DEFAULTS.values():
        assert (row.px is None) == (row.px_from is None)
        assert set(row.sources) <= {"steps", "guidance"}
