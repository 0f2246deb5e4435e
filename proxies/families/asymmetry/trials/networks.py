"""Many small networks trained side by side: one axis of problems (network, data, initialization),
one of learning rates.

A network has three layers with ReLU between them, 64-128-128-10 on digits. Its first two layers
carry W + B A, scale 1, initialized by `lora.SCHEMES`; what is not trained is frozen, the head
included. A run is one lora-attached model trained by Adam (betas .9 and .999, eps 1e-8): tests hold
it to that.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Generator, Tensor
from torch.nn import functional as F

from lora import SCHEMES, Factors
from proxies.instruments.adam import Adam

LAYERS = 3
ADAPTED = LAYERS - 1  # the first layers; the head stays as it is


class Nets(NamedTuple):
    """weights[l] (problems, out, in) and biases[l] (problems, out)."""

    weights: list[Tensor]
    biases: list[Tensor]

    def chosen(self, problems: Sequence[int]) -> "Nets":
        """The networks of these indices, each as often as it is named."""
        index = torch.tensor(problems)
        return Nets([W[index] for W in self.weights], [b[index] for b in self.biases])


class Split(NamedTuple):
    """Inputs x (problems, n, in) and labels y (problems, n)."""

    x: Tensor
    y: Tensor


@dataclass(frozen=True)
class Schedule:
    """How long and on what a network is trained.

    Args:
        steps: of Adam.
        batch: samples a step.
        seed: of the order of the samples.
    """

    steps: int
    batch: int
    seed: int

    def batches(self, samples: int) -> list[Tensor]:
        """Indices of each step's batch: shuffled passes over the samples, all of them where a batch
        holds as many."""
        if self.batch >= samples:
            return [torch.arange(samples)] * self.steps
        rng, each = Generator().manual_seed(self.seed), samples // self.batch
        passes = [
            torch.randperm(samples, generator=rng)[: each * self.batch]
            for _ in range(-(-self.steps // each))
        ]
        return list(torch.cat(passes).split(self.batch))[: self.steps]


def _mirrored(scheme: str) -> Callable[[Tensor, int, Generator], Factors]:
    """The scheme for the transposed weight: what it does to A is done to B."""

    def initialize(W: Tensor, rank: int, rng: Generator) -> Factors:
        B, A = SCHEMES[scheme](W.mT, rank, rng)
        return Factors(A.mT, B.mT)

    return initialize


def _right_singular(W: Tensor, rank: int, rng: Generator) -> Factors:
    """A = V_r^T of W's first r singular triplets, which are the rows of PiSSA's A up to their
    lengths; B = 0."""
    B, A = SCHEMES["pissa"](W, rank, rng, exact=True)
    return Factors(torch.zeros_like(B), F.normalize(A))


def _left_singular(W: Tensor, rank: int, rng: Generator) -> Factors:
    """B = U_r, A = 0."""
    B, A = _right_singular(W.mT, rank, rng)
    return Factors(A.mT, B.mT)


# name: which factors are trained, and their initialization
METHODS: dict[str, tuple[str, Callable[[Tensor, int, Generator], Factors]]] = {
    "BA, random": ("BA", SCHEMES["init_a"]),
    "BA, orthonormal": ("BA", SCHEMES["orthogonal"]),
    "BA, mirrored": ("BA", SCHEMES["init_b"]),
    "B, random": ("B", SCHEMES["init_a"]),
    "B, orthonormal": ("B", SCHEMES["orthogonal"]),
    "B, singular": ("B", _right_singular),
    "A, random": ("A", SCHEMES["init_b"]),
    "A, orthonormal": ("A", _mirrored("orthogonal")),
    "A, singular": ("A", _left_singular),
}


def initialized(
    nets: Nets, method: str, rank: int, seeds: Sequence[int], layers: Sequence[int]
) -> dict[int, Factors]:
    """The factors that a method begins with.

    Args:
        nets: the pretrained networks.
        method: a key of METHODS.
        rank: r of the factors.
        seeds: one a problem.
        layers: which layers are adapted.

    Returns: by layer B (problems, out, r) and A (problems, r, in).
    """
    rule = METHODS[method][1]
    found = {}
    for layer in layers:
        pairs = [
            rule(W, rank, Generator().manual_seed((LAYERS + 1) * seed + layer))
            for W, seed in zip(nets.weights[layer], seeds, strict=True)
        ]
        found[layer] = Factors(*(torch.stack(factor) for factor in zip(*pairs, strict=True)))
    return found


def logits(nets: Nets, factors: dict[int, Factors], x: Tensor) -> Tensor:
    """(problems, learning rates, n, classes) for x (problems, n, in) and factors with the same
    first two axes."""
    h = x[:, None]
    for layer, (W, b) in enumerate(zip(nets.weights, nets.biases, strict=True)):
        # a network's learning rates in one product with its weight, which is not copied for each
        y = torch.baddbmm(b[:, None], h.flatten(1, 2), W.mT).unflatten(1, h.shape[1:3])
        if layer in factors:
            B, A = factors[layer]
            y = y + (h @ A.mT) @ B.mT
        h = y.relu() if layer < len(nets.weights) - 1 else y
    return h


def _loss(nets: Nets, factors: dict[int, Factors], data: Split, index: Tensor) -> Tensor:
    """The cross-entropy of a batch: a sum over runs of means over samples, so runs are apart."""
    found = logits(nets, factors, data.x[:, index])
    labels = data.y[:, None, index].expand(found.shape[:-1])
    return F.cross_entropy(found.flatten(0, 2), labels.flatten(), reduction="sum") / len(index)


def _minimize(
    loss: Callable[[Tensor], Tensor],
    parameters: Sequence[Tensor],
    learning_rate: Tensor,
    batches: Sequence[Tensor],
) -> None:
    """Adam on the loss of each batch.

    Args:
        loss: of the samples of some indices.
        parameters: moved in place.
        learning_rate: (1, n), for the first two axes of each parameter.
        batches: indices of samples, a step each.
    """
    optimizers = [
        (p, Adam(p.detach()), learning_rate.reshape(*learning_rate.shape, *[1] * (p.dim() - 2)))
        for p in parameters
    ]
    for index in batches:
        for gradient, (p, adam, rate) in zip(
            torch.autograd.grad(loss(index), parameters), optimizers, strict=True
        ):
            adam.step(p, gradient, rate)


def train(
    nets: Nets,
    initial: dict[int, Factors],
    trained: str,
    data: Split,
    learning_rates: Sequence[float],
    schedule: Schedule,
) -> dict[int, Factors]:
    """Train some factors of every network by Adam at every learning rate.

    Args:
        nets: the pretrained networks, frozen.
        initial: by layer the factors (problems, ., .) that all learning rates begin with.
        trained: the names of the trained factors, "A", "B" or "BA".
        data: what the cross-entropy is minimised on.
        learning_rates: of each run.
        schedule: steps and batches.

    Returns: by layer the factors (problems, learning rates, ., .).
    """
    many = lambda factor: factor[:, None].repeat(1, len(learning_rates), 1, 1)
    factors = {layer: Factors(many(B), many(A)) for layer, (B, A) in initial.items()}
    _minimize(
        lambda index: _loss(nets, factors, data, index),
        [getattr(pair, name).requires_grad_() for pair in factors.values() for name in trained],
        torch.tensor([learning_rates], dtype=data.x.dtype),
        schedule.batches(data.y.shape[1]),
    )
    return {layer: Factors(B.detach(), A.detach()) for layer, (B, A) in factors.items()}


@torch.no_grad()
def scores(nets: Nets, factors: dict[int, Factors], data: Split) -> tuple[Tensor, Tensor]:
    """Cross-entropy and accuracy, (problems, learning rates) each; logits that are not finite have
    an infinite cross-entropy and count as wrong."""
    found = logits(nets, factors, data.x)
    labels = data.y[:, None].expand(found.shape[:-1])
    finite = found.isfinite().all(-1)
    entropy = F.cross_entropy(found.movedim(-1, 1), labels, reduction="none").double()
    right = (found.argmax(-1) == labels) & finite
    return torch.where(finite, entropy, torch.inf).mean(-1), right.double().mean(-1)


def pretrain(
    data: Split, widths: Sequence[int], seeds: Sequence[int], steps: int = 300, batch: int = 128
) -> Nets:
    """Networks trained by Adam at 1e-3 from He's initialization, one a seed."""
    weights, biases = [], []
    for layer, (in_, out) in enumerate(pairwise(widths)):
        rngs = [Generator().manual_seed((LAYERS + 1) * seed + layer) for seed in seeds]
        draws = [
            torch.randn(out, in_, generator=rng, dtype=data.x.dtype) * (2 / in_) ** 0.5
            for rng in rngs
        ]
        weights.append(torch.stack(draws).requires_grad_())
        biases.append(torch.zeros(len(seeds), out, dtype=data.x.dtype).requires_grad_())
    nets = Nets(weights, biases)
    _minimize(
        lambda index: _loss(nets, {}, data, index),
        [*weights, *biases],
        torch.full((1, 1), 1e-3, dtype=data.x.dtype),
        Schedule(steps, batch, seeds[0]).batches(data.y.shape[1]),
    )
    return Nets([W.detach() for W in weights], [b.detach() for b in biases])
