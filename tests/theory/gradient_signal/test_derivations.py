"""theory.gradient_signal.derivations: what sympy derives from the definitions is what the modules
state."""

import numpy as np
import pytest
import scipy.integrate
import sympy as sp

from theory.gradient_signal import batch as batches
from theory.gradient_signal import derivations as derived


def test_gradients_at_a_zero_b():
    in_b, in_a, names = derived.gradients()
    A, g, x, s = (names[name] for name in ("A", "g", "x", "s"))
    assert (in_b - s * g * x.T * A.T).expand() == sp.zeros(2)
    assert in_a == sp.zeros(2)
    square = sum(entry**2 for entry in in_b)
    Ax = A * x
    assert sp.expand(square - s**2 * (g.T * g)[0] * (Ax.T * Ax)[0]) == 0


@pytest.mark.parametrize("n", [1, 2, 3, 4])
def test_square_of_a_mean_of_draws(n):
    square, second, first = derived.batch_square(n)
    assert sp.expand(square - second / n - (1 - sp.Rational(1, n)) * first**2) == 0


def test_regression_moments():
    Q, G, names = derived.regression_moments()
    S, D, noise = (names[name] for name in ("S", "D", "noise"))
    K = D.T * D
    assert (Q - ((K * S).trace() + 2 * noise) * S - 2 * S * K * S).expand() == sp.zeros(2)
    assert (G - D * S).expand() == sp.zeros(2)


def test_constants():
    assert derived.flip() == sp.Rational(23, 3)
    variance, excess = derived.default_moments()
    d = next(iter(variance.free_symbols))
    assert (variance * d, excess) == (sp.Rational(1, 3), -sp.Rational(6, 5))
    spread, S, v = derived.default_variance()
    squares = sum(entry**2 for entry in S)
    assert (
        sp.expand(spread - v**2 * (2 * squares - sp.Rational(6, 5) * (S[0, 0] ** 2 + S[1, 1] ** 2)))
        == 0
    )
    left, right = derived.best_frozen_b()
    assert sp.simplify(left - right) == 0


@pytest.mark.parametrize("c", [0.1, 1.0, 2.0, 4.0])
def test_tail_moments_are_what_the_closed_form_says(c):
    mass, square, symbol = derived.tail_moments()
    np.testing.assert_allclose(
        float(square.subs(symbol, c) / mass.subs(symbol, c)), batches.tail_square(c), rtol=1e-12
    )
    np.testing.assert_allclose(
        batches.censored(c)[0, 0], 4 * float(mass.subs(symbol, c)), rtol=1e-12
    )
    density = lambda z: z**2 * np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi)
    integral, error = scipy.integrate.quad(density, c, np.inf)
    assert abs(batches.censored(c)[1, 1] - 2 * integral) <= 10 * error
