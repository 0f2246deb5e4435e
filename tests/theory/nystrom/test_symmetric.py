"""theory.nystrom.symmetric: identities, and the iteration on random problems."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tests.support.laws.nystrom import (
    EPS,
    UNITS,
    check_closed_form,
    check_leak,
    check_limit,
    check_polar_map,
    check_symmetric_identities,
    conditions,
    drawn,
    ranks,
    seeds,
    sketched,
    step_sizes,
)
from theory.nystrom import iterations as run
from theory.nystrom import symmetric


def test_symmetric_identities():
    check_symmetric_identities()


@pytest.mark.parametrize("law", [check_polar_map, check_limit, check_closed_form, check_leak])
@drawn
@given(rank=ranks, condition=conditions, seed=seeds)
def test_law(law, rank, condition, seed):
    law(rank, condition, seed)


@drawn
@given(rank=ranks, condition=conditions, seed=seeds, step_size=step_sizes)
def test_law_at_any_step_size(rank, condition, seed, step_size):
    check_leak(rank, condition, seed, step_size=step_size)


@drawn
@given(seed=seeds, step_size=st.sampled_from([0.2, 0.3, 0.4, 0.49, 0.6, 0.8]))
def test_any_other_step_size_is_linear(seed, step_size):
    A, *_ = run.symmetric_target(16, 4, 100.0, seed)
    errors = run.errors(A, run.symmetric_run(A, sketched(A, 4, seed), step_size, 4), 400, 1e-8)
    # The next order of (8) is the error itself, and the slowest direction weighs 1/100 in it.
    assert abs(errors[-1] / errors[-2] - symmetric.tail_factor(step_size)) <= 100 * errors[-2]


@drawn
@given(rank=ranks, seed=seeds)
def test_step_size_one_is_a_cycle(rank, seed):
    A, Q, spectrum = run.symmetric_target(3 * rank + 4, rank, 100.0, seed)
    X = sketched(A, rank, seed)
    distance = symmetric.distance(Q, spectrum, X)
    assume(distance <= 1e6)  # beyond, rounding alone moves the cycle by percents
    errors = np.array(run.errors(A, run.symmetric_run(A, X, 1.0, rank), 8))
    # nothing damps rounding, which adds up: 135 units were seen
    allowed = 10 * UNITS * EPS * distance
    np.testing.assert_array_less(np.abs(errors[2:] - errors[:-2]), allowed * (1 + errors[:-2]))


@pytest.mark.parametrize("condition", [10.0, 1e6])
@pytest.mark.parametrize(("step_size", "order"), [("0.5", 2), ("0.4", 1)])
def test_order_in_multi_precision(condition, step_size, order):
    _, Q, spectrum = run.symmetric_target(8, 3, condition, 0)
    F = Q.T @ sketched((Q * spectrum) @ Q.T, 3, 0)
    found, _ = run.symmetric_order(F, spectrum, step_size, 40, digits=160)
    # measured 1e-13: at an error of 1e-20 the next order is far away
    assert abs(found - order) <= 1e-3
