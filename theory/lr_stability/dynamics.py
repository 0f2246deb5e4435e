"""Orders of the features of theory.lr_stability.stability, from running its recursions some
steps."""

from collections.abc import Iterable
from fractions import Fraction
from typing import Literal, NamedTuple

from theory.lr_stability.cycles import Matrix
from theory.lr_stability.initializations import Initialization, initialization_of
from theory.lr_stability.orders import (
    ALIGNED,
    HALF,
    INDEPENDENT,
    RATE_A,
    RATE_B,
    ZERO,
    Order,
    Rate,
    over_rank,
    over_width,
    power,
)

Optimizer = Literal["adam", "sgd"]
Scale = Literal["constant", "alpha/sqrt(r)", "alpha/r"]
Readout = Literal["mup", "standard"]
Level = Literal["feature", "loss"]

SCALES: dict[Scale, Fraction] = {
    "constant": Fraction(0),
    "alpha/sqrt(r)": -HALF,
    "alpha/r": Fraction(-1),
}  # powers of r
READOUTS: dict[Readout, Fraction] = {"mup": Fraction(-1), "standard": -HALF}  # q
# the orders of Adam change no more after this step, nor do those of SGD where
# theory.lr_stability.stability (5) holds
SETTLED = 3


class Exponents(NamedTuple):
    """Orders after some steps, each callable as order(c_A, c_B), where n^c_A and n^c_B are the
    learning rates of A and B; f is the change of the network's scalar output."""

    Z_A: Order
    Z_B: Order
    delta1: Order
    delta2: Order
    delta3: Order
    f: Order


def exponents(
    scheme: str | Initialization,
    optimizer: Optimizer = "adam",
    scale: Scale = "constant",
    readout: Readout = "mup",
    *,
    steps: int = SETTLED,
    sigma: Rate = 0,
) -> Exponents:
    """The quantities of theory.lr_stability.stability (1), and f, after some steps of training.

    Args:
        scheme: the initialization, as a name of theory.lr_stability.initializations or as its
            exponents.
        optimizer: "adam" (or the sign of the gradient) or "sgd".
        scale: how s depends on the rank r, a key of `SCALES`.
        readout: the size of the frozen read-out's entries, a key of `READOUTS`.
        steps: at least 1; the deltas are those of the last step.
        sigma: s grows by a further n^sigma.

    Raises: ValueError for an unknown name and for steps < 1.
    """
    initial = initialization_of(scheme)
    check("optimizer", optimizer, ("adam", "sgd"))
    if steps < 1:
        raise ValueError(f"steps must be at least 1, got {steps}")
    s, dZ = _scale(scale, sigma), _readout(readout)

    Z_A0 = over_width(initial.A, power(0), initial.A_tag)
    D_Ax, D_B, dAx, dB, Z_A, B_trained = (ZERO,) * 6
    for _ in range(steps):
        Z_A, B_trained = Z_A0 + D_Ax, D_B  # before this step
        back = over_width(initial.B, dZ, initial.B_tag) + over_width(D_B, dZ, ALIGNED)  # B^T dZ
        if optimizer == "adam":
            dAx = over_width(RATE_A, power(0), ALIGNED) if back else ZERO
            dB = RATE_B if Z_A else ZERO
        else:
            dAx = over_width(RATE_A * s * back, power(0), ALIGNED)
            dB = RATE_B * s * dZ * Z_A
        D_Ax, D_B = D_Ax + dAx, D_B + dB

    Z_B = (over_rank(D_B, Z_A0 + D_Ax, ALIGNED), over_rank(initial.B, D_Ax, INDEPENDENT))
    # the read-out w, of entries n^q, sums over the n outputs first: w^T B_0 then has the direction
    # of B_0^T dZ
    f = (
        over_rank(over_width(D_B, dZ, ALIGNED), Z_A0 + D_Ax, ALIGNED),
        over_rank(over_width(initial.B, dZ, initial.B_tag), D_Ax, ALIGNED),
    )
    return Exponents(
        Z_A=Z_A0 + D_Ax,
        Z_B=s * (Z_B[0] + Z_B[1]),
        delta1=s * (over_rank(initial.B, dAx, INDEPENDENT) + over_rank(B_trained, dAx, ALIGNED)),
        delta2=s * over_rank(dB, Z_A, ALIGNED),
        delta3=s * over_rank(dB, dAx, ALIGNED),
        f=s * (f[0] + f[1]),
    )


def sgd_cycle(scale: Scale = "constant", readout: Readout = "mup", *, sigma: Rate = 0) -> Order:
    """theory.lr_stability.stability (5): the gain of one turn of SGD's recursion, D_B -> D_A x ->
    D_B; its exponent is twice the cycle's mean."""
    s, dZ = _scale(scale, sigma), _readout(readout)
    to_A = over_width(RATE_A * s * over_width(power(0), dZ, ALIGNED), power(0), ALIGNED)
    return to_A * RATE_B * s * dZ


def sgd_transitions(c_A: Rate, c_B: Rate, readout: Readout = "mup", *, sigma: Rate = 0) -> Matrix:
    """SGD's recursion of (exponent of D_B, exponent of A x) as a max-plus matrix; row i holds what
    i receives."""
    s, dZ = _scale("constant", sigma), _readout(readout)
    to_B, to_A = RATE_B * s * dZ, RATE_A * s * dZ * power(2 * ALIGNED)
    return ((Fraction(0), to_B(c_A, c_B)), (to_A(c_A, c_B), Fraction(0)))


def _scale(scale: Scale, sigma: Rate) -> Order:
    check("scale", scale, SCALES)
    return power(sigma, SCALES[scale])


def _readout(readout: Readout) -> Order:
    check("readout", readout, READOUTS)
    return power(READOUTS[readout])


def check(name: str, value: str, known: Iterable[str]) -> None:
    if value not in known:
        raise ValueError(f"{name} must be one of {', '.join(known)}, got {value!r}")
