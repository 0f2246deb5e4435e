"""Paired comparisons: faulty intervals are seen to be so, and the true one moves with its data.
How often it covers the truth is in test_coverage."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loralab.claims import Measured
from loralab.statistics import mean, paired, pairing
from tests.support import designs
from tests.support.designs import cover, losses, many, seen

TIMES = 600
FLOOR = 0.93 - 4 * (0.95 * 0.05 / TIMES) ** 0.5  # of four standard errors


def over_seeds(rows, same_test, rng) -> Measured:
    """Fault: a bootstrap over the few seeds."""
    means = rows.mean(1)
    drawn = means[rng.integers(len(means), size=(300, len(means)))].mean(1)
    low, high = (float(np.quantile(drawn, q)) for q in (0.025, 0.975))
    return Measured(min(max(float(means.mean()), low), high), low, high)


def student(rows, same_test, rng) -> Measured:
    """Fault: the seeds alone, where all share their test examples."""
    return mean(rows.mean(1).tolist())


def examples(rows, same_test, rng) -> Measured:
    """Fault: the test examples of all seeds as if they were of one."""
    return paired([rows.ravel().tolist()], [[0.0] * rows.size], True, rng)


@pytest.mark.parametrize(
    ("faulty", "world"),
    [
        (over_seeds, (3, 40, False, 0.2, 0.3)),
        (student, (5, 40, True, 0.0, 0.3)),
        (examples, (5, 40, True, 0.5, 0.3)),
    ],
)
def test_a_faulty_interval_is_seen_to_cover_too_little(faulty, world, monkeypatch):
    monkeypatch.setattr(pairing, "DRAWS", 200)
    assert cover(seen(many(losses(*world)), TIMES), 0.95) > FLOOR

    def instead(first, second, same_test, rng):
        return faulty(np.subtract(first, second), same_test, rng)

    monkeypatch.setattr(designs, "paired", instead)
    assert cover(seen(many(losses(*world)), TIMES), 0.95) < FLOOR


def test_few_examples_that_differ_leave_a_doubt():
    # Of 12 examples none differs: by the rule of three up to 3 / 12 may. A plain bootstrap is sure
    # of zero.
    right = [[1.0] * 12]
    found = paired(right, right, True, np.random.default_rng(0))
    assert found.value == 0
    assert min(-found.low, found.high) > 0.1


scores = st.integers(2, 12).flatmap(
    lambda n: st.lists(st.lists(st.floats(2, 5), min_size=n, max_size=n), min_size=2, max_size=4)
)


@settings(max_examples=25, deadline=None)
@given(scores, st.booleans(), st.floats(-3, 3), st.integers(0, 2**32))
def test_a_shift_of_one_method_shifts_the_interval(rows, same_test, shift, seed):
    moved = [[x + shift for x in row] for row in rows]
    found = paired(moved, rows, same_test, np.random.default_rng(seed))
    # All differences are equal but for the rounding of sums below 10, so there is no doubt.
    assert math.isclose(found.value, shift, abs_tol=1e-12)
    assert found.high - found.low < 1e-11


@settings(max_examples=25, deadline=None)
@given(scores, st.booleans(), st.integers(0, 2**32))
def test_to_swap_the_methods_turns_the_interval_round(rows, same_test, seed):
    zeros = [[0.0] * len(row) for row in rows]
    one, other = (
        paired(*pair, same_test, np.random.default_rng(seed))
        for pair in ((rows, zeros), (zeros, rows))
    )
    # Quantiles of the same draws, turned; sums of 12 numbers below 5 are rounded at 1e-14.
    np.testing.assert_allclose([one.low, one.high], [-other.high, -other.low], atol=1e-12)


def test_much_is_drawn_in_parts(monkeypatch):
    row = np.arange(50.0)
    whole = pairing._means(row, np.random.default_rng(0))
    monkeypatch.setattr(pairing, "AT_ONCE", 120)
    np.testing.assert_array_equal(pairing._means(row, np.random.default_rng(0)), whole)


@pytest.mark.parametrize("same_test", [True, False])
def test_seeds_that_agree_leave_a_doubt(same_test):
    right = [[1.0] * 12] * 3
    found = paired(right, right, same_test, np.random.default_rng(0))
    assert found.value == 0
    # the rule of three: 3 of the 36, or of the 12 that count as 12 sqrt(3)
    assert found.high == -found.low > 0.07


def test_many_seeds_need_no_generator():
    rng = np.random.default_rng(0)
    first, second = rng.normal(size=(2, 8, 20)).tolist()
    one, other = (paired(first, second, True, np.random.default_rng(k)) for k in range(2))
    assert one == other


@pytest.mark.parametrize("seeds", [1, 4])
def test_a_higher_level_is_wider(seeds):
    rng = np.random.default_rng(0)
    first, second = rng.normal(size=(2, seeds, 20)).tolist()
    found = paired(first, second, True, rng)
    widths = [at.high - at.low for at in map(found.at_level, (0.5, 0.95, 0.975, 0.9875, 0.9999999))]
    assert widths == sorted(set(widths))


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda rng: paired([[1, 2]], [[1, 2], [1, 2]], True, rng), "same seeds"),
        (lambda rng: paired([], [], True, rng), "same seeds"),
        (lambda rng: paired([[1, 2]], [[1, 2, 3]], True, rng), "same test examples"),
        (lambda rng: paired([[1]], [[2]], True, rng), "two at least"),
        (
            lambda rng: paired([[1, 2], [1, 2, 3]], [[1, 2], [1, 2, 3]], True, rng),
            "all seeds share",
        ),
        (lambda rng: paired([[1, math.nan]], [[1, 2]], True, rng), "finite"),
    ],
)
def test_wrong_input_is_told_of(call, says):
    with pytest.raises(ValueError, match=says):
        call(np.random.default_rng(0))
