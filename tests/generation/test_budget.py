"""Estimated costs, and taking what fits a budget."""

import math

import numpy as np
import polars as pl
import pytest
import torch
from diffusers import UNet2DConditionModel
from torch.utils.flop_counter import FlopCounterMode

from etl.models.families import PIPELINES
from generation.budget import BUILDS, Limit, take, with_costs
from generation.families import DEFAULTS

SDXL = "StableDiffusionXLPipeline"
START = 20.0


def costs(pipeline_class=SDXL, download_bytes=6_940_000_000, weight_bytes=None, images=1, gpu_tflops=120.0):
    row = {"pipeline_class": pipeline_class, "weight_bytes": weight_bytes, "download_bytes": download_bytes}
    frame = pl.DataFrame([row], schema={key: pl.Int64 if "bytes" in key else pl.String for key in row})
    return with_costs(frame, images, gpu_tflops).row(0, named=True)


def image_seconds(**about) -> float:
    return costs(images=2, **about)["gpu_seconds"] - costs(images=1, **about)["gpu_seconds"]


def test_the_one_published_timing_is_met_within_a_tenth():
    assert image_seconds() * 30 / DEFAULTS[SDXL].steps == pytest.approx(3.31, rel=0.1)


def test_the_stride_of_sd1_is_what_its_unet_counts():
    with torch.device("meta"):
        unet = UNet2DConditionModel(sample_size=64, cross_attention_dim=768)
        inputs = torch.empty(1, 4, 64, 64), torch.tensor(1.0), torch.empty(1, 77, 768)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        unet(*inputs)
    build = BUILDS["SD 1.x"]
    assert counter.get_total_flops() == pytest.approx(
        2 * build.denoiser * 1e9 * (512 / build.stride) ** 2, rel=0.02
    )


def test_every_class_that_is_sampled_has_a_cost_and_no_other_family_is_listed():
    assert set(BUILDS) <= {PIPELINES[name].family for name in DEFAULTS}
    assert all(math.isfinite(costs(name)["gpu_seconds"]) for name in DEFAULTS)


def test_a_family_that_is_not_listed_is_taken_for_a_transformer_in_16_bits(monkeypatch):
    listed = image_seconds()
    monkeypatch.delitem(BUILDS, "SDXL")
    assert listed < image_seconds() < 4 * listed


def test_the_same_model_stored_in_twice_the_precision_takes_the_same_time():
    assert image_seconds(download_bytes=13_880_000_000) == pytest.approx(image_seconds(), rel=0.01)


def test_a_larger_model_takes_longer():
    assert image_seconds(download_bytes=8_000_000_000) > 1.1 * image_seconds()


def test_guidance_distilled_into_the_model_is_one_pass_a_step():
    pair = ["StableDiffusionPipeline", "LatentConsistencyModelPipeline"]
    guided, distilled = (image_seconds(pipeline_class=name, download_bytes=2_140_000_000) for name in pair)
    assert 10 < guided / distilled < 2 * 50 / 4  # fifty steps of two passes and four of one; decoding is the same


def test_the_calibration_scales_the_images_and_not_the_start():
    slow, fast = (costs(images=100, gpu_tflops=speed)["gpu_seconds"] - START - 6.94 for speed in (60.0, 120.0))
    assert slow == pytest.approx(2 * fast)


def test_without_the_bytes_to_download_all_weights_count():
    assert costs(download_bytes=None, weight_bytes=5)["download_bytes"] == 5


def test_a_cost_that_cannot_be_known_is_null():
    unknown = costs(download_bytes=None), costs("NoSuchPipeline")
    assert [cost["gpu_seconds"] for cost in unknown] == [None, None]


def limit(*each: float, most: float, name: str = "download") -> Limit:
    return Limit(name, most, np.array(each, dtype=float))


def test_what_does_not_fit_is_passed_over_and_a_later_one_may_fit():
    taken = take([0, 1, 2], 3, [limit(5, 9, 4, most=10)])
    assert (taken.rows, dict(taken.refused)) == ([0, 2], {"download": 1})


def test_the_walk_ends_when_not_even_the_cheapest_fits():
    order = iter(range(4))
    taken = take(order, 4, [limit(5, 5, 5, 5, most=9)])
    assert (taken.rows, taken.exhausted, list(order)) == ([0], "download", [2, 3])


def test_an_unknown_cost_fits_no_budget_of_that_kind():
    assert take([0, 1], 2, [limit(math.nan, 1, most=10)]).rows == [1]
    assert take([0, 1], 2, []).rows == [0, 1]


def test_no_more_are_taken_than_wanted():
    assert take(range(5), 2, []).rows == [0, 1]


@pytest.mark.parametrize("seed", range(20))
def test_no_budget_is_ever_exceeded_and_nothing_that_would_fit_at_the_end_is_missing(seed):
    rng = np.random.default_rng(seed)
    limits = [Limit(name, rng.uniform(50, 500), rng.pareto(1.5, 200) + 0.1) for name in ("a", "b", "c")]
    rows = take(rng.permutation(200).tolist(), 200, limits).rows
    used = [limit.costs[rows].sum() for limit in limits]
    assert all(u <= limit.most for u, limit in zip(used, limits, strict=True))
    left = set(range(200)) - set(rows)
    fitting = [r for r in left if all(u + k.costs[r] <= k.most for u, k in zip(used, limits, strict=True))]
    assert not fitting
