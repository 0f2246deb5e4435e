"""Parameter groups for a torch optimiser: which parameters a variant trains, and at which learning
rate."""

from typing import Any, get_args

from torch import nn

from lora.layer import Kind
from lora.model import adapters, attached


def param_groups(
    model: nn.Module, lr: float, ratio: float = 1.0, weight_decay: float = 0.0
) -> list[dict[str, Any]]:
    """Groups for a torch optimiser: A at `lr`, B at `lr * ratio`, the rest at `lr`.

    Membership is by the parameter itself, never by its name. Of a generator network (OP-LoRA), the
    part that makes B alone has the learning rate of B.

    Args:
        model: a model with adapters.
        lr: the learning rate.
        ratio: lr_B / lr_A.
        weight_decay: for A, B and the matrices of the modules_to_save. What a variant trains
            besides B and A (magnitudes, generator networks, directions) gets none, since shrinking
            it would not shrink the update; nor do the vectors of the modules_to_save (biases,
            norms).

    Raises: ValueError for a learning rate or ratio that is not positive, or a negative weight
        decay.
    Source: LoRA+, arXiv:2402.12354.
    """
    for name, value in {"lr": lr, "ratio": ratio}.items():
        if not 0 < value < float("inf"):
            raise ValueError(f"{name} must be positive and finite, got {value!r}")
    if not 0 <= weight_decay < float("inf"):
        raise ValueError(f"weight_decay must be non-negative and finite, got {weight_decay!r}")
    attached(model)
    of_layers = [pair for layer in adapters(model).values() for pair in layer.trained()]
    owned = {id(p) for _, p in of_layers}
    rest = [p for p in model.parameters() if p.requires_grad and id(p) not in owned]
    members = {
        kind: [p for k, p in of_layers if k == kind and p.requires_grad] for kind in get_args(Kind)
    }
    members |= {
        "saved matrices": [p for p in rest if p.ndim > 1],
        "saved vectors": [p for p in rest if p.ndim <= 1],
    }
    return [
        {
            "name": name,
            "params": params,
            "lr": lr * ratio if name in ("B", "generator of B") else lr,
            "weight_decay": weight_decay if name in ("A", "B", "saved matrices") else 0.0,
        }
        for name, params in members.items()
        if params
    ]
