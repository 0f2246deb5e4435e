"""Faults that were planted in theory.task_directions, and the checks that catch them."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tests.support.laws.task_directions import (
    check_coordinates,
    check_expected,
    check_first_step,
    check_formulas,
    check_haar,
    check_limit,
    check_overlaps,
    check_reach,
    check_rotation,
    check_traits,
)
from theory.task_directions import directions as theory
from theory.task_directions import learning
from theory.task_directions import null as chance

right_expected, right_rotated = theory.expected_overlap, chance.rotated_coordinates
right_haar, right_mean = chance.haar, learning.first_step_mean
right_snr, right_reach = learning.signal_to_noise, learning.reach


def columns_of_the_right_factor(basis, D):
    return np.sum(
        (basis.U.T @ D)[:, : len(basis.sigma)] * basis.Vt[:, : len(basis.sigma)].T, axis=1
    )


def one_rotation(values, shape, rng):
    Q = right_haar(max(shape), len(values), rng)[: min(shape)]
    return np.sum(Q * values * Q, axis=1)


def in_order(values, shape, rng):
    return np.sort(np.abs(right_rotated(values, shape, rng)))


def by_the_larger(sigma, s, m, survival=theory.half_normal):
    return right_expected(sigma, s, m, survival) * s / m


def qr_signs(size, columns, rng):
    return np.linalg.qr(rng.standard_normal((size, columns))).Q


SQUARE, TALL = (9, 9, 1000), (12, 7, 1000)
FAULTS: dict[str, tuple[Any, str, Any, Callable[[], None]]] = {
    "V for V^T": (
        theory,
        "coordinates",
        columns_of_the_right_factor,
        lambda: check_coordinates(*SQUARE),
    ),
    "rates not divided": (
        theory,
        "scaled",
        lambda basis, a, eps=0: np.abs(a),
        lambda: check_coordinates(*TALL),
    ),
    "phi by a norm": (
        theory,
        "energy",
        lambda basis, D: float(np.sum(theory.coordinates(basis, D) ** 2) / np.linalg.norm(D)),
        lambda: check_coordinates(*TALL),
    ),
    "the smallest for the largest": (
        theory,
        "top",
        lambda x, k: np.argsort(x)[:k],
        lambda: check_traits(1000),
    ),
    "a wrong root": (
        theory,
        "gaussian_overlap",
        lambda q: 1 + q - (1 + q) ** 0.5,
        lambda: check_formulas(0.7),
    ),
    "an exponential law off by one": (
        theory,
        "exponential_overlap",
        lambda q: q / (2 + q),
        lambda: check_formulas(2),
    ),
    "P0 over m": (theory, "expected_overlap", by_the_larger, lambda: check_limit(2)),
    "P0 as on a flat spectrum": (
        theory,
        "expected_overlap",
        lambda sigma, s, m, survival=None: m / len(sigma),
        lambda: check_expected("edge", 1000),
    ),
    "QR's own signs": (chance, "haar", qr_signs, lambda: check_haar(1000)),
    "one rotation for both sides": (
        chance,
        "rotated_coordinates",
        one_rotation,
        lambda: check_rotation(6, 6, 1000),
    ),
    "a null that keeps its place": (
        chance,
        "rotated_coordinates",
        in_order,
        lambda: check_overlaps(1000),
    ),
    "s for s^2": (
        learning,
        "first_step_mean",
        lambda G, basis, r, s, eta=1.0: right_mean(G, basis, r, s, eta) / s,
        lambda: check_first_step("uniform", 1000),
    ),
    "r for its root": (
        learning,
        "signal_to_noise",
        lambda G, basis, r, k=1.8: right_snr(G, basis, r, k) * r**0.5,
        lambda: check_first_step("normal", 1000),
    ),
    "the normal kurtosis throughout": (
        learning,
        "signal_to_noise",
        lambda G, basis, r, k=1.8: right_snr(G, basis, r, 3.0),
        lambda: check_first_step("uniform", 1000, out=3, in_=3),
    ),
    "the initialization not carried": (
        learning,
        "reach",
        lambda D, r, carried=None: right_reach(D, r),
        lambda: check_reach(12, 7, 2, 1000),
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_caught(fault, caught):
    caught(*FAULTS[fault])
