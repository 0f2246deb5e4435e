"""What training a linear layer takes: of an adapter by building it, without numbers, on a layer of
that shape, and of the weight itself in full fine-tuning."""

from collections.abc import Iterable
from typing import NamedTuple

import torch
from torch import nn

import lora
from lora.model import build_layer
from lora.schemes import Factors
from scaling.advice.plan.decoder import Linear

FLOAT = 4  # bytes: what is trained is float32
STATE = 2  # numbers that AdamW keeps of each


class Trained(NamedTuple):
    """Of one layer, in numbers; of full fine-tuning the defaults are right.

    Args:
        trained: that get gradients.
        carried: of all tensors that the adapter adds, those that stay fixed too.
        saved: in the adapter's file.
        rank: of the update s L R: more than the adapter's where it has fixed parts too.
        inputs, images: whether the layer's input x, and R x, are kept for backward.
        made: whether L and R are computed in each forward, and are no parameters.
        rescaled: whether the rows are.
        dropout: whether it acts on x.
    """

    trained: int
    carried: int
    saved: int
    rank: int = 0
    inputs: bool = True
    images: bool = False
    made: bool = False
    rescaled: bool = False
    dropout: bool = False


def on_layer(adapter: lora.Config, out: int, in_: int, rank: int) -> Trained:
    """Of an adapter on a layer whose weight is (out, in).

    Args:
        adapter: its variant, scheme and options. Where a scheme distributes ranks by data, the rank
            that is asked for counts.
        out, in_: of the weight.
        rank: of the adapter.

    Raises: ValueError as the variant does.
    """
    base = nn.Linear(in_, out, bias=False, device="meta")
    base.weight = nn.Parameter(torch.ones(()).expand(out, in_), False)  # it takes no memory
    factors = Factors(torch.zeros(out, rank), torch.zeros(rank, in_))
    pair = None if lora.SCHEMES[adapter.scheme].zero_product else factors
    layer = build_layer(adapter, "layer", base, factors, pair)
    L, _ = layer.update()
    saved, m = layer.exported(), layer.magnitudes()
    parameters = [p for _, p in layer.trained()]
    return Trained(
        sum(p.numel() for p in parameters if p.requires_grad),
        sum(t.numel() for t in (*parameters, *layer.buffers())),
        saved.B.numel() + saved.A.numel() + (0 if m is None else m.numel()),
        L.shape[1],
        adapter.train_a,
        adapter.train_b,
        not isinstance(L, nn.Parameter),
        m is not None,
        adapter.dropout > 0,
    )


def adapted(adapter: lora.Config, layers: Iterable[Linear]) -> dict[str, Trained]:
    """Of all layers that have an adapter, by name."""
    known: dict[tuple[int, int, int], Trained] = {}
    found = {}
    for layer in layers:
        if layer.rank:
            shape = layer.out, layer.in_, layer.rank
            if shape not in known:
                known[shape] = on_layer(adapter, *shape)
            found[layer.name] = known[shape]
    return found


def on_weight(out: int, in_: int) -> Trained:
    """Of full fine-tuning."""
    return Trained(out * in_, 0, out * in_)
