"""Faults that were planted in theory.asymmetry, and the checks that catch them."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tests.support.laws.asymmetry.quadratic import (
    check_advice,
    check_lossless,
    check_means,
    check_noise,
    check_normal_equations,
    check_shares,
    check_sign,
    check_span,
)
from tests.support.laws.asymmetry.training import (
    check_descent,
    check_excess,
    check_gaps,
    check_layer,
)
from theory.asymmetry import descent, freezing, gaps
from theory.asymmetry import frozen_factor as theory

right_B, right_shares, right_parts, right_curve = (
    theory.explained_B,
    theory.shares,
    freezing.parts,
    descent._curve,
)


def free_of_S(problem, Q):
    return problem.D @ np.linalg.pinv(Q)


def orthonormal_only(problem, U):
    return U.T @ problem.D


def explained_by_rows(problem, Q):
    """The projector on the rows of Q, not of Q S^1/2."""
    basis = np.linalg.qr(Q.T).Q
    return float(np.sum((theory.weighted(problem) @ basis) ** 2))


def explained_forgetting_H(problem, Q):
    return right_B(problem._replace(H=np.eye(len(problem.H))), Q)


def far_sparse_shares(values, rank):
    return rank * np.asarray(values) / np.sum(values)


def uniform_shares(values, rank):
    values = np.asarray(values)
    return np.where(values > 0, min(1, rank / np.sum(values > 0)), 0.0)


def inverted_sign(problem):
    return theory.far_sparse_B(problem.mirrored, 1) / theory.far_sparse_B(problem, 1)


def without_shape(problem):
    """kappa in / Tr S, as if the layer were square."""
    D, S, _ = problem
    return float(np.trace(D @ S @ S @ D.T) / np.trace(D @ S @ D.T) * len(S) / np.trace(S))


def scale_forgotten(G, B, A, scale=1.0):
    return descent.Gradients(G @ A.T, B.T @ G)


def scale_once(G, A, eta, scale=1.0):
    return -eta * scale * G @ A.T @ A


def one_factor_a_step(optimum, hessian, steps):
    return right_curve(optimum, hessian, [t / 2 for t in steps])


def as_in_training(features, samples):
    return features / samples


def one_sample_more(features, samples):
    return features / (samples - features)


def noise_alone(problem, Q, sigma):
    return len(problem.D) * sigma**2


def one_gradient(M, H, gradients):
    return right_parts(M, H, (gradients[0], gradients[0]))


def unweighted(M, H, gradients):
    inputs, outputs, c = right_parts(M, H, gradients)
    return inputs, outputs, c * inputs


FAULTS: dict[str, tuple[Any, str, Any, Callable[[], None]]] = {
    "B* without S": (
        theory,
        "best_B",
        free_of_S,
        lambda: check_normal_equations(5, 6, 2, 10.0, 1000),
    ),
    "B* without S, on a layer": (theory, "best_B", free_of_S, lambda: check_layer("B", 5, 6, 1000)),
    "A* for orthonormal B only": (
        theory,
        "best_A",
        orthonormal_only,
        lambda: check_span(5, 6, 2, 10.0, 1000),
    ),
    "rows of Q for rows of Q S^1/2": (
        theory,
        "explained_B",
        explained_by_rows,
        lambda: check_normal_equations(5, 6, 2, 10.0, 1000),
    ),
    "curvature forgotten": (
        theory,
        "explained_B",
        explained_forgetting_H,
        lambda: check_normal_equations(5, 6, 2, 10.0, 1000),
    ),
    "few outputs not seen": (
        theory,
        "explained_B",
        explained_forgetting_H,
        lambda: check_lossless(5, 6, 2, 1000),
    ),
    "the far-sparse limit for the equivalent": (
        theory,
        "shares",
        far_sparse_shares,
        lambda: check_shares(10, 3, 1.0),
    ),
    "the far-sparse limit, by Monte Carlo": (
        theory,
        "shares",
        far_sparse_shares,
        lambda: check_means(24, 32, 4, 1.5, 1000),
    ),
    "r / in for every input": (
        theory,
        "shares",
        uniform_shares,
        lambda: check_means(24, 32, 4, 1.0, 1000),
    ),
    "the sign inverted": (
        theory,
        "sign_statistic",
        inverted_sign,
        lambda: check_sign(8, 6, 1.0, -1.5, 1000),
    ),
    "the sign of a square layer": (
        theory,
        "sign_statistic",
        without_shape,
        lambda: check_sign(8, 6, 1.0, 1.0, 1000),
    ),
    "s forgotten in a gradient": (
        descent,
        "gradients",
        scale_forgotten,
        lambda: check_layer("A", 5, 6, 1000),
    ),
    "s for s^2 in the first change": (
        descent,
        "first_change_B",
        scale_once,
        lambda: check_layer("B", 5, 6, 1000),
    ),
    "t for 2 t": (descent, "_curve", one_factor_a_step, lambda: check_descent(5, 6, 3, 1000)),
    "no inverse Wishart": (gaps, "_excess", as_in_training, lambda: check_gaps(16, 1007)),
    "n - k for n - k - 1": (gaps, "_excess", one_sample_more, check_excess),
    "unexplained signal is no noise": (gaps, "residual", noise_alone, lambda: check_gaps(16, 1007)),
    "one gradient squared": (freezing, "parts", one_gradient, lambda: check_noise(1009)),
    "parts weighted twice": (
        freezing,
        "parts",
        unweighted,
        lambda: check_advice(5, 6, 2, 10.0, 1000),
    ),
    "the other factor": (
        freezing,
        "shares",
        lambda values, rank: 1 - right_shares(values, rank),
        lambda: check_advice(5, 6, 2, 10.0, 1000),
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_caught(fault, caught):
    caught(*FAULTS[fault])
