"""Which factor of an adapter to freeze, predicted from moments of a layer's inputs x and output
gradients g.

At a pretrained weight the loss of a change C of the layer is, to second order and with one
curvature for every input, the quadratic theory.asymmetry.frozen_factor (1) with S = M = E[x x^T]
and H the curvature in the layer's output. Its minimum D obeys H D M = -G, G = E[g x^T], so in the
eigenvectors v_i of M and u_j of H (eigenvalues lambda_i, mu_j)

    c_ji = (u_j^T G v_i)^2 / (mu_j lambda_i),    T = sum c_ji,                                   (1)
    III_B ~ sum_ji c_ji p_i(lambda, r),          III_A ~ sum_ji c_ji p_j(mu, r),                 (2)

p of theory.asymmetry.frozen_factor (5): B sees the inputs through r random numbers, A the errors. H
is the identity for squared error at the layer's own output; inside a network it is the Fisher
matrix, E[g g^T] over labels drawn from the model's own prediction. Over the data's labels E[g g^T]
is easier to have, and says much of the change itself too.

G is a mean over samples, and the square of its noise would add one constant to every c_ji. With
means G_1, G_2 of disjoint halves of the samples the product

    (u^T G_1 v)(u^T G_2 v) has the expectation of (1) without it.                                (3)

How far this carries is measured by claim A15 (proxies/asymmetry.py): as far as the quadratic does.
It predicts least squares and modest changes of a layer inside a network. It does not predict a
classifier of few classes that is taken to new labels: there a frozen B of rank near the number of
classes loses less than the moments say.

Source: derived here, the criterion that arXiv:2402.16842 lacks.
"""

from typing import NamedTuple

import numpy as np

from theory.asymmetry.frozen_factor import Array, participation, shares, spectrum

TIE = 0.01  # shares of T that differ by less are called equal


class Advice(NamedTuple):
    """What the moments of a layer say of its factors.

    Args:
        freeze: "A", "B", or "either" where the shares differ by less than TIE or the gradients
            agree on nothing.
        tune_b: (2) over T, the share that training B explains beside a random frozen A.
        tune_a: (2) over T, the share that training A explains beside a random frozen B.
        sign: theory.asymmetry.frozen_factor (7) with these moments; above 1 speaks for freezing A
            at low rank.
        inputs: the participation ratio of M, how many directions x really uses.
        errors: the participation ratio of H, how many directions g really uses.
    """

    freeze: str
    tune_b: float
    tune_a: float
    sign: float
    inputs: float
    errors: float


def parts(M: Array, H: Array, gradients: tuple[Array, Array]) -> tuple[Array, Array, Array]:
    """lambda (in,), mu (out,) and c (out, in) of (1), by the product (3); directions without any x
    or g count as 0."""
    (inputs, V), (outputs, U) = spectrum(M), spectrum(H)
    weights = outputs[:, None] * inputs
    G_1, G_2 = (U.T @ G @ V for G in gradients)
    return (
        inputs,
        outputs,
        np.divide(G_1 * G_2, weights, out=np.zeros_like(weights), where=weights > 0),
    )


def which_to_freeze(M: Array, H: Array, gradients: tuple[Array, Array], rank: int) -> Advice:
    """Advice for a layer.

    Args:
        M: the inputs' second moment, (in, in).
        H: the curvature in the layer's output, (out, out).
        gradients: the mean gradients G_1, G_2 (out, in) of two halves of the samples; where G is
            known without noise, it twice.
        rank: r of the factors.

    Raises: ValueError for shapes that do not fit or a rank below 1.
    Source: (2) with the product (3).
    """
    shapes = [G.shape for G in gradients]
    if shapes != [(len(H), len(M))] * 2:
        raise ValueError(
            f"which_to_freeze needs two gradients of shape (out, in) = {(len(H), len(M))}, got "
            f"{shapes}"
        )
    inputs, outputs, c = parts(M, H, gradients)
    if (T := float(c.sum())) <= 0:
        return Advice("either", 0.0, 0.0, 1.0, participation(M), participation(H))
    tune_b = float(c.sum(0) @ shares(inputs, rank)) / T
    tune_a = float(c.sum(1) @ shares(outputs, rank)) / T
    sign = float(c.sum(0) @ inputs / inputs.sum() / (c.sum(1) @ outputs / outputs.sum()))
    freeze = "either" if abs(tune_b - tune_a) < TIE else "A" if tune_b > tune_a else "B"
    return Advice(freeze, tune_b, tune_a, sign, participation(M), participation(H))
