"""What a sweep says: the rules by which methods are compared."""

import math

import numpy as np
import pytest

from loralab.claims import Measured
from scaling.comparison.statistics import ratio, verdict
from scaling.comparison.summary import (
    summarise,
)
from tests.support.sweeps import sweep


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
