"""What a task is: data and frozen weights stacked over seeds, and the network in two forms.

An adapter is trained on the split `train`; `choose` picks the learning rate, `test` is reported.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.nn import functional as F

SPLITS = ("train", "choose", "test")

# the adapter of a layer, by its number, applied to that layer's input
Update = Callable[[int, Tensor], Tensor]
Weights = tuple[Tensor, ...]
Loss = Callable[[Tensor, Tensor], Tensor]


def no_update(i: int, x: Tensor) -> Tensor:
    return x.new_zeros(())


def cross_entropy(outputs: Tensor, labels: Tensor) -> Tensor:
    """Of each example: outputs (..., examples, classes), labels that broadcast to (...,
    examples)."""
    labels = labels.expand(outputs.shape[:-1])
    each = F.cross_entropy(outputs.flatten(0, -2), labels.flatten(), reduction="none")
    return each.view(labels.shape)


def square_error(outputs: Tensor, targets: Tensor) -> Tensor:
    """Of each example, the mean over its outputs."""
    return (outputs - targets).square().mean(-1)


@dataclass(frozen=True)
class Task:
    """One problem a seed, stacked.

    Args:
        data: inputs and targets (seeds, examples, ...) of each split.
        shapes: (out, in) of the adapted layers.
        layers: their names in `module`.
        weights: the frozen weights, each (seeds, ...).
        forward: the network of all seeds, forward(weights, x, update), for x (seeds, batch, ...)
            with any leading axes that `update` adds.
        module: the network of one seed as a module, of the weights of that seed.
        loss: of each example, from outputs and targets.
    """

    data: dict[str, tuple[Tensor, Tensor]]
    shapes: list[tuple[int, int]]
    layers: tuple[str, ...]
    weights: Weights
    forward: Callable[[Weights, Tensor, Update], Tensor]
    module: Callable[[Weights], nn.Module]
    loss: Loss = cross_entropy

    def outputs(self, x: Tensor, update: Update = no_update) -> Tensor:
        return self.forward(self.weights, x, update)

    def model(self, seed: int) -> nn.Module:
        return self.module(tuple(w[seed] for w in self.weights))

    def mean_loss(self, model: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
        return self.loss(model(batch[0]), batch[1]).mean()

    def of(self, seeds: slice) -> "Task":
        """The task of some of the seeds."""
        data = {split: (x[seeds], y[seeds]) for split, (x, y) in self.data.items()}
        return replace(self, data=data, weights=tuple(w[seeds] for w in self.weights))


def stacked(parts: Sequence[tuple[Tensor, ...]]) -> tuple[Tensor, ...]:
    return tuple(torch.stack(values) for values in zip(*parts, strict=True))
