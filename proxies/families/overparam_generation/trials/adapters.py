"""The layers of many runs at once: frozen linear layers, each seed's own, and each run's own update
of them.

A run begins as `lora.attach` makes it: its parameters are read off the adapted module, by their
names there, and stacked as (learning rates, seeds, ...). What a layer computes from them is
written again here for a batch of runs, because torch cannot map the library's fused product over
runs; a test holds every variant to the library's own.

    y = W x + b + B A x,                                     plain and overparam, scale s = 1
    y = b + (m / n) (W + B A) x,    n the row norms          dora and op_dora; n is a constant in
                                    backward

Row norms come from n^2 = |W|^2 + 2 (W A^T . B) + (B A A^T . B) by rows, so that no run's dense
weight is formed.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor

import lora
from proxies.instruments.digit_networks import Linear
from proxies.instruments.flow_matching import SHAPES, Flow

METHODS = {"LoRA": "plain", "OP-LoRA": "overparam", "DoRA": "dora", "OP-DoRA": "op_dora"}
"""each method's variant of `lora`"""
Parameters = list[dict[str, Tensor]]  # of each layer, by name


def stacked(networks: Sequence[Sequence[Linear]]) -> list[Linear]:
    """The layers of the seeds' base models: W (seeds, out, in) and b (seeds, out) of each."""
    return [
        Linear(*map(torch.stack, zip(*one, strict=True))) for one in zip(*networks, strict=True)
    ]


def of_seed(base: Sequence[Linear], i: int) -> list[Linear]:
    """The layers of one seed's base model."""
    return [Linear(layer.W[i], layer.b[i]) for layer in base]


def linear(layer: Linear, x: Tensor) -> Tensor:
    """W x + b with each seed's own W and b, for x (..., seeds, n, in). Seeds go first, so that the
    inputs at all learning rates meet a seed's W in one product."""
    rows = x.movedim(-3, 0).flatten(1, -2)
    y = torch.baddbmm(layer.b[:, None], rows, layer.W.mT)
    return y.unflatten(1, (*x.shape[:-3], x.shape[-2])).movedim(0, -3)


def module(base: Sequence[Linear]) -> Flow:
    net = Flow().to(base[0].W.dtype)
    for layer, (W, b) in zip(net.layers, base, strict=True):
        layer.load_state_dict({"weight": W, "bias": b})
    return net


def attached(base: Sequence[Linear], method: str, rank: int, seed: int) -> Flow:
    """One seed's base model as a module with this method's adapters on all four layers, s = 1."""
    net = module(base)
    names = tuple(f"layers.{i}" for i in range(len(SHAPES)))
    lora.attach(
        net, lora.Config(rank, alpha=rank, target_modules=names, variant=METHODS[method], seed=seed)
    )
    return net


def initial(
    base: Sequence[Linear], method: str, rank: int, seeds: Sequence[int], rates: int
) -> Parameters:
    """Each layer's trained parameters before training.

    Args:
        base: the frozen layers of the seeds, stacked.
        method: its name in METHODS.
        rank: of the adapters.
        seeds: of the initializations, in the order of the stack.
        rates: the number of learning rates, which begin alike.

    Returns: for each layer a tensor (rates, seeds, ...) by name.
    """
    found = []
    for i, seed in enumerate(seeds):
        layers = lora.adapters(attached(of_seed(base, i), method, rank, seed)).values()
        found.append(
            [
                {n: p.detach() for n, p in layer.named_parameters() if p.requires_grad}
                for layer in layers
            ]
        )
    many = lambda values: torch.stack(values).expand(rates, *[-1] * (values[0].ndim + 1)).clone()
    return [
        {name: many([one[i][name] for one in found]) for name in found[0][i]}
        for i in range(len(SHAPES))
    ]


def layers(base: Sequence[Linear], parameters: Parameters) -> list[Callable[[Tensor], Tensor]]:
    """What each layer computes of x (..., n, in), whose leading axes broadcast against those of the
    runs."""
    return [
        partial(_layer, layer, *factors(layer, P))
        for layer, P in zip(base, parameters, strict=True)
    ]


def merged(base: Sequence[Linear], parameters: Parameters) -> list[Linear]:
    """Each layer with every run's update inside its weight: W (learning rates, seeds, out, in) and
    b (seeds, out). One product a layer, where many inputs meet weights that stay."""
    found = []
    for (W, b), P in zip(base, parameters, strict=True):
        B, A, m = factors(Linear(W, b), P)
        V = W + B @ A
        if m is not None:
            V = V * (m / torch.linalg.vector_norm(V, dim=-1))[..., None]
        found.append(Linear(V, b))
    return found


def alive(parameters: Parameters) -> Tensor | None:
    """The share of hidden units that pass a gradient, (learning rates, seeds); None for a method
    that has none."""
    if "generator.z" not in parameters[0]:
        return None
    return torch.stack([(_hidden(P) > 0).double().mean(-1) for P in parameters]).mean(0)


def factors(layer: Linear, P: dict[str, Tensor]) -> tuple[Tensor, Tensor, Tensor | None]:
    """B (..., out, r), A (..., r, in) and the rows' magnitudes (..., out), or None, of one layer of
    many runs."""
    generated = "generator.z" in P
    heads = _heads(P) if generated else P
    runs = next(iter(P.values())).shape[:2]
    out, in_ = layer.W.shape[-2:]
    m = heads.get("magnitude")
    if m is not None and generated:
        m = m + torch.linalg.vector_norm(layer.W, dim=-1)
    return heads["B"].reshape(*runs, out, -1), heads["A"].reshape(*runs, -1, in_), m


def _hidden(P: dict[str, Tensor]) -> Tensor:
    return (_Product.apply(P["generator.W1"], P["generator.z"]) + P["generator.b1"]).relu()


def _heads(P: dict[str, Tensor]) -> dict[str, Tensor]:
    """theta = W2 relu(W1 z + b1) + b2 of each head."""
    h = _hidden(P)
    names = {name.split(".")[2] for name in P if name.startswith("generator.heads.")}
    W2, b2 = ({n: P[f"generator.heads.{n}.{part}"] for n in names} for part in ("weight", "bias"))
    return {n: _Product.apply(W2[n], h) + b2[n] for n in names}


class _Product(torch.autograd.Function):
    """W h for W (..., p, m) and h (..., m). As a row times a matrix, and with the gradient of W
    laid out like W: what torch makes of W @ h takes four times as long."""

    @staticmethod
    def forward(ctx: Any, W: Tensor, h: Tensor) -> Tensor:
        ctx.save_for_backward(W, h)
        return (h[..., None, :] @ W.mT)[..., 0, :]

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor, Tensor]:  # type: ignore[override]
        W, h = ctx.saved_tensors
        return g[..., None] * h[..., None, :], (g[..., None, :] @ W)[..., 0, :]


def _layer(layer: Linear, B: Tensor, A: Tensor, m: Tensor | None, x: Tensor) -> Tensor:
    y = linear(layer, x) + (x @ A.mT) @ B.mT
    if m is None:
        return y
    with torch.no_grad():
        n = row_norms(layer.W, B, A)
    return y + ((m - n) / n)[..., None, :] * (y - layer.b[:, None])


def row_norms(W: Tensor, B: Tensor, A: Tensor) -> Tensor:
    """Of W + B A by rows, (..., out)."""
    WA = W @ A.mT
    return (W.square().sum(-1) + ((2 * WA + B @ (A @ A.mT)) * B).sum(-1)).sqrt()
