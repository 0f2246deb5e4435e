"""The batched engine of the OP-LoRA family against torch, as checks."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Generator, Tensor

from proxies.families.matfac.trials import engine, methods, optimizers, sweep
from proxies.families.matfac.trials.methods import METHODS, Params, Sizes
from proxies.families.matfac.trials.optimizers import OPTIMIZERS

EPS = torch.finfo(torch.float64).eps

TORCH: dict[str, Callable[..., Any]] = {
    "SGD": torch.optim.SGD,
    "momentum": lambda params, lr: torch.optim.SGD(params, lr=lr, momentum=0.9),
    "Adam": torch.optim.Adam,
}


def batch(
    method: methods.Method, shape: tuple[int, int, int], seed: int, runs: int = 2
) -> tuple[Tensor, Params]:
    """Targets (runs, rows, columns) and random parameters of the method, not an
    initialization: nothing is zero."""
    rows, columns, rank = shape
    rng = Generator().manual_seed(seed)
    M = torch.randn(runs, rows, columns, generator=rng, dtype=torch.float64)
    initial = method.initialize(M[0], rank, rng)
    return M, {
        k: torch.randn(runs, *v.shape, generator=rng, dtype=torch.float64) / 2
        for k, v in initial.items()
    }


def loss_of(method: methods.Method, M: Tensor, P: Params, rank: int) -> Tensor:
    """(runs): the definition, by the residual."""
    B, A, _ = method.factors(P, Sizes(M.shape[-2], M.shape[-1], rank))
    return (B @ A - M).square().sum((-2, -1)) / 2


def check_gradient(name: str, shape: tuple[int, int, int], seed: int) -> None:
    """The hand-written backward pass; the worst of 360 cases was off by less than 1 eps of what it
    adds up."""
    method = METHODS[name]
    M, P = batch(method, shape, seed)
    leaves = {k: v.clone().requires_grad_() for k, v in P.items()}
    loss_of(method, M, leaves, shape[2]).sum().backward()
    B, A, memory = method.factors(P, Sizes(*shape))
    f = engine.loss(M, B, A)
    out = {k: torch.full_like(v, torch.nan) for k, v in P.items()}
    method.backward(P, memory, f.gB, f.gA, out)
    terms = (
        (B.norm() * A.norm() + M.norm())
        * (B.norm() + A.norm())
        * (1 + max(v.norm() for v in P.values())) ** 2
    )
    for k, leaf in leaves.items():
        assert leaf.grad is not None
        assert (out[k] - leaf.grad).abs().max() <= 10 * EPS * terms, k
    value = loss_of(method, M, P, shape[2])
    assert (f.value - value).abs().max() <= 10 * EPS * (B.norm() * A.norm() + M.norm()) ** 2


def check_optimizer(name: str, seed: int) -> None:
    """30 steps on gradients of no loss, two runs with their own learning rates; the worst of 90 was
    off by 1 eps a step."""
    rng = Generator().manual_seed(seed)
    theta, rates = torch.randn(2, 5, generator=rng, dtype=torch.float64), (0.1, 0.003)
    leaves = [row.clone().requires_grad_() for row in theta]
    peers = [TORCH[name]([leaf], lr=rate) for leaf, rate in zip(leaves, rates, strict=True)]
    rule = OPTIMIZERS[name](theta)
    for step in range(1, 31):
        gradient = torch.randn(2, 5, generator=rng, dtype=torch.float64)
        rule.step(theta, gradient, torch.tensor(rates, dtype=theta.dtype)[:, None])
        for leaf, peer, g in zip(leaves, peers, gradient, strict=True):
            leaf.grad = g.clone()
            peer.step()
        wanted = torch.stack([leaf.detach() for leaf in leaves])
        assert (theta - wanted).abs().max() <= 10 * step * EPS * (1 + wanted.abs().max()), (
            f"step {step}"
        )


def check_training(name: str, optimizer: str, seed: int = 1) -> None:
    """Eight steps of the engine against autograd and torch.optim on one initialization; the worst
    of 144 was off by 2e3 eps."""
    method, rate, (rows, columns, rank) = METHODS[name], 0.01, (4, 4, 2)
    M = torch.randn(1, rows, columns, generator=Generator().manual_seed(seed), dtype=torch.float64)
    initial = {
        k: v[None] for k, v in method.initialize(M[0], rank, Generator().manual_seed(seed)).items()
    }
    run = engine.train(
        M, initial, rank, method, OPTIMIZERS[optimizer], torch.tensor([rate], dtype=M.dtype), 8
    )
    leaves = {k: v.clone().requires_grad_() for k, v in initial.items()}
    peer = TORCH[optimizer](list(leaves.values()), lr=rate)
    for t in range(9):
        peer.zero_grad()
        f = loss_of(method, M, leaves, rank).sum()
        # Adam divides by the root of tiny numbers in its first steps, which lifts rounding a
        # thousandfold.
        assert abs(f.item() - run.loss[t, 0].item()) <= 1e4 * EPS * (1 + f.item()), f"step {t}"
        f.backward()
        peer.step()


def check_diverged(rate: float = 1e3) -> None:
    """A run that leaves the finite numbers is None from there on, and never the best."""
    found = sweep.sweep("gauss", "OP bias", "SGD", 6, 5, 2, 2, 40, [0.01, rate], 3, 0)
    assert found["final"][1] == [None, None], "a diverged run has no number"
    assert found["best"] == 0


class Astray(optimizers.SGD):
    """Gradient descent whose first run is at infinity after its third step, and back after the
    next."""

    def __init__(self, theta: Tensor) -> None:
        self.begin, self.t = theta.clone(), 0

    def step(self, theta: Tensor, gradient: Tensor, rate: Tensor) -> None:
        self.t += 1
        super().step(theta, gradient, rate)
        if self.t in (3, 4):
            theta[0] = torch.inf if self.t == 3 else self.begin[0]


def check_return() -> None:
    method, M = METHODS["direct"], torch.randn(4, 3, generator=Generator().manual_seed(0)).double()
    draw = method.initialize(M, 2, Generator().manual_seed(1))
    initial = {name: torch.stack([value, value]) for name, value in draw.items()}
    rates = torch.tensor([0.01, 0.01], dtype=torch.float64)
    loss = engine.train(M, initial, 2, method, Astray, rates, 6).loss
    assert loss[:3].isfinite().all()
    assert loss[3:, 0].isnan().all(), "a number after it has diverged"
    assert loss[:, 1].isfinite().all(), "the other run is nothing to it"


def check_extension() -> None:
    """The grid of 13 is extended to where the optimum is, and one on an edge is not called
    the best."""
    found = sweep.sweep("well", "direct", "SGD", 6, 5, 2, 2, 8000, [], 3, 1000)
    assert len(found["rates"]) > 13, "1e-3 still converges in 8000 steps, so lower ones are run"
    assert found["edge"] == ""
    assert found["open"] == []
    outer = [found["final"][i] for i in (0, -1)]
    assert all(x is None or x > sweep.GOOD for row in outer for x in row)
