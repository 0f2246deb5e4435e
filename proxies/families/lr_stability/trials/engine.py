"""Train many adapters of one network at once, over learning rates, seeds and initializations,
without autograd.

With Z_A = A H, pre = P + s (B Z_A - B_0 Z_A,0), M = 1[pre > 0] and e = dL/df, all over samples in
columns,

    dL/dB = s w o (M (e o Z_A)^T),   dL/dZ_A = s e o ((w o B)^T M),   dL/dA = dL/dZ_A H^T.       (1)

The runs of a seed share H, so A H is one product for all of them. Learning rates differ from run to
run, but torch's fused Adam has one. It therefore moves a displacement U at the learning rate 1, and

    A = A_0 + eta U,                                                                             (2)

which without weight decay is the same as Adam at the learning rate eta (so is SGD's).

Only `pre`, which turns into M in place, has n x N entries a run. Runs are taken in chunks, so that
it stays in the processor's cache and a width of 2^15 needs no more memory than a few hundred.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

import lora
from proxies.families.lr_stability.trials.networks import Network
from proxies.instruments.fused_adam import FusedAdam

CHUNK = 2**21  # numbers that a chunk keeps, 8 MB in float32: fewer cost calls, more leave the cache
BETAS = 0.9, 0.99
# Adam's epsilon: a read-out of order 1/n makes gradients far smaller than the usual 1e-8
TINY = 1e-30
QUANTITIES = ("Z_A", "Z_B", "delta1", "delta2", "delta3", "f", "loss")


class SGD:
    """U -= g."""

    def __init__(self, moved: Sequence[Tensor]) -> None:
        self.kept = list(moved)

    def step(self, gradients: Sequence[Tensor]) -> None:
        for U, gradient in zip(self.kept, gradients, strict=True):
            U -= gradient


OPTIMIZERS: dict[str, Callable[[Sequence[Tensor]], SGD | FusedAdam]] = {
    "adam": lambda moved: FusedAdam(moved, BETAS, TINY),
    "sgd": SGD,
}


class Runs(NamedTuple):
    """C runs a seed: `initialization` (C,) says which of the initial factors each takes; learning
    rates of A and B, (S, C) each."""

    initialization: Tensor
    lr_A: Tensor
    lr_B: Tensor


@torch.no_grad()
def train(
    network: Network,
    initial: lora.Factors,
    runs: Runs,
    steps: int,
    optimizer: str = "adam",
    probe: bool = True,
    scale: float = 1.0,
    record: tuple[int, ...] = (),
    chunk: int = CHUNK,
) -> dict[str, Tensor]:
    """Train every run of every seed.

    Z_A, Z_B = s (B A - B_0 A_0) H, the parts delta1 = s B_- dA H, delta2 = s dB A_- H and delta3 =
    s dB dA H of the last step's change of Z_B, and f, the change of the output since
    initialization, are root mean squares over entries and samples. The loss is the mean square of
    f - y over that of y. A run in which any of them, or anything that the optimizer keeps, is not
    finite has diverged: all of them are NaN from that record on.

    Args:
        network: of S seeds.
        initial: K initial factors a seed, B (S, K, n, r) and A (S, K, r, n).
        runs: C runs a seed.
        steps: of the optimizer.
        optimizer: a key of `OPTIMIZERS`.
        probe: whether e stays what it is at first: a linear loss, in which nothing saturates.
        scale: s.
        record: the steps after which the quantities are recorded, by default the last.
        chunk: numbers that a chunk of runs keeps.

    Returns: each of `QUANTITIES` as (records, S, C) in float64.
    """
    S, n, N = network.H.shape
    rank, C = initial.A.shape[2], len(runs.initialization)
    # per run: pre, and of each factor about ten tensors (initial, value, displacement, gradient,
    # moments)
    together = max(1, chunk // (n * (N + 20 * rank)))
    seeds, block = (max(1, min(S, together // C)), C) if together >= C else (1, together)
    record = record or (steps,)
    found = torch.empty(
        len(QUANTITIES), len(record), S, C, dtype=torch.float64, device=network.H.device
    )
    for i in range(0, S, seeds):
        some = slice(i, i + seeds)
        for j in range(0, C, block):
            part = slice(j, j + block)
            chosen = Runs(runs.initialization[part], runs.lr_A[some, part], runs.lr_B[some, part])
            of = (
                Network(*(x[some] for x in network)),
                lora.Factors(*(x[some] for x in initial)),
                chosen,
            )
            for k, values in enumerate(_chunk(*of, steps, optimizer, probe, scale, record)):
                found[:, k, some, part] = values
    diverged = (~found.isfinite()).any(0).cumsum(0) > 0
    return dict(zip(QUANTITIES, found.masked_fill(diverged, torch.nan), strict=True))


def _chunk(
    network: Network,
    initial: lora.Factors,
    runs: Runs,
    steps: int,
    optimizer: str,
    probe: bool,
    scale: float,
    record: tuple[int, ...],
) -> Iterator[Tensor]:
    """QUANTITIES (7, S, C) at each record."""
    H, P, w, y = network
    (S, n, N), C, r = H.shape, len(runs.initialization), initial.A.shape[2]
    B0, A0 = (factor[:, runs.initialization] for factor in initial)
    lr_B, lr_A = (lr.to(H)[..., None, None] for lr in (runs.lr_B, runs.lr_A))
    moved = lora.Factors(torch.zeros_like(B0), torch.zeros_like(A0))
    before, rule = moved, OPTIMIZERS[optimizer](moved)
    project = lambda rows: (rows.reshape(S, C * r, n) @ H).view(S, C, r, N)
    B, A, Z_before = B0, A0, project(A0)
    fixed = P[:, None] - scale * B0 @ Z_before if B0.any() and A0.any() else P[:, None]
    weight, at_first = w[:, None, :, None], w[:, None] @ P.relu()
    error = -y[:, None] * (2 / N)
    pre = H.new_empty(S, C, n, N)
    flat = pre.view(S * C, n, N)
    for t in range(steps + 1):
        Z = project(A)
        pre.copy_(fixed)
        flat.baddbmm_(B.view(S * C, n, r), Z.view(S * C, r, N), alpha=scale)
        if t in record or not probe:
            output = (w[:, None, None] @ pre.relu_())[..., 0, :] - at_first
            lacking = output - y[:, None]
            if t in record:
                X, dX = (project(lr_A * U) for U in (moved.A, moved.A - before.A))
                dB, B_before = lr_B * (moved.B - before.B), B0 + lr_B * before.B
                Z_B = _rms(torch.cat([B0, lr_B * moved.B], 3), torch.cat([X, Z], 2))
                deltas = (_rms(B_before, dX), _rms(dB, Z_before), _rms(dB, dX))
                loss = lacking.double().square().mean(2) / y.double().square().mean(1)[:, None]
                changed = output.double().square().mean(2).sqrt()
                size = Z.double().square().mean((2, 3)).sqrt()
                found = torch.stack([size, *(scale * x for x in (Z_B, *deltas)), changed, loss])
                yield found.masked_fill(_overflown(rule.kept), torch.nan)
            if not probe:
                error = lacking * (2 / N)
        if t == steps:
            return
        # a comparison into a new tensor of bools takes fifty times as long
        torch.gt(pre, 0, out=pre)
        e = error[:, :, None] * scale
        # the few rows from the left: the same product with the r columns last takes twice as long
        through = ((e * Z).view(S * C, r, N) @ flat.mT).mT.view(S, C, n, r)
        gB = torch.mul(through, weight, out=torch.empty_like(B))
        back = ((weight * B).view(S * C, n, r).mT @ flat).view(S, C, r, N).mul_(e)
        gA = (back.view(S, C * r, N) @ H.mT).view(S, C, r, n)
        if t + 1 in record:
            before, Z_before = lora.Factors(moved.B.clone(), moved.A.clone()), Z
        rule.step((gB, gA))
        B, A = (torch.addcmul(*x) for x in ((B0, moved.B, lr_B), (A0, moved.A, lr_A)))


def _overflown(kept: Sequence[Tensor]) -> Tensor:
    """(S, C): whether any number that the optimizer keeps is not finite. The squares of large
    gradients overflow first, and Adam then divides by infinity: a run that stands still, with
    finite factors.
    """
    return ~torch.stack([x.flatten(2).abs().amax(2).isfinite() for x in kept]).all(0)


def _rms(left: Tensor, right: Tensor) -> Tensor:
    """Root mean square (...) of the entries of left (..., n, r) @ right (..., r, N), by Gram
    matrices in float64."""
    left, right = left.double(), right.double()
    square = ((left.mT @ left) * (right @ right.mT)).sum((-2, -1))
    return (square.clamp(min=0) / (left.shape[-2] * right.shape[-1])).sqrt()
