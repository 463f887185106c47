"""From requests to checked PNG bytes, one image at a time, the same bytes in every process.

One CPU generator an image, batch size 1 and one thread: a batch's size and the number of threads change results
in the last bits. The generator is the CPU's on a GPU too, so that the starting noise does not depend on it.
"""

import inspect
import io
import platform
from importlib.metadata import version
from typing import Any

import diffusers
import numpy as np
import torch
from PIL import Image

from generation.failures import Code, GenerationFailure
from generation.families import DEFAULTS
from generation.plan import Request

BATCH_SIZE = 1
LEAST_DEVIATION = 2.0
"""Standard deviation over all values of an image (0 … 255) below which it is flat."""
LARGEST_SHARE = 0.99
"""Share of pixels of one colour from which an image is flat."""


def sample(pipeline: Any, request: Request) -> tuple[bytes, dict[str, Any]]:
    """Return one image as PNG, and what made it.

    Raises GenerationFailure: NAN_IMAGE, FLAT_IMAGE, WRONG_SIZE, OOM.
    """
    _set_scheduler(pipeline, request.scheduler)
    torch.manual_seed(request.seed)  # for schedulers that draw without the generator that they are given
    try:
        with torch.inference_mode():
            output = pipeline(**arguments(pipeline, request))
    except (MemoryError, torch.OutOfMemoryError) as error:
        raise GenerationFailure(Code.OOM, f"while sampling: {error}") from error
    pixels = checked(np.asarray(output.images[0]), request)
    return encode(pixels), {
        "width": pixels.shape[1],
        "height": pixels.shape[0],
        "scheduler": type(_scheduler(pipeline)).__name__,
        "dtype": str(pipeline.dtype).removeprefix("torch."),
        "batch_size": BATCH_SIZE,
    }


def arguments(pipeline: Any, request: Request) -> dict[str, Any]:
    """Return what the pipeline's call is given: of all that a request says, what its signature knows."""
    defaults = DEFAULTS[type(pipeline).__name__]
    offered = {
        "prompt": request.prompt,
        "negative_prompt": request.negative_prompt,
        "class_labels": None if request.class_label is None else [request.class_label],
        "batch_size": BATCH_SIZE if defaults.conditioning == "none" else None,
        defaults.steps_argument: request.steps,
        defaults.guidance_argument: request.guidance,
        "width": request.width,
        "height": request.height,
        # On by default in some classes: it would replace the size asked for by one of its own list.
        "use_resolution_binning": False,
        # On by default in some classes, and then done or not by which packages are installed.
        "clean_caption": False,
        "generator": torch.Generator("cpu").manual_seed(request.seed),
        "output_type": "np",
    }
    known = inspect.signature(pipeline.__call__).parameters
    return {name: value for name, value in offered.items() if name in known and value is not None}


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


def _scheduler(pipeline: Any) -> Any:
    """Return the scheduler of the last stage that is a diffusion from noise."""
    return pipeline.decoder_scheduler if "decoder_scheduler" in pipeline.components else pipeline.scheduler


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
    colours, counts = np.unique(pixels.reshape(height * width, -1), axis=0, return_counts=True)
    if pixels.std() < LEAST_DEVIATION or counts.max() >= LARGEST_SHARE * height * width:
        raise GenerationFailure(Code.FLAT_IMAGE, f"{len(colours)} colours, deviation {pixels.std():.2f}")
    return pixels


def encode(pixels: np.ndarray) -> bytes:
    """Return the pixels as a PNG without any metadata, so that the same pixels are the same bytes."""
    target = io.BytesIO()
    Image.fromarray(pixels).save(target, format="PNG", compress_level=6)
    return target.getvalue()


def library_versions() -> dict[str, str]:
    """Return the versions on which an image's exact bytes depend."""
    names = ("torch", "diffusers", "transformers", "numpy", "pillow")
    return {"python": platform.python_version(), **{name: version(name) for name in names}}
