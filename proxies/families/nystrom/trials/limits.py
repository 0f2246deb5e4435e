"""Where the Nyström initialization stops helping: leaks out of the range, random factors, too few
columns."""

import itertools
from typing import Any

import numpy as np

from proxies.families.nystrom.claims.links import ACCURACY
from proxies.families.nystrom.trials.problem import EPS, OTHER_STREAM, Array, initial
from theory.nystrom import asymmetric, symmetric, truncated
from theory.nystrom import iterations as run


def leak(rows: int, rank: int, eta: float, size: float, seed: int) -> dict[str, Any]:
    """A Nyström sketch plus noise of entries N(0, size^2): its part outside range(A) and its late
    rate.

    The late rate is None where the last quadratic step jumps over all that a small leak would show.
    """
    A, Q, _ = run.symmetric_target(rows, rank, 1e2, seed)
    noise = np.random.default_rng(seed + OTHER_STREAM).standard_normal((rows, rank))
    X_0 = initial(A, rank, seed) + size * noise
    iterates = list(itertools.islice(run.symmetric_run(A, X_0, eta, rank), 120))
    outside = np.array([np.linalg.norm(X - Q @ (Q.T @ X)) for X in iterates])
    unit = EPS * run.condition_number(X_0, rank)
    errors = run.errors(A, iter(iterates), 119, ACCURACY)
    floors = [
        symmetric.outside_bound(Q, X_0, X, eta, t) / np.linalg.norm(A)
        for t, X in enumerate(iterates)
    ]
    late = [b / a for a, b in itertools.pairwise(errors) if a < min(1e-4, 0.03 * size)]
    return {
        "outside": float(np.abs(outside - outside[0] * (1 - eta) ** np.arange(120)).max()) / unit,
        "late": late[-1] if late else None,
        "steps": len(errors) - 1,
        "least_steps": next(t for t, floor in enumerate(floors) if floor < ACCURACY),
        "errors": errors,
    }


def random_factors(rank: int, draws: int, seed: int) -> dict[str, Any]:
    """Both factors random inside the range, eta = 1/2: which of `draws` runs converge, and which
    the theory says do.

    An angle to the negative axis doubles at each step, so 60 steps are enough for any that float64
    can tell from zero.
    """
    rng = np.random.default_rng(seed)
    U = np.linalg.qr(rng.standard_normal((draws, 20, rank))).Q
    V = np.linalg.qr(rng.standard_normal((draws, 18, rank))).Q
    S = np.broadcast_to(run.geometric_spectrum(rank, 10.0), (draws, rank))
    A = (U * S[:, None, :]) @ np.swapaxes(V, -1, -2)
    X, Y = (basis @ rng.standard_normal((draws, rank, rank)) for basis in (U, V))
    M_0 = asymmetric.block(U, S, V, X, Y)
    allowed = ~asymmetric.obstructed(M_0)
    both: dict[str, Array] = {}
    for name, step, steps in (
        ("simultaneous", run.simultaneous_step, 60),
        ("alternating", run.alternating_step, 30),
    ):
        pair, history = (X, Y), []
        for _ in range(steps):
            pair = step(A, *pair, 0.5, rank)
            history.append(
                np.linalg.norm(pair[0] @ np.swapaxes(pair[1], -1, -2) - A, axis=(-2, -1))
            )
        both[name] = np.array(history) / np.linalg.norm(A[0])
    done = both["simultaneous"][-1] < 1e-8
    sweeps = both["alternating"]
    mu = np.linalg.eigvals(M_0)
    # nearest the negative axis
    decisive = np.take_along_axis(mu, np.abs(np.angle(mu)).argmax(1)[:, None], 1)[:200, 0]
    return {
        "real": decisive.real.tolist(),
        "imaginary": decisive.imag.tolist(),
        "done": done[:200].tolist(),
        "converged": int(done.sum()),
        "agreement": float((done == allowed).mean()),
        "alternating": float((sweeps[-1] < 1e-8).mean()),
        "alternating_factors": [
            float(f(sweeps[9] / sweeps[8])) for f in (np.min, np.median, np.max)
        ],
    }


def below_rank(gap: float, eta: float, seed: int) -> dict[str, float]:
    """Measured over predicted local factor with 4 columns for a target of rank 10, symmetric."""
    # The last kept and first lost values stand apart, so that the slowest mode soon outlives the
    # second slowest.
    L = np.array([1, 0.9, 0.8, 0.5, *(0.5 * gap * np.array([1, 0.6, 0.4, 0.3, 0.2, 0.1]))])
    Q = run.orthonormal(20, 10, np.random.default_rng(seed))
    A, best = (Q * L) @ Q.T, (Q[:, :4] * L[:4]) @ Q[:, :4].T
    errors = run.errors(best, run.symmetric_run(A, initial(A, 4, seed), eta, 4), 20_000, 1e-10)
    return {"ratio": (errors[-1] / errors[-11]) ** 0.1 / truncated.rate(eta, gap)}


def one_step_below_rank(seed: int) -> dict[str, float]:
    """The first step at eta = 1 with 4 columns for an asymmetric target of rank 10."""
    A, *_ = run.target(40, 30, 10, 10.0, seed)
    X_0 = initial(A, 4, seed)
    X, Y = run.first_step(A, X_0, 1.0, 4)
    s = np.linalg.svd(A, compute_uv=False)
    return {
        "range_finder": run.relative_error(truncated.range_finder(A, X_0), X, Y)
        / (EPS * run.condition_number(X_0, 4)),
        "weak_optimality": truncated.weak_optimality_gap(A, X, Y)
        / (EPS * run.condition_number(X_0, 4) * 10),
        "excess": float(np.linalg.norm(X @ Y.T - A) / np.linalg.norm(s[4:])),
    }
