"""Many small networks trained side by side: one axis of problems (net, data, start), one of
learning rates.

A network is 64-128-128-10 with ReLU. Its first two layers carry W + B A, scale 1, started by
`lora.SCHEMES`; what is not tuned is frozen, the head included. A run is one lora-attached model
trained by Adam: tests hold it to that.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Generator, Tensor
from torch.nn import functional as F

from lora import SCHEMES, Factors

WIDTHS = (64, 128, 128, 10)
ADAPTED = 2  # the first layers; the head stays as it is
BETA1, BETA2, EPS = 0.9, 0.999, 1e-8  # Adam's


class Nets(NamedTuple):
    """weights[l] (problems, out, in) and biases[l] (problems, out)."""

    weights: list[Tensor]
    biases: list[Tensor]

    def chosen(self, problems: Sequence[int]) -> "Nets":
        """The nets of these indices, each as often as it is named."""
        index = torch.tensor(problems)
        return Nets([W[index] for W in self.weights], [b[index] for b in self.biases])


def _mirrored(scheme: str) -> Callable[[Tensor, int, Generator], Factors]:
    """The scheme for the transposed weight: what it does to A is done to B."""

    def start(W: Tensor, rank: int, rng: Generator) -> Factors:
        B, A = SCHEMES[scheme](W.mT, rank, rng)
        return Factors(A.mT, B.mT)

    return start


def _right_singular(W: Tensor, rank: int, rng: Generator) -> Factors:
    """A = V_r^T of W's first r singular triplets, which are the rows of PiSSA's A up to their
    lengths; B = 0."""
    B, A = SCHEMES["pissa"](W, rank, rng, exact=True)
    return Factors(torch.zeros_like(B), F.normalize(A))


def _left_singular(W: Tensor, rank: int, rng: Generator) -> Factors:
    """B = U_r, A = 0."""
    B, A = _right_singular(W.mT, rank, rng)
    return Factors(A.mT, B.mT)


# name: which factors are tuned, and the start
METHODS: dict[str, tuple[str, Callable[[Tensor, int, Generator], Factors]]] = {
    "BA, random": ("BA", SCHEMES["init_a"]),
    "BA, orthonormal": ("BA", SCHEMES["orthogonal"]),
    "B, random": ("B", SCHEMES["init_a"]),
    "B, orthonormal": ("B", SCHEMES["orthogonal"]),
    "B, singular": ("B", _right_singular),
    "A, random": ("A", SCHEMES["init_b"]),
    "A, orthonormal": ("A", _mirrored("orthogonal")),
    "A, singular": ("A", _left_singular),
}


def starts(
    nets: Nets, method: str, rank: int, seeds: Sequence[int], layers: Sequence[int]
) -> dict[int, Factors]:
    """For each layer B (problems, out, r) and A (problems, r, in), problem i started from
    seeds[i]."""
    rule = METHODS[method][1]
    found = {}
    for layer in layers:
        pairs = [
            rule(W, rank, Generator().manual_seed(len(WIDTHS) * seed + layer))
            for W, seed in zip(nets.weights[layer], seeds, strict=True)
        ]
        found[layer] = Factors(*(torch.stack(factor) for factor in zip(*pairs, strict=True)))
    return found


def logits(nets: Nets, factors: dict[int, Factors], x: Tensor) -> Tensor:
    """(problems, rates, n, 10) for x (problems, n, 64) and factors (problems, rates, ., .)."""
    h = x[:, None]
    for layer, (W, b) in enumerate(zip(nets.weights, nets.biases, strict=True)):
        y = h @ W[:, None].mT + b[:, None, None]
        if layer in factors:
            B, A = factors[layer]
            y = y + (h @ A.mT) @ B.mT
        h = y.relu() if layer < len(nets.weights) - 1 else y
    return h


class Adam:
    """Adam with a learning rate for each run; `rate` (rates, 1, 1)."""

    def __init__(self, parameters: Sequence[Tensor], rate: Tensor) -> None:
        self.rate, self.steps = rate, 0
        self.moments = [(p, torch.zeros_like(p), torch.zeros_like(p)) for p in parameters]

    @torch.no_grad()
    def step(self) -> None:
        self.steps += 1
        for p, first, second in self.moments:
            assert p.grad is not None
            first.lerp_(p.grad, 1 - BETA1)
            second.mul_(BETA2).addcmul_(p.grad, p.grad, value=1 - BETA2)
            size = (second / (1 - BETA2**self.steps)).sqrt_().add_(EPS)
            p -= self.rate * first / (1 - BETA1**self.steps) / size
            p.grad = None


def order(n: int, batch: int, steps: int, rng: Generator) -> list[Tensor]:
    """Indices of each step's batch: shuffled passes over n samples, all of them where batch >=
    n."""
    if batch >= n:
        return [torch.arange(n)] * steps
    passes = [
        torch.randperm(n, generator=rng)[: n // batch * batch]
        for _ in range(-(-steps // (n // batch)))
    ]
    return list(torch.cat(passes).split(batch))[:steps]


def train(
    nets: Nets,
    start: dict[int, Factors],
    tuned: str,
    x: Tensor,
    y: Tensor,
    rates: Sequence[float],
    steps: int,
    batch: int,
    seed: int,
) -> dict[int, Factors]:
    """The factors (problems, rates, ., .) after `steps` of Adam on the cross-entropy of x
    (problems, n, 64) and y."""
    many = lambda factor: factor[:, None].repeat(1, len(rates), 1, 1)
    factors = {layer: Factors(many(B), many(A)) for layer, (B, A) in start.items()}
    trained = [getattr(pair, name).requires_grad_() for pair in factors.values() for name in tuned]
    adam = Adam(trained, torch.tensor(rates, dtype=x.dtype)[:, None, None])
    for index in order(y.shape[1], batch, steps, Generator().manual_seed(seed)):
        found = logits(nets, factors, x[:, index])
        labels = y[:, None, index].expand(found.shape[:-1])
        # A sum over runs of means over samples: no run sees the others.
        (
            F.cross_entropy(found.flatten(0, 2), labels.flatten(), reduction="sum") / len(index)
        ).backward()
        adam.step()
    return {layer: Factors(B.detach(), A.detach()) for layer, (B, A) in factors.items()}


@torch.no_grad()
def accuracy(nets: Nets, factors: dict[int, Factors], x: Tensor, y: Tensor) -> Tensor:
    """(problems, rates); logits that are not finite count as wrong."""
    found = logits(nets, factors, x)
    right = (found.argmax(-1) == y[:, None]) & found.isfinite().all(-1)
    return right.double().mean(-1)


def pretrain(
    x: Tensor, y: Tensor, seeds: Sequence[int], steps: int = 300, batch: int = 128
) -> Nets:
    """Nets trained by Adam at 1e-3 from He's start; x (problems, n, 64), y (problems, n)."""
    weights, biases = [], []
    for layer, (in_, out) in enumerate(pairwise(WIDTHS)):
        rngs = [Generator().manual_seed(len(WIDTHS) * seed + layer) for seed in seeds]
        draws = [
            torch.randn(out, in_, generator=rng, dtype=x.dtype) * (2 / in_) ** 0.5 for rng in rngs
        ]
        weights.append(torch.stack(draws).requires_grad_())
        biases.append(torch.zeros(len(seeds), out, dtype=x.dtype).requires_grad_())
    nets = Nets(weights, biases)
    adam = Adam([*weights, *biases], torch.tensor(1e-3))
    for index in order(y.shape[1], batch, steps, Generator().manual_seed(seeds[0])):
        found = logits(nets, {}, x[:, index])
        (
            F.cross_entropy(found.flatten(0, 2), y[:, index].flatten(), reduction="sum")
            / len(index)
        ).backward()
        adam.step()
    return Nets([W.detach() for W in weights], [b.detach() for b in biases])
