"""The training step, forward and backward without an optimizer, on SmolLM2 in bfloat16.

The floor is the base with every weight frozen: 4 m n operations a token and layer. LoRA adds six
skinny products, 6 r (m + n), which is 1.5 r (1/m + 1/n) of the floor: 5.4 % here at r = 16, with
the head among the products. Operator calls are those of forward and backward, without views and
allocations: on a GPU each is a launch.
"""

from collections.abc import Mapping
from typing import Any

import torch

from benchmarks.contestants import CONTESTANTS
from benchmarks.harness.clocks import Action, interleaved
from benchmarks.harness.counting import bytes_saved, operator_calls
from benchmarks.harness.memory import MIB
from benchmarks.harness.rows import Quantity, Row, Setting
from benchmarks.models import SMOLLM2, Batches, base, labelled, noise

TOKENS = 2, 256
OTHERS = (
    "plain torch",
    "full fine-tuning",
    "ours, A frozen",
    "ours, pissa",
    "ours, dash",
    "ours, overparam",
)


def loss(model: Any, batch: Mapping[str, torch.Tensor]) -> torch.Tensor:
    return model(**batch).loss


def contestant(name: str, shape: str, setting: Setting, **settings: Any) -> Any:
    """The model by its name, with no more rank than a toy has width."""
    if setting.toy:
        settings["rank"] = 2
    dtype = settings.pop("dtype", torch.bfloat16)
    return CONTESTANTS[name](base(shape, setting, dtype), **settings).train()


def step(model: Any, batch: Mapping[str, torch.Tensor]) -> Action:
    """One forward and backward, before which the gradients of the last are dropped."""
    drop = lambda: model.zero_grad(set_to_none=True)
    return Action(lambda _: loss(model, batch).backward(), drop)


def batch_of(shape: str, setting: Setting) -> dict[str, torch.Tensor]:
    batches: Batches = labelled(noise(1, *TOKENS, shape, setting))
    return batches[0]


def timed(setting: Setting, wanted: tuple[str, ...]) -> Mapping[str, Quantity]:
    return _timed(setting, wanted)


def dora(setting: Setting, wanted: tuple[str, ...]) -> Mapping[str, Quantity]:
    return _timed(setting, wanted)


def others(setting: Setting, wanted: tuple[str, ...]) -> Mapping[str, Quantity]:
    """Apart from the rows that have aims, since a round of a minute meets more than one load."""
    return _timed(setting, wanted, rounds=9)


def _timed(
    setting: Setting, wanted: tuple[str, ...], rounds: int | None = None
) -> Mapping[str, Quantity]:
    batch = batch_of(SMOLLM2, setting)
    models = {name: contestant(name, SMOLLM2, setting) for name in wanted}
    actions = {name: step(model, batch) for name, model in models.items()}
    return interleaved(actions, setting, rounds)


def in_float32(setting: Setting, wanted: tuple[str, ...]) -> Mapping[str, Quantity]:
    batch = batch_of("small", setting)
    models = {name: contestant(name, "small", setting, dtype=torch.float32) for name in wanted}
    return interleaved({name: step(model, batch) for name, model in models.items()}, setting)


def calls(setting: Setting, wanted: tuple[str, ...]) -> Mapping[str, Quantity]:
    batch, counted = batch_of(SMOLLM2, setting), {}
    for name in wanted:
        model = contestant(name, SMOLLM2, setting)
        run = lambda model=model: loss(model, batch).backward()
        run()  # a second step is like every other
        model.zero_grad(set_to_none=True)
        counted[name] = [float(operator_calls(run).total())]
    return counted


def saved(setting: Setting, wanted: tuple[str, ...]) -> Mapping[str, Quantity]:
    batch, counted = batch_of(SMOLLM2, setting), {}
    for name in wanted:
        model = contestant(name, SMOLLM2, setting)
        counted[name] = [bytes_saved(lambda model=model: loss(model, batch), model) / MIB]
    return counted


def _calls(name: str, aim: float | None = None) -> Row:
    return Row("operator calls", name, None, calls, aim, unit="calls", exact=True)


def _saved(name: str, aim: float | None = None) -> Row:
    return Row("saved for backward", name, None, saved, aim, unit="MiB", exact=True)


ROWS = (
    Row("step", "ours", "frozen base", timed, 1.10),
    Row("step", "PEFT", "frozen base", timed),
    Row("step", "PEFT in bfloat16", "frozen base", timed),
    Row("step", "ours", "PEFT", timed, 1.0),
    Row("step", "ours", "PEFT in bfloat16", timed, 1.0),
    Row("step", "ours, dora", "frozen base", dora, 1.30),
    Row("step", "PEFT, dora", "frozen base", dora),
    *(Row("step", name, "frozen base", others) for name in OTHERS),
    Row("float32 step of a small Llama", "ours", "frozen base", in_float32),
    Row("float32 step of a small Llama", "ours", "PEFT", in_float32, 1.0),
    _calls("frozen base"),
    _calls("ours", 4200),
    _calls("PEFT"),
    _calls("PEFT in bfloat16"),
    _calls("ours, dora", 6500),
    _calls("PEFT, dora"),
    _saved("frozen base"),
    _saved("ours", 410),
    _saved("PEFT"),
    _saved("PEFT in bfloat16"),
)
