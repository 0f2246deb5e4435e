"""The first step of LoRA and of LoRA-Dash, of the library's own layers, against
theory.task_directions.learning."""

from typing import Any

import numpy as np
import torch
from torch import Generator

import lora
from lora import SCHEMES
from lora.variants.dash import DashLinear
from proxies.families.task_directions.trials.planted import linear, tensor
from theory.task_directions import Array, core
from theory.task_directions import learning as theory

CHUNK = 2000


def gradient(size: int, strong: float, seed: int) -> tuple[Array, Array, int]:
    """A weight, a gradient of standard normal entries with one strong core coordinate more, and
    that one's index."""
    rng = np.random.default_rng(seed)
    W = rng.standard_normal((size, size))
    basis, i = core(W), int(rng.integers(size))
    return W, rng.standard_normal((size, size)) + strong * np.outer(basis.U[:, i], basis.Vt[i]), i


def identified(size: int, rank: int, draws: int, seed: int) -> dict[str, float]:
    """Over draws of the default A: the signal-to-noise ratio of the strong coordinate, and its mean
    over theory.task_directions.learning (1), s = 2. `gaussian` is the ratio that a Gaussian A would
    have."""
    W, G, i = gradient(size, 6.0, seed)
    basis, rng = core(W), Generator().manual_seed(seed)
    both = tensor(np.stack([basis.Vt[i], G.T @ basis.U[:, i]], 1)).double()
    parts = []
    for _ in range(draws // CHUNK):
        A = (
            torch.stack([SCHEMES["init_a"](tensor(W), rank, rng).A for _ in range(CHUNK)]).double()
            @ both
        )
        parts.append((A[..., 0] * A[..., 1]).sum(1))
    moved = -4 * torch.cat(parts).numpy()
    return {
        "snr": float(abs(moved.mean()) / moved.std(ddof=1)),
        "predicted": float(theory.signal_to_noise(G, basis, rank)[i]),
        "gaussian": float(theory.signal_to_noise(G, basis, rank, theory.NORMAL)[i]),
        "mean": float(moved.mean() / theory.first_step_mean(G, basis, rank, 2.0)[i]),
    }


def speed(size: int, rank: int, draws: int, seed: int) -> dict[str, Any]:
    """One step of SGD on layers launched at B = 0: how far d moves, over the mean of how far B A
    moves along it."""
    W, G, i = gradient(size, 20.0, seed)
    basis, eta = core(W), 0.1
    U, Vt, chosen = tensor(basis.U[:, [i]]), tensor(basis.Vt[[i]]), torch.tensor([i])
    low_rank, scaled = [], []
    for draw in range(draws):
        model = linear(W)
        options = {"directions": 1}
        lora.attach(
            model,
            lora.Config(
                rank=rank,
                alpha=2 * rank,
                target_modules=("0",),
                variant="dash",
                variant_options=options,
                seed=draws * seed + draw,
            ),
        )
        layer = model[0]
        assert isinstance(layer, DashLinear)
        layer.launch(U, Vt, chosen)
        optimizer = torch.optim.SGD(lora.param_groups(model, lr=eta))
        (model(torch.eye(size)) * tensor(G.T)).sum().backward()  # a loss whose gradient in W is G
        optimizer.step()
        with torch.no_grad():
            low_rank.append(layer.scale * float((U.mT @ layer.B) @ (layer.A @ Vt.mT)))
            scaled.append(float(layer.d))
    return {
        "d": scaled[0],
        "low_rank": low_rank,
        "ratio": float(np.mean(scaled) / np.mean(low_rank)),
        "predicted": theory.speed_up(size, rank, 2.0),
    }
