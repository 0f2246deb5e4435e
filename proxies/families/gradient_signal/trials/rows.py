"""The initial factors that EVA is compared with: what changes the direction of A's rows is kept
apart from what changes their length."""

from collections.abc import Collection, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Generator, Tensor

from lora import SCHEMES, Statistics
from lora.ranks import distribute, variance_scores
from lora.schemes import Factors
from proxies.families.gradient_signal.claims.setting import COMPETITORS, MOVED
from theory.gradient_signal import optimum as theory

Array = NDArray[np.floating]
NOISE = 1e-5  # of the largest eigenvalue: below it lies the rounding of float32 inputs
RHO = 2  # ranks are moved to at most twice the rank asked for
ROWS = (
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
"""With B = 0. default: U(-1/sqrt(d), 1/sqrt(d)); orthogonal: random orthonormal rows, of EVA's
|A|_F; same E|Ax|^2: these made as long as gives EVA's E|Ax|^2; rotated: O A of EVA's; minor: the
last eigenvectors above rounding, of EVA's |A|_F; gradient SVD: the right singular vectors of G;
gradient_signal: the top eigenvectors of Q."""


def initial_rows(
    stats: Statistics, W: Tensor, rank: int, seed: int, names: Collection[str] = ROWS
) -> dict[str, Tensor]:
    """A (rank, in) of initializations with B = 0, from the library's schemes.

    Args:
        stats: of the layer's inputs and gradients.
        W: the frozen weight (out, in).
        rank: r.
        seed: of what is random.
        names: which of ROWS.

    Returns: float64 rows by name, in the order of ROWS.
    """
    W = W.double()

    def scheme(name: str, **options: bool) -> Tensor:
        return SCHEMES[name](W, rank, Generator().manual_seed(seed), stats, **options).A

    def same_variance() -> Tensor:
        A, M = scheme("orthogonal"), stats.second_moment.double()
        length = lambda A: ((A @ M) * A).sum()
        return A * (length(scheme("eva")) / length(A)).sqrt()

    def rotated() -> Tensor:
        rng = np.random.default_rng(seed)
        turn = torch.from_numpy(np.linalg.qr(rng.standard_normal((rank, rank))).Q)
        return turn @ scheme("eva")

    def minor() -> Tensor:
        values, vectors = stats.axes()
        alive = int((values > NOISE * values[0]).sum())
        return vectors[:, max(alive - rank, 0) :][:, :rank].mT

    def gradient_svd() -> Tensor:
        assert stats.gradient is not None
        return torch.linalg.svd(stats.gradient.double(), full_matrices=False)[2][:rank]

    rules = {
        "default": lambda: scheme("init_a"),
        "orthogonal": lambda: scheme("orthogonal"),
        "same E|Ax|^2": same_variance,
        "EVA": lambda: scheme("eva"),
        "EVA uncentred": lambda: scheme("eva", center=False),
        "EVA rotated": rotated,
        "minor": minor,
        "gradient SVD": gradient_svd,
        "gradient_signal": lambda: scheme("gradient_signal"),
    }
    return {name: rules[name]() for name in ROWS if name in names}


def competitors(stats: Statistics, W: Tensor, rank: int, seed: int) -> dict[str, Factors]:
    """(B, A) of PiSSA, OLoRA, CorDA and, where the layer has 2 r singular pairs, LoRA-GA."""
    W = W.double()
    return {
        name: SCHEMES[scheme](W, rank, Generator().manual_seed(seed), stats)
        for name, scheme in COMPETITORS.items()
        if SCHEMES[scheme].pairs * rank <= min(W.shape)
    }


def initial_factors(
    names: Sequence[str],
    stats: dict[str, Statistics],
    weights: dict[str, Tensor],
    rank: int,
    seed: int,
) -> dict[str, list[Factors]]:
    """Float32 factors of every layer, in the order of `weights`, for some initializations: of ROWS,
    competitors, which begin at B A != 0, or MOVED, which is EVA with ranks moved between layers.

    Moved ranks are padded with zeros to one number of rows: where B and A are 0 both gradients
    are, and they stay so.
    """
    found: dict[str, list[Factors]] = {name: [] for name in names}
    ranks = moved_ranks(stats, rank)
    for name, W in weights.items():
        rows = initial_rows(stats[name], W, rank, seed, names)
        rows[MOVED] = torch.zeros(RHO * rank, W.shape[1], dtype=torch.float64)
        if ranks[name]:
            eva = SCHEMES["eva"](W.double(), ranks[name], Generator(), stats[name]).A
            rows[MOVED][: ranks[name]] = eva
        pairs = {n: Factors(W.new_zeros(len(W), len(A)), A) for n, A in rows.items()}
        pairs |= competitors(stats[name], W, rank, seed)
        for initialization, layers in found.items():
            B, A = pairs[initialization]
            layers.append(Factors(B.float(), A.float()))
    return found


def moved_ranks(stats: dict[str, Statistics], rank: int) -> dict[str, int]:
    """The rank of every layer when the budget of equal ranks goes by explained variance, as in
    EVA."""
    scores = {name: variance_scores(layer, RHO * rank) for name, layer in stats.items()}
    return distribute(scores, rank * len(stats))


def captured(stats: Statistics, rows: dict[str, Tensor]) -> dict[str, dict[str, float]]:
    """What each initialization's rows capture, as a part of the most that rows of their lengths
    can: of one token's signal (Q), of a whole data set's (G^T G), and of the inputs' E|Ax|^2."""
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
