"""The layers that are measured, and what one forward and backward pass over the probe batches shows
of them.

The time for whole second moments grows as the cube of the width, so not every layer of a large
model is measured: of each kind of layer (the name without its numbers) DEPTHS of them, evenly
spaced through the model, and one in the middle where it is wider than WIDE.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

import lora
from lora.bases import base_of, shape_of

DEPTHS = 2
WIDE = 1024
WIDEST = 4096  # inputs or outputs, of which a whole second moment is kept: 128 MiB each
Loss = Callable[[nn.Module, Any], Tensor]


def sampled(layers: Mapping[str, nn.Module]) -> list[str]:
    """The names of the layers to measure.

    Raises: ValueError where all read indices or are wider than WIDEST.
    """
    kinds: dict[str, list[str]] = {}
    for name, module in layers.items():
        if not base_of(module).reads_ids and max(shape_of(module)) <= WIDEST:
            kinds.setdefault(re.sub(r"\d+", "*", name), []).append(name)
    if not kinds:
        raise ValueError(f"no layer can be measured: all are embeddings, or wider than {WIDEST}")
    wide = {
        kind: max(max(shape_of(layers[name])) for name in names) > WIDE
        for kind, names in kinds.items()
    }
    chosen = {
        name for kind, names in kinds.items() for name in spaced(names, 1 if wide[kind] else DEPTHS)
    }
    return [name for name in layers if name in chosen]


def spaced(names: Sequence[str], count: int) -> list[str]:
    """The middle of each of `count` equal parts, each name once."""
    return list(dict.fromkeys(names[(2 * k + 1) * len(names) // (2 * count)] for k in range(count)))


class Layer(NamedTuple):
    """What the probe batches show of one layer.

    Args:
        name: in the model.
        shape: of its weight, (out, in).
        halves: the statistics of the even and of the odd batches, with G and Q.
        inputs: the statistics of its inputs in all batches, one object for layers that share them.
        errors: H (out, out), proportional to E[g g^T], of all batches.
    """

    name: str
    shape: tuple[int, int]
    halves: tuple[lora.Statistics, lora.Statistics]
    inputs: lora.Statistics
    errors: Tensor


class Errors:
    """Sums of n^2 g g^T, g the gradient of a batch's loss at a layer's output and n the batch's
    tokens.

    Rows that a mask hides need not be left out, as `lora.collect` does: a loss that uses the mask
    sends them no gradient.
    """

    def __init__(self, model: nn.Module, names: Sequence[str], loss: Loss) -> None:
        self.modules = {name: model.get_submodule(name) for name in names}
        self.loss, self.sums = loss, dict[str, Tensor]()

    def __call__(self, model: nn.Module, batch: Any) -> Tensor:
        """The loss, whose backward pass adds to the sums; the hooks are removed when it returns."""
        count = _tokens(batch)

        def watch(name: str) -> Callable[..., None]:
            def hook(module: nn.Module, inputs: Any, output: Tensor) -> None:
                output.register_hook(lambda g: self._add(name, g, count))

            return hook

        handles = [
            module.register_forward_hook(watch(name)) for name, module in self.modules.items()
        ]
        try:
            return self.loss(model, batch)
        finally:
            for handle in handles:
                handle.remove()

    def _add(self, name: str, g: Tensor, count: int | None) -> None:
        rows = g.detach().reshape(-1, g.shape[-1])
        rows = rows.to(torch.promote_types(rows.dtype, torch.float32))
        rows = rows * (count or len(rows))
        product = (rows.mT @ rows).double()
        self.sums[name] = self.sums[name] + product if name in self.sums else product


def _tokens(batch: Any) -> int | None:
    """How many tokens count by the batch's mask, None where it has none."""
    mask = batch.get("attention_mask") if isinstance(batch, Mapping) else None
    return int((mask != 0).sum()) if isinstance(mask, Tensor) and mask.ndim == 2 else None


def probe(
    model: nn.Module, names: Sequence[str], batches: Sequence[Any], loss: Loss
) -> list[Layer]:
    """What the batches show of the layers; the model is untouched, as by `lora.collect`.

    Args:
        model: without adapters.
        names: of the layers.
        batches: at least two.
        loss: of the model on a batch.
    """
    errors = Errors(model, names, loss)
    first, second = (
        lora.collect(model, names, batches[k::2], ("inputs", "gradient"), errors, max_width=WIDEST)
        for k in range(2)
    )
    inputs: dict[int, lora.Statistics] = {}
    layers = []
    for name in names:
        halves, read = (first[name], second[name]), id(first[name].moment)
        if read not in inputs:
            inputs[read] = lora.merged(
                *(replace(h, gradient=None, weighted_second_moment=None) for h in halves)
            )
        layers.append(
            Layer(name, shape_of(errors.modules[name]), halves, inputs[read], errors.sums[name])
        )
    return layers
