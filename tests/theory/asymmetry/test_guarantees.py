"""The laws of theory.asymmetry.guarantees: when one factor alone is better, and when nearly as good
as both. Identities to UNITS times eps times the condition number of what is inverted."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tests.support.laws.asymmetry.quadratic import EPS, UNITS, Array, power_law
from theory.asymmetry import frozen_factor as theory
from theory.asymmetry import guarantees

seeds = st.integers(0, 2**32)


def drawn(in_: int, rank: int, seed: int) -> tuple[Array, Array]:
    """Unequal eigenvalues, largest first, and a frozen A."""
    rng = np.random.default_rng(seed)
    return np.sort(rng.uniform(0.05, 1, in_))[::-1], rng.standard_normal((rank, in_))


@given(in_=st.integers(2, 9), seed=seeds, data=st.data())
def test_what_one_input_gets_falls_with_the_others(in_, seed, data):
    """(2), and (3) draw by draw."""
    values, Q = drawn(in_, data.draw(st.integers(1, in_ - 1)), seed)
    i, j = sorted(data.draw(st.permutations(range(in_)))[:2])
    unit = UNITS * EPS * np.linalg.cond(Q * np.sqrt(values)) ** 2
    others = np.delete(np.arange(in_), i)
    condition = np.linalg.cond((Q[:, others] * values[others]) @ Q[:, others].T)
    assume(condition < 1e8)
    found = guarantees.captured(values, Q)
    assert found.sum() == pytest.approx(len(Q), abs=unit)
    assert abs(found[i] - guarantees.captured_alone(values, Q, i)) <= unit + UNITS * EPS * condition
    exchanged = Q.copy()
    exchanged[:, [i, j]] = Q[:, [j, i]]
    assert found[i] >= guarantees.captured(values, exchanged)[j] - unit
    problem = theory.least_squares(np.eye(in_), np.diag(values))
    assert values @ found == pytest.approx(theory.explained_B(problem, Q), abs=unit)


@given(in_=st.integers(2, 5), seed=seeds, data=st.data())
def test_b_is_better_for_ordered_changes_and_for_no_layer_always(in_, seed, data):
    """(1), (3), (4), (5) for a law with the symmetry of the Gaussian one, without sampling."""
    values, Q = drawn(in_, rank := data.draw(st.integers(1, in_ - 1)), seed)
    assume(np.linalg.cond(Q) < 1e4)
    unit = UNITS * EPS * 20 * np.linalg.cond(Q) ** 2
    p = guarantees.symmetric_shares(values, Q)
    assert p.sum() == pytest.approx(rank, abs=unit)
    assert (np.diff(p) <= unit).all(), "larger eigenvalues have larger shares"
    c = np.sort(np.random.default_rng(seed).uniform(0, 1, in_))[::-1]
    assert c @ p >= rank / in_ * c.sum() - in_ * unit
    assert p[-1] <= rank / in_ + unit
    assert np.allclose(guarantees.symmetric_shares(np.ones(in_), Q), rank / in_, atol=unit)


def test_unequal_inputs_make_the_orders_strict():
    values, Q = drawn(4, 2, 3)
    p = guarantees.symmetric_shares(values, Q)
    assert (np.diff(p) < -1e-3).all(), "of eigenvalues that differ by more than a tenth"
    assert p[-1] < 2 / 4 - 1e-3 < values @ p / values.sum()


@pytest.mark.parametrize(("exponent", "rank"), [(0.5, 4), (1, 4), (2, 3), (2, 8)])
def test_b_alone_is_nearly_as_good_where_the_inputs_decay(exponent, rank):
    values = power_law(24, exponent)
    left = left_of(values, rank)
    bound = guarantees.left_at_most(values, rank)
    assert bound <= 1
    assert left.mean() <= bound + 4.5 * left.std(ddof=1) / np.sqrt(len(left))


def left_of(values: Array, rank: int) -> Array:
    """What B leaves of T for a change without preferred inputs, by draw of Q."""
    Q = np.random.default_rng(1).standard_normal((2000, rank, len(values)))
    return 1 - guarantees.captured(values, Q) @ values / values.sum()


def test_the_bound_is_nearly_reached_and_needs_its_factor():
    """Four strong inputs over a long flat tail: with two rows more than those, what is left is most
    of (r - 1) / (r - k - 1) = 5 times the tail."""
    values = np.append(np.full(4, 1e4), np.ones(400))
    left = left_of(values, 6)
    bound = guarantees.left_at_most(values, 6)
    assert bound == pytest.approx(5 * 400 / values.sum())
    assert 0.5 * bound < left.mean() <= bound + 4.5 * left.std(ddof=1) / np.sqrt(len(left))


@given(in_=st.integers(3, 12), out=st.integers(1, 12), seed=seeds, data=st.data())
def test_b_alone_is_far_from_both_for_a_change_of_rank_one(in_, out, seed, data):
    """(7) by the columns of a basis, each of which is a frozen A of rank one."""
    rng = np.random.default_rng(seed)
    problem = theory.least_squares(
        np.outer(rng.standard_normal(out), rng.standard_normal(in_)), np.eye(in_)
    )
    T, basis = theory.total(problem), np.linalg.qr(rng.standard_normal((in_, in_))).Q
    explained = [theory.explained_B(problem, row[None]) for row in basis]
    assert theory.explained_both(problem, 1) == pytest.approx(T, rel=UNITS * EPS * in_)
    assert np.mean(explained) == pytest.approx(T / in_, rel=UNITS * EPS * in_)


def test_the_bound_says_nothing_at_rank_one():
    assert guarantees.left_at_most([1.0, 0.5], 1) == 1
