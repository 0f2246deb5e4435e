"""theory.gradient_signal.risk: the best frozen A, the kernel, and what halves of a sample show."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given

from tests.support.laws.gradient_signal import EPS, SIGMAS, Population, drawn, populations
from tests.support.laws.gradient_signal.risk import check_frozen_risk, check_kernel
from theory.gradient_signal import optimum as theory
from theory.gradient_signal import risk


@pytest.mark.parametrize("check", [check_frozen_risk, check_kernel])
@drawn
@given(p=populations())
def test_law(check: Callable[[Population], None], p: Population):
    check(p)


@pytest.mark.parametrize("degrees", [0.0, 1e-9, 1e-3, 30.0, 90.0])
def test_the_largest_angle_is_that_of_a_turn(degrees):
    """In degrees, whatever rows span the planes, and also where its cosine is 1 to rounding."""
    rng, turn = np.random.default_rng(1000), np.radians(degrees)
    plane = np.eye(5)[:2]
    turned = np.array([[1, 0, 0, 0, 0], [0, np.cos(turn), np.sin(turn), 0, 0]])
    mix = rng.standard_normal((2, 2))
    # the sine is good to the rounding of orthonormal rows; its arc, at 90 degrees, to the root of
    # it
    allowed = np.degrees(100 * EPS if degrees < 90 else np.sqrt(100 * EPS)) * np.linalg.cond(mix)
    for A, B in ((plane, turned), (mix @ turned, plane), (plane, mix @ turned)):
        assert risk.largest_angle(A, B) == pytest.approx(degrees, abs=allowed)


def test_split_halves_foretell_the_error():
    """risk (5): the mean over 200 samples of (1 - a)/4 against that of the true mean sin^2, at
    SIGMAS standard errors.

    At these sizes the error is 2e-3, and the next order, its square, is far below the standard
    error of 4 %.
    """
    lam = np.array([4.0, 3.0, 2.0, 0.5, 0.4, 0.3, 0.2, 0.1])
    truth, rng = np.eye(8)[:3], np.random.default_rng(1000)
    predicted, true = [], []
    for _ in range(200):
        X = rng.standard_normal((1000, 8)) * np.sqrt(lam)
        halves = [theory.top(x.T @ x, 3) for x in (X[:500], X[500:])]
        predicted.append(risk.split_half_error(*halves))
        true.append(risk.mean_square_sine(theory.top(X.T @ X, 3), truth))
    difference = np.array(predicted) - np.array(true)
    assert (
        abs(difference.mean()) <= SIGMAS * difference.std() / np.sqrt(200) + 10 * np.mean(true) ** 2
    )
    assert np.mean(true) == pytest.approx(np.mean(predicted), rel=0.2)
