"""Which learning rates train both factors, and how tuned ones follow the width and the rank.

In the setting of theory.lr_stability.stability, whose equations (6) and (7) these functions compute
for every initialization, optimizer and scale.
"""

import math
from fractions import Fraction
from typing import Literal

from theory.lr_stability.dynamics import Optimizer, Readout, Scale, check, exponents
from theory.lr_stability.initializations import Initialization, check_rank
from theory.lr_stability.orders import Order
from theory.lr_stability.plane import (
    HalfPlane,
    Piece,
    Point,
    at_most_one,
    both_exactly_one,
    turning_points,
)
from theory.lr_stability.stability import (
    max_single_lr,
    must_be_bounded,
    rank_exponent,
    stable_region,
)


def efficient_set(
    scheme: str | Initialization,
    optimizer: Optimizer = "adam",
    scale: Scale = "constant",
    readout: Readout = "mup",
    *,
    features: Literal["any", "bounded", "unit"] = "any",
) -> tuple[Piece, ...]:
    """Where delta1 and delta2 are both Theta(1) and training is stable.

    Args:
        scheme: as in `stability.must_be_bounded`, with the arguments of the same names.
        features: what is asked of Z_A: nothing ("any"), O(1) ("bounded") or Theta(1) ("unit").

    Returns: points, segments and rays of the plane of (c_A, c_B); none where no learning rates
    train both factors.
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
    scheme: str | Initialization,
    optimizer: Optimizer = "adam",
    scale: Scale = "constant",
    readout: Readout = "mup",
) -> Point:
    """The efficient (c_A, c_B) whose Z_A is nearest to Theta(1): LoRA+'s (-1, 0) wherever that is
    efficient.

    ValueError where no pair of learning rates trains both factors.
    """
    orders = exponents(scheme, optimizer, scale, readout)
    return _nearest(efficient_set(scheme, optimizer, scale, readout), orders.Z_A)


def rank_transfer_point(
    scheme: str | Initialization,
    optimizer: Optimizer = "adam",
    scale: Scale = "constant",
    readout: Readout = "mup",
) -> Point:
    """The powers (k_A, k_B) of r that keep delta1 and delta2 at Theta(1) as r grows.

    At the transfer point, by theory.lr_stability.stability (7).
    """
    check_rank(scheme)
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
    scheme: str | Initialization,
    optimizer: Optimizer,
    scale: Scale,
    base_width: int,
    width: int,
    base_rank: int,
    rank: int,
    *,
    rates: Literal["pair", "single"] = "single",
    readout: Readout = "mup",
) -> tuple[float, float]:
    """The factors by which to multiply learning rates of A and B that were tuned at another size.

    By default both factors keep one learning rate, which is stable with all layers trained at once.
    The pair is of an analysis of one layer at a time: with all trained at once LoRA+ from Init[A]
    makes Z_A grow (claim L13c), since the signs that Adam writes into B send a gradient back
    through A_0 that one layer alone does not see. The rule fixes powers, no constants.

    Args:
        scheme: the initialization, as a name of theory.lr_stability.initializations or as its
            exponents.
        optimizer: "adam" or "sgd".
        scale: how s depends on the rank, a key of `SCALES`.
        base_width: the width at which the learning rates were tuned.
        width: the width at which they will be used.
        base_rank: the rank at which they were tuned.
        rank: the rank at which they will be used.
        rates: "single" gives both the exponent of the largest stable single learning rate; from
            Init[B] B then trains less and less. "pair" follows `transfer_point`, at which training
            either factor keeps its effect: for Adam from Init[A] or Init[B] the learning rate of A
            is divided by the growth of the width and that of B stays, LoRA+.
        readout: the size of the frozen read-out's entries, a key of `READOUTS`.

    Returns: the factor for A and the factor for B.
    Raises: ValueError for sizes below 1, where no pair exists, and, for two different ranks, for an
        initialization whose dependence on the rank is not a power.
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
    scheme: str | Initialization, optimizer: Optimizer, scale: Scale, readout: Readout
) -> Point:
    k = rank_exponent(scheme, optimizer, scale, readout=readout)
    return k, k


def _nearest(pieces: tuple[Piece, ...], Z_A: Order) -> Point:
    if not pieces:
        raise ValueError(
            "no pair of learning rates trains both factors stably from this initialization with "
            "this optimizer"
        )
    return min(turning_points(pieces, Z_A), key=lambda point: abs(Z_A(*point)))
