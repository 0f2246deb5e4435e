"""What scaled directions and a carried initialization can gain: theory.task_directions.gains."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.laws.task_directions import EPS, drawn
from theory.task_directions import directions as theory
from theory.task_directions import gains, learning

seeds = st.integers(1000, 2**32)


def left_of(D: np.ndarray, rank: int) -> float:
    return float(np.sum(np.linalg.svd(D, compute_uv=False)[rank:] ** 2))


def part(basis: theory.Core, chosen: np.ndarray, d: np.ndarray) -> np.ndarray:
    return (basis.U[:, chosen] * d) @ basis.Vt[chosen]


def dash_reach(D: np.ndarray, basis: theory.Core, chosen: np.ndarray, rank: int) -> list[float]:
    """What is left after each of a hundred rounds of the best d and the best B A in turn."""
    found, d = [], np.zeros(len(chosen))
    for _ in range(100):
        M = D - part(basis, chosen, d)
        found.append(left_of(M, rank))
        d = d + theory.coordinates(basis, gains.rest(M, rank))[chosen]
    return found


@given(st.integers(4, 12), st.integers(4, 12), st.integers(1, 3), st.integers(1, 3), seeds)
def test_dash_reaches_further_than_lora_and_not_as_far_as_the_rank_of_both(out, in_, r, s, seed):
    W, D, rng = drawn(out, in_, seed)
    basis, n = theory.core(W), min(out, in_)
    chosen = rng.permutation(n)[:s]
    steps = dash_reach(D, basis, chosen, r)
    slack = 100 * n * EPS * np.sum(D**2)
    assert steps[0] == pytest.approx(left_of(D, r))
    sure = gains.sure_gain(D, basis, chosen, r) * left_of(D, r) if left_of(D, r) > slack else 0
    assert steps[1] <= left_of(D, r) - sure + slack
    assert (np.diff(steps) <= slack).all()
    assert steps[-1] >= left_of(D, r + s) - slack
    by_size = theory.top(np.abs(theory.coordinates(basis, gains.rest(D, r))), s)
    if left_of(D, r) > slack:
        most = gains.sure_gain(D, basis, by_size, r)
        assert gains.sure_gain(D, basis, chosen, r) <= most * (1 + n * EPS)
        assert most <= theory.energy(basis, gains.rest(D, r)) * (1 + n * EPS)


@given(st.lists(st.floats(-4, 4), min_size=5, max_size=9), st.integers(1, 2), st.integers(1, 2))
def test_on_core_directions_size_is_the_best_order(values, r, s):
    a = np.array(values)
    least = gains.left(a, r + s)
    assert gains.dash_left(a, theory.top(np.abs(a), s), r) == pytest.approx(least, abs=1e-12)
    for start in range(len(a) - s):
        assert gains.dash_left(a, np.arange(start, start + s), r) >= least - 1e-12


def test_by_change_rate_it_may_be_a_wrong_one():
    """The counter-example of (4), in vectors and in matrices."""
    a, sigma = np.array([4.0, 3, 1]), np.array([8.0, 4, 1])
    by_rate, by_size = theory.top(a / sigma, 1), np.array([1])
    assert by_rate.tolist() == [2]
    assert (gains.dash_left(a, by_rate, 1), gains.dash_left(a, by_size, 1)) == (9, 1)
    assert gains.left(a, 1) == 10
    basis = theory.Core(np.eye(3), sigma, np.eye(3))
    assert learning.reach_with_scales(np.diag(a), basis, by_rate, 1) * 26 == pytest.approx(9)
    assert dash_reach(np.diag(a), basis, by_size, 1)[-1] == pytest.approx(1)


@given(st.integers(4, 12), st.integers(4, 12), st.integers(1, 3), seeds)
def test_a_carried_start_reaches_no_further_than_twice_the_rank(out, in_, r, seed):
    W, D, rng = drawn(out, in_, seed)
    basis, n = theory.core(W), min(out, in_)
    chosen = rng.permutation(n)[:r]
    carried = part(basis, chosen, basis.sigma[chosen])
    slack = 100 * n * EPS * np.sum(D**2)
    assert left_of(D, 2 * r) <= left_of(D + carried, r) + slack
    # nested, d takes up W_I: (7)
    d = rng.standard_normal(r)
    with_both = left_of(D + carried - part(basis, chosen, d + basis.sigma[chosen]), r)
    assert with_both == pytest.approx(left_of(D - part(basis, chosen, d), r), abs=slack)


@given(st.lists(st.floats(0, 3), min_size=5, max_size=9), st.integers(1, 3), seeds)
def test_a_carried_start_gains_only_by_what_the_task_shrinks(values, r, seed):
    rng = np.random.default_rng(seed)
    a = np.array(values)
    sigma = np.sort(rng.uniform(0.1, 2, len(a)))[::-1]
    chosen = rng.permutation(len(a))[:r]
    assert gains.init_left(a, sigma, chosen, r) >= gains.left(a, r) - 1e-12
    undone = a.copy()
    undone[chosen] = -sigma[chosen]
    others = np.delete(undone, chosen)
    assert gains.init_left(undone, sigma, chosen, r) == pytest.approx(gains.left(others, r))
    assert gains.init_left(undone, sigma, chosen, r) <= gains.left(undone, r) + 1e-12
