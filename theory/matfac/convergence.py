"""What a generator network can and cannot do to convergence: same minima, faster first steps, no
better conditioning at the minimum (for arXiv:2412.10362, derived here).

Setting of `theory.matfac.generator_network`: theta = W2 h + b2 has p entries, J is the derivative
of theta with respect to the generator's parameters, J J^T = P of (3) there. f(theta) is any smooth
loss, g its gradient, and "LoRA" is gradient descent on theta itself.

Same minima. b2 is added to theta, so every theta is reached from every (z, W1, b1, W2), and the
gradient with respect to b2 is g:

    inf f over the generator = inf f over theta;  J^T g = 0  <=>  g = 0                          (1)

so a run that converges at all ends at a critical point of LoRA, and the infimum of the loss is the
same: a lower final loss is possible after finitely many steps, or by going to another critical
point, but not by anything that the parameterisation can represent.

Faster first steps. At one learning rate, from one theta, in gradient flow:

    df/dt = -g^T P g <= -(1 + |h|^2) |g|^2 = (1 + |h|^2) df/dt of LoRA                           (2)

LoRA at the learning rate (1 + |h|^2) eta does the same, and from W2 = 0 exactly so, P being
(1 + |h|^2) I there. With L the largest curvature of f along g,

    f(theta - c eta g) <= f(theta - eta g)  for c >= 1 and c eta L <= 1                          (3)

so a first step that is c times longer is better at small learning rates; on a parabola of curvature
L it is better exactly while (1 + c) eta L < 2, and worse beyond.

Poor convergence of LoRA. f = |B A - M|_F^2 / 2 with M (rows, columns) of rank r and singular values
s_1 >= .. >= s_r > 0, at the balanced minimiser B = U S^(1/2), A = S^(1/2) V^T. The eigenvalues of
the Hessian are

    s_i + s_j  for i, j = 1..r;   s_j, rows + columns - 2 r times each;   0, r^2 times           (4)
    condition number of the others: 2 s_1 / s_r, and 1 for full fine-tuning (f as a function of B A)

(rows + columns > 2 r), so that gradient descent at its best learning rate gains the factor
(kappa - 1)/(kappa + 1) a step near the minimum, kappa = 2 s_1 / s_r, where full fine-tuning needs
one step.

No better conditioning. At a minimiser with g = 0 the Hessian in the generator's parameters is
J^T H J, with the nonzero eigenvalues of H^(1/2) P H^(1/2) = c H + (rank at most m, >= 0),
c = 1 + |h|^2. With l_1 >= .. >= l_D > 0 the nonzero eigenvalues of H, and L_i those for the
generator, Weyl's inequalities give

    c l_i <= L_i,   L_(i+m) <= c l_i,   so   L_1 / L_D >= l_1 / l_(D-m)                          (5)
    at (4), where l_D = s_r is rows + columns - 2 r times an eigenvalue:
    L_1 / L_D >= l_1 / l_D  as soon as  rows + columns - 2 r > m                                 (6)

A generator network whose width is below rows + columns - 2 r therefore converges no faster near the
minimum than LoRA does, when gradient descent or heavy ball has the best learning rate for each; a
wider one can (a counter-example is in the tests). Adam is not covered: its steps are not linear in
the gradient.
"""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating]


def hessian(B: Array, A: Array) -> Array:
    """The Hessian of |B A - M|_F^2 / 2 at B A = M, in the coordinates of theta: A, then B, each row
    by row.

    Args:
        B: (rows, r).
        A: (r, columns).
    """
    rows, columns = len(B), A.shape[1]
    of_A = np.kron(B, np.eye(columns))  # d vec(B A) / d vec(A), row by row
    of_B = np.kron(np.eye(rows), A.T)
    D = np.hstack([of_A, of_B])
    return D.T @ D


def balanced(U: Array, S: Array, Vh: Array) -> tuple[Array, Array]:
    """B = U S^(1/2) and A = S^(1/2) V^T."""
    return U * np.sqrt(S), np.sqrt(S)[:, None] * Vh


def spectrum(S: Array, rows: int, columns: int) -> Array:
    """(4): the nonzero eigenvalues of the Hessian at the balanced minimiser, descending.

    Args:
        S: the r singular values of M, all positive.
        rows: of M.
        columns: of M.
    """
    pairs = (S[:, None] + S).ravel()
    return np.sort(np.concatenate([pairs, np.repeat(S, rows + columns - 2 * len(S))]))[::-1]


def condition(S: Array) -> float:
    """(4): 2 s_1 / s_r, the condition number of LoRA at the balanced minimiser of a target that is
    not square of full rank."""
    return 2 * float(S.max() / S.min())


def contraction(kappa: float) -> float:
    """(kappa - 1)/(kappa + 1): the factor a step of gradient descent at its best learning rate on a
    quadratic with this condition number."""
    return (kappa - 1) / (kappa + 1)


def least_condition(eigenvalues: Array, width: int) -> float:
    """(5): a lower bound of the condition number of a generator network of that width.

    Args:
        eigenvalues: the nonzero ones of LoRA's Hessian, descending.
        width: m, the number of hidden units.
    """
    D = len(eigenvalues)
    return float(eigenvalues[0] / eigenvalues[D - width - 1]) if width < D else 1.0
