"""From requests to checked, encoded images: the same bytes in every process of the same kind.

One CPU generator an image and one thread: the number of threads, as the size of the batch, changes results in the
last bits, so the latter is stored with each image. The generator is the CPU's on a GPU too, so that the starting
noise does not depend on it.
"""

import inspect
import platform
from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

import diffusers
import numpy as np
import torch

from generation.devices import processor
from generation.encoding import encode
from generation.failures import Code, GenerationFailure, out_of_memory
from generation.families import DEFAULTS
from generation.nsfw import Judge
from generation.plan import Request

LEAST_DEVIATION = 2.0
"""Standard deviation over all values of an image (0 … 255) below which it is flat."""
LARGEST_SHARE = 0.99
"""Share of pixels of one colour from which an image is flat."""


Sampled = tuple[bytes, dict[str, Any]]
"""An image's file and what made it."""


def sample(
    pipeline: Any, batch: Sequence[Request], judge: Judge | None = None
) -> list[Sampled | GenerationFailure]:
    """Return for each request of a batch its image, or why it is refused.

    Refusals: NAN_IMAGE, FLAT_IMAGE, WRONG_SIZE, NSFW_IMAGE. Raises GenerationFailure(OOM) for the batch.
    """
    _set_scheduler(pipeline, batch[0].scheduler)
    torch.manual_seed(batch[0].seed)  # for schedulers that draw without the generator that they are given
    try:
        with torch.inference_mode():
            images = pipeline(**arguments(pipeline, batch)).images
    except (MemoryError, RuntimeError) as error:
        if not out_of_memory(error):
            raise
        raise GenerationFailure(Code.OOM, f"{len(batch)} images at a time: {error}") from None
    facts = {
        "scheduler": _scheduler(pipeline),
        "dtype": str(pipeline.dtype).removeprefix("torch."),
        "batch_size": len(batch),
    }
    return [
        _finished(np.asarray(image), request, facts, judge) for image, request in zip(images, batch, strict=True)
    ]


def _finished(
    image: np.ndarray, request: Request, facts: dict[str, Any], judge: Judge | None
) -> Sampled | GenerationFailure:
    """Check and encode one image of a batch."""
    try:
        pixels = checked(image, request)
        nsfw = judge(pixels) if judge else None
    except GenerationFailure as failure:
        return failure
    content = encode(pixels, request.format or "PNG", request.quality, request.subsampling)
    return content, {"width": pixels.shape[1], "height": pixels.shape[0], "nsfw": nsfw, **facts}


def arguments(pipeline: Any, batch: Sequence[Request]) -> dict[str, Any]:
    """Return what the pipeline's call is given: of all that the requests say, what its signature knows."""
    defaults = DEFAULTS[type(pipeline).__name__]
    request = batch[0]

    def each(values: list[Any]) -> Any:
        """A list for several requests, the value itself for one; None where there is none."""
        return values if len(batch) > 1 and values[0] is not None else values[0]

    offered = {
        "prompt": each([request.prompt for request in batch]),
        "negative_prompt": each([request.negative_prompt for request in batch]),
        "class_labels": None if request.class_label is None else [request.class_label for request in batch],
        "batch_size": len(batch) if defaults.conditioning == "none" else None,
        defaults.steps_argument: request.steps,
        defaults.guidance_argument: request.guidance,
        "width": request.width,
        "height": request.height,
        # On by default in some classes: it would replace the size asked for by one of its own list.
        "use_resolution_binning": False,
        # On by default in some classes, and then done or not by which packages are installed.
        "clean_caption": False,
        "generator": each([torch.Generator("cpu").manual_seed(request.seed) for request in batch]),
        "output_type": "np",
    }
    known = inspect.signature(pipeline.__call__).parameters
    given = {name: value for name, value in offered.items() if name in known and value is not None}
    if "intermediate_timesteps" in known and request.steps != 2:
        given["intermediate_timesteps"] = None  # SanaSprintPipeline has a default that holds for two steps alone
    return given


def _set_scheduler(pipeline: Any, name: str | None) -> None:
    """Give the pipeline another scheduler, configured as the one in its repository; None: give that one back.

    Always from that one: the way by a third would lose what the third does not know, and the order of requests
    would show in the images. Steps are spread up to the last one, which is where noise is whole, as Lin et al.,
    "Common Diffusion Noise Schedules and Sample Steps are Flawed" (arXiv 2305.08891), section 3.3, have it.
    """
    own = pipeline.__dict__.get("_own_scheduler")
    if own is None:
        if name is None:
            return
        own = pipeline.__dict__["_own_scheduler"] = pipeline.scheduler
    configured = getattr(diffusers, name).from_config(own.config, timestep_spacing="trailing") if name else own
    pipeline.scheduler = configured


def _scheduler(pipeline: Any) -> str | None:
    """Return the class of the scheduler of the last stage that is a diffusion from noise; None without any."""
    parts = pipeline.components
    found = parts.get("decoder_scheduler") or parts.get("scheduler")
    return None if found is None else type(found).__name__


def checked(image: np.ndarray, request: Request) -> np.ndarray:
    """Return float pixels (height × width × 3 or 1, in 0 … 1) as bytes (… × 3, or height × width for grey).

    Looks for NaN first, since it becomes a harmless black in bytes. Raises as `sample`.
    """
    if not np.isfinite(image).all():
        raise GenerationFailure(Code.NAN_IMAGE, "the model gives pixels that are not numbers")
    pixels = np.rint(np.clip(image, 0.0, 1.0) * 255.0).astype(np.uint8)
    if pixels.ndim == 3 and pixels.shape[2] == 1:
        pixels = pixels[:, :, 0]
    height, width = pixels.shape[:2]
    if request.width is not None and (width, height) != (request.width, request.height):
        asked = f"{request.width} × {request.height}"
        raise GenerationFailure(Code.WRONG_SIZE, f"the image is {width} × {height}, asked for was {asked}")
    counts = np.unique(_colours(pixels), return_counts=True)[1]
    if pixels.std() < LEAST_DEVIATION or counts.max() >= LARGEST_SHARE * height * width:
        raise GenerationFailure(Code.FLAT_IMAGE, f"{len(counts)} colours, deviation {pixels.std():.2f}")
    return pixels


def _colours(pixels: np.ndarray) -> np.ndarray:
    """Return each pixel's colour as one integer: numbers are sorted many times faster than rows of channels."""
    channels = pixels.reshape(pixels.shape[0] * pixels.shape[1], -1).astype(np.uint32)
    packed = channels[:, 0]
    for channel in channels.T[1:]:
        packed = packed << 8 | channel
    return packed


def library_versions(device: str) -> dict[str, str]:
    """Return the versions on which an image's exact bytes depend, and the kind of processor that sampled it."""
    names = ("torch", "diffusers", "transformers", "numpy", "pillow")
    versions = {name: version(name) for name in names}
    return {"python": platform.python_version(), **versions, "processor": processor(device)}
