"""Initial factors (B_0, A_0) of the adapted layer: those of `lora.SCHEMES`, and the controls that
the theory names.

The names are those of theory.lr_stability.initializations, which holds the exponents of each.
"""

import zlib
from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import Generator, Tensor

import lora
from lora.sketch import sketch
from lora.statistics import Statistics
from proxies.families.lr_stability.trials.networks import Network, stream


def initialize(name: str, H: Tensor, rank: int, rng: Generator, scale: float = 1.0) -> lora.Factors:
    """B_0 (n, r) and A_0 (r, n) of one layer.

    Args:
        name: a key of `INITIALIZATIONS`.
        H: the inputs of the layer, (n, N).
        rank: r.
        rng: where random factors are drawn from.
        scale: s of the adapter.
    """
    return INITIALIZATIONS[name](H, rank, rng, scale)


def initial_factors(
    names: Sequence[str],
    network: Network,
    width: int,
    seeds: Sequence[int],
    rank: int,
    scale: float = 1.0,
) -> lora.Factors:
    """Factors for every seed and name. Those of a name depend on no other in the list.

    Args:
        names: keys of `INITIALIZATIONS`.
        network: of these seeds.
        width: n.
        seeds: from which random factors are drawn, together with the width and the name.
        rank: r.
        scale: s of the adapter.

    Returns: B (S, K, n, r) and A (S, K, r, n).
    """
    drawn = [
        [
            initialize(name, H.cpu(), rank, stream(seed, width, zlib.crc32(name.encode())), scale)
            for name in names
        ]
        for H, seed in zip(network.H, seeds, strict=True)
    ]
    stack = lambda part: torch.stack([torch.stack([f[part] for f in row]) for row in drawn]).to(
        network.H.device
    )
    return lora.Factors(stack(0), stack(1))


def _blind(name: str) -> Callable[..., lora.Factors]:
    """A scheme that sees the shape of the weight and nothing else: n x n zeros in the memory of one
    number."""

    def rule(H: Tensor, rank: int, rng: Generator, scale: float) -> lora.Factors:
        return lora.SCHEMES[name](H.new_zeros(()).expand(len(H), len(H)), rank, rng, scale=scale)

    return rule


def _eva(H: Tensor, rank: int, rng: Generator, scale: float, whiten: bool = False) -> lora.Factors:
    """EVA's rows depend on the inputs alone, whose covariance is given by its factor; B_0 = 0."""
    mean = H.double().mean(1)
    F = (H.double() - mean[:, None]) / H.shape[1] ** 0.5
    known = sketch(F, F.square().sum().item())
    stats = Statistics(H.shape[1], mean, None, covariance_sketch=known, tokens=H.shape[1])
    A = lora.SCHEMES["eva"](H.new_zeros(rank, len(H)), rank, rng, stats, scale, whiten=whiten).A
    return lora.Factors(H.new_zeros(len(H), rank), A)


def _both_random(H: Tensor, rank: int, rng: Generator, scale: float) -> lora.Factors:
    """Init[AB]: A_0 of Init[A], and B_0 with entries of the same size."""
    return lora.Factors(
        INITIALIZATIONS["init_a"](H, rank, rng, scale).A.mT,
        INITIALIZATIONS["init_a"](H, rank, rng, scale).A,
    )


def _orthonormal_pair(H: Tensor, rank: int, rng: Generator, scale: float) -> lora.Factors:
    """PiSSA of a weight whose r singular values of order 1 lead, its right vectors random for the
    inputs."""
    draw = lambda: INITIALIZATIONS["orthogonal"](H, rank, rng, scale).A / scale**0.5
    return lora.Factors(draw().mT.contiguous(), draw())


def _aligned_pair(H: Tensor, rank: int, rng: Generator, scale: float) -> lora.Factors:
    """The same with right vectors along the inputs' principal directions."""
    B, _ = _orthonormal_pair(H, rank, rng, scale)
    return lora.Factors(B, _eva(H, rank, rng, scale).A / scale**0.5)


INITIALIZATIONS: dict[str, Callable[..., lora.Factors]] = {
    "init_a": _blind("init_a"),
    "init_b": _blind("init_b"),
    "gaussian": _blind("gaussian"),
    "orthogonal": _blind("orthogonal"),
    "eva": _eva,
    "eva_whitened": partial(_eva, whiten=True),
    "init_ab": _both_random,
    "pissa": _orthonormal_pair,
    "pissa_aligned": _aligned_pair,
}
