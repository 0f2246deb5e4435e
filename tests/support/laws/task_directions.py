"""The laws of theory.task_directions as checks."""

import numpy as np
import pytest

from theory.task_directions import directions as theory
from theory.task_directions import learning
from theory.task_directions import null as chance

EPS = float(np.finfo(float).eps)

Array = np.ndarray


def drawn(out: int, in_: int, seed: int) -> tuple[Array, Array, np.random.Generator]:
    """W with singular values i/n, whose directions are well-posed, and a random D."""
    rng = np.random.default_rng(seed)
    n = min(out, in_)
    W = (chance.haar(out, n, rng) * np.arange(n, 0, -1) / n) @ chance.haar(in_, n, rng).T
    return W, rng.standard_normal((out, in_)), rng


def within(draws: Array, expected: float, errors: float = 4.5) -> bool:
    """Whether the mean of independent draws lies within `errors` standard errors: 7e-6 by chance
    for one mean."""
    return abs(draws.mean() - expected) <= errors * draws.std(ddof=1) / np.sqrt(len(draws))


def unit(out: int, in_: int) -> float:
    """What rounding may change of core coordinates of a D of norm about n: gaps of sigma are
    1/n."""
    return 100 * EPS * max(out, in_) ** 2


def check_coordinates(out: int, in_: int, seed: int) -> None:
    """A change along one core basis has one coordinate; rates of W itself are 1; phi of W itself is
    1."""
    W, _, rng = drawn(out, in_, seed)
    basis = theory.core(W)
    n = min(out, in_)
    i, size = int(rng.integers(n)), rng.normal()
    D = size * np.outer(basis.U[:, i], basis.Vt[i])
    expected = np.where(np.arange(n) == i, size, 0)
    assert np.abs(theory.coordinates(basis, D) - expected).max() <= unit(out, in_)
    assert np.abs(theory.rates(basis, W) - 1).max() <= unit(out, in_) + n * theory.EPS
    assert theory.energy(basis, 3 * W) == pytest.approx(1, abs=unit(out, in_))


def check_formulas(q: float) -> None:
    """(7) against the quadrature of (6)."""
    laws = (
        (theory.half_normal, theory.gaussian_overlap),
        (theory.exponential, theory.exponential_overlap),
    )
    for survival, formula in laws:
        # quad's own error
        assert theory.edge_overlap(q, survival) == pytest.approx(formula(q), abs=1e-8)


def check_limit(q: float) -> None:
    """(4) on a hard edge tends to (7): at s = 200 of 20000 to a part in s."""
    sigma = np.arange(20_000, 0, -1.0)
    for survival, formula in (
        (theory.half_normal, theory.gaussian_overlap),
        (theory.exponential, theory.exponential_overlap),
    ):
        assert theory.expected_overlap(sigma, 200, int(200 * q), survival) == pytest.approx(
            formula(q), abs=2 / 200
        )


def check_expected(kind: str, seed: int, draws: int = 300) -> None:
    """(4) against draws. It neglects the fluctuation of the counts, which is allowed for by 1/s of
    it."""
    rng = np.random.default_rng(seed)
    n, s, m = 400, 40, 80
    sigma = {
        "edge": np.arange(n, 0, -1.0),
        "flat": np.ones(n),
        "exponential": np.exp(-8 * np.arange(n) / n),
    }[kind]
    pairs = np.abs(rng.standard_normal((draws, 2, n))) / sigma
    found = [theory.overlap(x, y, s, m) for x, y in pairs]
    assert (
        abs(np.mean(found) - theory.expected_overlap(sigma, s, m))
        <= 1 / s + 4.5 * np.std(found) / draws**0.5
    )


def check_traits(seed: int) -> None:
    """(5), (8) and (9) against draws on the hard edge, at s = 40 where sums over k are near their
    integrals."""
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
    assert (
        abs(np.mean(left_out) - theory.smallest_left_out(s))
        <= 4.5 * (theory.smallest_left_out(s) / draws) ** 0.5
    )
    # by Euler and Maclaurin, 1/2
    assert abs(np.mean(counts) - s) <= 0.5 + 4.5 * np.std(counts) / draws**0.5


def check_rotation(out: int, in_: int, seed: int) -> None:
    """Rotated coordinates of a matrix with known core coordinates: E a_i^2 = |D|^2/(out in),
    whatever i."""
    rng = np.random.default_rng(seed)
    D = rng.standard_normal((out, in_)) * np.arange(1, in_ + 1)
    squares = chance.rotated(D, 2000, rng) ** 2
    assert squares.shape == (2000, min(out, in_))
    for i in range(min(out, in_)):
        assert within(squares[:, i], np.sum(D**2) / (out * in_), 5)


def check_haar(seed: int) -> None:
    """E Q = 0, which QR's own signs break, and E Q_ij^2 = 1/n."""
    rng = np.random.default_rng(seed)
    Q = np.array([chance.haar(4, 4, rng) for _ in range(4000)])
    assert np.abs(np.einsum("kij,kil->kjl", Q, Q) - np.eye(4)).max() <= 100 * EPS
    for i in range(4):
        for j in range(4):
            assert within(Q[:, i, j], 0, 5)
            assert within(Q[:, i, j] ** 2, 1 / 4, 5)


def check_overlaps(seed: int) -> None:
    """A prediction that is the change itself has lift 1 and z > 0; one that knows nothing has on
    average lift 0."""
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
            found = chance.overlaps(
                basis, rng.standard_normal(D.shape), D, chance.rotated(D, 10, rng), kind
            )
            blind.append([one.value - one.null for one in found.values()])
        for column in np.array(blind).T:
            assert within(column, 0)


def check_first_step(
    law: str, seed: int, out: int = 6, in_: int = 9, rank: int = 3, draws: int = 20_000
) -> None:
    """(1) and (3) against draws of A, in the frame of W and whatever the kurtosis."""
    W, G, rng = drawn(out, in_, seed)
    basis, scale, eta = theory.core(W), 2.0, 0.1
    bound = in_**-0.5
    shape = draws, rank, in_
    A = (
        rng.uniform(-bound, bound, shape)
        if law == "uniform"
        else bound / 3**0.5 * rng.standard_normal(shape)
    )
    moved = -eta * scale**2 * np.sum((A @ (G.T @ basis.U)) * (A @ basis.Vt.T), axis=1)
    expected = learning.first_step_mean(G, basis, rank, scale, eta)
    kurtosis = learning.UNIFORM if law == "uniform" else learning.NORMAL
    ratio = learning.signal_to_noise(G, basis, rank, kurtosis)
    for i in range(min(out, in_)):
        assert within(moved[:, i], expected[i], 5)
        # the relative error of a standard deviation is below 3/sqrt(draws) for these tails
        assert np.abs(expected[i]) / moved[:, i].std() == pytest.approx(
            ratio[i], rel=5 * 3 / draws**0.5
        )


def check_reach(out: int, in_: int, rank: int, seed: int) -> None:
    """No s B A does better than (7), and the truncated decomposition of D + W_I attains it; (6)
    with scales."""
    W, D, rng = drawn(out, in_, seed)
    basis, n = theory.core(W), min(out, in_)
    chosen = rng.permutation(n)[: min(rank, n)]
    carried = (basis.U[:, chosen] * basis.sigma[chosen]) @ basis.Vt[chosen]
    least, total = learning.reach(D, rank, carried), np.sum(D**2)
    U, S, Vt = np.linalg.svd(D + carried, full_matrices=False)
    best = (U[:, :rank] * S[:rank]) @ Vt[:rank]
    assert np.sum((best - carried - D) ** 2) / total == pytest.approx(least, abs=100 * n * EPS)
    for _ in range(5):
        product = best + 0.3 * U[:, :rank] @ rng.standard_normal((rank, in_))
        product = np.linalg.svd(product, full_matrices=False)
        other = (product[0][:, :rank] * product[1][:rank]) @ product[2][:rank]
        assert np.sum((other - carried - D) ** 2) / total >= least - 100 * n * EPS
    scaled = (basis.U[:, chosen] * theory.coordinates(basis, D)[chosen]) @ basis.Vt[chosen]
    tail = np.linalg.svd(D - scaled, compute_uv=False)[rank:]
    assert learning.reach_with_scales(D, basis, chosen, rank) == pytest.approx(
        np.sum(tail**2) / total, abs=100 * n * EPS
    )
