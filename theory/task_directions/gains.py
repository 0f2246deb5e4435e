"""What scaled directions and a carried initialization can gain in reach, and where they cannot.

Notation of theory.task_directions.learning: D is the wanted change, EY(r; M) what rank r leaves of
M, in squared norm and for isotropic inputs. D_r is the best part of rank r, R = D - D_r the rest
and r_i = u_i^T R v_i its core coordinates. LoRA-Dash with directions T, |T| = s, reaches

    EY(r + s; D)  <=  inf over d of EY(r; D - sum over T of d_i u_i v_i^T)
                  <=  EY(r; D) - sum over T of r_i^2.                                            (1)

Left: d and B A together have rank r + s. Right: keep D_r and let d_i = r_i. So LoRA-Dash reaches
further than LoRA as soon as one r_i of T is not 0, never further than LoRA of rank r + s, and what
it surely gains is largest for the T of largest |r_i|: by size, not by change rate. That is at most

    phi(R) |R|^2,  on average |R|^2 / max(out, in) for a Haar-rotated R:                         (2)

without core structure there is little to gain.

A wanted change on core directions alone, D = sum of a_i u_i v_i^T, is a vector a: EY(r; a) drops
its r largest squares. With T LoRA-Dash reaches

    EY(r; a outside T)  >=  EY(r + s; a),  with equality for T among the r + s largest |a_i|.    (3)

Ranked by |a_i| that always holds. Ranked by |a_i| / sigma_i it fails: with r = s = 1, sigma = (8,
4, 1) and a = (4, 3, 1) the rates are (.5, .75, 1), T = {3} and LoRA-Dash leaves 9, where T = {2}
leaves 1 and LoRA 10.                                                                            (4)

LoRA-Init carries W_I = sum over I of sigma_i u_i v_i^T, |I| = r. Whatever I and D,

    EY(2 r; D)  <=  EY(r; D + W_I),                                                              (5)

as a product of rank r less W_I has rank 2 r. On core directions it reaches EY(r; a + sigma on I):
where the task shrinks no direction of I, a_i >= 0,

    EY(r; D + W_I)  >=  EY(r; D),                                                                (6)

as every |a_i| only grows. So it reaches further than LoRA only by directions that the task shrinks;
of a task that removes them, a_i = -sigma_i, they cost nothing. With nested directions, I in T,

    inf over d of EY(r; D + W_I - sum over T of d_i u_i v_i^T)  is that of LoRA-Dash with T,     (7)

as d takes up W_I: LoRA-TSD reaches what LoRA-Dash reaches, no more.

Source: derived here; the methods and "significantly better" are those of arXiv:2409.01035.
"""

import numpy as np

from theory.task_directions.directions import Array, Core, Indices, coordinates


def left(a: Array, rank: int) -> float:
    """EY(rank; a) of a change on core directions with coordinates a (n,)."""
    return float(np.sum(np.sort(a**2)[::-1][rank:]))


def rest(D: Array, rank: int) -> Array:
    """R = D - D_r."""
    U, S, Vt = np.linalg.svd(D, full_matrices=False)
    return (U[:, rank:] * S[rank:]) @ Vt[rank:]


def sure_gain(D: Array, basis: Core, chosen: Indices, rank: int) -> float:
    """The sum over T of r_i^2 in (1), over EY(r; D)."""
    R = rest(D, rank)
    return float(np.sum(coordinates(basis, R)[chosen] ** 2) / np.sum(R**2))


def dash_left(a: Array, chosen: Indices, rank: int) -> float:
    """(3)."""
    return left(np.delete(a, chosen), rank)


def init_left(a: Array, sigma: Array, chosen: Indices, rank: int) -> float:
    """What LoRA-Init leaves of a change on core directions, its directions given by indices."""
    carried = np.zeros_like(a)
    carried[chosen] = sigma[chosen]
    return left(a + carried, rank)
