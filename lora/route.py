"""How the forward of an adapted layer is computed."""

from enum import Enum
from typing import Any

from lora.bases import base_of


class Route(Enum):
    """The value is the sentence that `LoRALinear.path` gives."""

    DISABLED = "disabled"
    MERGED = "merged"
    FUSED = "fused"
    GATHERED = "gathered"
    QUANTISED = "unfused: quantised base"
    DROPOUT = "unfused: dropout {dropout:g} acts on the input of the trained branch alone"
    HOOKED = "unfused: the base layer has hooks, which must see its own forward"


def route_of(layer: Any) -> Route:
    """The route of the next forward of a LoRALinear."""
    if layer.disabled:
        return Route.DISABLED
    if layer.merged:
        return Route.MERGED
    base = layer.base_layer
    kind = base_of(base)
    if kind.reads_ids:
        return Route.GATHERED
    if kind.quantised:
        return Route.QUANTISED
    if layer.dropout and layer.training:
        return Route.DROPOUT
    hooks = base._forward_hooks or base._forward_pre_hooks or base._backward_hooks
    return Route.HOOKED if hooks or "forward" in vars(base) else Route.FUSED
