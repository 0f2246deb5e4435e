"""What the evidence of the asymmetry family does beyond picking trials (tests/test_wiring.py)."""

import pytest

from loralab.statistics import mean, resplit_mean
from proxies.families.asymmetry import evidence


def test_the_farthest_case_stands_with_an_interval_for_all():
    cases = [mean([0.9, 1.0, 1.1]), mean([1.2, 1.3, 1.4]), mean([0.8, 0.9, 1.0])]
    found = evidence.of_all(cases, 1)
    each = [case.at_level(1 - 0.05 / 3) for case in cases]
    assert found.value == cases[1].value
    assert (found.low, found.high) == (each[2].low, each[1].high)
    assert found.at_level(0.975).low == pytest.approx(cases[2].at_level(1 - 0.025 / 3).low)
    assert found.draws == 3


def test_splits_of_a_pool_are_no_independent_draws():
    values = [0.1, 0.2, 0.4]
    assert evidence.over_networks("digits", values) == resplit_mean(values, 1200, 397)
    assert evidence.over_networks("synthetic", values) == mean(values, "network and data")
