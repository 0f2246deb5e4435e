"""Gradients with one factor frozen, and how fast plain descent trains the other.

W + s B A with G = dL/dW the dense gradient, the sum over tokens of g x^T (g: dL/d output, x:
input). Then

    dL/dB = s G A^T = s sum g (A x)^T,    dL/dA = s B^T G = s sum (B^T g) x^T:                   (1)

a frozen A lets r numbers of the input through and all of the error, a frozen B the opposite. From
B A = 0 one step of size eta changes the weight by

    -eta s^2 G A^T A  (B trained),    -eta s^2 B B^T G  (A trained).                             (2)

For a frozen factor with orthonormal rows Q or columns U of uniform direction, at any G,

    E |G Q^T|^2 = (r / in) |G|^2,    E |U^T G|^2 = (r / out) |G|^2:                              (3)

at first order the two are equal on a square layer. What tells them apart is the second order. For
squared error with inputs of second moment S (theory.asymmetry.frozen_factor at H = 1) descent on B
has the Hessian Q S Q^T, on A it has S, and at orthonormal rows

    nu_1 >= .. >= nu_r of Q S Q^T interlace with lambda_i of S, so cond(Q S Q^T) <= cond(S).     (4)

From zero with step 1/L, L the largest eigenvalue, t steps explain, of the optimum's III_B or III_A,

    sum_k b_k (1 - (1 - nu_k / L)^(2 t)),                                                        (5)

b_k the part of the optimum along the k-th eigenvector of that Hessian.

Source: (1) and the reading of it arXiv:2402.16842, section 4; the rest is derived here.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from theory.asymmetry.frozen_factor import best_A, best_B, least_squares

Array = NDArray[np.float64]


class Gradients(NamedTuple):
    B: Array
    A: Array


def gradients(G: Array, B: Array, A: Array, scale: float = 1.0) -> Gradients:
    """(1), of the shapes of B (out, r) and A (r, in), for G (out, in)."""
    return Gradients(scale * G @ A.T, scale * B.T @ G)


def first_change_B(G: Array, A: Array, eta: float, scale: float = 1.0) -> Array:
    """(2): the change of the weight by one step on B from zero, A frozen."""
    return -eta * scale**2 * G @ A.T @ A


def first_change_A(G: Array, B: Array, eta: float, scale: float = 1.0) -> Array:
    """(2): the change of the weight by one step on A from zero, B frozen."""
    return first_change_B(G.T, B.T, eta, scale).T


def captured(G: Array, rows: Array) -> float:
    """The share of |G|^2 that orthonormal `rows` (r, in) let through; for U pass G^T and U^T."""
    return float(np.sum((G @ rows.T) ** 2) / np.sum(G**2))


def condition(hessian: Array) -> float:
    """Ratio of its extreme eigenvalues."""
    values = np.linalg.eigvalsh(hessian)
    return float(values[-1] / values[0])


def curve_B(D: Array, S: Array, Q: Array, steps: Sequence[int]) -> Array:
    """(5): what is explained after `steps` of descent on B, A = Q (r, in) frozen."""
    return _curve(best_B(least_squares(D, S), Q), Q @ S @ Q.T, steps)


def curve_A(D: Array, S: Array, U: Array, steps: Sequence[int]) -> Array:
    """(5): what is explained after `steps` of descent on A, B = U (out, r) frozen with orthonormal
    columns."""
    return _curve(best_A(least_squares(D, S), U), S, steps)


def _curve(optimum: Array, hessian: Array, steps: Sequence[int]) -> Array:
    values, vectors = np.linalg.eigh(hessian)
    parts = values * np.sum((optimum @ vectors) ** 2, 0)
    left = (1 - values / values[-1])[:, None] ** (2 * np.asarray(steps))
    return parts @ (1 - left)
