"""Diagnostics of a layer that predict something, from moments of its inputs x and of its output
gradients g.

Rows that are evaluated on the batches that they were fitted to look better than they are. So the
rows of an initialization are fitted to the even batches and evaluated on the odd ones, then the
other way round, and the mean of the two is given:

    explained    Tr(A C A^T) / Tr C, the share of the inputs' variance that EVA's r rows span
                 (theory.gradient_signal)
    signal       Tr(A Q A^T) over that of the gradient optimum's rows, the top r eigenvectors of
                 Q = E[|g|^2 x x^T]: the share of E|dL/dB|^2 at B = 0, whatever the rows' length,
                 that EVA's rows get and random ones expect
    outside      |(I - P) mu|^2 / Tr M, with P the projector on EVA's centred rows: the share of
                 the inputs that centring loses
    tune_b, _a   the shares of the wanted change that training B, or A, explains beside a random
                 frozen factor (theory.asymmetry.freezing); `sign` says it at low rank, above 1
                 for freezing A

All are dimensionless; d and r are the width of the input and the rank.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import mean, median

import torch
from torch import Tensor

import lora
from lora.ranks import redistributed
from scaling.advice.sample import Layer
from theory.asymmetry.freezing import which_to_freeze

RHO = 2.0  # with which EVA's authors redistribute ranks


@dataclass(frozen=True)
class Diagnosis:
    """One layer. `signal` and `signal_uncentred` are of EVA's rows as the code takes them and as
    the theorem does; `rank_shared` is the rank that EVA with rho = 2 would give it among the
    measured layers."""

    layer: str
    shape: tuple[int, int]
    tokens: int
    rank: int
    rank_shared: int
    explained: float
    explained_random: float
    outside: float
    signal: float
    signal_uncentred: float
    signal_random: float
    tune_b: float
    tune_a: float
    sign: float
    freeze: str
    directions_in: float
    directions_out: float


def diagnose(layers: Sequence[Layer], config: lora.Config) -> list[Diagnosis]:
    """One row a layer, at the ranks of this config.

    Args:
        layers: what the probe batches show of each.
        config: of the adapters.
    """
    ranks, shared = (
        {layer.name: config.rank_of(layer.name) for layer in layers},
        ranks_shared(layers, config),
    )
    inputs: dict[int, tuple[float, float]] = {}  # layers that read the same need it once
    found = []
    for layer in layers:
        rank, key = ranks[layer.name], id(layer.inputs)
        if key not in inputs:
            inputs[key] = (explained(layer, rank), outside(layer.inputs, rank))
        centred, uncentred, random = signal(layer, rank)
        G = [half.gradient.cpu().numpy() for half in layer.halves if half.gradient is not None]
        advice = which_to_freeze(
            layer.inputs.second_moment.cpu().numpy(), layer.errors.cpu().numpy(), (G[0], G[1]), rank
        )
        found.append(
            Diagnosis(
                layer=layer.name,
                shape=layer.shape,
                tokens=layer.inputs.tokens or 0,
                rank=rank,
                rank_shared=shared[layer.name],
                explained=inputs[key][0],
                explained_random=min(1.0, rank / layer.shape[1]),
                outside=inputs[key][1],
                signal=centred,
                signal_uncentred=uncentred,
                signal_random=random,
                tune_b=advice.tune_b,
                tune_a=advice.tune_a,
                sign=advice.sign,
                freeze=advice.freeze,
                directions_in=advice.inputs,
                directions_out=advice.errors,
            )
        )
    return found


def ranks_shared(layers: Sequence[Layer], config: lora.Config) -> dict[str, int]:
    """The ranks that EVA with rho = 2 gives, with the budget of these layers."""
    stats, shapes = (
        {layer.name: layer.inputs for layer in layers},
        {layer.name: layer.shape for layer in layers},
    )
    sharing = redistributed(
        replace(config, scheme="eva", scheme_options={"rho": RHO}), stats, shapes
    )
    return {layer.name: sharing.rank_of(layer.name) for layer in layers}


def both_ways(layer: Layer) -> Iterator[tuple[lora.Statistics, lora.Statistics]]:
    """What rows are fitted to, and what they are evaluated on."""
    first, second = layer.halves
    yield first, second
    yield second, first


def explained(layer: Layer, rank: int) -> float:
    """The share of the inputs' variance in EVA's rows; 0 where the inputs do not vary."""
    shares = []
    for fitted, held_out in both_ways(layer):
        variance = held_out.variance().item()
        shares.append(held_out.captured(fitted.axes(rank)[1]) / variance if variance > 0 else 0.0)
    return sum(shares) / 2


def outside(stats: lora.Statistics, rank: int) -> float:
    """The share of the inputs' second moment that lies along their mean outside EVA's rows."""
    V, mu, total = stats.axes(rank)[1], stats.mean, stats.variance(center=False).item()
    return (mu - V @ (V.mT @ mu)).square().sum().item() / total if total > 0 else 0.0


def signal(layer: Layer, rank: int) -> tuple[float, float, float]:
    """The share of the optimum's signal that EVA's centred and uncentred rows get, and that random
    orthonormal ones expect.

    It is above 1 where the rows fitted to Q do worse on other batches, and 0 where no gradient
    reaches the layer.
    """
    shares = []
    for fitted, held_out in both_ways(layer):
        Q = held_out.weighted_second_moment
        assert Q is not None
        best = _along(fitted.signal_axes(rank)[1], Q)
        random = min(1.0, rank / len(Q)) * Q.trace().item()
        of_eva = (_along(fitted.axes(rank, center)[1], Q) for center in (True, False))
        shares.append([value / best if best > 0 else 0.0 for value in (*of_eva, random)])
    centred, uncentred, random = (sum(pair) / 2 for pair in zip(*shares, strict=True))
    return centred, uncentred, random


def _along(V: Tensor, Q: Tensor) -> float:
    """Tr(V^T Q V)."""
    return torch.einsum("ir,ij,jr->", V, Q, V).item()


def spread(found: Sequence[Diagnosis], name: str) -> Mapping[str, float]:
    """Least, median, mean and greatest of one of the numbers over the layers."""
    values = [getattr(row, name) for row in found]
    return {
        "least": min(values),
        "median": median(values),
        "mean": mean(values),
        "greatest": max(values),
    }
