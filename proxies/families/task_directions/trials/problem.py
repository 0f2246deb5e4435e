"""What a method is tried on: a pretrained model, data to adapt it to, and the change that is wanted
of it."""

from collections.abc import Callable
from dataclasses import dataclass

from torch import Generator, Tensor, nn

Batch = tuple[Tensor, Tensor]


@dataclass(frozen=True)
class Task:
    """What a method is trained and compared on.

    Args:
        model: gives a new copy of the pretrained model.
        batch: gives the inputs and targets of one step.
        loss: what is minimised.
        error: what is compared.
        layers: the names of the layers to adapt.
        wanted: gives by name the change (out, in) that an oracle knows: the planted one, or that
            of full fine-tuning.
    """

    model: Callable[[], nn.Module]
    batch: Callable[[Generator], Batch]
    loss: Callable[[nn.Module, Batch], Tensor]
    error: Callable[[nn.Module], float]
    layers: tuple[str, ...]
    wanted: Callable[[], dict[str, Tensor]]
