"""The Hessian at a minimum of the factorisation problem, for the factors and for a generator
network's parameters: by automatic differentiation of the loss, against
`theory.matfac.convergence`."""

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Generator, Tensor

from proxies.families.matfac.trials.methods import Overparam, Params, Sizes
from proxies.families.matfac.trials.replay import replay
from theory.matfac import convergence
from theory.matfac import generator_network as theory

EPS = float(np.finfo(float).eps)
SETTINGS = ((6, 5, 2, 4), (12, 3, 2, 8), (8, 8, 1, 6), (5, 9, 3, 5))
"""rows, columns, rank and width m of the generator network, below rows + columns - 2 rank"""
EMBEDDING = 3


def conditioning(seed: int) -> dict[str, float]:
    """At the balanced minimiser of a target of exact rank, its singular values between 0.05 and 1.

    The generator network has been trained for 50 steps of gradient descent, and its b2 is then set
    so that it makes the minimiser.

    Returns: spectrum, the largest error of LoRA's nonzero eigenvalues in units of rounding;
        generator, the network's condition number over LoRA's; least, the error of the network's
        least nonzero eigenvalue, which is (1 + |h|^2) s_r, in units of rounding of its largest.
    """
    rows, columns, rank, width = SETTINGS[seed % len(SETTINGS)]
    M, U, S, Vh = _target(rows, columns, rank, seed)
    B, A = convergence.balanced(U, S, Vh)
    theta = np.concatenate([A.ravel(), B.ravel()])
    sizes = Sizes(rows, columns, rank)
    plain = _nonzero(_hessian(_loss(M, sizes), torch.from_numpy(theta)), len(theta) - rank**2)
    wanted = convergence.spectrum(S, rows, columns)
    state = _trained(M, rank, width, theta, seed)
    made = _generator_hessian(state, M, sizes)
    network = _nonzero(made, len(plain))
    level = 1 + float(state.hidden()[0] @ state.hidden()[0])
    return {
        "spectrum": float(np.abs(plain - wanted).max() / wanted[0]) / EPS,
        "generator": float(network[0] / network[-1] / (plain[0] / plain[-1])),
        "least": float(np.abs(network[-1] - level * S[-1]) / network[0]) / EPS,
    }


def _target(
    rows: int, columns: int, rank: int, seed: int
) -> tuple[Tensor, NDArray, NDArray, NDArray]:
    """M and its singular triplets."""
    rng = np.random.default_rng(seed)
    U = np.linalg.qr(rng.normal(size=(rows, rank)))[0]
    V = np.linalg.qr(rng.normal(size=(columns, rank)))[0]
    S = np.sort(np.exp(rng.uniform(np.log(0.05), 0, rank)))[::-1]
    return torch.from_numpy((U * S) @ V.T), U, S, V.T


def _trained(M: Tensor, rank: int, width: int, theta: NDArray, seed: int) -> theory.Generator:
    method = Overparam("default", width=width, embedding=EMBEDDING)
    begin = method.initialize(M, rank, Generator().manual_seed(seed))
    state = replay(method, M, rank, begin, 0.05, 50).states[-1]
    b2 = theta - state.W2 @ state.hidden()[0]
    return theory.Generator(state.z, state.W1, state.b1, state.W2, b2)


def _loss(M: Tensor, sizes: Sizes) -> Callable[[Tensor], Tensor]:
    rows, columns, rank = sizes

    def loss(theta: Tensor) -> Tensor:
        A, B = theta[: rank * columns], theta[rank * columns :]
        return (B.reshape(rows, rank) @ A.reshape(rank, columns) - M).square().sum() / 2

    return loss


def _generator_hessian(state: theory.Generator, M: Tensor, sizes: Sizes) -> Tensor:
    parts: Params = {
        name: torch.from_numpy(np.array(getattr(state, name)))
        for name in ("z", "W1", "b1", "W2", "b2")
    }
    loss = _loss(M, sizes)

    def of_parameters(flat: Tensor) -> Tensor:
        pieces = flat.split([part.numel() for part in parts.values()])
        P = {n: x.reshape(parts[n].shape) for n, x in zip(parts, pieces, strict=True)}
        return loss(P["W2"] @ (P["W1"] @ P["z"] + P["b1"]).relu() + P["b2"])

    return _hessian(of_parameters, torch.cat([part.flatten() for part in parts.values()]))


def _hessian(loss: Callable[[Tensor], Tensor], at: Tensor) -> Tensor:
    return torch.autograd.functional.hessian(loss, at)  # type: ignore[return-value]


def _nonzero(hessian: Tensor, count: int) -> NDArray:
    """The largest eigenvalues, descending: of a positive semidefinite matrix whose others are 0."""
    return torch.linalg.eigvalsh(hessian).flip(0)[:count].numpy()
