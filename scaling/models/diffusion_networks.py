"""What an image generator is made of, as the library diffusers has it: a pipeline of networks and a
scheduler.

Adapted is the network that removes noise, `unet` or `transformer`. The rest is frozen: an
autoencoder where the network works on latents, a tokenizer and a text encoder where texts say what
to draw. Three networks are known: UNet2DModel, with or without classes, DiTTransformer2DModel, and
UNet2DConditionModel with one text encoder, as in Stable Diffusion 1 and 2. A pipeline that was
saved without its autoencoder works on pixels.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

Batch = dict[str, Tensor]


def network(pipe: Any) -> Any:
    """What is adapted; None where the pipeline has neither a unet nor a transformer."""
    return pipe.components.get("unet") or pipe.components.get("transformer")


def vae_of(pipe: Any) -> Any:
    return pipe.components.get("vae")


def is_flow(scheduler: Any) -> bool:
    from diffusers import FlowMatchEulerDiscreteScheduler

    return isinstance(scheduler, FlowMatchEulerDiscreteScheduler)


def classes(pipe: Any) -> int:
    """How many classes the network can be asked for; 0 where it is not asked by class."""
    config = network(pipe).config
    return config.get("num_embeds_ada_norm") or config.get("num_class_embeds") or 0


def numbers(pipe: Any, labels: Sequence[Any]) -> dict[Any, int]:
    """The class of each label: by the pipeline's own names, or the label itself where all are whole
    numbers, or by the order in which they come. Raises ValueError where the network has no such
    class."""
    from diffusers import DiTPipeline

    if isinstance(pipe, DiTPipeline) and all(label in pipe.labels for label in labels):
        return {label: pipe.labels[label] for label in labels}
    whole = all(isinstance(label, int) for label in labels)
    found = {label: label if whole else i for i, label in enumerate(labels)}
    for label, number in found.items():
        if not 0 <= number < (count := classes(pipe)):
            raise ValueError(
                f"label {label!r} would be class {number}, and the network has {count}, from 0 on"
            )
    return found


def asked_by(pipe: Any) -> str | None:
    """What tells the pipeline what to draw: "text", "label" or nothing."""
    return (
        "text"
        if pipe.components.get("text_encoder") is not None
        else "label"
        if classes(pipe)
        else None
    )


def resolution(pipe: Any) -> tuple[int, int]:
    """Channels and side of an image in pixels."""
    config = network(pipe).config
    if (vae := vae_of(pipe)) is None:
        return config["in_channels"], config["sample_size"]
    return vae.config["in_channels"], config["sample_size"] * 2 ** (
        len(vae.config["block_out_channels"]) - 1
    )


def encode(pipe: Any, pixels: Tensor) -> Tensor:
    """Pixels in [-1, 1] to what the network works on; an autoencoder's latents are drawn, from the
    global random generator."""
    if (vae := vae_of(pipe)) is None:
        return pixels
    return (vae.encode(pixels).latent_dist.sample() - _shift(vae)) * vae.config["scaling_factor"]


def decode(pipe: Any, latents: Tensor) -> Tensor:
    """What the network works on to pixels in [-1, 1]."""
    if (vae := vae_of(pipe)) is not None:
        latents = vae.decode(latents / vae.config["scaling_factor"] + _shift(vae)).sample
    return latents.clamp(-1, 1)


def _shift(vae: Any) -> float:
    return vae.config.get("shift_factor") or 0.0


def tokens(pipe: Any, texts: Sequence[str]) -> list[list[int]]:
    """Padded to the length that the text encoder takes, as the pipeline does."""
    longest = pipe.tokenizer.model_max_length
    return pipe.tokenizer(list(texts), padding="max_length", max_length=longest, truncation=True)[
        "input_ids"
    ]


def condition(pipe: Any, batch: Batch) -> Batch:
    """The network's keyword that says what to draw, if it takes one."""
    if "input_ids" in batch:
        return {"encoder_hidden_states": pipe.text_encoder(batch["input_ids"])[0]}
    return {"class_labels": batch["class_labels"]} if "class_labels" in batch else {}


def can_be_guided(pipe: Any) -> bool:
    """Whether the network was trained to draw unasked too: from the empty text, or from the class
    that a DiTTransformer2DModel has besides its own."""
    return asked_by(pipe) == "text" or "num_embeds_ada_norm" in network(pipe).config


def unasked(pipe: Any, batch: Batch) -> Batch:
    """The batch with nothing asked for, of a pipeline that can be guided."""
    if "input_ids" in batch:
        return {
            "input_ids": torch.tensor(tokens(pipe, [""] * len(batch["input_ids"]))).to(
                batch["input_ids"]
            )
        }
    return {"class_labels": torch.full_like(batch["class_labels"], classes(pipe))}
