"""theory.gradient_signal.optimum on lora.collect, lora.attach and lora.SCHEMES themselves."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lora import Statistics
from lora.ranks import distribute, signal_scores, variance_scores
from tests.support.laws.gradient_signal import (
    EPS,
    UNITS,
    Population,
    array,
    collected,
    drawn,
    orthonormal,
    populations,
    rows,
    seeds,
)
from tests.support.laws.gradient_signal.optimum import (
    check_allocation,
    check_centring,
    check_default_start,
    check_gradient_of_b,
    check_independence,
    check_loss_bound,
    check_optimum,
)
from theory.gradient_signal import optimum as theory


@drawn
@given(
    populations(),
    st.sampled_from(["gradient_signal", "eva", "init_a", "orthogonal"]),
    st.floats(0.1, 10),
)
def test_gradient_of_b(p, scheme, alpha):
    check_gradient_of_b(p, scheme, alpha)


@pytest.mark.parametrize("scheme", ["eva", "gradient_signal"])
@drawn
@given(p=populations(), seed=st.integers(0, 1000))
def test_optimum(scheme, p, seed):
    check_optimum(p, scheme, seed)


@drawn
@given(populations(tokens=16))
def test_independence(p):
    check_independence(p)


@pytest.mark.parametrize("check", [check_loss_bound, check_centring])
@drawn
@given(p=populations())
def test_law(check: Callable[[Population], None], p: Population):
    check(p)


@pytest.mark.parametrize("square", [0.5, 1.5, 2.5, 4.0])
def test_both_bounds_of_centring_are_attained(square):
    """By a mean along a direction in which the inputs do not vary: removing it loses |mu|^2, and
    taking it in loses the least of the r variances."""
    C, mu = np.diag([3.0, 2.0, 0.0]), np.array([0.0, 0.0, square**0.5])
    low, gap, high = theory.centring(C, mu, 2)
    assert low == pytest.approx(gap, abs=100 * EPS)
    assert gap == pytest.approx(max(0, square - 2), abs=100 * EPS)
    assert high == pytest.approx(square, abs=100 * EPS)


@drawn
@given(
    st.lists(st.lists(st.floats(0, 100), min_size=1, max_size=4), min_size=1, max_size=4),
    st.integers(1, 8),
)
def test_allocation(spectra, budget):
    check_allocation(spectra, budget)


@settings(max_examples=10, deadline=None, derandomize=True, database=None)
@given(st.integers(2, 30), st.data(), st.integers(1000, 10**6))
def test_default_start(d, data, seed):
    check_default_start(d, data.draw(st.integers(1, min(d, 4))), seed)


@drawn
@given(populations(), st.data(), seeds)
def test_other_feasible_sets_have_other_optima(p, data, seed):
    """(2): any fixed singular values give a weighted Ky Fan sum; the ball gives r copies of one
    row, not EVA."""
    Q = array(collected(p).weighted_second_moment)
    V, rng = theory.top(Q, p.rank), np.random.default_rng(seed)
    a = np.sort(np.array(data.draw(st.lists(st.floats(0.1, 3), min_size=p.rank, max_size=p.rank))))[
        ::-1
    ]
    O = np.linalg.qr(rng.standard_normal((p.rank, p.rank))).Q
    allowed = UNITS * EPS * len(Q) * float(np.trace(Q)) * float(a[0] ** 2 + p.rank)
    assert abs(theory.signal(O @ np.diag(a) @ V, Q) - theory.best(np.diag(a) @ V, Q)) <= allowed
    for _ in range(10):
        other = (
            np.linalg.qr(rng.standard_normal((p.rank, p.rank))).Q
            @ np.diag(a)
            @ orthonormal(p.rank, len(Q), rng)
        )
        assert theory.signal(other, Q) <= theory.best(other, Q) + allowed
        ball = rng.standard_normal((p.rank, len(Q)))
        ball *= np.sqrt(p.rank) / np.linalg.norm(ball)
        assert theory.signal(ball, Q) <= theory.best_in_ball(Q, p.rank) + allowed
    assert (
        abs(theory.signal(np.repeat(V[:1], p.rank, 0), Q) - theory.best_in_ball(Q, p.rank))
        <= allowed
    )
    assert theory.best_in_ball(Q, p.rank) >= theory.ky_fan(Q, p.rank) - allowed


@drawn
@given(populations())
def test_only_the_length_of_g_counts(p):
    """g a function of x through and through, but of constant length: D = 0, and EVA is optimal all
    the same."""
    p = p._replace(g=p.g / p.g.norm(dim=1, keepdim=True))
    stats = collected(p)
    Q = array(stats.weighted_second_moment)
    allowed = UNITS * EPS * len(Q) * float(np.trace(Q))
    assert (
        abs(theory.signal(rows("eva", p, stats, center=False), Q) - theory.ky_fan(Q, p.rank))
        <= allowed
    )


def test_explained_variance_is_not_the_signal():
    """(8): with one |g|^2 for both layers the signal's optimum takes 19 from one layer, EVA's ratio
    11 from two."""
    spectra = {"raw": [10.0, 9.0, 0.1], "small": [1.0, 0.1, 0.01]}
    stats = {
        n: Statistics(
            10,
            torch.zeros(3).double(),
            torch.diag(torch.tensor(s)).double(),
            None,
            torch.diag(torch.tensor(s)).double(),
        )
        for n, s in spectra.items()
    }
    by_signal = distribute({n: signal_scores(s, 3) for n, s in stats.items()}, 2)
    by_ratio = distribute({n: variance_scores(s, 3) for n, s in stats.items()}, 2)
    assert by_signal == {"raw": 2, "small": 0}
    assert by_ratio == {"raw": 1, "small": 1}
    assert theory.allocation([np.array(s) for s in spectra.values()], 2) == ([2, 0], 19.0)
