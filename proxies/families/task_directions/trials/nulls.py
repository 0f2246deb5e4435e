"""What unrelated changes of a weight look like: overlaps of their change rates, where the largest
stand, how they fall."""

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
from scipy.linalg import eigvalsh_tridiagonal

from proxies.instruments.optional import MINILM
from theory.task_directions import (
    Array,
    exact_bottom_rank,
    exact_overlap,
    exponential,
    half_normal,
    mean_logs,
    overlap,
    top,
)

HIDDEN = {
    "Gaussian": (half_normal, lambda rng, n: np.abs(rng.standard_normal(n))),
    "exponential": (exponential, lambda rng, n: rng.exponential(size=n)),
}
"""P(g > x) and draws of g, by law"""
TAIL = slice(4, 50)  # ranks 5 to 50, of which the slope of the sorted rates is taken
DIRECTIONS = 8
SMALLEST = 400


def edge(law: str, s: int, m: int, size: int, draws: int, seed: int) -> dict[str, Any]:
    """Overlaps of the rates of two unrelated changes on the hard edge sigma_(k) = k / size, and
    their mean by theory.task_directions.finite (2)."""
    rng, (survival, draw) = np.random.default_rng(seed), HIDDEN[law]
    sigma = np.arange(size, 0, -1) / size
    pairs = ([draw(rng, size) / sigma for _ in range(2)] for _ in range(draws))
    return {
        "overlaps": [overlap(x, y, s, m) for x, y in pairs],
        "exact": exact_overlap(sigma, s, m, survival),
    }


def spectrum(kind: str, size: int, seed: int) -> Array:
    """Singular values, falling: of a Gaussian weight, "square" size x size or "rectangular" size x
    2 size; evenly from 1 down to 1/2 ("flat"); or the `SMALLEST` of a square one, too large to
    decompose, from its "bidiagonal" form."""
    rng = np.random.default_rng(seed)
    if kind == "flat":
        return np.linspace(1, 0.5, size)
    if kind == "bidiagonal":
        return smallest(size, rng)
    return np.linalg.svd(
        rng.standard_normal((size, size if kind == "square" else 2 * size)), compute_uv=False
    )


def smallest(size: int, rng: np.random.Generator) -> Array:
    """The smallest singular values of a square Gaussian weight, falling, from its bidiagonal form
    (math-ph/0206043): independent chi variables of size, .., 1 degrees of freedom on the diagonal
    and of size - 1, .., 1 beside it.

    The rates of the other directions are never among the sixteen largest: one with k - 1 smaller
    ones below it would need |a_k| > 0.05 k standard deviations, 20 of them at k = 400.
    """
    diagonal, beside = (np.sqrt(rng.chisquare(np.arange(n, 0, -1))) for n in (size, size - 1))
    # of [[0, W^T], [W, 0]] in a tridiagonal order, whose eigenvalues are +-sigma
    couplings = np.empty(2 * size - 1)
    couplings[::2], couplings[1::2] = diagonal, beside
    wanted = size, size + min(size, SMALLEST) - 1
    values: Any = eigvalsh_tridiagonal(
        np.zeros(2 * size), couplings, select="i", select_range=wanted
    )
    return values[::-1]


def unrelated(sigma: Array, draws: int, seed: int) -> dict[str, list[float]]:
    """Pairs of unrelated Gaussian changes of a weight with these singular values: for each pair

    accuracy     the published one: top 8 of one in top 16 of the other
    equal        top 8 in top 8
    bottom_rank  mean rank of the top 8, counted from 0 at the smallest singular value
    slope        of log sorted rate against log rank, ranks 5 to 50
    root         `accuracy` of changes whose coordinates have the standard deviation sqrt(sigma)
    """
    rng, n = np.random.default_rng(seed), len(sigma)
    found: dict[str, list[float]] = {}
    for _ in range(draws):
        hidden = np.abs(rng.standard_normal((2, n)))
        x, y = hidden / sigma
        values = {
            "accuracy": overlap(x, y, 8, 16),
            "equal": overlap(x, y, 8, 8),
            "bottom_rank": float(np.mean(n - 1 - top(x, DIRECTIONS))),
            "slope": _slope(np.log(np.sort(x)[::-1][TAIL])),
            "root": overlap(x * np.sqrt(sigma), y * np.sqrt(sigma), 8, 16),
        }
        for name, value in values.items():
            found.setdefault(name, []).append(value)
    return found


def _slope(logs: Array) -> float:
    ranks = np.arange(TAIL.start, TAIL.stop) + 1
    return float(np.polyfit(np.log(ranks), logs, 1)[0])


def drawn(kind: str, size: int, draws: int, seed: int) -> dict[str, float]:
    """`unrelated` on a weight that is drawn too: means over its changes."""
    found = unrelated(spectrum(kind, size, seed), draws, seed)
    return {name: float(np.mean(values)) for name, values in found.items()}


def exact(sigma: Array) -> dict[str, float]:
    """The means of these traits, by theory.task_directions.finite."""
    return {
        "accuracy": exact_overlap(sigma, 8, 16),
        "equal": exact_overlap(sigma, 8, 8),
        "bottom_rank": exact_bottom_rank(sigma, DIRECTIONS),
        "slope": _slope(mean_logs(sigma, range(TAIL.start + 1, TAIL.stop + 1))),
        "root": exact_overlap(np.sqrt(sigma), 8, 16),
    }


def trained_weights() -> dict[str, Array]:
    """The matrices of MiniLM's six blocks by name: four square ones of attention each, two of the
    perceptron."""
    from safetensors.numpy import load_file

    spec = importlib.util.find_spec(MINILM)
    assert spec is not None
    assert spec.origin is not None
    tensors = load_file(Path(spec.origin).parent / "model" / "model.safetensors")
    found = {
        name: value for name, value in tensors.items() if ".layer." in name and value.ndim == 2
    }
    return {name: np.asarray(value, float) for name, value in sorted(found.items())}


def transformer(draws: int, seed: int) -> list[dict[str, Any]]:
    """`unrelated` on every matrix of a trained transformer."""
    records = []
    for i, (name, W) in enumerate(trained_weights().items()):
        values = np.linalg.svd(W, compute_uv=False)
        records.append(
            {
                "matrix": name,
                "square": W.shape[0] == W.shape[1],
                **unrelated(values, draws, seed + i),
            }
        )
    return records
