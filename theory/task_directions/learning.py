"""How fast LoRA and LoRA-Dash find a singular direction, and how near the change that they can
reach at best.

Notation of theory.task_directions.directions. The loss has the gradient G (out, in) in W and s =
alpha / r is LoRA's scale. From B = 0 one step of descent at learning rate eta moves W by
-eta s^2 G A^T A. With the rows of A of independent entries, variance tau^2 and kurtosis kappa, and
w = G^T u_i, its core coordinate i has, over draws of A,

    mean      -eta s^2 r tau^2 G_ii,      G_ii = u_i^T G v_i = w . v_i,                          (1)
    variance   eta^2 s^4 r tau^4 (|w|^2 + G_ii^2 + (kappa - 3) sum_j v_ij^2 w_j^2).              (2)

So the coordinate is found with the signal-to-noise ratio

    SNR_i = sqrt(r) |G_ii| / sqrt(|w|^2 + G_ii^2 + (kappa - 3) sum_j v_ij^2 w_j^2),              (3)

about sqrt(r / in) for a G without structure: a sketch of what G itself says without noise. A
direction's own scale d_i moves by -eta G_ii in that step, faster than LoRA's mean along it by

    1 / (s^2 r tau^2) = 3 in / (s^2 r)   for the default initialization, tau^2 = 1/(3 in).       (4)

LoRA of rank r leaves of a change D, in squared norm and for isotropic inputs, what Eckart and Young
say,

    EY(r; D) = sum over k > r of s_k(D)^2.                                                       (5)

With the scales of directions T besides, D's coordinates on T may be removed first,

    EY(r; D - sum over i in T of a_i u_i v_i^T),                                                 (6)

an upper bound of what LoRA-Dash can reach, which may also move d and B A together. An
initialization carried as a frozen pair, W_I = s B_0 A_0, lets the change s B A - W_I have rank up
to 2 r, but rank-r products s B A alone vary:

    EY(r; D + W_I)                                                                               (7)

is the least that it leaves. LoRA-Init takes W_I = sum over I of sigma_i u_i v_i^T: a direction with
a_i = -sigma_i then costs nothing, one that the task does not change costs sigma_i^2, and below
EY(r; D) is where the first outweigh.

Source: derived here; the methods are those of arXiv:2409.01035.
"""

import numpy as np

from theory.task_directions.directions import Array, Core, Indices, coordinates

UNIFORM, NORMAL = 1.8, 3.0  # kurtosis of the entries of A: uniform by default


def first_step_mean(G: Array, basis: Core, rank: int, scale: float, eta: float = 1.0) -> Array:
    """(1) for the default initialization, (n,)."""
    return -eta * scale**2 * rank / (3 * G.shape[1]) * coordinates(basis, G)


def signal_to_noise(G: Array, basis: Core, rank: int, kurtosis: float = UNIFORM) -> Array:
    """(3), (n,)."""
    w, own = G.T @ basis.U, coordinates(basis, G)
    variance = np.sum(w**2, 0) + own**2 + (kurtosis - 3) * np.sum(basis.Vt.T**2 * w**2, 0)
    return np.sqrt(rank) * np.abs(own) / np.sqrt(variance)


def speed_up(in_: int, rank: int, scale: float) -> float:
    """(4)."""
    return 3 * in_ / (scale**2 * rank)


def reach(D: Array, rank: int, carried: Array | None = None) -> float:
    """(5), or (7) for a carried W_I = s B_0 A_0 (out, in), over |D|^2."""
    values = np.linalg.svd(D if carried is None else D + carried, compute_uv=False) ** 2
    return float(values[rank:].sum() / np.sum(D**2))


def reach_with_scales(D: Array, basis: Core, chosen: Indices, rank: int) -> float:
    """(6) over |D|^2, with T given by indices."""
    rest = D - (basis.U[:, chosen] * coordinates(basis, D)[chosen]) @ basis.Vt[chosen]
    return reach(rest, rank) * float(np.sum(rest**2) / np.sum(D**2))


def change_rank(rank: int, carried: bool, directions: int = 0) -> int:
    """The largest rank of the change; `carried` says whether B_0 A_0 is not zero."""
    return rank * (1 + carried) + directions
