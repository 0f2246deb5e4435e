"""Whether the laws that a scheme declares hold: see `lora.testing.laws` for what each one says."""

from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import Generator, Tensor

from lora.schemes import Factors
from lora.statistics import Statistics
from lora.testing.laws import Laws, Objective
from lora.testing.trial import TOLERANCE, Trial, close, same

RIVALS = 200


def declared(trial: Trial, laws: Laws) -> None:
    B, A = trial.factors(scale=2.0)
    for name, F, gram in (("B", B, B.mT @ B), ("A", A, A @ A.mT)):
        if laws.full_rank and F.any():
            rank = int(torch.linalg.matrix_rank(F))
            trial.law(rank == trial.rank, f"{name} must have full rank, got {rank}")
        if name in laws.orthonormal:
            even = gram.trace() / trial.rank * torch.eye(trial.rank, dtype=F.dtype)
            trial.law(
                even.any() and close(gram, even), f"{name} is not orthonormal up to its length"
            )
    if laws.balanced:
        trial.law(close(B.mT @ B, A @ A.mT), "B^T B and A A^T differ")
    if laws.random:
        other = replace(trial, seed=trial.seed + 1).factors(scale=2.0)
        trial.law(not same((B, A), other), "is the same with every seed of the random generator")
    if laws.least:
        _least(trial, laws.least, Factors(B, A), s=2.0)
    _exponents(trial, laws)
    _rotations(trial, laws.rotations)
    _spans(trial, laws)
    _sketch(trial, laws.sketch)


def _least(trial: Trial, objective: Objective, own: Factors, s: float) -> None:
    found = objective(own, trial.W, trial.stats, s)
    for rival in _rivals(trial, own, s):
        other = objective(rival, trial.W, trial.stats, s)
        trial.law(
            found <= other + TOLERANCE,
            f"has {objective.__name__} {found:.12g}, where a rival has {other:.12g}",
        )


def _rivals(trial: Trial, own: Factors, s: float) -> Iterator[Factors]:
    """Other factors of the same rank: the best approximation of W, random range finders of W with 0
    to 3 power iterations, random orthonormal rows, and the factors themselves turned by angles of
    1e-4 to 1 in random planes.

    Factors that are no stationary point of their objective lose against one turn in two.
    """
    W, rank, rng = trial.W, trial.rank, Generator().manual_seed(13)
    normal = lambda *size: torch.randn(*size, generator=rng, dtype=torch.float64)
    projected = lambda Y: Factors(Q := torch.linalg.qr(Y).Q, Q.mT @ W / s)
    yield projected(torch.linalg.svd(W)[0][:, :rank])
    for index in range(RIVALS):
        Omega = normal(W.shape[1], rank)
        for _ in range(index % 4):
            Omega = W.mT @ (W @ Omega)
        yield projected(W @ Omega)
        rows = torch.linalg.qr(normal(W.shape[1], rank)).Q.mT
        yield Factors(W @ rows.mT / s, rows)
        angle = 10 ** -(index % 5)
        turns = [
            torch.linalg.matrix_exp(angle * (K - K.mT)) for K in (normal(n, n) / n for n in W.shape)
        ]
        yield Factors(turns[0] @ own.B, own.A @ turns[1])


def _exponents(trial: Trial, laws: Laws) -> None:
    c, S, F = 4.0, trial.stats, trial.factors()
    assert S.gradient is not None
    assert S.weighted_second_moment is not None
    louder = replace(
        S, gradient=c * S.gradient, weighted_second_moment=c**2 * S.weighted_second_moment
    )
    for what, exponents, found in (
        ("W", laws.weight, lambda: trial.factors(c * trial.W)),
        ("G", laws.gradient, lambda: trial.factors(stats=louder)),
        ("s", laws.scale, lambda: trial.factors(scale=c)),
    ):
        for name, before, after, p in zip("BA", F, found(), exponents or (), strict=False):
            trial.law(
                close(after, c**p * before),
                f"{what} -> c {what} does not take {name} to c^{p:g} {name}",
            )


def _rotations(trial: Trial, claimed: str) -> None:
    for side in ("left", "right") if claimed else ():
        broken = _broken_by_turning(trial, side)
        if claimed in (side, "both"):
            trial.law(not broken, f"{broken} does not follow a rotation on the {side}")
        elif trial.rank < min(trial.W.shape):  # at the largest rank a span may be the whole space
            trial.law(
                bool(broken),
                f"follows a rotation on the {side} too, where only the other is declared",
            )


def _broken_by_turning(trial: Trial, side: str) -> str:
    """The factor whose span or size does not follow, if one does not."""
    rng = Generator().manual_seed(11)
    turn = lambda n: torch.linalg.qr(torch.randn(n, n, generator=rng, dtype=torch.float64)).Q
    (out, in_), S = trial.W.shape, trial.stats
    L = turn(out) if side == "left" else torch.eye(out, dtype=torch.float64)
    R = turn(in_) if side == "right" else torch.eye(in_, dtype=torch.float64)
    assert S.gradient is not None
    assert S.weighted_second_moment is not None
    turned = Statistics(
        S.count,
        R @ S.mean,
        R @ S.second_moment @ R.mT,
        L @ S.gradient @ R.mT,
        R @ S.weighted_second_moment @ R.mT,
    )
    (B, A), (B2, A2) = trial.factors(), trial.factors(L @ trial.W @ R.mT, turned)
    if not close(B2 @ B2.mT, L @ B @ B.mT @ L.mT):
        return "B"
    return "" if close(A2.mT @ A2, R @ A.mT @ A @ R.mT) else "A"


def _spans(trial: Trial, laws: Laws) -> None:
    """At a weight and a gradient of rank 2 r or the largest, so that most directions are outside of
    their spans."""
    assert trial.stats.gradient is not None
    W, G = (_truncated(F, 2 * trial.rank) for F in (trial.W, trial.stats.gradient))
    for what, F, letters, factors in (
        ("W", W, laws.in_weight, lambda: trial.factors(W)),
        ("G", G, laws.in_gradient, lambda: trial.factors(stats=replace(trial.stats, gradient=G))),
    ):
        for letter, X, span in zip("BA", factors(), (F, F.mT), strict=True) if letters else ():
            X = X.mT if letter == "A" else X
            inside = letter not in letters or close(
                span @ torch.linalg.pinv(span, rtol=TOLERANCE) @ X, X
            )
            trial.law(
                inside, f"{letter} leaves the {'range' if letter == 'B' else 'row space'} of {what}"
            )


def _truncated(F: Tensor, rank: int) -> Tensor:
    U, S, Vh = torch.linalg.svd(F, full_matrices=False)
    return (U[:, :rank] * S[:rank]) @ Vh[:rank]


def _sketch(trial: Trial, factor: str) -> None:
    """At the identity of the sketched side the factor is N itself."""
    if not factor:
        return
    side = trial.W.shape[0] if factor == "A" else trial.W.shape[1]
    at_identity, at_weight = trial.factors(torch.eye(side, dtype=torch.float64)), trial.factors()
    if factor == "A":
        trial.law(
            close(at_weight.A, at_identity.A @ trial.W),
            "A is not N W with an N of the generator alone",
        )
    else:
        trial.law(
            close(at_weight.B, trial.W @ at_identity.B),
            "B is not W N with an N of the generator alone",
        )
