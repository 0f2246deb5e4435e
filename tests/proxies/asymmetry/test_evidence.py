"""What the evidence of the asymmetry family does beyond picking trials (tests/test_wiring.py)."""

from loralab.statistics import mean, resplit_mean
from proxies.families.asymmetry import evidence


def test_splits_of_a_pool_are_no_independent_draws():
    values = [0.1, 0.2, 0.4]
    assert evidence.over_networks("digits", values) == resplit_mean(values, 1200, 397)
    assert evidence.over_networks("synthetic", values) == mean(values, "network and data")
