"""The null of an overlap, calibrated on the very matrices at hand: a change that has lost its
place.

Q_1 D Q_2 with Haar-distributed Q_1 and Q_2 has D's singular values s_k and knows nothing of W. In
W's core bases its coordinates are those of D in random ones,

    a_i = sum_k s_k (Q_1)_ik (Q_2)_ik,                                                           (1)

so neither D nor W needs to be at hand: singular values do. With P0 the mean overlap over such
draws,

    lift = (P - P0) / (1 - P0):  0 where P is chance, 1 where it is complete,                    (2)
    z = (P - P0) / (standard deviation of one draw).                                             (3)

No function gives an overlap without its null.

Source: derived here; the published overlaps (arXiv:2409.01035) come without a null.
"""

from typing import Literal, NamedTuple

import numpy as np
from numpy.random import Generator

from theory.task_directions.directions import Array, Core, coordinates, overlap, scaled

Score = Literal["rate", "abs"]
SIZES = {"8 in 16": (8, 16), "4 in 8": (4, 8), "8 in 8": (8, 8)}
"""(s, m) of the overlaps that are reported: the published accuracy, the published recall (of 4 true
ones, how many are among 8 predicted: the roles are exchanged, which the null does not notice), and
one of equal sizes."""


class Overlap(NamedTuple):
    """`value` beside its null; `spread` is the standard deviation of one draw of the null."""

    value: float
    null: float
    spread: float

    @property
    def lift(self) -> float:
        """(2); 0 where chance is complete, and nothing is left to be predicted."""
        return (self.value - self.null) / (1 - self.null) if self.null < 1 else 0.0

    @property
    def z(self) -> float:
        """(3); infinite where the value differs from a null that does not vary."""
        beyond = self.value - self.null
        return (
            beyond / self.spread if self.spread else np.copysign(np.inf, beyond) if beyond else 0.0
        )


def haar(size: int, columns: int, rng: Generator) -> Array:
    """The first columns of a Haar-distributed orthogonal matrix, (size, columns)."""
    Q, R = np.linalg.qr(rng.standard_normal((size, columns)))
    return Q * np.sign(np.diag(R))  # without the signs QR's own convention shows


def rotated_coordinates(values: Array, shape: tuple[int, int], rng: Generator) -> Array:
    """(1) for singular values (k,) of a change of this shape (out, in); (min(out, in),)."""
    n = min(shape)
    left, right = (haar(size, len(values), rng)[:n] for size in shape)
    return np.sum(left * values * right, axis=1)


def scores(basis: Core, coordinates: Array, kind: Score) -> Array:
    """Change rates of coordinates a_i (n,), or their sizes |a_i|."""
    return scaled(basis, coordinates) if kind == "rate" else np.abs(coordinates)


def rotated(D: Array, draws: int, rng: Generator) -> Array:
    """The core coordinates of `draws` Haar-rotated copies of D (out, in): (draws, min(out, in)).
    Raises ValueError for fewer than two draws, which have no spread."""
    if draws < 2:
        raise ValueError(f"a null needs at least 2 draws, got {draws}")
    values = np.linalg.svd(D, compute_uv=False)
    return np.array([rotated_coordinates(values, D.shape, rng) for _ in range(draws)])


def overlaps(
    basis: Core, predicted: Array, true: Array, null: Array, kind: Score
) -> dict[str, Overlap]:
    """What one change says about another, by the names of `SIZES`.

    Args:
        basis: of the weight.
        predicted: the change (out, in) that predicts.
        true: the change (out, in) that is predicted.
        null: `rotated(true, ...)`, with which the prediction is compared as with the true change.
        kind: what directions are ranked by.

    Raises: ValueError for a weight with fewer than 16 directions.
    """
    least = max(max(pair) for pair in SIZES.values())
    if len(basis.sigma) < least:
        raise ValueError(
            f"the overlaps need a weight of at least {least} directions, got {len(basis.sigma)}"
        )
    x, y, *others = (
        scores(basis, a, kind)
        for a in (coordinates(basis, predicted), coordinates(basis, true), *null)
    )
    found = {}
    for name in SIZES:
        chance = [_sized(name, x, other) for other in others]
        found[name] = Overlap(
            _sized(name, x, y), float(np.mean(chance)), float(np.std(chance, ddof=1))
        )
    return found


def _sized(name: str, predicted: Array, true: Array) -> float:
    s, m = SIZES[name]
    return overlap(true, predicted, s, m) if name == "4 in 8" else overlap(predicted, true, s, m)
