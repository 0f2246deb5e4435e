"""What a sweep says: intervals that cover as often as they say, and the rules by which methods are
compared."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loralab.claims import Measured
from loralab.statistics import LEVEL
from scaling.comparison import statistics
from scaling.comparison.statistics import paired, ratio, verdict
from scaling.comparison.summary import (
    summarise,
)
from tests.support.sweeps import sweep

TIMES = 1000
# Of TIMES draws the frequency of a hit has this standard error; 4 of them are passed once in 30000
# seeds.
FLOOR = LEVEL - 4 * (LEVEL * (1 - LEVEL) / TIMES) ** 0.5
EXAMPLES, TRUTH = 40, 0.1


def losses(rng, seeds: int, same_test: bool, spread: float):
    """Scores as in equation (1): examples that suit one method in every run matter most."""
    seed = spread * rng.normal(size=(seeds, 1))
    example = rng.normal(size=(1 if same_test else seeds, EXAMPLES))
    second = rng.normal(size=(seeds, EXAMPLES))
    return second + TRUTH + seed + example + 0.3 * rng.normal(size=(seeds, EXAMPLES)), second


def answers(rng, seeds: int, same_test: bool, spread: float):
    """Right or wrong; the first method alone is right on 0.15 of the examples, the second on 0.05,
    in every run, and a run may be a better or a worse one for the first."""
    case = rng.uniform(size=(1 if same_test else seeds, EXAMPLES))
    both = rng.uniform(size=(seeds, EXAMPLES)) < 0.6
    luck = spread * rng.choice([-1, 1], size=(seeds, 1))
    first = np.where(case < 0.15 + luck, 1, np.where(case > 0.95, 0, both))
    return first, np.where(case < 0.15 + luck, 0, np.where(case > 0.95, 1, both))


def coverage(interval, draw, seeds: int, same_test: bool, spread: float) -> float:
    rng = np.random.default_rng(0)
    found = (interval(*draw(rng, seeds, same_test, spread), same_test, rng) for _ in range(TIMES))
    return float(np.mean([m.low <= TRUTH <= m.high for m in found]))


@pytest.fixture
def _fewer(monkeypatch):
    # ends that move by 8 % cost less than 0.5 % of coverage
    monkeypatch.setattr(statistics, "DRAWS", 200)


CASES = [
    (losses, 3, True, 0.2),
    (losses, 3, False, 0.2),
    (losses, 5, True, 0.0),
    # as much doubt from seeds as from examples: the wider of the two covers 89 %
    (losses, 10, True, 0.5),
    (losses, 3, False, 0.0),
    (losses, 1, True, 0.0),
    (answers, 3, True, 0.0),
    (answers, 5, True, 0.05),
    (answers, 5, False, 0.05),
]


@pytest.mark.usefixtures("_fewer")
@pytest.mark.parametrize(("draw", "seeds", "same_test", "spread"), CASES)
def test_a_paired_interval_covers_the_truth(draw, seeds, same_test, spread):
    assert coverage(paired, draw, seeds, same_test, spread) > FLOOR


def over_seeds(first, second, same_test, rng) -> Measured:
    """Fault: a bootstrap over the few seeds."""
    means = np.subtract(first, second).mean(1)
    drawn = means[rng.integers(len(means), size=(300, len(means)))].mean(1)
    return Measured(float(means.mean()), *(float(np.quantile(drawn, q)) for q in (0.025, 0.975)))


def student(first, second, same_test, rng) -> Measured:
    """Fault: the seeds alone, where all share their test examples."""
    return statistics.mean(np.subtract(first, second).mean(1).tolist())


def examples(first, second, same_test, rng) -> Measured:
    """Fault: the test examples of all seeds as if they were of one."""
    return paired([np.ravel(first).tolist()], [np.ravel(second).tolist()], True, rng)


@pytest.mark.usefixtures("_fewer")
@pytest.mark.parametrize(
    ("faulty", "draw", "seeds", "same_test", "spread"),
    [
        (over_seeds, losses, 3, False, 0.2),
        (student, losses, 5, True, 0.0),
        (examples, losses, 5, True, 0.5),
    ],
)
def test_a_faulty_interval_is_seen_to_cover_too_little(faulty, draw, seeds, same_test, spread):
    assert coverage(faulty, draw, seeds, same_test, spread) < FLOOR


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
    whole = statistics._means(row, np.random.default_rng(0))
    monkeypatch.setattr(statistics, "AT_ONCE", 120)
    np.testing.assert_array_equal(statistics._means(row, np.random.default_rng(0)), whole)


@pytest.mark.parametrize(
    ("low", "high", "margin", "wanted"),
    [
        (0.1, 0.3, 0.05, "better"),
        (0.01, 0.3, 0.05, "better"),
        (0.01, 0.04, 0.05, "better, by less than the margin"),
        (-0.3, -0.1, 0.05, "worse"),
        (-0.04, -0.01, 0.05, "worse, by less than the margin"),
        (-0.04, 0.05, 0.05, "no difference"),
        (-0.04, 0.06, 0.05, "undecided"),
        (-0.04, 0.04, 0.0, "undecided"),
        (0.0, 0.0, 0.0, "no difference"),
    ],
)
def test_a_verdict_is_read_off_the_interval(low, high, margin, wanted):
    assert verdict(Measured((low + high) / 2, low, high), margin) == wanted


def test_a_ratio_is_paired_by_seed():
    found = ratio([10, 200, 3000], [20, 400, 6000])
    # Equal quotients leave no doubt but the rounding of three logarithms below 1, times Student's
    # 4.3.
    np.testing.assert_allclose([found.value, found.low, found.high], 0.5, rtol=1e-14)
    assert ratio([10], [20]) == Measured(0.5, 0, math.inf)


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
        (lambda rng: verdict(Measured(0, 0, 0), -1), "margin"),
        (lambda rng: verdict(Measured(0, 0, 0), math.nan), "margin"),
        (lambda rng: ratio([1, 2], [1]), "same seeds"),
        (lambda rng: ratio([1, 0], [1, 1]), "a ratio needs positive"),
        (lambda rng: ratio([1, 1], [1, 0]), "a ratio needs positive"),
        (lambda rng: summarise(sweep({"a": 0.5}), "b", 0.1, rng), "the reference must be one of"),
        (
            lambda rng: summarise({"a": {0.1: {0: {}}, 0.2: {1: {}}}}, "a", 0.1, rng),
            "each of its learning rates",
        ),
    ],
)
def test_wrong_input_is_told_of(call, says):
    with pytest.raises(ValueError, match=says):
        call(np.random.default_rng(0))
