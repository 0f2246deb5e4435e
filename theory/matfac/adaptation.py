"""In which sense a generator network has an adaptive learning rate and momentum, and under which
optimizer (for arXiv:2412.10362, derived here).

Setting of `theory.matfac.generator_network`. Under gradient descent its (1) and (2) are exact: the
factor on the present gradient is eta (1 + h.h+), and the weight of a past gradient g_s in one step
is, from (2) there,

    theta+ - theta = -eta (1 + h.h+) g + W2_0 dh - sum_{s<t} mu_s g_s,  mu_s = eta h_s.dh,       (1)
        dh = h+ - h

It is not heavy ball: mu_s has the sign of h_s.dh, which is negative for every s at once when the
network shrinks h, and it does not decay with t - s. From W2 = 0 and to leading order (6) there
gives dh = eta^2 K sum_s h_s (g_s.g), so that after one step

    mu_0 = eta^3 (h.K h) (g_0.g_1):  momentum while gradients agree, the opposite while not      (2)

Under Adam neither (1) nor (2) holds, since Adam's step is not linear in the gradient. From W2 = 0
the first step moves W2 to -eta sign(g_0) sign(h)^T and, delta being zero, nothing else. With s =
sign(g_0).g_1, D the ReLU's mask and 1 the vector of ones, the second step changes h by

    h_2 - h_1 = eta q sign(s) [(|z|_1 + 1) D 1 + D W1 sign(W1^T D 1)] + O(eta^2),                (3)
    |h_2|_1 - |h_1|_1 = eta q sign(s) [n (|z|_1 + 1) + |W1^T D 1|_1] + O(eta^2),                 (4)
        n = number of units that are on,  q = sqrt(1 + beta2) / (1 + beta1) = 0.744

(up to Adam's epsilon): the effective learning rate, eta (1 + |h|_1) by (5) of
`generator_network`, grows exactly when sign(g_0).g_1 > 0, and by an amount that does not depend on
how large the gradients are. Under gradient descent the same happens for g_0.g_1 > 0, but only
while eta^2 |g|^2 |K| is small.
"""

import numpy as np
from numpy.typing import NDArray

from theory.matfac.generator_network import Generator

Array = NDArray[np.floating]


def momentum_weights(h: Array, eta: float) -> Array:
    """(1): mu_s of all past gradients in the step from t to t + 1.

    Args:
        h: the hidden states h_0..h_{t+1}, (t + 2, m).
        eta: the learning rate.

    Returns: mu_0..mu_{t-1}, (t).
    """
    return eta * h[:-2] @ (h[-1] - h[-2])


def second_step_factor(beta1: float = 0.9, beta2: float = 0.999) -> float:
    """q of (3): Adam's step at its second time on an entry whose first gradient was zero, over the
    learning rate.

    m^ = (1 - beta1) x / (1 - beta1^2) and v^ = (1 - beta2) x^2 / (1 - beta2^2).
    """
    return float(np.sqrt(1 + beta2) / (1 + beta1))


def adam_hidden_change(state: Generator, first: Array, second: Array, eta: float) -> Array:
    """(3): h_2 - h_1 under Adam from W2 = 0, to leading order in eta.

    Args:
        state: the network before the first step, W2 = 0.
        first: g_0, (p).
        second: g_1, (p).
        eta: the learning rate.

    Returns: (m).
    """
    D = state.hidden()[1]
    inner = np.sign(state.W1.T @ D)
    push = (np.abs(state.z).sum() + 1) * D + D * (state.W1 @ inner)
    return eta * second_step_factor() * np.sign(np.sign(first) @ second) * push
