"""Which learning rates of LoRA's factors stay stable, and which train both, as the width n grows.

Setting. Z = W x + s B A x with W (n, n) frozen, x with entries Theta(1), A (r, n), B (n, r), r
fixed and n to infinity; one such layer is trained and everything else is frozen. Z_A = A x; A = A_0
+ D_A, B = B_0 + D_B; Z_B is what the adapter adds to the output, s (B A - B_0 A_0) x. The rates are
eta_A = n^c_A, eta_B = n^c_B. The gradient dZ that reaches the layer has entries n^q, those of the
read-out: q = -1 ("mup") or q = -1/2 ("standard").
    Z_B^t - Z_B^(t-1) = delta1 + delta2 + delta3 = s (B_(t-1) dA + dB A_(t-1) + dB dA) x:        (1)
the effect of training A alone, of training B alone, and of the two together. Adam (or the sign of
the gradient) moves every entry by the rate, in a direction that is aligned with x:
    dA x = n^(c_A + 1),    dB = n^c_B,                                                           (2)
and neither factor before its gradient s B^T dZ x^T or s dZ Z_A^T is nonzero. With a = the exponent
of A_0 x, b that of the entries of B_0 (-inf for zero) and sigma that of s,
    Z_B = n^max(sigma + c_B + a, sigma + b + c_A + 1, sigma + c_A + c_B + 1),                    (3)
which is O(1) on a polyhedron, for equal rates up to c* = min(-sigma - a, -sigma - b - 1, -(1
    + sigma)/2).                                                                                 (4)
SGD moves dA x = n^(c_A + sigma + 1) B^T dZ and dB = n^(c_B + sigma + q) Z_A, where B^T dZ is n^(b +
q + 1/2) for a random B_0 and n^(q + 1) D_B: a linear recursion whose only cycle has the mean
    (c_A + c_B + 2 sigma + 2 q + 2) / 2,  and the orders stay what they are for every t iff it
        is <= 0.                                                                                 (5)
LoRA+ asks for delta1 = delta2 = Theta(1) with Z_B = O(1); Init[A] (A random, B = 0) allows the ray
c_A + c_B = -1,
c_A >= -1, Init[B] the ray c_A + c_B = -1, c_B >= 0; only (-1, 0) has Z_A = Theta(1) too.        (6)
Rank: a sum over the r coordinates between the factors is aligned (r^1) for a trained B, and
independent (r^(1/2)) for
a random B_0 against dA x; s = alpha/r is r^-1, alpha/sqrt(r) is r^(-1/2), and no dependence
    on r is "constant".                                                                          (7)
"Stable" means that no power of n appears after a fixed number of steps: constants depend on the
number.
Source: the setting and Init[A], Init[B] arXiv:2406.08447; (1), (6) for Init[A] arXiv:2402.12354;
the scale's part of (7) for SGD arXiv:2312.03732; (3), (4), (5), the rest of (6) and (7) derived
here.
"""

import math
from fractions import Fraction
from typing import Any, Literal

from theory.lr_stability.dynamics import (
    READOUTS,
    SCALES,
    SETTLED,
    Exponents,
    Level,
    Optimizer,
    Readout,
    Scale,
    check,
    exponents,
    sgd_cycle,
    sgd_transitions,
)
from theory.lr_stability.initializations import Start, start_of
from theory.lr_stability.orders import Order, Rate
from theory.lr_stability.plane import (
    HalfPlane,
    Piece,
    Point,
    at_most_one,
    both_exactly_one,
    largest_equal_rate,
    turning_points,
)

__all__ = [
    "READOUTS",
    "SCALES",
    "SETTLED",
    "Exponents",
    "efficient_set",
    "exponents",
    "lr_rule",
    "max_single_lr",
    "must_be_bounded",
    "rank_exponent",
    "rank_transfer_point",
    "sgd_cycle",
    "sgd_transitions",
    "stable_region",
    "transfer_point",
]


def must_be_bounded(
    scheme: str | Start,
    optimizer: Optimizer = "adam",
    scale: Scale = "constant",
    readout: Readout = "mup",
    *,
    level: Level = "feature",
    steps: int | None = None,
    sigma: Rate = 0,
) -> Order:
    """What is O(1) in stable training: Z_B ("feature") or f ("loss"), and for SGD over any number
    of steps (5).

    `steps` limits the training to that many steps; None is any fixed number.
    """
    check("level", level, ("feature", "loss"))
    orders = exponents(
        scheme, optimizer, scale, readout, steps=SETTLED if steps is None else steps, sigma=sigma
    )
    bounded = orders.Z_B if level == "feature" else orders.f
    if optimizer == "sgd" and steps is None:
        bounded += sgd_cycle(scale, readout, sigma=sigma)
    return bounded


def stable_region(
    scheme: str | Start,
    optimizer: Optimizer = "adam",
    scale: Scale = "constant",
    readout: Readout = "mup",
    **limits: Any,
) -> tuple[HalfPlane, ...]:
    """The polyhedron of stable (c_A, c_B) as inequalities A c_A + B c_B + constant <= 0; `limits`
    as above."""
    return at_most_one(must_be_bounded(scheme, optimizer, scale, readout, **limits))


def max_single_lr(
    scheme: str | Start,
    optimizer: Optimizer = "adam",
    scale: Scale = "constant",
    level: Level = "feature",
    readout: Readout = "mup",
    *,
    steps: int | None = None,
    sigma: Rate = 0,
    rho: Rate = 0,
) -> Fraction:
    """The largest c at which one rate n^c for both factors is stable, (4) for Adam; the rank grows
    as r = n^rho."""
    bounded = must_be_bounded(
        scheme, optimizer, scale, readout, level=level, steps=steps, sigma=sigma
    )
    if rho:
        _known_rank(scheme)
    return largest_equal_rate(at_most_one(bounded.joint(rho)))


def rank_exponent(
    scheme: str | Start,
    optimizer: Optimizer = "adam",
    scale: Scale = "constant",
    level: Level = "feature",
    readout: Readout = "mup",
    *,
    steps: int | None = None,
) -> Fraction:
    """The power k of the largest single rate n^c r^k, for n much larger than r, by (7)."""
    _known_rank(scheme)
    bounded = must_be_bounded(scheme, optimizer, scale, readout, level=level, steps=steps)
    c = largest_equal_rate(at_most_one(bounded))
    return largest_equal_rate(at_most_one(bounded.leading(c, c)))


def efficient_set(
    scheme: str | Start,
    optimizer: Optimizer = "adam",
    scale: Scale = "constant",
    readout: Readout = "mup",
    *,
    features: Literal["any", "bounded", "unit"] = "any",
) -> tuple[Piece, ...]:
    """Where delta1 and delta2 are both Theta(1) and training is stable; with `features` also Z_A =
    O(1) or Theta(1).

    Points, segments and rays of the plane of (c_A, c_B); empty where no rates train both factors.
    """
    check("features", features, ("any", "bounded", "unit"))
    orders = exponents(scheme, optimizer, scale, readout)
    region = stable_region(scheme, optimizer, scale, readout)
    Z_A = at_most_one(orders.Z_A)
    if features != "any":
        region += Z_A
    pieces = set(both_exactly_one(orders.delta1, orders.delta2, region))
    if features == "unit":
        at_least_one = [HalfPlane(-half.A, -half.B, -half.constant) for half in Z_A]
        cuts = [
            both_exactly_one(orders.delta1, orders.delta2, (*region, half)) for half in at_least_one
        ]
        pieces = {piece for cut in cuts for piece in cut}
    return tuple(sorted(pieces))


def transfer_point(
    scheme: str | Start,
    optimizer: Optimizer = "adam",
    scale: Scale = "constant",
    readout: Readout = "mup",
) -> Point:
    """The efficient (c_A, c_B) whose Z_A is nearest to Theta(1): LoRA+'s (-1, 0) wherever that is
    efficient.

    ValueError where no pair of rates trains both factors.
    """
    orders = exponents(scheme, optimizer, scale, readout)
    return _nearest(efficient_set(scheme, optimizer, scale, readout), orders.Z_A)


def rank_transfer_point(
    scheme: str | Start,
    optimizer: Optimizer = "adam",
    scale: Scale = "constant",
    readout: Readout = "mup",
) -> Point:
    """The powers (k_A, k_B) of r that keep the same true at the transfer point as r grows, by
    (7)."""
    _known_rank(scheme)
    point = transfer_point(scheme, optimizer, scale, readout)
    orders = exponents(scheme, optimizer, scale, readout)
    delta1, delta2, Z_A, bounded = (
        order.leading(*point)
        for order in (
            orders.delta1,
            orders.delta2,
            orders.Z_A,
            must_be_bounded(scheme, optimizer, scale, readout),
        )
    )
    return _nearest(both_exactly_one(delta1, delta2, at_most_one(bounded)), Z_A)


def lr_rule(
    scheme: str | Start,
    optimizer: Optimizer,
    scale: Scale,
    base_width: int,
    width: int,
    base_rank: int,
    rank: int,
    *,
    rates: Literal["pair", "single"] = "pair",
    readout: Readout = "mup",
) -> tuple[float, float]:
    """What to multiply the rates of A and of B by, that were tuned at (base_width, base_rank), at
    (width, rank).

    "pair" follows `transfer_point`, at which training either factor keeps its effect: for Adam from
    Init[A] or Init[B] A's rate is divided by the growth of the width and B's stays, LoRA+. "single"
    gives both the exponent of the largest stable single rate, for those who keep one rate; from
    Init[B] B then trains less and less.

    The analysis is of one layer trained at a time. With all trained at once LoRA+ from Init[A]
    makes Z_A grow: the signs that Adam writes into B send a gradient back through A_0 that one
    layer alone does not see. It fixes powers, no constants. ValueError for sizes below 1, where no
    pair exists, and, for two different ranks, from a start whose dependence on the rank is not a
    power.
    """
    check("rates", rates, ("pair", "single"))
    for name, size in (
        ("base_width", base_width),
        ("width", width),
        ("base_rank", base_rank),
        ("rank", rank),
    ):
        if not (size >= 1 and math.isfinite(size)):
            raise ValueError(f"{name} must be at least 1, got {size!r}")
    if rates == "pair":
        c, at_rank = transfer_point(scheme, optimizer, scale, readout), rank_transfer_point
    else:
        c, at_rank = (
            (max_single_lr(scheme, optimizer, scale, readout=readout),) * 2,
            _both_rank_exponents,
        )
    k = at_rank(scheme, optimizer, scale, readout) if rank != base_rank else (Fraction(0),) * 2
    c_A, c_B = (
        (width / base_width) ** float(x) * (rank / base_rank) ** float(y)
        for x, y in zip(c, k, strict=True)
    )
    return c_A, c_B


def _both_rank_exponents(
    scheme: str | Start, optimizer: Optimizer, scale: Scale, readout: Readout
) -> Point:
    k = rank_exponent(scheme, optimizer, scale, readout=readout)
    return k, k


def _nearest(pieces: tuple[Piece, ...], Z_A: Order) -> Point:
    if not pieces:
        raise ValueError(
            "no pair of rates trains both factors stably from this start with this optimizer"
        )
    return min(turning_points(pieces, Z_A), key=lambda point: abs(Z_A(*point)))


def _known_rank(scheme: str | Start) -> None:
    if not start_of(scheme).rank_known:
        raise ValueError(
            f"the orders from {scheme!r} are no powers of the rank: they follow W, the data or "
            "the signs of two factors"
        )
