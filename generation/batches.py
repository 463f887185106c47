"""Batches: requests that one call of a pipeline samples together. Pure.

They are cut from all requests of a model, not from those that are left, so that a run that goes on after a kill
samples in the same company as an undisturbed one.
"""

from collections.abc import Sequence

from generation.plan import Request

LARGEST = 8
"""Where the ladder begins on a GPU; it goes by halves down to 1."""

Batch = tuple[Request, ...]


def batches(requests: Sequence[Request], size: int) -> list[Batch]:
    """Return batches of up to `size` requests that share what a call has once: steps, guidance, scheduler …"""
    alike: dict[tuple[object, ...], list[Request]] = {}
    for request in requests:
        shared = (request.steps, request.guidance, request.width, request.height, request.scheduler)
        alike.setdefault(shared, []).append(request)
    return [part for group in alike.values() for part in halves(tuple(group), size)]


def halves(batch: Batch, size: int) -> list[Batch]:
    """Return the batch in parts of up to `size`."""
    return [batch[start : start + size] for start in range(0, len(batch), size)]
