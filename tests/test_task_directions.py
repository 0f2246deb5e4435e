"""The laws of theory.task_directions*: on random weights, by quadrature, and by Monte Carlo with standard errors."""

import numpy as np
import pytest
import sympy as sp
from hypothesis import given
from hypothesis import strategies as st

from theory.task_directions import directions as theory
from theory.task_directions import learning
from theory.task_directions import null as chance

EPS = float(np.finfo(float).eps)
Array = np.ndarray

seeds = st.integers(1000, 2**32)
sizes = st.integers(2, 24)


def drawn(out: int, in_: int, seed: int) -> tuple[Array, Array, np.random.Generator]:
    """W with singular values i/n, whose directions are well-posed, and a random D."""
    rng = np.random.default_rng(seed)
    n = min(out, in_)
    W = (chance.haar(out, n, rng) * np.arange(n, 0, -1) / n) @ chance.haar(in_, n, rng).T
    return W, rng.standard_normal((out, in_)), rng


def within(draws: Array, expected: float, errors: float = 4.5) -> bool:
    """Whether the mean of independent draws lies within `errors` standard errors: 7e-6 by chance for one mean."""
    return abs(draws.mean() - expected) <= errors * draws.std(ddof=1) / np.sqrt(len(draws))


def unit(out: int, in_: int) -> float:
    """What rounding may change of core coordinates of a D of norm about n: gaps of sigma are 1/n."""
    return 100 * EPS * max(out, in_) ** 2


# --- coordinates and rates: (1), (2) ----------------------------------------------------------------------------


def check_coordinates(out: int, in_: int, seed: int) -> None:
    """A change along one core basis has one coordinate; rates of W itself are 1; phi of W itself is 1."""
    W, _, rng = drawn(out, in_, seed)
    basis = theory.core(W)
    n = min(out, in_)
    i, size = int(rng.integers(n)), rng.normal()
    D = size * np.outer(basis.U[:, i], basis.Vt[i])
    expected = np.where(np.arange(n) == i, size, 0)
    assert np.abs(theory.coordinates(basis, D) - expected).max() <= unit(out, in_)
    assert np.abs(theory.rates(basis, W) - 1).max() <= unit(out, in_) + n * theory.EPS
    assert theory.energy(basis, 3 * W) == pytest.approx(1, abs=unit(out, in_))


@given(sizes, sizes, seeds)
def test_coordinates_are_those_along_core_bases(out, in_, seed):
    check_coordinates(out, in_, seed)


def check_invariance(out: int, in_: int, seed: int) -> None:
    """Rates do not change under joint signs of a pair, a common factor, or W -> Q W P with D -> Q D P."""
    W, D, rng = drawn(out, in_, seed)
    basis = theory.core(W)
    rates = theory.rates(basis, D)
    signs = rng.choice([-1, 1], min(out, in_))
    flipped = theory.Core(basis.U * signs, basis.sigma, basis.Vt * signs[:, None])
    Q, P = (chance.haar(size, size, rng) for size in (out, in_))
    for other in (
        theory.rates(flipped, D),
        theory.rates(theory.core(3 * W), 3 * D),
        theory.rates(theory.core(Q @ W @ P), Q @ D @ P),
    ):
        assert np.abs(other - rates).max() <= unit(out, in_) * rates.max()


@given(sizes, sizes, seeds)
def test_rates_belong_to_the_weight_and_not_to_its_decomposition(out, in_, seed):
    check_invariance(out, in_, seed)


@pytest.mark.parametrize("zeroed", [1, 5, 8])
def test_a_weight_of_deficient_rank_has_finite_rates(zeroed):
    W, D, _ = drawn(8, 12, 1000)
    W[:zeroed] = 0
    rates = theory.rates(theory.core(W), D)
    assert np.isfinite(rates).all()
    assert rates.any() == (zeroed < 8)


def test_a_tie_goes_to_the_earlier_direction():
    assert theory.top(np.array([1.0, 2, 2, 0]), 2).tolist() == [1, 2]
    assert theory.top(np.array([2.0, 2, 2, 2]), 2).tolist() == [0, 1]


@pytest.mark.parametrize(("s", "m"), [(0, 2), (2, 0), (5, 2), (2, 5)])
def test_an_impossible_overlap_is_refused(s, m):
    with pytest.raises(ValueError, match=f"needs 1 <= s, m <= 4, got s = {s} and m = {m}"):
        theory.overlap(np.arange(4.0), np.arange(4.0), s, m)


@given(st.integers(2, 12), st.data(), seeds)
def test_an_overlap_counts_and_is_symmetric_up_to_its_sizes(n, data, seed):
    x, y = np.random.default_rng(seed).permuted(np.tile(np.arange(n), (2, 1)), axis=1)
    s, m = data.draw(st.integers(1, n)), data.draw(st.integers(1, n))
    count = sum(1 for i in range(n) if x[i] >= n - s and y[i] >= n - m)
    assert s * theory.overlap(x, y, s, m) == pytest.approx(count, abs=1e-12 * n)
    assert s * theory.overlap(x, y, s, m) == pytest.approx(m * theory.overlap(y, x, m, s), abs=1e-12 * n)


# --- the null: (4) to (10) --------------------------------------------------------------------------------------


@pytest.mark.parametrize("law", ["Gaussian", "exponential"])
def test_the_formulas_are_what_the_integrals_give(law):
    q = theory.ratio
    formula = {"Gaussian": 1 + q - sp.sqrt(1 + q**2), "exponential": q / (1 + q)}[law]
    assert sp.simplify(theory.derived_overlap(law) - formula) == 0


def test_the_mean_rank_is_what_the_integral_gives():
    assert sp.simplify(theory.derived_bottom_rank() - sp.pi / 4) == 0
    assert theory.bottom_rank(8) == pytest.approx(2 * np.pi)


def check_formulas(q: float) -> None:
    """(7) against the quadrature of (6)."""
    laws = ((theory.half_normal, theory.gaussian_overlap), (theory.exponential, theory.exponential_overlap))
    for survival, formula in laws:
        assert theory.edge_overlap(q, survival) == pytest.approx(formula(q), abs=1e-8)  # quad's own error


@given(st.floats(0.05, 20))
def test_the_formulas_agree_with_quadrature(q):
    check_formulas(q)


def test_the_published_sizes_have_the_null_that_is_stated():
    assert theory.gaussian_overlap(2) == pytest.approx(theory.HARD_EDGE_MEAN) == pytest.approx(3 - 5**0.5)
    assert theory.gaussian_overlap(1) == pytest.approx(2 - 2**0.5)


def check_limit(q: float) -> None:
    """(4) on a hard edge tends to (7): at s = 200 of 20000 to a part in s."""
    sigma = np.arange(20_000, 0, -1.0)
    for survival, formula in (
        (theory.half_normal, theory.gaussian_overlap),
        (theory.exponential, theory.exponential_overlap),
    ):
        assert theory.expected_overlap(sigma, 200, int(200 * q), survival) == pytest.approx(formula(q), abs=2 / 200)


@pytest.mark.parametrize("q", [0.5, 1, 2])
def test_a_hard_edge_has_the_formulas_as_its_limit(q):
    check_limit(q)


def check_expected(kind: str, seed: int, draws: int = 300) -> None:
    """(4) against draws. It neglects the fluctuation of the counts, which is allowed for by 1/s of it."""
    rng = np.random.default_rng(seed)
    n, s, m = 400, 40, 80
    sigma = {"edge": np.arange(n, 0, -1.0), "flat": np.ones(n), "exponential": np.exp(-8 * np.arange(n) / n)}[kind]
    pairs = np.abs(rng.standard_normal((draws, 2, n))) / sigma
    found = [theory.overlap(x, y, s, m) for x, y in pairs]
    assert abs(np.mean(found) - theory.expected_overlap(sigma, s, m)) <= 1 / s + 4.5 * np.std(found) / draws**0.5


@pytest.mark.parametrize("kind", ["edge", "flat", "exponential"])
def test_any_spectrum_has_the_null_that_is_predicted(kind):
    check_expected(kind, 1000)


@given(st.integers(3, 60), st.data())
def test_on_a_flat_spectrum_chance_is_m_over_n(n, data):
    s, m = (data.draw(st.integers(1, n - 1)) for _ in range(2))
    assert theory.expected_overlap(np.ones(n), s, m) == pytest.approx(m / n, abs=1e-9)


@pytest.mark.parametrize("count", [0, 2, 6])
def test_an_impossible_threshold_is_refused(count):
    with pytest.raises(ValueError, match=f"needs 2 < count < 6, got {count}"):
        theory.threshold(np.array([4.0, 3, 2, 1, 0, 0]), count)


def check_traits(seed: int) -> None:
    """(5), (8) and (9) against draws on the hard edge, at s = 40 where sums over k are near their integrals."""
    rng, n, s, draws = np.random.default_rng(seed), 4000, 40, 400
    k = np.arange(n, 0, -1.0)
    ranks, left_out, counts = [], [], []
    for _ in range(draws):
        rates = np.abs(rng.standard_normal(n)) / k
        first = theory.top(rates, s)
        ranks.append(np.mean(k[first] - 0.5))  # a sum over k = 1, 2, .. is the integral from 1/2
        left_out.append(n - 1 not in first)
        counts.append(np.sum(rates > np.sqrt(2 / np.pi) / s))
    # Over 20 seeds the sum and the integral of (8) differ by less than 0.02 of it.
    assert np.mean(ranks) == pytest.approx(theory.bottom_rank(s), rel=0.03)
    assert abs(np.mean(left_out) - theory.smallest_left_out(s)) <= 4.5 * (theory.smallest_left_out(s) / draws) ** 0.5
    assert abs(np.mean(counts) - s) <= 0.5 + 4.5 * np.std(counts) / draws**0.5  # by Euler and Maclaurin, 1/2


def test_unrelated_changes_have_the_published_traits():
    check_traits(1000)


# --- the calibrated null ----------------------------------------------------------------------------------------


def check_rotation(out: int, in_: int, seed: int) -> None:
    """Rotated coordinates of a matrix with known core coordinates: E a_i^2 = |D|^2/(out in), whatever i."""
    rng = np.random.default_rng(seed)
    D = rng.standard_normal((out, in_)) * np.arange(1, in_ + 1)
    squares = chance.rotated(D, 2000, rng) ** 2
    assert squares.shape == (2000, min(out, in_))
    for i in range(min(out, in_)):
        assert within(squares[:, i], np.sum(D**2) / (out * in_), 5)


@pytest.mark.parametrize("shape", [(6, 6), (4, 9), (9, 4)])
def test_a_rotated_change_has_lost_its_place_and_kept_its_size(shape):
    check_rotation(shape[0], shape[1], 1000)


def check_haar(seed: int) -> None:
    """E Q = 0, which QR's own signs break, and E Q_ij^2 = 1/n."""
    rng = np.random.default_rng(seed)
    Q = np.array([chance.haar(4, 4, rng) for _ in range(4000)])
    assert np.abs(np.einsum("kij,kil->kjl", Q, Q) - np.eye(4)).max() <= 100 * EPS
    for i in range(4):
        for j in range(4):
            assert within(Q[:, i, j], 0, 5)
            assert within(Q[:, i, j] ** 2, 1 / 4, 5)


def test_a_haar_matrix_is_uniform():
    check_haar(1000)


def check_overlaps(seed: int) -> None:
    """A forecast that is the change itself has lift 1 and z > 0; one that knows nothing has lift 0 on average."""
    W, D, rng = drawn(24, 24, seed)
    basis = theory.core(W)
    for kind in ("rate", "abs"):
        own = chance.overlaps(basis, 2 * D, D, chance.rotated(D, 40, rng), kind)
        for name, found in own.items():
            assert found.value == 1, name
            assert found.lift == pytest.approx(1)
            assert found.z > 0
        blind = []
        for _ in range(60):
            found = chance.overlaps(basis, rng.standard_normal(D.shape), D, chance.rotated(D, 10, rng), kind)
            blind.append([one.value - one.null for one in found.values()])
        for column in np.array(blind).T:
            assert within(column, 0)


def test_an_overlap_comes_with_its_null():
    check_overlaps(1000)


@pytest.mark.parametrize(
    ("value", "null", "spread", "lift", "z"),
    [(0.5, 0.25, 0.125, 1 / 3, 2), (0.25, 0.5, 0.125, -0.5, -2), (1, 1, 0, 0, 0), (0.5, 0.25, 0, 1 / 3, np.inf),
     (0.25, 0.5, 0, -0.5, -np.inf)],
)  # fmt: skip
def test_lift_and_z(value, null, spread, lift, z):
    found = chance.Overlap(value, null, spread)
    assert (found.lift, found.z) == (pytest.approx(lift), z)


def test_recall_is_of_the_true_ones():
    """Four true directions, of which two are among the eight foretold; the foretold four are no part of it."""
    n = 20
    basis = theory.Core(np.eye(n), np.ones(n), np.eye(n))
    true = np.diag(np.r_[np.arange(n, n - 4, -1.0), np.zeros(n - 4)])
    foretold = np.diag(np.r_[9.0, 8, 0, 0, np.arange(20, 14, -1), np.zeros(n - 10)])
    null = chance.rotated(true, 5, np.random.default_rng(0))
    assert chance.overlaps(basis, foretold, true, null, "abs")["4 in 8"].value == 0.5


def test_an_impossible_null_is_refused():
    W, D, rng = drawn(12, 20, 1000)
    with pytest.raises(ValueError, match="at least 2 draws, got 1"):
        chance.rotated(D, 1, rng)
    with pytest.raises(ValueError, match="at least 16 directions, got 12"):
        chance.overlaps(theory.core(W), D, D, chance.rotated(D, 2, rng), "rate")


# --- first steps and what can be reached ------------------------------------------------------------------------


def check_first_step(law: str, seed: int, out: int = 6, in_: int = 9, rank: int = 3, draws: int = 20_000) -> None:
    """(1) and (3) against draws of A, in the frame of W and whatever the kurtosis."""
    W, G, rng = drawn(out, in_, seed)
    basis, scale, eta = theory.core(W), 2.0, 0.1
    bound = in_**-0.5
    shape = draws, rank, in_
    A = rng.uniform(-bound, bound, shape) if law == "uniform" else bound / 3**0.5 * rng.standard_normal(shape)
    moved = -eta * scale**2 * np.sum((A @ (G.T @ basis.U)) * (A @ basis.Vt.T), axis=1)
    expected = learning.first_step_mean(G, basis, rank, scale, eta)
    kurtosis = learning.UNIFORM if law == "uniform" else learning.NORMAL
    ratio = learning.signal_to_noise(G, basis, rank, kurtosis)
    for i in range(min(out, in_)):
        assert within(moved[:, i], expected[i], 5)
        # the relative error of a standard deviation is below 3/sqrt(draws) for these tails
        assert np.abs(expected[i]) / moved[:, i].std() == pytest.approx(ratio[i], rel=5 * 3 / draws**0.5)


@pytest.mark.parametrize("law", ["uniform", "normal"])
def test_the_first_step_is_a_sketch_of_the_gradient(law):
    check_first_step(law, 1000)


def test_a_scale_moves_faster_than_lora_by_the_formula():
    """(4) is one over the factor of (1)."""
    W, G, _ = drawn(7, 16, 1000)
    basis = theory.core(W)
    ratio = theory.coordinates(basis, G) / -learning.first_step_mean(G, basis, 4, 2.0)
    np.testing.assert_allclose(ratio, learning.speed_up(16, 4, 2.0), rtol=100 * EPS)
    assert learning.speed_up(4096, 32, 2.0) == 96
    assert learning.speed_up(4096, 4, 2.0) == 768


def check_reach(out: int, in_: int, rank: int, seed: int) -> None:
    """No s B A does better than (7), and the truncated decomposition of D + W_I attains it; (6) with scales."""
    W, D, rng = drawn(out, in_, seed)
    basis, n = theory.core(W), min(out, in_)
    chosen = rng.permutation(n)[: min(rank, n)]
    start = (basis.U[:, chosen] * basis.sigma[chosen]) @ basis.Vt[chosen]
    least, total = learning.reach(D, rank, start), np.sum(D**2)
    U, S, Vt = np.linalg.svd(D + start, full_matrices=False)
    best = (U[:, :rank] * S[:rank]) @ Vt[:rank]
    assert np.sum((best - start - D) ** 2) / total == pytest.approx(least, abs=100 * n * EPS)
    for _ in range(5):
        product = best + 0.3 * U[:, :rank] @ rng.standard_normal((rank, in_))
        product = np.linalg.svd(product, full_matrices=False)
        other = (product[0][:, :rank] * product[1][:rank]) @ product[2][:rank]
        assert np.sum((other - start - D) ** 2) / total >= least - 100 * n * EPS
    scaled = (basis.U[:, chosen] * theory.coordinates(basis, D)[chosen]) @ basis.Vt[chosen]
    tail = np.linalg.svd(D - scaled, compute_uv=False)[rank:]
    assert learning.reach_with_scales(D, basis, chosen, rank) == pytest.approx(
        np.sum(tail**2) / total, abs=100 * n * EPS
    )


@given(sizes, sizes, st.integers(1, 5), seeds)
def test_what_a_start_can_reach(out, in_, rank, seed):
    check_reach(out, in_, min(rank, out, in_), seed)


def test_a_start_that_the_task_undoes_is_free_and_another_costs():
    """(7) is 0 for D = -W_I at any rank, and all of D where W_I takes up every rank that D would need."""
    W, _, _ = drawn(10, 10, 1000)
    basis = theory.core(W)
    part = (basis.U[:, 3:6] * basis.sigma[3:6]) @ basis.Vt[3:6]
    assert learning.reach(-part, 1, part) <= 100 * EPS
    other = (basis.U[:, :3] * basis.sigma[:3]) @ basis.Vt[:3]
    assert learning.reach(part, 3, other) == pytest.approx(1, abs=100 * EPS)
    assert learning.reach(part, 3) <= 100 * EPS


@pytest.mark.parametrize(
    ("carried", "directions", "rank"), [(False, 0, 4), (True, 0, 8), (False, 8, 12), (True, 8, 16)]
)
def test_the_rank_of_the_change(carried, directions, rank):
    assert learning.change_rank(4, carried, directions) == rank
