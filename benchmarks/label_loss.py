"""The loss at labels in chunks (`scaling.evaluation.label_loss`) beside transformers' own, on
SmolLM2 with adapters, in bfloat16.

Of 2 n V d multiply-adds that the frozen head takes in a forward and a backward (n tokens, V words,
width d), only those of labelled tokens are left, and of the n V logits, which are there in bfloat16
and thrice in float32, one chunk. "loss" is a step of one block, so that the head and the loss are
nearly all of it; "step" is one of the whole model. Rows of 512 tokens.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from benchmarks.harness.clocks import Action, interleaved
from benchmarks.harness.memory import in_new_process, peak
from benchmarks.harness.rows import Quantity, Row, Setting
from benchmarks.models import SMOLLM2, noise
from benchmarks.step import contestant, loss
from scaling.core.task import IGNORED
from scaling.evaluation.label_loss import mean_loss

LENGTH = 512
CASES = {
    f"{tokens} tokens, {share} % labelled": (tokens, share)
    for tokens in (512, 2048)
    for share in (10, 100)
}
PEAKS = dict(zip(CASES, (560, 650, 2050, 2100), strict=True))  # aims in MiB
LOSSES = {
    "transformers": loss,
    "chunks": lambda model, batch: mean_loss(model, **batch)["loss"],
}


def batch_of(case: str, setting: Setting) -> dict[str, Tensor]:
    """As many tokens, of which each but the first of a row has a label with the given chance."""
    tokens, share = CASES[case]
    ids = noise(1, tokens // LENGTH, LENGTH, SMOLLM2, setting)[0]["input_ids"]
    drawn = torch.rand(ids.shape, generator=torch.Generator().manual_seed(0)).to(ids.device)
    return {"input_ids": ids, "labels": ids.masked_fill(drawn >= share / 100, IGNORED)}


def step(name: str, model: Any, batch: Mapping[str, Tensor]) -> Action:
    drop = lambda: model.zero_grad(set_to_none=True)
    return Action(lambda _: LOSSES[name](model, batch).backward(), drop)


def _timed(setting: Setting, case: str, blocks: int | None, rounds: int) -> Mapping[str, Quantity]:
    model = contestant("ours", SMOLLM2, setting)
    if blocks is not None:
        del model.model.layers[blocks:]
    batch = batch_of(case, setting)
    return interleaved({name: step(name, model, batch) for name in LOSSES}, setting, rounds)


def _peak(name: str, case: str, setting: Setting) -> float:
    """Of the second step: the first finds out what the model's loss is."""
    torch.set_num_threads(1)
    model, batch = contestant("ours", SMOLLM2, setting), batch_of(case, setting)
    few = {key: value[:, :8] for key, value in batch.items()}
    LOSSES[name](model, few).backward()
    return peak(lambda: LOSSES[name](model, batch).backward(), setting.device)


def _rows(case: str) -> tuple[Row, ...]:
    def alone(setting: Setting, wanted: tuple[str, ...]) -> Mapping[str, Quantity]:
        return _timed(setting, case, 1, 15)

    def whole(setting: Setting, wanted: tuple[str, ...]) -> Mapping[str, Quantity]:
        return _timed(setting, case, None, 7)

    def memory(setting: Setting, wanted: tuple[str, ...]) -> Mapping[str, Quantity]:
        run = _peak if setting.toy else lambda *given: in_new_process(_peak, *given)
        return {name: [run(name, case, setting)] for name in wanted}

    few = CASES[case][1] < 100
    return (
        Row(f"loss, {case}", "chunks", "transformers", alone, 0.5 if few else 1.0),
        Row(f"step, {case}", "chunks", "transformers", whole, 0.9 if few else 1.0),
        Row(f"peak of a step, {case}", "transformers", None, memory, unit="MiB", exact=True),
        Row(
            f"peak of a step, {case}",
            "chunks",
            None,
            memory,
            PEAKS[case],
            unit="MiB",
            exact=True,
        ),
    )


ROWS = tuple(row for case in CASES for row in _rows(case))
