"""theory.nystrom.asymmetric: identities, and the iteration on random problems."""

import numpy as np
import pytest
import sympy as sp
from hypothesis import given
from hypothesis import strategies as st

from tests.support.laws.nystrom import (
    EPS,
    check_asymmetric_leak,
    check_block_maps,
    check_first_step,
    check_scalar_law,
    check_sketch_in_the_range,
    conditions,
    drawn,
    ranks,
    same,
    seeds,
    step_sizes,
)
from theory.nystrom import asymmetric
from theory.nystrom import iterations as run

eta, M, d = asymmetric.eta, asymmetric.M, asymmetric.d


@pytest.mark.parametrize(
    "law",
    [
        check_scalar_law,
        check_block_maps,
        check_first_step,
        check_asymmetric_leak,
        check_sketch_in_the_range,
    ],
)
@drawn
@given(rank=ranks, condition=conditions, seed=seeds)
def test_law(law, rank, condition, seed):
    law(rank, condition, seed)


@pytest.mark.parametrize("law", [check_block_maps, check_first_step, check_asymmetric_leak])
@drawn
@given(rank=ranks, condition=conditions, seed=seeds, step_size=step_sizes)
def test_law_at_any_step_size(law, rank, condition, seed, step_size):
    law(rank, condition, seed, step_size=step_size)


def test_asymmetric_identities():
    assert same(asymmetric.next_block(), (1 - eta) ** 2 * M + 2 * eta * (1 - eta) + eta**2 * M**-1)
    assert same(asymmetric.next_block(), sp.expand(M**-1 * ((1 - eta) * M + eta) ** 2))
    assert same(asymmetric.next_block_alternating(), 1 + (1 - eta) ** 2 * (M - 1))
    assert sp.simplify(asymmetric.scalar_error_factor() - ((1 - eta) ** 2 - eta**2 / d)) == 0
    s = asymmetric.root
    assert sp.simplify(asymmetric.next_root() - ((s + 1 / s) / 2) ** 2) == 0


@drawn
@given(
    rank=ranks,
    extra=st.integers(0, 4),
    condition=conditions,
    seed=seeds,
    step_size=st.sampled_from([0.1, 0.5, 1.0]),
)
def test_scalar_law_over_parameterised(rank, extra, condition, seed, step_size):
    check_scalar_law(rank, condition, seed, columns=rank + extra, step_size=step_size)


def test_six_steps_and_universal_errors():
    assert asymmetric.scalar_steps(0.5, 1e-12) == 6
    assert asymmetric.scalar_steps(1.0, 1e-12) == 1
    # -1 is eaten by 1: exact fractions of the recursion at eta = 1/2, d = 1/2, 9/8, 289/288
    np.testing.assert_allclose(
        asymmetric.scalar_law(0.5, 3), [0, 1 / 2, 9 / 8, 289 / 288], rtol=4 * EPS
    )


@drawn
@given(rank=st.integers(1, 4), seed=seeds)
def test_random_starts_converge_unless_obstructed(rank, seed):
    A, U, S, V = run.target(12, 10, rank, 10.0, seed)
    x, y = np.random.default_rng([seed, 5]).standard_normal((2, rank, rank))
    pair = both = (U @ x, V @ y)
    predicted = not asymmetric.obstructed(asymmetric.block(U, S, V, *pair))
    for _ in range(60):
        pair, both = (
            run.simultaneous_step(A, *pair, 0.5, rank),
            run.alternating_step(A, *both, 0.5, rank),
        )
    # 1e-8 stands clear of rounding on both sides: what fails stays at errors near one, what
    # converges is below 1e-11.
    assert (run.relative_error(A, *pair) < 1e-8) == predicted
    assert run.relative_error(A, *both) < 1e-8
