"""Copies: a layer that has another weight, and a factor that shares no memory."""

import copy
from typing import Any

import torch
from torch import Tensor, nn


def holding(base: nn.Module, weight: Tensor) -> nn.Module:
    """A twin of a layer that has this weight, and shares all else with it."""
    if "forward" in vars(base):  # accelerate's, which is bound to the layer: the twin needs its own
        shared: Any = {id(t): t for t in (*base.parameters(), *base.buffers())}
        twin = copy.deepcopy(base, shared)
    else:
        twin = copy.copy(base)
        twin._parameters = dict(base._parameters)
    twin.weight = nn.Parameter(weight, requires_grad=False)
    return twin


def own(factor: Tensor) -> Tensor:
    return factor.detach().clone(memory_format=torch.contiguous_format)
