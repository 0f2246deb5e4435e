"""When Init[A] is better on average: what both can reach, for every target; and what the first step
says, which is the opposite."""

import itertools
from fractions import Fraction as F

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from theory import lr_stability as theory
from theory.lr_stability.comparison import (
    first_step,
    floor_both,
    floor_frozen_B,
    mean_first_step,
    mean_floor_frozen_B,
    trained,
)

EPS = np.finfo(float).eps
sizes = st.tuples(st.integers(2, 6), st.integers(2, 6), st.integers(1, 4))
seeds = st.integers(0, 2**16)


def target(m: int, n: int, seed: int, decay: float = 1.0) -> np.ndarray:
    """A change of the weight with singular values that fall like powers of `decay`."""
    rng = np.random.default_rng(seed)
    U, _, Vh = np.linalg.svd(rng.normal(size=(m, n)), full_matrices=False)
    return (U * decay ** np.arange(min(m, n))) @ Vh


def coordinate_frames(m: int, rank: int) -> list[np.ndarray]:
    """Every choice of coordinates: their projectors have the mean of uniform directions, r/m I."""
    return [np.eye(m)[:, list(chosen)] for chosen in itertools.combinations(range(m), rank)]


@given(sizes, seeds, st.floats(0.05, 1))
def test_two_trained_factors_reach_no_higher_floor_than_one(shape, seed, decay):
    """(6) for a random B_0, and equal where B_0 spans the leading left singular vectors."""
    m, n, rank = shape
    D, rng = target(m, n, seed, decay), np.random.default_rng(seed + 1)
    assert floor_both(D, rank) <= floor_frozen_B(D, rng.normal(size=(m, rank))) + 100 * EPS
    leading = np.linalg.svd(D)[0][:, : min(rank, m)]
    assert floor_frozen_B(D, leading) == pytest.approx(floor_both(D, rank), abs=1e3 * EPS)


@given(sizes, seeds, st.floats(0.05, 1))
def test_each_floor_is_the_least_loss_of_its_problem(shape, seed, decay):
    """Least squares for A at a frozen B_0, and the truncated SVD for both."""
    m, n, rank = shape
    D, rng = target(m, n, seed, decay), np.random.default_rng(seed + 1)
    B_0 = rng.normal(size=(m, rank))
    A = np.linalg.lstsq(B_0, D, rcond=None)[0]
    # the condition of a small normal B_0 is below 1e4 in these draws
    assert np.square(D - B_0 @ A).sum() == pytest.approx(floor_frozen_B(D, B_0), abs=1e-9)
    U, values, Vh = np.linalg.svd(D, full_matrices=False)
    nearest = (U[:, :rank] * values[:rank]) @ Vh[:rank]
    assert np.square(D - nearest).sum() == pytest.approx(floor_both(D, rank), abs=1e3 * EPS)


@given(sizes, seeds, st.floats(0.05, 1))
def test_the_mean_gap_of_the_floors(shape, seed, decay):
    """(5) and (7), averaged over all coordinate frames."""
    m, n, rank = shape
    rank = min(rank, m)
    D = target(m, n, seed, decay)
    floors = [floor_frozen_B(D, B_0) for B_0 in coordinate_frames(m, rank)]
    assert np.mean(floors) == pytest.approx(mean_floor_frozen_B(D, rank), abs=1e3 * EPS)
    values = np.zeros(m)
    values[: min(m, n)] = np.linalg.svd(D, compute_uv=False)
    gap = (values[:rank] ** 2 - (values**2).sum() / m).sum()
    assert np.mean(floors) - floor_both(D, rank) == pytest.approx(gap, abs=1e3 * EPS)
    assert gap >= -1e3 * EPS


def test_a_flat_target_leaves_no_gap():
    D = target(5, 5, 0)
    assert mean_floor_frozen_B(D, 2) == pytest.approx(floor_both(D, 2), abs=1e3 * EPS)
    falling = target(5, 5, 0, 0.5)
    assert mean_floor_frozen_B(falling, 2) > 2 * floor_both(falling, 2)


@settings(max_examples=20)
@given(st.integers(2, 5), st.integers(2, 5), st.integers(1, 2), seeds, st.floats(0.1, 2))
def test_the_first_step_favours_init_b_by_n_over_r(m, n, rank, seed, scale):
    """(2), exactly: over all signs of entries of size 1/sqrt(n) and 1/sqrt(r)."""
    G = np.random.default_rng(seed).normal(size=(m, n))
    signs = lambda entries: itertools.product((-1.0, 1.0), repeat=entries)
    from_a = [
        first_step(G, np.zeros((m, rank)), np.reshape(s, (rank, n)) / n**0.5, scale)
        for s in signs(rank * n)
    ]
    from_b = [
        first_step(G, np.reshape(s, (m, rank)) / rank**0.5, np.zeros((rank, n)), scale)
        for s in signs(m * rank)
    ]
    near = lambda value: pytest.approx(value, rel=1e4 * EPS)
    assert np.mean(from_a) == near(mean_first_step(G, rank, 1 / n, scale))
    assert np.mean(from_b) == near(mean_first_step(G, rank, 1 / rank, scale))
    assert np.mean(from_b) / np.mean(from_a) == near(n / rank)


@given(sizes, seeds)
def test_the_first_step_is_the_derivative_of_the_loss(shape, seed):
    m, n, rank = shape
    rng = np.random.default_rng(seed)
    D, B, A = rng.normal(size=(m, n)), rng.normal(size=(m, rank)), rng.normal(size=(rank, n))
    s, eta = 0.7, 1e-7
    loss = lambda B, A: np.square(D - s * B @ A).sum()
    G = -2 * (D - s * B @ A)
    fall = loss(B, A) - loss(B - eta * s * G @ A.T, A - eta * s * B.T @ G)
    # second order in eta, with curvatures below 1e4 of the first-order term in these draws
    assert fall / eta == pytest.approx(first_step(G, B, A, s), rel=1e-2)


def test_where_one_factor_trains_and_where_both():
    """At the features' largest single learning rate B of Init[B] is lost; at the LoRA+ pair, and at
    the output's largest learning rate behind a read-out of order 1/n, nothing is."""
    at_limit = {name: theory.max_single_lr(name) for name in ("init_a", "init_b")}
    assert trained("init_a", *(at_limit["init_a"],) * 2) == (True, True)
    assert trained("init_b", *(at_limit["init_b"],) * 2) == (True, False)
    for name in at_limit:
        assert trained(name, F(-1), F(0)) == (True, True)
        c = theory.max_single_lr(name, level="loss", readout="mup")
        assert c == -F(1, 2)
        assert trained(name, c, c) == (True, True)
    # at Init[B]'s learning rate Init[A] loses both
    assert trained("init_a", F(-1), F(-1)) == (False, False)
