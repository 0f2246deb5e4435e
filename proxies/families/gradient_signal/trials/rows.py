"""The rows of A that EVA is compared with: what changes the direction is kept apart from what
changes the length. B is 0 for all."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Generator, Tensor

from lora import SCHEMES, Statistics
from theory.gradient_signal import optimum as theory

Array = NDArray[np.floating]
NOISE = 1e-5  # of the largest eigenvalue: below it lies the rounding of float32 inputs
INITIALIZATIONS = (
    "default",
    "orthogonal",
    "same E|Ax|^2",
    "EVA",
    "EVA uncentred",
    "EVA rotated",
    "minor",
    "gradient SVD",
    "gradient_signal",
)
"""default: U(-1/sqrt(d), 1/sqrt(d)); orthogonal: random orthonormal rows, of EVA's |A|_F; same
E|Ax|^2: these made as long as gives EVA's E|Ax|^2; rotated: O A of EVA's; minor: the last
eigenvectors above rounding, of EVA's |A|_F; gradient SVD: the right singular vectors of G;
gradient_signal: the top eigenvectors of Q."""


def initial_rows(stats: Statistics, out: int, rank: int, seed: int) -> dict[str, Tensor]:
    """A (rank, in) of every initialization, from the library's schemes.

    Args:
        stats: of the layer's inputs and gradients.
        out: the layer's outputs.
        rank: r.
        seed: of what is random.

    Returns: float64 rows by the names in INITIALIZATIONS.
    """
    W = torch.zeros(out, len(stats.mean), dtype=torch.float64)

    def scheme(name: str, **options: bool) -> Tensor:
        return SCHEMES[name](W, rank, Generator().manual_seed(seed), stats, **options).A

    eva, orthogonal = scheme("eva"), scheme("orthogonal")
    M = stats.second_moment.double()
    length = lambda A: ((A @ M) * A).sum()
    rng = np.random.default_rng(seed)
    turn = torch.from_numpy(np.linalg.qr(rng.standard_normal((rank, rank))).Q)
    values, vectors = stats.axes()
    alive = int((values > NOISE * values[0]).sum())
    assert stats.gradient is not None
    return {
        "default": scheme("init_a"),
        "orthogonal": orthogonal,
        "same E|Ax|^2": orthogonal * (length(eva) / length(orthogonal)).sqrt(),
        "EVA": eva,
        "EVA uncentred": scheme("eva", center=False),
        "EVA rotated": turn @ eva,
        "minor": vectors[:, max(alive - rank, 0) :][:, :rank].mT,
        "gradient SVD": torch.linalg.svd(stats.gradient.double(), full_matrices=False)[2][:rank],
        "gradient_signal": scheme("gradient_signal"),
    }


def captured(stats: Statistics, rows: dict[str, Tensor]) -> dict[str, dict[str, float]]:
    """What each initialization captures, as a part of the most that rows of its lengths can: of
    one token's signal (Q), of a whole data set's (G^T G), and of the inputs' E|Ax|^2."""
    assert stats.gradient is not None
    assert stats.weighted_second_moment is not None
    M, Q, G = (
        S.double().numpy()
        for S in (stats.second_moment, stats.weighted_second_moment, stats.gradient)
    )
    rank = len(next(iter(rows.values())))
    moments = {"token": Q, "data set": G.T @ G, "inputs": M}
    spectra = {name: np.linalg.eigvalsh(moments[name])[::-1][:rank] for name in ("token", "inputs")}
    spectra["data set"] = np.pad(np.linalg.svd(G, compute_uv=False) ** 2, (0, rank))[:rank]
    found = {}
    for name, A in ((name, rows.numpy()) for name, rows in rows.items()):
        squares = np.linalg.svd(A, compute_uv=False) ** 2
        found[name] = {
            of: theory.signal(A, S) / float(squares @ spectra[of]) for of, S in moments.items()
        }
    return found
