"""The coordinate check: how the features of LoRA layers inside a transformers model grow with its
width.

For a layer with input x, at step t,

    Z_A = A x,    Z_B = s (B A - B0 A0) x,                                                       (1)
    Z_A' - Z_A = (A' - A) x where x stays,  delta1 = s B (Z_A' - Z_A),                           (2)
    delta2 = s (B' - B) Z_A,  delta3 = s (B' - B)(Z_A' - Z_A),                                   (3)

where a prime is the step's new value; delta1 + delta2 + delta3 is the change of s B Z_A
(arXiv:2406.08447). Each is recorded as its root mean square over tokens and coordinates. The
learning rates are k n^c_A and k n^c_B.

The theory is of one adapted layer that is trained while all else is frozen. So each layer is
trained alone, from the same initialization, one after the other; `together` trains all at once.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

import lora
from lora import LoRALinear
from proxies.instruments.architectures import Setting, at_width
from proxies.instruments.slopes import slopes

QUANTITIES = ("Z_A", "Z_B", "delta1", "delta2", "delta3")
EPS = 1e-30  # of Adam: gradients shrink with width, and must be normalised all the same
Features = dict[str, Tensor]
Series = dict[str, list[float | None]]  # by quantity, a step each; None for what is not finite


def coordinates(
    config: dict[str, Any],
    width: int,
    seed: int,
    scheme: str,
    exponents: Sequence[float],
    steps: int,
    rank: int,
    rate: float,
    blocks: int,
    together: bool,
) -> dict[str, Series]:
    """Root mean squares of `QUANTITIES` after each step of Adam, by layer.

    Args:
        config: a transformers configuration as a dict.
        width: the hidden size.
        seed: of the model, the batch and the adapters.
        scheme: a row of `lora.SCHEMES`.
        exponents: c_A and c_B.
        steps: of Adam.
        rank: of the adapters, with alpha = rank.
        rate: k.
        blocks: to which the model is cut down.
        together: train all layers at once, in place of each alone.
    """
    setting = at_width(config, width, blocks, seed)
    model = setting.model
    lora.attach(
        model, lora.Config(rank, rank, scheme=scheme, seed=seed), [setting.ids], setting.loss
    )
    rates = [rate * width**c for c in exponents]
    names = _reaching(setting)
    found: dict[str, Series] = {}
    for trained in [names] if together else [[name] for name in names]:
        found |= trajectory(setting, trained, rates, steps)
    return found


def _reaching(setting: Setting) -> list[str]:
    """The layers on which the probe depends: a pooler's output, for one, goes elsewhere."""
    layers = lora.adapters(setting.model)
    loss = setting.loss(setting.model, setting.ids)
    factors = [layer.factors()[0] for layer in layers.values()]
    gradients = torch.autograd.grad(loss, factors, allow_unused=True)
    return [name for name, g in zip(layers, gradients, strict=True) if g is not None]


def trajectory(
    setting: Setting, trained: Sequence[str], rates: Sequence[float], steps: int
) -> dict[str, Series]:
    """Train some layers, record their quantities, and put their factors back.

    Args:
        setting: the model with its adapters, batch and probe.
        trained: names of the layers.
        rates: the learning rates of A and of B.
        steps: of Adam.
    """
    model, layers = setting.model, lora.adapters(setting.model)
    for name, layer in layers.items():
        for _, parameter in layer.trained():
            parameter.requires_grad_(name in trained)
    initial = {
        name: [factor.detach().clone() for factor in layers[name].factors()] for name in trained
    }
    groups = lora.param_groups(model, rates[0], rates[1] / rates[0])
    optimizer = torch.optim.Adam(groups, eps=EPS)
    inputs: dict[str, Tensor] = {}
    hooks = [layers[name].register_forward_pre_hook(_keep(inputs, name)) for name in trained]
    found: dict[str, Series] = {name: {quantity: [] for quantity in QUANTITIES} for name in trained}
    before: dict[str, Features] = {}
    for step in range(steps + 1):
        loss = setting.loss(model, setting.ids)
        for name in trained:
            after = _features(layers[name], inputs[name])
            if step:
                for quantity, value in _changes(before[name], after, layers[name].scale).items():
                    size = value.square().mean().sqrt().item()
                    found[name][quantity].append(size if math.isfinite(size) else None)
            before[name] = after
        if step < steps:
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    for hook in hooks:
        hook.remove()
    with torch.no_grad():
        for name, factors in initial.items():
            for factor, value in zip(layers[name].factors(), factors, strict=True):
                factor.copy_(value)
    return found


def _keep(inputs: dict[str, Tensor], name: str) -> Any:
    def hook(module: LoRALinear, arguments: tuple[Tensor, ...]) -> None:
        inputs[name] = arguments[0].detach().flatten(0, -2)

    return hook


@torch.no_grad()
def _features(layer: LoRALinear, x: Tensor) -> Features:
    B, A = (factor.clone() for factor in layer.factors())
    L, R = layer.update()
    return {"B": B, "Z_A": x @ A.mT, "Z_B": layer.scale * (x @ R.mT) @ L.mT}


def _changes(before: Features, after: Features, scale: float) -> Features:
    """(1) to (3), each (tokens, r) or (tokens, out)."""
    B, Z_A = after["B"] - before["B"], after["Z_A"] - before["Z_A"]
    return {
        "Z_A": after["Z_A"],
        "Z_B": after["Z_B"],
        "delta1": scale * Z_A @ before["B"].mT,
        "delta2": scale * before["Z_A"] @ B.mT,
        "delta3": scale * Z_A @ B.mT,
    }


def growth(widths: Sequence[int], sizes: np.ndarray) -> np.ndarray:
    """Exponents in the width of sizes (widths, ...): -inf for what is zero at every width, inf for
    what is not finite at one of them, nan for what is zero at some widths only."""
    zero, finite = sizes == 0, np.isfinite(sizes).all(0)
    fits = slopes(widths, np.log2(np.where(zero | ~finite, 1.0, sizes)))
    return np.select([~finite, zero.all(0), zero.any(0)], [np.inf, -np.inf, np.nan], fits)


def fitted(widths: Sequence[int], trials: Sequence[Sequence[dict[str, Series]]]) -> np.ndarray:
    """Slopes (seeds, layers, quantities, steps) of what `coordinates` gave, by width and then
    seed."""
    sizes = [
        [[[layer[q] for q in QUANTITIES] for layer in trial.values()] for trial in row]
        for row in trials
    ]
    return growth(widths, np.array(sizes, float))
