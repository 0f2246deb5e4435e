"""One interval for several cases, and how often it covers."""

import numpy as np
import pytest

from loralab.statistics import farthest, highest, mean, simultaneous

CASES = [mean([0.9, 1.0, 1.1]), mean([1.2, 1.3, 1.4]), mean([0.8, 0.9, 1.0])]


def test_the_farthest_case_stands_with_an_interval_for_all():
    found = simultaneous(CASES, 1)
    each = [case.at_level(1 - 0.05 / 3) for case in CASES]
    assert found.value == CASES[1].value
    assert (found.low, found.high) == (each[2].low, each[1].high)
    assert found.at_level(0.975).low == pytest.approx(CASES[2].at_level(1 - 0.025 / 3).low)
    assert (found.draws, found.design) == (3, "Student, 3 at once")
    assert simultaneous(CASES[:1], 1).low == CASES[0].low


@pytest.mark.parametrize("level", [0.95, 0.975, 0.9875])
def test_it_holds_the_truth_of_all_cases_at_once(level):
    """Where the truths of the cases lie apart, each end of the hull is of one case: of three, each
    with a third of the error, two have an end that may miss, and it misses in a third of the
    error."""
    rng, times, truths = np.random.default_rng(0), 2000, (0, 10, 20)
    studies = [
        simultaneous([mean(rng.normal(truth, 1, 6).tolist()) for truth in truths], 10)
        for _ in range(times)
    ]
    at = [study.at_level(level) for study in studies]
    missed = np.mean([not study.low <= 0 < 20 <= study.high for study in at])
    nominal = (1 - level) / 3
    assert abs(missed - nominal) <= 4 * (nominal / times) ** 0.5


@pytest.mark.parametrize(
    "of", [highest, farthest, lambda cases: simultaneous(cases, 0)], ids=["high", "far", "all"]
)
def test_no_cases_have_no_interval(of):
    with pytest.raises(ValueError, match="at least one"):
        of([])


def test_the_worst_of_several_means():
    """A wide interval decides over a larger mean; the lower end is corrected for the choice."""
    wide, narrow = mean([-0.4, 0.0, 0.4]), mean([0.09, 0.1, 0.11])
    worst = highest([narrow, wide])
    assert worst.value == narrow.value
    assert worst.high == wide.high
    assert worst.low == narrow.at_level(0.975).low
    assert worst.at_level(0.99).high == wide.at_level(0.99).high
    assert worst.at_level(0.99).low == narrow.at_level(0.995).low
    below = farthest([mean([-0.3, -0.29, -0.28]), narrow])
    assert below.value == pytest.approx(0.29)
    assert below.high == pytest.approx(-mean([-0.3, -0.29, -0.28]).low)
    assert farthest([wide]).low == 0


@pytest.mark.parametrize("means", [(0.0,) * 5, (0.3, 0.2, 0.1, 0.0, -0.3), (1.0, 0, 0, 0, 0)])
def test_its_interval_covers_the_largest_mean(means):
    """At least 95 % by theory; of 2000 the error is 0.5 % a standard deviation."""
    rng, covered = np.random.default_rng(0), np.zeros(2)
    draws = 2000
    for _ in range(draws):
        each = [mean(row.tolist()) for row in rng.normal(means, 0.2, (6, 5)).T]
        for i, (found, truth) in enumerate(
            ((highest(each), max(means)), (farthest(each), max(map(abs, means))))
        ):
            covered[i] += found.low <= truth <= found.high
    assert (covered / draws >= 0.95 - 0.015).all()
