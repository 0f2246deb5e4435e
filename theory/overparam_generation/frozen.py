"""What a generator network does that a larger learning rate does not, and what it cannot do.

Setting. theta = W2 h + b2 are the entries of A and B, g_t = dL/dtheta at step t, and W2 and b2 are
trained while the hidden units h stand still (z, W1 and b1 frozen). Plain LoRA trains theta itself.

Gradient descent, with heavy-ball momentum or without: W2 has the gradient g h^T, so that its buffer
is that of b2 times h^T, and

    theta_{t+1} - theta_t = (1 + |h|^2) (b2_{t+1} - b2_t)                                        (1)

is the step of plain LoRA at the learning rate eta (1 + |h|^2), at every step. Adam, with epsilon
going to zero: the moments of W2[i, j] are h_j and h_j^2 times those of b2[i], so that its step is
that of b2[i] times sign(h_j), and

    theta_{t+1} - theta_t = (1 + |h|_1) (b2_{t+1} - b2_t).                                       (2)

So from equal factors the whole path is LoRA's at one other learning rate, whatever the loss and the
schedule. Consequences for every score s of what was trained:

    min over eta of s is the same, and the set of eta with s <= c is LoRA's,                     (3)
    shifted by log10(1 + |h|_1) decades: as wide, and no better where it is best.

"Accelerates", "less sensitive" and "better when tuned" can therefore only come from hidden units
that move, which by `theory.matfac.generator_network` (6) they do by eta^2 times the agreement of
gradients, in either direction, and which may die (7).

Rank. A generator network reaches the updates B A of rank r and no others, whatever its width. So
the least loss that OP-LoRA can reach at half the rank is not below LoRA's, and for
L = |B A - M|_F^2 / 2 with singular values sigma_1 >= sigma_2 >= .. of M it is above by

    (sigma_{q+1}^2 + .. + sigma_r^2) / 2,   q = r // 2:                                          (4)

"half the rank for equal quality" holds only of training that does not reach LoRA's optimum, or of
an M without those directions.

Source: derived here, for the parameterisation of arXiv:2412.10362.
"""

import math
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from theory.matfac import generator_network

Array = NDArray[np.floating]


def effective(rate: float, h: Array, optimizer: Literal["sgd", "adam"]) -> float:
    """(1) and (2): the learning rate at which plain LoRA takes the same path.

    Args:
        rate: of the generator network.
        h: its hidden units, (m), which stand still.
        optimizer: "sgd" with any momentum, or "adam".
    """
    return rate * (1 + float(h @ h) if optimizer == "sgd" else generator_network.adam_multiplier(h))


def shifted(rate: float, h: Array) -> float:
    """(3): decades by which Adam's good learning rates are lower than LoRA's."""
    return math.log10(effective(rate, h, "adam") / rate)


def lost_by_half(M: Array, rank: int) -> float:
    """(4): how far the least loss at half the rank is above that at the rank."""
    return generator_network.floor(M, rank // 2) - generator_network.floor(M, rank)
