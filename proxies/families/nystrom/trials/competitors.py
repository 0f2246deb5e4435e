"""Steps to 1e-12 of what the Nyström initialization with eta = 1/2 competes with."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from proxies.families.nystrom.claims.links import ACCURACY
from proxies.families.nystrom.trials.problem import EPS, OTHER_STREAM, Array, initial
from theory.nystrom import iterations as run


def other_methods(
    rows: int, rank: int, condition: float, steps: int, seed: int
) -> dict[str, int | None]:
    """Steps to 1e-12 on the symmetric target from other step sizes and another initialization."""
    A, *_ = run.symmetric_target(rows, rank, condition, seed)
    sketch_of_A = initial(A, rank, seed)
    small = 1e-3 * np.random.default_rng(seed + OTHER_STREAM).standard_normal((rows, rank))
    runs = {
        "nystrom_0.4": (sketch_of_A, 0.4),
        "nystrom_1": (sketch_of_A, 1.0),
        "small_random": (small, 0.5),
    }
    return {
        name: run.first_below(
            run.errors(A, run.symmetric_run(A, X, eta, rank), steps, ACCURACY), ACCURACY
        )
        for name, (X, eta) in runs.items()
    }


def least_squares(
    rows: int, columns: int, rank: int, condition: float, steps: int, seed: int
) -> dict[str, Any]:
    """Alternating updates from small random factors: with eta = 1, which is alternating least
    squares, and with eta = 1/2."""
    A, *_ = run.target(rows, columns, rank, condition, seed)
    rng = np.random.default_rng(seed + OTHER_STREAM)
    pair = 1e-3 * rng.standard_normal((rows, rank)), 1e-3 * rng.standard_normal((columns, rank))
    swept = run.alternating_step(A, *pair, 1.0, rank)
    sweeps = {
        eta: run.first_below(
            run.errors(A, _alternating_run(A, pair, eta, rank), steps, ACCURACY), ACCURACY
        )
        for eta in (1.0, 0.5)
    }
    return {
        "first": run.relative_error(A, *swept) / (EPS * run.condition_number(swept[0], rank)),
        "sweeps": sweeps[1.0],
        "half_sweeps": sweeps[0.5],
    }


def _alternating_run(A: Array, pair: run.Pair, eta: float, rank: int) -> Iterator[run.Pair]:
    while True:
        yield pair
        pair = run.alternating_step(A, *pair, eta, rank)


def gradient_descent(
    rows: int, rank: int, condition: float, eta: float, seed: int
) -> dict[str, int | None]:
    """Steps of plain gradient descent to 1e-12 from a Nyström sketch of spectral size one half."""
    A, *_ = run.symmetric_target(rows, rank, condition, seed)
    X = initial(A, rank, seed)
    X = X / (2 * np.linalg.norm(X, 2))
    size = np.linalg.norm(A)
    for t in range(40_000):
        if not (error := float(np.linalg.norm(X @ X.T - A) / size)) < 1e30:
            break
        if error < ACCURACY:
            return {"steps": t}
        X = run.gradient_step(A, X, eta)
    return {"steps": None}
