"""Reference iterations for the Nyström theory: slow, literal and in float64, for tests and small
experiments.

Every update uses X (X^T X)^+ from the singular value decomposition cut at a given rank: an
over-parameterised iterate has rank k < r to rounding, and without the cut its last r - k
directions, which are noise, would be inverted too. All functions work on stacks of matrices as well
(leading axes).
"""

import itertools
from collections.abc import Iterator, Sequence

import mpmath
import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Pair = tuple[Array, Array]
DIVERGED = 1e30  # a relative error from which no run has come back


def _t(X: Array) -> Array:
    return np.swapaxes(X, -1, -2)


def orthonormal(rows: int, columns: int, rng: np.random.Generator) -> Array:
    return np.linalg.qr(rng.standard_normal((rows, columns))).Q


def geometric_spectrum(rank: int, condition: float) -> Array:
    """From 1 down to 1 / condition."""
    return np.geomspace(1, 1 / condition, rank) if rank > 1 else np.ones(1)


def target(
    rows: int, columns: int, rank: int, condition: float, seed: int
) -> tuple[Array, Array, Array, Array]:
    """A = U diag(S) V^T with a geometric spectrum from 1 down to 1 / condition, and U, S, V."""
    rng = np.random.default_rng(seed)
    U, V = orthonormal(rows, rank, rng), orthonormal(columns, rank, rng)
    S = geometric_spectrum(rank, condition)
    return (U * S) @ V.T, U, S, V


def symmetric_target(
    rows: int, rank: int, condition: float, seed: int
) -> tuple[Array, Array, Array]:
    """A = Q diag(L) Q^T with a geometric spectrum, and Q, L."""
    Q = orthonormal(rows, rank, np.random.default_rng(seed))
    L = geometric_spectrum(rank, condition)
    return (Q * L) @ Q.T, Q, L


def condition_number(X: Array, rank: int) -> float:
    """Largest over `rank`-th singular value: what rounding is multiplied by when X is inverted with
    that cut."""
    s = np.linalg.svd(X, compute_uv=False)
    return float(s[0] / s[rank - 1])


def pinv_transpose(X: Array, rank: int) -> Array:
    """X (X^T X)^+ with only the `rank` largest singular values of X inverted."""
    U, s, Vt = np.linalg.svd(X, full_matrices=False)
    kept = min(rank, s.shape[-1])
    return (U[..., :kept] / s[..., None, :kept]) @ Vt[..., :kept, :]


def symmetric_step(A: Array, X: Array, eta: float, rank: int) -> Array:
    return X - eta * (X @ _t(X) - A) @ pinv_transpose(X, rank)


def gradient_step(A: Array, X: Array, eta: float) -> Array:
    """Plain gradient descent on ||X X^T - A||_F^2 / 4."""
    return X - eta * (X @ (_t(X) @ X) - A @ X)


def first_step(A: Array, X: Array, eta: float, rank: int) -> Pair:
    """The step from (X, 0): X rests, because Y^T Y = 0 has no inverse yet."""
    return X, eta * _t(A) @ pinv_transpose(X, rank)


def simultaneous_step(A: Array, X: Array, Y: Array, eta: float, rank: int) -> Pair:
    D = X @ _t(Y) - A
    return X - eta * D @ pinv_transpose(Y, rank), Y - eta * _t(D) @ pinv_transpose(X, rank)


def alternating_step(A: Array, X: Array, Y: Array, eta: float, rank: int) -> Pair:
    """X first, then Y with the new X; at eta = 1 a sweep of alternating least squares."""
    X = X - eta * (X @ _t(Y) - A) @ pinv_transpose(Y, rank)
    return X, Y - eta * _t(X @ _t(Y) - A) @ pinv_transpose(X, rank)


def symmetric_run(A: Array, X: Array, eta: float, rank: int) -> Iterator[Array]:
    """X_0, X_1, ... without end."""
    while True:
        yield X
        X = symmetric_step(A, X, eta, rank)


def zero_product_run(A: Array, X: Array, eta: float, rank: int) -> Iterator[Pair]:
    """(X_0, 0), (X_0, Y_1), (X_2, Y_2), ... without end."""
    yield X, np.zeros((A.shape[1], X.shape[1]))
    pair = first_step(A, X, eta, rank)
    while True:
        yield pair
        pair = simultaneous_step(A, *pair, eta, rank)


def relative_error(A: Array, X: Array, Y: Array) -> float:
    return float(np.linalg.norm(X @ Y.T - A) / np.linalg.norm(A))


def errors(A: Array, iterates: Iterator, steps: int, accuracy: float = 0.0) -> list[float]:
    """Relative errors of X_t or of pairs (X_t, Y_t), t = 0..steps, ending early below `accuracy` or
    on divergence."""
    found = []
    for iterate in itertools.islice(iterates, steps + 1):
        X, Y = iterate if isinstance(iterate, tuple) else (iterate, iterate)
        found.append(relative_error(A, X, Y))
        if found[-1] < accuracy or not found[-1] < DIVERGED:
            break
    return found


def first_below(errors: Sequence[float], accuracy: float) -> int | None:
    """The first step with an error below `accuracy`; None for never."""
    return next((t for t, error in enumerate(errors) if error < accuracy), None)


def _frobenius(matrix: mpmath.matrix) -> mpmath.mpf:
    return mpmath.sqrt(sum(entry**2 for entry in matrix))


def _pinv_transpose(F: mpmath.matrix) -> mpmath.matrix:
    """F (F^T F)^+ for F of full row rank."""
    return (F * F.T) ** -1 * F


def _order(logs: Sequence[mpmath.mpf]) -> float:
    return float((logs[-1] - logs[-2]) / (logs[-2] - logs[-3]))


def symmetric_order(
    F_0: Array, spectrum: Array, eta: str, accuracy: int, digits: int
) -> tuple[float, list[float]]:
    """The order of convergence in multi-precision; double precision ends before a quadratic
    iteration has shown two clean ratios.

    Args:
        F_0: the first iterate (k, r), r >= k, in the coordinates of range(A).
        spectrum: eigenvalues of A, (k,).
        eta: a decimal string, so that 0.4 is meant exactly.
        accuracy: the iteration ends at an error of 10^-accuracy.
        digits: of the arithmetic, more than `accuracy`.

    Returns: the order, and the log10 of all errors.
    """
    with mpmath.workdps(digits):
        step_size, L, F = (
            mpmath.mpf(eta),
            mpmath.diag(spectrum.tolist()),
            mpmath.matrix(F_0.tolist()),
        )
        logs = []
        while not logs or logs[-1] > -accuracy:
            logs.append(mpmath.log10(_frobenius(F * F.T - L) / _frobenius(L)))
            F = F - step_size * (F * F.T - L) * _pinv_transpose(F)
        return _order(logs), [float(value) for value in logs]


def asymmetric_order(F_0: Array, spectrum: Array, eta: str, accuracy: int, digits: int) -> float:
    """The same for X Y^T = A from (X_0, 0): F = U^T X and G = V^T Y, the spectrum being the
    singular values of A."""
    with mpmath.workdps(digits):
        step_size, S, F = (
            mpmath.mpf(eta),
            mpmath.diag(spectrum.tolist()),
            mpmath.matrix(F_0.tolist()),
        )
        G, logs = step_size * S * _pinv_transpose(F), []
        while not logs or logs[-1] > -accuracy:
            D = F * G.T - S
            logs.append(mpmath.log10(_frobenius(D) / _frobenius(S)))
            F, G = (
                F - step_size * D * _pinv_transpose(G),
                G - step_size * D.T * _pinv_transpose(F),
            )
        return _order(logs)
