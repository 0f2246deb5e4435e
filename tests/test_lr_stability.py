"""The exponent calculus of theory.lr_stability*: the theorems, in rationals."""

import math
from fractions import Fraction as F

import pytest

from theory import lr_stability as theory

H = F(1, 2)
# start: c* of Z_B; Z_A, delta1..3 there; c* of f with a muP and a standard read-out
TABLE = {
    "init_a": (-H, (H, 0, 0, 0), -H, F(-3, 4)),
    "init_b": (F(-1), (0, 0, -1, -1), -H, F(-1)),
    "eva": (-H, (H, 0, 0, 0), -H, F(-1)),
    "eva_whitened": (-H, (H, 0, 0, 0), -H, F(-3, 4)),
    "init_ab": (-H, (H, 0, 0, 0), -H, F(-3, 4)),
    "pissa_aligned": (-H, (H, 0, 0, 0), -H, F(-1)),
    "pissa": (-H, (H, 0, 0, 0), -H, F(-3, 4)),
}


@pytest.mark.parametrize("scheme", TABLE)
def test_the_table_of_single_rates(scheme):
    c, at_c, mup, standard = TABLE[scheme]
    e = theory.exponents(scheme)
    assert theory.max_single_lr(scheme) == c
    assert tuple(q(c, c) for q in (e.Z_A, e.delta1, e.delta2, e.delta3)) == at_c
    assert theory.max_single_lr(scheme, level="loss") == mup
    assert theory.max_single_lr(scheme, level="loss", readout="standard") == standard
    assert e.Z_B(-math.inf, -math.inf) == -math.inf
