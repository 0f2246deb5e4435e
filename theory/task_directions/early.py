"""When the directions of a task can be seen early: what the first gradient says of them.

Notation of theory.task_directions.directions. For squared loss and y = (W + D) x the gradient at W
is G = -D S, S = E x x^T, so that

    G_ii = u_i^T G v_i = -u_i^T D S v_i  =  -lambda_i a_i   if S v_i = lambda_i v_i.             (1)

LoRA's first step, B = 0, is in the mean a multiple of it (theory.task_directions.learning (1)), and
so is the first step of full fine-tuning. Ranked by |G_ii|, or by |G_ii| / sigma_i, directions come
as by |a_i|, or by the change rates, for every D exactly when

    S v_i = lambda v_i  for all i,  one lambda:                                                  (2)

D = u_i x^T + u_j z^T has a_i = x . v_i and G_ii = -x . S v_i with x and z free, so an order that is
always kept makes |x . S v_i| one function of |x . v_i|, which is linear. With S = V diag(lambda)
V^T the sure part is: i comes before j where |a_i| / |a_j| > lambda_j / lambda_i.                (3)

Under (2) full fine-tuning by gradient flow has changed W by

    (1 - exp(-lambda t)) D,                                                                      (4)

the order of D's change rates at every t > 0. So "LoRA finds the directions early" is exact for
white inputs, squared loss and many draws of A; a counter-example to anything more is S =
diag(1, 1/9), a = (1, 2): the gradient puts the first before the second.

Source: derived here; the sentence is of arXiv:2409.01035.
"""

import numpy as np

from theory.task_directions.directions import Array, Core


def gradient(D: Array, S: Array) -> Array:
    """G at W for squared loss and the inputs' second moment S (in, in)."""
    return -D @ S


def after(D: Array, S: Array, time: float) -> Array:
    """The change of W by gradient flow from W after `time`, D (1 - exp(-S time)): (4) under (2)."""
    values, vectors = np.linalg.eigh(S)
    return D @ (vectors * (1 - np.exp(-values * time))) @ vectors.T


def keeps_every_order(basis: Core, S: Array, tolerance: float) -> bool:
    """(2), up to `tolerance` relative to the largest eigenvalue."""
    moved = S @ basis.Vt.T
    one = np.mean(np.sum(moved * basis.Vt.T, axis=0))
    return bool(np.abs(moved - one * basis.Vt.T).max() <= tolerance * np.abs(S).max())


def order_is_sure(a: Array, lambdas: Array, i: int, j: int) -> bool:
    """(3): whether direction i comes before j by the gradient."""
    return bool(abs(a[i]) * lambdas[i] > abs(a[j]) * lambdas[j])
