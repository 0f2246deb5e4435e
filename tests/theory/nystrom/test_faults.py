"""Planted faults of the Nyström laws: every one must be caught by the check named beside it."""

import numpy as np
import pytest

from tests.support.laws.nystrom import (
    E,
    P,
    check_asymmetric_leak,
    check_block_maps,
    check_closed_form,
    check_first_step,
    check_leak,
    check_limit,
    check_polar_map,
    check_range_finder,
    check_scalar_law,
    check_sketch_in_the_range,
    check_symmetric_identities,
)
from theory.nystrom import asymmetric, symmetric, truncated
from theory.nystrom import iterations as run

correct_pinv, correct_error, correct_first = (
    run.pinv_transpose,
    symmetric.error_after,
    run.first_step,
)


def x_moves_at_the_first_step(A, X, eta, rank):
    X, Y = correct_first(A, X, eta, rank)
    return X - eta * (X @ Y.T - A) @ correct_pinv(Y, rank), Y


def recursion_without_its_square(step_size, steps):
    return np.concatenate([[0], 1 - (1 - step_size) * (1 - 2 * step_size) ** np.arange(steps)])


FAULTS = {
    "residual halves instead of quarters": (
        check_symmetric_identities,
        (symmetric, "next_residual", lambda: E * P**-1 * E / 2),
    ),
    "update without the pseudo-inverse": (
        lambda: check_polar_map(3, 100.0, 0),
        (run, "symmetric_step", lambda A, X, eta, rank: run.gradient_step(A, X, eta)),
    ),
    "half the step size": (
        lambda: check_polar_map(3, 100.0, 0),
        (
            run,
            "symmetric_step",
            lambda A, X, eta, rank: X - eta / 2 * (X @ X.T - A) @ correct_pinv(X, rank),
        ),
    ),
    "limit that is not orthonormalised": (
        lambda: check_limit(3, 100.0, 0),
        (
            symmetric,
            "limit",
            lambda Q, spectrum, X: (Q * np.sqrt(spectrum)) @ symmetric.whitened(Q, spectrum, X),
        ),
    ),
    "closed form one step ahead": (
        lambda: check_closed_form(3, 100.0, 0),
        (symmetric, "error_after", lambda Q, spectrum, X, t: correct_error(Q, spectrum, X, t + 1)),
    ),
    "bound of steps without its constant": (
        lambda: check_closed_form(3, 100.0, 0),
        (symmetric, "extra_steps", lambda accuracy: 0.0),
    ),
    "alternating instead of simultaneous": (
        lambda: check_scalar_law(3, 100.0, 0),
        (run, "simultaneous_step", run.alternating_step),
    ),
    "simultaneous instead of alternating": (
        lambda: check_block_maps(3, 100.0, 0),
        (run, "alternating_step", run.simultaneous_step),
    ),
    "X moves at the first step": (
        lambda: check_scalar_law(3, 100.0, 0),
        (run, "first_step", x_moves_at_the_first_step),
    ),
    "recursion without its square term": (
        lambda: check_scalar_law(3, 100.0, 0),
        (asymmetric, "scalar_law", recursion_without_its_square),
    ),
    "no rank cut in the pseudo-inverse": (
        lambda: check_scalar_law(3, 100.0, 0, columns=6),
        (run, "pinv_transpose", lambda X, rank: correct_pinv(X, X.shape[1])),
    ),
    "leak contracts twice as fast": (
        lambda: check_leak(3, 100.0, 0),
        (run, "pinv_transpose", lambda X, rank: 1.5 * correct_pinv(X, rank)),
    ),
    "lower bound too high": (
        lambda: check_leak(3, 100.0, 0),
        (
            symmetric,
            "outside_bound",
            lambda Q, X_0, X, eta, t: 2 * np.linalg.norm(X_0 - Q @ Q.T @ X_0),
        ),
    ),
    "cosines that are not squared": (
        lambda: check_first_step(3, 100.0, 0),
        (
            asymmetric,
            "first_step_eigenvalues",
            lambda U, X, eta: np.sort(
                eta * np.linalg.svd(np.linalg.qr(X).Q.T @ U, compute_uv=False)
            ),
        ),
    ),
    "leak that shrinks at the first step too": (
        lambda: check_asymmetric_leak(3, 100.0, 0),
        (asymmetric, "outside_law", lambda eta, steps: (1 - eta) ** np.arange(steps + 1)),
    ),
    "asymmetric lower bound without Y": (
        lambda: check_asymmetric_leak(3, 100.0, 0),
        (
            asymmetric,
            "outside_bound",
            lambda U, X_0, Y, eta, t: (1 - eta) ** (t - 1) * np.linalg.norm(X_0 - U @ (U.T @ X_0)),
        ),
    ),
    "alternating from a sketch in the range": (
        lambda: check_sketch_in_the_range(3, 100.0, 0),
        (run, "simultaneous_step", run.alternating_step),
    ),
    "range finder without its projection": (
        lambda: check_range_finder(3, 100.0, 0),
        (truncated, "range_finder", lambda A, X: X @ X.T @ A),
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_fault_is_caught(fault, monkeypatch):
    check, (module, attribute, wrong) = FAULTS[fault]
    check()
    monkeypatch.setattr(module, attribute, wrong)
    with pytest.raises(AssertionError):
        check()
