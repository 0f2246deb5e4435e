"""Networks of any width with one adapted layer, whose frozen width x width weight is never formed.

    f(x) = w . relu(W h + s (B A - B_0 A_0) h),   h = relu(W_in x),                              (1)

and all but A and B is frozen. W enters only through P = W H, with H the features of the N samples
in columns. For W with entries N(0, 1/n) the rows of P are independent N(0, K), K = H^T H / n, so

    P = G K^(1/2), with G standard normal,                                                       (2)

has exactly the law of W H, at N/n of its memory and time.

A seed fixes the samples and the wanted change of the output for all widths, so that these do not
blur how a quantity goes with width; the network is drawn anew at each width.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Generator, Tensor

from theory.lr_stability import READOUTS

SAMPLES, INPUTS, TEACHER = 32, 8, 64
# of the width, in the entries of w
POWERS: dict[str, float] = {name: float(q) for name, q in READOUTS.items()}


class Network(NamedTuple):
    """For each of S seeds, H (S, n, N) and P (S, n, N) of (2), w (S, n), and y (S, N), the wanted
    change of f."""

    H: Tensor
    P: Tensor
    w: Tensor
    y: Tensor


def stream(*key: int) -> Generator:
    """A generator of its own for each key."""
    return Generator().manual_seed(
        int(np.random.SeedSequence(key).generate_state(1, np.uint64)[0] >> 1)
    )


def draw(
    width: int,
    seeds: Sequence[int],
    readout: str = "mup",
    samples: int = SAMPLES,
    device: str = "cpu",
    dtype: torch.dtype = torch.float32,
) -> Network:
    """One network of (1) a seed. Random numbers are drawn on the CPU, the same for every device.

    Args:
        width: n.
        seeds: one network is drawn for each.
        readout: "mup" or "standard", for entries of w of order 1/n or n^(-1/2), or "residual", the
            synthetic model of arXiv:2406.08447.
        samples: N.
        device: where the network is put.
        dtype: of all numbers.
    """
    make = _residual if readout == "residual" else _plain
    drawn = [make(width, seed, readout, samples, dtype) for seed in seeds]
    return Network(*(torch.stack(parts).to(device) for parts in zip(*drawn, strict=True)))


def frozen_product(H: Tensor, rng: Generator) -> Tensor:
    """P (n, N) of (2), in law W H. The symmetric root needs no jitter where K is singular."""
    n, N = H.shape
    values, Q = torch.linalg.eigh((H.mT @ H).double() / n)
    root = (Q * values.clamp(min=0).sqrt()) @ Q.mT
    return torch.randn(n, N, generator=rng, dtype=H.dtype) @ root.to(H.dtype)


def _plain(width: int, seed: int, readout: str, samples: int, dtype: torch.dtype) -> Network:
    """The wanted change is that of a ReLU teacher, of mean 0 and mean square 1 over the samples."""
    task, rng = stream(seed), stream(seed, width)
    normal = lambda *shape: torch.randn(*shape, generator=task, dtype=dtype)
    X = normal(INPUTS, samples)
    y = normal(TEACHER) @ (normal(TEACHER, INPUTS) @ X).relu()
    y = (y - y.mean()) / y.std(correction=0)
    H = (torch.randn(width, INPUTS, generator=rng, dtype=dtype) @ X * (2 / INPUTS) ** 0.5).relu()
    w = torch.randn(width, generator=rng, dtype=dtype) * width ** POWERS[readout]
    return Network(H, frozen_product(H, rng), w, y)


def _residual(width: int, seed: int, readout: str, samples: int, dtype: torch.dtype) -> Network:
    """The synthetic model of arXiv:2406.08447: U = W_in x, W h = U + W_h relu(U), a standard
    read-out, and a teacher of the same form, 1000 wide, whose W_h has rank 20. Here y is what the
    student lacks at first.
    """
    del readout
    task, rng = stream(seed), stream(seed, width)
    normal = lambda rng, *shape: torch.randn(*shape, generator=rng, dtype=dtype)
    inputs, wide, rank = 5, 1000, 20
    X = normal(task, inputs, samples) / inputs**0.5
    U = normal(task, wide, inputs) @ X
    low_rank = (
        normal(task, wide, rank) / rank**0.5 @ (normal(task, rank, wide) / wide**0.5 @ U.relu())
    )
    wanted = normal(task, wide) / wide**0.5 @ (U + low_rank).relu()
    U = normal(rng, width, inputs) @ X
    P = U + frozen_product(U.relu(), rng)
    w = normal(rng, width) / width**0.5
    return Network(U.relu(), P, w, wanted - w @ P.relu())
