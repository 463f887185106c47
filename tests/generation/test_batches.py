"""Several images in one call: who samples with whom, what that changes, and the way down when memory runs out."""

from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from generation.batches import batches
from generation.child import Job, Ladder, sample_model
from generation.failures import Code, GenerationFailure
from generation.plan import Request
from generation.sandbox import Limits

FIRST = Request("0", "p", "a cat", None, None, 1, 2, 7.5, 64, 64)


def requests(count: int, **changes: object) -> tuple[Request, ...]:
    return tuple(replace(FIRST, request_id=str(n), seed=n, prompt=f"cat {n}", **changes) for n in range(count))


def test_requests_share_a_batch_where_one_call_can_sample_them():
    mixed = [replace(r, steps=2 + n % 2) for n, r in enumerate(requests(7))]
    found = [[r.request_id for r in batch] for batch in batches(mixed, 3)]
    assert found == [["0", "2", "4"], ["6"], ["1", "3", "5"]]


class Silent:
    """Stands for the pipe to the parent."""

    sampling_seconds = 0.0
    peak_gpu_memory_mb = None


def of_memory_for(images: int, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Sample with memory for so many images at a time; return the list to which each call adds its size."""
    calls: list[int] = []

    def sample(pipeline, batch, judge):
        calls.append(len(batch))
        if len(batch) > images:
            raise GenerationFailure(Code.OOM, "no more memory")
        return [request.request_id for request in batch]

    monkeypatch.setattr("generation.sampling.sample", sample)
    return calls


def test_a_batch_is_halved_until_it_fits_and_no_image_is_lost(monkeypatch):
    calls = of_memory_for(2, monkeypatch)
    ladder = Ladder(None, None, 8)
    assert [image for _, image in ladder.sample(requests(8), Silent())] == list("01234567")
    assert calls == [8, 4, 2, 2, 2, 2]
    calls.clear()
    assert [image for _, image in ladder.sample(requests(3), Silent())] == list("012")
    assert calls == [2, 1]  # it does not climb again


@pytest.mark.parametrize(("landed", "given_up"), [(0, True), (2, False)])
def test_only_a_model_that_never_gave_an_image_is_given_up_for_its_first_bad_ones(landed, given_up, monkeypatch):
    planned = requests(6)
    bad = GenerationFailure(Code.FLAT_IMAGE, "one colour")

    def sample(pipeline, batch, judge):
        good = (b"", {})
        return [good if request.request_id == "5" else bad for request in batch]

    monkeypatch.setattr("generation.loading.load", lambda *_: None)
    monkeypatch.setattr("generation.sampling.sample", sample)
    said: list[str] = []
    told = SimpleNamespace(
        loaded=lambda _: None,
        refused=lambda request_id, _: said.append(request_id),
        image=lambda content, **facts: said.append(facts["request_id"]),
        sampling_seconds=0.0,
    )
    job = Job(Path(), planned[landed:], Limits(1, None), planned=planned, landed=landed)
    with pytest.raises(GenerationFailure) if given_up else nullcontext():
        sample_model(job, told)
    assert said == (["0", "1", "2"] if given_up else ["2", "3", "4", "5"])


def test_a_model_that_has_no_memory_for_one_image_is_out_of_memory(monkeypatch):
    of_memory_for(0, monkeypatch)
    with pytest.raises(GenerationFailure, match="OOM"):
        list(Ladder(None, None, 8).sample(requests(8), Silent()))
