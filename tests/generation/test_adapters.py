"""Adapters on the tiny pipelines of their bases: laid over, or refused where they would change nothing."""

import pytest
import torch
from safetensors.torch import save_file

from etl.lake import snapshot
from etl.lake.schemas import GENERATORS, MODELS, WITHDRAWALS
from generation.demo_hub.transformer_families import dit
from generation.demo_hub.unet_families import lora, sd1, sdxl
from generation.failures import Code, GenerationFailure
from generation.inputs import eligible_generators
from generation.loading import load

BASE, LORA = "lab/base", "someone/lcm-lora-cats"
FIRST, SECOND = "1" * 40, "2" * 40


@pytest.fixture(scope="module")
def bases(tmp_path_factory):
    """Folders of tiny pipelines by class."""
    root = tmp_path_factory.mktemp("bases")
    for pipeline in (sd1(1), sdxl(1), dit(1)):
        pipeline.save_pretrained(root / type(pipeline).__name__)
    return root


def loaded(bases, tmp_path, weights, pipeline_class="StableDiffusionPipeline"):
    file = tmp_path / "adapter" / "weights.safetensors"
    file.parent.mkdir()
    save_file(weights, file)
    return load(bases / pipeline_class, file, None, "cpu", "float32")


def test_a_lora_is_active_on_its_base(bases, tmp_path):
    assert loaded(bases, tmp_path, lora(1)).get_active_adapters()


@pytest.mark.parametrize(
    ("weights", "pipeline_class", "code"),
    [
        ({"transformer.x.lora_A.weight": torch.zeros(4, 8)}, "StableDiffusionPipeline", Code.BAD_WEIGHTS),
        ({"unet.no.such.lora_A.weight": torch.zeros(4, 8)}, "StableDiffusionPipeline", Code.BAD_WEIGHTS),
        ({"emb_params": torch.zeros(4, 8)}, "StableDiffusionPipeline", Code.BAD_WEIGHTS),
        (lora(1), "StableDiffusionXLPipeline", Code.BAD_WEIGHTS),
        (lora(1), "DiTPipeline", Code.UNSUPPORTED),
    ],
    ids=["for a transformer", "for other modules", "no lora", "other shapes", "no adapters in this class"],
)
def test_an_adapter_that_does_not_fit_its_base_is_refused_for_good(bases, tmp_path, weights, pipeline_class, code):
    with pytest.raises(GenerationFailure) as refused:
        loaded(bases, tmp_path, weights, pipeline_class)
    assert refused.value.code is code
    assert code.permanent


def lake(root, base_eligible=True):
    """A lake with an adapter and its base, which has a newer commit that only edits its card."""
    shared = {"licence": "mit", "nsfw": False, "tags": [], "files": []}
    model = {**shared, "pipeline_class": "StableDiffusionPipeline", "model_index": "{}", "base_models": []}
    related = [{"model_id": "gone/base", "relation": "adapter"}, {"model_id": BASE, "relation": "adapter"}]
    adapter = {"model_id": LORA, "revision": FIRST, "base_models": related, "is_current": True}
    models = [
        {**model, "model_id": BASE, "revision": FIRST, "is_current": False},
        {**model, "model_id": BASE, "revision": SECOND, "is_current": True},
        {**shared, **adapter, "pipeline_class": None, "model_index": None, "tags": ["lora"]},
    ]
    generators = [
        {"generator_id": name, "model_id": name, "kind": "hub", "revision": FIRST, "eligible": eligible}
        for name, eligible in ((BASE, base_eligible), (LORA, True))
    ]
    snapshot.append(root, MODELS, models)
    snapshot.append(root, GENERATORS, generators)
    return {generator.generator_id: generator for generator in eligible_generators(root)}


def test_an_adapter_comes_with_its_base_at_the_revision_at_which_the_base_is_sampled(tmp_path):
    found = lake(str(tmp_path))[LORA]
    assert found.is_adapter
    assert found.base is not None
    assert (found.base.model_id, found.base.revision) == (BASE, FIRST)
    assert found.pipeline_class == "StableDiffusionPipeline"


def test_an_adapter_that_says_so_brings_its_own_steps_and_scheduler(tmp_path):
    found = lake(str(tmp_path))
    assert (found[LORA].hints.steps, found[LORA].hints.scheduler) == (4, "LCMScheduler")
    assert found[BASE].hints.steps is None


def test_an_adapter_of_a_base_that_may_not_be_sampled_has_none(tmp_path):
    assert lake(str(tmp_path), base_eligible=False)[LORA].base is None


def test_an_adapter_of_a_withdrawn_base_has_none(tmp_path):
    snapshot.append(str(tmp_path), WITHDRAWALS, [{"generator_id": BASE}])
    found = lake(str(tmp_path))
    assert found.keys() == {LORA} and found[LORA].base is None
