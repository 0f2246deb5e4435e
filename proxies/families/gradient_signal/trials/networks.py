"""The signal that each initialization captures in the layers of real networks, with the gradients
of a real loss."""

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import lora
from lora import Statistics
from lora.bases import weight_of
from proxies.families.gradient_signal.claims.setting import EXAMPLES, PACKAGES
from proxies.families.gradient_signal.trials import text
from proxies.families.gradient_signal.trials.rows import captured, competitors, initial_rows
from proxies.families.gradient_signal.trials.tasks import TASKS
from theory.gradient_signal import batch as batch_theory
from theory.gradient_signal import optimum as theory

RANK = 8
# the layers that the figures look into, of the first part of the texts
DRAWN = ("0", "encoder.layer.0.intermediate.dense")
RANKS = (1, 2, 4, 8, 16, 32, 64)
BATCHES = tuple(float(n) for n in np.geomspace(1, 1e4, 13).round(3))


def _of_layer(
    name: str, stats: Statistics, W: Tensor, seed: int, drawn: bool = True
) -> dict[str, Any]:
    rank = min(RANK, len(W))
    rows = initial_rows(stats, W, rank, seed)
    # LoRA-GA's have the row space of "gradient SVD"
    others = {n: A for n, (_, A) in competitors(stats, W, rank, seed).items() if n != "LoRA-GA"}
    M, mu = stats.second_moment.double().numpy(), stats.mean.double().numpy()
    low, gap, high = theory.centring(stats.covariance.double().numpy(), mu, rank)
    rounding = 1e-12 * float(np.trace(M))
    return {
        "layer": name,
        "captured": captured(stats, {**rows, **others}),
        "curves": _curves(stats, W, rows, seed) if drawn and name in DRAWN else None,
        "inside": bool(low - rounding <= gap <= high + rounding),
    }


def _curves(stats: Statistics, W: Tensor, rows: dict[str, Tensor], seed: int) -> dict[str, Any]:
    """Part of Tr Q that rows of equal |A|_F^2 = r capture, by rank; with `rows` the share of M_n's
    optimum, by batch."""
    assert stats.gradient is not None
    assert stats.weighted_second_moment is not None
    Q, G = stats.weighted_second_moment.double().numpy(), stats.gradient.double().numpy()
    ranks = [rank for rank in RANKS if rank < min(W.shape)]
    by_rank: dict[str, list[float]] = {}
    for rank in ranks:
        for name, A in initial_rows(stats, W, rank, seed).items():
            part = rank * theory.signal(A.numpy(), Q) / float(A.square().sum()) / float(np.trace(Q))
            by_rank.setdefault(name, []).append(part)
    moments = [batch_theory.batch_moment(Q, G, n) for n in BATCHES]
    shares = [theory.shares([A.numpy() for A in rows.values()], M_n) for M_n in moments]
    by_batch = dict(zip(rows, np.transpose(shares).tolist(), strict=True))
    return {"ranks": ranks, "by rank": by_rank, "batches": BATCHES, "by batch": by_batch}


def digits_layers(seed: int) -> list[dict[str, Any]]:
    """The three layers of a network trained on upright digits, at the loss of turned ones."""
    task = TASKS["digits"]([seed], seed)
    model = task.model(0)
    batches = [(task.data["train"][0][0], task.data["train"][1][0])]
    stats = lora.collect(model, task.layers, batches, "gradient", task.mean_loss)
    return [_of_layer(n, stats[n], _weight(model, n), seed) for n in task.layers]


def _weight(model: nn.Module, name: str) -> Tensor:
    return weight_of(model.get_submodule(name)).detach()


def minilm_layers(part: int, block: int) -> list[dict[str, Any]]:
    """Eight layers of MiniLM-L6, four each of its first and last block, at the loss of telling
    packages apart by the mean of the last states; and for three of them what EVA's rows fall
    short of a float64 SVD of the same inputs.

    Args:
        part: which of the block's disjoint parts of the texts.
        block: decides which texts there are.
    """
    _, model = text.language_model()
    texts, labels = text.labelled(text.docstrings, 2 * EXAMPLES, [part], block)
    seed = block + part
    batch = {**text.tokens(texts), "labels": labels}
    half = len(texts) // 2
    with torch.no_grad():
        states = torch.cat(
            [_pooled(model, b) for b in text.split({k: v[:half] for k, v in batch.items()}, 48)]
        )
    W, b = text.probe(states, labels[:half], len(PACKAGES), seed)
    loss = lambda model, batch: F.cross_entropy(_pooled(model, batch) @ W.mT + b, batch["labels"])
    names = [
        f"encoder.layer.{block}.{part}"
        for block in (0, 5)
        for part in (
            "attention.self.query",
            "attention.output.dense",
            "intermediate.dense",
            "output.dense",
        )
    ]
    batches = text.split({k: v[half:] for k, v in batch.items()}, 48)
    read: dict[str, list[Tensor]] = {name: [] for name in names[:3]}
    handles = [
        model.get_submodule(name).register_forward_pre_hook(_keep(rows))
        for name, rows in read.items()
    ]
    try:
        stats = lora.collect(model, names, batches, "gradient", loss)
    finally:
        for handle in handles:
            handle.remove()
    mask = batch["attention_mask"][half:].bool()
    found = [_of_layer(n, stats[n], _weight(model, n), seed, part == 0) for n in names]
    for layer, rows in zip(found, read.values(), strict=False):
        layer["deficit"] = _deficit(stats[layer["layer"]], torch.cat(rows)[mask])
    return found


def _keep(rows: list[Tensor]) -> Any:
    def hook(module: nn.Module, args: tuple[Tensor, ...]) -> None:
        del module
        rows.append(args[0].detach())

    return hook


def _pooled(model: nn.Module, batch: dict[str, Tensor]) -> Tensor:
    states = model(
        input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]
    ).last_hidden_state
    mask = batch["attention_mask"][..., None].to(states)
    return (states * mask).sum(1) / mask.sum(1)


def _deficit(stats: Statistics, X: Tensor) -> float:
    """How much less variance EVA's rows capture than the exact ones do, as a part of theirs."""
    exact = (X.double() - X.double().mean(0)).numpy()
    _, S, _ = np.linalg.svd(exact, full_matrices=False)
    W = torch.zeros(RANK, X.shape[1], dtype=torch.float64)
    A = lora.SCHEMES["eva"](W, RANK, stats=stats).A.numpy()
    return abs(1 - float(np.linalg.norm(exact @ A.T) ** 2 / (S[:RANK] ** 2).sum()))
