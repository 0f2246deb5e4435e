"""torch.compile of an adapted model: into how many graphs it cuts a small Llama, forward and
backward, with each variant, and what compiling gives a step. The variant tsd is dash, initialized
otherwise.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch._inductor.exc import InductorError

import lora
from benchmarks.contestants import frozen, ours, theirs
from benchmarks.harness.clocks import interleaved
from benchmarks.harness.counting import graphs
from benchmarks.harness.rows import NotMeasured, Quantity, Row, Setting
from benchmarks.models import base, labelled, noise
from benchmarks.step import loss, step

TOKENS = 2, 256
ROUNDS = 9


def _adapted(name: str, shape: str, setting: Setting) -> Any:
    model = base(shape, setting)
    rank = 2 if shape == "toy" or setting.toy else 16
    if name == "frozen base":
        return frozen(model)
    if name == "PEFT":
        return theirs(model, rank)
    if name == "pissa":  # plain, with the frozen pair
        return ours(model, rank, scheme=name)
    return ours(model, rank, variant=name)


def counted(setting: Setting, wanted: tuple[str, ...]) -> Mapping[str, Quantity]:
    """The toy model has every layer there is; a larger one has the same more often."""
    (batch,) = labelled(noise(1, 2, 8, "toy", setting))
    run = lambda model: loss(model, batch).backward()
    return {name: [float(graphs(run, _adapted(name, "toy", setting).train()))] for name in wanted}


def timed(setting: Setting, wanted: tuple[str, ...]) -> Mapping[str, Quantity]:
    (batch,) = labelled(noise(1, *TOKENS, "small", setting))
    backend = "eager" if setting.toy else "inductor"
    actions = {}
    for name in wanted:
        how, _, variant = name.partition(" ")
        model = _adapted(variant, "small", setting).train()
        if how == "compiled":
            compiled = torch.compile(model, backend=backend)
            try:
                loss(compiled, batch).backward()
            except InductorError as error:
                reason = str(error).splitlines()[0]
                raise NotMeasured(f"inductor does not work here: {reason}") from error
            model = compiled
        actions[name] = step(model, batch)
    return interleaved(actions, setting, ROUNDS)


def _graphs(name: str, aim: float | None = None) -> Row:
    return Row("graphs of a compiled model", name, None, counted, aim, unit="graphs", exact=True)


ROWS = (
    _graphs("PEFT"),
    *(_graphs(variant, 1) for variant in (*lora.VARIANTS, "pissa") if variant != "tsd"),
    *(
        Row("compiled step of a small Llama", f"compiled {variant}", f"eager {variant}", timed)
        for variant in ("plain", "frozen base")
    ),
)
