"""The exact laws of the Nyström initialization, each as a deviation in units of rounding."""

import itertools
from typing import Any

import numpy as np

from proxies.families.nystrom.claims.links import ACCURACY
from proxies.families.nystrom.trials.problem import EPS, initial
from theory.nystrom import asymmetric, symmetric
from theory.nystrom import iterations as run


def scalar_law(rows: int, columns: int, rank: int, condition: float, seed: int) -> dict[str, Any]:
    """Deviation of ||X_t Y_t^T - A|| / ||A|| from |d_t - 1|, in units of eps cond(X_0), at rank and
    twice the rank; apart from it the error after one step of size 1, where d_1 = 1."""
    A, *_ = run.target(rows, columns, rank, condition, seed)
    result: dict[str, Any] = {"deviation": 0.0, "steps": [], "condition": [], "one_step": 0.0}
    for columns_of_X in (rank, 2 * rank):
        X = initial(A, columns_of_X, seed)
        result["condition"].append(run.condition_number(X, rank))
        unit = EPS * result["condition"][-1]
        for eta in (0.1, 0.5, 0.9, 1.0):
            errors = run.errors(A, run.zero_product_run(A, X, eta, rank), 12)
            if eta == 1.0:
                result["one_step"] = max(result["one_step"], errors[1] / unit)
                continue
            law = np.abs(asymmetric.scalar_law(eta, 12) - 1)
            result["deviation"] = max(result["deviation"], float(np.abs(errors - law).max()) / unit)
            if eta == 0.5:
                result["steps"].append(run.first_below(errors, ACCURACY))
                result["errors"] = errors
    return result


def polar_law(rows: int, rank: int, condition: float, seed: int) -> dict[str, float]:
    """Deviations from the symmetric laws in rounding units, and what step size 1 does.

    The unit is eps cond(X_0), and for the cycle, which adds rounding up, eps times the distance of
    X_0.
    """
    A, Q, L = run.symmetric_target(rows, rank, condition, seed)
    X = initial(A, rank, seed)
    X_next = run.symmetric_step(A, X, 0.5, rank)
    W, W_next = symmetric.whitened(Q, L, X), symmetric.whitened(Q, L, X_next)
    unit = EPS * run.condition_number(X, rank)
    s, s_next = (np.linalg.svd(w, compute_uv=False) for w in (W, W_next))
    E, E_next = (Q.T @ (x @ x.T - A) @ Q for x in (X, X_next))
    map_W = (W + np.linalg.pinv(W).T) / 2
    Z = np.linalg.pinv(Q.T @ X) @ E  # E P^-1 E = Z^T Z, without the squared condition number of P
    map_E = Z.T @ Z / 4
    size_E = np.linalg.norm(map_E) + np.linalg.norm(L)
    *_, X_end = itertools.islice(run.symmetric_run(A, X, 0.5, rank), 60)
    cycle = np.array(run.errors(A, run.symmetric_run(A, X, 1.0, rank), 12))
    c = symmetric.distance(Q, L, X)
    return {
        "distance": c,
        "map": float(np.linalg.norm(W_next - map_W) / np.linalg.norm(map_W)) / unit,
        "sigma": float(np.abs(s_next / np.sort(symmetric.sigma_after(s, 1))[::-1] - 1).max())
        / unit,
        "residual": float(np.linalg.norm(E_next - map_E) / size_E) / unit,
        "limit": float(np.linalg.norm(X_end - symmetric.limit(Q, L, X)) / np.linalg.norm(X_end))
        / unit,
        "cycle": float((np.abs(cycle[2:] - cycle[:-2]) / (1 + cycle[:-2])).max()) / (EPS * c),
        "cycle_lowest": float(cycle.min()),
    }


def symmetric_steps(rows: int, rank: int, condition: float, xi: float, seed: int) -> dict[str, Any]:
    """Steps to 1e-12 at eta = 1/2 beside the distance of X_0 that theory.nystrom.symmetric (7)
    speaks of."""
    A, Q, L = run.symmetric_target(rows, rank, condition, seed)
    X = initial(A, rank, seed, xi)
    errors = run.errors(A, run.symmetric_run(A, X, 0.5, rank), 100, ACCURACY)
    law = [symmetric.error_after(Q, L, X, t) for t in range(len(errors))]
    return {
        "steps": len(errors) - 1,
        "distance": symmetric.distance(Q, L, X),
        "errors": errors,
        "law": law,
    }


def order(problem: str, rank: int, condition: float, eta: str, seed: int) -> dict[str, float]:
    """The order of convergence in multi-precision, from a Nyström sketch in the coordinates of
    range(A).

    Args:
        problem: "exact" and "over" (twice the rank) are symmetric, "asymmetric" has the exact rank.
        rank: of the target, of twice as many rows.
        condition: of the target.
        eta: the step size, a decimal string.
        seed: of target and sketch.
    """
    # A linear rate shows its order early, and takes ten times the steps. The quadratic one has to
    # square away what two eigenvalues of nearly one size add to the order.
    accuracy = 480 if eta == "0.5" else 25
    if problem == "asymmetric":
        A, U, S, _ = run.target(2 * rank, 2 * rank, rank, condition, seed)
        return {
            "order": run.asymmetric_order(
                U.T @ initial(A, rank, seed), S, eta, accuracy, digits=4 * accuracy
            )
        }
    A, Q, L = run.symmetric_target(2 * rank, rank, condition, seed)
    F_0 = Q.T @ initial(A, 2 * rank if problem == "over" else rank, seed)
    return {"order": run.symmetric_order(F_0, L, eta, accuracy, digits=4 * accuracy)[0]}


def tail(rows: int, rank: int, eta: float, seed: int) -> dict[str, float]:
    """The last factor of the error before it reaches 1e-9, for a condition number of 100."""
    A, *_ = run.symmetric_target(rows, rank, 1e2, seed)
    errors = run.errors(A, run.symmetric_run(A, initial(A, rank, seed), eta, rank), 400, 1e-9)
    return {"factor": errors[-1] / errors[-2]}
