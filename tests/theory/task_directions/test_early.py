"""When the first gradient shows a task's directions: theory.task_directions.early."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.laws.task_directions import drawn, unit
from theory.task_directions import directions as theory
from theory.task_directions import early
from theory.task_directions.null import haar

seeds, sizes = st.integers(1000, 2**32), st.integers(3, 12)


def along(basis: theory.Core, lambdas: np.ndarray) -> np.ndarray:
    return (basis.Vt.T * lambdas) @ basis.Vt


@given(sizes, seeds, st.floats(0.1, 5), st.floats(0.01, 3))
def test_white_inputs_show_every_change_in_its_order_from_the_first_step_on(n, seed, level, time):
    W, D, _ = drawn(n, n, seed)
    basis, S = theory.core(W), level * np.eye(n)
    rates = theory.rates(basis, D)
    tolerance = unit(n, n) * rates.max()
    found = theory.rates(basis, early.gradient(D, S))
    np.testing.assert_allclose(found, level * rates, atol=level * tolerance)
    later = theory.rates(basis, early.after(D, S, time))
    np.testing.assert_allclose(later, (1 - np.exp(-level * time)) * rates, atol=tolerance)
    assert early.keeps_every_order(basis, S, 1e-9)


@given(sizes, seeds)
def test_other_inputs_show_some_change_in_a_wrong_order(n, seed):
    """Constructed as in the proof of (2): D on two left directions, x along v_i, z beside S v_j."""
    W, _, rng = drawn(n, n, seed)
    basis = theory.core(W)
    lambdas = rng.uniform(0.5, 2, n)
    i, j = np.argsort(lambdas)[[-1, 0]]
    a = np.zeros(n)
    a[i], a[j] = 1, (1 + lambdas[i] / lambdas[j]) / 2
    D = (basis.U * a) @ basis.Vt
    S = along(basis, lambdas)
    first = np.abs(theory.coordinates(basis, early.gradient(D, S)))
    assert not early.keeps_every_order(basis, S, 1e-9)
    assert a[j] > a[i]
    assert first[i] > first[j]
    assert early.order_is_sure(a, lambdas, i, j)
    np.testing.assert_allclose(first, lambdas * a, atol=unit(n, n))


@given(sizes, seeds)
def test_a_moment_that_turns_a_direction_mixes_it(n, seed):
    W, _, rng = drawn(n, n, seed)
    basis, Q = theory.core(W), haar(n, n, rng)
    S = (Q * np.r_[4.0, np.ones(n - 1)]) @ Q.T
    assert not early.keeps_every_order(basis, S, 1e-9)
    moved = S @ basis.Vt[0]
    beside = moved - (moved @ basis.Vt[0]) * basis.Vt[0]
    D = np.outer(basis.U[:, 0], beside)  # no core coordinate, and yet the gradient has one
    assert abs(theory.coordinates(basis, D)[0]) <= unit(n, n)
    assert abs(theory.coordinates(basis, early.gradient(D, S))[0]) == pytest.approx(
        beside @ beside, abs=10 * unit(n, n)
    )


def test_the_counter_example_that_is_stated():
    basis = theory.Core(np.eye(2), np.array([2.0, 1]), np.eye(2))
    G = early.gradient(np.diag([1.0, 2]), np.diag([1, 1 / 9]))
    assert theory.top(np.abs(theory.coordinates(basis, G)), 1).tolist() == [0]
    assert theory.top(theory.coordinates(basis, np.diag([1.0, 2])), 1).tolist() == [1]
    assert not early.order_is_sure(np.array([1.0, 2]), np.array([1, 1 / 9]), 1, 0)
