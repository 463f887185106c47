"""Checks of sampled pixels, and what a pipeline's call is given."""

import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from generation.conversation import LONGEST_VERSION
from generation.defaults import SCHEDULERS
from generation.encoding import encode
from generation.failures import Code, GenerationFailure
from generation.plan import Request
from generation.sampling import _colours, arguments, checked, library_versions, sample

REQUEST = Request("r", "p", "a cat", "blurry", None, 1, 2, 7.5, 64, 64)
NOISE = np.random.default_rng(0).random((64, 64, 3)).astype(np.float32)


def refusal(image: np.ndarray) -> Code:
    with pytest.raises(GenerationFailure) as refused:
        checked(image, REQUEST)
    return refused.value.code


def test_good_pixels_become_bytes_rounded_to_the_nearest():
    assert np.array_equal(checked(NOISE, REQUEST), np.rint(NOISE * 255).astype(np.uint8))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_one_pixel_that_is_no_number_refuses_the_image(value):
    image = NOISE.copy()
    image[3, 4, 1] = value
    assert refusal(image) is Code.NAN_IMAGE


def test_a_black_image_is_flat():
    assert refusal(np.zeros_like(NOISE)) is Code.FLAT_IMAGE


def test_an_image_of_one_colour_but_for_a_speck_is_flat():
    image = np.ones_like(NOISE) * np.float32([0.9, 0.1, 0.5])
    image[:4, :8] = NOISE[:4, :8]
    assert refusal(image) is Code.FLAT_IMAGE


def test_an_image_of_faint_noise_is_flat():
    assert refusal(0.5 + NOISE / 100) is Code.FLAT_IMAGE


@pytest.mark.parametrize("channel", [0, 1, 2])
def test_colours_that_differ_in_one_channel_are_counted_apart(channel):
    pixels = np.zeros((16, 16, 3), dtype=np.uint8)
    pixels[:, :, channel] = np.arange(256).reshape(16, 16)
    assert len(np.unique(_colours(pixels))) == 256


def test_a_refusal_counts_colours_and_not_values():
    image = np.zeros((64, 64, 3), dtype=np.float32)
    image[0, 0], image[0, 1], image[0, 2] = (1, 0, 0), (0, 1, 0), (0, 0, 1)
    with pytest.raises(GenerationFailure, match="4 colours"):
        checked(image, REQUEST)


def test_a_grey_image_of_one_colour_but_for_a_speck_is_flat():
    image = np.zeros((64, 64, 1), dtype=np.float32)
    image[:4, :8] = NOISE[:4, :8, :1]
    assert refusal(image) is Code.FLAT_IMAGE


def test_the_processor_is_among_what_an_images_bytes_depend_on():
    found = library_versions("cpu")["processor"]
    assert found and len(found) <= LONGEST_VERSION


def test_another_size_than_asked_for_is_refused():
    assert refusal(NOISE[:, :32]) is Code.WRONG_SIZE


def test_a_grey_image_stays_grey():
    assert checked(NOISE[:, :, :1], REQUEST).shape == (64, 64)


def test_the_same_pixels_are_the_same_png():
    pixels = checked(NOISE, REQUEST)
    assert encode(pixels) == encode(pixels.copy())


class LatentConsistencyModelPipeline:
    """Signature of a pipeline without a negative prompt."""

    def __call__(
        self, prompt=None, height=None, width=None, num_inference_steps=4, generator=None, output_type=""
    ):
        return None


class PixArtAlphaPipeline:
    """Signature of a pipeline that bins sizes by default."""

    def __call__(self, prompt=None, negative_prompt="", guidance_scale=4.5, use_resolution_binning=True):
        return None


def test_a_pipeline_is_given_only_what_its_call_knows():
    given = arguments(LatentConsistencyModelPipeline(), [REQUEST])
    assert set(given) == {"prompt", "height", "width", "num_inference_steps", "generator", "output_type"}
    assert given["generator"].initial_seed() == 1


def test_resolution_binning_is_switched_off_where_it_exists():
    given = arguments(PixArtAlphaPipeline(), [REQUEST])
    assert given["use_resolution_binning"] is False
    assert (given["negative_prompt"], given["guidance_scale"]) == ("blurry", 7.5)


@pytest.fixture(scope="module")
def pipeline():
    """A tiny Stable Diffusion; imported here, since it brings torch and diffusers."""
    from generation.demo_hub.unet_families import sd1

    pipeline = sd1(1)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


@pytest.mark.parametrize("name", SCHEDULERS)
def test_a_pipeline_samples_with_any_scheduler_of_the_list(pipeline, name):
    [(_, facts)] = sample(pipeline, [replace(REQUEST, steps=5, scheduler=name)])
    assert facts["scheduler"] == name


def test_an_image_does_not_depend_on_the_scheduler_of_the_one_before(pipeline):
    euler, ddim = (replace(REQUEST, scheduler=f"{name}Scheduler") for name in ("EulerDiscrete", "DDIM"))
    [(alone, _)], [(other, _)] = sample(pipeline, [euler]), sample(pipeline, [ddim])
    assert sample(pipeline, [euler])[0][0] == alone != other


def test_an_image_is_the_same_bytes_in_any_company_of_one_size_and_nearly_so_alone(pipeline):
    first, second = REQUEST, replace(REQUEST, request_id="s", prompt="a red tram in the rain", seed=9)
    [with_second, _], [with_itself, _] = (sample(pipeline, [first, other]) for other in (second, first))
    [alone] = sample(pipeline, [first])
    assert (with_second, with_second[1]["batch_size"], alone[1]["batch_size"]) == (with_itself, 2, 1)
    near, far = (np.asarray(Image.open(io.BytesIO(content)), dtype=int) for content, _ in (with_second, alone))
    assert np.abs(near - far).max() <= 2


def test_a_request_without_a_scheduler_has_the_models_own_again(pipeline):
    own = sample(pipeline, [REQUEST])
    sample(pipeline, [replace(REQUEST, scheduler="DDIMScheduler")])
    assert sample(pipeline, [REQUEST]) == own
