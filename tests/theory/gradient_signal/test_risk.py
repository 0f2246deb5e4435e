"""theory.gradient_signal.risk: the best frozen A, the kernel, and what halves of a sample show."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given

from tests.support.laws.gradient_signal import (
    EPS,
    SIGMAS,
    UNITS,
    Population,
    array,
    collected,
    drawn,
    orthonormal,
    populations,
)
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


@drawn
@given(p=populations())
def test_the_least_risk_on_average_is_not_the_least_on_every_task(p):
    """risk (2) is about the mean over isotropic targets: where a rival's rows leave EVA's span, a
    target in them has risk 0 with the rival, and not with EVA."""
    M = array(collected(p).second_moment)
    rival = orthonormal(p.rank, len(M), np.random.default_rng(len(M)))
    own = theory.top(M, p.rank)
    allowed = UNITS * EPS * len(M) * np.linalg.cond(M) * float(np.trace(M))
    assert risk.frozen_risk(rival, M, rival) <= allowed
    outside = float(np.linalg.norm(rival - rival @ own.T @ own) ** 2)
    # what lies outside meets variance of at least the least eigenvalue
    least = outside * float(np.linalg.eigvalsh(M)[0])
    assert risk.frozen_risk(own, M, rival) >= least - allowed
    assert risk.bayes_risk(own, M, 1.0) <= risk.bayes_risk(rival, M, 1.0) + allowed
