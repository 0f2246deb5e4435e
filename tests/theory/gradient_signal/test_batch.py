"""theory.gradient_signal.batch: batches by enumeration and by sampling, and counter-examples
exactly where the theory puts them."""

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

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
    seeds,
)
from tests.support.laws.gradient_signal.batch import (
    check_batches,
    check_flip,
    check_threshold,
    first_axis,
)
from theory.gradient_signal import batch as batches
from theory.gradient_signal import optimum as theory


@settings(max_examples=15, deadline=None, derandomize=True, database=None)
@given(populations(), st.integers(1, 3))
def test_batches(p, n):
    check_batches(p, n)


def test_threshold():
    check_threshold()


@drawn
@given(st.floats(0.05, 8))
def test_share_of_eva_beyond_the_threshold(c):
    Q, star = batches.censored(c), batches.censored_threshold()
    assume(abs(c - star) > 1e-9)
    assert first_axis("gradient_signal", Q, np.diag([4.0, 1.0])) == (c > star)
    eva = np.array([[1.0, 0.0]])
    np.testing.assert_allclose(theory.share(eva, Q), batches.censored_share(c), rtol=UNITS * EPS)
    if c > 5:  # 1 + c phi/T = c^2 + 2 - 2 c^-2 + O(c^-4), by the asymptotic series of T
        np.testing.assert_allclose(batches.censored_share(c), 4 / (c**2 + 2), rtol=4 / c**4)


@pytest.mark.parametrize("c", [1.0, 2.0])
def test_sampled_counter_example(c):
    """What lora.collect finds in 200 000 tokens, at SIGMAS standard errors: Cov(x, g) = 0, and yet
    Q is not M's."""
    rng = np.random.default_rng(1000)
    x = rng.standard_normal((200_000, 2)) * [2, 1]
    g = rng.choice([-1.0, 1.0], (len(x), 1)) * (np.abs(x[:, 1:]) > c)
    stats = collected(Population(torch.from_numpy(x), torch.from_numpy(g), 1))
    for found, draws, expected in (
        (array(stats.gradient)[0], g * x, [0, 0]),
        (np.diag(array(stats.weighted_second_moment)), (g * x) ** 2, np.diag(batches.censored(c))),
    ):
        error = draws.std(0) / np.sqrt(len(x))
        assert (np.abs(found - expected) <= SIGMAS * error).all()
        # rounding of the library's sums, which are over the same draws
        np.testing.assert_allclose(
            found, draws.mean(0), rtol=0, atol=UNITS * EPS * np.abs(draws).max()
        )


def test_flip_between_batches_of_7_and_8():
    s, kappa = (2.0, 1.0), (0.1, 1.0)
    check_flip(s, kappa, 4.0)
    assert batches.flip_batch(s, kappa, 4.0) == pytest.approx(23 / 3, rel=10 * EPS)
    Q, G = batches.regression(np.diag(s), np.diag(np.sqrt(kappa)), 2.0)
    leads = [int(np.diag(batches.batch_moment(Q, G, n)).argmax()) for n in range(1, 15)]
    assert leads == [0] * 7 + [1] * 7


@drawn
@given(st.floats(1.1, 10), st.floats(0.01, 10), st.floats(1.01, 100), st.floats(0.01, 10))
def test_flip(ratio, kappa, excess, noise):
    check_flip((ratio, 1.0), (kappa, kappa * ratio**2 * excess), noise)


@settings(max_examples=12, deadline=None, derandomize=True, database=None)
@given(st.integers(2, 5), st.integers(1, 3), st.sampled_from([1, 3, 8]), seeds)
def test_regression_against_monte_carlo(d, k, n, seed):
    """batch (1) and (2): |G_n A^T|^2 of 20 000 batches, at SIGMAS standard errors."""
    rng = np.random.default_rng(seed)
    root, D, noise = rng.standard_normal((d, d)), rng.standard_normal((k, d)), 0.3
    A = orthonormal(1, d, rng)
    x = rng.standard_normal((20_000, n, d)) @ root.T
    g = x @ D.T + np.sqrt(noise) * rng.standard_normal((20_000, n, k))
    squares = (np.einsum("tnk,tn->tk", g, x @ A[0]) / n) ** 2
    measured = squares.sum(1)
    expected = theory.signal(
        A, batches.batch_moment(*batches.regression(root @ root.T, D, noise), n)
    )
    assert abs(measured.mean() - expected) <= SIGMAS * measured.std() / np.sqrt(len(x))


@drawn
@given(st.integers(2, 8), st.data(), seeds)
def test_eva_and_large_batches(d, data, seed):
    """K that commutes with S in its order: EVA for all n. K that sees the last axis alone: EVA's
    share tends to 0."""
    rank, rng = data.draw(st.integers(1, d - 1)), np.random.default_rng(seed)
    V = np.linalg.qr(rng.standard_normal((d, d))).Q
    s, kappa = (np.sort(rng.uniform(0.1, 2, d))[::-1] for _ in range(2))
    S, eva = (V * s) @ V.T, V[:, :rank].T
    for n in (1, 4, np.inf):
        M_n = batches.batch_moment(*batches.regression(S, (V * np.sqrt(kappa)) @ V.T, 0.3), n)
        assert theory.share(eva, M_n) == pytest.approx(1, rel=UNITS * EPS * d)
    Q, G = batches.regression(S, V[:, -1:].T, 0.3)
    assert theory.share(eva, batches.batch_moment(Q, G, np.inf)) <= UNITS * EPS * d
    # at one token the noise is all in its favour
    assert theory.share(eva, batches.batch_moment(Q, G, 1)) > 0.01
