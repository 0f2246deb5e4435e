"""When Init[A] is better than Init[B] on average, and when not.

Setting. One layer with inputs of second moment I and the loss L = |D - s B A|_F^2 + const., D (m,
n) the change of the weight that is wanted, with singular values sigma_1 >= sigma_2 >= ...; G =
dL/dW at the initialization. Init[A]: B_0 = 0, entries of A_0 of mean 0 and variance v_A. Init[B]:
A_0 = 0, entries of B_0 of mean 0 and variance v_B. The default variances are proportional to 1/n
and 1/r.

The first step, at one small learning rate eta of gradient descent. L falls by

    eta s^2 (|B_0^T G|^2 + |G A_0^T|^2) + O(eta^2),                                              (1)

    on average by eta s^2 r v_A |G|^2 from Init[A] and by eta s^2 r v_B |G|^2 from Init[B].      (2)

So at one learning rate Init[B] begins v_B / v_A = n/r times as fast, for every D: there Init[B] is
the better one on average.

The floor. At its largest stable single learning rate, in the limit of large widths, Init[A] trains
both factors and Init[B] trains A alone (theory.lr_stability.stability (1), (4)). What each can
reach is then

    floor_A = sum_(i > r) sigma_i^2                      (Eckart and Young),                     (3)
    floor_B = |(I - P) D|^2,  P the projector on the columns of B_0,                             (4)
    E floor_B = (1 - r/m) |D|^2   for columns of uniform direction,                              (5)

    floor_A <= floor_B for every D and every B_0,                                                (6)
    E floor_B - floor_A = sum_(i <= r) (sigma_i^2 - |D|^2 / m) >= 0,                             (7)

with equality in (7) if and only if r = m or all m singular values are equal. This is one exact
sense in which Init[A] is better: by what it can reach in the end, always, and on average by (7).

Where the sense fails. (6) compares one trained factor with two. If both initializations train both
factors, both have the floor (3) and no order follows. That is so at the LoRA+ pair n^-1, n^0
(theory.lr_stability.stability (6)), and at the largest single learning rate that leaves the output
bounded in place of the features, where the read-out has entries of order 1/n: it is n^(-1/2) for
both. With few steps it is (2) that decides, and its order is the opposite.

Source: the question is the abstract's of arXiv:2406.08447; the answer is derived here.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from theory.lr_stability.dynamics import exponents
from theory.lr_stability.initializations import Initialization
from theory.lr_stability.orders import Rate

Array = NDArray[np.float64]


class Trained(NamedTuple):
    """Whether training a factor keeps its effect as the width grows."""

    A: bool
    B: bool


def first_step(G: Array, B_0: Array, A_0: Array, scale: float = 1.0) -> float:
    """(1) per unit of the learning rate.

    Args:
        G: the gradient of the weight, (m, n).
        B_0: (m, r).
        A_0: (r, n).
        scale: s.
    """
    return scale**2 * float(np.square(B_0.T @ G).sum() + np.square(G @ A_0.T).sum())


def mean_first_step(G: Array, rank: int, variance: float, scale: float = 1.0) -> float:
    """(2) per unit of the learning rate, for the one factor that is not zero."""
    return scale**2 * rank * variance * float(np.square(G).sum())


def floor_both(D: Array, rank: int) -> float:
    """(3): the least loss with both factors trained."""
    return float(np.square(np.linalg.svd(D, compute_uv=False)[rank:]).sum())


def floor_frozen_B(D: Array, B_0: Array) -> float:
    """(4): the least loss with A trained and B frozen at B_0 (m, r)."""
    U, sizes, _ = np.linalg.svd(B_0, full_matrices=False)
    U = U[:, sizes > sizes[0] * max(B_0.shape) * np.finfo(float).eps]
    return float(np.square(D - U @ (U.T @ D)).sum())


def mean_floor_frozen_B(D: Array, rank: int) -> float:
    """(5): its mean over B_0 with columns of uniform direction."""
    return (1 - rank / len(D)) * float(np.square(D).sum())


def trained(scheme: str | Initialization, c_A: Rate, c_B: Rate) -> Trained:
    """Which factors train at the learning rates n^c_A and n^c_B of Adam: whether delta1 and delta2
    are at least Theta(1) there."""
    orders = exponents(scheme)
    return Trained(orders.delta1(c_A, c_B) >= 0, orders.delta2(c_A, c_B) >= 0)
