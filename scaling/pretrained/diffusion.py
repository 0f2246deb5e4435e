"""A diffusion transformer that draws scikit-learn's digits 0 to 4, by class, on 8 x 8 pixels, by
flow matching."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from proxies.instruments.digit_targets import SEEN, digits
from scaling.models.diffusion import loss
from scaling.pretrained import fit

STEPS = 800


def make(folder: Path) -> None:
    from diffusers import DiTPipeline, DiTTransformer2DModel, FlowMatchEulerDiscreteScheduler
    from diffusers.utils import logging

    logging.set_verbosity_error()  # it warns of the autoencoder that is not there
    with torch.random.fork_rng():
        torch.manual_seed(0)  # torch draws a module's start from the global generator alone
        net = DiTTransformer2DModel(
            sample_size=8,
            patch_size=4,
            in_channels=1,
            num_layers=4,
            num_attention_heads=4,
            attention_head_dim=16,
            num_embeds_ada_norm=10,  # 5 to 9 have embeddings too, which stay as they were drawn
        )
    pipe = DiTPipeline(net, None, FlowMatchEulerDiscreteScheduler())  # type: ignore[arg-type]
    images, labels = digits()
    examples = [
        (x, y) for x, y in zip(images.view(-1, 1, 8, 8), labels, strict=True) if int(y) in SEEN
    ]
    fit(net, examples, _batch, steps=STEPS, lr=2e-3, batch=128, loss=loss(pipe))
    pipe.save_pretrained(str(folder))


def _batch(examples: list[Any]) -> dict[str, Tensor]:
    pixels, labels = zip(*examples, strict=True)
    return {"pixel_values": torch.stack(pixels), "class_labels": torch.stack(labels)}
