"""The exponent calculus of theory.lr_stability*: its theorems by sympy, its rules against numbers
at two large widths.

Exponents are rationals and compared exactly.
"""

import itertools
import math
from fractions import Fraction as F

import mpmath
import pytest
import sympy as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from theory import lr_stability as theory
from theory.lr_stability import derivations as derived
from theory.lr_stability.cycles import maximum_cycle_mean
from theory.lr_stability.initializations import INITIALIZATIONS, OTHERS, Initialization
from theory.lr_stability.orders import ALIGNED, INDEPENDENT, ZERO, power
from theory.lr_stability.plane import Piece, corners, inside

H, Q = F(1, 2), F(1, 4)
NONE = -math.inf
EVERY = sorted(INITIALIZATIONS | OTHERS)
GRID = [F(i, 4) for i in range(-10, 7)]

# scheme: c* of Z_B; Z_A, delta1, delta2, delta3 there; c* of f with a muP and a standard read-out
TABLE = {
    "init_a": (-H, (H, 0, 0, 0), -H, -3 * Q),
    "init_b": (F(-1), (0, 0, -1, -1), -H, F(-1)),
    "eva": (-H, (H, 0, 0, 0), -H, F(-1)),
    "eva_whitened": (-H, (H, 0, 0, 0), -H, -3 * Q),
    "init_ab": (-H, (H, 0, 0, 0), -H, -3 * Q),
    "pissa_aligned": (-H, (H, 0, 0, 0), -H, F(-1)),
    "pissa": (-H, (H, 0, 0, 0), -H, -3 * Q),
    "corda": (F(-1), (0, 0, -1, -1), -H, F(-1)),
    "lora_ga": (-3 * Q, (3 * Q, 0, 0, -H), -3 * Q, -5 * Q),
}

exponent = st.one_of(st.none(), st.sampled_from([F(i, 4) for i in range(-6, 3)]))
rates = st.tuples(st.sampled_from(GRID), st.sampled_from(GRID))


@st.composite
def initializations(draw) -> Initialization:
    """Any initialization with at least one factor that is not zero."""
    a, b = draw(st.tuples(exponent, exponent).filter(lambda pair: pair != (None, None)))
    tags = st.sampled_from([INDEPENDENT, ALIGNED])
    factor = lambda e: ZERO if e is None else power(e)
    return Initialization(factor(a), factor(b), draw(tags), draw(tags))


optimizers = st.sampled_from(["adam", "sgd"])
readouts = st.sampled_from(["mup", "standard"])


@pytest.mark.parametrize("scheme", TABLE)
def test_the_table_of_single_rates(scheme):
    c, at_c, mup, standard = TABLE[scheme]
    e = theory.exponents(scheme)
    assert theory.max_single_lr(scheme) == c
    assert tuple(q(c, c) for q in (e.Z_A, e.delta1, e.delta2, e.delta3)) == at_c
    assert theory.max_single_lr(scheme, level="loss") == mup
    assert theory.max_single_lr(scheme, level="loss", readout="standard") == standard


def test_contractions_grow_as_the_number_of_terms_or_as_its_root():
    for terms in range(1, 7):
        square, mean, mean_square = derived.sum_square(terms)
        assert sp.expand(square - terms * mean_square - terms * (terms - 1) * mean**2) == 0
    # of m terms the square is m E u^2 where the mean is zero and m^2 (E u)^2 to leading order where
    # it is not
    assert (INDEPENDENT, ALIGNED) == (H, 1)


def test_the_updates_and_the_three_deltas_by_sympy():
    to_B, to_A = derived.gradients()
    assert to_B.is_zero_matrix
    assert to_A.is_zero_matrix
    assert derived.decomposition().is_zero_matrix


def test_the_largest_single_rates_by_sympy():
    a, b, sigma = derived.a, derived.b, derived.sigma
    closed = sp.Min(-sigma - a, -sigma - b - 1, -(1 + sigma) / 2)
    assert sp.expand(derived.largest_single_rate(derived.adam_output())) == sp.expand(closed)
    assert derived.init_a_rate() == sp.Rational(-1, 2) == theory.max_single_lr("init_a")
    assert derived.init_b_rate() == -1 == theory.max_single_lr("init_b")


def test_loraplus_is_the_unique_efficient_pair_by_sympy():
    one, zero = sp.Integer(1), sp.Integer(0)
    points = lambda *initial: {
        (x, y) for x, y, condition in derived.efficient_pairs(*initial) if condition == sp.true
    }
    lines = lambda *initial: [
        (x, y, condition)
        for x, y, condition in derived.efficient_pairs(*initial)
        if condition != sp.true
    ]
    c_B = derived.c_B
    assert points(one, zero, "unit") == points(zero, one, "unit") == {(-1, 0)}
    assert lines(one, zero, "unit") == []
    # for Init[A] the line shrinks to that point as soon as Z_A is bounded; for Init[B] it stays a
    # ray
    assert (
        lines(zero, one, "unit") == lines(zero, one, "bounded") == [(-c_B - 1, c_B, sp.Eq(c_B, 0))]
    )
    assert lines(zero, one, "any") == [(-c_B - 1, c_B, c_B <= 0)]
    assert (
        lines(one, zero, "bounded") == lines(one, zero, "any") == [(-c_B - 1, c_B, sp.Le(0, c_B))]
    )


def test_efficient_sets_are_those_of_sympy():
    point, along = Piece((F(-1), F(0))), (F(1), F(-1))
    assert theory.efficient_set("init_a") == (Piece((F(-1), F(0)), along, math.inf),)
    assert theory.efficient_set("init_b") == (Piece((F(-1), F(0)), (F(-1), F(1)), math.inf),)
    assert theory.efficient_set("init_b", features="bounded") == theory.efficient_set("init_b")
    assert theory.efficient_set("init_a", features="bounded") == (point,)
    assert (
        theory.efficient_set("init_a", features="unit")
        == theory.efficient_set("init_b", features="unit")
        == (point,)
    )
    assert theory.efficient_set("eva", features="bounded") == ()
    assert theory.efficient_set("init_ab") == (Piece((F(-1), F(0)), along, H),)


def test_the_cycle_of_sgd_by_sympy():
    plus, minus = derived.sgd_growth()
    assert {sp.simplify(plus + minus)} == {0}
    (half,) = derived.powers(plus) | derived.powers(-plus)
    mean = (derived.c_A + derived.c_B + 2 * derived.sigma + 2 * derived.q + 2) / 2
    assert sp.expand(half - mean) == 0
    for readout, sigma in itertools.product(theory.READOUTS, (0, -H, Q)):
        (form,) = theory.sgd_cycle(readout=readout, sigma=sigma).forms
        values = {
            derived.sigma: sp.Rational(sigma),
            derived.q: sp.Rational(theory.READOUTS[readout]),
        }
        cycle = form.A * derived.c_A + form.B * derived.c_B + sp.Rational(form.width)
        assert sp.expand(cycle - 2 * mean.subs(values)) == 0


@pytest.mark.parametrize("steps", [1, 2, 3, 4, 8])
def test_sgd_at_one_rate_from_init_a(steps):
    z = theory.exponents("init_a", "sgd", steps=steps).Z_B
    for c in (F(0), F(1, 15), F(1, 3), F(1)):
        assert z(c, c) == (2 * steps - 1) * c - 1
    assert z(-H, -H) == -3 * H  # below a rate of order 1 the first step is all there is
    assert theory.max_single_lr("init_a", "sgd", steps=steps) == F(1, 2 * steps - 1)
    assert theory.max_single_lr("init_a", "sgd") == 0
    if steps <= 4:
        grown = derived.sgd_powers(steps)
        assert {derived.largest(grown, sp.Rational(c)) for c in (-H, H)} == {
            sp.Rational(z(c, c)) for c in (-H, H)
        }


CASES = list(
    itertools.product(
        [None, F(-1), -3 * Q, -H], [None, F(-1), -H, F(0)], [0, -Q, -H], [INDEPENDENT, ALIGNED]
    )
)
CASES = [case for case in CASES if case[:2] != (None, None)]


def test_the_closed_form_of_the_largest_single_rate():
    assert len(CASES) == 90
    for a, b, sigma, tag in CASES:
        initial = Initialization(
            ZERO if a is None else power(a), ZERO if b is None else power(b), tag
        )
        bounds = [-(1 + sigma) / F(2)]
        bounds += [] if a is None else [-sigma - a - tag]
        bounds += [] if b is None else [-sigma - b - 1]
        assert theory.max_single_lr(initial, sigma=sigma) == min(bounds), (a, b, sigma, tag)


@given(
    initializations(),
    optimizers,
    readouts,
    st.sampled_from([0, Q, H]),
    st.sampled_from(["A", "B", "sigma"]),
)
def test_a_larger_start_or_scale_never_allows_a_larger_rate(
    initial, optimizer, readout, more, what
):
    larger, sigma = initial, more if what == "sigma" else 0
    if what != "sigma":
        larger = initial.__class__(**{**vars(initial), what: getattr(initial, what) * power(more)})
    for level in ("feature", "loss"):
        before = theory.max_single_lr(initial, optimizer, "constant", level, readout)
        assert (
            theory.max_single_lr(larger, optimizer, "constant", level, readout, sigma=sigma)
            <= before
        )


@given(initializations(), rates, st.sampled_from(GRID), optimizers, readouts, st.integers(1, 4))
def test_moving_scale_from_one_factor_to_the_other_moves_the_rates(
    initial, c, u, optimizer, readout, steps
):
    # A -> n^u A, B -> n^-u B: Adam's moves follow with c_A + u, c_B - u; SGD's gradients change
    # too, so twice that
    moved = Initialization(
        initial.A * power(u), initial.B * power(-u), initial.A_tag, initial.B_tag
    )
    first, second = (
        theory.exponents(x, optimizer, readout=readout, steps=steps) for x in (initial, moved)
    )
    shift = u if optimizer == "adam" else 2 * u
    there = (c[0] + shift, c[1] - shift)
    for name in ("Z_B", "delta1", "delta2", "delta3", "f"):
        assert getattr(first, name)(*c) == getattr(second, name)(*there), name
    assert second.Z_A(*there) == first.Z_A(*c) + u


def brute(
    initial: Initialization, optimizer: str, q: F, c: tuple[F, F], steps: int, n: mpmath.mpf
) -> dict[str, mpmath.mpf]:
    """The recursion itself on positive numbers: one coordinate of x, of Z_A and of Z, sums replaced
    by their orders."""
    entry = lambda order: n ** _mp(F(order(0, 0))) if order else mpmath.mpf(0)
    B_0, Z_A0, dZ = entry(initial.B), entry(initial.A) * n ** _mp(initial.A_tag), n ** _mp(q)
    eta_A, eta_B = (n ** _mp(e) for e in c)
    D_B = D_Z = dB = dZ_A = was_B = was_Z_A = mpmath.mpf(0)
    for _ in range(steps):
        was_B, was_Z_A = B_0 + D_B, Z_A0 + D_Z
        to_A, to_B = dZ * (B_0 * n ** _mp(initial.B_tag) + D_B * n), dZ * was_Z_A
        if optimizer == "adam":
            to_A, to_B = mpmath.sign(to_A), mpmath.sign(to_B)
        dB, dZ_A = eta_B * to_B, n * eta_A * to_A
        D_B, D_Z = D_B + dB, D_Z + dZ_A
    return {
        "Z_A": Z_A0 + D_Z,
        "Z_B": D_B * (Z_A0 + D_Z) + B_0 * D_Z,
        "delta1": was_B * dZ_A,
        "delta2": dB * was_Z_A,
        "delta3": dB * dZ_A,
        "f": dZ * (n * D_B * (Z_A0 + D_Z) + n ** _mp(initial.B_tag) * B_0 * D_Z),
    }


def _mp(x: F) -> mpmath.mpf:
    return mpmath.mpf(x.numerator) / x.denominator


@given(initializations(), optimizers, readouts, rates, st.integers(1, 4))
def test_exponents_are_the_slopes_of_the_recursion_itself(initial, optimizer, readout, c, steps):
    orders = theory.exponents(initial, optimizer, readout=readout, steps=steps)
    with mpmath.workdps(40):
        n = mpmath.mpf(10) ** 100
        at, beyond = (
            brute(initial, optimizer, theory.READOUTS[readout], c, steps, m) for m in (n, n**2)
        )
        for name, order in orders._asdict().items():
            if at[name] == 0:
                assert order(*c) == NONE, name
            else:
                # exponents differ by quarters and four steps make fewer than 10^5 terms: 10^5
                # n^(-1/4) / log n < 1e-22
                slope = mpmath.log(beyond[name] / at[name]) / mpmath.log(n)
                assert abs(slope - _mp(F(order(*c)))) < mpmath.mpf("1e-20"), name


@given(initializations(), optimizers, readouts, rates, st.integers(0, 3))
def test_orders_settle(initial, optimizer, readout, c, more):
    if optimizer == "sgd" and theory.sgd_cycle(readout=readout)(*c) > 0:
        grown = [
            theory.exponents(initial, optimizer, readout=readout, steps=t).Z_B(*c)
            for t in (4, 6, 8)
        ]
        assert grown[0] < grown[1] < grown[2]
    else:
        settled, later = (
            theory.exponents(initial, optimizer, readout=readout, steps=t)
            for t in (theory.SETTLED, theory.SETTLED + more)
        )
        assert [q(*c) for q in settled] == [q(*c) for q in later]


@given(initializations(), optimizers, readouts, rates)
def test_the_stable_region_is_where_nothing_grows(initial, optimizer, readout, c):
    e = theory.exponents(initial, optimizer, readout=readout)
    for level, quantity in (("feature", e.Z_B), ("loss", e.f)):
        stable = quantity(*c) <= 0
        if optimizer == "sgd":
            stable &= maximum_cycle_mean(theory.sgd_transitions(c[0], c[1], readout)) <= 0
        region = theory.stable_region(initial, optimizer, readout=readout, level=level)
        assert inside(region, c) == stable
        assert all(any(half.at(corner) == 0 for half in region) for corner in corners(region))


entries = st.one_of(st.just(NONE), st.sampled_from(GRID))


@given(
    st.integers(1, 4).flatmap(
        lambda m: st.lists(st.lists(entries, min_size=m, max_size=m), min_size=m, max_size=m)
    )
)
def test_the_maximum_cycle_mean_is_that_of_the_heaviest_cycle(rows):
    m = len(rows)
    cycles = (c for k in range(1, m + 1) for c in itertools.permutations(range(m), k))
    means = [sum(rows[c[i]][c[i - 1]] for i in range(len(c))) / len(c) for c in cycles]
    assert maximum_cycle_mean(tuple(map(tuple, rows))) == max(means)


@settings(max_examples=40)
@given(initializations(), optimizers, readouts, st.sampled_from(["any", "bounded", "unit"]))
def test_the_efficient_set_by_trying_every_pair(initial, optimizer, readout, features):
    e = theory.exponents(initial, optimizer, readout=readout)
    region = theory.stable_region(initial, optimizer, readout=readout)
    pieces = theory.efficient_set(initial, optimizer, readout=readout, features=features)
    wanted = {"any": lambda z: True, "bounded": lambda z: z <= 0, "unit": lambda z: z == 0}[
        features
    ]
    axis = [F(i, 4) for i in range(-12, 9)]
    tried = set(itertools.product(axis, axis))
    tried |= {corner for piece in pieces for corner in piece.corners()}
    for c in tried:
        efficient = wanted(e.Z_A(*c)) and e.delta1(*c) == e.delta2(*c) == 0 and inside(region, c)
        assert efficient == any(piece.holds(c) for piece in pieces), c
