"""The laws of theory.gradient_signal.risk, each as a check that a planted fault must fail."""

import numpy as np

from tests.support.laws.gradient_signal import (
    EPS,
    UNITS,
    Population,
    array,
    collected,
    competitors,
    orthonormal,
    rows,
)
from theory.gradient_signal import risk


def check_frozen_risk(p: Population) -> None:
    """risk (1) to (3): least squares, EVA's rows and their rivals."""
    stats = collected(p)
    M, A = array(stats.second_moment), rows("eva", p, stats, center=False)
    allowed = UNITS * EPS * len(M) * np.linalg.cond(M) * float(np.trace(M))
    least = risk.least_bayes_risk(M, p.rank, 1.0)
    assert abs(risk.bayes_risk(A, M, 1.0) - least) <= allowed
    rng = np.random.default_rng(len(M))
    for other in [orthonormal(p.rank, len(M), rng) for _ in range(20)] + competitors(A, M, 1)[
        10:40
    ]:
        assert risk.bayes_risk(other, M, 1.0) >= least - allowed
    lengths = np.diag(np.arange(1.0, p.rank + 1))
    assert abs(risk.bayes_risk(lengths @ A, M, 1.0) - least) <= allowed, "lengths do not matter"
    D = rng.standard_normal((3, len(M)))
    x = array(p.x)
    fitted = np.linalg.lstsq(x @ A.T, x @ D.T, rcond=None)[1].sum() if p.rank < len(M) else 0.0
    assert abs(risk.frozen_risk(A, M, D) - fitted / len(x)) <= allowed * np.linalg.norm(D) ** 2
    # E[D^T D] = I over the axes, exactly
    of_each = sum(risk.frozen_risk(A, M, e[None]) for e in np.eye(len(M)))
    assert abs(of_each - least) <= allowed
    oracle, lowest = risk.oracle_rows(M, D, p.rank)
    assert (
        abs(risk.frozen_risk(oracle, M, D) - lowest)
        <= allowed * np.linalg.cond(M) * np.linalg.norm(D) ** 2
    )
    assert lowest <= risk.frozen_risk(A, M, D) + allowed * np.linalg.norm(D) ** 2


def check_kernel(p: Population) -> None:
    """risk (4): EVA's kernel is the truncated one, and nearest to X X^T in three norms."""
    stats = collected(p)
    X, A = array(p.x), rows("eva", p, stats, center=False)
    U, S, _ = np.linalg.svd(X, full_matrices=False)
    full, own = X @ X.T, risk.kernel(A, X)
    left = full - own
    allowed = UNITS * EPS * len(X) * S[0] ** 2
    tail = S[p.rank :] ** 2
    assert abs(np.linalg.norm(left, 2) - (tail[0] if len(tail) else 0)) <= allowed
    rng = np.random.default_rng(3)
    rivals = [risk.kernel(orthonormal(p.rank, X.shape[1], rng), X) for _ in range(5)]
    rivals.append(X[:, : p.rank] @ X[:, : p.rank].T)
    for order in (2, "fro", "nuc"):
        for rival in rivals:
            assert np.linalg.norm(left, order) <= np.linalg.norm(full - rival, order) + allowed
    if p.rank == len(S) or S[p.rank - 1] - S[p.rank] > 1e-3 * S[0]:
        truncated = (U[:, : p.rank] * S[: p.rank] ** 2) @ U[:, : p.rank].T
        assert np.linalg.norm(own - truncated) <= allowed / 1e-3
