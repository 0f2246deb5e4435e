"""K adapters at once on one base model (`lora.stack`) beside K models one after another: a training
step with AdamW, r = 8 on all linear layers.

The base product of all trials is one, so what a step costs however few tokens it has is paid once.
On a CPU that is little where a trial has hundreds of tokens; on a GPU a small model's step is all
of that kind.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

import lora
from benchmarks.harness.clocks import Action, interleaved
from benchmarks.harness.rows import Quantity, Row, Setting
from benchmarks.minilm import minilm
from benchmarks.models import SMOLLM2, base, noise, shared

RANK, ALPHA = 8, 16


def losses(model: Any, ids: Tensor) -> Tensor:
    """Of each token, or of each text where the model has no head of its own."""
    output = model(input_ids=ids)
    if "logits" in output:
        logits = output.logits[:, :-1].float()
        return F.cross_entropy(logits.flatten(0, 1), ids[:, 1:].flatten(), reduction="none")
    return output.last_hidden_state.float().square().mean((1, 2))


def steps(new: Callable[[], Any], ids: Tensor, count: int, rank: int) -> dict[str, Action]:
    """One step of every trial, stacked and separate."""
    rates = torch.logspace(-4, -2.5, count).tolist()
    targets = [n for n, m in new().named_modules() if isinstance(m, torch.nn.Linear)]
    targets = tuple(n for n in targets if n not in ("lm_head", "pooler.dense"))
    configs = [
        lora.Config(rank=rank, alpha=ALPHA, target_modules=targets, seed=seed)
        for seed in range(count)
    ]
    fused = partial(torch.optim.AdamW, fused=True)
    model = new()
    stacked = lora.stack(model, configs)
    optimizer = stacked.with_rates(fused(stacked.parameters(), lr=1.0), rates)
    alone = []
    for config, rate in zip(configs, rates, strict=True):
        one = new()
        lora.attach(one, config)
        alone.append((one, fused([p for p in one.parameters() if p.requires_grad], lr=rate)))

    def together(_: None) -> None:
        stacked.means(losses(model, ids.repeat(count, 1))).sum().backward()
        optimizer.step()
        optimizer.zero_grad()

    def separate(_: None) -> None:
        for one, own in alone:
            losses(one, ids).mean().backward()
            own.step()
            own.zero_grad()

    return {"stacked": Action(together), "separate": Action(separate)}


def language_model(
    count: int, rows: int, length: int, setting: Setting, wanted: tuple[str, ...]
) -> Mapping[str, Quantity]:
    (batch,) = noise(1, rows, length, SMOLLM2, setting)
    new = partial(base, SMOLLM2, setting)
    rank = 2 if setting.toy else RANK
    return interleaved(steps(new, batch["input_ids"], count, rank), setting)


def encoder(
    count: int, rows: int, length: int, setting: Setting, wanted: tuple[str, ...]
) -> Mapping[str, Quantity]:
    if setting.toy:
        return language_model(count, rows, length, setting, wanted)
    model, _ = minilm(0)
    rng = torch.Generator().manual_seed(0)
    ids = torch.randint(1000, model.config.vocab_size, (rows, length), generator=rng)
    return interleaved(steps(partial(shared, model), ids, count, RANK), setting)


def _row(model: str, how: Any, count: int, rows: int, length: int, aim: float | None) -> Row:
    subject = f"{count} trials of {model}, {rows} x {length}"
    return Row(subject, "stacked", "separate", partial(how, count, rows, length), aim)


ROWS = (
    _row(f"{SMOLLM2} in bfloat16", language_model, 4, 2, 128, 1.0),
    _row("MiniLM in float32", encoder, 8, 2, 32, 0.8),
    _row("MiniLM in float32", encoder, 4, 16, 64, None),
)
GPU_ROWS = tuple(_row(SMOLLM2, language_model, count, 2, 128, 0.5) for count in (4, 16))
