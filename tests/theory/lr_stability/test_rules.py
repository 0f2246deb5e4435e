"""What theory.lr_stability says to users: how the learning rates follow the width and the rank, and
where it refuses."""

import itertools
import math
from fractions import Fraction as F
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from theory import lr_stability as theory
from theory.lr_stability.initializations import INITIALIZATIONS, OTHERS, Initialization
from theory.lr_stability.orders import ALIGNED, HALF, ZERO, Form, power
from theory.lr_stability.plane import HalfPlane, corners, largest_equal_rate

H = F(1, 2)
EVERY = sorted(INITIALIZATIONS | OTHERS)
RANKED = ("init_a", "init_b", "gaussian", "orthogonal")
schemes = st.sampled_from(EVERY)
scales = st.sampled_from(sorted(theory.SCALES))

# the power of r in the largest single rate: scale -> Adam from Init[A], from Init[B], one step of
# SGD from Init[A]
RANKS = {
    "constant": (-H, F(0), F(-1)),
    "alpha/sqrt(r)": (-H / 2, H, F(0)),
    "alpha/r": (F(0), F(1), F(1)),
}


@pytest.mark.parametrize("scale", RANKS)
def test_powers_of_the_rank(scale):
    init_a, init_b, sgd = RANKS[scale]
    assert theory.rank_exponent("init_a", scale=scale) == init_a
    assert theory.rank_exponent("init_b", scale=scale) == init_b
    assert theory.rank_exponent("init_a", "sgd", scale, steps=1) == sgd
    # rsLoRA's statement: the change of one step of SGD is free of r at s = alpha / sqrt(r), and
    # there alone
    (leading,) = theory.exponents("init_a", "sgd", scale, steps=1).Z_B.leading(0, 0).forms
    assert leading.width == 2 * theory.SCALES[scale] + 1 == -sgd


@pytest.mark.parametrize("scale", RANKS)
def test_a_rank_that_grows_with_the_width(scale):
    s = theory.SCALES[scale]
    for rho in (F(0), F(1, 8), F(1, 2), F(1)):
        # Init[A]: min{1/(s r), (s r n)^(-1/2)}; Init[B]: min{1/(s n), (s r n)^(-1/2)}
        both = -(1 + rho * (1 + s)) / 2
        assert theory.max_single_lr("init_a", scale=scale, rho=rho) == min(-rho * (1 + s), both)
        assert theory.max_single_lr("init_b", scale=scale, rho=rho) == min(-1 - rho * s, both)


@given(
    st.sampled_from(RANKED),
    st.sampled_from(["adam", "sgd"]),
    scales,
    st.sampled_from(["feature", "loss"]),
)
def test_the_rank_exponent_is_the_first_order_in_log_r_over_log_n(scheme, optimizer, scale, level):
    small = F(1, 100)
    fixed, grown = (
        theory.max_single_lr(scheme, optimizer, scale, level, rho=rho) for rho in (0, small)
    )
    assert grown - fixed == small * theory.rank_exponent(scheme, optimizer, scale, level)


# One row for every scheme: where Adam, and SGD with a muP read-out, train both factors with Z_A
# nearest to Theta(1).
LORAPLUS, EQUAL = (F(-1), F(0)), (-H, -H)
POINTS = {
    "init_a": (LORAPLUS, (-1, 1)),
    "init_b": (LORAPLUS, None),
    "gaussian": (EQUAL, (0, 0)),
    "orthogonal": (LORAPLUS, (-1, 1)),
    "pissa": (LORAPLUS, (-1, 1)),
    "milora": (LORAPLUS, (-2, 2)),
    "olora": (LORAPLUS, (-1, 1)),
    "mica": (LORAPLUS, None),
    "nystrom": (EQUAL, (0, 0)),
    "eva": (EQUAL, (0, 0)),
    "corda": (LORAPLUS, (-1, 1)),
    "lora_ga": ((F(-3, 4), F(-3, 4)), (-H, -H)),
    "lora_one": (EQUAL, (0, 0)),
    "nystrom_grad": (EQUAL, (0, 0)),
    "gradient_signal": (EQUAL, (0, 0)),
    "tsd_init": (LORAPLUS, (-2, 2)),
}


def test_every_scheme_has_its_pair_of_rates():
    assert POINTS.keys() == INITIALIZATIONS.keys(), (
        "a scheme needs its row in POINTS of tests/theory/lr_stability/test_rules.py; without it: "
        f"{sorted(INITIALIZATIONS.keys() ^ POINTS.keys())}"
    )
    for scheme, (adam, sgd) in POINTS.items():
        assert theory.transfer_point(scheme) == adam
        if sgd is None:
            assert theory.efficient_set(scheme, "sgd") == ()
            with pytest.raises(ValueError, match="no pair of learning rates"):
                theory.transfer_point(scheme, "sgd")
        else:
            assert theory.transfer_point(scheme, "sgd") == sgd


@given(schemes, st.sampled_from(["adam", "sgd"]), st.sampled_from(["mup", "standard"]))
def test_at_the_pair_both_factors_train_and_no_efficient_pair_has_calmer_features(
    scheme, optimizer, readout
):
    pieces = theory.efficient_set(scheme, optimizer, readout=readout)
    if not pieces:
        return
    point = theory.transfer_point(scheme, optimizer, readout=readout)
    e = theory.exponents(scheme, optimizer, readout=readout)
    assert e.delta1(*point) == e.delta2(*point) == e.Z_B(*point) == 0
    later = theory.exponents(scheme, optimizer, readout=readout, steps=9)
    assert all(q(*point) == r(*point) for q, r in zip(e, later, strict=True))
    others = {
        piece.point(F(min(piece.length, 9)) * F(i, 72)) for piece in pieces for i in range(73)
    } - {point}
    assert all(abs(e.Z_A(*other)) > abs(e.Z_A(*point)) for other in others)


@pytest.mark.parametrize("scheme", RANKED)
@pytest.mark.parametrize("scale", RANKS)
def test_the_pair_over_ranks(scheme, scale):
    k = theory.rank_transfer_point(scheme, scale=scale)
    assert k == (0, -1 - theory.SCALES[scale])
    c, e = theory.transfer_point(scheme), theory.exponents(scheme, scale=scale)
    assert [q.leading(*c)(*k) for q in (e.delta1, e.delta2, e.Z_B, e.Z_A)] == [0, 0, 0, 0]


def test_the_rule_for_users():
    """One learning rate for both factors, unless a pair is asked for."""
    rule, pair = theory.lr_rule, partial(theory.lr_rule, rates="pair")
    assert rule("init_a", "adam", "alpha/r", 256, 1024, 8, 32) == (0.5, 0.5)
    # n^-1 r^1
    assert rule("init_b", "adam", "alpha/r", 256, 1024, 8, 32) == (1.0, 1.0)
    assert rule("init_a", "adam", "constant", 256, 1024, 8, 32) == (0.25, 0.25)
    assert rule("eva", "adam", "alpha/r", 256, 1024, 8, 8) == (0.5, 0.5)
    assert pair("init_a", "adam", "alpha/r", 256, 1024, 8, 8) == (0.25, 1.0)
    assert pair("init_a", "adam", "alpha/r", 256, 1024, 8, 32) == (0.25, 1.0)
    assert pair("init_b", "adam", "alpha/sqrt(r)", 256, 1024, 8, 32) == (0.25, 0.5)
    assert pair("eva", "adam", "alpha/r", 256, 1024, 8, 8) == (0.5, 0.5)
    assert pair("init_a", "sgd", "alpha/r", 256, 1024, 8, 8) == (0.25, 4.0)


@given(schemes, scales, st.sampled_from(["pair", "single"]), st.tuples(*[st.integers(1, 4096)] * 6))
def test_rules_compose(scheme, scale, rates, sizes):
    widths, ranks = sizes[:3], sizes[3:] if scheme in RANKED else sizes[3:4] * 3
    leg = lambda i, j: theory.lr_rule(
        scheme, "adam", scale, widths[i], widths[j], ranks[i], ranks[j], rates=rates
    )
    # three roundings of powers at most 2 of ratios whose own rounding is eps / 2
    assert [a * b for a, b in zip(leg(0, 1), leg(1, 2), strict=True)] == pytest.approx(
        leg(0, 2), rel=1e-14
    )
    assert leg(0, 0) == (1, 1)


def test_the_first_step_tells_a_start_along_the_data_from_a_random_one():
    first = lambda scheme, c: theory.exponents(scheme, steps=1).Z_B(c, c)
    assert [first("eva", c) for c in (-H, F(-1))] == [0, -H]
    assert [first("eva_whitened", c) for c in (-H, F(-1))] == [-H, F(-1)]
    assert [first("init_a", c) for c in (-H, F(-1))] == [-H, F(-1)]
    assert [first("init_b", c) for c in (-H, F(-1))] == [H, F(0)]
    assert not theory.exponents("init_a", steps=1).delta1  # B = 0 lets no gradient through to A
    assert not theory.exponents("init_b", steps=1).delta2


def test_a_factor_that_is_not_trained():
    e = theory.exponents("mica")
    assert e.Z_B(-H, -math.inf) == 0
    assert e.delta2(-H, -math.inf) == -math.inf
    assert Form(0, 1, F(1)).at(-math.inf, 2) == 3
    start = Initialization(power(-HALF), ZERO, ALIGNED)
    assert theory.exponents(start).Z_B(-math.inf, -HALF) == 0


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda: theory.exponents("lora"), "no exponents for the scheme 'lora'; known are init_a"),
        (
            lambda: theory.exponents("init_a", "adamw"),  # type: ignore
            "optimizer must be one of adam, sgd, got 'adamw'",
        ),
        (lambda: theory.exponents("init_a", scale="1/r"), "scale must be one of constant"),  # type: ignore
        (lambda: theory.exponents("init_a", readout="ntk"), "readout must be one of mup, standard"),  # type: ignore
        (lambda: theory.exponents("init_a", steps=0), "steps must be at least 1, got 0"),
        (
            lambda: theory.max_single_lr("init_a", level="layer"),  # type: ignore
            "level must be one of feature, loss",
        ),
        (lambda: theory.efficient_set("init_a", features="all"), "features must be one of any"),  # type: ignore
        (lambda: theory.sgd_cycle("1/r"), "scale must be one of"),  # type: ignore
        (lambda: theory.rank_exponent("eva"), "no powers of the rank"),
        (lambda: theory.max_single_lr("init_ab", rho=1), "no powers of the rank"),
        (lambda: theory.lr_rule("pissa", "adam", "alpha/r", 64, 64, 8, 9), "no powers of the rank"),
        (
            lambda: theory.lr_rule("init_b", "sgd", "alpha/r", 64, 128, 8, 8, rates="pair"),
            "no pair of learning rates",
        ),
        (
            lambda: theory.lr_rule("init_a", "adam", "alpha/r", 0, 64, 8, 8),
            "base_width must be at least 1, got 0",
        ),
        (
            lambda: theory.lr_rule("init_a", "adam", "alpha/r", 64, 64, 8, -1),
            "rank must be at least 1, got -1",
        ),
        (
            lambda: theory.lr_rule("init_a", "adam", "alpha/r", 64, 64, 8, 8, rates="one"),  # type: ignore
            "rates must be",
        ),
        (lambda: largest_equal_rate([HalfPlane(1, -1, F(1))]), "holds at no learning rate"),
        (lambda: largest_equal_rate([HalfPlane(-1, 0, F(1))]), "does not bound the learning rate"),
        (lambda: Initialization(ZERO, ZERO), "at least one factor"),
    ],
)
def test_bad_input_is_refused(call, match):
    with pytest.raises(ValueError, match=match):
        call()


def test_corners_of_a_polyhedron():
    square = [HalfPlane(a, b, F(-1)) for a, b in ((1, 0), (-1, 0), (0, 1), (0, -1))]
    assert set(corners(square)) == set(itertools.product((-1, 1), repeat=2))
    assert corners(theory.stable_region("init_a")) == ((-1, 0),)
    assert corners([*square, HalfPlane(1, 1, F(-1))]) == (
        (-1, -1),
        (-1, 1),
        (0, 1),
        (1, -1),
        (1, 0),
    )


def test_of_two_powers_the_larger_counts_and_n_before_r():
    assert power(1, 5) + power(2) == power(2) + power(1, 5) == power(2)
    assert power(1, 5) + power(1, 6) == power(1, 6)
