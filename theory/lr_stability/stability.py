"""Which learning rates of LoRA's factors stay stable as the width n grows.

Setting. Z = W x + s B A x with W (n, n) frozen, x with entries Theta(1), A (r, n), B (n, r), r
fixed and n to infinity; one such layer is trained and everything else is frozen. Z_A = A x; A = A_0
+ D_A, B = B_0 + D_B; Z_B is what the adapter adds to the output, s (B A - B_0 A_0) x. The learning
rates are eta_A = n^c_A, eta_B = n^c_B. The gradient dZ that reaches the layer has entries n^q, as
the read-out has: q = -1 ("mup") or q = -1/2 ("standard").

    Z_B^t - Z_B^(t-1) = delta1 + delta2 + delta3 = s (B_(t-1) dA + dB A_(t-1) + dB dA) x:        (1)

the effect of training A alone, of training B alone, and of the two together.

Adam (or the sign of the gradient) moves every entry by the learning rate, in a direction that is
aligned with x:

    dA x = n^(c_A + 1),    dB = n^c_B,                                                           (2)

and neither factor before its gradient s B^T dZ x^T or s dZ Z_A^T is nonzero. With a = the exponent
of A_0 x, b that of the entries of B_0 (-inf for zero) and sigma that of s,

    Z_B = n^max(sigma + c_B + a, sigma + b + c_A + 1, sigma + c_A + c_B + 1),                    (3)

which is O(1) on a polyhedron, for equal learning rates up to

    c* = min(-sigma - a, -sigma - b - 1, -(1 + sigma)/2).                                        (4)

SGD moves dA x = n^(c_A + sigma + 1) B^T dZ and dB = n^(c_B + sigma + q) Z_A, where B^T dZ is n^(b +
q + 1/2) for a random B_0 and n^(q + 1) D_B: a linear recursion whose only cycle has the mean

    (c_A + c_B + 2 sigma + 2 q + 2) / 2,                                                         (5)

and the orders stay what they are for every t iff it is <= 0.

LoRA+ asks for delta1 = delta2 = Theta(1) with Z_B = O(1). The pairs of exponents that give it are,
for Init[A] (A random, B = 0) and for Init[B] (B random, A = 0), the rays

    c_A + c_B = -1 with c_A >= -1 (Init[A]) or c_B >= 0 (Init[B]),                               (6)

and only (-1, 0) has Z_A = Theta(1) too.

Rank: a sum over the r coordinates between the factors grows as

    r^1 for a trained B (aligned), r^(1/2) for a random B_0 against dA x (independent),          (7)

and s = alpha/r is r^-1, alpha/sqrt(r) is r^(-1/2), and no dependence on r is "constant".

"Stable" means that no power of n appears after a fixed number of steps: constants depend on the
number.

Source: the setting and Init[A], Init[B] arXiv:2406.08447; (1), (6) for Init[A] arXiv:2402.12354;
the scale's part of (7) for SGD arXiv:2312.03732; (3), (4), (5), the rest of (6) and (7) derived
here.
"""

from fractions import Fraction
from typing import Any

from theory.lr_stability.dynamics import (
    SETTLED,
    Level,
    Optimizer,
    Readout,
    Scale,
    check,
    exponents,
    sgd_cycle,
)
from theory.lr_stability.initializations import Initialization, check_rank
from theory.lr_stability.orders import Order, Rate
from theory.lr_stability.plane import HalfPlane, at_most_one, largest_equal_rate


def must_be_bounded(
    scheme: str | Initialization,
    optimizer: Optimizer = "adam",
    scale: Scale = "constant",
    readout: Readout = "mup",
    *,
    level: Level = "feature",
    steps: int | None = None,
    sigma: Rate = 0,
) -> Order:
    """What is O(1) in stable training.

    Args:
        scheme: the initialization, as a name of theory.lr_stability.initializations or as its
            exponents.
        optimizer: "adam" or "sgd".
        scale: how s depends on the rank, a key of `SCALES`.
        readout: the size of the frozen read-out's entries, a key of `READOUTS`.
        level: "feature" for Z_B, "loss" for the output f.
        steps: limits the training to that many; None is any fixed number, and for SGD any number,
            by (5).
        sigma: s grows by a further n^sigma.

    Raises: ValueError for an unknown name.
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
    scheme: str | Initialization,
    optimizer: Optimizer = "adam",
    scale: Scale = "constant",
    readout: Readout = "mup",
    **limits: Any,
) -> tuple[HalfPlane, ...]:
    """The polyhedron of stable (c_A, c_B) as inequalities A c_A + B c_B + constant <= 0; `limits`
    as in `must_be_bounded`."""
    return at_most_one(must_be_bounded(scheme, optimizer, scale, readout, **limits))


def max_single_lr(
    scheme: str | Initialization,
    optimizer: Optimizer = "adam",
    scale: Scale = "constant",
    level: Level = "feature",
    readout: Readout = "mup",
    *,
    steps: int | None = None,
    sigma: Rate = 0,
    rho: Rate = 0,
) -> Fraction:
    """The largest c at which one learning rate n^c for both factors is stable, (4) for Adam.

    Args:
        scheme: as in `must_be_bounded`, with the arguments of the same names.
        rho: the rank grows as r = n^rho.

    Raises: ValueError for an unknown name, and where rho needs powers of the rank that are unknown.
    """
    bounded = must_be_bounded(
        scheme, optimizer, scale, readout, level=level, steps=steps, sigma=sigma
    )
    if rho:
        check_rank(scheme)
    return largest_equal_rate(at_most_one(bounded.joint(rho)))


def rank_exponent(
    scheme: str | Initialization,
    optimizer: Optimizer = "adam",
    scale: Scale = "constant",
    level: Level = "feature",
    readout: Readout = "mup",
    *,
    steps: int | None = None,
) -> Fraction:
    """The power k of the largest single learning rate n^c r^k, for n much larger than r, by (7).

    From a random B_0 also for s n much larger than r: by (2) and (7) training adds r / (s n) of B_0
    to B at that learning rate. Where the two are alike, the power lies between that of Init[B] and
    that of Init[A], as it does on a language model (claim LM15).

    The arguments are those of `must_be_bounded`.
    """
    check_rank(scheme)
    bounded = must_be_bounded(scheme, optimizer, scale, readout, level=level, steps=steps)
    c = largest_equal_rate(at_most_one(bounded))
    return largest_equal_rate(at_most_one(bounded.leading(c, c)))
