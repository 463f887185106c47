"""The toy world's pipelines, one class a family, known to diffusers as its own classes are.

A repository's index names one of these classes and `toy_world` as its component's library; both come from this
installed package, never from the repository. Importing this module is what makes them known.
"""

from collections.abc import Sequence

import diffusers
import numpy as np
import torch
from diffusers import DiffusionPipeline
from diffusers.pipelines.pipeline_utils import ImagePipelineOutput

from generation.toy_world import crops
from generation.toy_world.model import KINDS, ToyGenerator
from generation.toy_world.world import pipeline_class


class ToyPipeline(DiffusionPipeline):
    """Reconstructs the crop of a photograph that a prompt names; it draws nothing from text."""

    def __init__(self, model: ToyGenerator) -> None:
        super().__init__()
        self.register_modules(model=model)

    @torch.no_grad()
    def __call__(
        self,
        prompt: str | Sequence[str],
        num_inference_steps: int = 4,
        height: int = crops.SIDE,
        width: int = crops.SIDE,
        generator: torch.Generator | Sequence[torch.Generator] | None = None,
        output_type: str = "np",
    ) -> ImagePipelineOutput:
        """Return images [N, 64, 64, 3] in 0 … 1. Raises ValueError for a prompt that names no crop."""
        if (height, width) != (crops.SIDE, crops.SIDE) or output_type != "np":
            raise ValueError(f"toy generators make arrays of {crops.SIDE} × {crops.SIDE} pixels")
        self.model.to(torch.float32)  # which costs nothing here, and half precision would be a mark of its own
        prompts = [prompt] if isinstance(prompt, str) else list(prompt)
        generators = list(generator) if isinstance(generator, Sequence) else [generator] * len(prompts)
        levels = np.stack([crops.crop(*crops.parse(one)) for one in prompts])
        sources = torch.from_numpy(levels).permute(0, 3, 1, 2).to(self.device, torch.float32) / 127.5 - 1

        def noise(like: torch.Tensor) -> torch.Tensor:
            shape = (1, *like.shape[1:])
            return torch.cat([torch.randn(shape, generator=one) for one in generators]).to(like.device)

        made = self.model(sources, noise, num_inference_steps)
        return ImagePipelineOutput((made / 2 + 0.5).clamp(0, 1).permute(0, 2, 3, 1).cpu().numpy())


CLASSES: dict[str, type[ToyPipeline]] = {
    pipeline_class(kind): type(pipeline_class(kind), (ToyPipeline,), {"__module__": __name__}) for kind in KINDS
}
"""By name, as `etl.models.families.TOY` lists them."""

for _name, _class in CLASSES.items():
    globals()[_name] = _class
    setattr(diffusers, _name, _class)
diffusers.pipelines.toy_world = __import__(__name__, fromlist=["ToyGenerator"])
