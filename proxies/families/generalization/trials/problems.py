"""Small problems of classification by an adapted linear model, of which everything can be
enumerated.

The inputs are the 8 corners of {-1, 1}^3 with a constant 1 as fourth coordinate, the classes three,
W0 and the true weight Gaussian. The adapter has rank 1, and its numbers are stored in 2 bits, on
the grid -1, -1/3, 1/3, 1.
"""

from itertools import product

import numpy as np
from numpy.typing import NDArray

from theory.generalization import Adapter
from theory.generalization.exact import World

Array = NDArray[np.float64]
CLASSES, D_IN, PRECISION = 3, 4, 2
INPUTS = np.array([(*corner, 1.0) for corner in product((-1.0, 1.0), repeat=D_IN - 1)])
GRID = np.linspace(-1, 1, 1 << PRECISION)
VARIANTS = {
    name: Adapter(((CLASSES, D_IN, 1),), PRECISION, train_a="A" in name, train_b="B" in name)
    for name in ("B", "A", "BA")
}


def world(variant: str, noise: float, seed: int) -> World:
    """The class of a variant, one function for each distinct table of losses on the examples.

    Labels are argmax W_true x, each replaced with probability `noise` by one of the other two.
    Without noise the true weight is W0 + B A for an adapter of the class, so that no training error
    need remain.
    """
    rng = np.random.default_rng(seed)
    W0, W_true = rng.standard_normal((2, CLASSES, D_IN))
    tables = ((W0 + updates(variant, rng)) @ INPUTS.T).argmax(1)  # (adapters, inputs)
    truth = (W_true @ INPUTS.T).argmax(0) if noise else tables[rng.integers(len(tables))]
    p = np.full((len(INPUTS), CLASSES), noise / (CLASSES - 1))
    p[np.arange(len(INPUTS)), truth] = 1 - noise
    wrong = tables[:, :, None] != np.arange(CLASSES)  # (functions, inputs, classes)
    possible = p.ravel() > 0
    losses = np.unique(wrong.reshape(len(tables), -1)[:, possible], axis=0).astype(float)
    # The first of a tie is taken, and `unique` sorts: a random order keeps the truth from being the
    # first.
    return World(p.ravel()[possible] / len(INPUTS), rng.permutation(losses))


def updates(variant: str, rng: np.random.Generator) -> Array:
    """B A of every adapter of the class, (adapters, CLASSES, D_IN); the frozen factor is a random
    unit vector."""
    frozen_A, frozen_B = (
        v / np.linalg.norm(v) for v in (rng.standard_normal(D_IN), rng.standard_normal(CLASSES))
    )
    B, A = (np.array(list(product(GRID, repeat=size))) for size in (CLASSES, D_IN))
    if variant == "B":
        return B[:, :, None] * frozen_A
    if variant == "A":
        return frozen_B[:, None] * A[:, None, :]
    return (B[:, None, :, None] * A[None, :, None, :]).reshape(-1, CLASSES, D_IN)
