"""The slack of slopes over finite widths: a bound for every sum of powers, and one that is met."""

from fractions import Fraction as F

import mpmath
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from theory.lr_stability.finite import slack

# of least-squares slopes of logarithms below 100 over at least one octave
ROUNDING = 1e3 * np.finfo(float).eps

widths = st.lists(st.integers(4, 15), min_size=2, max_size=7, unique=True).map(
    lambda powers: [2**k for k in sorted(powers)]
)
gaps = st.sampled_from([F(1, 4), F(1, 2), F(1)])


def slope(sizes: list[int], logs: np.ndarray) -> float:
    return float(np.polyfit(np.log(sizes), logs, 1)[0])


def sum_of_powers(
    sizes: list[int], exponent: float, lower: list[tuple[float, float]]
) -> np.ndarray:
    n = np.array(sizes, float)
    return np.log(n**exponent * (1 + sum(k * n**-g for k, g in lower)))


@given(
    widths,
    gaps,
    st.floats(0, 20),
    st.floats(-1.5, 1),
    st.lists(st.tuples(st.floats(0, 1), st.integers(0, 8)), min_size=1, max_size=4),
)
def test_every_sum_of_powers_is_within_the_slack(sizes, gap, ratio, exponent, parts):
    total = sum(part for part, _ in parts) or 1.0
    lower = [(ratio * part / total, float(gap) + 0.25 * more) for part, more in parts]
    found = slope(sizes, sum_of_powers(sizes, exponent, lower))
    assert exponent - slack(sizes, ratio, gap) - ROUNDING <= found <= exponent + ROUNDING


def test_one_lower_power_meets_it():
    sizes = [256, 1024, 4096, 16384]
    found = slope(sizes, sum_of_powers(sizes, 0.5, [(4.0, 0.5)]))
    assert found == pytest.approx(0.5 - slack(sizes, 4.0), abs=ROUNDING)


@given(widths, gaps, st.floats(0, 20), st.floats(0, 5))
def test_it_grows_with_the_constants_and_falls_with_the_gap(sizes, gap, ratio, more):
    assert slack(sizes, ratio + more, gap) >= slack(sizes, ratio, gap) - ROUNDING
    assert slack(sizes, ratio, gap + F(1, 4)) <= slack(sizes, ratio, gap) + ROUNDING
    assert slack(sizes, 0.0, gap) == 0


@given(st.sampled_from([(1, 2), (2, 1)]), gaps, st.floats(0, 20), st.integers(4, 15))
def test_the_learning_rate_at_a_threshold_obeys_the_same(powers, gap, ratio, octave):
    """(4): u + k n^-g u^2 = 1 and u^2 + k n^-g u = 1, in forty digits."""
    p, other = powers
    n, g = mpmath.mpf(2) ** octave, mpmath.mpf(gap.numerator) / gap.denominator
    assume(ratio * 2.0 ** (-float(gap) * octave) <= 1.5)

    def log_u(width: mpmath.mpf) -> mpmath.mpf:
        k = ratio * width**-g
        u = 2 / (1 + mpmath.sqrt(1 + 4 * k)) if p == 1 else 2 / (k + mpmath.sqrt(k * k + 4))
        assert abs(u**p + k * u**other - 1) < mpmath.mpf("1e-30")
        return mpmath.log(u)

    with mpmath.workdps(40):
        step = mpmath.mpf("1e-10")
        local = (log_u(n * (1 + step)) - log_u(n)) / mpmath.log(1 + step)
        bound = g * ratio * n**-g / (1 + ratio * n**-g)
        # the difference quotient is off by its step
        assert -1e-8 <= local <= bound + 1e-8


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        (([256], 4.0), "at least two ascending sizes"),
        (([512, 256], 4.0), "at least two ascending sizes"),
        (([256, 512], 4.0, F(0)), "a gap above 0"),
    ],
)
def test_bad_input_is_refused(arguments, match):
    with pytest.raises(ValueError, match=match):
        slack(*arguments)
