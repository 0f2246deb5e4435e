"""The models that stand beside each other in a row: the floor, ours, PEFT's, plain torch's, full
fine-tuning. Each takes a base model and returns one that is ready to train.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import peft
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import lora
from benchmarks.models import linears

RANK = 16


def frozen(model: Any) -> Any:
    """The floor: nothing trains, and a gradient flows to the input of the first layer."""
    model.requires_grad_(False)
    model.get_input_embeddings().register_forward_hook(lambda _, __, y: y.requires_grad_())
    return model


def full(model: Any) -> Any:
    return model.requires_grad_(True)


def ours(model: Any, rank: int = RANK, **settings: Any) -> Any:
    lora.attach(model, lora.Config(rank=rank, alpha=rank, **settings))
    return model


def theirs(model: Any, rank: int = RANK, half: bool = False, **settings: Any) -> Any:
    """PEFT's model; with `half` its adapters are in the base's type rather than in float32."""
    config = peft.LoraConfig(r=rank, lora_alpha=rank, target_modules=linears(model), **settings)
    return peft.get_peft_model(model, config, autocast_adapter_dtype=not half)


class PlainLoRA(nn.Module):
    """What everybody writes: y = W x + s (x A^T) B^T, with masters in float32."""

    def __init__(self, base: nn.Linear, rank: int) -> None:
        super().__init__()
        self.base_layer = base
        device = base.weight.device
        self.A = nn.Parameter(torch.randn(rank, base.in_features, device=device))
        self.B = nn.Parameter(torch.zeros(base.out_features, rank, device=device))

    def forward(self, x: Tensor) -> Tensor:
        low = F.linear(x, self.A.to(x.dtype))
        return self.base_layer(x) + 1.0 * F.linear(low, self.B.to(x.dtype))


def plain_torch(model: Any, rank: int = RANK) -> Any:
    model.requires_grad_(False)
    for name in linears(model):
        parent, _, child = name.rpartition(".")
        layer = model.get_submodule(name)
        setattr(model.get_submodule(parent), child, PlainLoRA(layer, rank))
    return model


CONTESTANTS: dict[str, Callable[..., Any]] = {
    "frozen base": lambda model, **_: frozen(model),
    "ours": ours,
    "PEFT": theirs,
    "PEFT in bfloat16": partial(theirs, half=True),
    "plain torch": plain_torch,
    "full fine-tuning": lambda model, **_: full(model),
    "ours, dora": partial(ours, variant="dora"),
    "PEFT, dora": partial(theirs, use_dora=True),
    "ours, pissa": partial(ours, scheme="pissa"),
    "ours, A frozen": partial(ours, train_a=False),
    "ours, dash": partial(ours, variant="dash"),
    "ours, overparam": partial(ours, variant="overparam", variant_options={"width": 32}),
}
"""name -> contestant(model, rank=...)"""
