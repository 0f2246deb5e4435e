"""What sets of images are compared by: an embedding of unit length for each, and distances between
the sets.

The standard is CMMD (arXiv:2401.09603), whose embedding is that of CLIP, ViT-L/14 at 336 pixels,
each image resized without a crop. The digits of 8 x 8 pixels, of which CLIP knows little, have a
small classifier of their own.
"""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from proxies.instruments.digit_networks import Judge
from proxies.instruments.image_distances import kernel, median_distance, mmd
from scaling.core.config import Config
from scaling.models.loading import pretrained
from scaling.pretrained import folder_of
from theory.overparam_generation import SCALE, SIGMA

STANDARD = "openai/clip-vit-large-patch14-336"
Embed = Callable[[Sequence[Image.Image], torch.device], Tensor]  # to (n, d)


def digits() -> Embed:
    """The features of a classifier of the digits, as they are and inverted."""
    judge = Judge(json.loads(Path(folder_of("digit_judge"), "judge.json").read_text())["layers"])

    def embed(images: Sequence[Image.Image], device: torch.device) -> Tensor:
        small = [image.convert("L").resize((8, 8)).get_flattened_data() for image in images]
        return judge.embed(torch.tensor(small) / 127.5 - 1)

    return embed


def clip(config: Config, source: str) -> Embed:
    """Raises ValueError for a model that is not there, or is not CLIP."""
    from transformers import AutoImageProcessor, CLIPVisionModelWithProjection

    try:
        model, processor, fresh = pretrained(
            config, CLIPVisionModelWithProjection, source, AutoImageProcessor
        )
    except ValueError as error:
        raise ValueError(
            f"{error}; name the folder of a CLIP model by --task-options judge FOLDER"
        ) from error
    if fresh:
        raise ValueError(
            f"the judge {source} must be a CLIP model, but has no weights of {fresh[0]}"
        )
    side: int = model.eval().config.image_size  # type: ignore[union-attr]

    def embed(images: Sequence[Image.Image], device: torch.device) -> Tensor:
        size = {"size": {"height": side, "width": side}, "do_center_crop": False}
        pixels = processor([image.convert("RGB") for image in images], return_tensors="pt", **size)[
            "pixel_values"
        ]
        with torch.no_grad():
            return F.normalize(
                model.to(device)(pixels.to(device)).image_embeds.float(), dim=-1
            ).cpu()

    return embed


def distances(drawn: Tensor, real: Tensor) -> dict[str, float]:
    """CMMD, and the MMD whose bandwidth is the median distance of real images, which sees lost
    diversity too; in thousandths, and each beside what two sets of real images would have in the
    mean (`theory.overparam_generation`, equation 6), below which no generator needs to come."""
    found, sigma = mmd(drawn, real), median_distance(real)
    scores = {
        "cmmd": found.biased,
        "cmmd_floor": floor(drawn, real, SIGMA),
        "cmmd_unbiased": found.unbiased,
    }
    if sigma > 0:
        scores |= {"mmd": mmd(drawn, real, sigma).biased, "mmd_floor": floor(drawn, real, sigma)}
    return scores


def floor(drawn: Tensor, real: Tensor, sigma: float) -> float:
    within, n = kernel(real, real, sigma), len(real)
    kappa = float((within.sum() - within.diagonal().sum()) / (n * (n - 1)))
    return SCALE * (1 / len(drawn) + 1 / n) * (1 - kappa)


def nearest(drawn: Tensor, real: Tensor, labels: Sequence[str]) -> list[str]:
    """For each drawn image the class whose real images have the nearest mean."""
    names = sorted(set(labels))
    means = torch.stack(
        [real[torch.tensor([label == name for label in labels])].mean(0) for name in names]
    )
    return [names[i] for i in torch.cdist(drawn, means).argmin(1).tolist()]
