"""One adapted layer at 16 tokens, forward and backward: at so few, calls count and products do not,
as on a GPU with a small model."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.contestants import PlainLoRA, ours, theirs
from benchmarks.harness.clocks import Action, interleaved
from benchmarks.harness.rows import Quantity, Row, Setting

WIDTH, TOKENS, REPEATS = 576, 16, 200


class One(nn.Module):
    """A model of one layer, of which the base of SmolLM2 has 210."""

    def __init__(self, width: int, dtype: torch.dtype) -> None:
        super().__init__()
        self.lin = nn.Linear(width, width, bias=False, dtype=dtype).requires_grad_(False)

    def forward(self, x: Tensor) -> Tensor:
        return self.lin(x)


def layers(width: int, rank: int, dtype: torch.dtype) -> dict[str, Any]:
    one = lambda: One(width, dtype)
    return {
        "frozen": one().lin,
        "ours": ours(one(), rank).lin,
        "ours, dora": ours(one(), rank, variant="dora").lin,
        "PEFT": theirs(one(), rank).base_model.model.lin,
        "PEFT, dora": theirs(one(), rank, use_dora=True).base_model.model.lin,
        "plain torch": PlainLoRA(one().lin, rank),
    }


def timed(setting: Setting, wanted: tuple[str, ...]) -> Mapping[str, Quantity]:
    width, rank, repeats = (32, 2, 1) if setting.toy else (WIDTH, 16, REPEATS)
    x = torch.randn(TOKENS, width).to(torch.bfloat16).requires_grad_()
    gradient = torch.randn(TOKENS, width).to(torch.bfloat16)
    every = layers(width, rank, torch.bfloat16)

    def step(layer: nn.Module) -> None:
        x.grad = None
        layer.zero_grad(set_to_none=True)
        layer(x).backward(gradient)

    actions = {name: Action(lambda _, n=name: step(every[n]), repeats=repeats) for name in wanted}
    return interleaved(actions, setting)


ROWS = (
    Row("layer at 16 tokens", "ours", "PEFT", timed, 0.9),
    Row("layer at 16 tokens", "ours", "plain torch", timed),
    Row("layer at 16 tokens", "ours", "frozen", timed),
    Row("layer at 16 tokens", "ours, dora", "PEFT, dora", timed, 0.9),
)
